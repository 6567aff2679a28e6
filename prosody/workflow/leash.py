"""A notebook's process that ends, with all that it started, as soon as whoever runs it is gone.

IPython loads this as an extension (`load_ipython_extension`). Jupyter's own watch looks once a second and ends the
process alone; what that had started, as the workers of a pool, would live on.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

RUNNER = "PROSODY_RUNNER"
"""The environment variable that names the runner: its process number, and its time of birth."""
_EVERY_S = 0.5


def load_ipython_extension(_ipython: Any) -> None:
    """Watch the runner from a thread of its own."""
    given = os.environ.get(RUNNER, "").partition(":")
    if given[0].isdecimal():
        threading.Thread(target=_watch, args=(int(given[0]), float(given[2] or 0)), daemon=True, name="leash").start()


def to_this_process() -> dict[str, str]:
    """The variable that ties a kernel to the running process."""
    import psutil

    return {RUNNER: f"{os.getpid()}:{psutil.Process().create_time()}"}


def _watch(pid: int, started: float) -> None:
    import psutil

    runner = _process(pid, started)
    while runner is not None and _is_there(runner):
        time.sleep(_EVERY_S)
    end(descendants(psutil.Process()))
    os._exit(1)


def _process(pid: int, started: float) -> Any:
    """The process (psutil's) of that number and time of birth; None if it is gone."""
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return process if abs(process.create_time() - started) <= 2 else None
    return None


def _is_there(process: Any) -> bool:
    """Whether it is still that process: not by its time of birth, which Linux tells otherwise once the clock is set."""
    import psutil

    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def descendants(process: Any) -> list[Any]:
    """All that a process (psutil's) started, and what those did, as far as they are still there."""
    import psutil

    with suppress(psutil.Error):
        return list(process.children(recursive=True))
    return []


def with_variable(name: str, value: str) -> list[Any]:
    """All processes (psutil's) but this one that were handed this environment variable, whoever their parent is now."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(name) == value:
                found.append(process)
    return found


def end(processes: Iterable[Any]) -> None:
    """End processes (psutil's, which know their time of birth: another one with the number is left alone)."""
    import psutil

    for process in processes:
        with suppress(psutil.Error):
            process.kill()
