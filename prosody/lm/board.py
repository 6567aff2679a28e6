"""TensorBoard events of a training: losses, rates and held-out figures as scalars, parameters and marked texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prosody.lm.loop import Step
    from prosody.lm.train import Epoch

Curve = list[tuple[int, float]]


class Board:
    """Writes events to a folder; made by `board`."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        with _nameless():
            self._writer = SummaryWriter(str(folder))

    def step(self, step: Step) -> None:
        """Losses, learning rate and speed of one step."""
        told = {"loss": step.loss, "loss_acoustic": step.loss_acoustic, "lr": step.learning_rate}
        told |= {"tokens_per_s": step.tokens_per_s, "mfu": step.utilisation}
        self._scalars("train", told, step.step)

    def epoch(self, epoch: Epoch) -> None:
        """Held-out losses and F1 after one epoch, and how the first held-out words are marked then."""
        told = {"loss": epoch.loss_val, "macro_f1": epoch.macro_f1, "loss_acoustic": epoch.loss_acoustic}
        self._scalars("val", told | {f"f1/{token[1:-1]}": value for token, value in epoch.f1.items()}, epoch.step)
        self._writer.add_text("held out", _code(epoch.marked), epoch.step)

    def parameters(self, told: Mapping[str, Any]) -> None:
        """The parameters of the run, as a table."""
        rows = [f"| {name} | `{value}` |" for name, value in told.items()]
        self._writer.add_text("parameters", "\n".join(["| parameter | value |", "|---|---|", *rows]))

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()

    def _scalars(self, of: str, told: Mapping[str, float | None], step: int) -> None:
        for name, value in told.items():
            if value is not None:
                self._writer.add_scalar(f"{of}/{name}", value, step)


@contextmanager
def _nameless() -> Iterator[None]:
    """TensorBoard writes the machine's name into the name of a file that it opens: here it learns none."""
    from tensorboard.summary.writer import event_file_writer

    kept = event_file_writer.socket
    event_file_writer.socket = SimpleNamespace(gethostname=lambda: "here")
    try:
        yield
    finally:
        event_file_writer.socket = kept


def _code(text: str) -> str:
    """Marked text that TensorBoard's Markdown leaves as it is."""
    return "\n".join(f"    {line}" for line in text.splitlines())


@contextmanager
def board(folder: Path) -> Iterator[Board]:
    """TensorBoard events in `folder`, closed at the end."""
    opened = Board(folder)
    try:
        yield opened
    finally:
        opened.close()


def losses(folder: Path) -> tuple[Curve, Curve]:
    """What the events in a folder tell of the loss, also of a training that goes on or was cut short.

    Returns (step, loss) of every step, and (step, loss) held out after every epoch; nothing where nothing can be read.
    """
    train, held_out = curves(folder, ("train/loss", "val/loss"))
    return train, held_out


def curves(folder: Path, names: Sequence[str]) -> list[Curve]:
    """(step, value) of each of these scalars; nothing where nothing can be read, or it is not told."""
    if not any(folder.glob("*tfevents*")):
        return [[] for _ in names]
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={SCALARS: 0})
    with suppress(
        Exception
    ):  # of damage, which each library on the way tells in its own manner; what came before stays
        events.Reload()
    known = events.Tags()[SCALARS]
    return [[(e.step, e.value) for e in events.Scalars(name)] if name in known else [] for name in names]
