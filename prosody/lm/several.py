"""Training in several processes at once: who takes which windows, and adding up what each has found.

`accelerate launch` or `torchrun` start the processes; alone, all of this does nothing. Gradients are added up after
each step, once, as one vector: the adapter is small, so nothing is gained by doing it earlier.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Team:
    """This process among how many. local_rank: among those on this machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes and tells."""
        return self.rank == 0

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.world > 1:
            from torch import distributed

            distributed.barrier()

    def as_the_first(self, decision: bool) -> bool:
        """What the first process has decided: theirs may differ, by rounding."""
        if self.world == 1:
            return decision
        import torch
        from torch import distributed

        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        told = torch.tensor([float(decision)], device=device)
        distributed.broadcast(told, src=0)
        return bool(told.item())

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in place."""
        if self.world == 1 or not tensors:
            return
        import torch
        from torch import distributed

        flat = torch.cat([one.reshape(-1).float() for one in tensors])
        distributed.all_reduce(flat)
        at = 0
        for one in tensors:
            one.copy_(flat[at : at + one.numel()].view_as(one))
            at += one.numel()


@contextmanager
def team(device: str) -> Iterator[Team]:
    """Join the other processes, as the launcher's environment variables tell; alone if there are none.

    device: "cpu" talks through gloo, "cuda" through NCCL where it can.
    """
    told = os.environ.get("WORLD_SIZE", "1")
    if not (told.isdecimal() and int(told)):
        raise ProsodyError("WORLD_SIZE", None, f"is {told!r:.40}", "leave this environment variable to the launcher")
    world = int(told)
    if world == 1:
        yield Team()
        return
    import torch
    from torch import distributed

    is_cuda = device.startswith("cuda")
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if is_cuda and here > torch.cuda.device_count():
        what = f"{here} on a machine of {torch.cuda.device_count()} GPUs"
        raise ProsodyError(None, "processes", what, "start as many as there are GPUs, or give device=cpu")
    distributed.init_process_group("nccl" if is_cuda and distributed.is_nccl_available() else "gloo")
    try:
        member = Team(distributed.get_rank(), world, int(os.environ.get("LOCAL_RANK", "0")))
        if is_cuda:
            torch.cuda.set_device(member.local_rank)
        yield member
    finally:
        distributed.destroy_process_group()
