"""Does the corpus do what its markers say? Measured from the audio, not from what was asked for.

A pause is silence: 10 ms frames at least 35 dB below the recording's peak. Pitch is that of `swift-f0` over a word's
voiced frames, in semitones (st). A word rises or falls if the straight line through its pitch does so by 2 st more than
the phrase sinks; it is high or low if its median lies 2 st from that of the unmarked words around it. It is emphasised
if pitch range, energy and length are all above those of the same word spoken with the same seed without `<emph>`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prosody import files, markers
from prosody.errors import ProsodyError
from prosody.markers import MarkedText
from prosody.sample.build import SampleFiles

QUIET_DB = -35.0
SHORT_S, LONG_S = 0.2, 0.8
SLOPE_ST, LEVEL_ST = 2.0, 2.0
EMPH_RANGE_ST, EMPH_ENERGY_DB, EMPH_LENGTH = 1.0, 1.0, 1.1
_FRAME_S = 0.01
_NEAR_S = 5.0  # how far the words lie from which a word's usual pitch is taken
_MIN_VOICED = 3  # frames


@dataclass(frozen=True)
class MarkerCheck:
    """How far one marker can be heard.

    marked: words (or gaps) that carry it. done: those of them that do what it says. unmarked: words (gaps) that carry
    no marker of the kind. false: those of them that do it all the same. missed: the numbers of the words that do not.
    """

    marked: int
    done: int
    unmarked: int
    false: int
    missed: tuple[int, ...]

    @property
    def share(self) -> float:
        """Share of the marked that do it; NaN if there are none."""
        return self.done / self.marked if self.marked else float("nan")

    @property
    def false_share(self) -> float:
        """Share of the unmarked that do it; NaN if there are none."""
        return self.false / self.unmarked if self.unmarked else float("nan")


@dataclass(frozen=True)
class Heard:
    """What the audio says of each word, arrays [n_words]; NaN where too little of it is voiced.

    level_st: median pitch. slope_st: through the word. range_st: highest less lowest. energy_db: below the peak.
    length_s. middle_s: middle of its voiced part. voiced_s: length of that. pause_s: silence before it.
    """

    level_st: np.ndarray
    slope_st: np.ndarray
    range_st: np.ndarray
    energy_db: np.ndarray
    length_s: np.ndarray
    middle_s: np.ndarray
    voiced_s: np.ndarray
    pause_s: np.ndarray


def check_truth(paths: SampleFiles) -> dict[str, MarkerCheck]:
    """How far each of the seven markers can be heard in the corpus, by token.

    Raises ProsodyError if a file of the corpus is missing or broken, or was voiced by an earlier version.
    """
    import soundfile

    from prosody.voice.parameters import SpeakParameters

    truth = files.read_json(paths.truth)
    if set(truth["parameters"]) != {field.name for field in dataclasses.fields(SpeakParameters)}:
        raise ProsodyError(paths.truth, "parameters", "are those of an earlier voice", "voice the corpus anew")
    text = markers.parse(files.read_text(paths.transcript), path=paths.transcript)
    samples, rate = soundfile.read(paths.audio, dtype="float32")
    times = np.array([[word["start"], word["end"]] for word in truth["words"]])
    heard = listen(samples, rate, times)
    plain = _without_emph(text, truth)
    return judge([word.markers for word in text.words], times, heard, plain)


def _without_emph(text: MarkedText, truth: dict) -> Heard:
    """The same words spoken with the same seed, but none of them emphasised."""
    from prosody.voice.parameters import SpeakParameters
    from prosody.voice.speak import speak

    words = tuple(
        dataclasses.replace(word, markers=tuple(token for token in word.markers if token != "<emph>"))
        for word in text.words
    )
    spoken = speak(MarkedText(words, text.final), seed=truth["seed"], parameters=SpeakParameters(**truth["parameters"]))
    times = np.array([[word.start, word.end] for word in spoken.words])
    return listen(spoken.samples, spoken.sample_rate, times)


def listen(samples: np.ndarray, sample_rate: int, times: np.ndarray) -> Heard:
    """Measure words. samples [n]. times [n_words, 2]: start and end (s)."""
    at_s, pitch_st = _pitch(samples, sample_rate)
    db = _frame_db(samples, sample_rate)
    found = [_word(at_s, pitch_st, db, start, end) for start, end in times]
    pauses = _pauses(db <= QUIET_DB, times)
    return Heard(*(np.array(column) for column in zip(*found, strict=True)), pauses)


def _pitch(samples: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) and pitch (st about the median) of the voiced frames."""
    from prosody.speech.measure import follow_f0

    at_s, pitch_hz = follow_f0(samples, sample_rate)
    voiced = np.isfinite(pitch_hz)
    reference_hz = np.median(pitch_hz[voiced]) if voiced.any() else 1.0
    return at_s[voiced], 12 * np.log2(pitch_hz[voiced] / reference_hz)


