"""Placing markers: plain words in, the same words with the speaker's markers out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from prosody import markers
from prosody.errors import ProsodyError
from prosody.lm import placing, windows
from prosody.markers import MarkedText, MarkedWord

if TYPE_CHECKING:
    from prosody.lm.checkpoint import Adapter


@dataclass(frozen=True)
class Marked:
    """A marked text, and what it rests on.

    probabilities: for each word that of each marker, {token: 0..1}. thresholds: the least probability at which each
    marker is placed in this text; infinite where it never is. reasons: for each word why each marker stands before it
    or does not, {token: reason}; the reasons are those of `prosody.lm.placing`. measured: what each word should
    measure in the speaker's mouth, {name: value, less that of the speaker's median word} (pauses as `lm.acoustic.table`
    has them), which `voice.speak` takes for a `shape`; empty where the adapter has learned no measurements.
    """

    text: MarkedText
    probabilities: tuple[dict[str, float], ...]
    thresholds: dict[str, float] = field(default_factory=dict)
    reasons: tuple[dict[str, str], ...] = ()
    measured: tuple[dict[str, float], ...] = ()

    def __str__(self) -> str:
        return markers.render(self.text)

    @property
    def nothing(self) -> tuple[dict[str, float], ...]:
        """For each word the probability that no marker of a kind stands before it, {kind: 0..1}."""
        return tuple(
            {
                kind: max(0.0, 1 - sum(p for t, p in one.items() if markers.BY_TOKEN[t].kind == kind))
                for kind in markers.KINDS
            }
            for one in self.probabilities
        )

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values; a threshold that is infinite is null."""
        slots = zip(self.text.words, self.probabilities, self.nothing, self.reasons, strict=True)
        return {
            "marked": str(self),
            "plain": markers.plain(self.text),
            "final": self.text.final,
            "thresholds": {t: x if isfinite(x) else None for t, x in self.thresholds.items()},
            "words": [
                {"text": w.text, "markers": list(w.markers), "probabilities": p, "nothing": none, "reasons": why}
                for w, p, none, why in slots
            ],
        }


