"""What `listen` prints: a table of the markers, those that are lost, and those that nobody wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prosody import markers
from prosody.errors import ProsodyError, one_line
from prosody.markers import MarkedText


def least_share(given: str | None, marked: MarkedText) -> float | None:
    """The share (0..1) that `--min-survival` asks for; None without it.

    Raises ProsodyError for what is no such share, and for a text without a marker, of which none could be lost.
    """
    if given is None:
        return None
    try:
        least = float(given)
    except ValueError:
        least = -1.0
    if not 0 <= least <= 1:
        raise ProsodyError(None, "--min-survival", f"is {given[:40]!r}", "give a share from 0 to 1, as 0.9")
    if not any(markers.counts(marked).values()):
        what = "the text holds no marker, so none can survive"
        raise ProsodyError(None, "--min-survival", what, "give the marked text, or leave the option out")
    return least


def lines(heard: Mapping[str, Any]) -> Iterator[str]:
    """A result of `voice.listen` as text, a line each."""
    from prosody.voice.listen import effect_told

    yield f"{'marker':16}{'written':>8}{'heard':>8}{'survival':>10}   effect (median)"
    for token, found in heard["survival"].items():
        share = f"{100 * found['heard'] / found['written']:.0f} %" if found["written"] else ""
        told = effect_told(token, [one for one in heard["occurrences"] if one["marker"] == token])
        yield f"{token:16}{found['written']:8}{found['heard']:8}{share:>10}   {told}".rstrip()
    slots = heard["slots"]
    yield f"slots without a marker: {slots['unmarked']}, heard as marked: {slots['heard_as_marked']}"
    for one in heard["occurrences"]:
        if not one["survives"]:
            yield f"lost: {one['marker']} {_place(one)}: {one['why_not']}"
    for one in heard["heard_unwritten"]:
        also = ", as in the plain render" if one["in_plain"] else ""
        yield f"not written, but heard: {one['marker']} {_place(one)}: {one['because']}{also}"


def _place(one: Mapping[str, Any]) -> str:
    """Where a marker stands: the number of its word, from 1, and the word."""
    return f"before word {one['word'] + 1}, “{one_line(one['text'])}”" if one["text"] else "after the last word"
