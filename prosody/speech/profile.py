"""One speaker's baseline: pitch, loudness, rate, pauses, and how often each marker is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from prosody import markers
from prosody.speech.measure import Tracks

_PAUSE_S = 0.2


@dataclass(frozen=True)
class Profile:
    """A speaker, as one recording shows them.

    f0_median_hz, f0_spread_st (interquartile range / 1.35): of voiced frames; None if nothing is voiced.
    energy_spread_db: of words, likewise. words_per_minute: pauses included. pauses_per_minute, pause_median_s: of
    pauses from 0.2 s. markers_per_100_words: token → rate in the transcript.
    """

    f0_median_hz: float | None
    f0_spread_st: float | None
    energy_spread_db: float
    words_per_minute: float
    pauses_per_minute: float
    pause_median_s: float | None
    markers_per_100_words: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """Rounded, for `dataset_info.json`."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def profile(
    tracks: Tracks,
    measured: Sequence[Mapping[str, float | None]],
    written: Sequence[Sequence[str]],
    *,
    duration_s: float,
) -> Profile:
    """The speaker of a recording. measured, written: of each word; duration_s: of the recording."""
    voiced = tracks.f0_hz[np.isfinite(tracks.f0_hz)]
    energy = [m["energy_db"] for m in measured if m["energy_db"] is not None]
    pauses = [m["pause_before_s"] for m in measured if (m["pause_before_s"] or 0) >= _PAUSE_S]
    n_words, minutes = max(len(measured), 1), max(duration_s, 1e-3) / 60
    return Profile(
        f0_median_hz=float(np.median(voiced)) if len(voiced) else None,
        f0_spread_st=_spread(12 * np.log2(voiced)) if len(voiced) else None,
        energy_spread_db=_spread(energy) if energy else 0.0,
        words_per_minute=len(measured) / minutes,
        pauses_per_minute=len(pauses) / minutes,
        pause_median_s=float(np.median(pauses)) if pauses else None,
        markers_per_100_words={t: 100 * sum(t in w for w in written) / n_words for t in markers.TOKENS},
    )


def _spread(values: Sequence[float] | np.ndarray) -> float:
    """A robust standard deviation: the interquartile range over 1.35."""
    low, high = np.percentile(values, [25, 75])
    return float(high - low) / 1.35


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, 3) if isinstance(value, float) else value
