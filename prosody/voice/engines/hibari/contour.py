"""The pitch of a spoken sentence: a calm line for the words without markers, a clear shape for those with one.

Pitch is planned in semitones (st) about a line that sinks through each phrase. A word's shape is a few knots over its
voiced frames; between knots the pitch moves straight and is then smoothed. Unmarked words keep part of the movement
that the voice itself would make, within bounds, so that none of them does by chance what a marker asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from prosody.voice.parameters import SpeakParameters
from prosody.voice.pieces import runs

VOICED_HZ = 60.0
_FRAME_S = 0.0125
REFERENCE_HZ = 190.0
"""The built-in voice's usual pitch; semitones are counted from here."""
_PHRASE_LEVEL_ST = 0.4  # how far a phrase may lie from the usual pitch
_SMOOTHING = np.hanning(7)[1:-1] / np.hanning(7)[1:-1].sum()  # 5 frames, 62 ms
_MEETING = 0.4  # where neighbours meet: this share of a marked word's height ...
_MEETING_LEVEL = 0.7  # ... and of a high or low one's, which is to stay level
_LOW_DIP = 0.4  # of the peak of an emphasised word: how far one that is low goes above and below that level
_MICRO = 0.3  # share kept of the movement within a syllable


@dataclass(frozen=True)
class Shape:
    """A word on the frame grid: its frames [start, end), where its stress lies, its markers, its place in a phrase.

    level_st, slope_st: how it is to lie and move if it has no pitch of its own; None: as the voice itself would.
    """

    start: int
    end: int
    stress: int
    markers: tuple[str, ...]
    opens_phrase: bool = False
    closes_phrase: bool = False
    level_st: float | None = None
    slope_st: float | None = None


@dataclass(frozen=True)
class Pitch:
    """The pitch asked for through a word, Hz: median, at its first and last voiced frame, highest."""

    level_hz: float
    start_hz: float
    end_hz: float
    peak_hz: float


def plan(
    f0_hz: np.ndarray, voiced: np.ndarray, shapes: Sequence[Shape], parameters: SpeakParameters
) -> tuple[np.ndarray, list[Pitch | None]]:
    """The pitch to speak with, and what that asks of each word (None for a word without voiced frames).

    f0_hz [n_frames]: the voice's own pitch, near 0 where unvoiced. voiced [n_frames]: the frames that get a pitch;
    the others stay as they are.
    """
    if not voiced.any():
        return f0_hz, [None] * len(shapes)
    frames = np.arange(len(f0_hz))
    own_st = _without_edges(f0_hz > VOICED_HZ, 12 * np.log2(np.maximum(f0_hz, VOICED_HZ) / REFERENCE_HZ))
    line = _line(voiced, own_st, shapes, parameters)
    rest = (own_st - line) * parameters.movement
    knots: list[tuple[float, float]] = []
    for shape in shapes:
        inside = shape.start + np.flatnonzero(voiced[shape.start : shape.end])
        if len(inside):
            own = _knots(shape, inside, rest, parameters)
            joined = (
                voiced[max(0, inside[0] - 2)] and not shape.opens_phrase,
                voiced[min(len(voiced) - 1, inside[-1] + 2)] and not shape.closes_phrase,
            )
            knots += _eased(shape, own, inside, joined) if has_shape(shape.markers) else own
    at, height = (np.array(one) for one in zip(*sorted(knots), strict=True)) if knots else (np.zeros(1), np.zeros(1))
    curve = line + _smooth(np.interp(frames, at, height))
    curve += _micro(voiced, own_st, shapes) * parameters.movement * _MICRO
    planned = np.clip(REFERENCE_HZ * 2 ** (curve / 12), parameters.f0_floor_hz, parameters.f0_ceiling_hz)
    planned = np.where(voiced, planned, f0_hz).astype(np.float32)
    return planned, [_pitch(planned, voiced, shape) for shape in shapes]


def _without_edges(voiced: np.ndarray, st: np.ndarray) -> np.ndarray:
    """Pitch with the frames where voicing sets in and dies off, which fall steeply, levelled to their neighbours.

    Unvoiced frames are bridged in a straight line.
    """
    trusted = np.zeros_like(voiced)
    for start, end in runs(voiced):
        middle = np.median(st[start:end])
        good = start + np.flatnonzero(np.abs(st[start:end] - middle) < 7)
        trusted[good[1:-1] if len(good) > 4 else good] = True
    good = np.flatnonzero(trusted)
    return np.interp(np.arange(len(st)), good, st[good]) if len(good) else np.zeros_like(st)


def _line(voiced: np.ndarray, own_st: np.ndarray, shapes: Sequence[Shape], parameters: SpeakParameters) -> np.ndarray:
    """The sinking line under each phrase, near the pitch at which the voice itself would speak it."""
    starts = [0] + [shape.start for shape in shapes[1:] if shape.opens_phrase] + [len(voiced)]
    line = np.zeros(len(voiced))
    for start, end in pairwise(starts):
        if end <= start:
            continue
        inside = start + np.flatnonzero(voiced[start:end])
        if not len(inside):
            continue
        level = float(np.clip(np.median(own_st[inside]), -_PHRASE_LEVEL_ST, _PHRASE_LEVEL_ST))
        n_frames = inside[-1] - inside[0] + 1
        fall = min(parameters.decline_st_s * n_frames * _FRAME_S, parameters.decline_st)
        line[start:end] = level + np.interp(np.arange(start, end), [inside[0], inside[-1]], [fall / 2, -fall / 2])
    return line