def mark(
    text: str | MarkedText,
    adapter: Adapter,
    *,
    expressiveness: float = 1.0,
    allow: Iterable[str] | None = None,
    forbid: Iterable[str] = (),
    threshold: float | None = None,
    untuned: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Marked:
    """Place markers before the words of `text`; no word changes, and markers already written stay.

    expressiveness: how many, from 0 (none) over 1 (the speaker's own rate, as far as the text gives occasion) to 2;
    what is placed at a lower value is placed at a higher one, too. allow, forbid: markers, as "<emph>" or "emph", that
    alone may be placed, and that may not. threshold: in place of expressiveness, the least probability of any marker
    placed. untuned: with the adapter switched off, for comparison, and by the adapter's own threshold, since the base
    knows of no speaker's rate. progress is called with (words done, words in all).
    No pause is placed before the first word. The same text is always marked the same: nothing is drawn.
    Raises ProsodyError if `text` breaks the grammar, and for a number out of its bounds or a name that is no marker.
    """
    how = {"allow": allow, "forbid": forbid, "threshold": threshold, "untuned": untuned, "progress": progress}
    return mark_all([text], adapter, expressiveness=expressiveness, **how)[0]


def mark_all(
    texts: Sequence[str | MarkedText],
    adapter: Adapter,
    *,
    expressiveness: float = 1.0,
    allow: Iterable[str] | None = None,
    forbid: Iterable[str] = (),
    threshold: float | None = None,
    untuned: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Marked]:
    """Mark several texts, each as `mark` would, but read together: many short ones take less time so."""
    if untuned and threshold is None:
        threshold = float(adapter.card["threshold"])
    rule = _rule(adapter, expressiveness=expressiveness, allow=allow, forbid=forbid, threshold=threshold)
    given = [markers.parse(text) if isinstance(text, str) else text for text in texts]
    words = [[w.text for w in one.words] for one in given]
    with adapter.untuned() if untuned else nullcontext(adapter.model) as model:
        found = windows.read(words, adapter, model, progress=progress)
    return [
        replace(_decided(one, read.probabilities, rule), measured=() if untuned else _measured(read.measured, adapter))
        for one, read in zip(given, found, strict=True)
    ]


def mark_again(
    marked: Marked,
    adapter: Adapter,
    *,
    expressiveness: float = 1.0,
    allow: Iterable[str] | None = None,
    forbid: Iterable[str] = (),
    threshold: float | None = None,
) -> Marked:
    """The same text with more markers, fewer, or others, at once: the model doesn't read it anew.

    marked: what `mark` gave, from which the user's own markers are known. The options, and what is raised, are those of
    `mark`; the result is what it would give.
    """
    rule = _rule(adapter, expressiveness=expressiveness, allow=allow, forbid=forbid, threshold=threshold)
    pairs = zip(marked.text.words, marked.reasons, strict=True)
    words = tuple(MarkedWord(w.text, tuple(t for t in w.markers if why[t] == placing.WRITTEN)) for w, why in pairs)
    table = np.array([[one[token] for token in markers.TOKENS] for one in marked.probabilities])
    again = _decided(MarkedText(words, marked.text.final), table.reshape(-1, len(markers.TOKENS)), rule)
    again = replace(again, measured=marked.measured)
    for k, why in enumerate(marked.reasons):
        if placing.REMOVED in why.values():
            again = set_slot(again, k, marked.text.words[k].markers)
    return again


def read_again(marked: Marked, adapter: Adapter) -> Marked:
    """The same markers for the same reasons, with what the adapter says of each slot, read anew."""
    (found,) = windows.read([[word.text for word in marked.text.words]], adapter, adapter.model)
    probabilities = _named(found.probabilities, markers.TOKENS)
    return replace(marked, probabilities=probabilities, measured=_measured(found.measured, adapter))


def set_slot(marked: Marked, slot: int, tokens: Iterable[str]) -> Marked:
    """The same text with exactly `tokens` in one slot: they count as the user's, and so does each kind left empty.

    slot: number of the word it stands before, from 0; the number of words for the one after the last.
    Raises ProsodyError for a slot that isn't there, for markers that exclude each other or are none, and for one that
    can't stand after the last word.
    """
    n, where = len(marked.text.words), f"slot {slot}"
    if not 0 <= slot <= n:
        raise ProsodyError(None, where, "is not in the text", f"give a number from 0 to {n}")
    try:
        chosen = markers.canonical(tokens)
    except ValueError as error:
        raise ProsodyError(None, where, str(error), "choose one of a kind: pause, pitch, <emph>") from error
    if slot == n:
        if any(markers.BY_TOKEN[token].kind != "pause" for token in chosen):
            raise ProsodyError(None, "after the last word", "only a pause may stand", "choose a pause")
        return replace(marked, text=replace(marked.text, final=chosen[0] if chosen else None))
    words, reasons = list(marked.text.words), list(marked.reasons)
    words[slot] = replace(words[slot], markers=chosen)
    kinds = {markers.BY_TOKEN[token].kind for token in chosen}
    reasons[slot] = {
        token: placing.WRITTEN if token in chosen else placing.TAKEN if one.kind in kinds else placing.REMOVED
        for token, one in markers.BY_TOKEN.items()
    }
    return replace(marked, text=replace(marked.text, words=tuple(words)), reasons=tuple(reasons))


def by_hand(marked: Marked) -> frozenset[int]:
    """The slots, by number, in which a marker is the user's, or was taken out by the user."""
    found = {k for k, why in enumerate(marked.reasons) if set(placing.BY_USER) & set(why.values())}
    return frozenset(found | ({len(marked.text.words)} if marked.text.final else set()))


def _rule(
    adapter: Adapter,
    *,
    expressiveness: float,
    allow: Iterable[str] | None,
    forbid: Iterable[str],
    threshold: float | None,
) -> placing.Rule:
    """How markers are to be placed, as the adapter's card and the options have it."""
    rates = adapter.card["rate_by_marker"] or dict.fromkeys(markers.TOKENS, 0.0)
    return placing.Rule(
        expressiveness=expressiveness,
        sure=float(adapter.card["threshold"]),
        rates={token: rates[token] / 100 for token in markers.TOKENS},
        tokens=placing.permitted(allow, forbid),
        threshold=threshold,
    )


def _decided(given: MarkedText, table: np.ndarray, rule: placing.Rule) -> Marked:
    """One text with its markers. table [shape=(n_words, n_markers)]: their probabilities, in wire order."""
    columns = dict(zip(markers.TOKENS, table.T, strict=True))
    limits = placing.thresholds(columns, rule)
    words, reasons = placing.place(given.words, columns, limits, rule)
    return Marked(MarkedText(words, given.final), _named(table, markers.TOKENS), limits, reasons)


def _named(table: np.ndarray, names: Sequence[str]) -> tuple[dict[str, float], ...]:
    """The rows of a table [shape=(n_words, n_names)] as dicts."""
    return tuple(dict(zip(names, row, strict=True)) for row in table.tolist())


def _measured(table: np.ndarray, adapter: Adapter) -> tuple[dict[str, float], ...]:
    """What the words of a text should measure, by name. table [shape=(n_words, n_names)]: see `windows.Reading`."""
    return _named(table, adapter.head[1].names) if adapter.head else ()
