"""TensorBoard events of a training: losses, rates and held-out figures as scalars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prosody.lm.loop import Step
    from prosody.lm.train import Epoch


class Board:
    """Writes events to a folder; made by `board`."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def step(self, step: Step) -> None:
        """Loss, learning rate and speed of one step."""
        for name, value in (("loss", step.loss), ("lr", step.learning_rate), ("tokens_per_s", step.tokens_per_s)):
            self._writer.add_scalar(f"train/{name}", value, step.step)

    def epoch(self, epoch: Epoch) -> None:
        """Held-out loss and macro F1 after one epoch."""
        self._writer.add_scalar("val/loss", epoch.loss_val, epoch.step)
        self._writer.add_scalar("val/macro_f1", epoch.macro_f1, epoch.step)

    def text(self, name: str, text: str) -> None:
        """A text to read beside the curves."""
        self._writer.add_text(name, text)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


@contextmanager
def board(folder: Path) -> Iterator[Board]:
    """TensorBoard events in `folder`, closed at the end."""
    opened = Board(folder)
    try:
        yield opened
    finally:
        opened.close()
