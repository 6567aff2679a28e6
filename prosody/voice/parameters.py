"""How strongly each marker is spoken: every figure the voice uses, in one place."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from prosody.errors import ProsodyError


@dataclass(frozen=True)
class SpeakParameters:
    """What a marker does to a word or a gap, and what an unmarked word may do.

    rate: speaking rate, 1 is the voice's own.
    emph_*: how far the pitch peaks above the line (st), how much longer the word, how much higher its log energy.
    high_st, low_st: level against the phrase's line. rising_st, falling_st: movement through the voiced part.
    slope_voiced_s, level_voiced_s: a word that rises, falls or is emphasised, or one that is high, low or followed by a
    pause, is lengthened until this much of it is voiced, but at most `stretch` times.
    pause_*_s: shortest and longest silence; one of between is drawn for each pause.
    gap_s: the longest silence where no pause is written.
    movement: how much of the voice's own pitch movement unmarked words keep; level_limit_st, range_limit_st bound it,
    and with energy_limit_db what is asked of them otherwise.
    decline_st_s, decline_st: how fast and how far the line of a phrase sinks. f0_*_hz: no pitch beyond these.
    loudness_lufs: integrated loudness of the result (ITU-R BS.1770, EBU R 128). true_peak_dbtp: no peak beyond it (dB
    of full scale), between samples neither.
    """

    rate: float = 1.0
    emph_st: float = 4.5
    emph_duration: float = 1.5
    emph_energy: float = 1.28
    high_st: float = 4.0
    low_st: float = -4.0
    rising_st: float = 7.0
    falling_st: float = 7.0
    slope_voiced_s: float = 0.25
    level_voiced_s: float = 0.14
    stretch: float = 3.5
    pause_short_s: tuple[float, float] = (0.35, 0.6)
    pause_long_s: tuple[float, float] = (0.95, 1.4)
    gap_s: float = 0.12
    movement: float = 0.5
    level_limit_st: float = 0.6
    range_limit_st: float = 1.2
    energy_limit_db: float = 1.5
    decline_st_s: float = 1.0
    decline_st: float = 1.4
    f0_floor_hz: float = 110.0
    f0_ceiling_hz: float = 380.0
    loudness_lufs: float = -23.0
    true_peak_dbtp: float = -1.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            for number in value if isinstance(value, (tuple, list)) else (value,):
                if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
                    raise ProsodyError(None, field.name, f"is {value!r}", "give a number")
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise ProsodyError(None, name, f"is {value}", f"give a number from {low} to {high}")
        for name in ("pause_short_s", "pause_long_s"):
            span = getattr(self, name)
            if not isinstance(span, (tuple, list)) or len(span) != 2 or not 0 <= span[0] <= span[1] <= 10:
                raise ProsodyError(None, name, f"is {span!r}", "give the shortest and the longest, like (0.35, 0.6)")


_RANGES = (
    ("rate", 0.5, 2.0),
    ("emph_st", 0.0, 8.0),
    ("emph_duration", 1.0, 2.0),
    ("emph_energy", 1.0, 1.3),
    ("high_st", 0.0, 8.0),
    ("low_st", -8.0, 0.0),
    ("rising_st", 0.0, 12.0),
    ("falling_st", 0.0, 12.0),
    ("slope_voiced_s", 0.0, 0.5),
    ("level_voiced_s", 0.0, 0.5),
    ("stretch", 1.0, 5.0),
    ("gap_s", 0.0, 10.0),
    ("movement", 0.0, 2.0),
    ("level_limit_st", 0.0, 12.0),
    ("range_limit_st", 0.0, 12.0),
    ("energy_limit_db", 0.0, 6.0),
    ("decline_st_s", 0.0, 10.0),
    ("decline_st", 0.0, 12.0),
    ("f0_floor_hz", 60.0, 200.0),
    ("f0_ceiling_hz", 200.0, 600.0),
    ("loudness_lufs", -60.0, -6.0),
    ("true_peak_dbtp", -20.0, 0.0),
)
