"""Marked text as other engines' markup, with a report of what they cannot honour; and SSML back to marked text."""

from prosody.voice.markup.compile import Compiled, Departure, compile_markup, figures
from prosody.voice.markup.read import Read, read_ssml
from prosody.voice.markup.targets import APPROXIMATED, HONOURED, IMPOSSIBLE, Capability, Target, get, targets

__all__ = [
    "APPROXIMATED",
    "HONOURED",
    "IMPOSSIBLE",
    "Capability",
    "Compiled",
    "Departure",
    "Read",
    "Target",
    "compile_markup",
    "figures",
    "get",
    "read_ssml",
    "targets",
]
