"""What a person reviewing asks for, one thing at a time: the ranked queue, where in it, and each action by its name.

The panel in the notebook only shows this and passes on what is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prosody import markers
from prosody.dataset import Dataset, Segment, Word
from prosody.errors import ProsodyError
from prosody.review import asked, queue
from prosody.review.actions import ACCEPTED, UNREVIEWED
from prosody.review.session import Session
from prosody.review.sounds import Sounds

LEAST = 0.8  # evidence from which all that is heard is accepted at once
Told = Callable[[float], None]  # the share that is done
Written = Callable[[Session, Told], Path]
Others = Callable[[], Mapping[str, Mapping[str, Segment]]]


@dataclass(frozen=True)
class Review:
    """A dataset under review.

    others: reads other reviewers' segments, by name. write: writes the reviewed dataset and tells where. note: one line
    that the reviewer should know beforehand.
    """

    data: Dataset
    session: Session
    others: Others = dict
    write: Written | None = None
    note: str = ""


class Panel:
    """A review as its panel shows it.

    session, sounds: what is reviewed. order: the ids of the queue, most doubtful first. filter: what it leaves.
    least: the evidence from which "hear" accepts. said: one line on the last thing asked; wrong: whether it tells a
    mistake. word: the number of the one that is looked at. on_progress: hears how far writing the dataset is.
    written: the folder that the dataset was written to last, "" before.
    """

    def __init__(self, of: Review, sounds: Sounds) -> None:
        session = of.session
        self.session, self.sounds, self._others, self._write = session, sounds, of.others, of.write
        self.written = ""
        self.on_progress: Told = lambda share: None
        self.filter, self.least = queue.Filter(), LEAST
        self.said, self.wrong, self.word = of.note, False, 0
        self._marked = queue.is_marked(session.first)
        self._measured = {(w.text, w.start, w.end) for one in session.first.values() for w in one.words}
        self._spans: dict[str, tuple[float, float]] = {}
        self.order: list[str] = []
        self._rank()
        if not session.entries:
            self._go(self.order[0] if self.order else session.at)
        self._point()

    # what is shown

    @property
    def segment(self) -> Segment:
        """The segment that is looked at."""
        return self.session.segments[self.session.at]

    @property
    def places(self) -> tuple[queue.Place, ...]:
        """Where to look in it, most doubtful first."""
        return queue.doubt(self.segment, is_marked=self._marked)[1]

    @property
    def position(self) -> int:
        """Its number in the queue, from 1; 0 where the filter leaves it out."""
        return self.order.index(self.session.at) + 1 if self.session.at in self.order else 0

    @property
    def progress(self) -> queue.Progress:
        """How far the queue is reviewed."""
        segments = self.session.segments
        return queue.progress({name: segments[name] for name in self.order}, self.session.entries)

    @property
    def following(self) -> str | None:
        """The segment that comes when this one is accepted, or None."""
        at = self.position
        after = [*self.order[at:], *self.order[: max(at - 1, 0)]]
        return next((name for name in after if self.session.segments[name].review["status"] == UNREVIEWED), None)

    def agreement(self) -> tuple[list[str], dict[str, list[float | None]], int]:
        """Cohen's kappa by marker: the names of the pairs compared, token → a figure for each, how many were reviewed.

        Transcript and detector are compared on all words, a reviewer on the segments that were accepted.
        """
        first, now = self.session.first, self.session.segments
        heard = queue.as_heard(first)
        pairs = {"transcript and detector": queue.kappa(first, heard)}
        seen = _seen(now)
        if seen:
            pairs["transcript and you"] = queue.kappa(first, seen)
            pairs["detector and you"] = queue.kappa(heard, seen)
        for name, segments in self._others().items():
            common = _seen(segments)
            if seen and common:
                pairs[f"you and {name}"] = queue.kappa(seen, common)
        table = {token: [pair.get(token) for pair in pairs.values()] for token in markers.TOKENS}
        return list(pairs), table, len(seen)

    @property
    def can_finish(self) -> bool:
        """Whether the reviewed dataset can be written."""
        return self._write is not None and not self.session.read_only

    def is_stale(self, word: Word) -> bool:
        """Whether a word was moved or corrected since it was measured."""
        return (word.text, word.start, word.end) not in self._measured

    # what is asked

    def ask(self, what: str, /, *, of: str | None = None, **how: Any) -> None:
        """Do what is asked; a mistake is `said`, and changes nothing.

        of: the segment that was shown when it was asked. What is asked of one that no longer is, is not done.
        """
        if what != "look":
            self.said, self.wrong = "", False
        try:
            if of not in (None, self.session.at) and what not in _OF_ANY:
                raise ProsodyError(None, f"segment {of}", "is no longer shown: nothing was done", "do it again here")
            done = _ASKED.get(what)
            if done is None:
                raise ProsodyError(None, "review", f"{what[:60]!r} can't be asked", "reload the page")
            done(self, how)
        except ProsodyError as error:
            self.said, self.wrong = str(error), True

    def _do(self, action: str, **how: Any) -> None:
        self.session.do(action, **how)
        self._follow()

    def _choose_word(self, how: Mapping[str, Any]) -> int:
        """The number of the word that something is asked of, which is the one that is looked at then."""
        word, n = asked.whole(how, "word"), len(self.segment.words)
        if not 0 <= word < n:
            raise ProsodyError(None, f"segment {self.session.at}", f"has no word {word}", f"it has {n} words, from 0")
        self.word = word
        return word

    def _marker(self, how: Mapping[str, Any]) -> None:
        number = asked.whole(how, "number")
        if not 1 <= number <= len(markers.TOKENS):
            raise ProsodyError(None, "marker", f"{number} is no marker's number", "choose one of the seven")
        self._do("toggle", word=self._choose_word(how), token=markers.TOKENS[number - 1])

    def _clear(self, how: Mapping[str, Any]) -> None:
        self._do("clear", word=self._choose_word(how))

    def _retext(self, how: Mapping[str, Any]) -> None:
        text = asked.text(how, "text")
        self._do("retext", word=self._choose_word(how), text=text)

    def _move(self, how: Mapping[str, Any]) -> None:
        """An edge of a word; the time counts from the segment's start."""
        edge, time = asked.text(how, "edge"), self.segment.start + asked.number(how, "time")
        self._do("move", word=self._choose_word(how), edge=edge, time=time)

    def _split(self, how: Mapping[str, Any]) -> None:
        self._do("split", word=self._choose_word(how))
        self._point()
        self.said = "Split in two."

    def _merge(self, _: Mapping[str, Any]) -> None:
        self._do("merge")
        self._point()
        self.said = "Joined to the next segment."

    def _hear(self, _: Mapping[str, Any]) -> None:
        before = self.segment
        self._do("accept heard", least=self.least)
        changed = sum(a.markers != b.markers for a, b in zip(before.words, self.segment.words, strict=True))
        self.said = f"Taken over from {self.least:.2f} of evidence: {changed} of {len(before.words)} words changed."

    def _decide(self, action: str) -> None:
        name = self.session.at
        self._do(action)
        told = {"accept": "Accepted", "reject": "Rejected"}[action]
        if (after := self.following) is None:
            self.said = f"{told}. Nothing in this queue is left to review."
            return
        self._go(after)
        self._point()
        self.said = f"{told}: segment {name}."

    def _step(self, by: int) -> None:
        at = self.position - 1 + by if self.position else 0
        if not 0 <= at < len(self.order):
            self.said = "This is the last one of the queue." if by > 0 else "This is the first one of the queue."
            return
        self._go(self.order[at])
        self._point()

    def _undo(self, _: Mapping[str, Any]) -> None:
        self._back_or_forth(self.session.undo, "Undone.")

    def _redo(self, _: Mapping[str, Any]) -> None:
        self._back_or_forth(self.session.redo, "Done again.")

    def _back_or_forth(self, act: Callable[[], Segment | None], told: str) -> None:
        was, name = self.segment, self.session.at
        act()
        self._follow()
        if self.session.at != name or len(was.words) != len(self.segment.words):
            self._point()
        else:  # to the word that is another now
            pairs = zip(was.words, self.segment.words, strict=True)
            self.word = next((k for k, (a, b) in enumerate(pairs) if a != b), self.word)
        self.said = told

    def _choose(self, how: Mapping[str, Any]) -> None:
        """Another filter; the queue is ranked anew."""
        chosen: dict[str, Any] = {name: asked.text(how, name) for name in ("marker", "word", "status") if name in how}
        if "disagreement" in how:
            chosen["disagreement"] = how["disagreement"] is True
        self.filter = replace(self.filter, **chosen)
        self._rank()
        if not self.order:
            self.said = "No segment has all of that."
        elif not self.position:
            self._go(self.order[0])
            self._point()

    def _least(self, how: Mapping[str, Any]) -> None:
        least = asked.number(how, "least")
        if not 0 < least <= 1:
            raise ProsodyError(None, "evidence", f"is {least}", "choose one above 0, up to 1")
        self.least = least

    def _visit(self, how: Mapping[str, Any]) -> None:
        self._go(asked.text(how, "segment"))
        self._point()

    def _relocate(self, how: Mapping[str, Any]) -> None:
        found, missing = self.sounds.relocate(asked.text(how, "folder"))
        self.said = f"{found:,} found there; {missing:,} still missing." if missing else f"{found:,} found: all there."

    def _finish(self, _: Mapping[str, Any]) -> None:
        if self._write is None or not self.can_finish:
            why = self.session.read_only or "this review has no place to write to"
            remedy = "mend that, or close the other review; then run this cell again"
            raise ProsodyError(None, "review", f"can't be finished: {why}", remedy)
        self.written = str(self._write(self.session, self.on_progress))
        waiting = self.session.counts[UNREVIEWED]
        self.said = f"Written, {waiting:,} segments in it not reviewed yet; 03 learns from it now: {self.written}"

    # the queue

    def _go(self, name: str) -> None:
        if name != self.session.at:
            self.session.go(name)

    def _point(self) -> None:
        """The word that is looked at first: that of the most doubtful place."""
        places = self.places
        self.word = places[0].index if places else 0

    def _rank(self) -> None:
        segments = self.session.segments
        items = queue.ranked(segments, marked=self._marked)
        self.order = [item.segment for item in items if self.filter.fits(segments[item.segment])]
        self._remember()

    def _remember(self) -> None:
        self._spans |= {name: (one.start, one.end) for name, one in self.session.segments.items()}

    def _follow(self) -> None:
        """Put the parts of a segment in its place in the queue, and the whole in that of its parts."""
        segments = self.session.segments
        self._remember()
        if all(name in segments for name in self.order):
            return
        found: list[str] = []
        for name in self.order:
            start, end = self._spans[name]
            heirs = [name] if name in segments else [n for n, s in segments.items() if s.start < end and start < s.end]
            found += [heir for heir in heirs if heir not in found]
        self.order = found


_ASKED: dict[str, Callable[[Panel, Mapping[str, Any]], None]] = {
    "marker": Panel._marker,
    "clear": Panel._clear,
    "retext": Panel._retext,
    "move": Panel._move,
    "split": Panel._split,
    "merge": Panel._merge,
    "hear": Panel._hear,
    "accept": lambda panel, _: panel._decide("accept"),
    "reject": lambda panel, _: panel._decide("reject"),
    "reopen": lambda panel, _: panel._do("reopen"),
    "next": lambda panel, _: panel._step(1),
    "back": lambda panel, _: panel._step(-1),
    "undo": Panel._undo,
    "redo": Panel._redo,
    "filter": Panel._choose,
    "rank": lambda panel, _: panel._rank(),
    "least": Panel._least,
    "go": Panel._visit,
    "relocate": Panel._relocate,
    "finish": Panel._finish,
    "look": lambda panel, _: None,
}


# what is asked of the review, not of the segment that is shown
_OF_ANY = {"look", "undo", "redo", "filter", "rank", "least", "go", "relocate", "finish"}


def _seen(segments: Mapping[str, Segment]) -> dict[str, Segment]:
    return {name: one for name, one in segments.items() if one.review["status"] == ACCEPTED}
