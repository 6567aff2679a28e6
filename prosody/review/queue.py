"""Which segments to look at first, those that a filter leaves, how far the review is, and how far reviewers agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from math import prod
from statistics import median
from typing import Any

from prosody import markers
from prosody.dataset import Segment
from prosody.errors import ProsodyError
from prosody.review.actions import ACCEPTED, REJECTED, UNREVIEWED
from prosody.speech import compare, detect
from prosody.speech.compare import Place

STATUSES = (UNREVIEWED, ACCEPTED, REJECTED)
_LONGEST_LOOK_S = 300.0  # between two decisions; more is a break


@dataclass(frozen=True)
class Item:
    """A segment in the queue.

    segment: its id. doubt: 0..1, how likely something in it wants a person: one less the product of what each place
    leaves. places: where to look, most doubtful first; their `index` counts the segment's words from 0.
    """

    segment: str
    doubt: float
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Filter:
    """What a segment must have to be in the queue.

    marker: one that is written or heard in it. word: a text that occurs in it, whatever its case. disagreement: whether
    something must be written and not heard, or heard and not written. status: of its review; "" for any.
    Raises ProsodyError for a marker or a status that is none.
    """

    marker: str = ""
    word: str = ""
    disagreement: bool = False
    status: str = ""

    def __post_init__(self) -> None:
        if self.marker and self.marker not in markers.BY_TOKEN:
            raise ProsodyError(None, "filter", f"{self.marker!r} is no marker", "choose one of the seven")
        if self.status and self.status not in STATUSES:
            raise ProsodyError(None, "filter", f"{self.status!r} is no status", f"use one of: {', '.join(STATUSES)}")

    def fits(self, segment: Segment) -> bool:
        """Whether a segment has all of it."""
        written, heard = [word.markers for word in segment.words], _heard(segment)
        in_it = {token for slot in (*written, *heard) for token in slot}
        return (
            (not self.marker or self.marker in in_it or self.marker in segment.prosody_tokens)
            and (not self.word or self.word.lower() in " ".join(word.text for word in segment.words).lower())
            and (not self.disagreement or any(set(w) != set(h) for w, h in zip(written, heard, strict=True)))
            and (not self.status or segment.review["status"] == self.status)
        )


def ranked(segments: Mapping[str, Segment], *, marked: bool | None = None) -> list[Item]:
    """All segments, most doubtful first; of equals the earlier one.

    marked: whether markers were written in the text they are of (None: if there are some now).

    A place is in doubt where text and audio disagree, where evidence is near its threshold in a text without markers,
    and where the sound does not support the word (`speech.compare.doubtful`).
    """
    marked = is_marked(segments) if marked is None else marked
    items = [Item(name, *doubt(segment, is_marked=marked)) for name, segment in segments.items()]
    return sorted(items, key=lambda item: -item.doubt)


def is_marked(segments: Mapping[str, Segment]) -> bool:
    """Whether markers are written in any of them."""
    return any(word.markers for segment in segments.values() for word in segment.words)


def doubt(segment: Segment, *, is_marked: bool) -> tuple[float, tuple[Place, ...]]:
    """How doubtful a segment is, 0..1, and where. is_marked: whether markers are written in the text it is of."""
    words = segment.words
    evidence, sure = [word.evidence for word in words], [word.confidence for word in words]
    written, n = [word.markers for word in words], len(words) * (len(markers.KINDS) + 1)
    places = compare.doubtful(written, _heard(segment), evidence, confidence=sure, is_marked=is_marked, n=n)
    return 1 - prod(1 - min(place.doubt, 1.0) for place in places), places


def _heard(segment: Segment) -> list[tuple[str, ...]]:
    return [detect.decide(word.evidence) for word in segment.words]


@dataclass(frozen=True)
class Progress:
    """How far a review is: segments done, of how many, and the seconds left (None until two are done)."""

    done: int
    total: int
    left_s: float | None

    def __str__(self) -> str:
        told = f"{self.done} of {self.total}"
        if self.left_s is None or self.done == self.total:
            return told
        minutes, seconds = divmod(round(self.left_s), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{told}, {f'{hours}:{minutes:02}' if hours else minutes}:{seconds:02} left"


def progress(segments: Mapping[str, Segment], entries: Sequence[Mapping[str, Any]]) -> Progress:
    """How far a review is. entries: of its journal; the time from decision to decision is what is left a segment."""
    done = sum(segment.review["status"] != UNREVIEWED for segment in segments.values())
    decided = [one for one in entries if one.get("do") in ("accept", "reject") and one.get("at")]
    at = [datetime.fromisoformat(one["at"]) for one in decided]
    looks = [(later - earlier).total_seconds() for earlier, later in pairwise(at)]
    looks = [seconds for seconds in looks if 0 <= seconds <= _LONGEST_LOOK_S]
    return Progress(done, len(segments), median(looks) * (len(segments) - done) if looks else None)


def kappa(one: Mapping[str, Segment], other: Mapping[str, Segment]) -> dict[str, float | None]:
    """Cohen's kappa (1960) of two markings of the same words, marker by marker; None where neither has the marker.

    Words are matched by their times: a segment that was cut otherwise, or a word with another text, is still the same.
    """
    first, second = _slots(one), _slots(other)
    common = [key for key in first if key in second]
    table = detect.agreement([first[key] for key in common], [second[key] for key in common])
    return {token: row["kappa"] if row["written"] + row["heard"] else None for token, row in table.items()}


def _slots(segments: Mapping[str, Segment]) -> dict[tuple[float, float], tuple[str, ...]]:
    """The markers before each word, by its times (ms)."""
    return {(round(w.start, 3), round(w.end, 3)): w.markers for one in segments.values() for w in one.words}


def as_heard(segments: Mapping[str, Segment]) -> dict[str, Segment]:
    """The segments with the markers that are heard in place of those written, to be compared."""
    return {
        name: replace(s, words=tuple(replace(w, markers=detect.decide(w.evidence)) for w in s.words))
        for name, s in segments.items()
    }
