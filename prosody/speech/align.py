"""Times for every word of a transcript in its recording.

First it is found which words lie in which stretch of sound (`anchors`), then the words of each stretch are forced onto
it by pocketsphinx (`place`, `decode`). Last, word edges beside a pause are set to the pause's edges as the energy has
them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence

import numpy as np

from prosody.dataset import Word
from prosody.errors import ProsodyError
from prosody.speech import anchors as ways
from prosody.speech import belong, place
from prosody.speech.audio import Audio
from prosody.speech.decode import Heard, ear
from prosody.speech.energy import (
    HOP_S,
    NOISE_MARGIN_DB,
    THRESHOLD_DB,
    Span,
    noise_floor_db,
    pause_spans,
    threshold_above_noise,
)
from prosody.speech.phones import SONOROUS
from prosody.speech.pronounce import lexicon

SUPPORTED = 0.5  # confidence below which a word has little support in the sound
_EDGE_DB = -41.0  # speech dies away below the threshold of pauses
_EDGE_PAUSE_S = 0.06
_NEAR_S = 0.03  # a word's edge this near to a pause's edge is set to it
_FAR_S = 0.1  # a word that reaches this far into a pause is taken out of it ...
_KEPT_S = 0.04  # ... but for this much, since weak consonants are below the threshold
_LATER_S = {True: 0.002, False: 0.008}  # how early a boundary comes before a vowel or nasal, before another phone
_HALF_SURE, _SURENESS = -4.2, 0.9  # score a frame at which it is even odds that the word is there; how fast that turns
_STRAY = 0.15  # most confidence in a word that stands alone amid sound that nobody wrote down
_FORCED = 0.7  # most confidence in a word that was only forced; one that was recognised as well has 0.5 to 1


def align(
    audio: Audio,
    words: Sequence[str],
    *,
    max_stretch_s: float = 60.0,
    progress: Callable[[float], None] | None = None,
) -> list[Word]:
    """The time of each word, and its confidence: how sure it is that the word is said there, 0 where that is a guess.

    words: as written, with punctuation. max_stretch_s: longest stretch of sound that is recognised at once. progress:
    called with the share that is done. Returns as many words in the same order; their times never overlap. A word
    without anything to pronounce, like a dash, takes no time and lies at the end of the word before it.
    Raises ProsodyError if nothing in `words` can be pronounced, or if they are not what is said in the recording.
    """
    known = lexicon(words)
    spoken = [i for i, token in enumerate(known.tokens) if token]
    if not spoken:
        raise ProsodyError(audio.path, None, "the transcript holds no word that can be pronounced", "give its words")
    task = place.task(audio, known, spoken)
    with ear(known) as listener:
        spans = ways.phrases(task.pauses, task.duration, longest_s=max_stretch_s)
        heard = ways.recognise(listener, task.samples, spans, _part(progress, 0.0, 0.65))
        anchors = ways.find_anchors(task.tokens, heard)
        belong.refuse_hopeless(audio, len(anchors), len(spoken))
        parts = ways.stretches(len(spoken), anchors, task.pauses, task.duration, longest_s=max_stretch_s)
        placed = place.place(listener, task, parts, anchors, _part(progress, 0.65, 1.0))
    strays = place.strays(task, placed, anchors)
    confidence = _confidence(placed, anchors, strays)
    texts = [words[i] for i in spoken]
    belong.refuse_other(audio, task, known, texts, parts, placed, np.array(confidence))
    found = np.array([[word.start, word.end] for word in placed])
    times = _at_pauses(_unbiased(found, [known.phones(i) for i in spoken]), task.energy)
    return _with_unspoken(words, dict(zip(spoken, zip(times, confidence, strict=True), strict=True)))


def _part(progress: Callable[[float], None] | None, start: float, end: float) -> Callable[[float], None] | None:
    """Progress of a part of the work that goes from `start` to `end` of the whole."""
    return (lambda share: progress(start + share * (end - start))) if progress else None


def _confidence(placed: Sequence[Heard], anchors: Mapping[int, Heard], strays: Container[int]) -> list[float]:
    """How sure it is of each word that it is said there, 0..1."""
    found = []
    for i, word in enumerate(placed):
        is_there = math.isfinite(word.score)
        fits = 1 / (1 + math.exp(min((_HALF_SURE - word.score) / _SURENESS, 50.0))) if is_there else 0.0
        if i in strays:
            found.append(_STRAY * fits)
        elif len(placed) < belong.FEW:
            found.append(fits)
        elif i in anchors and is_there:
            found.append(0.5 + 0.5 * fits)
        else:
            found.append(_FORCED * fits)
    return found


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


def _with_unspoken(words: Sequence[str], placed: dict[int, tuple[np.ndarray, float]]) -> list[Word]:
    """All words; one that is not pronounced takes no time and lies at the end of the word before it."""
    at, sure = placed[min(placed)][0][0], 1.0
    aligned = []
    for i, text in enumerate(words):
        if i in placed:
            (start, at), sure = placed[i]
            aligned.append(Word(text, float(start), float(at), confidence=sure))
        else:
            aligned.append(Word(text, float(at), float(at), confidence=sure))
    return aligned
