"""What a training will cost in time and memory, told before it runs: a few real steps on this machine, and arithmetic.

A step is rehearsed, forward and back, without moving a weight. Its seconds give this machine's time; what autograd
keeps of it, byte by byte, gives the memory of activations; its multiplications, its bytes and the number of its kernels
give the time on a named card, by the roofline (Williams et al. 2009).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from prosody.errors import ProsodyError
from prosody.lm import graphs
from prosody.lm.speed import Progress, duration, peak_memory_mb, unseen

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from prosody.lm.corpus import Corpus
    from prosody.lm.loop import Loop
    from prosody.lm.plan import Planned

_REHEARSED = 3  # steps
_CHOICES = 10  # logits a slot
_READING = 0.45  # time to read a text, where learning from it is 1
_MB = 2**20
_CONTEXT_MB = 450.0  # what a GPU's driver and libraries take
_USABLE = 0.9  # of a card's memory; the screen and fragments have the rest
_LEAST_OF_CARD, _MOST_OF_CARD = 0.01, 1e6  # what its three numbers can be
_REACHED_FLOPS, _REACHED_BANDWIDTH, _KERNEL_S = 0.4, 0.7, 6e-6  # what small models reach of a card's figures


@dataclass(frozen=True)
class Card:
    """A GPU as its maker tells it. tflops: dense bfloat16."""

    name: str
    memory_gb: float
    bandwidth_gb_s: float
    tflops: float


CARDS = {"rtx4050": Card("RTX 4050 Laptop, 75 W", 6, 192, 21)}


@dataclass(frozen=True)
class Rehearsal:
    """What was seen. seconds: of a step. resident_mb: memory of this process, before. The rest of one micro-batch,
    forward and back: its windows, what autograd keeps, kernels, multiplications and additions, bytes read and written.
    """

    seconds: float
    resident_mb: float
    windows: int
    saved_mb: float
    logits_mb: float
    kernels: int
    flops: float
    moved_mb: float


@dataclass(frozen=True)
class Estimate:
    """Predicted cost, of each process. memory_mb: by what holds it. micro_batch: windows at once that fit; accumulated
    so often a step. remedy: where it does not fit, what helps; else ""."""

    where: str
    seconds: float
    memory_mb: dict[str, float]
    micro_batch: int
    accumulation: int
    remedy: str = ""

    @property
    def fits(self) -> bool:
        return not self.remedy

    @property
    def total_mb(self) -> float:
        return sum(self.memory_mb.values())

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {mb:,.0f}" for name, mb in self.memory_mb.items())
        how = f"{self.micro_batch} window{'s' if self.micro_batch > 1 else ''} at once"
        how += f", {self.accumulation} times a step" if self.accumulation > 1 else ""
        told = f"{self.where}: {duration(self.seconds)}, {self.total_mb:,.0f} MB ({parts}); {how}"
        return told if self.fits else f"{told} — does not fit: give {self.remedy}"


def rehearse(loop: Loop, corpus: Corpus, planned: Sequence[Planned], *, progress: Progress = unseen) -> Rehearsal:
    """Take a few steps forward and back; no weight moves, and no random number is used up."""
    resident_mb = _resident_mb()
    steps = [planned[round(k * (len(planned) - 1) / max(_REHEARSED - 1, 1))] for k in range(_REHEARSED)]
    most = _windows_a_process(loop, planned)
    while True:
        piece = replace(steps[0], windows=steps[0].windows[: min(loop.micro_batch, most)])
        loop.rehearse(corpus, piece, alone=True)  # warms caches
        with _Counted(loop.model) as counted:
            loop.rehearse(corpus, piece, alone=True)
        if len(piece.windows) <= loop.micro_batch:  # else the memory was full meanwhile
            break
    seconds: list[float] = []
    for n, step in enumerate(steps, 1):
        progress(n / (_REHEARSED + 1))
        for _ in range(graphs.EAGER + 1 if loop.graphs else 0):  # until this shape is recorded
            loop.rehearse(corpus, step)
        begun = time.perf_counter()
        loop.rehearse(corpus, step)
        seconds.append(time.perf_counter() - begun)
    slots = sum(b - a for a, b in piece.windows)
    return Rehearsal(
        seconds=statistics.median(seconds),
        resident_mb=resident_mb,
        windows=len(piece.windows),
        saved_mb=counted.saved_bytes / _MB,
        logits_mb=slots * _CHOICES * 4 / _MB,
        kernels=counted.kernels,
        flops=counted.flops,
        moved_mb=counted.moved_bytes / _MB,
    )


def on_this_machine(loop: Loop, seen: Rehearsal, planned: Sequence[Planned], *, held_out_share: float) -> Estimate:
    """Time and memory here. held_out_share: of words, held out for each learned; they are read after each epoch."""
    per_window = (seen.saved_mb + seen.logits_mb) / seen.windows
    most = _windows_a_process(loop, planned)
    size = min(loop.micro_batch, most)
    fixed = _fixed_mb(loop)
    memory = dict(fixed, activations=seen.saved_mb / seen.windows * size, logits=seen.logits_mb / seen.windows * size)
    if not loop.device.startswith("cuda"):  # there only what PyTorch allocates is counted, here and when it is measured
        memory["program"] = max(0.0, seen.resident_mb - fixed["parameters"])
        # what was freed comes back in pieces, too small for the next step: the rehearsal has shown how much
        memory["fragments"] = max(0.0, peak_memory_mb() - sum(memory.values()) + fixed["optimizer"])
    room = _free_mb(loop.device) - fixed["optimizer"]  # the rest is there already
    return Estimate(
        where=f"this machine ({loop.device}, {loop.precision})",
        seconds=len(planned) * seen.seconds * (1 + held_out_share * _READING),
        memory_mb=memory,
        micro_batch=size,
        accumulation=-(-most // size),
        remedy=_remedy(room, per_window, size),
    )


def on_card(
    loop: Loop, seen: Rehearsal, planned: Sequence[Planned], card: Card, *, held_out_share: float = 0.0
) -> Estimate:
    """Time and memory on a named card, in bfloat16, with the largest micro-batch that fits."""
    fixed = _fixed_mb(loop, in_bfloat16=True) | {"context": _CONTEXT_MB}
    half = 0.6 if loop.precision == "float32" else 1.0  # products are kept in half the bytes, norms are not
    per_window = (seen.saved_mb * half + seen.logits_mb) / seen.windows
    room, most = card.memory_gb * 1024 * _USABLE - sum(fixed.values()), _windows_a_process(loop, planned)
    size = max(1, min(int(room / per_window), most))
    accumulation = -(-most // size)
    pieces = most / seen.windows  # such as the one that was seen, in a step
    busy = max(
        pieces * seen.flops / (card.tflops * 1e12 * _REACHED_FLOPS),
        pieces * seen.moved_mb * half * _MB / (card.bandwidth_gb_s * 1e9 * _REACHED_BANDWIDTH),
        accumulation * seen.kernels * _KERNEL_S,
    )
    return Estimate(
        where=card.name,
        seconds=len(planned) * busy * (1 + held_out_share * _READING),
        memory_mb=dict(
            fixed,
            activations=seen.saved_mb * half / seen.windows * size,
            logits=seen.logits_mb / seen.windows * size,
        ),
        micro_batch=size,
        accumulation=accumulation,
        remedy=_remedy(room, per_window, 1),
    )


def _remedy(room_mb: float, per_window_mb: float, micro_batch: int) -> str:
    """What helps where there is no room for so many windows at once; "" where there is."""
    if room_mb >= per_window_mb * micro_batch:
        return ""
    if room_mb <= 0:
        return "a smaller base, or method=lora"
    return "a smaller micro_batch" if room_mb >= per_window_mb else "a smaller window_words"


def foresee(
    loop: Loop,
    corpus: Corpus,
    planned: Sequence[Planned],
    *,
    held_out: Corpus,
    card: str = "",
    progress: Progress = unseen,
) -> list[Estimate]:
    """What a training costs on this machine and, if one is named, on a card (see `card_of`)."""
    seen = rehearse(loop, corpus, planned, progress=progress)
    share = len(held_out.words) / max(len(corpus.words), 1)
    here = on_this_machine(loop, seen, planned, held_out_share=share)
    return [here, on_card(loop, seen, planned, card_of(card), held_out_share=share)] if card else [here]


def card_of(name: str) -> Card:
    """A card by its name, or as "GB,GB/s,TFLOPS". Raises ProsodyError if it is neither."""
    if name in CARDS:
        return CARDS[name]
    try:
        memory, bandwidth, tflops = (float(part) for part in name.split(","))
    except ValueError:
        remedy = f"use {', '.join(CARDS)}, or three numbers: GB, GB/s, TFLOPS, such as 6,192,21"
        raise ProsodyError(None, "card", f"{name!r} is unknown", remedy) from None
    if not all(_LEAST_OF_CARD <= one <= _MOST_OF_CARD for one in (memory, bandwidth, tflops)):
        what = f"{name!r} holds what is no number from {_LEAST_OF_CARD:g} to {_MOST_OF_CARD:g}"
        raise ProsodyError(None, "card", what, "give such as 6,192,21")
    return Card(f"a card of {memory:g} GB, {bandwidth:g} GB/s, {tflops:g} TFLOPS", memory, bandwidth, tflops)


def _windows_a_process(loop: Loop, planned: Sequence[Planned]) -> int:
    """Windows of a step that one of the processes takes."""
    return -(-max(len(one.windows) for one in planned) // loop.team.world)


def _fixed_mb(loop: Loop, *, in_bfloat16: bool = False) -> dict[str, float]:
    """Memory that does not depend on the batch: weights; of what is trained, gradients, two moments, and a copy as it
    was after the best epoch.

    in_bfloat16: with what is frozen held so, as on a GPU.
    """
    trained = sum(w.numel() for w in loop.learned.weights.values())
    sizes = [(p, 2 if in_bfloat16 and not p.requires_grad else p.element_size()) for p in loop.model.parameters()]
    weights = sum(p.numel() * size for p, size in sizes)
    return {"parameters": weights / _MB, "optimizer": 4 * 4 * trained / _MB}


def _resident_mb() -> float:
    """Memory that this process has now."""
    import psutil

    return psutil.Process().memory_info().rss / _MB


def _free_mb(device: str) -> float:
    """Memory that is free on a device."""
    import psutil
    import torch

    if device.startswith("cuda"):
        kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()  # PyTorch's, and not in use
        return (torch.cuda.mem_get_info()[0] + kept) / _MB
    return psutil.virtual_memory().available / _MB


class _Counted:
    """Counts what happens inside: kernels, multiplications, bytes moved, and bytes that autograd keeps beside the
    model's weights."""

    def __init__(self, model: Module) -> None:
        self.kernels, self.moved_bytes, self.saved_bytes, self.flops = 0, 0, 0, 0.0
        self._known = {p.data_ptr() for p in model.parameters()}
        self._inside = ExitStack()

    def __enter__(self) -> _Counted:
        import torch
        from torch.utils._python_dispatch import TorchDispatchMode
        from torch.utils.flop_counter import FlopCounterMode

        counted, known = self, set(self._known)

        class Kernels(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                out = func(*args, **(kwargs or {}))
                if not func.is_view:
                    counted.kernels += 1
                    tensors = [one for one in (*args, out) if isinstance(one, torch.Tensor)]
                    counted.moved_bytes += sum(one.numel() * one.element_size() for one in tensors)
                return out

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in known:
                known.add(storage.data_ptr())
                counted.saved_bytes += storage.nbytes()
            return tensor

        self._inside.enter_context(torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor))
        flops = self._inside.enter_context(FlopCounterMode(display=False))
        self._inside.callback(lambda: setattr(counted, "flops", float(flops.get_total_flops())))
        self._inside.enter_context(Kernels())
        return self

    def __exit__(self, *error: Any) -> None:
        self._inside.close()
