"""Each word of a transcript at its time: forced onto the stretch of sound in which it is said.

Where more sounds than is written (a remark, another voice, a noise), a short word can be forced anywhere; such words
are put beside their neighbours again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from prosody.speech import anchors as ways
from prosody.speech.anchors import Stretch
from prosody.speech.audio import Audio
from prosody.speech.decode import RATE, Ear, Heard
from prosody.speech.energy import HOP_S, Span, energy_db, pause_spans, threshold_above_noise
from prosody.speech.phones import SHORTEST_PHONE_S, expected_s
from prosody.speech.pronounce import Lexicon

CUT_PAUSE_S = 0.2  # stretches are parted in pauses this long
_TOO_MUCH = 2.0  # a hole with this many times the sound that its words need holds something that is not written
_TOO_MUCH_S = 0.5
_ROOM, _ROOM_S = 1.6, 0.2  # sound given to words that are put beside a neighbour: a share of what they need, and more
_LONG_GAP_S = 2.0
_MOST_SPLITS = 12
_BETTER = 1.0  # how much better a frame must fit for a word to stay far from its neighbours
_SILENT = 5.0  # what a frame's score is lowered by where a word lies in silence
_ALONE_S = 0.4  # sound on both sides of a stray word that belongs to no written word


@dataclass(frozen=True)
class Task:
    """What is aligned: the recording at 16 kHz, its energy and pauses, and the tokens that are pronounced.

    expected [shape=(n_tokens,)]: what each takes in careful speech, s. threshold_db: what is quieter is silence.
    """

    samples: np.ndarray
    energy: np.ndarray
    threshold_db: float
    pauses: list[Span]
    tokens: list[str]
    expected: np.ndarray

    @property
    def duration(self) -> float:
        return len(self.samples) / RATE

    @cached_property
    def sounding(self) -> np.ndarray:
        """How much has sounded up to the start of each frame, s [shape=(n_frames + 1,)]."""
        return np.concatenate([[0.0], np.cumsum(self.energy >= self.threshold_db) * HOP_S])

    def sound_between(self, start: float, end: float) -> float:
        """How much sounds between two times, s."""
        at = np.clip(np.round(np.array([start, end]) / HOP_S).astype(int), 0, len(self.energy))
        return max(float(self.sounding[at[1]] - self.sounding[at[0]]), 0.0)


def task(audio: Audio, known: Lexicon, spoken: Sequence[int]) -> Task:
    """What is to be aligned. spoken: the numbers of the words that are pronounced."""
    samples = audio.samples
    if audio.sample_rate != RATE:
        import soxr

        samples = soxr.resample(samples, audio.sample_rate, RATE)
    energy = energy_db(samples, RATE)
    threshold = threshold_above_noise(energy)
    pauses = pause_spans(energy, hop_s=HOP_S, threshold_db=threshold, min_pause_s=CUT_PAUSE_S)
    expected = np.array([expected_s(known.phones(i)) for i in spoken])
    return Task(samples, energy, threshold, pauses, [known.tokens[i] or "" for i in spoken], expected)


def place(
    listener: Ear,
    task: Task,
    parts: Sequence[Stretch],
    anchors: Mapping[int, Heard],
    progress: Callable[[float], None] | None = None,
) -> list[Heard]:
    """Each token at its time in the recording. progress: called with the share that is done."""
    placed: list[Heard] = []
    for part in parts:
        found = _forced(listener, task, part)
        if found is None or not ways.agrees(part, found, anchors):
            smaller = ways.around_holes(part, anchors)
            found = [word for one in smaller for word in (_forced(listener, task, one) or _spread(task, one))]
        placed += found
        if progress:
            progress(part.end / task.duration)
    for hole in _holes(task, placed, anchors):
        if _holds_too_much(task, hole):
            placed[hole.first : hole.stop] = _beside_neighbours(listener, task, hole, placed[hole.first : hole.stop])
    return placed


def strays(task: Task, placed: Sequence[Heard], anchors: Mapping[int, Heard]) -> set[int]:
    """Numbers of the words that are not sure and have on both sides sound that belongs to no written word, or none."""
    found = set()
    for hole in _holes(task, placed, anchors):
        if not _holds_too_much(task, hole):
            continue
        edges = [hole.start, *(t for w in placed[hole.first : hole.stop] for t in (w.start, w.end)), hole.end]
        gaps = [task.sound_between(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        for k in range(hole.stop - hole.first):
            is_alone = max(gaps[: k + 1]) > _ALONE_S and max(gaps[k + 1 :]) > _ALONE_S
            if is_alone or _is_silent(task, placed[hole.first + k]):
                found.add(hole.first + k)
    return found


def _holes(task: Task, placed: Sequence[Heard], anchors: Mapping[int, Heard]) -> Iterator[Stretch]:
    """Words in a row that are not sure, with the sound between the sure ones on either side of them.

    Sure are anchors between anchors; the last one before a hole or a long gap may have been heard in what is there.
    """
    sure = [i for i in sorted(anchors) if all(_goes_on(placed, anchors, k) for k in (i, i + 1))]
    first = 0
    for stop in [*sure, len(placed)]:
        if stop > first:
            start = placed[first - 1].end if first else 0.0
            end = placed[stop].start if stop < len(placed) else task.duration
            yield Stretch(start, max(start, end), first, stop)
        first = stop + 1


def _goes_on(placed: Sequence[Heard], anchors: Mapping[int, Heard], k: int) -> bool:
    """Whether words k - 1 and k are both anchors, not far from each other."""
    if k in (0, len(placed)):
        return True
    return k - 1 in anchors and k in anchors and placed[k].start - placed[k - 1].end < _LONG_GAP_S


def _holds_too_much(task: Task, hole: Stretch) -> bool:
    """Whether more sounds in a hole than its words need, or far more time goes by."""
    needed = float(task.expected[hole.first : hole.stop].sum())
    sounding = task.sound_between(hole.start, hole.end)
    return sounding > _TOO_MUCH * needed + _TOO_MUCH_S or hole.end - hole.start > needed + _LONG_GAP_S


def _beside_neighbours(listener: Ear, task: Task, hole: Stretch, free: list[Heard]) -> list[Heard]:
    """The words of a hole put right after the word before it and right before the word after it, as fits best.

    free: where they were forced without that; kept where they fit much better there.
    """
    n = hole.stop - hole.first
    splits = [*range(0, n, math.ceil(n / _MOST_SPLITS)), n]
    best, best_score = free, _mean_score(task, free) - _BETTER
    for k in splits:
        left = Stretch(hole.start, _sounded(task, hole, hole.first, hole.first + k, 1), hole.first, hole.first + k)
        right = Stretch(_sounded(task, hole, hole.first + k, hole.stop, -1), hole.end, hole.first + k, hole.stop)
        if left.end > right.start:
            continue
        parts = [_forced(listener, task, part) for part in (left, right)]
        if any(part is None for part in parts):
            continue
        found = [word for part in parts for word in part or []]
        if _mean_score(task, found) > best_score:
            best, best_score = found, _mean_score(task, found)
    return best


def _sounded(task: Task, hole: Stretch, first: int, stop: int, way: int) -> float:
    """Where so much has sounded, from the start of a hole (way 1) or back from its end (-1), as the words need."""
    if first == stop:
        return hole.start if way > 0 else hole.end
    room = _ROOM * float(task.expected[first:stop].sum()) + _ROOM_S
    at = np.clip(np.round(np.array([hole.start, hole.end]) / HOP_S).astype(int), 0, len(task.energy))
    if way > 0:
        frame = int(np.searchsorted(task.sounding, task.sounding[at[0]] + room))
    else:
        frame = int(np.searchsorted(task.sounding, task.sounding[at[1]] - room, side="right")) - 1
    return min(max(frame * HOP_S, hole.start), hole.end)


def _mean_score(task: Task, words: Sequence[Heard]) -> float:
    """How well words fit where they are, a frame; a weak word fits silence, but is not said there."""
    scores = [word.score - (_SILENT if _is_silent(task, word) else 0.0) for word in words]
    return float(np.mean(scores)) if scores else -math.inf


def _is_silent(task: Task, word: Heard) -> bool:
    return task.sound_between(word.start, word.end) < (word.end - word.start) / 2


def _forced(listener: Ear, task: Task, part: Stretch) -> list[Heard] | None:
    """The words of a stretch forced onto it, or None where that cannot be done."""
    tokens = task.tokens[part.first : part.stop]
    if not tokens:
        return []
    if not _has_room(part, task):
        return None
    found = listener.align(task.samples[round(part.start * RATE) : round(part.end * RATE)], tokens)
    if found is None:
        return None
    return [Heard(w.token, w.start + part.start, w.end + part.start, w.score) for w in found]


def _has_room(part: Stretch, task: Task) -> bool:
    """Whether the words of a stretch could be said in it at all, at three times the speed of careful speech."""
    needed = task.expected[part.first : part.stop].sum() / 3
    return part.end - part.start >= max(needed, (part.stop - part.first) * SHORTEST_PHONE_S)


def _spread(task: Task, part: Stretch) -> list[Heard]:
    """The words of a stretch laid evenly over it, each by what it should take; a score of no confidence."""
    share = np.concatenate([[0.0], np.cumsum(task.expected[part.first : part.stop])])
    edges = part.start + (part.end - part.start) * share / max(share[-1], 1e-9)
    tokens = task.tokens[part.first : part.stop]
    return [Heard(token, a, b, -math.inf) for token, (a, b) in zip(tokens, pairwise(edges.tolist()), strict=True)]
