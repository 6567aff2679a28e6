"""Times for every word of a transcript in its recording.

First it is found which words lie in which stretch of sound (`anchors`), then the words of each stretch are forced onto
it by pocketsphinx (`decode`). Last, word edges beside a pause are set to the pause's edges as the energy has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from prosody.errors import ProsodyError
from prosody.speech import anchors as ways
from prosody.speech.anchors import Stretch
from prosody.speech.audio import Audio
from prosody.speech.decode import RATE, Ear, Heard, ear
from prosody.speech.energy import (
    HOP_S,
    NOISE_MARGIN_DB,
    THRESHOLD_DB,
    Span,
    energy_db,
    noise_floor_db,
    pause_spans,
    threshold_above_noise,
)
from prosody.speech.phones import SHORTEST_PHONE_S, SONOROUS, expected_s
from prosody.speech.pronounce import Lexicon, lexicon

CUT_PAUSE_S = 0.2  # stretches are parted in pauses this long
BELONGS = 0.2  # share of the words that must be recognised where they are expected
MISSING = 0.25  # share of the words that may have no sound of their own
SUPPORTED = 0.2  # confidence below which a word has little support in the sound
_EDGE_DB = -41.0  # speech dies away below the threshold of pauses
_EDGE_PAUSE_S = 0.06
_NEAR_S = 0.03  # a word's edge this near to a pause's edge is set to it
_FAR_S = 0.1  # a word that reaches this far into a pause is taken out of it ...
_KEPT_S = 0.04  # ... but for this much, since weak consonants are below the threshold
_LATER_S = {True: 0.002, False: 0.008}  # how early a boundary comes before a vowel or nasal, before another phone
_HALF_SURE, _SURENESS = -4.2, 0.9  # score a frame at which it is even odds that the word is there; how fast that turns
_FORCED = 0.7  # most confidence in a word that was only forced; one that was recognised as well has 0.5 to 1


@dataclass(frozen=True)
class AlignedWord:
    """A word and its time in the recording, s.

    confidence: 0..1, how sure it is that the word is said there; 0 where its time could only be guessed.
    """

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class _Task:
    """What is aligned: the recording at 16 kHz, its energy and pauses, and the tokens that are pronounced."""

    samples: np.ndarray
    energy: np.ndarray
    pauses: list[Span]
    tokens: list[str]
    expected: np.ndarray

    @property
    def duration(self) -> float:
        return len(self.samples) / RATE


def align(
    audio: Audio,
    words: Sequence[str],
    *,
    max_stretch_s: float = 60.0,
    progress: Callable[[float], None] | None = None,
) -> list[AlignedWord]:
    """The time of each word.

    words: as written, with punctuation. max_stretch_s: longest stretch of sound that is recognised at once. progress:
    called with the share that is done. Returns as many words in the same order; their times never overlap. A word
    without anything to pronounce, like a dash, takes no time and lies at the end of the word before it.
    Raises ProsodyError if nothing in `words` can be pronounced, or if they are not what is said in the recording.
    """
    known = lexicon(words)
    spoken = [i for i, token in enumerate(known.tokens) if token]
    if not spoken:
        raise ProsodyError(audio.path, None, "the transcript holds no word that can be pronounced", "give its words")
    task = _task(audio, known, spoken)
    with ear(known) as listener:
        spans = ways.phrases(task.pauses, task.duration, longest_s=max_stretch_s)
        heard = ways.recognise(listener, task.samples, spans, _part(progress, 0.0, 0.65))
        anchors = ways.find_anchors(task.tokens, heard)
        _refuse_other_words(audio, len(anchors), len(spoken))
        parts = ways.stretches(len(spoken), anchors, task.pauses, task.duration, longest_s=max_stretch_s)
        placed = _place(listener, task, parts, anchors, _part(progress, 0.65, 1.0))
    confidence = [_confidence(word.score, i in anchors) for i, word in enumerate(placed)]
    _refuse_missing(audio, [words[i] for i in spoken], confidence)
    found = np.array([[word.start, word.end] for word in placed])
    times = _at_pauses(_unbiased(found, [known.phones(i) for i in spoken]), task.energy)
    return _with_unspoken(words, dict(zip(spoken, zip(times, confidence, strict=True), strict=True)))


def _task(audio: Audio, known: Lexicon, spoken: Sequence[int]) -> _Task:
    samples = audio.samples
    if audio.sample_rate != RATE:
        import soxr

        samples = soxr.resample(samples, audio.sample_rate, RATE)
    energy = energy_db(samples, RATE)
    threshold = threshold_above_noise(energy)
    pauses = pause_spans(energy, hop_s=HOP_S, threshold_db=threshold, min_pause_s=CUT_PAUSE_S)
    expected = np.array([expected_s(known.phones(i)) for i in spoken])
    return _Task(samples, energy, pauses, [known.tokens[i] or "" for i in spoken], expected)


def _part(progress: Callable[[float], None] | None, start: float, end: float) -> Callable[[float], None] | None:
    """Progress of a part of the work that goes from `start` to `end` of the whole."""
    return (lambda share: progress(start + share * (end - start))) if progress else None


def _place(
    listener: Ear,
    task: _Task,
    parts: Sequence[Stretch],
    anchors: Mapping[int, Heard],
    progress: Callable[[float], None] | None,
) -> list[Heard]:
    """Each token at its time in the recording."""
    placed: list[Heard] = []
    for part in parts:
        found = _forced(listener, task, part)
        if found is None or not ways.agrees(part, found, anchors):
            smaller = ways.around_holes(part, anchors)
            found = [word for one in smaller for word in (_forced(listener, task, one) or _spread(task, one))]
        placed += found
        if progress:
            progress(part.end / task.duration)
    return placed


def _forced(listener: Ear, task: _Task, part: Stretch) -> list[Heard] | None:
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


def _has_room(part: Stretch, task: _Task) -> bool:
    """Whether the words of a stretch could be said in it at all, at three times the speed of careful speech."""
    needed = task.expected[part.first : part.stop].sum() / 3
    return part.end - part.start >= max(needed, (part.stop - part.first) * SHORTEST_PHONE_S)


def _spread(task: _Task, part: Stretch) -> list[Heard]:
    """The words of a stretch laid evenly over it, each by what it should take; a score of no confidence."""
    share = np.concatenate([[0.0], np.cumsum(task.expected[part.first : part.stop])])
    edges = part.start + (part.end - part.start) * share / max(share[-1], 1e-9)
    tokens = task.tokens[part.first : part.stop]
    return [Heard(token, a, b, -math.inf) for token, (a, b) in zip(tokens, pairwise(edges.tolist()), strict=True)]


def _confidence(score: float, recognised: bool) -> float:
    fits = 1 / (1 + math.exp(min((_HALF_SURE - score) / _SURENESS, 50.0)))
    if not math.isfinite(score):
        return 0.0
    return 0.5 + 0.5 * fits if recognised else _FORCED * fits


def _refuse_other_words(audio: Audio, n_anchors: int, n_words: int) -> None:
    if n_anchors < BELONGS * n_words:
        what = f"only {n_anchors} of the transcript's {n_words} words are recognised in it"
        raise ProsodyError(audio.path, None, what, "give the transcript of this recording, word for word")


def _refuse_missing(audio: Audio, words: Sequence[str], confidence: Sequence[float]) -> None:
    """Refuse a transcript of which a large part has no place in the recording."""
    missing = np.array(confidence) < 0.02
    if missing.sum() <= MISSING * len(words):
        return
    padded = np.concatenate([[False], missing, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    start, stop = max(zip(edges[::2], edges[1::2], strict=True), key=lambda run: run[1] - run[0])
    quoted = " ".join(words[start : min(start + 4, stop)])
    what = (
        f"{missing.sum():,} of the transcript's {len(words):,} words are not in it, most of them from “{quoted} …” on"
    )
    raise ProsodyError(audio.path, None, what, "give the transcript of this recording, word for word")


def _unbiased(times: np.ndarray, phones: Sequence[Sequence[str]]) -> np.ndarray:
    """Word times [shape=(n_words, 2)] with the boundaries where one word goes over into the next set somewhat later.

    A frame's window of 25 ms begins with the frame, so that the model sees a sound before it is there. Measured on
    read and on synthetic speech: least before a vowel or nasal, into which the sound before it glides.
    """
    times = times.copy()
    for k in range(1, len(times)):
        if times[k, 0] - times[k - 1, 1] < _EDGE_PAUSE_S:
            later = _LATER_S[phones[k][0] in SONOROUS]
            times[k, 0] = min(times[k, 0] + later, times[k, 1])
            times[k - 1, 1] = min(times[k - 1, 1] + later, times[k, 0])
    return times


def _at_pauses(times: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Word times [shape=(n_words, 2)] with the edges beside a pause where the energy has the pause's edges.

    Noise hides where speech begins and ends; in a noisy recording the times stay as they are.
    """
    times = times.copy()
    if noise_floor_db(energy) + NOISE_MARGIN_DB <= THRESHOLD_DB:
        threshold = threshold_above_noise(energy, threshold_db=_EDGE_DB)
        pauses = pause_spans(energy, hop_s=HOP_S, threshold_db=threshold, min_pause_s=_EDGE_PAUSE_S)
        slots = np.searchsorted(times.mean(axis=1), [pause.middle for pause in pauses])
        longest: dict[int, Span] = {}
        for slot, pause in zip(slots.tolist(), pauses, strict=True):
            if slot not in longest or pause.duration > longest[slot].duration:
                longest[slot] = pause
        for slot, pause in longest.items():
            if slot > 0:
                times[slot - 1, 1] = _edge(times[slot - 1, 1], pause.start, 1, pause.duration)
            if slot < len(times):
                times[slot, 0] = _edge(times[slot, 0], pause.end, -1, pause.duration)
    starts = np.maximum.accumulate(times[:, 0])
    ends = np.maximum(times[:, 1], starts)
    ends[:-1] = np.minimum(ends[:-1], starts[1:])
    return np.stack([starts, ends], axis=1)


def _edge(at: float, edge: float, into: int, pause_s: float) -> float:
    """A word's edge at `at`, beside a pause that begins at `edge` and goes on in the direction `into` (1 or -1)."""
    if abs(at - edge) <= _NEAR_S:
        return edge
    if pause_s >= _FAR_S and (at - edge) * into > _FAR_S:
        return edge + into * _KEPT_S
    return at


def _with_unspoken(words: Sequence[str], placed: dict[int, tuple[np.ndarray, float]]) -> list[AlignedWord]:
    """All words; one that is not pronounced takes no time and lies at the end of the word before it."""
    at, sure = placed[min(placed)][0][0], 1.0
    aligned = []
    for i, text in enumerate(words):
        if i in placed:
            (start, at), sure = placed[i]
            aligned.append(AlignedWord(text, float(start), float(at), sure))
        else:
            aligned.append(AlignedWord(text, float(at), float(at), sure))
    return aligned
