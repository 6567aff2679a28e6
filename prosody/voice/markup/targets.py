"""What each target's markup can say of the seven markers, what is written for them, and the public statement behind it.

All of that is data, in targets.json beside this file: a target is a few rows, and a row gives one statement (quoted, or
closely paraphrased, from the page at `source`; where none was found it says so) and what it means for some markers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from prosody.errors import ProsodyError
from prosody.markers import TOKENS

HONOURED, APPROXIMATED, IMPOSSIBLE = "honoured", "approximated", "impossible"
CAPITALS = "CAPITALS"


@dataclass(frozen=True)
class Capability:
    """How far a target takes one marker.

    support: honoured, approximated or impossible. written: an XML element that goes around the word, or, empty (`/>`),
    before it; a tag that goes before it; CAPITALS, for the word itself; or "", for nothing. Braces hold figures, as
    `{high_st}`, which `compile_markup` fills in. limit: what is lost. statement: what the vendor says publicly; source:
    the address of the page that says it.
    """

    support: str
    written: str
    statement: str
    source: str
    limit: str = ""


@dataclass(frozen=True)
class Target:
    """One kind of markup.

    title: its name for people. capabilities: marker → capability, in wire order. opening, closing: around the whole
    text, with `{lang}` and `{voice}`; empty where the target is no XML. voice: the default, "" where the markup names
    none. neutral: characters that the target would take for its own markup in a word → what is written for them.
    note: what else its user must know.
    """

    name: str
    title: str
    capabilities: Mapping[str, Capability]
    opening: str
    closing: str
    voice: str
    neutral: Mapping[str, str]
    note: str

    @property
    def is_xml(self) -> bool:
        """Whether the markup is XML."""
        return bool(self.opening)


def get(name: str) -> Target:
    """The target of that name. Raises ProsodyError if there is none."""
    known = targets()
    if name not in known:
        raise ProsodyError(None, "target", f"there is no target “{name}”", f"use one of: {', '.join(known)}")
    return known[name]


@cache
def targets() -> Mapping[str, Target]:
    """All targets by name."""
    data = json.loads(Path(__file__).with_name("targets.json").read_text(encoding="utf-8"))
    return MappingProxyType({name: _target(name, **entry) for name, entry in data.items()})


def _target(
    name: str,
    *,
    title: str,
    rows: list[dict],
    opening: str = "",
    closing: str = "",
    voice: str = "",
    neutral: Mapping[str, str] | None = None,
    note: str = "",
) -> Target:
    table = {
        token: Capability(row["support"], written, row["statement"], row["source"], row.get("limit", ""))
        for row in rows
        for token, written in row["writes"].items()
    }
    ordered = MappingProxyType({token: table[token] for token in TOKENS})
    return Target(name, title, ordered, opening, closing, voice, MappingProxyType(neutral or {}), note)
