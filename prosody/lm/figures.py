"""What a training is judged by: held-out figures with trivial baselines beside them, warnings, and hints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prosody.dataset import Dataset
from prosody.errors import ProsodyError
from prosody.lm import evaluate
from prosody.lm.corpus import Corpus, Line
from prosody.lm.speed import peak_memory_mb
from prosody.markers import TOKENS

if TYPE_CHECKING:
    from prosody.lm.loop import Loop, Said, Step
    from prosody.lm.train import Epoch, Trained

_FEW_WORDS, _FEW_EXAMPLES = 500, 30  # fewer are warned of


def check_split(dataset: Dataset) -> None:
    """Raise ProsodyError unless there are markers to learn from, slots without any, and words to measure on."""
    learned = [w for s in dataset.segments if s.split != "val" for w in s.words]
    if not any(w.markers for w in learned):
        remedy = "mark the transcript, or prepare it with markers=audio"
        raise ProsodyError(dataset.folder, "train split", "no word has a marker: nothing to learn", remedy)
    if len({tuple(w.markers) for w in learned}) == 1:
        what = f"all words have the same markers ({' '.join(learned[0].markers)}): nothing to tell apart"
        raise ProsodyError(dataset.folder, "train split", what, "mark some words and leave others without")
    if not any(s.split == "val" and s.words for s in dataset.segments):
        raise ProsodyError(dataset.folder, "val split", "holds no words", "prepare it with at least two segments")


def warnings(learned: Sequence[Line], held_out: Sequence[Line]) -> list[str]:
    """What makes the figures doubtful: too few words, markers with too few examples."""
    lines = []
    if len(learned) < _FEW_WORDS or len(held_out) < _FEW_WORDS // 10:
        what = f"{len(learned)} words to learn from and {len(held_out)} held out"
        lines.append(f"warning  {what}: the figures will say little; ten minutes of speech or more are better")
    counts = {token: sum(token in m for _, m in learned) for token in TOKENS}
    few = [f"{token} {n}" for token, n in counts.items() if n < _FEW_EXAMPLES]
    if few:
        lines.append(f"warning  under {_FEW_EXAMPLES} examples to learn from: {', '.join(few)}")
    return lines


def hints(epochs: Sequence[Epoch]) -> list[str]:
    """What the held-out losses suggest for another time."""
    lowest, last = min(epochs, key=lambda e: e.loss_val), epochs[-1]
    if lowest.loss_val >= 0.8 * last.loss_val:
        return []
    return [f"The held-out loss was lowest after epoch {lowest.epoch} ({lowest.loss_val:.3f}): try fewer epochs"]


def metrics(trained: Trained, loop: Loop, learned: Corpus, held_out: Corpus, said: Said) -> dict[str, Any]:
    """All figures of a training. said: of the held-out part, by the weights that are kept."""
    written, placed = held_out.slots, trained.placed
    others = evaluate.baselines(learned.words, learned.slots, held_out.words, written)
    others["untuned_base"] = evaluate.macro_f1(written, trained.placed_untuned)
    found = {
        "loss_val": said.loss,
        "loss_val_untuned": trained.epochs[0].loss_val,
        "f1": evaluate.f1_by_marker(written, placed),
        "precision_recall": evaluate.precision_recall(written, placed),
        "calibration_error": evaluate.calibration_error(written, said.probabilities),
        "macro_f1": evaluate.macro_f1(written, placed),
        "macro_f1_baselines": others,
        "markers_per_100_words": {
            "written": evaluate.per_100_words(written),
            "placed": evaluate.per_100_words(placed),
            "placed_untuned": evaluate.per_100_words(trained.placed_untuned),
        },
        "best_epoch": trained.best.epoch,
        "epochs": len(trained.epochs) - 1,
        "steps": len(trained.steps),
        "tokens_per_s": tokens_per_s(trained.steps),
        "seconds": loop.seconds,
        "seconds_estimated": loop.foreseen.seconds if loop.foreseen else 0.0,
        "peak_memory_mb": peak_memory_mb(),
        "memory_mb_estimated": loop.foreseen.total_mb if loop.foreseen else 0.0,
        "trainable_parameters": trained.counts.trainable,
        "precision": loop.precision,
    }
    if said.predicted is not None:
        found["measurements"] = measurement_errors(said.predicted, held_out.measured, loop.measured_names)
    return found


def headline(metrics: Mapping[str, Any], n_words: int) -> str:
    """The figures of a training in one line. n_words: held out."""
    told = f"held-out loss {metrics['loss_val']:.3f} nats a slot, untuned {metrics['loss_val_untuned']:.3f}"
    return f"{told}, macro F1 {metrics['macro_f1']:.3f} on {n_words} held-out words"


def cost(metrics: Mapping[str, Any], *, what: str) -> str:
    """What a training has cost, in three lines. what: came out of it, such as "adapter"."""
    size = f"{metrics['adapter_bytes'] / 1e6:.1f} MB, {metrics['trainable_parameters']:,} trained parameters"
    time = f"{metrics['steps']} steps in {metrics['seconds']:.0f} s (foretold {metrics['seconds_estimated']:.0f} s)"
    speed = f"{metrics['tokens_per_s']:.0f} tokens/s, {metrics['precision']}"
    memory = f"{metrics['peak_memory_mb']:,.0f} MB at most (foretold {metrics['memory_mb_estimated']:,.0f} MB)"
    return f"{what}: {size}\n{time}, {speed}\n{memory}"


def tokens_per_s(steps: Sequence[Step]) -> float:
    """Tokens of all steps over the seconds that the steps took; measuring between them does not count."""
    return sum(one.n_tokens for one in steps) / sum(one.n_tokens / one.tokens_per_s for one in steps)


def measurement_errors(
    predicted: np.ndarray, measured: np.ndarray, names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """How far the head's predictions lie off, a measurement, in the speaker's spreads.

    predicted, measured [shape=(n_words, n_measurements)]; NaN: not measured. Returns for each name the mean absolute
    error, that of always saying the speaker's median word (0), and the number of words.
    """
    found = {}
    for column, name in enumerate(names):
        known = np.isfinite(measured[:, column])
        off = np.abs(predicted[known, column] - measured[known, column])
        of_median = np.abs(measured[known, column])
        n = int(known.sum())
        found[name] = {
            "error": float(off.mean()) if n else 0.0,
            "error_of_median": float(of_median.mean()) if n else 0.0,
            "words": n,
        }
    return found
