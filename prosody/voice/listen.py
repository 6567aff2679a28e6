"""Does speech say what its marked text asks for? Align, measure, detect, and compare with what is written.

Each marker's effect is what it does to its word or gap: measured there, less what is measured at the same place in a
render of the same words without markers, where there is one; otherwise less the median of the words without markers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from prosody import markers
from prosody.dataset import Word, text_of
from prosody.errors import ProsodyError
from prosody.markers import MarkedText
from prosody.speech import detect
from prosody.speech.align import align
from prosody.speech.audio import Audio, read
from prosody.speech.measure import Tracks, measure, track
from prosody.speech.needed import needed, reason, spreads, told
from prosody.voice.parameters import SpeakParameters

EFFECTS: dict[str, tuple[str, str, float]] = {
    "<emph>": ("f0_excursion_st", "st", 1.0),
    "<pause_short>": ("pause_before_s", "ms", 1000.0),
    "<pause_long>": ("pause_before_s", "ms", 1000.0),
    "<pitch_high>": ("f0_level_st", "st", 1.0),
    "<pitch_low>": ("f0_level_st", "st", 1.0),
    "<pitch_rising>": ("f0_slope_st", "st", 1.0),
    "<pitch_falling>": ("f0_slope_st", "st", 1.0),
}
"""What each marker acts on most: the measurement its effect is told in, the effect's unit, and how many of it make one
of the measurement's."""

Measured = dict[str, float | None]
Progress = Callable[[float], None]


@dataclass(frozen=True)
class _Sound:
    """Speech aligned and measured; one measurement more than words, where a pause is written at the end."""

    words: Sequence[Word]
    measured: list[Measured]


