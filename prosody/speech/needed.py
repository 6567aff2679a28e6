"""What it takes to hear a marker, in numbers: the measurement that decides, the range it must lie in, a reason.

The same thresholds as in `prosody.speech.detect`, turned round: from the evidence that is needed to the semitones,
milliseconds or prominence that would give it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prosody import markers
from prosody.speech import detect
from prosody.speech.detect import DetectParameters, Measured

DECIDES: dict[str, tuple[str, str]] = {
    "<emph>": ("prominence", ""),
    "<pause_short>": ("pause_before_s", "ms"),
    "<pause_long>": ("pause_before_s", "ms"),
    "<pitch_high>": ("f0_level_st", "st"),
    "<pitch_low>": ("f0_level_st", "st"),
    "<pitch_rising>": ("f0_slope_st", "st"),
    "<pitch_falling>": ("f0_slope_st", "st"),
}
"""The measurement by which each marker is heard, and the unit it is told in (prominence has none)."""

_DOWN = ("<pitch_low>", "<pitch_falling>")
_WAYS = {"f0_level_st": ("lies {} st above the words around it", "lies {} st below the words around it")}
_WAYS["f0_slope_st"] = ("rises by {} st", "falls by {} st")


@dataclass(frozen=True)
class Needed:
    """What a marker was heard by.

    value: as measured, in the unit of `DECIDES`; None where it could not be. low, high: the range in which the marker
    is heard, None where that is open.
    """

    value: float | None
    low: float | None
    high: float | None


def spreads(measured: Sequence[Measured]) -> dict[str, float]:
    """How much level and slope vary in a recording's words, st: what its z-scores are counted in (0 if unknown)."""
    found = {}
    for name in ("f0_level", "f0_slope"):
        pairs = [(one[f"{name}_st"], one[f"{name}_z"]) for one in measured]
        known = [(abs(st), abs(z)) for st, z in pairs if st is not None and z]
        st, z = max(known, default=(0.0, 1.0))  # the largest, where rounding matters least
        found[name] = st / z
    return found


def needed(
    token: str, measured: Measured, spread_st: Mapping[str, float], parameters: DetectParameters | None = None
) -> Needed:
    """The measurement by which a marker is heard in a word, and the range it must lie in.

    spread_st: of the recording, as from `spreads`. parameters: the thresholds of the detection.
    """
    p = parameters or DetectParameters()
    name, unit = DECIDES[token]
    value = measured[name]
    if token == "<emph>":
        return Needed(value, p.emph_prominence, None)
    if unit == "ms":
        short, long = 1000 * p.pause_short_s, 1000 * p.pause_long_s
        value = None if value is None else round(1000 * value, 1)
        return Needed(value, long, None) if token == "<pause_long>" else Needed(value, short, long)
    accented = detect.accent(measured["prominence"], p)
    if name == "f0_level_st":
        least = max(p.level_st + p.accent_level_st * accented, p.level_z * spread_st["f0_level"])
    else:
        least = max(p.slope_st + p.accent_slope_st * accented, p.slope_z * spread_st["f0_slope"])
    least = round(least, 3)
    return Needed(value, None, -least) if token in _DOWN else Needed(value, least, None)


def told(token: str, asked: Needed, *, digits: int = 1) -> str:
    """The measurement in words: "f0 rises by 1.1 st", "the silence is 120 ms", "prominence is 4.2".

    asked: as from `needed`. digits: behind the point, but for milliseconds.
    """
    name, unit = DECIDES[token]
    if asked.value is None:
        return "too little of it is voiced to have a pitch" if unit == "st" else "it could not be measured"
    if unit == "ms":
        return f"the silence is {asked.value:.0f} ms"
    if not unit:
        return f"prominence is {asked.value:.{digits}f}".replace("-", "−")
    return "f0 " + _WAYS[name][asked.value < 0].format(f"{abs(asked.value):.{digits}f}")


def reason(token: str, asked: Needed, found: Mapping[str, float], heard: Sequence[str]) -> str | None:
    """Why a marker is not heard, in one line; None if it is.

    asked: as from `needed`. found: token → evidence. heard: the markers that are heard in its place.
    """
    if token in heard:
        return None
    if asked.value is None:
        return told(token, asked)
    if asked.low is not None and asked.value < asked.low:
        return _short_of(token, asked, asked.low)
    if asked.high is not None and asked.value > asked.high:
        return _short_of(token, asked, asked.high)
    kind = markers.BY_TOKEN[token].kind
    other = next((one for one in heard if markers.BY_TOKEN[one].kind == kind), None)
    if other is None:
        return f"{told(token, asked)}, just what is needed"
    return f"{told(token, asked)}, but it sounds more like {other} ({found[other]:.2f} against {found[token]:.2f})"


def _short_of(token: str, asked: Needed, limit: float) -> str:
    """What is measured, and what was needed instead."""
    _, unit = DECIDES[token]
    if unit == "ms":
        return f"{told(token, asked)}, {'' if asked.value < limit else 'less than '}{limit:.0f} are needed"
    digits = 1 if f"{asked.value:.1f}" != f"{limit:.1f}" else 3
    need = f"{abs(limit):.{digits}f}"
    other_way = " the other way" if unit and (asked.value < 0) != (limit < 0) else ""
    return f"{told(token, asked, digits=digits)}, {need}{other_way} {'are' if unit else 'is'} needed"
