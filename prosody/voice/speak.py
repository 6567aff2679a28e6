"""Marked text → speech in which the markers can be heard, with the true time of every word.

Each sentence is spoken by itself (`sentence`), with durations, pitch and energy set as the words' markers say. It comes
back cut at its silences; all pieces are joined with pauses of exactly the length asked for (`pieces`), so that a gap
without a pause marker stays short, and levelled (`level`).
"""

from __future__ import annotations

import dataclasses
import os
import unicodedata
import wave
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from prosody import files, markers
from prosody.dataset import Word
from prosody.errors import ProsodyError, one_line
from prosody.markers import MarkedText, MarkedWord
from prosody.voice import engines, level, pieces
from prosody.voice.parameters import SpeakParameters
from prosody.voice.sentence import Sentence, Target, say

_LEAD_S = 0.1  # silence before the first word and after the last, where no pause is written
_BLOCK = 1 << 20
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Spoken:
    """Speech with the truth about it.

    samples: float32 mono [n] in -1..1. words: true times (s), in the order of the text; a word without sound
    (a lone dash) has start == end. targets: what was asked of each word. final_pause_s: silence asked for at the end.
    notes: one line for each thing worth telling (a word that was left silent).
    """

    samples: np.ndarray
    sample_rate: int
    words: tuple[Word, ...]
    targets: tuple[Target, ...]
    final_pause_s: float
    seed: int
    voice: str
    notes: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


