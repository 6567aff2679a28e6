"""Loudness of finished speech: one gain for all of it, and a limiter that looks ahead so that nothing clips."""

from __future__ import annotations

import numpy as np

_FRAME_S = 0.02
_QUIET_DB = 35.0  # frames that far below the loudest do not count as speech
_AHEAD_S = 0.005


def normalise(samples: np.ndarray, sample_rate: int, *, rms_db: float, peak: float) -> np.ndarray:
    """`samples` [n] at `rms_db` (dB of full scale, over the frames that hold speech), no sample beyond `peak`.

    Silence stays silence: samples that are 0 stay 0.
    """
    rms = speech_rms(samples, sample_rate)
    if rms == 0:
        return samples.astype(np.float32)
    gain = 10 ** (rms_db / 20) / rms
    return limit(samples * np.float32(gain), sample_rate, peak=peak)


def speech_rms(samples: np.ndarray, sample_rate: int) -> float:
    """Root mean square over the frames of 20 ms that are within 35 dB of the loudest one; 0 for silence."""
    length = round(_FRAME_S * sample_rate)
    frames = samples[: len(samples) // length * length].reshape(-1, length)
    power = np.einsum("ij,ij->i", frames, frames).astype(np.float64) / length
    if not len(power) or power.max() == 0:
        return 0.0
    return float(np.sqrt(power[power > power.max() * 10 ** (-_QUIET_DB / 10)].mean()))


def limit(samples: np.ndarray, sample_rate: int, *, peak: float) -> np.ndarray:
    """`samples` [n] turned down smoothly where they would pass `peak`, beginning 5 ms before."""
    limited = samples.astype(np.float32)
    half = round(_AHEAD_S * sample_rate)
    for start, end in _loud_stretches((samples > peak) | (samples < -peak), 4 * half):
        near = slice(max(0, start - 2 * half), min(len(samples), end + 2 * half))
        needed = np.minimum(1.0, peak / np.maximum(np.abs(samples[near]), 1e-9))
        limited[near] = np.clip(samples[near] * _held_and_smoothed(needed, half), -peak, peak)
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
