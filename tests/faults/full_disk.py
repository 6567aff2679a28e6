"""A disk that is full at a write of one's choosing, for this process and one folder.

Python tells audit hooks of every file that is opened, folder that is made, and rename; a hook that raises an error
makes it fail there, whoever asked for it. A hook cannot be taken back, so there is one that does nothing unless asked.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_READ_ONLY = (errno.EROFS, errno.EACCES)  # then nothing can be taken away either
_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
_asked: list[Disk] = []
_is_there: list[bool] = []


@dataclass
class Disk:
    """folder: what lies on it. fails_at: the write that fails (None: none does). stays: whether all later ones do, too.

    number: the error that the system gives. seen: the writes that there were.
    """

    folder: str
    fails_at: int | None = None
    stays: bool = False
    number: int = errno.ENOSPC
    seen: list[str] = field(default_factory=list)

    @property
    def has_failed(self) -> bool:
        return self.fails_at is not None and len(self.seen) > self.fails_at

    def write(self, event: str, path: str) -> None:
        self.seen.append(f"{event} {os.path.relpath(path, self.folder)}")
        n = len(self.seen) - 1
        if self.fails_at is not None and (n == self.fails_at or (self.stays and n > self.fails_at)):
            raise OSError(self.number, os.strerror(self.number), path)


@contextmanager
def full_disk(
    folder: Path, fails_at: int | None = None, *, stays: bool = False, number: int = errno.ENOSPC
) -> Iterator[Disk]:
    """While the block lasts, the write with this number, from 0, fails in `folder`."""
    if not _is_there:
        sys.addaudithook(_hook)
        _is_there.append(True)
    disk = Disk(os.path.realpath(folder) + os.sep, fails_at, stays, number)
    _asked.append(disk)
    try:
        yield disk
    finally:
        _asked.remove(disk)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _asked:
        return
    is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & _CHANGES
    is_change = is_write or event in ("os.mkdir", "os.rename", "os.link", "os.symlink")
    takes_away = event in ("os.remove", "os.rmdir")
    if (is_change or takes_away) and isinstance(arguments[0], (str, bytes)):
        found = os.path.abspath(os.fsdecode(arguments[0]))
        for disk in _asked:
            if found.startswith(disk.folder) and (is_change or disk.number in _READ_ONLY):
                disk.write(event, found)
