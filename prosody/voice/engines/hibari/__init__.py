"""The built-in voice: hibari-tts, with durations, pitch, energy and pauses set as the markers say.

Each sentence is spoken by itself (`sentence`): its durations, pitch (`contour`) and energy pass through the network
(`network`) on their way to samples. It comes back cut at its silences; all pieces are joined with pauses of exactly the
length asked for (`prosody.voice.pieces`), so that a gap without a pause marker stays short.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from prosody.errors import ProsodyError
from prosody.markers import MarkedText, MarkedWord
from prosody.voice import pieces, slots
from prosody.voice.engines import Measured, Progress, Rendering, Target
from prosody.voice.engines.hibari import network
from prosody.voice.engines.hibari.sentence import Said, Sentence, say
from prosody.voice.parameters import SpeakParameters

NAME = "hibari"
VOICE = network.VOICE
SAMPLE_RATE = network.SAMPLE_RATE
_THREADS = 4  # sentences spoken at a time, at most: as many as there are processors


def is_installed() -> bool:
    """Whether hibari-tts is here."""
    return importlib.util.find_spec("hibari") is not None


def render(
    text: MarkedText,
    *,
    parameters: SpeakParameters,
    seed: int,
    shape: Sequence[Measured] | None = None,
    progress: Progress | None = None,
) -> Rendering:
    """Speak `text`: the same text, parameters and seed give the same samples, however many processors there are.

    shape: see `engines.Engine`. progress: called with (sentences done, sentences in all).
    Raises ProsodyError if hibari-tts is not installed in the version that is known, if a word cannot be read aloud, or
    if no word has a sound.
    """
    voice = network.load()
    sentences = _sentences(voice, text.words)
    sounding = [k for sentence in sentences for k in sentence.sounding]
    if not sounding:
        raise ProsodyError(None, "text", "no word of it has a sound", "give at least one word to speak")
    asked, final_s = slots.asked_pauses(text, parameters, seed)
    pauses, final_s = slots.before_sounds(asked, sounding, final_s)
    targets = [Target(pause_before_s=asked.get(k, 0.0)) for k in range(len(text.words))]

    def spoken(n: int) -> Said:
        rng = np.random.default_rng([seed, 1, n])  # each sentence its own, so that their order does not matter
        return say(voice, sentences[n], pauses=pauses, parameters=parameters, rng=rng, shape=shape)

    parts: list[pieces.Piece] = []
    for n, (own, asked_of) in enumerate(_in_order(spoken, len(sentences))):
        parts += own
        for k, target in asked_of.items():
            targets[k] = dataclasses.replace(target, pause_before_s=targets[k].pause_before_s)
        if progress:
            progress(n + 1, len(sentences))
    lead_s, tail_s = slots.LEAD_S, final_s or slots.LEAD_S
    samples, times = pieces.join(parts, pauses, gap_s=parameters.gap_s, lead_s=lead_s, tail_s=tail_s, rate=SAMPLE_RATE)
    words = slots.timed(text.words, times, asked, SAMPLE_RATE)
    return Rendering(samples, words, tuple(targets), final_s, slots.notes(text.words, sounding))


def _in_order(spoken: Callable[[int], Said], n: int) -> Iterator[Said]:
    """What is said of each of `n` sentences, in order, several at work at a time: the network drops Python's lock."""
    workers = min(_THREADS, os.cpu_count() or 1, n)
    if workers < 2:
        yield from map(spoken, range(n))
        return
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from pool.map(spoken, range(n))
        except BaseException:  # Ctrl-C too: what has not begun is not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _sentences(voice: network.Voice, words: Sequence[MarkedWord]) -> list[Sentence]:
    """The text in stretches that the engine speaks in one go, with the sounds of every word."""
    found: list[Sentence] = []
    for span in network.sentences([word.text for word in words]):
        phones = _pronounced(voice, [words[k] for k in span])
        for k, sounds in zip(span, phones, strict=True):
            if not network.sounds(sounds) and any(unicodedata.category(c)[0] in "LN" for c in words[k].text):
                raise ProsodyError(None, slots.place(words[k]), "cannot be read aloud", "write it in English letters")
        found += _short_enough([words[k] for k in span], list(span), phones)
    return found


def _pronounced(voice: network.Voice, words: Sequence[MarkedWord]) -> list[str]:
    """The phones of each word; a word that the engine refuses is named with its place."""
    try:
        return network.pronounce(voice, [word.text for word in words])
    except ProsodyError:
        for word in words:
            try:
                network.pronounce(voice, [word.text])
            except ProsodyError as error:
                raise ProsodyError(None, slots.place(word), error.what, error.remedy) from None
        raise


def _short_enough(words: Sequence[MarkedWord], numbers: Sequence[int], phones: Sequence[str]) -> list[Sentence]:
    """A sentence, or its parts if it is too long for the network: cut after punctuation where there is some."""
    lengths = np.cumsum([len(sounds) + 1 for sounds in phones])
    if not len(lengths) or lengths[-1] <= network.MAX_PHONES:
        return [Sentence(tuple(words), tuple(numbers), tuple(phones))] if len(words) else []
    fits = max(1, int(np.searchsorted(lengths, network.MAX_PHONES, side="right")))
    ends = [k + 1 for k in range(fits // 2, fits) if phones[k] and phones[k][-1] in network.BREAKS]
    end = ends[-1] if ends else fits
    head = Sentence(tuple(words[:end]), tuple(numbers[:end]), tuple(phones[:end]))
    return [head, *_short_enough(words[end:], numbers[end:], phones[end:])]