def _knots(
    shape: Shape, inside: np.ndarray, rest: np.ndarray, parameters: SpeakParameters
) -> list[tuple[float, float]]:
    """(frame, st above the line) through one word; inside: its voiced frames."""
    first, last = float(inside[0]), float(inside[-1])
    emph = "<emph>" in shape.markers
    pitch = next((token for token in shape.markers if token.startswith("<pitch_")), None)
    inset = min(3.0, (last - first) / 5)
    if pitch in ("<pitch_rising>", "<pitch_falling>"):
        rise = parameters.rising_st if pitch == "<pitch_rising>" else -parameters.falling_st
        rise *= 1.35 if emph else 1.0
        return [(first + inset, -rise / 2), (last - min(2.0, inset), rise / 2)]
    level = {"<pitch_high>": parameters.high_st, "<pitch_low>": parameters.low_st}.get(pitch, 0.0)
    if emph:
        peak = float(np.clip(shape.stress, first + (last - first) * 0.25, first + (last - first) * 0.65))
        if level < 0:  # a low accent is a valley: a peak would lift the word out of its low level
            dip = parameters.emph_st * _LOW_DIP
            return [(first, level + dip), (peak - 1, level - dip), (peak + 1, level - dip), (last, level + dip / 2)]
        base, share = (level - 1.0, 0.75) if level else (-0.5, 1.0)
        top = level + parameters.emph_st * share
        return [(first, base), (peak - 1, top), (peak + 1, top), (last, base - 0.5)]
    if pitch:
        return [(first + inset, level), (last - inset, level)]
    return _calm(shape, inside, rest, parameters)


def _eased(
    shape: Shape, knots: list[tuple[float, float]], inside: np.ndarray, joined: tuple[bool, bool]
) -> list[tuple[float, float]]:
    """A marked word's knots, with most of the way from and to its neighbours laid inside it where voice goes on.

    Where it does not, the pitch is held to the word's very end.
    """
    share = _MEETING_LEVEL if {"<pitch_high>", "<pitch_low>"} & set(shape.markers) else _MEETING
    first, last = (share if one else 1.0 for one in joined)
    return [(float(inside[0]), knots[0][1] * first), *knots, (float(inside[-1]), knots[-1][1] * last)]


def has_shape(tokens: Sequence[str]) -> bool:
    """Whether a word with these markers gets a pitch of its own."""
    return any(token.startswith(("<pitch_", "<emph")) for token in tokens)


def _calm(shape: Shape, inside: np.ndarray, rest: np.ndarray, parameters: SpeakParameters) -> list[tuple[float, float]]:
    """Knots of an unmarked word: the voice's own movement, or that asked for, bounded in level and range.

    The last word of a phrase, where the voice likes to fall, is held closer.
    """
    thirds = np.array_split(inside, 3) if len(inside) >= 6 else [inside]
    at = np.array([part.mean() for part in thirds])
    height = np.array([np.median(rest[part]) for part in thirds])
    half = parameters.range_limit_st / (4 if shape.closes_phrase else 2)
    middle = np.median(height)
    asked = middle if shape.level_st is None else shape.level_st
    bound = parameters.level_limit_st / (2 if shape.closes_phrase else 1)
    level = np.clip(asked, -bound, bound)
    moved = height - middle if shape.slope_st is None else np.linspace(-0.5, 0.5, len(at)) * shape.slope_st
    height = level + np.clip(moved, -half, half)
    at = np.concatenate([inside[:1], at, inside[-1:]])  # level to its very ends, whatever its neighbours do
    return list(zip(at.tolist(), np.pad(height, 1, mode="edge").tolist(), strict=True))


def _smooth(curve: np.ndarray) -> np.ndarray:
    half = len(_SMOOTHING) // 2
    return np.convolve(np.pad(curve, half, mode="edge"), _SMOOTHING, mode="valid")


def _micro(voiced: np.ndarray, own_st: np.ndarray, shapes: Sequence[Shape]) -> np.ndarray:
    """The voice's own small movement (st) in unmarked words, 0 elsewhere."""
    wide = np.ones(9) / 9
    slow = np.convolve(np.pad(own_st, 4, mode="edge"), wide, mode="valid")
    micro = np.where(voiced, np.clip(own_st - slow, -1.5, 1.5), 0.0)
    for shape in shapes:
        if has_shape(shape.markers):
            micro[shape.start : shape.end] = 0.0
    return micro


def _pitch(f0_hz: np.ndarray, voiced: np.ndarray, shape: Shape) -> Pitch | None:
    inside = f0_hz[shape.start : shape.end][voiced[shape.start : shape.end]]
    if not len(inside):
        return None
    return Pitch(float(np.median(inside)), float(inside[0]), float(inside[-1]), float(inside.max()))
