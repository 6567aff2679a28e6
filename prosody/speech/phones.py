"""How long words take: what their phones would need in careful speech, and what stands against that in a recording.

The inherent durations are those of Klatt, "Synthesis by rule of segmental durations in English sentences" (1979), as
used in MITalk. They are for content words in slow reading; only their ratios matter here, since each speaker's own rate
is set against them.
"""

from __future__ import annotations

from collections.abc import Sequence

_INHERENT_MS = {
    "AA": 240, "AE": 230, "AH": 130, "AO": 240, "AW": 260, "AY": 250, "EH": 150, "ER": 180, "EY": 180, "IH": 135,
    "IY": 155, "OW": 220, "OY": 280, "UH": 160, "UW": 210,
    "L": 80, "R": 80, "W": 80, "Y": 80, "M": 70, "N": 60, "NG": 95, "CH": 120, "JH": 110, "DH": 50, "F": 100,
    "HH": 80, "S": 105, "SH": 105, "TH": 90, "V": 60, "Z": 75, "ZH": 70, "B": 85, "D": 75, "G": 80, "K": 80, "P": 90,
    "T": 75,
}  # fmt: skip
VOWELS = frozenset(("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"))
SONOROUS = VOWELS | {"M", "N", "NG"}
SHORTEST_PHONE_S = 0.03  # three states of 10 ms: the aligner cannot do with less
_OVERHEAD_MS = 30.0


def expected_s(phones: Sequence[str]) -> float:
    """How long a word of these phones takes in careful speech, s; 0 for no phones."""
    return (sum(_INHERENT_MS[phone] for phone in phones) + _OVERHEAD_MS) / 1000 if phones else 0.0
