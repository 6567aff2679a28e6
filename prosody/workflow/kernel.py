"""The kernel that notebooks run in: this Python's own, whatever kernels are installed under the name python3."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from prosody.workflow import record


def kernel_manager(extra_environment: Mapping[str, str]) -> type[AsyncKernelManager]:
    """A kernel manager for the running Python; its kernels get our environment, the clone on the path, and `extra`."""
    path = [str(record.root()), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), **extra_environment}

    class ThisPython(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

        async def _async_pre_start_kernel(self, **options: Any) -> Any:
            return await super()._async_pre_start_kernel(**{**options, "env": environment})

        pre_start_kernel = _async_pre_start_kernel

    return ThisPython
