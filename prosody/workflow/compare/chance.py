"""Whether a difference between two trainings is more than another seed would make.

A training with `seeds=3` keeps, of its main figures, values of all seeds (see `prosody.lm.seeds`). From them Welch's
interval tells how far apart two means lie by chance: a difference outside of the interval that holds 95 of 100 such
differences is more than the seeds' spread. Where only one of the two has several seeds, the other is asked whether it
could be one more of them. With one seed each it cannot be known.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prosody.workflow.columns import is_number

_SHARE = 0.975  # of Student's distribution below the upper end of the interval


@dataclass(frozen=True)
class Spread:
    """A figure's values with several seeds: their mean, standard deviation and number."""

    mean: float
    deviation: float
    n: int


@dataclass(frozen=True)
class Chance:
    """What chance has to do with a difference. margin: half of the 95 % interval; within: no more than chance.

    Both are None where it cannot be known, and `why` says so.
    """

    margin: float | None
    within: bool | None
    why: str | None = None


UNKNOWN = Chance(None, None, "one seed each: what chance does is not known")


def spreads(metrics: Mapping[str, Any]) -> dict[str, Spread]:
    """The spreads that a metrics file holds, by the dotted name of the figure they are of; none where it is damaged."""
    seeds = metrics.get("seeds")
    return dict(_found(seeds, "")) if isinstance(seeds, Mapping) else {}


def _found(held: Mapping[str, Any], before: str) -> list[tuple[str, Spread]]:
    found: list[tuple[str, Spread]] = []
    for name, one in held.items():
        if not isinstance(one, Mapping):
            continue
        values = one.get("values")
        if not isinstance(values, list):
            found += _found(one, f"{before}{name}.")
        elif len(values) > 1 and all(is_number(value) and math.isfinite(value) for value in values):
            numbers = [float(value) for value in values]
            spread = Spread(statistics.fmean(numbers), statistics.stdev(numbers), len(numbers))
            found.append((f"{before}{name}", spread))
    return found


def judged(a: float, b: float, of_a: Spread | None, of_b: Spread | None) -> tuple[float, Chance]:
    """The difference b − a, between the means where there are several seeds, and what chance has to do with it."""
    difference = (of_b.mean if of_b else b) - (of_a.mean if of_a else a)
    if of_a is None and of_b is None:
        return difference, UNKNOWN
    if of_a is None or of_b is None:
        known = of_a or of_b
        assert known is not None
        margin = _student(known.n - 1) * known.deviation * math.sqrt(1 + 1 / known.n)
    else:
        parts = [one.deviation**2 / one.n for one in (of_a, of_b)]
        total = sum(parts)
        weight = sum(part**2 / (one.n - 1) for part, one in zip(parts, (of_a, of_b), strict=True))
        margin = _student(total**2 / weight) * math.sqrt(total) if weight > 0 else 0.0
    return difference, Chance(margin, abs(difference) <= margin)


def _student(freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, _SHARE))
