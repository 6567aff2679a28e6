"""How fast this machine is, how long steps will take, and how much memory is in use."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Progress = Callable[[float], None]  # gets the share that is done

_TABLES = ("embed", "wte", "wpe", "lm_head", "trainable_tokens")  # looked up, not multiplied with


def unseen(share: float) -> None:
    """Progress that nobody looks at."""


def seconds_for(step_seconds: Sequence[float], n_steps: int) -> float:
    """Predict the time of `n_steps` steps from the first few measured ones; the first warms caches and is left out.

    step_seconds: durations of the steps done so far, s, at least one.
    """
    steady = step_seconds[1:] or step_seconds
    return n_steps * statistics.fmean(steady)


@lru_cache
def peak_flops(device: str, precision: str) -> float:
    """Multiplications and additions a second that this machine reaches in one large matrix product, measured."""
    import torch

    is_cuda = device.startswith("cuda")
    size = 4096 if is_cuda else 768
    a = torch.ones(size, size, device=device, dtype=getattr(torch, precision))
    best = math.inf
    for _ in range(4):
        begun = time.perf_counter()
        a @ a
        if is_cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begun)
    if is_cuda:
        del a
        torch.cuda.reset_peak_memory_stats(device)  # what training takes is counted from here
    return 2 * size**3 / best


def flops_per_token(model: torch.nn.Module) -> float:
    """Multiplications and additions of training on one token: forward, and back to activations and to what is trained.

    Nothing goes back through the layers below the first trained matrix. What attention takes between positions, under a
    tenth at these lengths, is left out.
    """
    total, goes_back = 0, False
    for name, weight in model.named_parameters():
        if weight.dim() != 2 or any(part in name for part in _TABLES):
            continue
        goes_back = goes_back or weight.requires_grad
        total += weight.numel() * (6 if weight.requires_grad else 4 if goes_back else 2)
    return total


def clock(seconds: float) -> str:
    """A duration as h:mm:ss."""
    whole = round(max(seconds, 0))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def duration(seconds: float) -> str:
    """A duration in words, its two largest units: "7 s", "4 min 16 s", "1 h 5 min"."""
    whole = round(max(seconds, 0))
    hours, minutes = whole // 3600, whole // 60 % 60
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def peak_memory_mb() -> float:
    """Largest memory use of this process so far, MB: on the GPU if one is used, else resident memory."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**20
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
