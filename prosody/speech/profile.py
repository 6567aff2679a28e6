"""One speaker's baseline: pitch, loudness, rate, pauses, and how often each marker is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from prosody import markers
from prosody.dataset import Word
from prosody.speech.measure import Tracks

_PAUSE_S = 0.2
_F0_BIN_ST = 0.1


@dataclass(frozen=True)
class Profile:
    """A speaker, as one recording shows them, or several.

    f0_median_hz, f0_spread_st (interquartile range / 1.35): of voiced frames; None if nothing is voiced.
    energy_spread_db: of words, likewise. words_per_minute: pauses included. pauses_per_minute, pause_median_s: of
    pauses from 0.2 s. markers_per_100_words: token → rate, of the markers that were chosen: a dataset's own, be they
    written or heard. words_without_f0: share (0..1) of the words that take time; None if there are none.
    """

    f0_median_hz: float | None
    f0_spread_st: float | None
    energy_spread_db: float
    words_per_minute: float
    pauses_per_minute: float
    pause_median_s: float | None
    markers_per_100_words: Mapping[str, float]
    words_without_f0: float | None = None

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
    """The speaker of a recording.

    measured, written: of each word; written are the markers of which rates are wanted, wherever they come from.
    duration_s: of the recording.
    """
    voiced = tracks.f0_hz[np.isfinite(tracks.f0_hz)]
    f0 = (float(np.median(voiced)), _spread(12 * np.log2(voiced))) if len(voiced) else (None, None)
    return _profile(*f0, measured, written, duration_s)


def without_f0(measured: Sequence[Mapping[str, float | None]]) -> tuple[int, int]:
    """How many words have no f0, of how many that take time: no marker of pitch can be heard in those."""
    timed = [one for one in measured if one.get("duration_s")]
    return sum(one.get("f0_level_st") is None for one in timed), len(timed)


def f0_counts(tracks: Tracks) -> dict[str, int]:
    """How many voiced frames of a recording lie at which f0: number of the 0.1 st step above 1 Hz → frames.

    With these, and its words, a recording's share in its speaker's profile can be kept in a few kilobytes.
    """
    voiced = tracks.f0_hz[np.isfinite(tracks.f0_hz)]
    steps = np.floor(12 * np.log2(voiced) / _F0_BIN_ST).astype(int)
    return {str(step): n for step, n in sorted(Counter(steps.tolist()).items())}


def pooled(
    counts: Iterable[Mapping[str, int]],
    measured: Sequence[Mapping[str, float | None]],
    written: Sequence[Sequence[str]],
    *,
    duration_s: float,
) -> Profile:
    """A speaker over several recordings: every voiced frame, word and second counts the same, whichever it is from.

    counts: of each recording, as from `f0_counts`. measured, written: of all words. duration_s: of all recordings.
    Energy stays relative to each recording's own median word, since recordings differ in gain.
    The median of f0 comes within 0.05 st of that of the frames themselves.
    """
    total: Counter[int] = Counter()
    for one in counts:
        total.update({int(step): n for step, n in one.items()})
    low, median, high = _quartiles(total)
    if median is None:
        return _profile(None, None, measured, written, duration_s)
    return _profile(2 ** (median / 12), (high - low) / 1.35, measured, written, duration_s)


def revised(before: Mapping[str, Any], was: Sequence[Word], now: Sequence[Word], *, end_s: float) -> dict[str, Any]:
    """A dataset's profile after its words were `was` and are `now`.

    before: the profile of `was`, as in `dataset_info.json`. end_s: where the last segment ends, for the rates a minute
    of a profile that had no words. What is of the sound alone stays as it is: f0, and the time that the rates refer to.
    """
    minutes = len(was) / before["words_per_minute"] if before.get("words_per_minute") else end_s / 60
    measured = [word.measured for word in now]
    found = _profile(None, None, measured, [word.markers for word in now], 60 * minutes).as_json()
    kept = ["f0_median_hz", "f0_spread_st"]
    if not any(one.get("energy_db") is not None for one in measured):
        kept.append("energy_spread_db")
    n_before, n_now = (sum(_is_pause(word.measured) for word in words) for words in (was, now))
    if n_before and before.get("pauses_per_minute"):  # so that rounding changes nothing where nothing changed
        found["pauses_per_minute"] = round(before["pauses_per_minute"] * n_now / n_before, 3)
    return {**before, **{name: value for name, value in found.items() if name not in kept}}


def _is_pause(measured: Mapping[str, float | None]) -> bool:
    return (measured.get("pause_before_s") or 0) >= _PAUSE_S


def _quartiles(counts: Mapping[int, int]) -> tuple[float, float, float] | tuple[None, None, None]:
    """Quartiles of f0, st re 1 Hz, each step's frames taken as spread evenly over it."""
    if not counts:
        return None, None, None
    steps = np.array(sorted(counts))
    edges = np.stack([steps, steps + 1], axis=1).ravel() * _F0_BIN_ST
    upto = np.cumsum([counts[step] for step in steps.tolist()])
    share = np.stack([np.concatenate([[0], upto[:-1]]), upto], axis=1).ravel() / upto[-1]
    low, median, high = np.interp([0.25, 0.5, 0.75], share, edges)
    return float(low), float(median), float(high)


def _profile(
    f0_median_hz: float | None,
    f0_spread_st: float | None,
    measured: Sequence[Mapping[str, float | None]],
    written: Sequence[Sequence[str]],
    duration_s: float,
) -> Profile:
    energy = [m["energy_db"] for m in measured if m.get("energy_db") is not None]
    pauses = [m["pause_before_s"] for m in measured if _is_pause(m)]
    n_without, n_timed = without_f0(measured)
    n_words, minutes = max(len(measured), 1), max(duration_s, 1e-3) / 60
    return Profile(
        f0_median_hz=f0_median_hz,
        f0_spread_st=f0_spread_st,
        energy_spread_db=_spread(energy) if energy else 0.0,
        words_per_minute=len(measured) / minutes,
        pauses_per_minute=len(pauses) / minutes,
        pause_median_s=float(np.median(pauses)) if pauses else None,
        markers_per_100_words={t: 100 * sum(t in w for w in written) / n_words for t in markers.TOKENS},
        words_without_f0=n_without / n_timed if n_timed else None,
    )


def _spread(values: Sequence[float] | np.ndarray) -> float:
    """A robust standard deviation: the interquartile range over 1.35."""
    low, high = np.percentile(values, [25, 75])
    return float(high - low) / 1.35


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, 3) if isinstance(value, float) else value
