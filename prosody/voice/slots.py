"""The silences that a marked text asks for, and the times and notes of its words: what every engine needs."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Mapping, Sequence

import numpy as np

from prosody import markers
from prosody.dataset import Word
from prosody.errors import one_line
from prosody.markers import MarkedText, MarkedWord
from prosody.voice.parameters import SpeakParameters

LEAD_S = 0.1  # silence before the first word and after the last, where no pause is written


def asked_pauses(text: MarkedText, parameters: SpeakParameters, seed: int) -> tuple[dict[int, float], float]:
    """The silence (s) asked for before each word that has a pause marker, and after the last word (0 if none is)."""
    rng = np.random.default_rng([seed, 0])
    spans = {"<pause_short>": parameters.pause_short_s, "<pause_long>": parameters.pause_long_s}

    def draw(token: str) -> float:
        return float(rng.uniform(*spans[token]))

    asked = {k: draw(token) for k, word in enumerate(text.words) for token in word.markers if token in spans}
    return asked, draw(text.final) if text.final else 0.0


def before_sounds(
    asked: Mapping[int, float], sounding: Sequence[int], final_s: float
) -> tuple[dict[int, float], float]:
    """The pauses, those before a word without sound moved to the next word that has one, or to the end.

    asked: silence (s) by word number. sounding: numbers of the words that have a sound, in order.
    """
    pauses: dict[int, float] = {}
    for k, pause_s in asked.items():
        at = bisect_left(sounding, k)
        if at == len(sounding):
            final_s = max(final_s, pause_s)
        else:
            pauses[sounding[at]] = max(pauses.get(sounding[at], 0.0), pause_s)
    return pauses, final_s


def timed(
    words: Sequence[MarkedWord], times: Mapping[int, tuple[int, int]], asked: Mapping[int, float], rate: int
) -> tuple[Word, ...]:
    """Words with their times; one without sound lies where its neighbours meet, after a pause that stands between.

    times: (start, end) in samples at `rate` Hz, by number of the words that have a sound (one at least does).
    """
    numbers = sorted(times)
    found = []
    for k, word in enumerate(words):
        start, end = times.get(k, (0, 0))
        if k not in times:
            at = bisect_left(numbers, k)
            after = at < len(numbers) and (at == 0 or any(j in asked for j in range(numbers[at - 1] + 1, k + 1)))
            start = end = times[numbers[at]][0] if after else times[numbers[at - 1]][1]
        found.append(Word(word.text, start / rate, end / rate, word.markers))
    return tuple(found)


def notes(words: Sequence[MarkedWord], sounding: Sequence[int]) -> tuple[str, ...]:
    """A line for each word left silent that is more than punctuation or carries a marker that cannot be heard."""
    silent = sorted(set(range(len(words))) - set(sounding))
    found = []
    for k in silent:
        if any(unicodedata.category(c)[0] != "P" for c in words[k].text):
            found.append(f"{place(words[k])} has no sound and was left silent")
        elif any(markers.BY_TOKEN[token].kind != "pause" for token in words[k].markers):
            found.append(f"{place(words[k])} has no sound, so its {words[k].markers[-1]} is not heard")
    return tuple(one_line(note) for note in found)


def place(word: MarkedWord) -> str:
    """Where a word stands, and the word, as messages tell it."""
    at = f"line {word.line}, column {word.column}: " if word.line else ""
    shown = word.text if len(word.text) <= 40 else word.text[:39] + "…"
    return f"{at}word “{shown}”"
