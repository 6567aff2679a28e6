"""The numbers behind an evidence, as people read them: which measurements speak for a marker, with their units."""

from __future__ import annotations

from collections.abc import Mapping

from prosody.dataset import Word
from prosody.markers import BY_TOKEN, TOKENS
from prosody.notebook import look
from prosody.speech.align import SUPPORTED

_SHOWN = {  # measured key → how it is told
    "pause_before_s": "silence {:.2f} s",
    "f0_level_st": "f0 level {:+.1f} st",
    "f0_level_z": "{:+.1f} spreads",
    "f0_slope_st": "f0 slope {:+.1f} st",
    "f0_slope_z": "{:+.1f} spreads",
    "prominence": "prominence {:+.2f}",
    "f0_excursion_st": "f0 range {:.1f} st",
    "energy_db": "energy {:+.1f} dB",
    "duration_z": "length {:+.1f} sd",
}
_BEHIND = {
    "pause": ("pause_before_s",),
    "high": ("f0_level_st", "f0_level_z"),
    "slope": ("f0_slope_st", "f0_slope_z"),
    "emph": ("prominence", "f0_excursion_st", "energy_db", "duration_z"),
}


def numbers(token: str, measured: Mapping[str, float | None]) -> str:
    """What was measured of a word that speaks for or against a marker, such as "f0 slope −4.1 st, −2.0 spreads".

    Keys that were not measured are left out; "no f0" stands where a pitch could not be.
    """
    kind = BY_TOKEN[token].kind
    if kind == "pitch":
        kind = "high" if token in ("<pitch_high>", "<pitch_low>") else "slope"
    told = []
    for key in _BEHIND[kind]:
        if key not in measured:
            continue
        value = measured[key]
        if value is not None:
            told.append(_SHOWN[key].format(value).replace("-", "−"))
        elif key.startswith("f0") and "no f0" not in told:
            told.append("no f0")
    return ", ".join(told)


def hover(word: Word, heard: tuple[str, ...]) -> str:
    """A word's hover text: its time, what is written and heard, and each marker's evidence with the numbers behind it.

    Only the markers' colours are markup; the word is escaped.
    """
    rows = [f"<b>{look.text(word.text)}</b>  {word.start:.2f} to {word.end:.2f} s"]
    if word.confidence is not None and word.confidence < SUPPORTED:
        rows.append(f"little support in the sound: confidence {word.confidence:.2f}")
    if not word.evidence:
        rows += [look.meaning(token) for token in word.markers]
    for token in TOKENS:
        if token not in word.evidence:
            continue
        signs = [sign for sign, slot in (("written", word.markers), ("heard", heard)) if token in slot]
        row = f"{look.swatch(token)} {word.evidence[token]:.2f}"
        row = f"<b>{row}</b>" if signs else row
        row += f" ({', '.join(signs)})" if signs else ""
        behind = numbers(token, word.measured)
        rows.append(f"{row}  {behind}" if behind else row)
    return look.lines(rows)