def _frame_db(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Level of each 10 ms, dB below the peak."""
    length = round(_FRAME_S * sample_rate)
    power = np.square(samples[: len(samples) // length * length], dtype=np.float64).reshape(-1, length).mean(axis=1)
    peak = max(float(np.abs(samples).max(initial=0.0)), 1e-9)
    return 10 * np.log10(np.maximum(power, 1e-20)) - 20 * np.log10(peak)


def _word(at_s: np.ndarray, pitch_st: np.ndarray, db: np.ndarray, start: float, end: float) -> tuple[float, ...]:
    """All that is measured of one word but its pause, in the order of `Heard`."""
    frames = 10 ** (db[int(start / _FRAME_S) : int(np.ceil(end / _FRAME_S))] / 10)
    energy = 10 * np.log10(frames.mean()) if len(frames) else np.nan
    inside = slice(*np.searchsorted(at_s, [start, end]))
    at, st = at_s[inside], pitch_st[inside]
    if len(st) < _MIN_VOICED:
        return np.nan, np.nan, np.nan, energy, end - start, np.nan, np.nan
    voiced_s = at[-1] - at[0]
    slope = np.polyfit(at - at[0], st, 1)[0] * voiced_s
    return float(np.median(st)), slope, float(np.ptp(st)), energy, end - start, float(at.mean()), voiced_s


def _pauses(quiet: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The longest silence (s) that touches the place where each word meets the one before it."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(np.int8), [0]])))
    starts, ends = edges[::2] * _FRAME_S, edges[1::2] * _FRAME_S
    pauses = np.zeros(len(times))
    for k, (start, end) in enumerate(times):
        before = times[k - 1] if k else (-1.0, 0.0)
        lo, hi = max(before[0] + 0.03, before[1] - 0.05), min(start + 0.05, end)
        touching = (starts < hi) & (ends > lo)
        pauses[k] = (ends[touching] - starts[touching]).max(initial=0.0)
    return pauses


def judge(tokens: Sequence[Sequence[str]], times: np.ndarray, heard: Heard, plain: Heard) -> dict[str, MarkerCheck]:
    """Which words do what each marker says. tokens: of each word; plain: the same words without `<emph>`."""
    has = {token: np.array([token in one for one in tokens]) for token in markers.TOKENS}
    pausing = has["<pause_short>"] | has["<pause_long>"]
    shaped = np.array([any(markers.BY_TOKEN[token].kind != "pause" for token in one) for one in tokens])
    slope, level = _beyond_phrase(heard, ~shaped), _against_neighbours(heard, times, ~shaped)
    done = {
        "<pause_short>": (heard.pause_s >= SHORT_S) & (heard.pause_s < LONG_S),
        "<pause_long>": heard.pause_s >= LONG_S,
        "<pitch_rising>": slope >= SLOPE_ST,
        "<pitch_falling>": slope <= -SLOPE_ST,
        "<pitch_high>": level >= LEVEL_ST,
        "<pitch_low>": level <= -LEVEL_ST,
        "<emph>": (heard.range_st - plain.range_st >= EMPH_RANGE_ST)
        & (heard.energy_db - plain.energy_db >= EMPH_ENERGY_DB)
        & (heard.length_s / np.maximum(plain.length_s, 1e-3) >= EMPH_LENGTH),
    }
    checks = {}
    for token in markers.TOKENS:
        free = ~pausing if markers.BY_TOKEN[token].kind == "pause" else ~shaped
        missed = tuple(np.flatnonzero(has[token] & ~done[token]).tolist())
        counts = has[token].sum(), (has[token] & done[token]).sum(), free.sum(), (free & done[token]).sum()
        checks[token] = MarkerCheck(*(int(count) for count in counts), missed)
    return checks


def _beyond_phrase(heard: Heard, calm: np.ndarray) -> np.ndarray:
    """Slope of each word (st) less what its phrase sinks in that time; calm: the words to take that from."""
    phrase = np.cumsum(heard.pause_s >= SHORT_S)
    usable = calm & np.isfinite(heard.level_st)
    sinking = np.full(len(phrase), np.nan)
    for n in np.unique(phrase):
        inside = np.flatnonzero((phrase == n) & usable)
        if len(inside) >= 4:
            sinking[phrase == n] = np.polyfit(heard.middle_s[inside], heard.level_st[inside], 1)[0]
    usual = np.nanmedian(sinking) if np.isfinite(sinking).any() else 0.0
    return heard.slope_st - np.where(np.isnan(sinking), usual, sinking) * heard.voiced_s


def _against_neighbours(heard: Heard, times: np.ndarray, calm: np.ndarray) -> np.ndarray:
    """Level of each word (st) above the median of the calm words near it."""
    usable = np.flatnonzero(calm & np.isfinite(heard.level_st))
    level = np.full(len(times), np.nan)
    for k, (start, _) in enumerate(times):
        near = usable[(np.abs(heard.middle_s[usable] - start) < _NEAR_S) & (usable != k)]
        if len(near):
            level[k] = heard.level_st[k] - np.median(heard.level_st[near])
    return level
