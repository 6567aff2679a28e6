"""The kernel that notebooks run in: this Python's own, whatever kernels are installed under the name python3."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import zmq
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from prosody.workflow import leash

_LOOKED_EVERY_S = 0.5


class Kernel(AsyncKernelManager):
    """A kernel of the running Python. environment: its variables; leashed: it watches us; pid: of the one started last.

    running: the kernel started last. pgid: its group of processes, where there are any.
    """

    # what goes between us and the kernel is for nobody else on this machine
    transport_encryption = "auto" if zmq.has("curve") else "disabled"
    environment: ClassVar[Mapping[str, str]] = {}
    leashed: ClassVar[bool] = True
    running: ClassVar[Kernel | None] = None
    pid: ClassVar[int | None] = None
    pgid: ClassVar[int | None] = None

    @property
    def kernel_spec(self) -> KernelSpec:
        # only what ends the kernel: that it is interrupted after a cell has failed is no news to anybody
        extra = ["--IPKernelApp.log_level=CRITICAL"]
        if self.leashed:
            extra.append(f"--IPKernelApp.extra_extensions={leash.__name__}")
            if os.name == "posix":  # Jupyter's own watch would end the kernel alone; on Windows interrupts go by it
                extra.append("--IPKernelApp.parent_handle=0")
        return KernelSpec(**get_kernel_dict(extra_arguments=extra))

    async def _async_pre_start_kernel(self, **options: Any) -> Any:
        type(self).running = self
        return await super()._async_pre_start_kernel(**{**options, "env": dict(self.environment)})

    async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
        await super()._async_launch_kernel(kernel_cmd, **options)
        type(self).pid, type(self).pgid = self.provisioner.pid, self.provisioner.pgid

    pre_start_kernel = _async_pre_start_kernel
    _launch_kernel = _async_launch_kernel


def kernel_class(extra: Mapping[str, str], clone: Path) -> type[Kernel]:
    """A kernel that gets our environment with the clone on the path of modules, and these `extra` variables."""
    path = os.pathsep.join([str(clone), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, **leash.to_this_process(), **extra}
    leashed = not (clone / "prosody").is_dir() or (clone / "prosody" / "workflow" / "leash.py").is_file()
    return type("ThisPython", (Kernel,), {"environment": environment, "leashed": leashed})


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


def end(kernel: type[Kernel]) -> None:
    """End the kernel's process at once, with its group of processes."""
    if kernel.pgid is not None and kernel.pgid == kernel.pid:
        with suppress(OSError):
            os.killpg(kernel.pgid, signal.SIGKILL)
    process = getattr(getattr(kernel.running, "provisioner", None), "process", None)
    if process is not None and process.poll() is None:
        process.kill()


@contextmanager
def watched(kernel: type[Kernel], variable: str) -> Iterator[Any]:
    """Watch the memory of this process and of all that it starts; gives a function that tells the peak, MB.

    At the end the kernel, and whatever it started that is still there, is ended. variable: of its environment, the one
    by which these processes are known.
    """
    import psutil

    peak, over = [0], threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not over.wait(_LOOKED_EVERY_S):
            total = 0
            for process in (me, *leash.descendants(me)):
                with suppress(psutil.Error):
                    total += process.memory_info().rss
            peak[0] = max(peak[0], total)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: round(peak[0] / 1e6)
    finally:
        over.set()
        thread.join()
        end(kernel)
        leash.end(leash.with_variable(variable, kernel.environment[variable]))
