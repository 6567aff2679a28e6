"""A dataset with the words, times and markers that a person has edited elsewhere.

A word whose times are as they were exported keeps all that was measured of it and, unless its text is another, how sure
it is that it is said there. One with other letters is measured again, since its sounds and its class count. Every word
goes to the segment in which its middle lies; segments keep their edges but where a word reaches out of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from prosody import dataset, markers
from prosody.dataset import Dataset, Segment, Word
from prosody.dataset_check import EDGE_TOLERANCE_S
from prosody.errors import ProsodyError
from prosody.files import PathLike
from prosody.interchange.annotation import Annotation, Part, in_order, of_dataset
from prosody.markers import BY_TOKEN

_SAME_S = 0.001  # times are compared in this unit: ELAN rounds to milliseconds
_BELONGS = 0.2  # share of the file's words that the dataset must have, too


@dataclass(frozen=True)
class Revision:
    """What an edited file makes of a dataset.

    segments: with the words as they are now; those that were edited are reviewed. recut: the audio files of those whose
    edges have moved. stale: numbers (from 0, of all words) of those to be measured again. changed: how many segments
    were edited: they differ in words, markers or times. left_out: the audio files of segments without words now.
    moved_cuts: the file draws the segments otherwise, which is not followed.
    """

    segments: tuple[Segment, ...]
    recut: tuple[str, ...]
    stale: tuple[int, ...]
    changed: int
    left_out: tuple[str, ...]
    moved_cuts: bool


def revise(
    data: Dataset,
    edited: Annotation,
    *,
    by: str | None,
    at: str,
    path: PathLike | None = None,
    cut_anew: bool = False,
    all_reviewed: bool = False,
) -> Revision:
    """The segments of `data` with the words of `edited`.

    by, at: who reviewed it, and when (ISO 8601). path: of the edited file, for messages. cut_anew: whether segments may
    get other edges, which needs the recording. all_reviewed: whether segments that were not edited were looked at, too;
    otherwise they keep the review that they have.
    Raises ProsodyError if the file is of another recording, lacks the markers that the dataset has, or names a segment
    that it has not, and, with the word's place in the file, if a word reaches out of its segment and `cut_anew` is
    false.
    """
    original = of_dataset(data)
    _refuse_other(data, original, edited, path)
    matches = _matches(original.words, edited.words)
    owners = _owners(data.segments, original.parts, edited.words, matches)
    unmeasured = _unmeasured(original.words)
    words = [_kept(word, original.words, matches, k, unmeasured) for k, word in enumerate(edited.words)]
    groups, edges = _grouped(data.segments, words, owners)
    recut = [number for number, span in edges.items() if span != _span(data.segments[number])]
    if recut and not cut_anew:
        raise _reaches_out(data, edited, groups, path)
    review = {"status": "reviewed", "by": by, "at": at}
    done, changed = [], 0
    for number, held in sorted(groups.items()):
        before, (start, end), part = data.segments[number], edges[number], original.parts[number]
        last = part.stop == len(original.words)
        as_exported = dataset.text_of(original.words[part.first : part.stop], original.final if last else None)
        inside = tuple(words[k] for k in held)
        text = dataset.text_of(inside, edited.final if number == max(groups) else None)
        duration = round(end - start, 6) if number in recut else before.duration
        now = replace(before, text=text, start=start, end=end, duration=duration, words=inside)
        is_edited = text != as_exported or _times(now) != _times(before) or number in recut
        changed += is_edited
        done.append(replace(now, review=review) if is_edited or all_reviewed else now)
    stale = tuple(
        k for k in range(len(words)) if _is_stale(matches, k) or _is_respelled(original.words, words, matches, k)
    )
    gone = tuple(one.audio_file for number, one in enumerate(data.segments) if number not in groups)
    cut = tuple(data.segments[number].audio_file for number in recut)
    return Revision(tuple(done), cut, stale, changed, gone, _moved_cuts(original.parts, edited.parts))


def _span(segment: Segment) -> tuple[float, float]:
    return segment.start, segment.end


def _times(segment: Segment) -> list[tuple[float, float]]:
    return [(word.start, word.end) for word in segment.words]


def _refuse_other(data: Dataset, original: Annotation, edited: Annotation, path: PathLike | None) -> None:
    """Refuse a file of another recording, one that would take all markers away, and one with unknown segments."""
    if not data.segments:
        raise ProsodyError(data.folder, None, "has no segments", "run the prepare stage again")
    plain = [Counter(word.text.lower() for word in one.words) for one in (original, edited)]
    common = (plain[0] & plain[1]).total()
    if common < _BELONGS * len(edited.words):
        what = f"only {common} of its {len(edited.words)} words are in the dataset"
        raise ProsodyError(path, None, what, "give the file that was exported from this dataset")
    n_markers = len(markers.tokens(original.marked))
    if n_markers and not edited.has_markers:
        what = f"has no tier “markers”: the dataset's {n_markers} markers would be lost"
        raise ProsodyError(path, None, what, "export that tier, too; to take all markers away, leave it empty")
    known = {part.name for part in original.parts}
    for part in edited.parts:
        if not part.end and part.name not in known:  # from a table, which knows no times of segments
            where = f"{edited.places[part.first]}, column 'segment'"
            raise ProsodyError(path, where, f"{part.name!r} is no segment of the dataset", "write the segment's file")


def _key(word: Word) -> tuple[int, int]:
    return round(word.start / _SAME_S), round(word.end / _SAME_S)


def _matches(before: Sequence[Word], after: Sequence[Word]) -> list[int | None]:
    """For each word the one it was, by its times; of several at the same, by its text."""
    at: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i, word in enumerate(in_order(before)):
        at[_key(word)].append(i)
    found: list[int | None] = []
    for word in after:
        there = at[_key(word)]
        pick = next((i for i in there if before[i].text == word.text), there[0] if there else None)
        if pick is not None:
            there.remove(pick)
        found.append(pick)
    return found


def _is_stale(matches: Sequence[int | None], k: int) -> bool:
    """Whether a word, or the gap before it, has changed."""
    if matches[k] is None:
        return True
    return matches[k] != (0 if k == 0 else -1 if matches[k - 1] is None else matches[k - 1] + 1)


def _is_respelled(before: Sequence[Word], after: Sequence[Word], matches: Sequence[int | None], k: int) -> bool:
    """Whether a word that is where it was has other letters now; case and punctuation say nothing of how it sounds."""
    match = matches[k]
    return match is not None and _letters(after[k].text) != _letters(before[match].text)


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _unmeasured(words: Sequence[Word]) -> Word:
    """A word of which nothing is known: None for all that was measured of any of `words`, no evidence."""
    measured = {name: None for word in words for name in word.measured}
    return Word("", 0.0, 0.0, (), measured, {token: 0.0 for word in words for token in word.evidence})


def _kept(word: Word, before: Sequence[Word], matches: Sequence[int | None], k: int, unmeasured: Word) -> Word:
    """A word with what was measured of it, and its times to the last digit. What is to be measured again is None."""
    match = matches[k]
    if match is None:
        return replace(
            unmeasured, text=word.text, start=round(word.start, 6), end=round(word.end, 6), markers=word.markers
        )
    was = before[match]
    measured: Mapping[str, float | None] = was.measured
    evidence: Mapping[str, float] = was.evidence
    if _is_stale(matches, k):  # the gap before it is another
        measured = {name: None if name.startswith("pause") else value for name, value in measured.items()}
        evidence = {token: 0.0 if BY_TOKEN[token].kind == "pause" else value for token, value in evidence.items()}
    sure = was.confidence if word.text == was.text else None
    return Word(word.text, was.start, was.end, word.markers, measured, evidence, sure)


def _owners(
    segments: Sequence[Segment], parts: Sequence[Part], words: Sequence[Word], matches: Sequence[int | None]
) -> list[int]:
    """The number of each word's segment: that it was in, or that in which, or nearest to which, its middle lies."""
    starts = [segment.start for segment in segments]
    firsts = [part.first for part in parts]
    found = []
    for word, match in zip(words, matches, strict=True):
        if match is not None:
            found.append(bisect_right(firsts, match) - 1)
            continue
        middle = (word.start + word.end) / 2
        here = max(0, bisect_right(starts, middle) - 1)
        after = here + 1
        if after < len(segments) and middle - segments[here].end > segments[after].start - middle:
            here = after
        found.append(here)
    return list(accumulate(found, max))


