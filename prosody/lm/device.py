"""Where training runs, and in which precision it is fast there."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from prosody.errors import ProsodyError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def fast_bfloat16(device: str) -> bool:
    """Whether this processor multiplies bfloat16 faster than float32."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    names = torch.backends.cpu.get_cpu_capability() if hasattr(torch.backends, "cpu") else ""
    return "AVX512" in names and bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


@cache  # what a CUDA graph reads must stay where it lies
def constant(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    """Numbers on a device, sent there once [shape=(n,)]."""
    import torch

    return torch.tensor(numbers, device=device)


def pick_device(wanted: str) -> str:
    """The device to train on: `wanted`, or for "auto" the GPU where there is one.

    Raises ProsodyError if this machine has no such device.
    """
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=wanted).tolist()  # "meta" holds no numbers
        if ":" in wanted and wanted.startswith("cuda"):
            torch.cuda.set_device(wanted)  # streams, graphs and counters are the current GPU's
    except Exception as error:  # each of the backends that torch has a name for fails in its own way
        raise ProsodyError(None, "device", f"there is no {wanted!r} here", "use auto, cpu or cuda") from error
    return wanted
