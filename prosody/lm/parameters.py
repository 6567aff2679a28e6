"""How to train: the parameters, each with its range."""

from __future__ import annotations

import math
from dataclasses import dataclass

from prosody.errors import ProsodyError
from prosody.lm.slots import READINGS

_TOO_MUCH = 1e38  # for float32
_MOST_EPOCHS = 100_000  # all steps are planned beforehand


@dataclass(frozen=True)
class TrainParameters:
    """How to train. Learning rates rise over `warmup` of the steps, then follow a cosine down to a tenth.

    acoustic: λ, how much what the head mistakes about the audio weighs beside the text; at 0 the head learns without
    moving the model. micro_batch: windows learned from or read at once (0: as many as the batch has, and a GPU reads 32
    or more); a step's result does not depend on it.
    learning_rate_rows: of the marker rows where they are trained beside LoRA; of all else it is `learning_rate`.
    patience: epochs without a better held-out macro F1 after which training ends (0: never).
    checkpoint_s: seconds between two checkpoints; there is one an epoch in any case.
    """

    epochs: int = 8
    batch_size: int = 1
    micro_batch: int = 0
    learning_rate: float = 1e-3
    learning_rate_rows: float = 1e-2
    learning_rate_head: float = 1e-3
    acoustic: float = 0.0
    weight_decay: float = 0.0
    warmup: float = 0.05
    clip: float = 1.0
    window_words: int = 60
    reading: str = READINGS[0]
    threshold: float = 0.4
    patience: int = 0
    checkpoint_s: float = 60.0
    precision: str = "auto"
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("window_words", 1), ("micro_batch", 0), ("patience", 0)):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= least):
                raise ProsodyError(None, name, f"is {value}", f"give a whole number from {least}")
        if self.epochs > _MOST_EPOCHS:
            raise ProsodyError(None, "epochs", f"is {self.epochs:.3g}", f"give {_MOST_EPOCHS:,} at most")
        for name in ("learning_rate", "learning_rate_rows", "learning_rate_head", "clip"):
            if not 0 < getattr(self, name) < _TOO_MUCH:
                raise ProsodyError(None, name, f"is {getattr(self, name)}", "give a number above 0, such as 1e-3")
        for name in ("warmup", "threshold", "weight_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ProsodyError(None, name, f"is {getattr(self, name)}", "give a number from 0 to 1")
        for name in ("acoustic", "checkpoint_s"):
            if not 0 <= getattr(self, name) < _TOO_MUCH:
                raise ProsodyError(None, name, f"is {getattr(self, name)}", "give a number from 0")
        if not 0 <= self.seed < 1 << 63:
            raise ProsodyError(None, "seed", f"is {self.seed}", "give a whole number from 0, of 18 digits at most")
        if self.reading not in READINGS:
            raise ProsodyError(None, "reading", f"{self.reading!r} is unknown", f"use {' or '.join(READINGS)}")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ProsodyError(None, "precision", f"{self.precision!r} is unknown", "use auto, float32 or bfloat16")


def rate_share(step: int, n_steps: int, *, warmup: float) -> float:
    """Share of the highest learning rate at a step (from 1): rising, then a cosine down to a tenth."""
    warm = max(1, round(warmup * n_steps))
    after = (step - 1 - warm) / max(1, n_steps - warm)
    return step / (warm + 1) if step <= warm else 0.55 + 0.45 * math.cos(math.pi * min(1.0, after))
