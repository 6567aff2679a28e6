"""A transcript's markers held against what is heard: how many agree, and the places to look at first."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prosody import markers
from prosody.speech.detect import HEARD, agreement

Slots = Sequence[Sequence[str]]
_CLOSE = 0.2  # least doubt of a close call: evidence from 0.1 to 0.9


def compare(written: Slots, heard: Slots) -> dict[str, dict[str, float]]:
    """Marker by marker: `detect.agreement`'s figures, and in how many slots the two agree and how they differ.

    written, heard: the markers of each word. Beside agreement's keys stand: supported (written and heard), not_heard
    (written only) and not_written (heard only). Empty if nothing at all is written: then there is nothing to compare.
    """
    if not any(written):
        return {}
    table = agreement(written, heard)
    for token, row in table.items():
        both = sum(token in w and token in h for w, h in zip(written, heard, strict=True))
        row |= {"supported": both, "not_heard": row["written"] - both, "not_written": row["heard"] - both}
    return table


@dataclass(frozen=True)
class Place:
    """A slot that a person should look at.

    index: of its word, among all. written, heard: the marker of one kind there, or None. token: the marker whose
    evidence is in question, which need be neither where the evidence is just too weak. doubt: 0..1, how far what is
    written and the evidence lie apart or, with nothing written, how near the evidence comes to the threshold.
    """

    index: int
    written: str | None
    heard: str | None
    token: str
    doubt: float


def doubtful(
    written: Slots, heard: Slots, evidence: Sequence[Mapping[str, float]], *, n: int = 10
) -> tuple[Place, ...]:
    """The `n` most doubtful places, most doubtful first.

    written, heard: the markers of each word; evidence: token → 0..1 of each. With markers written, these are the slots
    where the two differ; with none, those whose evidence is nearest to the threshold, heard or just not heard. Of one
    sort (a marker that is written only, say) at most a third is taken as long as there are others.
    """
    places = _differences(written, heard, evidence) if any(written) else _close_calls(heard, evidence)
    ranked = sorted(places, key=lambda place: (-place.doubt, place.index))
    seen: Counter[tuple[str | None, str | None]] = Counter()
    order = []
    for place in ranked:
        sort = place.written, place.heard
        order.append((seen[sort] // max(1, n // 3), -place.doubt, place.index, place))
        seen[sort] += 1
    first = heapq.nsmallest(n, order, key=lambda one: one[:3])
    return tuple(place for *_, place in first)


def _differences(written: Slots, heard: Slots, evidence: Sequence[Mapping[str, float]]) -> Iterator[Place]:
    for index, (w, h, found) in enumerate(zip(written, heard, evidence, strict=True)):
        for kind in markers.KINDS:
            one, other = _of_kind(w, kind), _of_kind(h, kind)
            token = other or one
            if token and one != other:
                missed = 0.0 if one is None else 1 - found[one]
                unasked = 0.0 if other is None else found[other]
                yield Place(index, one, other, token, max(missed, unasked))


def _close_calls(heard: Slots, evidence: Sequence[Mapping[str, float]]) -> Iterator[Place]:
    for index, (h, found) in enumerate(zip(heard, evidence, strict=True)):
        for kind in markers.KINDS:
            best = max((t for t in markers.TOKENS if markers.BY_TOKEN[t].kind == kind), key=lambda t: found[t])
            near = 1 - abs(found[best] - HEARD) / max(HEARD, 1 - HEARD)
            if near >= _CLOSE:
                yield Place(index, None, _of_kind(h, kind), best, near)


def _of_kind(slot: Sequence[str], kind: str) -> str | None:
    return next((token for token in slot if markers.BY_TOKEN[token].kind == kind), None)
