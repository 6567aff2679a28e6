"""How far two ways of marking lie apart, and two sets of pauses."""

from __future__ import annotations

import numpy as np


def divergences(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Jensen–Shannon divergence of what stands in the slots: of the marking, and of the words that are marked.

    one, other [shape=(..., n_places, n_outcomes)]: counts. The divergence (Lin 1991) of place and outcome together is
    what one slot tells, on average, about which of the two it is from; by the chain rule of mutual information (Cover &
    Thomas 2006, 2.5) it is the sum of what the place tells and of what the outcome tells to one who knows the place.
    Returns (what the outcome tells, what the place tells), bits a slot [shape=(...)], each from 0 (nothing) to 1 (all);
    NaN where one of the two has no counts. A place that only one of them has tells nothing of marking.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = (counts / counts.sum(axis=(-2, -1), keepdims=True) for counts in (one, other))
    joint = _divergence(p, q).sum(axis=(-2, -1))
    place = _divergence(p.sum(axis=-1), q.sum(axis=-1)).sum(axis=-1)
    return np.maximum(joint - place, 0), place


def _divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The terms of the divergence of two distributions, bits; NaN stays NaN."""
    mean = (p + q) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        terms = [np.where(x == 0, 0.0, x * np.log2(x / mean)) for x in (p, q)]
    return (terms[0] + terms[1]) / 2


def wasserstein(values: np.ndarray, times: np.ndarray, other_values: np.ndarray, other_times: np.ndarray) -> np.ndarray:
    """Wasserstein distance of order 1 between values: how far one has to be moved, on average, to be like the others.

    values [shape=(n,)], times [shape=(..., n)]: how often each counts; the others likewise. The area between the two
    distribution functions (Vallender 1974). Returns it in the values' unit [shape=(...)]; NaN where one side is empty.
    """
    joined = np.concatenate([values, other_values])
    order = np.argsort(joined, kind="stable")
    zeros, other_zeros = np.zeros_like(times), np.zeros_like(other_times)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = [
            np.cumsum(np.concatenate(pair, axis=-1)[..., order], axis=-1) / whole.sum(axis=-1, keepdims=True)
            for pair, whole in (((times, other_zeros), times), ((zeros, other_times), other_times))
        ]
    steps = np.diff(joined[order], append=joined[order][-1:])
    return (np.abs(shares[0] - shares[1]) * steps).sum(axis=-1) if len(joined) else np.full(times.shape[:-1], np.nan)


def median(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Median of values [shape=(n,)] that count `times` [shape=(..., n)] each; NaN where none counts."""
    if not len(values):
        return np.full(times.shape[:-1], np.nan)
    order = np.argsort(values, kind="stable")
    reached, whole = np.cumsum(times[..., order], axis=-1), times.sum(axis=-1, keepdims=True)
    low, high = (values[order][np.argmax(reached >= at, axis=-1)] for at in (whole / 2, whole / 2 + 0.5))
    return np.where(whole[..., 0] > 0, (low + high) / 2, np.nan)
