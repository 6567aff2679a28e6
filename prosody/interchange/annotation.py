"""What a file of another program holds of a recording: its words in time order, their markers, and more."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from prosody import dataset, markers
from prosody.dataset import Dataset, Word
from prosody.dataset_check import EDGE_TOLERANCE_S, OVERLAP_TOLERANCE_S
from prosody.errors import ProsodyError
from prosody.files import PathLike
from prosody.markers import MarkedText, MarkedWord

SHORTEST_S = 1e-6  # a word that takes less takes no time: it cannot be an interval


@dataclass(frozen=True)
class Part:
    """A segment in the whole: its name, its time (s), its words, numbers `first` to `stop` (not included)."""

    name: str
    start: float
    end: float
    first: int = 0
    stop: int = 0


@dataclass(frozen=True)
class Annotation:
    """The words of a recording.

    words: in time order. final: the pause after the last one. end: of the recording, s. heard: the markers that the
    sound supports before each word, or None. f0: times (s) and values (Hz) where the voice has one. parts: the
    segments. places: where each word stands in the file it was read from, for messages. has_markers: whether the file
    says anything of markers.
    """

    words: tuple[Word, ...]
    final: str | None
    end: float
    heard: tuple[tuple[str, ...], ...] | None = None
    f0: tuple[tuple[float, float], ...] = ()
    parts: tuple[Part, ...] = ()
    places: tuple[str, ...] = ()
    has_markers: bool = True

    @property
    def marked(self) -> MarkedText:
        """The words with their markers."""
        return MarkedText(tuple(MarkedWord(word.text, word.markers) for word in self.words), self.final)


def of_dataset(data: Dataset, *, end: float | None = None) -> Annotation:
    """All words of a dataset. end: of the recording, s; without it, the last segment's.

    A pause after the last word of a segment that is not the last one goes before the first word of the next.
    Raises ProsodyError if there is a pause already.
    """
    words: list[Word] = []
    parts: list[Part] = []
    final: str | None = None
    for number, segment in enumerate(data.segments, 1):
        inside = list(segment.words)
        if final and inside:
            inside[0] = _after_pause(data, number, inside[0], final)
        final = markers.parse(segment.text).final or (None if inside else final)
        parts.append(Part(segment.audio_file, segment.start, segment.end, len(words), len(words) + len(inside)))
        words += inside
    if end is None:
        end = max([0.0, *(part.end for part in parts), *(word.end for word in words)])
    return Annotation(tuple(words), final, end, parts=tuple(parts))


def decimated(times: Iterable[float], hz: Iterable[float], *, step_s: float = 0.01) -> tuple[tuple[float, float], ...]:
    """The voiced values of an f0 track (Hz, NaN where unvoiced), at most one in each `step_s`."""
    kept: list[tuple[float, float]] = []
    for time, value in zip(times, hz, strict=True):
        if math.isfinite(value) and (not kept or time - kept[-1][0] >= step_s - 1e-9):
            kept.append((float(time), float(value)))
    return tuple(kept)


def in_order(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words with times that never overlap: where they do, by a hundredth of a second, a word ends earlier.

    Gaps and words shorter than a microsecond are closed.
    """
    starts: list[float] = []
    for word in words:
        start = max(word.start, starts[-1] if starts else 0.0)
        starts.append(start if start >= SHORTEST_S else 0.0)
    ends = [max(start, word.end) for start, word in zip(starts, words, strict=True)]
    for k, (_, after) in enumerate(pairwise(starts)):
        if ends[k] > after or after - ends[k] < SHORTEST_S:
            ends[k] = after
    spans = [(a, b if b - a >= SHORTEST_S else a) for a, b in zip(starts, ends, strict=True)]
    return tuple(replace(word, start=a, end=b) for word, (a, b) in zip(words, spans, strict=True))


def checked(annotation: Annotation, path: PathLike | None, named: str) -> Annotation:
    """The annotation, when it has words in time order that make marked text. named: what holds the words.

    Raises ProsodyError if there are none, if one ends before it starts or starts before the one before it ends, or if
    the words together break the grammar.
    """
    if not annotation.words:
        raise ProsodyError(path, named, "holds no words", "write the words of the recording into it")
    at, earlier = 0.0, None
    for word, place in zip(annotation.words, annotation.places, strict=True):
        if word.start < 0:
            raise ProsodyError(path, place, f"“{word.text}” starts at {word.start:g} s", "times start at 0")
        if word.end < word.start:
            what = f"“{word.text}” ends at {word.end:g} s, before its start at {word.start:g} s"
            raise ProsodyError(path, place, what, "mend its times")
        if word.start < at - OVERLAP_TOLERANCE_S:
            what = f"“{word.text}” starts at {word.start:g} s, before “{earlier}” ends at {at:g} s"
            raise ProsodyError(path, place, what, "mend the times of the two words")
        at, earlier = word.end, word.text
    text = markers.render(annotation.marked)
    try:
        reads = markers.parse(text)
    except ProsodyError as error:
        raise ProsodyError(path, named, error.what, error.remedy) from None
    if reads != annotation.marked:
        raise ProsodyError(path, named, "its labels together read as other markers", "put a space after each “<”")
    return annotation


def within(annotation: Annotation, end: float, path: PathLike | None) -> None:
    """Raise ProsodyError if a word reaches beyond the recording's end, s."""
    for word, place in zip(annotation.words, annotation.places, strict=True):
        if word.end > end + EDGE_TOLERANCE_S:
            what = f"“{word.text}” ends at {word.end:.3f} s, the recording at {end:.3f} s"
            raise ProsodyError(path, place, what, "mend its times, or give the file of this recording")


def slot(tokens: Iterable[str], path: PathLike | None, place: str, word: str) -> tuple[str, ...]:
    """The markers before a word, in canonical order. Raises ProsodyError if two of them exclude each other."""
    try:
        return markers.canonical(tokens)
    except ValueError as error:
        raise ProsodyError(path, place, f"{error}, before “{word}”", "keep one of them") from None


def _after_pause(data: Dataset, number: int, word: Word, pause: str) -> Word:
    try:
        return replace(word, markers=markers.canonical((pause, *word.markers)))
    except ValueError as error:
        where = f"segments {number - 1} and {number}"
        what = f"{error}: at the end of the one and the start of the other"
        raise ProsodyError(data.folder / dataset.DATASET_FILE, where, what, "keep one of them") from None
