"""Finding one's way through a long recording: which words of the transcript lie in which stretch of sound.

Stretches between pauses are recognised one by one with the transcript's own language model. Where at least three words
in a row are heard as they are written, they are anchors. Each stretch is on its own, so that one bad place cannot shift
what follows it. (After Moreno, Joerg, Van Thong and Glickman, "A recursive algorithm for the forced alignment of very
long audio segments", 1998, with one round in place of many.)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

import numpy as np

from prosody.speech.decode import RATE, Ear, Heard
from prosody.speech.energy import Span

SHORTEST_PHRASE_S = 5.0
STRETCH_S = 20.0  # stretches are joined up to this length
_SURE_RUN = 3
_NEAREST = 40  # places of a run that are tried where it comes more often
_SURE_SIDE = 2  # anchors wanted on each side of a cut that is in no pause
_AGREES_S = 0.5  # how far a forced word may lie from where it was recognised
_BREAK_S = 0.5  # two anchors further apart than this are not one run


@dataclass(frozen=True)
class Stretch:
    """A stretch of sound, s, and the words in it: numbers `first` to `stop` (not included)."""

    start: float
    end: float
    first: int
    stop: int


def phrases(pauses: Sequence[Span], duration: float, *, longest_s: float) -> list[Span]:
    """The recording cut in the middle of pauses into stretches of 5 s or more, none longer than `longest_s`."""
    cuts, at = [0.0], 0.0
    for middle in [*(pause.middle for pause in pauses), duration]:
        while middle - at > longest_s:  # no pause for so long: cut anywhere
            at += longest_s
            cuts.append(at)
        if middle - at >= SHORTEST_PHRASE_S:
            at = middle
            cuts.append(at)
    if duration - cuts[-1] > 1e-6:
        if len(cuts) > 1 and duration - cuts[-2] <= longest_s:
            cuts.pop()
        cuts.append(duration)
    return [Span(a, b) for a, b in pairwise(cuts)]


def recognise(
    ear: Ear, samples: np.ndarray, spans: Sequence[Span], progress: Callable[[float], None] | None = None
) -> list[Heard]:
    """All words heard in the recording, with their times in it. samples [shape=(n,)]: 16 kHz."""
    heard = []
    for done, span in enumerate(spans, 1):
        piece = samples[round(span.start * RATE) : round(span.end * RATE)]
        for word in ear.recognise(piece):
            heard.append(Heard(word.token, span.start + word.start, span.start + word.end, word.score))
        if progress:
            progress(done / len(spans))
    return heard


def find_anchors(tokens: Sequence[str], heard: Sequence[Heard]) -> dict[int, Heard]:
    """Words that are surely where they were heard: number in `tokens` → what was heard.

    They are the longest chain of runs of three words that come in the same order in both (Hunt and Szymanski 1977), so
    that a refrain, or a paragraph that is read twice, finds its own place.
    """
    said = [word.token for word in heard]
    run = min(_SURE_RUN, len(tokens))
    places: dict[tuple[str, ...], list[int]] = {}
    for i in range(len(tokens) - run + 1):
        places.setdefault(tuple(tokens[i : i + run]), []).append(i)
    found: dict[int, Heard] = {}
    last_i = last_j = -1
    for i, j in _longest_chain(places, said, run, len(tokens)):
        for k in range(run):
            if i + k > last_i and j + k > last_j:
                found[i + k] = heard[j + k]
                last_i, last_j = i + k, j + k
    return found


def _longest_chain(
    places: Mapping[tuple[str, ...], Sequence[int]], said: Sequence[str], run: int, n_tokens: int
) -> list[tuple[int, int]]:
    """The longest chain of runs (place in the text, place in what was heard) that rises in both: patience sorting."""
    ends: list[int] = []  # smallest place in the text at which a chain of each length ends ...
    last: list[int] = []  # ... and the number of the pair there
    pairs: list[tuple[int, int]] = []
    before: list[int] = []
    for j in range(len(said) - run + 1):
        there = places.get(tuple(said[j : j + run]), [])
        if len(there) > _NEAREST:  # of what is said all the time, only the places near by
            k = bisect_left(there, j * n_tokens / len(said))
            there = there[max(0, k - _NEAREST // 2) : k + _NEAREST // 2]
        for i in reversed(there):
            k = bisect_left(ends, i)
            before.append(last[k - 1] if k else -1)
            last[k : k + 1], ends[k : k + 1] = [len(pairs)], [i]
            pairs.append((i, j))
    chain, n = [], last[-1] if last else -1
    while n >= 0:
        chain.append(pairs[n])
        n = before[n]
    return chain[::-1]


def stretches(
    n_words: int, anchors: Mapping[int, Heard], pauses: Sequence[Span], duration: float, *, longest_s: float
) -> list[Stretch]:
    """All words in order, in stretches of sound that are parted where it is sure which words are on each side.

    They are parted at pauses between two anchors; where none comes for `longest_s`, between two anchors anywhere. A
    stretch between anchors may still be longer: nothing there was recognised.
    """
    at_pauses = _at_pauses(anchors, pauses)
    cuts = [(0.0, 0), *_thinned(at_pauses, duration), (duration, n_words)]
    found = []
    for (start, first), (end, stop) in pairwise(cuts):
        inner = [(start, first), (end, stop)]
        if end - start > longest_s:
            inner = [inner[0], *_between_words(anchors, first, stop, start, longest_s), inner[1]]
        for (a, i), (b, j) in pairwise(inner):
            found.append(Stretch(a, b, i, j))
    return found


def agrees(part: Stretch, placed: Sequence[Heard], anchors: Mapping[int, Heard]) -> bool:
    """Whether the words of a stretch lie where its anchors were recognised; times of `placed` in the recording."""
    return all(
        abs(word.start - anchors[i].start) <= _AGREES_S for i, word in enumerate(placed, part.first) if i in anchors
    )


def around_holes(part: Stretch, anchors: Mapping[int, Heard]) -> list[Stretch]:
    """A stretch taken apart into runs of anchors and what lies between them.

    What was said but not written, or written but not said, can then only harm the words right beside it: a hole with
    words in it takes one anchor from each side, since the last word of a run is the least sure.
    """
    runs: list[list[int]] = []
    for i in range(part.first, part.stop):
        if i not in anchors:
            continue
        last = runs[-1][-1] if runs else None
        if last == i - 1 and anchors[i].start - anchors[last].end <= _BREAK_S:
            runs[-1].append(i)
        else:
            runs.append([i])
    parts, at, word = [], part.start, part.first
    for n, run in enumerate(runs):
        hole_before = run[0] > word
        hole_after = (runs[n + 1][0] if n + 1 < len(runs) else part.stop) > run[-1] + 1
        sure = run[1 if hole_before else 0 : -1 if hole_after else None]
        if not sure:
            continue
        start, end = anchors[sure[0]].start, anchors[sure[-1]].end
        parts += [Stretch(at, start, word, sure[0]), Stretch(start, end, sure[0], sure[-1] + 1)]
        at, word = end, sure[-1] + 1
    return [*parts, Stretch(at, part.end, word, part.stop)]


def _at_pauses(anchors: Mapping[int, Heard], pauses: Sequence[Span]) -> list[tuple[float, int]]:
    """(time, word after it) for each pause with an anchor right before and right after it."""
    if not anchors:
        return []
    numbers = np.array(sorted(anchors))
    middles = np.array([(anchors[i].start + anchors[i].end) / 2 for i in numbers])
    found = []
    for pause in pauses:
        k = int(np.searchsorted(middles, pause.middle))
        if 0 < k < len(numbers) and numbers[k] == numbers[k - 1] + 1:
            found.append((pause.middle, int(numbers[k])))
    return found


def _thinned(cuts: Sequence[tuple[float, int]], duration: float) -> list[tuple[float, int]]:
    """Only as many cuts as are needed for stretches of about `STRETCH_S`."""
    kept: list[tuple[float, int]] = []
    last = 0.0
    following = [*(cut[0] for cut in cuts[1:]), duration]
    for cut, after in zip(cuts, following, strict=False):
        if after - last > STRETCH_S:
            kept.append(cut)
            last = cut[0]
    return kept


def _between_words(
    anchors: Mapping[int, Heard], first: int, stop: int, start: float, longest_s: float
) -> list[tuple[float, int]]:
    """(time, word) cuts between anchored words that keep parts below `longest_s` where they can."""
    sure = [
        i
        for i in range(first + _SURE_SIDE, stop - _SURE_SIDE + 1)
        if all(k in anchors for k in range(i - _SURE_SIDE, i + _SURE_SIDE))
    ]
    cuts: list[tuple[float, int]] = []
    last = start
    for i, after in zip_longest(sure, sure[1:]):
        at = (anchors[i - 1].end + anchors[i].start) / 2
        if at > last and (after is None or anchors[after].start - last > longest_s / 2):
            cuts.append((at, i))
            last = at
    return cuts