def speak(
    marked: str | MarkedText,
    *,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    engine: str = "hibari",
    plain: bool = False,
    parameters: SpeakParameters | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Spoken:
    """Speak marked text; with `out`, also write it there as a 16-bit WAV.

    plain: leave the markers unspoken. progress: called with (sentences done, sentences in all).
    The same text, parameters and seed give the same samples.
    Raises ProsodyError if the text is not well marked or holds no words, if a word cannot be read aloud, if there is
    no such engine, if the seed is negative, or if `out` exists and `overwrite` is false or cannot be written.
    """
    parameters = parameters or SpeakParameters()
    if seed < 0:
        raise ProsodyError(None, "seed", f"is {seed}", "give a whole number from 0")
    module = engines.get(engine)
    text = markers.parse(marked) if isinstance(marked, str) else marked
    if not text.words:
        raise ProsodyError(None, "text", "there are no words in it", "give at least one word to speak")
    if plain:
        text = MarkedText(tuple(MarkedWord(word.text, (), word.line, word.column) for word in text.words))
    spoken = _speak(module, text, parameters, seed, progress)
    if out is not None:
        write_wav(out, spoken.samples, spoken.sample_rate, overwrite=overwrite)
    return spoken


def write_wav(path: str | os.PathLike[str], samples: np.ndarray, sample_rate: int, *, overwrite: bool = False) -> None:
    """Write mono samples (-1..1) as a 16-bit WAV, whole or not at all. Raises ProsodyError as `files.new_path` does."""
    with files.new_path(path, overwrite=overwrite) as temporary:
        try:
            with open(temporary, "wb") as file, wave.open(file, "wb") as sink:
                sink.setnchannels(1)
                sink.setsampwidth(2)
                sink.setframerate(sample_rate)
                for start in range(0, len(samples), _BLOCK):
                    block = np.clip(samples[start : start + _BLOCK], -1.0, 1.0)
                    sink.writeframes(np.round(block * 32767).astype("<i2").tobytes())
        except OSError as error:
            what = f"cannot be written ({error.strerror})"
            raise ProsodyError(path, None, what, "check the folder and the disk") from error


def _speak(
    engine: ModuleType, text: MarkedText, parameters: SpeakParameters, seed: int, progress: Progress | None
) -> Spoken:
    voice = engine.load()
    sentences = _sentences(engine, voice, text.words)
    sounding = [k for sentence in sentences for k in sentence.sounding]
    if not sounding:
        raise ProsodyError(None, "text", "no word of it has a sound", "give at least one word to speak")
    asked, final_s = _pauses(text, parameters, seed)
    pauses, final_s = _before_sounds(asked, sounding, final_s)
    targets = [Target(pause_before_s=asked.get(k, 0.0)) for k in range(len(text.words))]
    spoken: list[pieces.Piece] = []
    for n, sentence in enumerate(sentences):
        rng = np.random.default_rng([seed, 1, n])
        parts, pitches = say(engine, voice, sentence, pauses=pauses, parameters=parameters, rng=rng)
        spoken += parts
        for k, target in pitches.items():
            targets[k] = dataclasses.replace(target, pause_before_s=targets[k].pause_before_s)
        if progress:
            progress(n + 1, len(sentences))
    rate = engine.SAMPLE_RATE
    lead_s, tail_s = _LEAD_S, final_s or _LEAD_S
    samples, times = pieces.join(spoken, pauses, gap_s=parameters.gap_s, lead_s=lead_s, tail_s=tail_s, rate=rate)
    samples = level.normalise(samples, rate, rms_db=parameters.rms_db, peak=parameters.peak)
    words = _timed(text.words, times, asked, rate)
    return Spoken(samples, rate, words, tuple(targets), final_s, seed, engine.VOICE, _notes(text.words, sounding))


def _sentences(engine: ModuleType, voice: object, words: Sequence[MarkedWord]) -> list[Sentence]:
    """The text in stretches that the engine speaks in one go, with the sounds of every word."""
    found: list[Sentence] = []
    for span in engine.sentences([word.text for word in words]):
        phones = _pronounced(engine, voice, [words[k] for k in span])
        for k, sounds in zip(span, phones, strict=True):
            if not engine.sounds(sounds) and any(unicodedata.category(c)[0] in "LN" for c in words[k].text):
                raise ProsodyError(None, _place(words[k]), "cannot be read aloud", "write it in English letters")
        found += _short_enough(engine, [words[k] for k in span], list(span), phones)
    return found


def _pronounced(engine: ModuleType, voice: object, words: Sequence[MarkedWord]) -> list[str]:
    """The phones of each word; a word that the engine refuses is named with its place."""
    try:
        return engine.pronounce(voice, [word.text for word in words])
    except ProsodyError:
        for word in words:
            try:
                engine.pronounce(voice, [word.text])
            except ProsodyError as error:
                raise ProsodyError(None, _place(word), error.what, error.remedy) from None
        raise


def _short_enough(
    engine: ModuleType, words: Sequence[MarkedWord], numbers: Sequence[int], phones: Sequence[str]
) -> list[Sentence]:
    """A sentence, or its parts if it is too long for the engine: cut after punctuation where there is some."""
    lengths = np.cumsum([len(sounds) + 1 for sounds in phones])
    if not len(lengths) or lengths[-1] <= engine.MAX_PHONES:
        return [Sentence(engine, tuple(words), tuple(numbers), tuple(phones))] if len(words) else []
    fits = max(1, int(np.searchsorted(lengths, engine.MAX_PHONES, side="right")))
    ends = [k + 1 for k in range(fits // 2, fits) if phones[k] and phones[k][-1] in engine.BREAKS]
    end = ends[-1] if ends else fits
    head = Sentence(engine, tuple(words[:end]), tuple(numbers[:end]), tuple(phones[:end]))
    return [head, *_short_enough(engine, words[end:], numbers[end:], phones[end:])]


def _pauses(text: MarkedText, parameters: SpeakParameters, seed: int) -> tuple[dict[int, float], float]:
    """The silence (s) asked for before each word that has a pause marker, and after the last word (0 if none is)."""
    rng = np.random.default_rng([seed, 0])
    spans = {"<pause_short>": parameters.pause_short_s, "<pause_long>": parameters.pause_long_s}

    def draw(token: str) -> float:
        return float(rng.uniform(*spans[token]))

    asked = {k: draw(token) for k, word in enumerate(text.words) for token in word.markers if token in spans}
    return asked, draw(text.final) if text.final else 0.0


def _before_sounds(
    asked: Mapping[int, float], sounding: Sequence[int], final_s: float
) -> tuple[dict[int, float], float]:
    """The pauses, those before a word without sound moved to the next word that has one, or to the end."""
    pauses: dict[int, float] = {}
    for k, pause_s in asked.items():
        at = bisect_left(sounding, k)
        if at == len(sounding):
            final_s = max(final_s, pause_s)
        else:
            pauses[sounding[at]] = max(pauses.get(sounding[at], 0.0), pause_s)
    return pauses, final_s


def _timed(
    words: Sequence[MarkedWord], times: Mapping[int, tuple[int, int]], asked: Mapping[int, float], rate: int
) -> tuple[Word, ...]:
    """Words with their times; one without sound lies where its neighbours meet, after its own pause if it has one."""
    numbers = sorted(times)
    timed = []
    for k, word in enumerate(words):
        start, end = times.get(k, (0, 0))
        if k not in times:
            at = bisect_left(numbers, k)
            after = at < len(numbers) and (at == 0 or k in asked)
            start = end = times[numbers[at]][0] if after else times[numbers[at - 1]][1]
        timed.append(Word(word.text, start / rate, end / rate, word.markers))
    return tuple(timed)


def _notes(words: Sequence[MarkedWord], sounding: Sequence[int]) -> tuple[str, ...]:
    """A line for each word left silent that is more than punctuation or carries a marker that cannot be heard."""
    silent = sorted(set(range(len(words))) - set(sounding))
    notes = []
    for k in silent:
        if any(unicodedata.category(c)[0] != "P" for c in words[k].text):
            notes.append(f"{_place(words[k])} has no sound and was left silent")
        elif any(markers.BY_TOKEN[token].kind != "pause" for token in words[k].markers):
            notes.append(f"{_place(words[k])} has no sound, so its {words[k].markers[-1]} is not heard")
    return tuple(one_line(note) for note in notes)


def _place(word: MarkedWord) -> str:
    place = f"line {word.line}, column {word.column}: " if word.line else ""
    shown = word.text if len(word.text) <= 40 else word.text[:39] + "…"
    return f"{place}word “{shown}”"
