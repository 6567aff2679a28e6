"""Words, markers and what goes with them as the tiers of a TextGrid, and back.

| tier | holds |
|---|---|
| words | an interval a word |
| markers | on a word's interval its `<emph>` and pitch marker, on the gap before it the pause |
| untimed | points: words that take no time, as a dash, with the markers before them; left out if there are none |
| heard | as `markers`: what the sound supports |
| f0 | points: Hz |
| segments | an interval a segment: its file |

Where a gap has no length, the pause stands on the word's interval. A label of `markers` may also hold the word itself
with its markers, `<emph> it. <pause_long>`: so a pause after a last word that ends with the recording finds its place,
and a word that would read as silence ("sil") stays a word.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from prosody import markers
from prosody.dataset import Word
from prosody.errors import ProsodyError
from prosody.files import PathLike
from prosody.interchange.annotation import SHORTEST_S, Annotation, Part, checked, in_order, slot
from prosody.interchange.textgrid import Interval, IntervalTier, Point, PointTier, TextGrid
from prosody.markers import BY_TOKEN, MarkedText, MarkedWord

SILENCES = frozenset((
    "", "sil", "sp", "spn", "silence", "pau", "_", "#", "(.)", "<eps>", "<unk>", "<sil>", "<sp>", "<p>", "<p:>",
    "<usb>", "<nib>", "<s>", "</s>", "<noise>", "<vocnoise>", "<laugh>", "<breath>", "{sl}", "{sp}", "{ns}", "{lg}",
    "{br}", "{cg}", "[sil]", "[silence]", "[noise]", "[breath]", "[laughter]",
))  # fmt: skip
_WORD_TIERS = ("words", "word", "ort-mau")
_PLACEHOLDER = "…"  # a word after markers that stand alone, so that they parse


def to_textgrid(annotation: Annotation) -> TextGrid:
    """The tiers of an annotation. Words that overlap by a rounding error are trimmed."""
    words = in_order(annotation.words)
    timed = [i for i, word in enumerate(words) if word.end > word.start]
    last = max([1e-3, *(word.end for word in words)])
    end = annotation.end if annotation.end - last >= SHORTEST_S else last
    spans = [(words[i].start, words[i].end) for i in timed]
    tiers: list[IntervalTier | PointTier] = [
        IntervalTier("words", tuple(Interval(*span, words[i].text) for span, i in zip(spans, timed, strict=True)))
    ]
    tiers.append(IntervalTier("markers", _marker_intervals(words, timed, annotation.final, end)))
    if len(timed) < len(words):
        tiers.append(PointTier("untimed", untimed_points(annotation)))
    if annotation.heard is not None:
        said = [Word(w.text, w.start, w.end, heard) for w, heard in zip(words, annotation.heard, strict=True)]
        tiers.append(IntervalTier("heard", _marker_intervals(said, timed, None, end)))
    if annotation.f0:
        points = (Point(time, f"{hz:.1f}") for time, hz in annotation.f0 if 0 <= time <= end)
        tiers.append(PointTier("f0", tuple(points)))
    if annotation.parts:
        tiers.append(IntervalTier("segments", _part_intervals(annotation.parts, end)))
    return TextGrid(0.0, end, tuple(tiers))


def untimed_points(annotation: Annotation) -> tuple[Point, ...]:
    """The words that take no time, with their markers; those at the same time in one label."""
    words = in_order(annotation.words)
    lone = [i for i, word in enumerate(words) if word.end <= word.start]
    points = []
    for time, group in groupby(lone, key=lambda i: words[i].start):
        held = list(group)
        final = annotation.final if held[-1] == len(words) - 1 else None
        marked = MarkedText(tuple(MarkedWord(words[i].text, words[i].markers) for i in held), final)
        points.append(Point(time, markers.render(marked)))
    return tuple(points)


def from_textgrid(
    grid: TextGrid,
    *,
    path: PathLike | None = None,
    tier: str | None = None,
    untimed: Sequence[Point] = (),
) -> Annotation:
    """The words and markers of a TextGrid, this package's own or another's.

    tier: the tier of words; without it, the one named "words", or whose name ends so. Labels for silence are left out,
    a label of several words is shared among them by their letters, markers may stand in the labels of words too. path:
    named in errors. untimed: what to take where there is no such tier.
    Raises ProsodyError, with tier and interval, if there is no tier of words, on an unknown marker, on markers that
    exclude each other or belong to no word, and on a label of `markers` that holds another word than the tier of words.
    """
    chosen = word_tier(grid, path=path, tier=tier)
    beside = _beside(grid, chosen.name)
    marks = beside("markers")
    written = list(marks.intervals) if isinstance(marks, IntervalTier) else []
    named = f"tier “{chosen.name}”"
    items = _timed_items(chosen, written, path)
    final = _place_markers(items, written, marks.name if marks else "", path)
    lone = beside("untimed")
    for point in _as_points(lone) if lone else untimed:
        _insert_untimed(items, point, path, f"tier “{lone.name if lone else 'untimed'}”, at {point.time:.3f} s")
    final = _settle_afters(items, final, path)
    words = tuple(Word(it.text, it.start, it.end, slot(it.markers, path, it.place, it.text)) for it in items)
    kept = beside("segments")
    parts = tuple(Part(i.text, i.start, i.end) for i in kept.intervals if i.text) if _has_intervals(kept) else ()
    places = tuple(it.place for it in items)
    has_markers = isinstance(marks, IntervalTier) or final is not None or any(word.markers for word in words)
    found = Annotation(words, final, grid.end, parts=parts, places=places, has_markers=has_markers)
    return checked(found, path, named)


def word_tier(grid: TextGrid, *, path: PathLike | None = None, tier: str | None = None) -> IntervalTier:
    """The tier of words: the one named `tier`, or "words", or whose name ends so.

    Raises ProsodyError, naming the tiers there are, if there is none or more than one.
    """
    intervals = [one for one in grid.tiers if isinstance(one, IntervalTier)]
    named = (f"“{one.name}”" + (" (points)" if isinstance(one, PointTier) else "") for one in grid.tiers)
    there = ", ".join(named) or "no tiers at all"
    if tier is not None:
        fitting = [one for one in intervals if one.name == tier]
        fitting = fitting or [one for one in intervals if one.name.strip().lower() == tier.strip().lower()]
        if not fitting:
            raise ProsodyError(path, None, f"has no interval tier “{tier}”, but {there}", "name one of them")
        return fitting[0]
    for fits in (*(name.__eq__ for name in _WORD_TIERS), lambda name: name.endswith(_WORD_TIERS)):
        fitting = [one for one in intervals if fits(one.name.strip().lower())]
        if len(fitting) > 1:
            both = ", ".join(f"“{one.name}”" for one in fitting)
            raise ProsodyError(path, None, f"has several tiers of words: {both}", "rename the one to use “words”")
        if fitting:
            return fitting[0]
    raise ProsodyError(path, None, f"has no interval tier “words”, but {there}", "rename the tier of words to “words”")


@dataclass
class _Item:
    """A word being put together. after: a pause written after it."""

    text: str
    start: float
    end: float
    place: str
    markers: list[str] = field(default_factory=list)
    after: str | None = None


def _beside(grid: TextGrid, words_name: str) -> Callable[[str], IntervalTier | PointTier | None]:
    """Finds the tier that goes with the tier of words: "anna - markers" with "anna - words"."""
    match = re.fullmatch(r"(.*?)words?\s*", words_name, re.IGNORECASE | re.DOTALL)
    prefix = (match.group(1) if match else "").lower()

    def find(name: str) -> IntervalTier | PointTier | None:
        wanted = (prefix + name, name)
        return next((one for key in wanted for one in grid.tiers if one.name.strip().lower() == key), None)

    return find


def _has_intervals(tier: IntervalTier | PointTier | None) -> bool:
    return isinstance(tier, IntervalTier)


def _as_points(tier: IntervalTier | PointTier) -> list[Point]:
    """The points of a tier; ELAN makes short intervals of them."""
    if isinstance(tier, PointTier):
        return [point for point in tier.points if point.text.strip()]
    return [Point(one.start, one.text) for one in tier.intervals if one.text.strip()]


def _marker_intervals(
    words: Sequence[Word], timed: Sequence[int], final: str | None, end: float
) -> tuple[Interval, ...]:
    """The labels of a tier of markers."""
    found: list[Interval] = []
    at = 0.0
    for i in timed:
        word, held = words[i], list(words[i].markers)
        if held and BY_TOKEN[held[0]].kind == "pause" and word.start > at:
            found.append(Interval(at, word.start, held.pop(0)))
        last = final if i == len(words) - 1 and word.end >= end else None
        whole = last or word.text.lower() in SILENCES
        label = " ".join([*held, *([word.text] if whole else []), *([last] if last else [])])
        if label:
            found.append(Interval(word.start, word.end, label))
        at = word.end
    ends_timed = not words or (timed and timed[-1] == len(words) - 1)
    if final and ends_timed and at < end:
        found.append(Interval(at, end, final))
    return tuple(found)


def _part_intervals(parts: Iterable[Part], end: float) -> tuple[Interval, ...]:
    """Segments as intervals; where two overlap by a rounding error, the later one starts later."""
    found: list[Interval] = []
    at = 0.0
    for part in parts:
        start, stop = max(at, part.start), min(part.end, end)
        if stop > start:
            found.append(Interval(start, stop, part.name))
            at = stop
    return tuple(found)


def _parsed(label: str, path: PathLike | None, place: str) -> MarkedText:
    try:
        return markers.parse(label)
    except ProsodyError as error:
        raise ProsodyError(path, place, error.what, error.remedy) from None


def _timed_items(tier: IntervalTier, written: Sequence[Interval], path: PathLike | None) -> list[_Item]:
    """The words of a tier. written: of the markers; they may say that what looks like silence is a word."""
    said = {(one.start, one.end): one.text for one in written if one.text}
    items: list[_Item] = []
    for number, one in enumerate(tier.intervals, 1):
        label = one.text.strip()
        if label.lower() in SILENCES and label not in said.get((one.start, one.end), "").split():
            continue
        place = f"tier “{tier.name}”, interval {number} ({one.start:.3f} s)"
        marked = _parsed(label, path, place)
        if not marked.words:
            what = f"{label} stands alone"
            raise ProsodyError(path, place, what, "write a marker before its word, or into a tier “markers”")
        items += _shared(marked, one, place)
    return items


def _shared(marked: MarkedText, interval: Interval, place: str) -> list[_Item]:
    """The words of one label; each takes a part of the interval by how many letters it has, a dash none."""
    sizes = [sum(c.isalnum() for c in word.text) for word in marked.words]
    if not any(sizes):
        sizes = [1] * len(sizes)
    items, done, total = [], 0, sum(sizes)
    span = interval.end - interval.start
    for word, size in zip(marked.words, sizes, strict=True):
        start = interval.start + span * done / total
        done += size
        end = interval.end if done == total else interval.start + span * done / total
        items.append(_Item(word.text, start, end, place, list(word.markers)))
    items[-1].after = marked.final
    return items


def _place_markers(items: list[_Item], written: Sequence[Interval], name: str, path: PathLike | None) -> str | None:
    """Give each label of the markers to its word; returns the pause after the last one, if it stands in the gap."""
    starts, ends = [item.start for item in items], [item.end for item in items]
    final = None
    for number, one in enumerate(written, 1):
        label = one.text.strip()
        if not label:
            continue
        place = f"tier “{name}”, interval {number} ({one.start:.3f} s)"
        under = range(bisect_right(ends, one.start), bisect_left(starts, one.end))
        tokens, said = _label(label, [items[i].text for i in under], path, place)
        if said:
            _apply_words(items, under, said, path, place)
            continue
        kinds = {BY_TOKEN[token].kind for token in tokens}
        owner = _owner(items, under, one, only_pause=kinds == {"pause"})
        if owner is None:
            owner = bisect_left(starts, one.start)
        if owner < len(items):
            joined = [*items[owner].markers, *tokens]
            items[owner].markers = list(slot(joined, path, place, items[owner].text))
        elif kinds == {"pause"}:
            final = slot([*([final] if final else []), *tokens], path, place, "the end")[0]
        else:
            raise ProsodyError(path, place, f"{label} lies after the last word", "put it on the word it acts on")
    return final


def _label(
    label: str, words: list[str], path: PathLike | None, place: str
) -> tuple[tuple[str, ...], MarkedText | None]:
    """The markers of a label, or the marked words that it holds; a marker may stand there without its brackets."""
    chunks = label.split()
    if not set(chunks) & set(words) and all(f"<{chunk.strip('<>')}>" in BY_TOKEN for chunk in chunks):
        label = " ".join(f"<{chunk.strip('<>')}>" for chunk in chunks)
    marked = _parsed(f"{label} {_PLACEHOLDER}", path, place)
    if len(marked.words) == 1:
        return marked.words[0].markers, None
    return (), _parsed(label, path, place)


def _apply_words(items: list[_Item], under: range, said: MarkedText, path: PathLike | None, place: str) -> None:
    """Markers of a label that holds its words, too."""
    there = [items[i].text for i in under]
    size = len(said.words)
    wanted = [word.text for word in said.words]
    fitting = [k for k in range(len(there) - size + 1) if there[k : k + size] == wanted]
    if not fitting:
        other = f"“{' '.join(there)[:40]}”" if there else "nothing there"
        what = f"holds “{markers.plain(said)[:40]}”, the tier of words {other}"
        raise ProsodyError(path, place, what, "write only markers, or the same words")
    first = under.start + fitting[0]
    for item, word in zip(items[first : first + size], said.words, strict=True):
        item.markers = list(slot([*item.markers, *word.markers], path, place, word.text))
    items[first + size - 1].after = said.final or items[first + size - 1].after


def _owner(items: Sequence[_Item], under: range, label: Interval, *, only_pause: bool) -> int | None:
    """The word that a label lies on for the most part; None where a pause lies rather in the gap, or there is none."""
    shares = [min(items[i].end, label.end) - max(items[i].start, label.start) for i in under]
    if not shares:
        return None
    best = max(range(len(shares)), key=lambda k: shares[k])
    if not only_pause:
        return under[best]
    edges = [label.start, *(edge for i in under for edge in (items[i].start, items[i].end)), label.end]
    gaps = [edges[k + 1] - edges[k] for k in range(0, len(edges), 2)]
    widest = max(range(len(gaps)), key=lambda k: gaps[k])
    if gaps[widest] < shares[best]:
        return under[best]
    return under.start + widest  # the gap before that word, or after the last one under the label


def _insert_untimed(items: list[_Item], point: Point, path: PathLike | None, place: str) -> None:
    """Put the words of a point between those that take time, at the boundary nearest to it."""
    marked = _parsed(point.text, path, place)
    if not marked.words:
        raise ProsodyError(path, place, f"{point.text.strip()} stands alone", "write it before a word")
    at = len(items)
    for k, item in enumerate(items):
        if item.end > item.start and point.time - item.start <= item.end - point.time:
            at = k
            break
    low = items[at - 1].end if at else 0.0
    high = items[at].start if at < len(items) else max(low, point.time)
    time = min(max(point.time, low), high)
    new = [_Item(word.text, time, time, place, list(word.markers)) for word in marked.words]
    new[-1].after = marked.final
    items[at:at] = new


def _settle_afters(items: list[_Item], final: str | None, path: PathLike | None) -> str | None:
    """Give each pause that is written after a word to the next word; returns the one after the last."""
    for item, after in pairwise(items):
        if item.after:
            after.markers = list(slot([item.after, *after.markers], path, after.place, after.text))
    last = items[-1].after if items else None
    if last and final and last != final:
        raise ProsodyError(path, items[-1].place, f"{last} and {final} both stand after the end", "keep one of them")
    return last or final
