"""Loudness of finished speech: one gain for all of it, and a limiter that looks ahead so that nothing clips.

Loudness is integrated loudness after ITU-R BS.1770-4 (as EBU R 128 takes it: K-weighting, blocks of 0.4 s, gates at
-70 LUFS and 10 LU below the mean), measured by pyloudnorm: pauses don't count. Peaks are true peaks, those of the
signal between its samples too, found at four times the sample rate (BS.1770-4, annex 2).
"""

from __future__ import annotations

import numpy as np

_BLOCK_S = 0.4  # of BS.1770; no loudness is defined for less
_OVERSAMPLING = 4
_AHEAD_S = 0.005
_MARGIN_DB = 0.3  # kept below the peak asked for: a meter that looks closer finds peaks of hisses a little higher
_CLOSE_LU = 0.05
_ROUNDS = 5
_CHUNK, _OVERLAP = 1 << 18, 256  # samples


def normalise(samples: np.ndarray, sample_rate: int, *, loudness_lufs: float, true_peak_dbtp: float) -> np.ndarray:
    """`samples` [n] at an integrated loudness (LUFS), no true peak beyond `true_peak_dbtp` (dB of full scale).

    What the limiter takes away is made up for, as far as it allows. Silence stays silence: samples that are 0 stay 0.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0:
        return samples.astype(np.float32)
    samples = (samples / np.float32(peak)).astype(np.float32)  # so loud that no gate at a fixed level shuts speech out
    gain_db = loudness_lufs - loudness(samples, sample_rate)
    for _ in range(_ROUNDS):
        raised = samples * np.float32(10 ** (gain_db / 20))
        levelled = limit(raised, sample_rate, true_peak_dbtp=true_peak_dbtp)
        if levelled is raised:  # one gain did it
            break
        missing = loudness_lufs - loudness(levelled, sample_rate)
        if abs(missing) < _CLOSE_LU:
            break
        gain_db += missing
    return levelled


def loudness(samples: np.ndarray, sample_rate: int) -> float:
    """Integrated loudness (LUFS) of mono samples [n]; -inf for silence.

    Sound of less than 0.4 s, for which no loudness is defined, is measured with silence after it, up to 0.4 s: a short
    sound is as loud as it is within the shortest block that is measured of a long one.
    """
    if not samples.any():
        return -np.inf
    import pyloudnorm

    missing = max(0, int(np.ceil(_BLOCK_S * sample_rate)) - len(samples))
    return float(pyloudnorm.Meter(sample_rate).integrated_loudness(np.pad(samples.astype(np.float64), (0, missing))))


def true_peak(samples: np.ndarray, sample_rate: int) -> float:
    """The highest true peak (dB of full scale) of mono samples [n], between samples too; -inf for silence."""
    peak = float(_peaks(samples, sample_rate).max(initial=0.0))
    return 20 * float(np.log10(peak)) if peak else -np.inf


def limit(samples: np.ndarray, sample_rate: int, *, true_peak_dbtp: float) -> np.ndarray:
    """`samples` [n] turned down smoothly where their true peaks would pass `true_peak_dbtp`, beginning 5 ms before.

    Returns `samples` itself where none does.
    """
    highest = 10 ** ((true_peak_dbtp - _MARGIN_DB) / 20)
    allowed = highest * 1.005  # a gain that changes moves the peaks between samples a little
    limited = samples
    for _ in range(3):
        peaks = _peaks(limited, sample_rate)
        if peaks.max(initial=0.0) <= allowed:
            return limited
        limited = _turned_down(limited, peaks, highest, round(_AHEAD_S * sample_rate))
    return limited * np.float32(min(1.0, highest / _peaks(limited, sample_rate).max()))


def _peaks(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """The highest absolute value [n] from each sample to the next; beyond the ends there is silence."""
    import soxr

    found = np.empty(len(samples), dtype=np.float32)
    padded = np.pad(samples.astype(np.float32), _OVERLAP)
    for start in range(0, len(samples), _CHUNK):
        near = padded[start : start + _CHUNK + 2 * _OVERLAP]
        finer = np.abs(soxr.resample(near, sample_rate, _OVERSAMPLING * sample_rate))
        between = finer[: len(near) * _OVERSAMPLING].reshape(-1, _OVERSAMPLING).max(axis=1)
        found[start : start + _CHUNK] = between[_OVERLAP : len(near) - _OVERLAP]
        if start == 0:
            found[:1] = max(found[0], between[:_OVERLAP].max())
        if start + _CHUNK >= len(samples):
            found[-1:] = max(found[-1], between[len(near) - _OVERLAP :].max(initial=0.0))
    return np.maximum(found, np.abs(samples))


def _turned_down(samples: np.ndarray, peaks: np.ndarray, highest: float, half: int) -> np.ndarray:
    """`samples` [n] with a gain that follows from `peaks` [n] and moves no faster than within `half` samples."""
    limited = samples.astype(np.float32)
    for start, end in _loud_stretches(peaks > highest, 4 * half):
        near = slice(max(0, start - 2 * half), min(len(samples), end + 2 * half))
        needed = np.minimum(1.0, highest / np.maximum(peaks[near], 1e-9))
        limited[near] = samples[near] * _held_and_smoothed(needed, half)
    return limited


def _held_and_smoothed(needed: np.ndarray, half: int) -> np.ndarray:
    """The lowest gain within `half` samples, then averaged over as many: never above what is needed."""
    padded = np.pad(needed, half, constant_values=1.0)
    held = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1).min(axis=1)
    window = np.hanning(2 * half + 3)[1:-1]
    return np.convolve(np.pad(held, half, mode="edge"), window / window.sum(), mode="valid")


def _loud_stretches(mask: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """[start, end) of the stretches where `mask` holds, those closer than `gap` joined."""
    at = np.flatnonzero(mask)
    if not len(at):
        return []
    cuts = np.flatnonzero(np.diff(at) > gap)
    starts = at[np.concatenate([[0], cuts + 1])]
    ends = at[np.concatenate([cuts, [len(at) - 1]])] + 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))
