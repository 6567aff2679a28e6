"""Places outside its folder that a run writes to: as long as it is at work, no other run gets them.

A claim is a lock on a hidden file beside the target, which the operating system lets go of with the process, however
that ends. It lies there, and not with the runs, because there everybody meets who can write to that place: clones with
folders of runs of their own, other users, other machines where the disk is shared. And it is that file system which
decides whether two spellings are one name. The price is `.NAME.claimed` and `.NAME.claimed.by` beside the user's file:
they go when the run ends, and after a kill with the end of the next run that writes there.
"""

from __future__ import annotations

import atexit
import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prosody import files
from prosody.errors import ProsodyError
from prosody.workflow import alive

_CLAIMED, _BY = ".claimed", ".by"  # a locked file can't be read on Windows: who holds it is told by a second one
_LONGEST_NAME = 200  # bytes, so that a hidden name has room beside it
_LONGEST_TOLD = 200  # characters
_TRIES = 10


@dataclass(frozen=True)
class _Claim:
    """file: that is locked. lock: it is let go of when nobody refers to it. run: a folder. pid: of who took it."""

    file: Path
    lock: Any
    run: Path
    pid: int


_held: list[_Claim] = []


def take(target: Path, run: Path) -> None:
    """Keep other runs from writing to `target` until this one ends. run: its folder.

    A link is followed, and its own place is kept, too. Where the file system knows no locks, nothing is kept.
    Raises ProsodyError if another run that is at work has the place, or nothing can be written there.
    """
    if target.exists() and not (target.is_file() or target.is_dir()):  # a device or a pipe takes what several write
        return
    places = [Path(os.path.realpath(target))]
    if target.is_symlink():
        places.append(Path(os.path.realpath(target.parent)) / target.name)
    before = list(_held)
    try:
        for place in places:
            _take(place, target, run)
    except ProsodyError:
        for claim in [one for one in _held if one not in before]:
            _let_go(claim)
        raise


def release(run: Path) -> None:
    """The run in this folder has ended: others may write where it wrote."""
    for claim in [one for one in _held if one.run == run]:
        _let_go(claim)


def _take(place: Path, target: Path, run: Path) -> None:
    from filelock import Timeout

    file, me = _beside(place), f"{run.parent.name} {run.name}"
    if any(one.file == file and one.run == run for one in _held):
        return
    try:
        with files.telling(target):
            _make(file)
        lock = _locked(file)
    except Timeout:
        holder = _holder(file)
        if holder == me:  # the same place, spelled otherwise
            return
        what = f"is being written by run {holder}" if holder else "is being written by another run"
        raise ProsodyError(target, None, what, "wait until that has ended, or name another file") from None
    except (OSError, NotImplementedError):  # no locks here, or a file that another user left in a folder such as /tmp
        return
    _held.append(_Claim(file, lock, run, os.getpid()))
    with suppress(ProsodyError):  # a full disk: that it is taken can be told all the same
        files.write_text(file.with_name(file.name + _BY), f"{me}\n", overwrite=True)


def _locked(file: Path) -> Any:
    """A lock on the file of that name. Raises Timeout if it is taken, OSError where there are no locks.

    Whoever held it may have removed the file just now; a lock on what has lost its name keeps nobody out.
    """
    from filelock import FileLock

    lock = FileLock(file, timeout=0, thread_local=False)
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            _make(file)
            before = file.stat()
            lock.acquire()
            if os.path.samestat(before, file.stat()):
                break
        lock.release(force=True)
    else:
        lock.acquire()
    return lock


def _make(file: Path) -> None:
    if not file.exists():
        file.touch()
        with suppress(OSError):  # it holds nothing, and whoever may write to this folder is to be able to lock it
            file.chmod(0o666)


def _let_go(claim: _Claim) -> None:
    _held.remove(claim)
    if claim.pid != os.getpid():  # a child that was forked from the run's process
        return
    alive.let_go(claim.lock, [claim.file.with_name(claim.file.name + _BY), claim.file])


@atexit.register
def _release_all() -> None:
    for claim in list(_held):
        _let_go(claim)


def _beside(place: Path) -> Path:
    name = place.name
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(os.path.normcase(name))).hexdigest()
    return place.parent / f".{name}{_CLAIMED}"


def _holder(file: Path) -> str:
    """The stage and id of the run that has it; empty where it has not told yet."""
    with suppress(OSError):
        return file.with_name(file.name + _BY).read_text(encoding="utf-8", errors="replace").strip()[:_LONGEST_TOLD]
    return ""