def listen(
    audio: str | os.PathLike[str] | Audio,
    marked: str | MarkedText,
    *,
    plain: str | os.PathLike[str] | Audio | None = None,
    words: Sequence[Word] | None = None,
    plain_words: Sequence[Word] | None = None,
    parameters: detect.DetectParameters | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Listen to speech and tell which of the written markers are heard in it, and what each of them does.

    audio: a recording, or the path of one. plain: the same words spoken without markers. words, plain_words: their
    times if they are known; otherwise the text is aligned. progress: called with the share that is done.
    Returns, ready for JSON (effects in ms for a pause, else in semitones; for `<emph>` of the f0 excursion):
    "text": marked as it was heard.
    "words": each with "text", "start", "end", "markers" (heard), "written", "measured" and "evidence".
    "survival": marker → how often it is "written", how often of these "heard", and the median "effect" (None without).
    "unwritten": marker → how often it is heard where it is not written.
    "occurrences": each written marker: "word" (its number from 0; the number of words for a pause at the end), "text",
    "marker", "effect", "unit", "evidence"; "value" (what it is heard by, `needed.DECIDES`), "value_plain" (the same in
    the plain render), "needed" (in which range [low, high] the value must lie), "survives" and "why_not"; for `<emph>`
    also "energy_db", "duration_ms" and "duration_ratio", against the plain render (None without).
    "heard_unwritten": each marker that nobody wrote: "word", "text", "marker", "evidence", "because", and whether it is
    heard "in_plain" too (None without).
    "slots": how many are "unmarked", and how many of these are "heard_as_marked".
    Raises ProsodyError if the audio cannot be read, the text is not well marked, or the words are not those spoken.
    """
    text = markers.parse(marked) if isinstance(marked, str) else marked
    if not text.words:
        raise ProsodyError(None, "text", "there are no words in it", "give the words of the recording")
    both = plain is not None
    spoken = _sound(audio, text, words, _part(progress, 0.0, 0.5 if both else 1.0))
    bare = _sound(plain, text, plain_words, _part(progress, 0.5, 1.0)) if both else None
    return _compared(text, spoken, bare, parameters)


def listen_to_spoken(
    audio: str | os.PathLike[str] | Audio,
    marked: str | MarkedText,
    *,
    engine: str = "hibari",
    seed: int = 0,
    speaking: SpeakParameters | None = None,
    shape: Sequence[Mapping[str, float | None]] | None = None,
    words: Sequence[Word] | None = None,
    parameters: detect.DetectParameters | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Listen to what an engine spoke, against the same words that it speaks anew without their markers.

    audio: what `voice.speak` made, or its path. engine, seed, speaking (its parameters), shape: with which it was made.
    The others, and what comes back, as in `listen`. Raises ProsodyError as `listen` and `voice.speak` do.
    """
    from prosody.voice.speak import speak

    spoken = speak(marked, plain=True, engine=engine, seed=seed, parameters=speaking, shape=shape)
    name = Path(f"the render without markers by {engine}")
    plain = Audio(spoken.samples, spoken.sample_rate, name, "", spoken.sample_rate, 1)
    return listen(audio, marked, plain=plain, words=words, parameters=parameters, progress=progress)


def lost(heard: Mapping[str, Any], least: float) -> list[str]:
    """A line for each marker of which less than `least` (0..1) of those written survive. heard: as from `listen`."""
    lines = []
    for token, found in heard["survival"].items():
        if found["written"] and found["heard"] < least * found["written"]:
            share = 100 * found["heard"] / found["written"]
            counted = f"{found['heard']} of {found['written']} survive ({share:.0f} %)"
            lines.append(f"{token}: {counted}, at least {100 * least:g} % are asked for")
    return lines


def effect_told(token: str, occurrences: Sequence[Mapping[str, Any]]) -> str:
    """The median effect of one marker's occurrences as text with its units; "" where none could be measured.

    occurrences: of that marker, as in what `listen` returns.
    """
    effects = [one["effect"] for one in occurrences if one["effect"] is not None]
    if not effects:
        return ""
    unit = occurrences[0]["unit"]
    told = f"{median(effects):+.{0 if unit == 'ms' else 1}f} {unit}"
    told += {"pause": " of silence", "emph": " of f0 range"}.get(markers.BY_TOKEN[token].kind, "")
    compared = [one for one in occurrences if one.get("duration_ratio") is not None]
    if compared:
        louder, longer = (median(one[key] for one in compared) for key in ("energy_db", "duration_ratio"))
        told += f", {louder:+.1f} dB, {longer:.2f} times as long"
    return told.replace("-", "−")


def _part(progress: Progress | None, start: float, end: float) -> Progress | None:
    """Progress of a part of the work that goes from `start` to `end` of the whole."""
    return (lambda share: progress(start + share * (end - start))) if progress else None


def _sound(
    audio: str | os.PathLike[str] | Audio, text: MarkedText, words: Sequence[Word] | None, progress: Progress | None
) -> _Sound:
    """Speech aligned, unless the words' times are given, and measured."""
    heard = read(audio) if isinstance(audio, (str, os.PathLike)) else audio
    timed = words or align(heard, [word.text for word in text.words], progress=progress)
    if [word.text for word in timed] != [word.text for word in text.words]:
        raise ProsodyError(heard.path, "words", "are not those of the text", "give the times of the text's words")
    tracks = track(heard)
    measured = measure(heard, timed, tracks=tracks)
    _measure_ends(measured, text, tracks)
    return _Sound(timed, measured)


def _measure_ends(measured: list[Measured], text: MarkedText, tracks: Tracks) -> None:
    """Put in the silence at either end of the recording, where a pause is written there; otherwise it is no pause."""
    sounding = np.flatnonzero(tracks.energy_db > tracks.threshold_db)
    if not len(sounding):
        return
    if _pause(text.words[0].markers):
        measured[0] = {**measured[0], "pause_before_s": round(float(sounding[0]) * tracks.hop_s, 3)}
    if text.final:
        quiet_s = float(len(tracks.energy_db) - 1 - sounding[-1]) * tracks.hop_s
        measured.append({**dict.fromkeys(measured[0]), "pause_before_s": round(quiet_s, 3)})


def _compared(
    text: MarkedText, spoken: _Sound, plain: _Sound | None, parameters: detect.DetectParameters | None
) -> dict[str, Any]:
    """What `listen` returns."""
    written = [word.markers for word in text.words] + ([(text.final,)] if text.final else [])
    found = [detect.evidence(one, parameters) for one in spoken.measured]
    decided = [detect.decide(one) for one in found]
    final = _pause(decided[len(text.words)]) if text.final else None
    parts = zip(spoken.words, decided, spoken.measured, found, strict=False)
    heard = [Word(word.text, word.start, word.end, *slot) for word, *slot in parts]
    names = [word.text for word in text.words] + ([""] if text.final else [])
    places = _Places(names, written, decided, found, spoken.measured, plain.measured if plain else None, parameters)
    occurrences = places.occurrences()
    unmarked = [bool(slot) for slot, own in zip(decided, written, strict=True) if not own]
    return {
        "text": text_of(heard, final),
        "words": [_json(word, own.markers) for word, own in zip(heard, text.words, strict=True)],
        "survival": _survival(occurrences),
        "unwritten": {
            token: sum(token in slot and token not in own for slot, own in zip(decided, written, strict=True))
            for token in markers.TOKENS
        },
        "occurrences": occurrences,
        "heard_unwritten": places.heard_unwritten(),
        "slots": {"unmarked": len(unmarked), "heard_as_marked": sum(unmarked)},
    }


@dataclass(frozen=True)
class _Places:
    """The slots of a text, one a word and perhaps one at the end: what is written, heard and measured there."""

    names: Sequence[str]
    written: Sequence[Sequence[str]]
    heard: Sequence[Sequence[str]]
    evidence: Sequence[Mapping[str, float]]
    measured: Sequence[Measured]
    plain: Sequence[Measured] | None
    parameters: detect.DetectParameters | None

    def occurrences(self) -> list[dict[str, Any]]:
        """Every written marker with its effect, and whether it survives."""
        spread_st = spreads(self.measured)
        usual = self._usual()
        return [self._occurrence(k, token, spread_st, usual) for k, slot in enumerate(self.written) for token in slot]

    def heard_unwritten(self) -> list[dict[str, Any]]:
        """Every marker that is heard where nobody wrote it."""
        spread_st = spreads(self.measured)
        plain = [detect.detect([one], self.parameters)[0] for one in self.plain] if self.plain else None
        return [
            {
                "word": k,
                "text": self.names[k],
                "marker": token,
                "evidence": self.evidence[k][token],
                "because": told(token, needed(token, self.measured[k], spread_st, self.parameters)),
                "in_plain": token in plain[k] if plain else None,
            }
            for k, slot in enumerate(self.heard)
            for token in slot
            if token not in self.written[k]
        ]

    def _usual(self) -> dict[str, float | None]:
        """Of each measurement that effects are told in, the median of the words without markers."""
        free = [one for one, slot in zip(self.measured, self.written, strict=True) if not slot]
        found = {}
        for name, *_ in EFFECTS.values():
            values = [one[name] for one in free if one[name] is not None]
            found[name] = median(values) if values else None
        return found

    def _occurrence(
        self, k: int, token: str, spread_st: Mapping[str, float], usual: Mapping[str, float | None]
    ) -> dict[str, Any]:
        name, unit, scale = EFFECTS[token]
        here, plain = self.measured[k], self.plain[k] if self.plain else None
        reference = plain[name] if plain else usual[name]
        both = here[name] is not None and reference is not None
        asked = needed(token, here, spread_st, self.parameters)
        more = _loudness_and_length(here, plain) if token == "<emph>" else {}
        return {
            "word": k,
            "text": self.names[k],
            "marker": token,
            "effect": round(scale * (here[name] - reference), 3) if both else None,
            "unit": unit,
            **more,
            "evidence": self.evidence[k][token],
            "value": asked.value,
            "value_plain": needed(token, plain, spread_st, self.parameters).value if plain else None,
            "needed": [asked.low, asked.high],
            "survives": token in self.heard[k],
            "why_not": reason(token, asked, self.evidence[k], self.heard[k]),
        }


def _loudness_and_length(here: Measured, plain: Measured | None) -> dict[str, float | None]:
    """By how much a word is louder (dB) and longer (ms, and as a ratio) than in the plain render."""
    names = ("energy_db", "duration_ms", "duration_ratio")
    if plain is None or not plain["duration_s"] or here["energy_db"] is None or plain["energy_db"] is None:
        return dict.fromkeys(names)
    louder = here["energy_db"] - plain["energy_db"]
    longer_ms = 1000 * (here["duration_s"] - plain["duration_s"])
    figures = round(louder, 2), round(longer_ms, 1), round(here["duration_s"] / plain["duration_s"], 3)
    return dict(zip(names, figures, strict=True))


def _pause(slot: Sequence[str]) -> str | None:
    return next((token for token in slot if markers.BY_TOKEN[token].kind == "pause"), None)


def _survival(occurrences: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Marker → written, heard, effect."""
    table = {}
    for token in markers.TOKENS:
        own = [one for one in occurrences if one["marker"] == token]
        effects = [one["effect"] for one in own if one["effect"] is not None]
        table[token] = {
            "written": len(own),
            "heard": sum(one["survives"] for one in own),
            "effect": round(median(effects), 3) if effects else None,
        }
    return table


def _json(word: Word, written: Sequence[str]) -> Mapping[str, Any]:
    return {
        "text": word.text,
        "start": round(word.start, 4),
        "end": round(word.end, 4),
        "markers": list(word.markers),
        "written": list(written),
        "measured": dict(word.measured),
        "evidence": dict(word.evidence),
    }
