"""Fine-tuning the adapter: a plain loop over windows of the marked text.

Training windows run across segments, so that the pauses at which the recording was cut are learned too; where windows
begin shifts from epoch to epoch. The held-out part is the recording's last stretch, never shuffled neighbours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody.dataset import Dataset, Segment
from prosody.errors import ProsodyError
from prosody.lm import evaluate
from prosody.lm.base import Base
from prosody.lm.checkpoint import adapter_bytes, save_adapter
from prosody.lm.estimate import peak_memory_mb
from prosody.lm.evaluate import Slots
from prosody.lm.loop import Line, Loop, Step, TrainParameters, pick_device, windows
from prosody.lm.lora import Counts, LoraParameters, attach
from prosody.lm.tokenizer import MarkerTokenizer
from prosody.markers import TOKENS

if TYPE_CHECKING:
    from peft import PeftModel

    from prosody.lm.slots import Batch

_FEW_WORDS, _FEW_EXAMPLES = 500, 30  # fewer are warned of


@dataclass(frozen=True)
class Epoch:
    """The held-out part after an epoch (0 = before training)."""

    epoch: int
    step: int
    loss_val: float
    macro_f1: float


@dataclass
class Trained:
    """What training gives: the model, and everything measured on the way."""

    model: PeftModel
    tokenizer: MarkerTokenizer
    counts: Counts
    metrics: dict[str, Any]
    steps: list[Step] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    held_out: list[Line] = field(default_factory=list)
    placed: list[tuple[str, ...]] = field(default_factory=list)
    placed_untuned: list[tuple[str, ...]] = field(default_factory=list)


def lines_of(segments: Sequence[Segment]) -> list[Line]:
    """The words of segments in order, with their markers."""
    return [(w.text, tuple(w.markers)) for s in segments for w in s.words]


def train(
    dataset: Dataset,
    base: Base,
    lora: LoraParameters | None = None,
    parameters: TrainParameters | None = None,
    *,
    folder: Path,
    run: str = "",
    data_sha256: str = "",
    on_line: Callable[[str], None] = print,
    on_step: Callable[[Step], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Trained:
    """Train an adapter for `base` on the dataset's "train" segments and measure it on "val".

    folder: where the adapter goes; a checkpoint an epoch lies beside it in `checkpoints/`. on_line gets what a person
    should read. `base.model` is changed in place. Raises ProsodyError if the dataset has no marked words to learn from.
    """
    import torch

    lora, parameters = lora or LoraParameters(), parameters or TrainParameters()
    train_lines, val_lines = _split(dataset)
    torch.manual_seed(parameters.seed)
    model, tokenizer, counts = attach(base, lora, seed=parameters.seed)
    device = pick_device(parameters.device)
    model.to(device)
    on_line(str(counts))
    for line in _warnings(train_lines, val_lines):
        on_line(line)
    loop = Loop(model, tokenizer, parameters, device)
    trained = Trained(model, tokenizer, counts, {}, held_out=val_lines)
    val_batches = loop.batches(windows(val_lines, n_words=parameters.window_words))
    untuned, trained.placed_untuned = loop.measure(val_batches)
    written = [m for _, m in val_lines]
    trained.epochs.append(Epoch(0, 0, untuned, evaluate.macro_f1(written, trained.placed_untuned)))
    card = _card(dataset, lora, parameters, counts, run, data_sha256, train_lines, val_lines)
    for step in loop.steps(train_lines):
        trained.steps.append(step)
        on_line(str(step))
        if on_step:
            on_step(step)
        if not step.ends_epoch:
            continue
        epoch = _measured(step, trained, loop, val_batches)
        told = f"held-out loss {epoch.loss_val:.4f} (untuned {untuned:.4f}) | macro F1 {epoch.macro_f1:.3f}"
        on_line(f"Epoch {epoch.epoch} | {told}")
        if on_epoch:
            on_epoch(epoch)
        checkpoint = folder.parent / "checkpoints" / f"epoch_{epoch.epoch:02d}"
        save_adapter(
            model, base, checkpoint, card=card | {"metrics": _figures(epoch, untuned, written, trained.placed)}
        )
    for line in _hints(trained.epochs):
        on_line(line)
    trained.metrics = _metrics(trained, loop, train_lines, untuned)
    model.eval()
    save_adapter(model, base, folder, card=card | {"metrics": trained.metrics})
    trained.metrics["adapter_bytes"] = adapter_bytes(folder)
    return trained


def _warnings(train_lines: Sequence[Line], val_lines: Sequence[Line]) -> list[str]:
    """What makes the figures doubtful: too few words, markers with too few examples."""
    lines = []
    if len(train_lines) < _FEW_WORDS or len(val_lines) < _FEW_WORDS // 10:
        what = f"{len(train_lines)} words to learn from and {len(val_lines)} held out"
        lines.append(f"warning  {what}: the figures will say little; ten minutes of speech or more are better")
    counts = {token: sum(token in m for _, m in train_lines) for token in TOKENS}
    few = [f"{token} {n}" for token, n in counts.items() if n < _FEW_EXAMPLES]
    if few:
        lines.append(f"warning  under {_FEW_EXAMPLES} examples to learn from: {', '.join(few)}")
    return lines


def _measured(step: Step, trained: Trained, loop: Loop, val_batches: Sequence[Batch]) -> Epoch:
    """Measure the held-out part after an epoch, and keep it in `trained`."""
    loss, trained.placed = loop.measure(val_batches)
    epoch = Epoch(step.epoch, step.step, loss, evaluate.macro_f1([m for _, m in trained.held_out], trained.placed))
    trained.epochs.append(epoch)
    return epoch


def _figures(epoch: Epoch, untuned: float, written: Slots, placed: Slots) -> dict[str, Any]:
    """The held-out figures of a checkpoint's card."""
    figures: dict[str, Any] = {"loss_val": epoch.loss_val, "loss_val_untuned": untuned, "macro_f1": epoch.macro_f1}
    return figures | {"f1": evaluate.f1_by_marker(written, placed)}


