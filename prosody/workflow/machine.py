"""What a run is done on: the packages and the machine, neither by its name nor its user's."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

_PATIENCE_S = 10.0


def packages() -> list[str]:
    """Everything installed here, as `name==version`, sorted."""
    told = [one.metadata for one in metadata.distributions()]  # read once each: asking again parses the text again
    return sorted({f"{one['Name']}=={one['Version']}" for one in told if one["Name"]}, key=str.lower)


def machine() -> dict[str, Any]:
    """CPU, cores, memory, GPU, system and Python."""
    import psutil

    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "cores_physical": psutil.cpu_count(logical=False),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpu": _lines(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]),
        "os": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return next(iter(_lines(["sysctl", "-n", "machdep.cpu.brand_string"])), platform.processor())


def _lines(command: list[str]) -> list[str]:
    """What a program prints, line by line; nothing if it is not here, fails or hangs."""
    program = shutil.which(command[0])
    if program is None:
        return []
    try:
        done = subprocess.run(
            [program, *command[1:]], capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.decode("utf-8", "replace").splitlines() if done.returncode == 0 else []
