"""A review's journal: one JSON object a line, appended as it happens, so that nothing that was done is ever lost.

A line is on the disk before its action counts. What a kill leaves of a line has no line end: it never counted, and is
cut off before the next one is written. One process writes at a time; others may read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prosody import files
from prosody.errors import ProsodyError

VERSION = 1


class Journal:
    """The journal of one dataset's review, in a file; open it with `opened`.

    entries: all that was read from it, and written since. writable: whether this process may write.
    why_not: in one line, why it may not ("" if it may).
    """

    def __init__(self, path: Path, dataset_sha256: str) -> None:
        self.path = Path(path)
        self.why_not = ""
        self._lock: Any = None
        self._head = {"prosody_review": VERSION, "dataset_sha256": dataset_sha256}
        self.entries: list[dict[str, Any]] = []

    @property
    def writable(self) -> bool:
        """Whether this process may write."""
        return self._lock is not None

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write an action down. Raises ProsodyError if this process may not write, or the disk will not take it."""
        if not self.writable:
            what = f"is open for reading only: {self.why_not}"
            raise ProsodyError(self.path, None, what, "close the other review first")
        line = json.dumps(entry, ensure_ascii=False, allow_nan=False)
        with files.telling(self.path), open(self.path, "ab") as sink:
            start = sink.tell()
            try:
                sink.write(f"{line}\n".encode())
                sink.flush()
                os.fsync(sink.fileno())
            except OSError:
                sink.truncate(start)
                raise
        self.entries.append(json.loads(line))

    def close(self) -> None:
        """Let others write."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def read(self) -> int:
        """Read the file into `entries`; returns how many bytes of it count.

        Raises ProsodyError, with the line, for what is no journal, and for that of another dataset.
        """
        self.entries = []
        with files.telling(self.path):
            data = self.path.read_bytes() if self.path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            if not isinstance(entry, dict) or (number == 1 and entry.get("prosody_review") != VERSION):
                what = "is no action of a review" if number > 1 else "is not the journal of a review"
                raise ProsodyError(self.path, f"line {number}", what, "move the file away to begin anew")
            if number == 1 and entry.get("dataset_sha256") != self._head["dataset_sha256"]:
                what = "is the review of another dataset: this one was prepared or edited since"
                raise ProsodyError(self.path, None, what, "move the file away to begin anew")
            if number > 1:
                self.entries.append(entry)
        return len(whole)

    def take(self) -> bool:
        """Become the one who writes, if nobody else is; returns whether that went well, else `why_not` tells."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.path.with_suffix(".lock"), timeout=0)
        try:
            with files.telling(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    lock.acquire()
                except Timeout:
                    self.why_not = "it is being reviewed elsewhere"
                    return False
        except ProsodyError as error:
            self.why_not = error.what
            return False
        self._lock = lock
        n_bytes = self.read()
        with files.telling(self.path), open(self.path, "ab") as sink:
            sink.truncate(n_bytes)
        if not n_bytes:
            self.append(self._head)
            self.entries.clear()
        return True


def only_read(path: Path, dataset_sha256: str) -> Journal:
    """The journal at `path`, to look at. Raises ProsodyError if the file is no journal, or that of another dataset."""
    journal = Journal(path, dataset_sha256)
    journal.why_not = "it was opened to look at"
    journal.read()
    return journal


def opened(path: Path, dataset_sha256: str) -> Journal:
    """The journal at `path`, for writing if nobody else writes, else for reading.

    Raises ProsodyError if the file is no journal, or that of another dataset.
    """
    journal = Journal(path, dataset_sha256)
    try:
        if not journal.take():
            journal.read()
    except ProsodyError:
        journal.close()
        raise
    return journal
