"""Cutting spoken sentences at their silences and joining them again with silences of a given length.

A piece is a stretch of speech between two silences, with the times of its words. All silence of the voice itself around
it is taken off, so that every pause of the result is one that was asked for, made of zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

REFERENCE_PEAK = 0.6  # usual peak of the voice; silence is told by level below it
_SILENT_DB = -52.0  # quieter is no speech
_QUIET_DB = -35.0  # what a listener's detector takes for a pause
_HOP, _HOP_S = 120, 0.005  # samples, s
_LEAD, _TAIL = 240, 480  # samples kept before the first and after the last sound
_FADE = 120
_BREATH_S = 0.06  # a silence of the voice's own that is long enough to cut at
_LONG_S = 0.12  # one that is cut even where there is no punctuation


@dataclass(frozen=True)
class Slot:
    """The place before a word inside a sentence.

    search: samples [start, end) where its silence may lie. boundary: where the words meet if there is none.
    pause: a pause is asked for. punctuated: punctuation stands here.
    """

    search: tuple[int, int]
    boundary: int
    pause: bool
    punctuated: bool


@dataclass(frozen=True)
class Piece:
    """Speech between two silences.

    samples [n]. words: (word number, start, end) in samples within it, in order.
    quiet_lead, quiet_tail: samples at its ends that are too quiet to be heard as speech.
    """

    samples: np.ndarray
    words: tuple[tuple[int, int, int], ...]
    quiet_lead: int
    quiet_tail: int


def frame_db(samples: np.ndarray) -> np.ndarray:
    """Level of each 5 ms, dB below the voice's usual peak."""
    power = np.square(samples[: len(samples) // _HOP * _HOP], dtype=np.float64).reshape(-1, _HOP).mean(axis=1)
    return 10 * np.log10(np.maximum(power, 1e-14)) - 20 * np.log10(REFERENCE_PEAK)


def cut(samples: np.ndarray, words: Sequence[int], slots: Mapping[int, Slot]) -> list[Piece]:
    """The pieces of one sentence.

    samples [n]. words: the numbers of the words that sound, in order. slots: by word number, for all but the first.
    """
    db = frame_db(samples)
    sounding = np.flatnonzero(db > _SILENT_DB)
    if not len(sounding) or not words:
        return []
    begin, finish = int(sounding[0]) * _HOP, int(sounding[-1] + 1) * _HOP
    pieces: list[Piece] = []
    start, times, opened, floor = begin, [], begin, 0
    for k, word in enumerate(words):
        slot = slots[words[k + 1]] if k + 1 < len(words) else None
        silence = _silence(db, slot) if slot else (finish, len(samples))
        if silence is None:
            boundary = int(np.clip(slot.boundary, opened + 1, finish - 1))
            times.append((word, opened, boundary))
            opened = boundary
            continue
        end, again = max(silence[0], opened + 1), max(silence[1], opened + 1)
        times.append((word, opened, end))
        edges = max(floor, start - _LEAD), min(end + _TAIL, (end + again) // 2 if slot else len(samples))
        pieces.append(_piece(samples, edges, times))
        start = opened = again
        floor, times = (end + again) // 2, []
    return pieces


def _silence(db: np.ndarray, slot: Slot) -> tuple[int, int] | None:
    """Where (samples) the silence of a slot lies, or None if the words there are spoken as one."""
    lo, hi = max(0, slot.search[0] // _HOP), min(len(db), slot.search[1] // _HOP)
    silent = runs(db[lo:hi] <= _SILENT_DB)
    start, end = max(silent, key=lambda run: run[1] - run[0], default=(0, 0))
    length_s = (end - start) * _HOP_S
    if length_s >= (_BREATH_S if slot.pause or slot.punctuated else _LONG_S):
        return (lo + start) * _HOP, (lo + end) * _HOP
    if not slot.pause:
        return None
    near = slice(max(lo, slot.boundary // _HOP - 12), min(hi, slot.boundary // _HOP + 12))
    at = (near.start + int(np.argmin(db[near]))) * _HOP if near.stop > near.start else slot.boundary
    return at, at


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """[start, end) of each stretch where `mask` holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _piece(samples: np.ndarray, edges: tuple[int, int], times: Sequence[tuple[int, int, int]]) -> Piece:
    lo, hi = edges
    sound = samples[lo:hi].copy()
    ramp = np.linspace(0, 1, _FADE, dtype=np.float32)
    sound[:_FADE] *= ramp[: len(sound)]
    sound[-_FADE:] *= ramp[::-1][-len(sound) :]
    loud = np.flatnonzero(frame_db(np.pad(sound, (0, _HOP))) > _QUIET_DB)
    lead = int(loud[0]) * _HOP if len(loud) else 0
    tail = max(0, len(sound) - int(loud[-1] + 1) * _HOP) if len(loud) else 0
    return Piece(sound, tuple((word, a - lo, b - lo) for word, a, b in times), lead, tail)


def join(
    pieces: Sequence[Piece], pauses: Mapping[int, float], *, gap_s: float, lead_s: float, tail_s: float, rate: int
) -> tuple[np.ndarray, dict[int, tuple[int, int]]]:
    """One recording from pieces: samples, and (start, end) of each word in samples.

    pauses: by word number, the silence (s) before a piece that begins with it; other pieces follow after at most
    `gap_s`. lead_s, tail_s: silence before the first and after the last piece.
    """
    parts: list[np.ndarray] = []
    times: dict[int, tuple[int, int]] = {}
    at, quiet = 0, 0
    for n, piece in enumerate(pieces):
        asked = pauses.get(piece.words[0][0], gap_s if n else lead_s)
        silence = max(0, round(asked * rate) - quiet - piece.quiet_lead)
        parts += [np.zeros(silence, dtype=np.float32), piece.samples]
        at += silence
        times.update({word: (at + start, at + end) for word, start, end in piece.words})
        at += len(piece.samples)
        quiet = piece.quiet_tail
    parts.append(np.zeros(max(0, round(tail_s * rate) - quiet), dtype=np.float32))
    return np.concatenate(parts), times
