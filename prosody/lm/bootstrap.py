"""Intervals for counts of speech: whole texts, or sentences, are drawn anew, since the words of one belong together.

The bootstrap of Efron (1979), by blocks as in Davison & Hinkley (1997, ch. 3). Shares and rates get percentile
intervals. A distance is never negative and comes out too large by chance alone, the more so the fewer the words: its
bias is estimated by the bootstrap and taken off, and its interval is the basic one (ibid., 5.2), cut at 0. A percentile
interval would lie above the truth: of two samples of one speaker it never holds the 0 that is true.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

LEAST_BLOCKS = 2  # with fewer there is nothing to draw from


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval; None: it cannot be told (nothing to count, or too few blocks for an interval)."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def as_json(self) -> dict[str, float | None]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Drawn:
    """Rows that are drawn by blocks. block [shape=(n_rows,)]: of each row, from 0. times [shape=(1 + n_draws,
    n_blocks)]: how often each block is drawn; the first row is the data as they are."""

    block: np.ndarray
    times: np.ndarray

    @property
    def n_blocks(self) -> int:
        return self.times.shape[1]

    @property
    def enough(self) -> bool:
        """Whether there are blocks enough for an interval."""
        return self.n_blocks >= LEAST_BLOCKS

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sums over the rows of each draw. values [shape=(n_rows, ...)]; returns [shape=(1 + n_draws, ...)]."""
        by_block = np.zeros((self.n_blocks, *values.shape[1:]))
        np.add.at(by_block, self.block, values)
        return np.tensordot(self.times, by_block, axes=1)


def draw(block: np.ndarray, *, n_draws: int, rng: np.random.Generator) -> Drawn:
    """Draw blocks anew, as many as there are, `n_draws` times. block [shape=(n_rows,)]: which one each row is of."""
    _, block = np.unique(block, return_inverse=True)
    n = int(block.max()) + 1 if len(block) else 0
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=n_draws) if n else np.zeros((n_draws, 0))
    return Drawn(block, np.concatenate([np.ones((1, n)), drawn]))


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where there is no whole."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def percentile(values: np.ndarray, *, level: float, enough: bool) -> Estimate:
    """values [shape=(1 + n_draws,)]: a figure of the data, then of the draws; NaN where it has none.

    enough: whether there were blocks enough for an interval. Draws without a figure are passed over; if they are more
    than half, there is no interval.
    """
    if not np.isfinite(values[0]):
        return Estimate(None)
    known = values[1:][np.isfinite(values[1:])]
    if not enough or len(known) <= len(values) / 2:
        return Estimate(float(values[0]))
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(values[0]), float(low), float(high))


def of_share(part: np.ndarray, whole: np.ndarray, *, level: float, enough: bool, scale: float = 1.0) -> Estimate:
    """A share with the wider of two intervals: that of the draws, and that of Wilson (1927) for words on their own.

    part, whole [shape=(1 + n_draws,)]: counts. scale: 100 gives the share in percent. Where a share is 0 or 1 all draws
    agree, however few there were; Wilson's interval still tells how few.
    """
    found = percentile(share(part, whole), level=level, enough=enough)
    if found.low is None:
        return Estimate(None if found.value is None else scale * found.value)
    low, high = wilson(float(part[0]), float(whole[0]), level=level)
    return Estimate(scale * found.value, scale * min(low, found.low), scale * max(high, found.high))


def wilson(part: float, whole: float, *, level: float) -> tuple[float, float]:
    """Score interval of a share (Wilson 1927), `part` of `whole` independent cases."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    p, spread = part / whole, z * z / whole
    half = z * np.sqrt(p * (1 - p) / whole + spread / (4 * whole))
    low, high = ((p + spread / 2 + sign * half) / (1 + spread) for sign in (-1, 1))
    return float(low) if part else 0.0, float(high) if part < whole else 1.0  # exactly, whatever rounding did


def less(one: Estimate, other: Estimate) -> Estimate:
    """one − other, of samples that do not depend on each other, its interval from theirs (Zou & Donner 2008).

    A figure without an interval counts as known exactly unless both are: then the difference has none either.
    """
    if one.value is None or other.value is None:
        return Estimate(None)
    value = one.value - other.value
    if one.low is None and other.low is None:
        return Estimate(value)
    down, up = _reach(one)
    other_down, other_up = _reach(other)
    return Estimate(value, value - float(np.hypot(down, other_up)), value + float(np.hypot(up, other_down)))


def _reach(one: Estimate) -> tuple[float, float]:
    return (0.0, 0.0) if one.low is None else (one.value - one.low, one.high - one.value)


def basic(values: np.ndarray, *, level: float, enough: bool, least: float = 0.0) -> Estimate:
    """A distance without its bias, and its basic interval, none of them below `least`.

    values [shape=(1 + n_draws,)]: of the data, then of the draws. Without blocks enough the distance is told as it is,
    without an interval.
    """
    if not np.isfinite(values[0]):
        return Estimate(None)
    known = values[1:][np.isfinite(values[1:])]
    if not enough or len(known) <= len(values) / 2:
        return Estimate(max(least, float(values[0])))
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    told = (known.mean(), high, low)
    return Estimate(*(max(least, float(2 * values[0] - one)) for one in told))
