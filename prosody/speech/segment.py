"""Cutting a recording into segments at its pauses, so that each segment holds exactly its words.

`segment_spans` looks at the energy only: cuts at long pauses, again at inner pauses where a segment is too long, joins
what is too short. `assign_words` then gives every aligned word to one segment and moves a cut that would fall into a
word to the nearest gap between words.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from prosody.dataset import Segment, Word, text_of
from prosody.errors import ProsodyError
from prosody.markers import MarkedText, MarkedWord
from prosody.speech.audio import Audio, write_wav
from prosody.speech.blocks import Progress
from prosody.speech.energy import (
    HOP_S,
    NOISE_MARGIN_DB,
    THRESHOLD_DB,
    Span,
    coarser,
    energy_db,
    energy_of_blocks,
    energy_of_file,
    pause_spans,
    threshold_above_noise,
)

__all__ = [
    "Cut",
    "SegmentParameters",
    "Span",
    "assign_words",
    "coarser",
    "energy_db",
    "energy_of_blocks",
    "energy_of_file",
    "make_segments",
    "pause_spans",
    "segment_file",
    "segment_spans",
    "write_segments",
]

NOISY_DB = -29.0  # a threshold above this tells of noise in which pauses are missed


@dataclass(frozen=True)
class SegmentParameters:
    """Where a recording is cut.

    hop_s: frame of the detector. threshold_db: quieter than this, relative to the recording's peak, is silence;
    noise_margin_db: the threshold is raised to be at least this much above the noise floor (0: it is not).
    split_pause_s: a pause this long parts two segments. inner_pause_s: shortest pause at which a segment longer than
    max_segment_s is cut again. min_segment_s: a shorter segment is joined to a neighbour.
    margin_s: silence kept before and after the speech of a segment.
    """

    hop_s: float = HOP_S
    threshold_db: float = THRESHOLD_DB
    noise_margin_db: float = NOISE_MARGIN_DB
    split_pause_s: float = 0.8
    inner_pause_s: float = 0.2
    max_segment_s: float = 15.0
    min_segment_s: float = 1.0
    margin_s: float = 0.1

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            low, high = _RANGES[field.name]
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            if not is_number or not low <= value <= high:
                raise ProsodyError(None, field.name, f"is {value!r}", f"give a number from {low} to {high}")
        if self.min_segment_s > self.max_segment_s / 2:
            what = f"{self.min_segment_s} is more than half of max_segment_s {self.max_segment_s}"
            raise ProsodyError(None, "min_segment_s", what, "give a smaller one")

    def threshold_for(self, energy: np.ndarray) -> float:
        """The threshold that is used for a recording of this energy, dB."""
        return threshold_above_noise(energy, threshold_db=self.threshold_db, noise_margin_db=self.noise_margin_db)


_RANGES = {
    "hop_s": (0.001, 0.1),
    "threshold_db": (-90.0, -1.0),
    "noise_margin_db": (0.0, 40.0),
    "split_pause_s": (0.05, 60.0),
    "inner_pause_s": (0.02, 60.0),
    "max_segment_s": (1.0, 3600.0),
    "min_segment_s": (0.0, 600.0),
    "margin_s": (0.0, 5.0),
}


@dataclass(frozen=True)
class Cut:
    """A segment: its time in the recording (s) and its words, numbers `first` to `stop` (not included)."""

    start: float
    end: float
    first: int
    stop: int

    @property
    def duration(self) -> float:
        return self.end - self.start


def segment_spans(energy: np.ndarray, *, parameters: SegmentParameters | None = None) -> list[Span]:
    """The segments of a recording, told from its energy alone.

    energy [shape=(n_frames,)]: dB relative to the recording's peak, on the grid `parameters.hop_s`.
    Returns spans in time order that do not overlap; only silence is left out. A span without inner pauses may stay
    longer than `max_segment_s`; joining a short one may make one longer, too.
    Raises ProsodyError if `energy` is empty or holds NaN.
    """
    p = parameters or SegmentParameters()
    duration = len(energy) * p.hop_s
    shortest = min(p.inner_pause_s, p.split_pause_s)
    pauses = pause_spans(energy, hop_s=p.hop_s, threshold_db=p.threshold_for(energy), min_pause_s=shortest)
    begin = pauses[0].end if pauses and pauses[0].start == 0 else 0.0
    finish = pauses[-1].start if pauses and pauses[-1].end >= duration - p.hop_s / 2 else duration
    if finish <= begin:
        return []
    inner = [pause for pause in pauses if pause.start > begin and pause.end < finish]
    cuts = [pause for pause in inner if pause.duration >= p.split_pause_s - p.hop_s / 1000]
    pieces = _between(Span(begin, finish), cuts)
    pieces = [part for piece in pieces for part in _split_long(piece, inner, p)]
    return _with_margins(_join_short(pieces, p), p.margin_s, duration)


def segment_file(
    path: str | os.PathLike[str], *, parameters: SegmentParameters | None = None, progress: Progress | None = None
) -> list[Span]:
    """As `segment_spans`, for a recording that is read block by block: hours of it take seconds and little memory.

    It is heard at its own sample rate. progress: called with the share that is done. Raises ProsodyError as
    `audio.read` does.
    """
    p = parameters or SegmentParameters()
    return segment_spans(energy_of_file(path, hop_s=p.hop_s, progress=progress), parameters=p)


def assign_words(
    spans: Sequence[Span], words: Sequence[Word], *, parameters: SegmentParameters | None = None
) -> list[Cut]:
    """Give every word to exactly one segment, in order.

    A cut that falls into a word moves to the nearer gap beside it. A segment that is still longer than `max_segment_s`
    is cut at its widest gap between words. Spans in which no word lies (a cough, a door) are left out.
    Raises ProsodyError if there are no spans or no words.
    """
    p = parameters or SegmentParameters()
    if not spans or not words:
        raise ProsodyError(None, None, "there is nothing to cut: no speech or no words", "check the recording")
    middles = np.maximum.accumulate([(word.start + word.end) / 2 for word in words])
    cuts = []
    left, first = spans[0].start, 0
    for span, after in zip(spans, [*spans[1:], None], strict=True):
        if after is None:
            stop, right = len(words), max(span.end, words[-1].end)
        else:
            boundary = (span.end + after.start) / 2
            stop = int(np.searchsorted(middles, boundary))
            right = _outside_words(boundary, words, stop)
        if stop > first:
            start = max(left, min(span.start, words[first].start)) if cuts else min(span.start, words[first].start)
            cuts.append(Cut(max(0.0, start), min(right, max(span.end, words[stop - 1].end)), first, stop))
            first = stop
        left = right
    return [part for cut in cuts for part in _split_at_gaps(cut, words, p)]


def make_segments(cuts: Sequence[Cut], words: Sequence[Word], marked: MarkedText) -> tuple[Segment, ...]:
    """Dataset records (not split, nothing measured yet) for cuts, aligned words and the transcript they came from.

    The pause marker at a cut stands before the first word of the later segment; that after the last word of the
    transcript, at the end of the last one.
    """
    if len(words) != len(marked.words):
        raise ValueError(f"{len(words)} aligned words, {len(marked.words)} in the transcript")
    digits = max(3, len(str(len(cuts))))
    segments = []
    for number, cut in enumerate(cuts, 1):
        inside = tuple(_word(marked.words[i], words[i]) for i in range(cut.first, cut.stop))
        start, end = round(cut.start, 3), round(cut.end, 3)
        text = text_of(inside, marked.final if cut.stop == len(words) else None)
        name = f"segments/segment_{number:0{digits}d}.wav"
        segments.append(Segment(name, text, round(end - start, 3), start, end, words=inside))
    return tuple(segments)


def _word(marked: MarkedWord, timed: Word) -> Word:
    sure = None if timed.confidence is None else round(timed.confidence, 4)
    return Word(marked.text, round(timed.start, 3), round(timed.end, 3), marked.markers, confidence=sure)


def write_segments(
    folder: str | os.PathLike[str], audio: Audio, segments: Sequence[Segment], *, overwrite: bool = False
) -> list[Path]:
    """Write the sound of each segment under `folder` by its `audio_file` name, 16-bit WAV. Returns the paths."""
    paths = []
    for segment in segments:
        path = Path(folder, *segment.audio_file.split("/"))
        start, end = (round(at * audio.sample_rate) for at in (segment.start, segment.end))
        write_wav(path, audio.samples[start:end], audio.sample_rate, overwrite=overwrite)
        paths.append(path)
    return paths


def _between(whole: Span, pauses: Sequence[Span]) -> list[Span]:
    """What of `whole` is left when `pauses` are taken out."""
    starts = [whole.start, *(pause.end for pause in pauses)]
    ends = [*(pause.start for pause in pauses), whole.end]
    return [Span(a, b) for a, b in zip(starts, ends, strict=True)]


def _split_long(piece: Span, pauses: Sequence[Span], p: SegmentParameters) -> list[Span]:
    """`piece` cut at its longest inner pauses until no part is too long; no part gets too short by it."""
    if piece.duration + 2 * p.margin_s <= p.max_segment_s:
        return [piece]
    least = max(p.min_segment_s - 2 * p.margin_s, 0.0)
    inside = [
        pause
        for pause in pauses
        if pause.duration >= p.inner_pause_s - p.hop_s / 1000
        and pause.start - piece.start >= max(least, p.hop_s)
        and piece.end - pause.end >= max(least, p.hop_s)
    ]
    if not inside:
        return [piece]
    at = max(inside, key=lambda pause: (pause.duration, -abs(pause.middle - piece.middle)))
    halves = _between(piece, [at])
    return [part for half in halves for part in _split_long(half, pauses, p)]


def _join_short(pieces: list[Span], p: SegmentParameters) -> list[Span]:
    """Each piece that is too short joined to the neighbour nearer by, rather one that does not get too long by it."""
    pieces = list(pieces)
    while len(pieces) > 1:
        short = min(range(len(pieces)), key=lambda i: pieces[i].duration)
        if pieces[short].duration + 2 * p.margin_s >= p.min_segment_s:
            break

        def cost(i: int, short: int = short) -> tuple[bool, float]:
            a, b = pieces[min(i, short)], pieces[max(i, short)]
            return b.end - a.start + 2 * p.margin_s > p.max_segment_s, b.start - a.end

        other = min((i for i in (short - 1, short + 1) if 0 <= i < len(pieces)), key=cost)
        lo, hi = sorted((short, other))
        pieces[lo : hi + 1] = [Span(pieces[lo].start, pieces[hi].end)]
    return pieces


def _with_margins(pieces: Sequence[Span], margin_s: float, duration: float) -> list[Span]:
    """Pieces with silence around them, at most to the middle of the pause between two."""
    limits = [0.0, *((a.end + b.start) / 2 for a, b in pairwise(pieces)), duration]
    return [
        Span(max(limits[i], piece.start - margin_s), min(limits[i + 1], piece.end + margin_s))
        for i, piece in enumerate(pieces)
    ]


def _outside_words(boundary: float, words: Sequence[Word], stop: int) -> float:
    """`boundary`, moved between the words before and from `stop` if it lies inside one of them."""
    low = words[stop - 1].end if stop else 0.0
    high = words[stop].start if stop < len(words) else math.inf
    return min(max(boundary, low), max(low, high))


def _split_at_gaps(cut: Cut, words: Sequence[Word], p: SegmentParameters) -> list[Cut]:
    """A segment that is too long cut at the widest gap between its words; of equal gaps, nearest to its middle."""
    if cut.duration <= p.max_segment_s or cut.stop - cut.first < 2:
        return [cut]
    middle = (cut.start + cut.end) / 2
    best, best_score = None, -math.inf
    for i in range(cut.first + 1, cut.stop):
        gap = Span(words[i - 1].end, words[i].start)
        if min(gap.middle - cut.start, cut.end - gap.middle) < p.min_segment_s:
            continue
        score = max(gap.duration, 0.0) - 0.05 * abs(gap.middle - middle) / cut.duration
        if score > best_score:
            best, best_score = (i, gap), score
    if best is None:
        return [cut]
    i, gap = best
    at = gap.middle if gap.duration > 0 else words[i].start
    halves = Cut(cut.start, at, cut.first, i), Cut(at, cut.end, i, cut.stop)
    return [part for half in halves for part in _split_at_gaps(half, words, p)]