def _grouped(
    segments: Sequence[Segment], words: Sequence[Word], owners: Sequence[int]
) -> tuple[dict[int, list[int]], dict[int, tuple[float, float]]]:
    """The numbers of the words in each segment that has any, and the segments' starts and ends.

    Words that take no time, and to which their neighbours leave no room, go with these.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for k, owner in enumerate(owners):
        groups[owner].append(k)
    while True:
        edges = _edges(segments, words, groups)
        flat = next((number for number, (start, end) in edges.items() if end - start < _SAME_S), None)
        if flat is None or len(groups) == 1:
            return groups, edges
        numbers = sorted(groups)
        at = numbers.index(flat)
        to = numbers[at + 1] if at + 1 < len(numbers) else numbers[at - 1]
        groups[to] = sorted(groups[to] + groups.pop(flat))


def _edges(
    segments: Sequence[Segment], words: Sequence[Word], groups: Mapping[int, Sequence[int]]
) -> dict[int, tuple[float, float]]:
    """The start and end of each segment that has words: wider where they reach out, narrower where others reach in."""
    firsts = {number: words[held[0]].start for number, held in groups.items()}
    lasts = {number: max(words[k].end for k in held) for number, held in groups.items()}
    begins = {number: segments[number].start for number in groups}
    starts = {n: begins[n] if first >= begins[n] - EDGE_TOLERANCE_S else first for n, first in firsts.items()}
    edges: dict[int, tuple[float, float]] = {}
    numbers = sorted(groups)
    earlier = 0.0
    for number, after in zip(numbers, [*numbers[1:], None], strict=True):
        start, end = starts[number], segments[number].end
        if earlier > start + EDGE_TOLERANCE_S:
            start = min(earlier, firsts[number])
        if lasts[number] > end + EDGE_TOLERANCE_S:
            end = lasts[number]
        if after is not None and starts[after] < end - EDGE_TOLERANCE_S:
            end = max(lasts[number], starts[after])
        edges[number] = (start, end)
        earlier = end
    return edges


def _reaches_out(
    data: Dataset, edited: Annotation, groups: Mapping[int, Sequence[int]], path: PathLike | None
) -> ProsodyError:
    """The error for the first word that lies beyond the edges of its segment."""
    for number, held in sorted(groups.items()):
        segment = data.segments[number]
        for k in held:
            word = edited.words[k]
            if word.start >= segment.start - EDGE_TOLERANCE_S and word.end <= segment.end + EDGE_TOLERANCE_S:
                continue
            span = f"{segment.start:.3f} to {segment.end:.3f} s"
            what = f"“{word.text}” ({word.start:.3f} to {word.end:.3f} s) reaches out of {segment.audio_file} ({span})"
            several = len(data.info.get("sources", ())) > 1
            remedy = f"name the {'folder of the recordings' if several else 'recording'} with --audio, to cut it again"
            return ProsodyError(path, edited.places[k], what, remedy)
    raise AssertionError("no word reaches out, yet edges have moved")


def _moved_cuts(before: Sequence[Part], after: Sequence[Part]) -> bool:
    """Whether the file has segments and draws them otherwise than they were."""
    if not after or not any(part.end for part in after):
        return False
    if [part.name for part in before] != [part.name for part in after]:
        return True
    return any(
        abs(a.start - b.start) > EDGE_TOLERANCE_S + _SAME_S or abs(a.end - b.end) > EDGE_TOLERANCE_S + _SAME_S
        for a, b in zip(before, after, strict=True)
    )
