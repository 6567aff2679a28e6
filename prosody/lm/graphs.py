"""Starting a GPU's kernels all at once.

Learning from one window of text takes a small model thousands of short kernels, and starting them one by one takes
longer than running them. A CUDA graph (Nguyen et al. 2021, "Accelerating PyTorch with CUDA Graphs") records them, once
for each shape of batch, and starts them together. What a step computes stays the same, up to the order of additions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

from prosody.lm.slots import Batch

if TYPE_CHECKING:
    from torch import Tensor

STEPS = (32, 16)  # tokens of a window, and slots of a batch, are rounded up to multiples of these
EAGER = 2  # batches, of any shape, before the first recording: they start the GPU's libraries
_MOST = 64  # recordings

Learn = Callable[[Batch, "Tensor | None", "Tensor"], "Tensor"]


@dataclass(frozen=True)
class _Recorded:
    graph: Any
    inputs: list[Tensor]
    losses: Tensor


class Graphs:
    """Calls `learn` twice; then records what it does on the GPU with each new shape of batch, and replays it."""

    def __init__(self, learn: Learn, weights: Sequence[Tensor], *, on_line: Callable[[str], None]) -> None:
        import torch

        self._learn, self._on_line = WeakMethod(learn), on_line  # or both would keep each other, and the GPU's memory
        self._gradients = [(weight, torch.zeros_like(weight)) for weight in weights]  # a graph knows where they lie
        self._eager = 0
        self._recorded: dict[tuple[Any, ...], _Recorded] = {}
        self._stream, self._works = torch.cuda.Stream(), True

    def __call__(self, batch: Batch, dropped: Tensor | None, shares: Tensor) -> Tensor:
        """What `learn` returns, its gradients added to those of the weights."""
        given = [getattr(batch, one.name) for one in fields(batch)] + ([] if dropped is None else [dropped]) + [shares]
        shape = tuple(tuple(one.shape) for one in given)
        for weight, gradient in self._gradients:
            if weight.grad is None:
                weight.grad = gradient.zero_()
        may = self._works and self._eager >= EAGER and len(self._recorded) < _MOST
        if may and shape not in self._recorded:
            self._record(shape, given, has_dropout=dropped is not None)
        if shape not in self._recorded:
            self._eager += 1
            return self._apart(lambda: self._learn()(batch, dropped, shares))
        recorded = self._recorded[shape]
        for held, one in zip(recorded.inputs, given, strict=True):
            held.copy_(one)
        recorded.graph.replay()
        return recorded.losses.clone()

    def forget(self) -> None:
        """Give back the memory of all that was recorded."""
        self._recorded.clear()

    def _record(self, shape: tuple[Any, ...], given: Sequence[Tensor], *, has_dropout: bool) -> None:
        """Record the kernels for a shape; where that can't be done, go on without."""
        import torch

        inputs = [one.clone() for one in given]
        batch = Batch(*inputs[: len(fields(Batch))])
        dropped = inputs[-2] if has_dropout else None
        graph = torch.cuda.CUDAGraph()
        before = torch.cuda.current_stream()
        pool = next((one.graph.pool() for one in self._recorded.values()), None)
        try:
            with torch.cuda.graph(graph, pool=pool, stream=self._stream):
                losses = self._learn()(batch, dropped, inputs[-1])
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._works = False
            torch.cuda.set_stream(before)  # where ending a recording fails, PyTorch leaves its stream in place
            self._on_line(f"Going on without CUDA graphs ({str(error).strip().partition(chr(10))[0][:80]})")
            return
        self._recorded[shape] = _Recorded(graph, inputs, losses)

    def _apart(self, learn: Callable[[], Tensor]) -> Tensor:
        """Call on the stream of the recordings, so that autograd's nodes belong to one stream."""
        import torch

        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            losses = learn()
        torch.cuda.current_stream().wait_stream(self._stream)
        return losses


def of(
    device: str, learn: Learn, weights: Sequence[Tensor], *, on_line: Callable[[str], None] = print
) -> Graphs | None:
    """Graphs where there is a GPU that knows them, else None."""
    return Graphs(learn, weights, on_line=on_line) if device.startswith("cuda") else None
