"""What the attributes of SSML's `break` and `prosody` say in markers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_TIME = re.compile(r"\+?((?:\d*\.)?\d+)(ms|s)")
_NUMBER = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(st|%|Hz|dB|)")
_TARGET = re.compile(r"\(\s*([\d.]+)%\s*,\s*([^(),]+?)\s*\)")
_STRENGTH_S = {"none": 0.0, "x-weak": 0.0, "weak": 0.5, "medium": 0.5, "strong": 1.0, "x-strong": 1.0}
_HEIGHT_ST = {"x-low": -4.0, "low": -2.0, "medium": 0.0, "default": 0.0, "high": 2.0, "x-high": 4.0}
_AUDIBLE_ST = 0.5  # less is not called high, low, a rise or a fall
_SLOW, _LOUD, _WIDE = {"slow", "x-slow"}, {"loud", "x-loud"}, {"high", "x-high"}
_UNCHANGED = {"medium", "default"}


def pause_s(attributes: Mapping[str, str]) -> float | None:
    """How long a `break` is, s: its time, or about what its strength sounds like; None if it cannot be read."""
    if "time" in attributes:
        match = _TIME.fullmatch(attributes["time"].strip())
        return float(match[1]) / (1000 if match[2] == "ms" else 1) if match else None
    return _STRENGTH_S.get(attributes.get("strength", "medium").strip())


def pause(seconds: float) -> str | None:
    """The marker of a silence; None below 0.2 s."""
    if seconds < 0.2:
        return None
    return "<pause_long>" if seconds >= 0.8 else "<pause_short>"


def prosody(attributes: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The markers that a `prosody` stands for, and the names of its attributes that no marker says.

    A contour that ends higher or lower than it begins is a rise or a fall and comes before pitch, as the standard
    has it. Two of slower, louder and a wider range together are `<emph>`.
    """
    rest = {key: value.strip() for key, value in attributes.items() if not key.startswith("xmlns")}
    tokens: list[str] = []
    moved = _slope_st(rest["contour"]) if "contour" in rest else None
    level = _pitch_st(rest["pitch"]) if "pitch" in rest else None
    if moved is not None and abs(moved) >= _AUDIBLE_ST:
        tokens.append("<pitch_rising>" if moved > 0 else "<pitch_falling>")
        del rest["contour"]
    elif level is not None:
        del rest["pitch"]
        if abs(level) >= _AUDIBLE_ST:
            tokens.append("<pitch_high>" if level > 0 else "<pitch_low>")
    stressed = [key for key, told in (("rate", _slower), ("volume", _louder), ("range", _wider)) if told(rest.get(key))]
    if len(stressed) >= 2:
        tokens.append("<emph>")
        rest = {key: value for key, value in rest.items() if key not in stressed}
    return tokens, [key for key, value in rest.items() if value not in _UNCHANGED]


def _pitch_st(value: str) -> float | None:
    """A pitch against the voice's own, semitones; None if that cannot be told, as of one in Hz."""
    if value in _HEIGHT_ST:
        return _HEIGHT_ST[value]
    match = _NUMBER.fullmatch(value)
    if not match or match[3] == "dB" or (match[3] == "Hz" and not match[1]):
        return None
    number = float(match[2]) * (-1 if match[1] == "-" else 1)
    if match[3] == "%":
        return 12 * math.log2(1 + number / 100) if number > -100 else -24.0
    if match[3] == "":  # espeak-ng: 0 to 99, and 50 is the voice's own
        return (number - 50) / 5 if not match[1] else None
    return number if match[3] == "st" else number / 10  # some 10 Hz a semitone where voices lie


def _slope_st(value: str) -> float | None:
    """How far a contour's end lies above its beginning, semitones; None if that cannot be read."""
    targets = sorted((float(t), v) for t, v in _TARGET.findall(value) if re.fullmatch(r"\d+\.?\d*|\.\d+", t))
    if len(targets) < 2:
        return None
    first, last = targets[0][1], targets[-1][1]
    hertz = [re.fullmatch(r"(\d+(?:\.\d+)?)Hz", v) for v in (first, last)]
    if all(hertz):
        low, high = (float(match[1]) for match in hertz if match)
        return 12 * math.log2(high / low) if low > 0 and high > 0 and 0 < high / low < math.inf else None
    a, b = _pitch_st(first), _pitch_st(last)
    return None if a is None or b is None else b - a


def _slower(value: str | None) -> bool:
    if not value or value in _SLOW:
        return bool(value)
    match = _NUMBER.fullmatch(value)
    if not match or match[3] not in ("%", ""):
        return False
    return match[1] == "-" or (not match[1] and float(match[2]) < (100 if match[3] else 1))


def _louder(value: str | None) -> bool:
    if not value or value in _LOUD:
        return bool(value)
    match = _NUMBER.fullmatch(value)
    return bool(match) and match[1] == "+" and float(match[2]) > 0


def _wider(value: str | None) -> bool:
    if not value or value in _WIDE:
        return bool(value)
    match = _NUMBER.fullmatch(value)
    return bool(match) and match[1] == "+" and float(match[2]) > 0
