"""Energy of a recording on a grid of frames, and the silences in it.

The detector works on 10 ms; what people look at is on 100 ms. Both are in dB relative to the recording's peak, so that
a quiet recording is treated like a loud one. The peak is the level that one frame in a thousand passes, so that a
single knock does not move it. Offset and rumble below 70 Hz do not count: in many recordings they are what lies in the
pauses. Works on blocks of samples: nothing needs to be held whole, and two hours take a second.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prosody.errors import ProsodyError
from prosody.speech.blocks import Progress, in_mono, opened

HOP_S = 0.01
DISPLAY_HOP_S = 0.1
FLOOR_DB = -120.0
PEAK_PERCENTILE = 99.9
NOISE_PERCENTILE = 5.0
THRESHOLD_DB = -35.0  # what is quieter than this is silence, unless a parameter says otherwise
NOISE_MARGIN_DB = 6.0  # ... and what lies less than this above the noise floor
HIGHEST_THRESHOLD_DB = -15.0
_RUMBLE_HZ = 70.0
_RINGING_S = 0.1  # after this the rumble filter's answer has died away, to 1e-15
_LONG_SILENCE = 200  # frames of digital silence in a row that were put there, and are no noise floor: 2 s of 10 ms
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Span:
    """A stretch of time, s."""

    start: float
    end: float

    @property
    def duration(self) -> float:
        return self.end - self.start

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


def energy_db(samples: np.ndarray, sample_rate: int, *, hop_s: float = HOP_S) -> np.ndarray:
    """Root mean square of each frame, dB relative to the recording's peak, at least `FLOOR_DB`.

    samples [shape=(n,)]. Returns [shape=(ceil(n / hop),)]: frame i covers hop_s * i to hop_s * (i + 1).
    Raises ProsodyError if there are no samples, one is not finite, or nothing is to be heard.
    """
    return energy_of_blocks(_blocks(samples), sample_rate, hop_s=hop_s)


def energy_of_blocks(blocks: Iterable[np.ndarray], sample_rate: int, *, hop_s: float = HOP_S) -> np.ndarray:
    """As `energy_db`, for samples that come block by block, like those of `soundfile.blocks`."""
    return _relative_db(_powers(blocks, sample_rate, hop_s))


def energy_of_file(
    path: str | os.PathLike[str], *, hop_s: float = HOP_S, progress: Progress | None = None
) -> np.ndarray:
    """As `energy_db`, for a recording that is read block by block at its own rate: never much of it is in memory.

    progress: called with the share that is done. Raises ProsodyError as `audio.read` does.
    """
    path = Path(path)
    with opened(path) as file:
        rate = file.samplerate
        power, _ = in_mono(file, path, lambda blocks: _powers(blocks, rate, hop_s), progress)
    return _relative_db(power)


def noise_floor_db(energy: np.ndarray) -> float:
    """The level that 5 % of the frames stay below: the noise in the pauses, where there are pauses.

    Long stretches without any sound at all (an export's gap, a muted microphone) do not count.
    """
    long = [(a, b) for a, b in runs(energy <= FLOOR_DB) if b - a >= _LONG_SILENCE]
    if long:
        kept = np.ones(len(energy), dtype=bool)
        for a, b in long:
            kept[a:b] = False
        energy = energy[kept] if kept.any() else energy
    return float(np.percentile(energy, NOISE_PERCENTILE))


def threshold_above_noise(
    energy: np.ndarray, *, threshold_db: float = THRESHOLD_DB, noise_margin_db: float = NOISE_MARGIN_DB
) -> float:
    """`threshold_db`, raised to `noise_margin_db` above the noise floor where it would be lower than that.

    Without that, nothing is silent in a noisy recording. noise_margin_db: 0 leaves the threshold as it is.
    """
    if noise_margin_db <= 0:
        return threshold_db
    return max(threshold_db, min(noise_floor_db(energy) + noise_margin_db, HIGHEST_THRESHOLD_DB))


def coarser(energy: np.ndarray, *, hop_s: float = HOP_S, to_s: float = DISPLAY_HOP_S) -> np.ndarray:
    """Frame energies averaged (as power) on a coarser grid; still relative to the recording's peak.

    energy [shape=(n_frames,)], dB. to_s: a multiple of `hop_s`. Returns [shape=(ceil(n_frames * hop_s / to_s),)].
    """
    n = max(1, round(to_s / hop_s))
    edges = np.arange(0, len(energy), n)
    counts = np.diff(np.append(edges, len(energy)))
    return 10 * np.log10(np.add.reduceat(10 ** (energy / 10), edges) / counts)


def pause_spans(energy: np.ndarray, *, hop_s: float, threshold_db: float, min_pause_s: float) -> list[Span]:
    """Silences at least `min_pause_s` long.

    energy [shape=(n_frames,)]: frame energy relative to the recording's peak, dB.
    Returns spans in seconds, in time order, never touching.
    Raises ProsodyError if `energy` is empty or holds NaN.
    """
    if not len(energy):
        raise ProsodyError(None, "energy", "is empty", "give at least one frame")
    if np.isnan(energy).any():
        raise ProsodyError(None, "energy", "holds NaN", "measure it with energy_db")
    spans = (Span(a * hop_s, b * hop_s) for a, b in runs(energy < threshold_db))
    return [span for span in spans if span.duration >= min_pause_s - hop_s / 1000]


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Where `flags` [shape=(n,), bool] are true without a break: the first, and the one after the last, of each run."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _blocks(samples: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(samples), _BLOCK):
        yield samples[start : start + _BLOCK]


def _powers(blocks: Iterable[np.ndarray], sample_rate: int, hop_s: float) -> np.ndarray:
    """Mean square of each frame of all blocks, above the rumble."""
    parts = list(_frame_powers(_without_rumble(blocks, sample_rate), sample_rate, hop_s))
    return np.concatenate(parts) if parts else np.zeros(0)


def _relative_db(power: np.ndarray) -> np.ndarray:
    """Powers of frames in dB relative to the recording's peak."""
    if not len(power):
        raise ProsodyError(None, None, "there are no samples to measure", "give a recording")
    if not np.isfinite(power).all():
        raise ProsodyError(None, None, "holds samples that are not numbers", "export the recording again")
    peak = np.percentile(power, PEAK_PERCENTILE, method="higher")
    if peak <= 0:
        raise ProsodyError(None, None, "holds only silence", "check the microphone, or export the recording again")
    return np.maximum(10 * np.log10(np.maximum(power / peak, 1e-30)), FLOOR_DB)


def _frame_powers(blocks: Iterable[np.ndarray], sample_rate: int, hop_s: float) -> Iterator[np.ndarray]:
    """Mean square of each whole frame of each block, then of what is left at the end."""
    rest, n_before, frame = np.zeros(0), 0, 0
    for block in blocks:
        rest = np.concatenate([rest, block])
        n_whole = int((n_before + len(rest)) / (hop_s * sample_rate) + 1e-6) - frame
        if n_whole <= 0:
            continue
        edges = np.round(np.arange(frame, frame + n_whole + 1) * hop_s * sample_rate).astype(int) - n_before
        edges[-1] = min(edges[-1], len(rest))
        square = np.square(rest[: edges[-1]])
        yield np.add.reduceat(square, edges[:-1]) / np.diff(edges)
        rest, n_before, frame = rest[edges[-1] :], n_before + edges[-1], frame + n_whole
    if len(rest):
        yield np.array([np.square(rest).mean()])


def _without_rumble(blocks: Iterable[np.ndarray], sample_rate: int) -> Iterator[np.ndarray]:
    """Blocks through the rumble filter, by overlap-save (Stockham 1966): as a recursive filter, without scipy's."""
    answer = _rumble_answer(sample_rate)
    reach = len(answer) - 1
    n_fft = 1 << (4 * reach).bit_length()
    step, spectrum = n_fft - reach, np.fft.rfft(answer, n_fft)
    before = np.zeros(reach)
    for block in blocks:
        if not len(block):
            continue
        padded = np.zeros(reach + -(-len(block) // step) * step)
        padded[:reach], padded[reach : reach + len(block)] = before, block
        before = padded[len(block) : len(block) + reach].copy()
        pieces = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::step]
        filtered = np.fft.irfft(np.fft.rfft(pieces) * spectrum, n_fft)[:, reach:]
        yield filtered.reshape(-1)[: len(block)]


def _rumble_answer(sample_rate: int) -> np.ndarray:
    """Impulse response of a Butterworth high-pass of second order, made digital by the bilinear transform."""
    k = math.tan(math.pi * _RUMBLE_HZ / sample_rate)
    norm = 1 + math.sqrt(2) * k + k * k
    pole = max(np.roots([norm, 2 * (k * k - 1), 1 - math.sqrt(2) * k + k * k]), key=np.imag)
    ringing = np.zeros(2 + round(_RINGING_S * sample_rate))
    ringing[2:] = np.imag(pole ** np.arange(1, len(ringing) - 1)) / pole.imag
    return (ringing[2:] - 2 * ringing[1:-1] + ringing[:-2]) / norm
