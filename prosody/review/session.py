"""A review under way: the segments as they are now, undo and redo without limit, and where the reviewer is.

All of it is what the journal tells: an action is written down first, then done. A session that is opened again, after a
kill or a reload, is where the last one was, its undo history too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from prosody import dataset, files
from prosody.dataset import Segment
from prosody.errors import ProsodyError
from prosody.review import actions
from prosody.review.journal import Journal, only_read, opened

_mine: WeakValueDictionary[Path, Session] = WeakValueDictionary()  # those that this process writes


class Session:
    """The review of one dataset by one person.

    segments: by id, in time order, as they are now. at: the id of the one that is looked at. by: who reviews.
    """

    def __init__(self, data: dataset.Dataset, journal: Journal, *, by: str) -> None:
        self.by = by
        self._journal = journal
        self._first = {str(k): segment for k, segment in enumerate(data.segments, 1)}
        if not self._first:
            raise ProsodyError(data.folder, None, "has no segments", "run the prepare stage again")
        self.segments: Mapping[str, Segment] = self._first
        self.at = next(iter(self._first))
        self._before: list[tuple[_Change, str]] = []
        self._after: list[tuple[_Change, str]] = []
        for number, entry in enumerate(journal.entries, 2):  # the first line is the journal's head
            try:
                self._step(entry)
            except (ProsodyError, LookupError, TypeError, ValueError, ArithmeticError) as error:
                what = f"holds an action that can't be done ({error})"
                remedy = "move the file away to begin anew"
                raise ProsodyError(journal.path, f"line {number}", what, remedy) from error

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self._journal.path

    @property
    def first(self) -> Mapping[str, Segment]:
        """The segments as they were before the review, by id."""
        return self._first

    @property
    def entries(self) -> Sequence[Mapping[str, Any]]:
        """All that was done, as it was written down."""
        return self._journal.entries

    @property
    def read_only(self) -> str:
        """Why nothing can be changed here; "" where it can."""
        return "" if self._journal.writable else self._journal.why_not

    @property
    def can_undo(self) -> bool:
        """Whether something was done that can be undone."""
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        """Whether something was undone that can be done again."""
        return bool(self._after)

    def do(self, action: str, segment: str | None = None, **how: Any) -> Segment | None:
        """Do something to a segment (that which is looked at), as `actions.apply` has it.

        Returns the segment that is looked at then. Raises ProsodyError for what cannot be done, and if it cannot be
        written down; then nothing has changed.
        """
        entry = {"do": action, "segment": segment or self.at, **how, "by": self.by, "at": _now()}
        actions.apply(self.segments, entry)  # what cannot be done is not written down
        return self._done(entry)

    def go(self, segment: str) -> Segment | None:
        """Look at another segment; who only reads does so unrecorded. Raises ProsodyError if it isn't there."""
        self._check_there(segment)
        if self.read_only:
            self.at = segment
            return self.segments[segment]
        return self._done({"do": "go", "segment": segment})

    def undo(self) -> Segment | None:
        """As it was before the last action. Raises ProsodyError if there was none."""
        self._check_can("undo")
        return self._done({"do": "undo"})

    def redo(self) -> Segment | None:
        """Do again what was undone last. Raises ProsodyError if nothing was, or something was done since."""
        self._check_can("redo")
        return self._done({"do": "redo"})

    @property
    def counts(self) -> dict[str, int]:
        """How many segments there are of each status."""
        found = dict.fromkeys((actions.UNREVIEWED, actions.ACCEPTED, actions.REJECTED), 0)
        for segment in self.segments.values():
            status = str(segment.review["status"])
            found[status] = found.get(status, 0) + 1  # the schema allows others
        return found

    def close(self, why: str = "") -> None:
        """Let others review. why: why nothing can be changed here from now on."""
        self._journal.why_not = why or self._journal.why_not
        self._journal.close()

    def _done(self, entry: dict[str, Any]) -> Segment | None:
        self._journal.append(entry)
        self._step(entry)
        return self.segments.get(self.at)

    def _check_there(self, segment: str) -> None:
        if segment not in self.segments:
            raise ProsodyError(None, f"segment {segment}", "is not there", "choose one that is")

    def _check_can(self, what: str) -> None:
        if what == "undo" and not self._before:
            raise ProsodyError(None, None, "there is nothing to undo", "do something first")
        if what == "redo" and not self._after:
            raise ProsodyError(None, None, "there is nothing to redo", "undo something first")

    def _step(self, entry: Mapping[str, Any]) -> None:
        """What an entry of the journal changes."""
        what = entry["do"]
        if what == "go":
            self._check_there(entry["segment"])
            self.at = entry["segment"]
        elif what in ("undo", "redo"):
            self._check_can(what)
            one, other = (self._before, self._after) if what == "undo" else (self._after, self._before)
            change, at = one.pop()
            other.append((change, self.at))
            self.segments, self.at = change.undone(self.segments) if what == "undo" else change.done(self.segments), at
        else:
            was, self.segments = self.segments, actions.apply(self.segments, entry)
            self._before.append((_change(was, self.segments), self.at))
            self._after.clear()
            if self.at not in self.segments:  # it was split or merged
                self.at = next(name for name in self.segments if name not in was)


@dataclass(frozen=True)
class _Change:
    """What an action changed: those segments, or all where some came or went. Hours of review keep thousands."""

    before: Mapping[str, Segment]
    after: Mapping[str, Segment]
    is_whole: bool

    def undone(self, segments: Mapping[str, Segment]) -> Mapping[str, Segment]:
        """The segments as they were before it."""
        return self.before if self.is_whole else {**segments, **self.before}

    def done(self, segments: Mapping[str, Segment]) -> Mapping[str, Segment]:
        """The segments as they are after it."""
        return self.after if self.is_whole else {**segments, **self.after}


def _change(before: Mapping[str, Segment], after: Mapping[str, Segment]) -> _Change:
    if before.keys() != after.keys():
        return _Change(before, after, True)
    names = [name for name, segment in after.items() if segment is not before[name]]
    return _Change({name: before[name] for name in names}, {name: after[name] for name in names}, False)


def open_session(data: dataset.Dataset, journal: Path, *, by: str, to_read: bool = False) -> Session:
    """The review of a dataset, where it was left.

    journal: its file. to_read: not to write in it. Where another process reviews, this one reads only, too; where this
    one does already, it goes on here, and what was opened before reads only.
    Raises ProsodyError for a journal that is damaged, or of another dataset.
    """
    sha256 = files.sha256(data.folder / dataset.DATASET_FILE)
    if not to_read and (earlier := _mine.pop(journal.resolve(), None)):
        earlier.close("it was opened again by another cell of this notebook")
    kept = only_read(journal, sha256) if to_read else opened(journal, sha256)
    try:
        session = Session(data, kept, by=by)
        if kept.writable:
            _mine[journal.resolve()] = session
        return session
    except ProsodyError:
        kept.close()
        raise


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