def _hints(epochs: Sequence[Epoch]) -> list[str]:
    """What the held-out losses suggest for another time."""
    lowest, last = min(epochs, key=lambda e: e.loss_val), epochs[-1]
    if lowest.loss_val >= 0.8 * last.loss_val:
        return []
    return [f"The held-out loss was lowest after epoch {lowest.epoch} ({lowest.loss_val:.3f}): try fewer epochs"]


def _split(dataset: Dataset) -> tuple[list[Line], list[Line]]:
    train_lines = lines_of([s for s in dataset.segments if s.split != "val"])
    val_lines = lines_of([s for s in dataset.segments if s.split == "val"])
    if not any(m for _, m in train_lines):
        remedy = "mark the transcript, or prepare it with markers=audio"
        raise ProsodyError(dataset.folder, "train split", "no word has a marker: nothing to learn", remedy)
    if not val_lines:
        raise ProsodyError(dataset.folder, "val split", "holds no words", "prepare it with at least two segments")
    return train_lines, val_lines


def _card(
    dataset: Dataset,
    lora: LoraParameters,
    parameters: TrainParameters,
    counts: Counts,
    run: str,
    data_sha256: str,
    train_lines: Sequence[Line],
    val_lines: Sequence[Line],
) -> dict[str, Any]:
    n_val = sum(s.split == "val" for s in dataset.segments)
    return {
        "run": run,
        "data_sha256": data_sha256,
        "segments_train": len(dataset.segments) - n_val,
        "segments_val": n_val,
        "words_train": len(train_lines),
        "words_val": len(val_lines),
        "trainable_parameters": counts.trainable,
        "threshold": parameters.threshold,
        "window_words": parameters.window_words,
        "markers_per_100_words": evaluate.per_100_words([m for _, m in train_lines]),
        "rate_by_marker": evaluate.by_marker_per_100_words([m for _, m in train_lines]),
        "parameters": asdict(lora) | asdict(parameters),
    }


def _metrics(trained: Trained, loop: Loop, train_lines: Sequence[Line], untuned: float) -> dict[str, Any]:
    words, written = [w for w, _ in trained.held_out], [m for _, m in trained.held_out]
    others = evaluate.baselines([w for w, _ in train_lines], [m for _, m in train_lines], words, written)
    others["untuned_base"] = evaluate.macro_f1(written, trained.placed_untuned)
    seconds = time.perf_counter() - loop.started
    return {
        "loss_val": trained.epochs[-1].loss_val,
        "loss_val_untuned": untuned,
        "f1": evaluate.f1_by_marker(written, trained.placed),
        "macro_f1": trained.epochs[-1].macro_f1,
        "macro_f1_baselines": others,
        "markers_per_100_words": {
            "written": evaluate.per_100_words(written),
            "placed": evaluate.per_100_words(trained.placed),
            "placed_untuned": evaluate.per_100_words(trained.placed_untuned),
        },
        "steps": len(trained.steps),
        "tokens_per_s": loop.n_tokens / sum(loop.durations),
        "seconds": seconds,
        "seconds_estimated": loop.seconds_estimated,
        "peak_memory_mb": peak_memory_mb(),
        "trainable_parameters": trained.counts.trainable,
        "precision": loop.precision,
    }
