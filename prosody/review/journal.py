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
        self._n_bytes = 0  # that count, of the file

    @property
    def writable(self) -> bool:
        """Whether this process may write."""
        return self._lock is not None

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write an action down. Raises ProsodyError if this process may not write, or the disk will not take it."""
        if not self.writable:
            what = f"is open for reading only: {self.why_not}"
            raise ProsodyError(self.path, None, what, "mend that, or close the other review; then run this cell again")
        line = json.dumps(entry, ensure_ascii=False, allow_nan=False)
        with files.telling(self.path):
            if os.path.lexists(self.path):
                self._add(f"{line}\n".encode())
            else:
                self._write_anew(line)
        self.entries.append(json.loads(line))

    def _add(self, line: bytes) -> None:
        """Write a line at the end, all of it or nothing."""
        with open(self.path, "r+b", buffering=0) as sink:  # a buffer would keep what a full disk has refused
            if sink.seek(0, os.SEEK_END) != self._n_bytes:
                what = "was changed by another program since it was opened"
                raise ProsodyError(self.path, None, what, "run this cell again")
            try:
                at = 0
                while at < len(line):
                    at += sink.write(line[at:])
                os.fsync(sink.fileno())
            except BaseException:  # Ctrl-C, too
                sink.truncate(self._n_bytes)
                raise
        self._n_bytes += len(line)

    def _write_anew(self, line: str) -> None:
        """All that was done, and a line more: somebody removed the file."""
        known = [json.dumps(one, ensure_ascii=False) for one in (self._head, *self.entries)]
        whole = "".join(f"{one}\n" for one in (*known, line)).encode()
        files.write_bytes(self.path, whole)
        self._n_bytes = len(whole)

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
            except (ValueError, RecursionError):
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
            self.why_not = str(error.what)
            return False
        self._lock = lock
        self._n_bytes = self.read()
        try:
            self._begin()
        except ProsodyError as error:
            self.close()
            self.why_not = str(error.what)
            return False
        return True

    def _begin(self) -> None:
        """Cut off what a kill left of a line; write the first line if there is none."""
        with files.telling(self.path):
            if self._n_bytes:
                os.truncate(self.path, self._n_bytes)
                return
            head = f"{json.dumps(self._head)}\n".encode()
            self.path.write_bytes(b"")
            self._add(head)


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
