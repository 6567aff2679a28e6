"""What training costs in time and memory."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence


def seconds_for(step_seconds: Sequence[float], n_steps: int) -> float:
    """Predict the time of `n_steps` steps from the first few measured ones; the first warms caches and is left out.

    step_seconds: durations of the steps done so far, s, at least one.
    """
    steady = step_seconds[1:] or step_seconds
    return n_steps * statistics.fmean(steady)


def clock(seconds: float) -> str:
    """A duration as h:mm:ss."""
    whole = round(max(seconds, 0))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


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
