"""A second voice: espeak-ng, told in SSML what to do, in a process of its own (`espeak_child`).

It heeds `<break>` and, for whole words, the pitch, range, rate and volume of `<prosody>` (in per cent; dB it takes for
something else). A contour within a word it ignores, and its own strong emphasis comes out lower, not higher. So
emphasis is asked for as a slower, louder and higher word, a falling word as one that ends an exclamation, which falls
indeed, a rising one as one that ends a question, which hardly rises: see `notes` of what comes back. A `<mark>` before
every word tells where it begins. The silences are then set to the lengths asked for, as with the built-in voice
(`prosody.voice.pieces`). What espeak-ng makes of the same text may differ a little from run to run.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from prosody import markers
from prosody.errors import ProsodyError
from prosody.markers import MarkedText, MarkedWord
from prosody.voice import pieces, slots
from prosody.voice.engines import Measured, Progress, Rendering, Target, espeak_child
from prosody.voice.parameters import SpeakParameters

NAME = "espeak"
VOICE = "espeak-ng, en-us+f2"
SAMPLE_RATE = 24_000
_LANGUAGE = "en-us+f2"  # the aligner is sure of 86 to 100 % of this voice's words, of 18 to 46 % of the usual one's
_TIMEOUT_S, _TIMEOUT_S_PER_WORD = 20.0, 0.05  # it needs some 0.3 ms a word
_CLAUSE_ENDS = ".,;:!?…—–"
_CLOSING = _CLAUSE_ENDS + "”’\"')]}»"
_SPOKEN_SIGNS = frozenset("&%@#*")
_UP_PER_ST, _DOWN_PER_ST = 12.2, 12.5  # per cent of the pitch setting that move a word by one semitone (measured)
_CALM = 30  # per cent of its own pitch range: at more, many an unmarked word is heard as high or falling
_NEPER_OF_ENERGY = 1.4  # what `emph_energy` adds to the log energy of a vowel, for each 1.0 beyond 1
_EMPH_LEVEL = 0.4  # how much of an emphasis is spoken as level: it has no peak within a word
_TOO_SHORT, _HEARD = SAMPLE_RATE // 100, 0.01  # samples, of full scale: less is no word of its own
_LEAD_IN_S = 0.06  # how far after its mark a word's silence may end
_APPROXIMATED = {
    "<emph>": "a slower, louder and higher word",
    "<pitch_rising>": "the tune of a question, in which little rises",
    "<pitch_falling>": "the tune of an exclamation, which ends the phrase there",
}


def is_installed() -> bool:
    """Whether espeak-ng seems to be here, as the package espeakng-loader or as the system's own."""
    loader = importlib.util.find_spec("espeakng_loader")
    return bool(loader or shutil.which("espeak-ng") or ctypes.util.find_library("espeak-ng"))


def render(
    text: MarkedText,
    *,
    parameters: SpeakParameters,
    seed: int,
    shape: Sequence[Measured] | None = None,
    progress: Progress | None = None,
) -> Rendering:
    """Speak `text`; the seed decides only on the lengths of the pauses.

    shape: cannot be heeded, which is told. progress: called once, with (1, 1).
    Raises ProsodyError if espeak-ng is not installed or fails, if a word is in letters that it cannot read, or if no
    word has a sound.
    """
    numbers = [k for k, word in enumerate(text.words) if _is_spoken(word)]
    if not numbers:
        raise ProsodyError(None, "text", "no word of it has a sound", "give at least one word to speak")
    asked, final_s = slots.asked_pauses(text, parameters, seed)
    pauses, _ = slots.before_sounds(asked, numbers, final_s)
    spoken, rate, starts = _spoken(ssml(text, pauses, parameters), n_words=len(text.words))
    samples = _resampled(spoken, rate)
    marks = {k: round(starts[k] * SAMPLE_RATE / rate) for k in numbers if k in starts}
    begins = _begins(samples, marks, {k: sum(map(str.isalnum, text.words[k].text)) for k in numbers})
    if not begins:
        raise ProsodyError(None, "text", "no word of it has a sound", "give at least one word to speak")
    pauses, final_s = slots.before_sounds(asked, list(begins), final_s)
    parts = pieces.cut(samples, list(begins), _slots(text, begins, pauses))
    lead_s, tail_s = slots.LEAD_S, final_s or slots.LEAD_S
    joined, times = pieces.join(parts, pauses, gap_s=parameters.gap_s, lead_s=lead_s, tail_s=tail_s, rate=SAMPLE_RATE)
    words = slots.timed(text.words, times, asked, SAMPLE_RATE)
    targets = tuple(_target(word, asked.get(k, 0.0), parameters) for k, word in enumerate(text.words))
    if progress:
        progress(1, 1)
    notes = (*slots.notes(text.words, list(begins)), *_approximations(text))
    if shape:
        notes = (*notes, "the contour between markers can't be set with espeak: it is its own")
    return Rendering(joined, words, targets, final_s, notes)


