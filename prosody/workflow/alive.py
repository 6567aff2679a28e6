"""Whether the process that writes a run's record is still there.

It holds a lock in the run's folder, which the operating system lets go of with the process, however that ends. Where a
file system knows no locks, the process's number and its time of birth decide.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

LOCK = ".alive"
_held: dict[Path, Any] = {}  # a lock that nobody refers to is let go of


def begin(folder: Path) -> dict[str, Any]:
    """From now on this process writes the record in `folder`; returns what status.json says of it."""
    import psutil
    from filelock import FileLock

    lock = FileLock(folder / LOCK, timeout=0)
    with suppress(OSError, NotImplementedError, TimeoutError):
        lock.acquire()
        _held[folder.resolve()] = lock
    return {
        "pid": os.getpid(),
        "process_started": psutil.Process().create_time(),
        "process_started_after_boot": _after_boot(psutil.Process()),
        "process_host": _host(folder.name),
        "locked": lock.is_locked,
    }


def end(folder: Path) -> None:
    """The record in `folder` is complete."""
    lock = _held.pop(folder.resolve(), None)
    if lock is not None:
        let_go(lock, [folder / LOCK])


def is_alive(folder: Path, status: Mapping[str, Any]) -> bool:
    """Whether somebody still writes the record in `folder`. status: what its status.json says.

    Of a run on another machine, on a file system without locks, nobody here can know: it is taken to be alive.
    """
    if status.get("locked") is True and not _is_locked(folder / LOCK):
        return False
    here = status.get("process_host", _host(folder.name)) == _host(str(status.get("id", folder.name)))
    return not here or _is_there(status)  # (a child that was forked may keep the lock of a dead one)


def is_held(folder: Path) -> bool:
    """Whether a process holds the lock of the record in `folder`, whatever its status says."""
    return _is_locked(folder / LOCK)


def _is_locked(path: Path) -> bool:
    from filelock import FileLock, Timeout

    if not path.is_file():
        return False
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except (OSError, NotImplementedError):  # not to be written: another user's, or on a disk that is read-only
        return _is_locked_for_readers(path)
    let_go(lock, [path])  # it was left by a death, or the run ended just now and this made the file anew
    return False


def _is_locked_for_readers(path: Path) -> bool:
    """Whether somebody holds a lock that is only to be read; True where that cannot be known."""
    try:
        import fcntl

        descriptor = os.open(path, os.O_RDONLY)
    except (ImportError, OSError):
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)  # and with it the lock
    return False


def let_go(lock: Any, paths: Sequence[Path]) -> None:
    """Give a lock back, and take its file and what lies beside it away. paths: of these, the locked file last.

    It goes while the lock is held: whoever had it open then sees that it is gone. On Windows a file that is open stays,
    and one that another has locked in between stays, too.
    """
    if os.name == "posix":
        _remove(paths)
    with suppress(OSError):
        lock.release(force=True)
    if os.name != "posix":
        _remove(paths)


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _is_there(status: Mapping[str, Any]) -> bool:
    """Is the process that wrote this status there? Another one may have its number by now."""
    import psutil

    try:
        process = psutil.Process(status.get("pid"))
        after_boot, known = _after_boot(process), status.get("process_started_after_boot")
        if after_boot is None or known is None:
            after_boot, known = process.create_time(), status.get("process_started")
        return process.status() != psutil.STATUS_ZOMBIE and abs(after_boot - known) < 2
    except (psutil.Error, TypeError, ValueError, OverflowError):
        return False


def _after_boot(process: Any) -> float | None:
    """When a process (psutil's) was born, in seconds after the system; None but on Linux.

    There the time of birth moves when somebody sets the clock, or it sets itself after a sleep, and this does not.
    """
    import psutil

    return process.create_time() - psutil.boot_time() if psutil.LINUX else None


def _host(run: str) -> str:
    """A word for where process numbers mean what they mean here: another for each run, and nobody can read it."""
    known = [run, str(uuid.getnode())]
    for of_linux in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with suppress(OSError):
            path = Path(of_linux)
            known.append(os.readlink(path) if path.is_symlink() else path.read_text(encoding="ascii"))
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:12]
