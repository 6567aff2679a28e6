"""What a rank costs, before anything is trained: the matrices that LoRA would stand beside, and the numbers learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prosody import markers
from prosody.lm import lora

if TYPE_CHECKING:
    from prosody.lm.base import Base

_BYTES = 4  # a number in the adapter's file, float32
_CONVOLUTIONS = ("Conv1D",)  # GPT-2's name for a matrix that lies on its side: inputs × outputs


@dataclass(frozen=True)
class Matrix:
    """A matrix of the base that gets a pair: its layer's full name, the target that names it, and its shape."""

    name: str
    target: str
    n_out: int
    n_in: int

    @property
    def numbers(self) -> int:
        """In the matrix itself."""
        return self.n_out * self.n_in

    def pair(self, r: int) -> int:
        """Numbers in B and A together."""
        return r * (self.n_out + self.n_in)

    @property
    def break_even(self) -> float:
        """The rank from which B and A hold more numbers than the matrix."""
        return self.numbers / (self.n_out + self.n_in)


@dataclass(frozen=True)
class Cost:
    """What is trained with some rank: numbers of LoRA, of the seven marker rows, of the matrices beside them; bytes."""

    r: int
    lora: int
    rows: int
    full: int

    @property
    def trainable(self) -> int:
        """LoRA and the rows together."""
        return self.lora + self.rows

    @property
    def adapter_bytes(self) -> int:
        """Of the adapter's weights; a file has some kilobytes of names besides."""
        return _BYTES * self.trainable

    @property
    def full_bytes(self) -> int:
        """Of the matrices themselves, as numbers of the same kind."""
        return _BYTES * self.full


def matrices(base: Base, parameters: lora.LoraParameters) -> tuple[Matrix, ...]:
    """The matrices that `lora.attach` would put a pair beside, in the model's order; the base stays as it is.

    Raises ProsodyError if a target names no layer of the base.
    """
    targets = lora.targets_of(base.model, parameters)
    lora.check_targets(base.model, targets, rank=1)
    kept = lora.layers_of(base.model, parameters)
    found = []
    for name, module in base.model.named_modules():
        target = next((one for one in targets if name == one or name.endswith(f".{one}")), None)
        if target is None or (kept is not None and not any(f".{layer}." in name for layer in kept)):
            continue
        n_out, n_in = module.weight.shape
        if type(module).__name__ in _CONVOLUTIONS:
            n_out, n_in = n_in, n_out
        found.append(Matrix(name, target, n_out, n_in))
    return tuple(found)


def cost(chosen: Sequence[Matrix], r: int, *, width: int) -> Cost:
    """What rank `r` costs beside these matrices. width: numbers in a row of the base's embeddings."""
    pairs = sum(one.pair(r) for one in chosen)
    return Cost(r, pairs, len(markers.TOKENS) * width, sum(one.numbers for one in chosen))


def width_of(base: Base) -> int:
    """Numbers in a row of the base's embeddings."""
    return base.model.get_input_embeddings().weight.shape[1]