def ssml(text: MarkedText, pauses: Mapping[int, float], parameters: SpeakParameters) -> str:
    """The text as SSML for espeak-ng: nothing in a word is taken for markup, whatever it looks like.

    pauses: silence (s) before words, by number.
    """
    parts = []
    for k, word in enumerate(text.words):
        said = _without_controls(word.text)
        if not _is_spoken(word):
            parts.append(escape(said))
            continue
        if k in pauses:
            parts.append(f'<break time="{round(pauses[k] * 1000)}ms"/>')
        parts.append(f'<mark name="{k}"/>' + _element(said, word.markers, parameters))
    body = " ".join(parts)
    voice = f'rate="{round(parameters.rate * 100)}%" range="{_CALM}%"'
    return f"<speak><prosody {voice}>{body}</prosody></speak>"


def _without_controls(word: str) -> str:
    """A word without control, format and private characters, by which espeak-ng takes orders within text."""
    return "".join(c for c in word if unicodedata.category(c)[0] != "C")


def _element(said: str, tokens: Sequence[str], parameters: SpeakParameters) -> str:
    """A word with the settings that its markers ask for."""
    settings: dict[str, float] = {}
    if "<pitch_high>" in tokens:
        settings["pitch"] = 100 + _UP_PER_ST * parameters.high_st
    if "<pitch_low>" in tokens:
        settings["pitch"] = max(5.0, 100 + _DOWN_PER_ST * parameters.low_st)
    if "<pitch_falling>" in tokens:
        said = said.rstrip(_CLOSING) + "!"
        settings["range"] = 100 / _CALM * 100 * parameters.falling_st / 7.0  # it falls by some 7 st in its own range
    if "<pitch_rising>" in tokens:
        said = said.rstrip(_CLOSING) + "?"
    if "<emph>" in tokens:
        settings["pitch"] = settings.get("pitch", 100.0) + _UP_PER_ST * parameters.emph_st * _EMPH_LEVEL
        settings["range"] = settings.get("range", 100.0) + 30
        settings["rate"] = 100 / parameters.emph_duration
        settings["volume"] = 100 * np.exp((parameters.emph_energy - 1) * _NEPER_OF_ENERGY)
    if not settings:
        return escape(said)
    attributes = " ".join(f'{name}="{round(value)}%"' for name, value in settings.items())
    return f"<prosody {attributes}>{escape(said)}</prosody>"


def _is_spoken(word: MarkedWord) -> bool:
    """Whether there is something to say in a word. Raises ProsodyError if all its letters are in another script."""
    letters = [c for c in word.text if unicodedata.category(c)[0] == "L"]
    if letters and not any(unicodedata.name(c, "").startswith(("LATIN", "GREEK")) for c in letters):
        raise ProsodyError(None, slots.place(word), "cannot be read aloud", "write it in English letters")
    return any(unicodedata.category(c)[0] in "LNS" or c in _SPOKEN_SIGNS for c in word.text)


