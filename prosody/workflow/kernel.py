"""The kernel that notebooks run in: this Python's own, whatever kernels are installed under the name python3."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any, ClassVar

import zmq
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from prosody.workflow import record


class Kernel(AsyncKernelManager):
    """A kernel of the running Python. environment: its environment variables; running: the one started last."""

    # what goes between us and the kernel is for nobody else on this machine
    transport_encryption = "auto" if zmq.has("curve") else "disabled"
    environment: ClassVar[Mapping[str, str]] = {}
    running: ClassVar[Kernel | None] = None

    @property
    def kernel_spec(self) -> KernelSpec:
        # only what ends the kernel: that it is interrupted after a cell has failed is no news to anybody
        return KernelSpec(**get_kernel_dict(extra_arguments=["--IPKernelApp.log_level=CRITICAL"]))

    async def _async_pre_start_kernel(self, **options: Any) -> Any:
        type(self).running = self
        return await super()._async_pre_start_kernel(**{**options, "env": dict(self.environment)})

    pre_start_kernel = _async_pre_start_kernel


def kernel_class(extra: Mapping[str, str]) -> type[Kernel]:
    """A kernel that gets our environment with the clone on the path of modules, and these `extra` variables."""
    path = os.pathsep.join([str(record.root()), *filter(None, [os.environ.get("PYTHONPATH")])])
    return type("ThisPython", (Kernel,), {"environment": {**os.environ, "PYTHONPATH": path, **extra}})


def interrupt(kernel: type[Kernel]) -> bool:
    """Interrupt what the kernel is doing; it then says so as a cell's error. False if there is no kernel to interrupt.

    A signal handler may call this: nothing here waits.
    """
    process = getattr(getattr(kernel.running, "provisioner", None), "process", None)
    if process is None or process.poll() is not None:
        return False
    if os.name == "nt":
        from jupyter_client.win_interrupt import send_interrupt

        send_interrupt(process.win32_interrupt_event)
    else:
        process.send_signal(signal.SIGINT)
    return True
