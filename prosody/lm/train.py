"""Fine-tuning the adapter, on the audio's own measurements beside the text, from the last checkpoint if there is one.

Training windows run across segments, so that the pauses at which the recording was cut are learned too; where windows
begin shifts from epoch to epoch. The held-out part is the recording's last stretch, never shuffled neighbours. The
adapter kept is that of the epoch with the best held-out macro F1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody import files, markers
from prosody.dataset import DATASET_FILE, Dataset
from prosody.lm import acoustic, estimate, evaluate, figures, interrupt, resume, state
from prosody.lm.base import Base, kept_name
from prosody.lm.checkpoint import adapter_bytes, check_place, save_adapter
from prosody.lm.corpus import Line, of_dataset
from prosody.lm.device import pick_device
from prosody.lm.loop import Loop, Said, Step
from prosody.lm.lora import Counts, LoraParameters, attach, row_vectors
from prosody.lm.merge import save_alone
from prosody.lm.parameters import TrainParameters
from prosody.lm.several import Team
from prosody.lm.speed import Progress, unseen
from prosody.lm.tokenizer import MarkerTokenizer

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor

_HIGHEST_RATE_IN_FULL = 3e-4
_SHOWN_WORDS = 60  # of the held-out part, as marked after each epoch

__all__ = ["Epoch", "TrainParameters", "Trained", "train"]


@dataclass(frozen=True)
class Epoch:
    """The held-out part after an epoch (0 = before training). f1: marker → F1. marked: its first words, as placed."""

    epoch: int
    step: int
    loss_val: float
    macro_f1: float
    loss_acoustic: float | None = None
    f1: Mapping[str, float] = field(default_factory=dict)
    marked: str = ""

    def __str__(self) -> str:
        heard = "" if self.loss_acoustic is None else f" | heard {self.loss_acoustic:.3f}"
        return f"Epoch {self.epoch} | held-out loss {self.loss_val:.4f}{heard} | macro F1 {self.macro_f1:.3f}"


@dataclass
class Trained:
    """What training gives: the model of the best epoch, and everything measured on the way."""

    model: PeftModel
    tokenizer: MarkerTokenizer
    counts: Counts
    metrics: dict[str, Any]
    steps: list[Step] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    held_out: list[Line] = field(default_factory=list)
    placed: list[tuple[str, ...]] = field(default_factory=list)
    placed_untuned: list[tuple[str, ...]] = field(default_factory=list)
    rows: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)  # token → before, after

    @property
    def best(self) -> Epoch:
        """The epoch whose adapter is kept: that of the best macro F1, of equal ones that of the lowest loss."""
        return max(self.epochs[1:], key=lambda e: (e.macro_f1, -e.loss_val))


def train(
    dataset: Dataset,
    base: Base,
    lora: LoraParameters | None = None,
    parameters: TrainParameters | None = None,
    *,
    folder: Path,
    run: str = "",
    resume_from: Sequence[Path] | None = (),
    resume_strictly: bool = False,
    card: str = "",
    team: Team | None = None,
    on_line: Callable[[str], None] = print,
    on_step: Callable[[Step], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Trained:
    """Train an adapter for `base` on the dataset's "train" segments and measure it on "val".

    folder: where the adapter goes, or, trained in full, the stand-alone model; checkpoints lie beside it in
    `checkpoints/`, from which the same training goes on if it was cut short. resume_from: other folders of checkpoints
    to go on from, the first that fits; None: start anew, whatever is there. resume_strictly: refuse to start anew.
    card: one to estimate time and memory for, beside this machine. team: the processes that train together; the first
    of them writes. on_line gets what a person should read, on_step and on_epoch all of them, those before a resumption
    too. `base.model` is changed in place.

    Raises ProsodyError if the dataset has no marked words to learn from, if a loss is no number any more, if an
    unfinished training on something else has its checkpoints there, or if another training is at work there.
    Ctrl-C in one process, not in a team, ends the step and leaves a checkpoint, then raises KeyboardInterrupt.
    """
    lora, parameters, team = lora or LoraParameters(), parameters or TrainParameters(), team or Team()
    if card:
        estimate.card_of(card)
    check_place(folder)
    session = _Session(dataset, base, lora, parameters, team, on_line)
    checkpoints = folder.parent / state.FOLDER
    with resume.keeping(checkpoints, session.team):
        found = resume.find(checkpoints, resume_from, session.identity, strictly=resume_strictly, on_line=on_line)
        session.begin(found, card)
        for done, listener in ((session.trained.steps, on_step), (session.trained.epochs[1:], on_epoch)):
            for one in done if listener else ():
                listener(one)
        about = session.about(dataset, run)
        with interrupt.held_back(alone=team.world == 1) as is_interrupted:
            for step in session.steps():
                on_line(str(step))
                if on_step:
                    on_step(step)
                if step.ends_epoch:
                    epoch = session.measure(step)
                    on_line(str(epoch))
                    if on_epoch:
                        on_epoch(epoch)
                if session.is_checkpoint_due(step) or is_interrupted():
                    session.save(checkpoints, step.step)
                if is_interrupted():
                    on_line(f"Interrupted after step {step.step} of {step.n_steps}: the same training goes on from it")
                    break
            if is_interrupted():
                raise KeyboardInterrupt
        return session.finish(folder, about)


def foresee(
    dataset: Dataset,
    base: Base,
    lora: LoraParameters | None = None,
    parameters: TrainParameters | None = None,
    *,
    card: str = "",
    on_line: Callable[[str], None] = print,
    progress: Progress = unseen,
) -> list[estimate.Estimate]:
    """What training will cost on this machine and, if one is named, on a card. `base.model` is used up."""
    session = _Session(dataset, base, lora or LoraParameters(), parameters or TrainParameters(), Team(), on_line)
    session.loop.fit_reference(session.learned, progress=lambda share: progress(share / 2))
    return session.foresee(card, progress=lambda share: progress((1 + share) / 2))


class _Session:
    """One training from its beginning, or a checkpoint, to the adapter."""

    def __init__(
        self,
        dataset: Dataset,
        base: Base,
        lora: LoraParameters,
        parameters: TrainParameters,
        team: Team,
        on_line: Callable[[str], None],
    ) -> None:
        self.base, self.lora, self.parameters, self.team, self.on_line = base, lora, parameters, team, on_line
        figures.check_split(dataset)
        base_print = resume.fingerprint(base)
        model, tokenizer, counts = attach(base, lora, seed=parameters.seed)
        device = pick_device(parameters.device)
        model.to(device)
        self.learned = of_dataset(dataset, tokenizer, split="train")
        self.held_out = of_dataset(dataset, tokenizer, split="val")
        self.scale = acoustic.scale(self.learned.measured)
        head = None
        if acoustic.any_measured(self.learned.measured):
            width = model.get_input_embeddings().weight.shape[1]
            head = acoustic.AcousticHead(width, len(self.scale.names), seed=parameters.seed).to(device)
            self.learned = self.learned.scaled(self.scale)
            self.held_out = self.held_out.scaled(self.scale)
        on_line(str(counts))
        if lora.method == "full" and parameters.learning_rate > _HIGHEST_RATE_IN_FULL:
            on_line(f"warning  learning_rate {parameters.learning_rate:g} is made for LoRA: in full, try 5e-5")
        for line in figures.warnings(self.learned.lines, self.held_out.lines):
            on_line(line)
        self.loop = Loop(model, tokenizer, parameters, device, head=head, team=team, on_line=on_line)
        self.planned = self.loop.plan(self.learned)
        self.identity = resume.identity(
            base_print, lora, parameters, self.loop.precision, self.learned, self.held_out, self.planned
        )
        self.trained = Trained(model, tokenizer, counts, {}, held_out=self.held_out.lines)
        self.rows_before = row_vectors(model, tokenizer).tolist()
        self.best: dict[str, Tensor] = {}
        self._saved_at = time.monotonic()
        self._saved_step: int | None = None
        self._is_impatient = False

    def foresee(self, card: str = "", *, progress: Progress = unseen) -> list[estimate.Estimate]:
        """What this training will cost here and, if one is named, on a card."""
        of = {"held_out": self.held_out, "card": card, "progress": progress}
        return estimate.foresee(self.loop, self.learned, self.planned, **of)

    def begin(self, found: state.Held | None, card: str) -> None:
        """Start, or go on from a checkpoint."""
        loop, trained = self.loop, self.trained
        if found is None:
            self.on_line("Before the first step: the untuned base is measured, and a few steps are rehearsed")
            loop.fit_reference(self.learned)
            untuned = loop.measure(self.held_out)
            trained.placed_untuned = self._placed(untuned)
            trained.epochs.append(self._epoch(0, 0, untuned, trained.placed_untuned))
            foreseen = self.foresee(card)
            loop.foreseen, loop.seconds = foreseen[0], 0.0
            for one in foreseen:
                self.on_line(f"Estimate | {one}")
            return
        tensors = found.tensors()
        loop.learned.restore(tensors, n_steps=found.step)
        self._saved_step = found.step
        self.best = {n.removeprefix("best."): t for n, t in tensors.items() if n.startswith("best.")}
        resume.put_facts(found.facts, loop, trained)
        self._is_impatient = self._has_no_patience()
        self.on_line(f"Going on after step {found.step} of {len(self.planned)}")

    def steps(self) -> Iterator[Step]:
        """The steps that are left, until the last or until patience is over."""
        if self.is_finished():
            return
        for step in self.loop.steps(self.learned, self.planned, done=len(self.trained.steps)):
            self.trained.steps.append(step)
            yield step
            if self.is_finished() and step.step < step.n_steps:
                self.on_line(f"No better macro F1 for {self.parameters.patience} epochs: ending here")
                return

    def measure(self, step: Step) -> Epoch:
        """Measure the held-out part after an epoch, and keep the weights if they are the best so far."""
        said = self.loop.measure(self.held_out)
        epoch = self._epoch(step.epoch, step.step, said, self._placed(said))
        self.trained.epochs.append(epoch)
        if self.trained.best is epoch:
            self.best = self.loop.learned.copy()
        self._is_impatient = self._has_no_patience()
        return epoch

    def is_checkpoint_due(self, step: Step) -> bool:
        """After each epoch, and when the last checkpoint is old enough."""
        return step.ends_epoch or time.monotonic() - self._saved_at >= self.parameters.checkpoint_s

    def is_finished(self) -> bool:
        """Whether all steps are done, or patience is over."""
        return self._is_impatient or len(self.trained.steps) == len(self.planned)

    def _has_no_patience(self) -> bool:
        """Whether there have been enough epochs without a better macro F1; the same in all processes."""
        patience, epochs = self.parameters.patience, self.trained.epochs[1:]
        if not (patience and epochs):
            return False
        first_best = max(epochs, key=lambda e: e.macro_f1)  # of equal ones the first
        return self.team.as_the_first(epochs[-1].epoch - first_best.epoch >= patience)

    def save(self, checkpoints: Path, step: int) -> None:
        """Write a checkpoint (the first process does)."""
        self._saved_at = time.monotonic()
        if not self.team.is_first:
            return
        tensors = self.loop.learned.tensors() | {f"best.{name}": tensor for name, tensor in self.best.items()}
        facts = resume.facts(self.identity, self.loop, self.trained, finished=self.is_finished())
        state.save(checkpoints, state.State(step, tensors, facts), before=self._saved_step)
        self._saved_step = step

    def finish(self, folder: Path, about: Mapping[str, Any]) -> Trained:
        """Put the best epoch's weights back, measure it once more for all figures, and write the adapter."""
        loop, trained = self.loop, self.trained
        loop.learned.put(self.best)
        said = loop.measure(self.held_out)
        trained.placed = self._placed(said)
        rows_after = row_vectors(trained.model, trained.tokenizer).tolist()
        pairs = zip(self.rows_before, rows_after, strict=True)
        trained.rows = dict(zip(markers.TOKENS, pairs, strict=True))
        for line in figures.hints(trained.epochs):
            self.on_line(line)
        trained.metrics = figures.metrics(trained, loop, self.learned, self.held_out, said)
        if self.team.is_first:
            card, head = dict(about) | {"metrics": trained.metrics}, (loop.head, self.scale) if loop.head else None
            if self.lora.method == "full":
                card |= {"base": kept_name(self.base.name)}
                save_alone(trained.model, trained.tokenizer, folder, card=card, head=head, overwrite=True)
            else:
                save_adapter(trained.model, self.base, folder, card=card, head=head)
            trained.metrics |= {"adapter_bytes": adapter_bytes(folder), "head_bytes": acoustic.head_bytes(folder)}
        return trained

    def about(self, dataset: Dataset, run: str) -> dict[str, Any]:
        """What the adapter's card says beside the figures."""
        n_val = sum(s.split == "val" for s in dataset.segments)
        written, data = self.learned.slots, dataset.folder / DATASET_FILE
        return {
            "run": run,
            "data_sha256": files.sha256(data) if data.is_file() else "",
            "segments_train": len(dataset.segments) - n_val,
            "segments_val": n_val,
            "words_train": len(self.learned.words),
            "words_val": len(self.held_out.words),
            "trainable_parameters": self.trained.counts.trainable,
            "threshold": self.parameters.threshold,
            "window_words": self.parameters.window_words,
            "reading": self.parameters.reading,
            "reference": self.loop.reference.as_json(),
            "markers_per_100_words": evaluate.per_100_words(written),
            "rate_by_marker": evaluate.by_marker_per_100_words(written),
            "parameters": asdict(self.lora) | asdict(self.parameters),
        }

    def _placed(self, said: Said) -> list[tuple[str, ...]]:
        return evaluate.decide(said.probabilities, threshold=self.parameters.threshold)

    def _epoch(self, epoch: int, step: int, said: Said, placed: Sequence[tuple[str, ...]]) -> Epoch:
        written, words = self.held_out.slots, self.held_out.words[:_SHOWN_WORDS]
        return Epoch(
            epoch=epoch,
            step=step,
            loss_val=said.loss,
            macro_f1=evaluate.macro_f1(written, placed),
            loss_acoustic=said.loss_acoustic,
            f1=evaluate.f1_by_marker(written, placed),
            marked=markers.render(evaluate.render(words, placed[:_SHOWN_WORDS])),
        )


if __name__ == "__main__":
    from prosody.lm.launch import main

    raise SystemExit(main())
