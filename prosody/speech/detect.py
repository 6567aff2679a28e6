"""Which markers the sound supports: for every word and marker an evidence from 0 to 1, and a decision.

Each evidence is a logistic ramp about a threshold (0.5 at the threshold itself). Where the thresholds come from: 0.2 s
is about where a silence is heard as a pause and not as a closure (Zellner 1994), 0.8 s is where segments are cut; a
pitch movement must exceed some 3 semitones to be told reliably from another in running speech ('t Hart 1981), a
difference of level is heard from 1.5 semitones on (Rietveld and Gussenhoven 1985). Emphasis is f0 excursion, energy and
duration together with what the word makes likely (`prosody.speech.prominence`); its ramp is wide, so that its evidence
ranks words well below the threshold too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prosody import markers
from prosody.errors import ProsodyError

Measured = Mapping[str, float | None]
HEARD = 0.5  # least evidence of a marker that is heard


@dataclass(frozen=True)
class DetectParameters:
    """All thresholds. *_width: from the threshold to an evidence of 0.73. Semitones (st), seconds, dB, z-scores.

    *_z: what a movement or shift must also be, in the spread of this speaker's words: a lively voice must do more
    than a flat one.
    accent_*: by how much more an emphasised word must move or be shifted to carry a pitch marker too, since the accent
    itself raises it and lets it fall.
    """

    pause_short_s: float = 0.2
    pause_long_s: float = 0.8
    pause_width_s: float = 0.02
    slope_st: float = 3.0
    slope_width_st: float = 0.5
    level_st: float = 2.0
    level_width_st: float = 0.4
    slope_z: float = 1.5
    level_z: float = 1.5
    width_z: float = 0.25
    accent_slope_st: float = 2.5
    accent_level_st: float = 1.5
    emph_prominence: float = 5.5
    emph_prominence_width: float = 1.2

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not math.isfinite(value) or ("width" in name and value <= 0):
                raise ProsodyError(None, name, f"is {value!r}", "give a finite number; a width must be above 0")
        if self.pause_short_s >= self.pause_long_s:
            raise ProsodyError(None, "pause_short_s", "is not below pause_long_s", "give a smaller one")


def _ramp(value: float | None, threshold: float, width: float) -> float:
    """A logistic ramp; 0 for what could not be measured."""
    if value is None:
        return 0.0
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, (value - threshold) / width))))


def accent(prominence: float | None, parameters: DetectParameters) -> float:
    """How surely a word is accented, 0..1, which is how much of `accent_*` its pitch markers need on top."""
    return _ramp(prominence, parameters.emph_prominence, parameters.emph_prominence_width / 2)


def evidence(measured: Measured, parameters: DetectParameters | None = None) -> dict[str, float]:
    """How strongly a word's measurements support each marker: token → 0..1. Unvoiced words support no pitch marker."""
    p = parameters or DetectParameters()
    pause = measured["pause_before_s"]
    is_pause = _ramp(pause, p.pause_short_s, p.pause_width_s)
    is_long = _ramp(pause, p.pause_long_s, p.pause_width_s)
    standing_out = measured["prominence"]
    accented = accent(standing_out, p)

    def movement(name: str, sign: int, threshold_st: float, width_st: float, threshold_z: float) -> float:
        value, z = measured[f"{name}_st"], measured[f"{name}_z"]
        if value is None or z is None:
            return 0.0
        is_large = _ramp(sign * value, threshold_st, width_st)
        return min(is_large, _ramp(sign * z, threshold_z, p.width_z))

    level = (p.level_st + p.accent_level_st * accented, p.level_width_st, p.level_z)
    slope = (p.slope_st + p.accent_slope_st * accented, p.slope_width_st, p.slope_z)
    found = {
        "<emph>": _ramp(standing_out, p.emph_prominence, p.emph_prominence_width),
        "<pause_short>": is_pause * (1 - is_long),
        "<pause_long>": is_long,
        "<pitch_high>": movement("f0_level", 1, *level),
        "<pitch_low>": movement("f0_level", -1, *level),
        "<pitch_rising>": movement("f0_slope", 1, *slope),
        "<pitch_falling>": movement("f0_slope", -1, *slope),
    }
    return {token: round(value, 4) for token, value in found.items()}


def decide(found: Mapping[str, float]) -> tuple[str, ...]:
    """The markers that are heard before a word, in canonical order: of each kind the one with most evidence, if enough.

    found: token → evidence, as from `evidence`; what is missing is 0.
    """
    heard = []
    for kind in markers.KINDS:
        best = max((t for t in markers.TOKENS if markers.BY_TOKEN[t].kind == kind), key=lambda t: found.get(t, 0.0))
        if found.get(best, 0.0) >= HEARD:
            heard.append(best)
    return tuple(heard)


def detect(measured: Sequence[Measured], parameters: DetectParameters | None = None) -> list[tuple[str, ...]]:
    """The markers heard before each word."""
    return [decide(evidence(one, parameters)) for one in measured]


def agreement(written: Sequence[Sequence[str]], heard: Sequence[Sequence[str]]) -> dict[str, dict[str, float]]:
    """Written against heard, marker by marker: token → precision, recall, f1, kappa (Cohen 1960) and the counts.

    Precision is the share of those heard that are written. Figures without anything to count are 0.
    """
    table = {}
    n = len(written)
    for token in markers.TOKENS:
        w, h = [token in slot for slot in written], [token in slot for slot in heard]
        both, n_written, n_heard = sum(a and b for a, b in zip(w, h, strict=True)), sum(w), sum(h)
        same = sum(a == b for a, b in zip(w, h, strict=True)) / n if n else 0.0
        by_chance = (n_written * n_heard + (n - n_written) * (n - n_heard)) / n**2 if n else 0.0
        table[token] = {
            "precision": both / n_heard if n_heard else 0.0,
            "recall": both / n_written if n_written else 0.0,
            "f1": 2 * both / (n_written + n_heard) if n_written + n_heard else 0.0,
            "kappa": (same - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0,
            "written": n_written,
            "heard": n_heard,
        }
    return table
