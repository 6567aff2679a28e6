"""Medians and spreads of a speaker's words that hold where there are few of them."""

from __future__ import annotations

import numpy as np

SPREAD_WORDS, MEDIAN_WORDS = 5, 3  # what is usual weighs as much as this many of the speaker's own words


def spread(values: np.ndarray, usual: float, *, about: float | None = None, usual_words: float = SPREAD_WORDS) -> float:
    """Robust standard deviation (1.4826 times the median distance), drawn to what is usual where values are few.

    values [shape=(n,)]: NaN do not count. about: what distances are taken from (None: the median). usual_words: as how
    many of the speaker's words the usual counts.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return usual
    middle = np.median(known) if about is None else about
    own = 1.4826 * float(np.median(np.abs(known - middle)))
    return float(np.sqrt((len(known) * own**2 + usual_words * usual**2) / (len(known) + usual_words)))


def median(values: np.ndarray, usual: float) -> float:
    """The median, drawn to what is usual where values are few; NaN do not count."""
    known = values[np.isfinite(values)]
    own = float(np.median(known)) if len(known) else usual
    return (len(known) * own + MEDIAN_WORDS * usual) / (len(known) + MEDIAN_WORDS)
