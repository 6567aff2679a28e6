"""What the audio says of each word: f0 level, slope and excursion, energy, duration, the pause before.

f0 is swift-f0's (Nieradzik 2025), voiced where its confidence passes 0.5, in semitones (st). A word's level and slope
are taken against its surroundings: the level against the median of the words within five seconds, the slope against the
declination of its phrase, since pitch sinks through a phrase by itself. Durations are set against what the word's
phones need at this speaker's rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from prosody.dataset import Word
from prosody.speech import robust
from prosody.speech.audio import Audio
from prosody.speech.energy import HOP_S, THRESHOLD_DB, energy_db, pause_spans, threshold_above_noise
from prosody.speech.octave import without_octave_errors
from prosody.speech.phones import expected_s
from prosody.speech.prominence import prominence
from prosody.speech.pronounce import Lexicon, lexicon

F0_RANGE_HZ = (60.0, 500.0)
VOICED_CONFIDENCE = 0.5
PHRASE_PAUSE_S = 0.2  # a pause that ends a phrase
NEAR_S = 5.0  # how far the words lie that a word's level is taken against
MIN_VOICED_FRAMES = 3
_OCTAVE_ERROR_ST = 9.0  # a frame this far from its word's median is a mistake of the tracker
_TAIL_S = 0.25  # a question rises on its last syllables
_GAP_S = 0.025  # voiced frames further apart are not one stretch
_CHUNK_S, _OVERLAP_S = 30.0, 0.5
_PAUSE_NEAR_S = 0.06  # a pause belongs to the gap that it comes this near to
_STEEPEST_DECLINATION_ST_S = 4.0
_TELLING_WORDS = 10  # a phrase this long counts as much as the speaker's usual declination
_USUAL_SPREAD_ST = 1.5  # of the words' levels and slopes, where too few words tell
_USUAL_LOG_RATE, _USUAL_LOG_SPREAD = -0.5, 0.33  # of word lengths against what their phones need in careful speech
_LEAST_LOG_SPREAD = 0.1


@dataclass(frozen=True)
class Tracks:
    """A recording over time.

    f0_times [shape=(n,)]: s. f0_hz [shape=(n,)]: Hz, NaN where unvoiced. energy_db [shape=(m,)]: dB relative to the
    recording's peak, every `hop_s`. threshold_db: what is quieter is silence.
    """

    f0_times: np.ndarray
    f0_hz: np.ndarray
    energy_db: np.ndarray
    hop_s: float
    threshold_db: float

    @property
    def f0_median_hz(self) -> float:
        """Median f0 of all voiced frames, Hz; NaN if nothing is voiced."""
        voiced = self.f0_hz[np.isfinite(self.f0_hz)]
        return float(np.median(voiced)) if len(voiced) else float("nan")


def track(audio: Audio, *, progress: Callable[[float], None] | None = None) -> Tracks:
    """Follow f0 and energy through a recording. progress gets the share that is done."""
    f0_times, f0_hz = follow_f0(audio.samples, audio.sample_rate, progress=progress)
    f0_hz = without_octave_errors(f0_times, f0_hz)
    energy = energy_db(audio.samples, audio.sample_rate)
    threshold = threshold_above_noise(energy)
    return Tracks(f0_times, f0_hz, energy, HOP_S, threshold)


def follow_f0(
    samples: np.ndarray, sample_rate: int, *, progress: Callable[[float], None] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """f0 through a recording, in chunks, so that memory stays small.

    samples [shape=(n,)]: mono. Returns times (s) and f0 (Hz, NaN where unvoiced), both [shape=(n_frames,)].
    """
    import swift_f0

    tracker = swift_f0.SwiftF0(threads=2, spin=False)
    duration_s = len(samples) / sample_rate
    times, pitches = [np.zeros(0)], [np.zeros(0)]
    for begin in np.arange(0.0, max(duration_s, 1e-3), _CHUNK_S):
        first = max(0.0, begin - _OVERLAP_S)
        piece = samples[round(first * sample_rate) : round((begin + _CHUNK_S + _OVERLAP_S) * sample_rate)]
        if len(piece) < 0.1 * sample_rate:
            continue
        found = tracker.detect(piece, sample_rate, fmin=F0_RANGE_HZ[0], fmax=F0_RANGE_HZ[1])
        at = np.asarray(found.timestamps, dtype=float) + first
        hz = np.where(np.asarray(found.confidence) > VOICED_CONFIDENCE, np.asarray(found.pitch_hz, dtype=float), np.nan)
        own = (at >= begin) & (at < begin + _CHUNK_S)
        times.append(at[own])
        pitches.append(hz[own])
        if progress:
            progress(min(1.0, (begin + _CHUNK_S) / duration_s))
    return np.concatenate(times), np.concatenate(pitches)


def measure(
    audio: Audio,
    words: Sequence[Word],
    *,
    tracks: Tracks | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[dict[str, float | None]]:
    """Measure every word.

    words: in time order. tracks: of the same audio, if they are there already. Returns a dict a word; None stands where
    too little is voiced:
    f0_level_st (against the words near it, less the phrase's declination), f0_slope_st (through the word, no further
    than f0 does rise or fall in it, less the same; in the last word of a phrase through its last 0.25 s, where that
    rises by more), f0_level_z and f0_slope_z (the two in the spread that they have in this speaker's words),
    f0_excursion_st (highest less lowest), f0_peak_st (highest, against the words near it),
    energy_db (against the speaker's median word), duration_s, duration_z (against what the phones need, in the
    speaker's own spread), prominence (all of these together, see `prosody.speech.prominence`), pause_before_s, voiced
    (share of the word's time, 0..1).
    """
    tracks = tracks or track(audio, progress=progress)
    times = np.array([[w.start, w.end] for w in words], dtype=float).reshape(-1, 2)
    usual_st = 12 * np.log2(tracks.f0_median_hz)
    pitch = np.array([_pitch(tracks, start, end, usual_st) for start, end in times]).reshape(-1, 8)
    level, slope, tail_slope, excursion, peak, middle, voiced_s, span_s = pitch.T
    pauses = pauses_before(tracks, times)
    phrase = np.cumsum(pauses >= PHRASE_PAUSE_S)
    sinking = _declination(level, middle, phrase)
    local = _local_level(level, middle, times) + _along_phrase(sinking, middle, phrase)
    slope -= sinking * span_s
    tail_slope -= sinking * np.minimum(span_s, _TAIL_S)
    is_last = np.append(phrase[1:] != phrase[:-1], True)[: len(phrase)]
    slope = np.where(is_last & (tail_slope > np.abs(slope)), tail_slope, slope)
    energy = np.array([_energy(tracks, start, end) for start, end in times])
    length = times[:, 1] - times[:, 0]
    texts = [w.text for w in words]
    known = lexicon(texts)
    duration_z = _duration_z(known, length)
    energy -= np.nanmedian(energy) if np.isfinite(energy).any() else 0.0
    standing_out = prominence(
        known, texts, duration_z=duration_z, excursion_st=excursion, peak_st=peak - local, energy_db=energy
    )
    columns = {
        "f0_level_st": level - local,
        "f0_level_z": (level - local) / robust.spread(level - local, _USUAL_SPREAD_ST, about=0.0),
        "f0_slope_st": slope,
        "f0_slope_z": slope / robust.spread(slope, _USUAL_SPREAD_ST, about=0.0),
        "f0_excursion_st": excursion,
        "f0_peak_st": peak - local,
        "energy_db": energy,
        "duration_s": length,
        "duration_z": duration_z,
        "prominence": standing_out,
        "pause_before_s": pauses,
        "voiced": np.where(length > 0, np.nan_to_num(voiced_s) / np.maximum(length, 1e-6), 0.0).clip(0, 1),
    }
    return [
        {name: round(float(values[k]), 3) if np.isfinite(values[k]) else None for name, values in columns.items()}
        for k in range(len(words))
    ]


def _pitch(tracks: Tracks, start: float, end: float, usual_st: float) -> tuple[float, ...]:
    """Of a word's voice: level, slope, slope of its end, excursion, peak (st re 1 Hz); middle, length and span (s)."""
    inside = slice(*np.searchsorted(tracks.f0_times, [start, end]))
    at, hz = tracks.f0_times[inside], tracks.f0_hz[inside]
    at, st = at[np.isfinite(hz)], 12 * np.log2(hz[np.isfinite(hz)])
    if len(st):
        middles = np.sort(st)[[(len(st) - 1) // 2, len(st) // 2]]  # two, where half the frames are an octave off
        sane = np.abs(st - middles[np.argmin(np.abs(middles - usual_st))]) < _OCTAVE_ERROR_ST
        at, st = at[sane], st[sane]
    if len(st) < MIN_VOICED_FRAMES:
        return (np.nan,) * 8
    low, high = np.percentile(st, [5, 95])
    voiced_s = float(np.median(np.diff(at))) * len(at)
    level, middle = float(np.median(st)), float(at.mean())
    steady = _without_specks(at)
    at, st = at[steady], st[steady]
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(st, 1, mode="edge"), 3), axis=1)
    tail = at >= at[-1] - _TAIL_S
    slopes = _movement(at, smooth), _movement(at[tail], smooth[tail])
    return level, *slopes, float(high - low), float(high), middle, voiced_s, float(at[-1] - at[0])


def _movement(at: np.ndarray, st: np.ndarray) -> float:
    """How far f0 moves along the line through it, st, but no further than it does rise or fall.

    The first and last frame, kicked by consonants, do not count. A line through a step moves by half as much again as
    the step, and one through two scattered pieces as much as the gap between them makes of their difference.
    """
    inner = slice(1, -1) if len(at) > 2 * MIN_VOICED_FRAMES else slice(None)
    if len(at) < MIN_VOICED_FRAMES:
        return 0.0
    along = float(np.polyfit(at[inner] - at[0], st[inner], 1)[0] * (at[-1] - at[0]))
    rise = float((st[inner] - np.minimum.accumulate(st[inner])).max())
    fall = float((np.maximum.accumulate(st[inner]) - st[inner]).max())
    return float(np.clip(along, -fall, rise))


def _without_specks(at: np.ndarray) -> np.ndarray:
    """Which frames lie in a stretch of voice of `MIN_VOICED_FRAMES` and more; all of them, if none does.

    at [shape=(n,)]: times of the voiced frames, s. What is shorter is a neighbour's end, or noise that sounds voiced.
    """
    if len(at) < 2:
        return np.ones(len(at), dtype=bool)
    stretch = np.append(0, np.cumsum(np.diff(at) > _GAP_S))
    long = np.bincount(stretch)[stretch] >= MIN_VOICED_FRAMES
    return long if long.any() else np.ones(len(at), dtype=bool)


def _energy(tracks: Tracks, start: float, end: float) -> float:
    """Mean power of a word's frames, dB; NaN for a word without time."""
    frames = tracks.energy_db[int(start / tracks.hop_s) : int(np.ceil(end / tracks.hop_s))]
    return float(10 * np.log10(np.mean(10 ** (frames / 10)))) if end > start and len(frames) else np.nan


def pauses_before(tracks: Tracks, times: np.ndarray) -> np.ndarray:
    """Length of the longest silence in the gap before each word, s.

    times [shape=(n_words, 2)]. A silence counts for the gap that it overlaps or nearly touches; the start of the
    recording is no pause. Noise breaks silences up, so that in a noisy recording the gap between two aligned words is
    taken for it.
    """
    is_noisy = tracks.threshold_db > THRESHOLD_DB
    spans = pause_spans(tracks.energy_db, hop_s=tracks.hop_s, threshold_db=tracks.threshold_db, min_pause_s=0.03)
    starts, ends = np.array([s.start for s in spans]), np.array([s.end for s in spans])
    pauses = np.zeros(len(times))
    for k in range(1, len(times)):
        before, here = times[k - 1], times[k]
        low = max(before[1] - _PAUSE_NEAR_S, (before[0] + before[1]) / 2)
        high = min(here[0] + _PAUSE_NEAR_S, (here[0] + here[1]) / 2)
        touching = (starts < high) & (ends > low) if len(spans) else np.zeros(0, dtype=bool)
        gap = here[0] - before[1]
        pauses[k] = max(gap, 0.0) if is_noisy else (ends[touching] - starts[touching]).max(initial=0.0)
    return pauses


def _declination(level: np.ndarray, middle: np.ndarray, phrase: np.ndarray) -> np.ndarray:
    """How pitch moves through each word's phrase, st/s: the slope of its words (Theil-Sen) drawn to the usual one.

    A short phrase tells little of its own: one high word would tilt it.
    """
    own, weight = np.full(len(level), np.nan), np.zeros(len(level))
    for one in np.unique(phrase):
        inside = np.flatnonzero((phrase == one) & np.isfinite(level))
        if len(inside) < 5:
            continue
        a, b = np.triu_indices(len(inside), 1)
        gaps = middle[inside][b] - middle[inside][a]
        rates = (level[inside][b] - level[inside][a])[gaps > 0.1] / gaps[gaps > 0.1]
        if len(rates):
            own[phrase == one] = np.median(rates)
            weight[phrase == one] = len(inside) / (len(inside) + _TELLING_WORDS)
    usual = float(np.nanmedian(own)) if np.isfinite(own).any() else 0.0
    drawn = usual + weight * (np.nan_to_num(own, nan=usual) - usual)
    return np.clip(drawn, -_STEEPEST_DECLINATION_ST_S, _STEEPEST_DECLINATION_ST_S)


def _along_phrase(sinking: np.ndarray, middle: np.ndarray, phrase: np.ndarray) -> np.ndarray:
    """How far the phrase's declination has each word above or below the middle of its phrase, st."""
    above = np.zeros(len(middle))
    for one in np.unique(phrase):
        inside = np.flatnonzero((phrase == one) & np.isfinite(middle))
        if len(inside) > 1:
            above[inside] = sinking[inside] * (middle[inside] - (middle[inside][0] + middle[inside][-1]) / 2)
    return above


def _local_level(level: np.ndarray, middle: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The median level of the other words within `NEAR_S` of each word, st re 1 Hz; all words' where there are few."""
    known = np.flatnonzero(np.isfinite(level))
    whole = float(np.median(level[known])) if len(known) else 0.0
    local = np.full(len(level), whole)
    for k, centre in enumerate(times.mean(axis=1)):
        near = known[(np.abs(middle[known] - centre) < NEAR_S) & (known != k)]
        if len(near) >= 5:
            local[k] = np.median(level[near])
    return local


def _duration_z(known: Lexicon, length: np.ndarray) -> np.ndarray:
    """Log of each word's length against what its phones need at this speaker's rate, in robust standard deviations."""
    expected = np.array([expected_s(known.phones(k)) for k in range(len(length))])
    usable = (expected > 0) & (length > 0)
    z = np.full(len(length), np.nan)
    ratio = np.log(length[usable] / expected[usable])
    rate = robust.median(ratio, _USUAL_LOG_RATE)
    z[usable] = (ratio - rate) / max(robust.spread(ratio, _USUAL_LOG_SPREAD), _LEAST_LOG_SPREAD)
    return z