def _spoken(markup: str, *, n_words: int) -> tuple[np.ndarray, int, dict[int, int]]:
    """What espeak-ng makes of SSML: samples int16 [n], their rate (Hz), and the sample where each word begins."""
    command = [sys.executable, "-P", str(Path(espeak_child.__file__)), _LANGUAGE]
    timeout_s = _TIMEOUT_S + _TIMEOUT_S_PER_WORD * n_words
    remedy = "try again, or use the engine hibari"
    try:  # `run` kills the child if it takes too long, and on Ctrl-C
        done = subprocess.run(
            command,
            input=markup.encode("utf-8", "replace"),
            capture_output=True,
            timeout=timeout_s,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise ProsodyError(None, "the voice espeak-ng", f"said nothing for {timeout_s:.0f} s", remedy) from None
    except OSError as error:
        raise ProsodyError(None, "the voice espeak-ng", f"cannot be started ({error.strerror})", remedy) from error
    if done.returncode == espeak_child.NO_ESPEAK:
        how = "install it with: pip install espeakng-loader (or the program espeak-ng)"
        raise ProsodyError(None, "the voice espeak-ng", "is not installed", how)
    header, _, sound = done.stdout.partition(b"\n")
    if done.returncode or not header:
        why = " ".join(done.stderr.decode("utf-8", "replace").split()[-12:]) or f"exit code {done.returncode}"
        raise ProsodyError(None, "the voice espeak-ng", f"failed ({why})", remedy)
    told = json.loads(header)
    starts = {int(name): sample for name, sample in told["marks"] if re.fullmatch(r"\d+", name)}
    return np.frombuffer(sound[: len(sound) // 2 * 2], dtype=np.int16), told["sample_rate"], starts


def _resampled(spoken: np.ndarray, rate: int) -> np.ndarray:
    """Samples float32 at 24 kHz, as loud as those of the built-in voice usually are, by which silences are told."""
    import soxr

    samples = soxr.resample(spoken.astype(np.float32), rate, SAMPLE_RATE)
    peak = max(1.0, float(np.abs(samples).max(initial=0.0)))
    return samples * np.float32(pieces.REFERENCE_PEAK / peak)


def _begins(samples: np.ndarray, marks: Mapping[int, int], lengths: Mapping[int, int]) -> dict[int, int]:
    """Where (in samples) each word begins, by number, of those that are heard.

    marks: where espeak-ng says that. lengths: letters and digits of each word. Some pairs it speaks as one word ("was
    a"): the mark of one of them is lost, or falls on the word after. Such words share their time by their lengths.
    """
    loud = np.concatenate([[0], np.cumsum(np.abs(samples) > _HEARD)])
    after = dict(zip(marks, [*list(marks.values())[1:], len(samples)], strict=True))
    groups: list[tuple[int, list[int]]] = []
    lost: list[int] = []
    for k, length in lengths.items():
        if k in marks and loud[max(marks[k], after[k] - _TOO_SHORT)] > loud[marks[k]]:
            groups.append((marks[k], [*lost, k]))
            lost = []
        elif length and groups and k in marks:
            groups[-1][1].extend([*lost, k])
            lost = []
        elif length:
            lost.append(k)
    if groups:
        groups[-1][1].extend(lost)
    found: dict[int, int] = {}
    ends = [*(start for start, _ in groups[1:]), len(samples)]
    for (start, words), end in zip(groups, ends, strict=True):
        last = int(np.flatnonzero(np.abs(samples[start:end]) > _HEARD)[-1])
        shares = np.cumsum([0, *(lengths[k] for k in words)]) / max(1, sum(lengths[k] for k in words))
        found |= {k: start + round(share * last) for k, share in zip(words, shares, strict=False)}
    return found


def _slots(text: MarkedText, begins: Mapping[int, int], pauses: Mapping[int, float]) -> dict[int, pieces.Slot]:
    """The place before each word but the first."""
    found = {}
    for before, k in pairwise(begins):
        search = begins[before], begins[k] + round(_LEAD_IN_S * SAMPLE_RATE)
        between = [text.words[before].text[-1:], *(word.text for word in text.words[before + 1 : k])]
        tuned = {"<pitch_rising>", "<pitch_falling>"} & set(text.words[before].markers)
        punctuated = bool(tuned) or any(c in _CLOSING for one in between for c in one)
        found[k] = pieces.Slot(search, begins[k], k in pauses, punctuated)
    return found


def _target(word: MarkedWord, pause_s: float, parameters: SpeakParameters) -> Target:
    if "<emph>" not in word.markers:
        return Target(pause_before_s=pause_s)
    scales = {"duration_scale": parameters.emph_duration, "energy_scale": parameters.emph_energy}
    return Target(pause_before_s=pause_s, **scales)


def _approximations(text: MarkedText) -> tuple[str, ...]:
    """A line for each marker in the text that espeak-ng cannot speak as it is meant."""
    written = markers.counts(text)
    return tuple(
        f"{token} can't be spoken by espeak: approximated by {how} ({written[token]} times)"
        for token, how in _APPROXIMATED.items()
        if written[token]
    )
