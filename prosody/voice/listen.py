"""Does speech say what its marked text asks for? Align, measure, detect, and compare with what is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
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

EFFECTS: dict[str, str] = {
    "<emph>": "f0_excursion_st",
    "<pause_short>": "pause_before_s",
    "<pause_long>": "pause_before_s",
    "<pitch_high>": "f0_level_st",
    "<pitch_low>": "f0_level_st",
    "<pitch_rising>": "f0_slope_st",
    "<pitch_falling>": "f0_slope_st",
}
"""What each marker acts on most: the measurement its effect is told in, in that one's unit."""

Measured = dict[str, float | None]


def listen(
    audio: str | os.PathLike[str] | Audio,
    marked: str | MarkedText,
    *,
    words: Sequence[Word] | None = None,
    parameters: detect.DetectParameters | None = None,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Listen to speech and tell which of the written markers are heard in it.

    audio: a recording, or the path of one. words: their times if they are known; otherwise the text is aligned.
    progress: called with the share of the aligning that is done.
    Returns, ready for JSON:
    "text": marked as it was heard.
    "words": each with "text", "start", "end", "markers" (heard), "written", "measured" and "evidence".
    "survival": marker → how often it is "written", how often of these "heard", and its "effect": the median of what it
    acts on (`EFFECTS`) where it is written, less that in words without any marker (None without either).
    "unwritten": marker → how often it is heard where it is not written.
    Raises ProsodyError if the audio cannot be read, the text is not well marked, or the words are not those spoken.
    """
    text = markers.parse(marked) if isinstance(marked, str) else marked
    if not text.words:
        raise ProsodyError(None, "text", "there are no words in it", "give the words of the recording")
    heard = read(audio) if isinstance(audio, (str, os.PathLike)) else audio
    timed = words or align(heard, [word.text for word in text.words], progress=progress)
    if [word.text for word in timed] != [word.text for word in text.words]:
        raise ProsodyError(heard.path, "words", "are not those of the text", "give the times of the text's words")
    tracks = track(heard)
    measured = measure(heard, timed, tracks=tracks)
    _measure_ends(measured, text, tracks)
    written = [word.markers for word in text.words] + ([(text.final,)] if text.final else [])
    found = [detect.evidence(one, parameters) for one in measured]
    decided = [detect.decide(one) for one in found]
    final = _pause(decided[len(timed)]) if text.final else None
    told = [
        Word(word.text, word.start, word.end, *slot)
        for word, *slot in zip(timed, decided, measured, found, strict=False)
    ]
    return {
        "text": text_of(told, final),
        "words": [_json(word, own.markers) for word, own in zip(told, text.words, strict=True)],
        "survival": _survival(written, decided, measured),
        "unwritten": {
            token: sum(token in slot and token not in own for slot, own in zip(decided, written, strict=True))
            for token in markers.TOKENS
        },
    }


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


def _pause(slot: Sequence[str]) -> str | None:
    return next((token for token in slot if markers.BY_TOKEN[token].kind == "pause"), None)


def _survival(
    written: Sequence[Sequence[str]], decided: Sequence[Sequence[str]], measured: Sequence[Measured]
) -> dict[str, dict[str, Any]]:
    """Marker → written, heard, effect."""
    table = {}
    for token in markers.TOKENS:
        own = [k for k, slot in enumerate(written) if token in slot]
        table[token] = {
            "written": len(own),
            "heard": sum(token in decided[k] for k in own),
            "effect": _effect(EFFECTS[token], own, written, measured),
        }
    return table


def _effect(
    quantity: str, own: Sequence[int], written: Sequence[Sequence[str]], measured: Sequence[Measured]
) -> float | None:
    """Median of a measurement in some words, less its median in the words without markers."""

    def median(numbers: Sequence[int]) -> float:
        values = [measured[k][quantity] for k in numbers]
        known = [value for value in values if value is not None]
        return float(np.median(known)) if known else float("nan")

    effect = median(own) - median([k for k, slot in enumerate(written) if not slot])
    return round(effect, 3) if np.isfinite(effect) else None


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
