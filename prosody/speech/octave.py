"""f0 without octave errors: short stretches of voice that a tracker has put an octave too high or too low.

The local median of the voice tells what is meant; a stretch far from it that lies near it once it is moved by an
octave, and nearer to what is usual in the recording, is moved. Long stretches and smooth glides stay: a voice may well
rise by ten semitones.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

_FAR_ST = 9.0  # from the voice around, further than speech jumps
_NEAR_ST = 4.0  # ... and as near as this to it once moved by an octave
_AROUND_S = 2.0
_LONGEST_S = 0.25  # the tracker is wrong for a syllable, seldom for longer
_GAP_S = 0.05
_JUMP_ST = 4.0  # neighbouring frames further apart than this are not one stretch
_LEAST_FRAMES = 20  # of voice around, to tell by


def without_octave_errors(times: np.ndarray, f0_hz: np.ndarray) -> np.ndarray:
    """f0 with the stretches moved that lie an octave off.

    times [shape=(n,)]: s, in order. f0_hz [shape=(n,)]: Hz, NaN where unvoiced. Returns Hz [shape=(n,)], as voiced.
    """
    voiced = np.flatnonzero(np.isfinite(f0_hz))
    if len(voiced) < _LEAST_FRAMES:
        return f0_hz
    at, st = times[voiced], 12 * np.log2(f0_hz[voiced])
    corrected = st.copy()
    for first, stop in _stretches(at, st):
        if at[stop - 1] - at[first] > _LONGEST_S:
            continue
        around = slice(*np.searchsorted(at, [at[first] - _AROUND_S, at[stop - 1] + _AROUND_S]))
        others = np.concatenate([st[around.start : first], st[stop : around.stop]])
        level, usual = float(np.median(st[first:stop])), float(np.median(st))
        off = level - (float(np.median(others)) if len(others) >= _LEAST_FRAMES else usual)
        moved = level - np.sign(off) * 12
        if abs(off) > _FAR_ST and abs(moved - level + off) < _NEAR_ST and abs(moved - usual) < abs(level - usual):
            corrected[first:stop] -= np.sign(off) * 12
    found = f0_hz.copy()
    found[voiced] = 2 ** (corrected / 12)
    return found


def _stretches(at: np.ndarray, st: np.ndarray) -> list[tuple[int, int]]:
    """Voiced frames without a gap or a jump between them: first, and the one after the last."""
    breaks = np.flatnonzero((np.diff(at) > _GAP_S) | (np.abs(np.diff(st)) > _JUMP_ST)) + 1
    edges = [0, *breaks.tolist(), len(at)]
    return list(pairwise(edges))
