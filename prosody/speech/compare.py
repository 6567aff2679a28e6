"""A transcript held against what is heard: words that the sound does not support, words without f0, how many of its
markers agree, and the places to look at first."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from prosody import markers
from prosody.dataset import Word
from prosody.errors import one_line
from prosody.speech.align import SUPPORTED
from prosody.speech.detect import HEARD, agreement
from prosody.speech.profile import without_f0

Slots = Sequence[Sequence[str]]
MANY_WITHOUT_F0 = 0.25  # of the words; in read and spontaneous speech of a clear voice up to 0.17 have none
_CLOSE = 0.2  # least doubt of a close call: evidence from 0.1 to 0.9


def unsupported(words: Sequence[Word]) -> list[Word]:
    """The words that have little support in the sound: misheard, not said at all, or said elsewhere."""
    return [word for word in words if _is_unsupported(word)]


def support_lines(words: Sequence[Word], *, n: int = 10) -> list[str]:
    """How many words have little support in the sound, in one line; in `n` more, the first of them."""
    found = unsupported(words)
    if words and all(word.confidence is None for word in words):
        return ["How far the sound supports each word is not known: it was aligned by an earlier version."]
    count = f"{len(found):,} of {len(words):,}" if found else f"none of {len(words):,}"
    lines = [f"Words with little support in the sound: {count}" + (":" if found and n else ".")]
    lines += [f"  {word.start:8.2f} s  {one_line(word.text)}  (confidence {word.confidence:.2f})" for word in found[:n]]
    return lines + ([f"  and {len(found) - n:,} more"] if 0 < n < len(found) else [])


def _is_unsupported(word: Word) -> bool:
    return word.confidence is not None and word.confidence < SUPPORTED


def voice_line(measured: Sequence[Mapping[str, float | None]]) -> str:
    """In how many words no pitch marker can be heard, and why, where they are many."""
    n, n_words = without_f0(measured)
    told = "Words without f0, where no pitch marker can be heard: "
    if not n:
        return f"{told}none of {n_words:,}."
    why = ": whispered, creaky or noisy" if is_unvoiced(measured) else ""
    return f"{told}{n:,} of {n_words:,} ({100 * n / n_words:.0f} %){why}."


def is_unvoiced(measured: Sequence[Mapping[str, float | None]]) -> bool:
    """Whether more words have no f0 than in a clear voice."""
    n, n_words = without_f0(measured)
    return n > MANY_WITHOUT_F0 * n_words


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
    evidence is in question, which need be neither where the evidence is just too weak; None where it is the word itself
    that has little support. doubt: 0..1, how far what is written and the evidence lie apart or, with nothing written,
    how near the evidence comes to the threshold; of a word, how unsure it is that it is said there. n_words: of such
    words in a row, the first of which is `index`; the doubt is then that of the least sure one.
    """

    index: int
    written: str | None
    heard: str | None
    token: str | None
    doubt: float
    n_words: int = 1


def doubtful(
    written: Slots,
    heard: Slots,
    evidence: Sequence[Mapping[str, float]],
    *,
    confidence: Sequence[float | None] = (),
    is_marked: bool | None = None,
    n: int = 10,
) -> tuple[Place, ...]:
    """The `n` most doubtful places: words with little support in the sound, then markers, most doubtful first.

    written, heard: the markers of each word; evidence: token → 0..1 of each, 0 where it has none; confidence: of each,
    if it is known; is_marked: whether markers were written in the text that they are of (None: if there are some). With
    markers written, their places are the slots where the two differ; with none, those whose evidence is nearest to the
    threshold, heard or just not heard. Words with little support are not asked about their markers, and several in a
    row are one place. Of one sort (such words, or a marker that is written only) at most a third is taken as long as
    there are others.
    """
    ranked = _unsaid(confidence)
    unsaid = {k for place in ranked for k in range(place.index, place.index + place.n_words)}
    is_marked = any(written) if is_marked is None else is_marked
    places = _differences(written, heard, evidence) if is_marked else _close_calls(heard, evidence)
    ranked += [place for place in places if place.index not in unsaid]
    ranked.sort(key=lambda place: (place.token is not None, -place.doubt, -place.n_words, place.index))
    seen: Counter[tuple[str | None, str | None, bool]] = Counter()
    order = []
    for rank, place in enumerate(ranked):
        sort = place.written, place.heard, place.token is None
        order.append((seen[sort] // max(1, n // 3), rank, place))
        seen[sort] += 1
    first = heapq.nsmallest(n, order, key=lambda one: one[:2])
    return tuple(place for *_, place in first)


def _unsaid(confidence: Sequence[float | None]) -> list[Place]:
    """The places where words have little support, each as long as they follow one another."""
    found: list[Place] = []
    for index, sure in enumerate(confidence):
        if sure is None or sure >= SUPPORTED:
            continue
        last = found[-1] if found else None
        if last is not None and last.index + last.n_words == index:
            found[-1] = replace(last, n_words=last.n_words + 1, doubt=max(last.doubt, 1 - sure))
        else:
            found.append(Place(index, None, None, None, 1 - sure))
    return found


def _differences(written: Slots, heard: Slots, evidence: Sequence[Mapping[str, float]]) -> Iterator[Place]:
    for index, (w, h, found) in enumerate(zip(written, heard, evidence, strict=True)):
        for kind in markers.KINDS:
            one, other = _of_kind(w, kind), _of_kind(h, kind)
            token = other or one
            if token and one != other:
                missed = 0.0 if one is None else 1 - found.get(one, 0.0)
                unasked = 0.0 if other is None else found.get(other, 0.0)
                yield Place(index, one, other, token, max(missed, unasked))


def _close_calls(heard: Slots, evidence: Sequence[Mapping[str, float]]) -> Iterator[Place]:
    for index, (h, found) in enumerate(zip(heard, evidence, strict=True)):
        for kind in markers.KINDS:
            of_kind = [token for token in markers.TOKENS if markers.BY_TOKEN[token].kind == kind]
            best = max(of_kind, key=lambda token: found.get(token, 0.0))
            near = 1 - abs(found.get(best, 0.0) - HEARD) / max(HEARD, 1 - HEARD)
            if near >= _CLOSE:
                yield Place(index, None, _of_kind(h, kind), best, near)


def _of_kind(slot: Sequence[str], kind: str) -> str | None:
    return next((token for token in slot if markers.BY_TOKEN[token].kind == kind), None)
