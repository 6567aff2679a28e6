"""The thresholds of detection fitted to one annotator.

People differ in where a rise begins to be one, or how short a gap is still a pause. From words that an annotator marked
and that were measured, each threshold of the table `SEARCHES` is moved, in small steps, to where what is heard agrees
best with what is marked. What is compared is F1 with that part taken away that chance alone would give, which is
Cohen's kappa (1960): plain F1 grows when everything is marked, kappa doesn't. Each step away from where
it starts must pay for itself, the more so the fewer examples there are; too few move nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prosody import markers
from prosody.dataset import Word
from prosody.errors import ProsodyError
from prosody.speech.detect import DetectParameters, agreement, detect

ENOUGH = 8  # markers that a threshold decides on; with fewer of them it stays
FACTORS = tuple(2 ** (k / 10) for k in range(-20, 21))  # of the default: a quarter of it to four times it
_SCALE = 0.6  # moving a threshold by so many doublings must gain one standard error of kappa
_ROUNDS = 2  # thresholds depend on each other a little
_REMEMBERED = 16  # ways through the factors


@dataclass(frozen=True)
class Search:
    """Thresholds that are moved together, by one factor. names: fields of DetectParameters, all above 0.

    markers: those that they decide on.
    """

    names: tuple[str, ...]
    markers: tuple[str, ...]


SEARCHES = (
    Search(("pause_long_s",), ("<pause_long>",)),
    Search(("pause_short_s",), ("<pause_short>",)),
    Search(("emph_prominence",), ("<emph>",)),
    Search(("level_st", "level_z"), ("<pitch_high>", "<pitch_low>")),
    Search(("slope_st", "slope_z"), ("<pitch_rising>", "<pitch_falling>")),
)


@dataclass(frozen=True)
class Fitted:
    """What became of one threshold. n: markers that it was fitted on. why: told where it stays the default."""

    name: str
    before: float
    after: float
    n: int
    why: str = ""


@dataclass(frozen=True)
class Score:
    """How far what is heard agrees with a marker's `n` places.

    f1_after: on stretches of time that were not fitted on; whether a threshold is moved at all was decided on them.
    """

    marker: str
    n: int
    f1_before: float
    f1_after: float


@dataclass(frozen=True)
class Calibration:
    """Thresholds for an annotator. parameters: fitted on all words. scores: by blocks of time, held out in turn."""

    parameters: DetectParameters
    n_words: int
    folds: int
    scores: tuple[Score, ...]
    fitted: tuple[Fitted, ...]

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "words": self.n_words,
            "folds": self.folds,
            "markers": {s.marker: {"n": s.n, "f1_before": s.f1_before, "f1_after": s.f1_after} for s in self.scores},
            "thresholds": [dataclasses.asdict(one) for one in self.fitted],
            "parameters": dataclasses.asdict(self.parameters),
        }


def calibrate(
    words: Sequence[Word],
    *,
    folds: int = 5,
    parameters: DetectParameters | None = None,
    progress: Callable[[float], None] | None = None,
) -> Calibration:
    """Fit the thresholds to whoever marked the words.

    words: measured, with the annotator's markers, in time order (recordings one after the other). folds: how many
    blocks of time the words are parted into; the thresholds fitted on the others are tried on each. A threshold that
    does no better there than where it starts is not moved. parameters: where to start; what is not searched stays so.
    Raises ProsodyError if there are too few words, or words without measurements.
    """
    _check(words, folds)
    start = parameters or DetectParameters()
    searches = searched()
    heard = _Heard(words)
    blocks = np.array_split(np.arange(len(words)), folds)
    by_block = []
    for number, block in enumerate(blocks):
        others = np.ones(len(words), dtype=bool)
        others[block] = False
        by_block.append(_fit(heard, others, start, searches))
        if progress:
            progress((number + 1) / (folds + 1))
    fitted = _fit(heard, np.ones(len(words), dtype=bool), start, searches)
    moved = [search for search, factor in fitted.items() if factor != 1]
    useless = [search for search in moved if not _helps(heard, blocks, start, by_block, search)]
    helpful = [search for search in moved if search not in useless]
    kept, *by_block = ({search: one[search] for search in helpful} for one in (fitted, *by_block))
    scores = _scores(heard, blocks, start, by_block)
    told = [one for search in searches for one in _told(heard, start, search, fitted[search], search in useless)]
    if progress:
        progress(1.0)
    return Calibration(_with(start, kept) or start, len(words), folds, scores, tuple(told))


def searched() -> list[Search]:
    """The searches, of thresholds that detection has."""
    known = {one.name for one in dataclasses.fields(DetectParameters)}
    there = [Search(tuple(name for name in one.names if name in known), one.markers) for one in SEARCHES]
    return [one for one in there if one.names]


class _Heard:
    """Which markers are heard with which thresholds: asked again, the answer is there."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.measured = [word.measured for word in words]
        self.written = _table([word.markers for word in words])
        self._known: dict[DetectParameters, np.ndarray] = {}
        self._along: dict[tuple[DetectParameters, ...], np.ndarray] = {}

    def with_(self, parameters: DetectParameters) -> np.ndarray:
        """Whether each marker is heard before each word [shape=(n_words, 7), bool]."""
        if parameters not in self._known:
            self._known[parameters] = _table(detect(self.measured, parameters))
        return self._known[parameters]

    def along(self, way: Sequence[DetectParameters], columns: list[int]) -> np.ndarray:
        """The same for some markers as one threshold goes up [shape=(n_values, n_words, n_columns), bool].

        On the way from one value to another what is heard of a word changes once at most. So where it is the same at
        both ends it is the same between, and most words need not be asked about there.
        """
        key = tuple(way)
        if key not in self._along:
            heard = np.empty((len(way), len(self.measured), len(columns)), dtype=bool)

            def ask(at: int, words: np.ndarray) -> None:
                heard[at, words] = _table(detect([self.measured[k] for k in words], way[at]))[:, columns]

            def fill(low: int, high: int, words: np.ndarray) -> None:
                same = (heard[low, words] == heard[high, words]).all(axis=1)
                heard[low + 1 : high, words[same]] = heard[low, words[same]]
                others, middle = words[~same], (low + high) // 2
                if high - low > 1 and len(others):
                    ask(middle, others)
                    fill(low, middle, others)
                    fill(middle, high, others)

            everything = np.arange(len(self.measured))
            ask(0, everything)
            ask(len(way) - 1, everything)
            fill(0, len(way) - 1, everything)
            if len(self._along) >= _REMEMBERED:
                del self._along[next(iter(self._along))]
            self._along[key] = heard
        return self._along[key]


def _table(slots: Sequence[Sequence[str]]) -> np.ndarray:
    return np.array([[token in slot for token in markers.TOKENS] for slot in slots], dtype=bool).reshape(-1, 7)


def _columns(search: Search) -> list[int]:
    return [markers.TOKENS.index(token) for token in search.markers]


def _with(start: DetectParameters, factors: Mapping[Search, float]) -> DetectParameters | None:
    """Thresholds moved by factors; None where they don't go together, as a short pause longer than a long one."""
    changed = {name: float(f"{getattr(start, name) * f:.3g}") for s, f in factors.items() if f != 1 for name in s.names}
    try:
        return dataclasses.replace(start, **changed)
    except ProsodyError:
        return None


def _fit(heard: _Heard, used: np.ndarray, start: DetectParameters, searches: Sequence[Search]) -> dict[Search, float]:
    """The best factors for the words that are used [shape=(n_words,), bool]."""
    best = dict.fromkeys(searches, 1.0)
    for _ in range(_ROUNDS):
        for search in searches:
            columns = _columns(search)
            written = heard.written[used][:, columns]
            if written.sum() < ENOUGH:
                continue
            tried = [(factor, _with(start, {**best, search: factor})) for factor in FACTORS]
            possible = [(factor, one) for factor, one in tried if one is not None]
            along = heard.along([one for _, one in possible], columns)
            agreed = _smooth([_kappa(written, at[used]) for at in along])
            n = written.sum()
            wrong = max(1 - _kappa(written, heard.with_(start)[used][:, columns]), 1 / n)
            cost = math.sqrt(wrong / n) / _SCALE  # about the standard error
            gains = [k - cost * abs(math.log2(factor)) for k, (factor, _) in zip(agreed, possible, strict=True)]
            best[search] = possible[int(np.argmax(gains))][0]
    return best


def _smooth(values: Sequence[float]) -> np.ndarray:
    """Each value with its neighbours, 1-2-1, so that of a plateau the middle is best."""
    padded = np.concatenate([values[:1], values, values[-1:]])
    return (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4


def _kappa(written: np.ndarray, heard: np.ndarray) -> float:
    """Cohen's kappa of each marker [shape=(n_words, n_markers), bool], weighted by how often it is written."""
    both, w, h = (written & heard).mean(axis=0), written.mean(axis=0), heard.mean(axis=0)
    apart = w + h - 2 * w * h  # (F1 - F1 by chance) / (1 - F1 by chance) is kappa
    kappa = np.divide(2 * (both - w * h), apart, out=np.zeros_like(apart), where=apart > 0)
    return float((kappa * w).sum() / w.sum())


def _held_out(
    heard: _Heard, blocks: Sequence[np.ndarray], start: DetectParameters, by_block: Sequence[Mapping[Search, float]]
) -> np.ndarray:
    """What is heard in each block with the thresholds that were fitted without it [shape=(n_words, 7), bool]."""
    parts = zip(blocks, by_block, strict=True)
    return np.concatenate([heard.with_(_with(start, fitted) or start)[block] for block, fitted in parts])


def _helps(
    heard: _Heard,
    blocks: Sequence[np.ndarray],
    start: DetectParameters,
    by_block: Sequence[Mapping[Search, float]],
    search: Search,
) -> bool:
    """Whether moving this threshold does any good where it was not fitted."""
    columns = _columns(search)
    without = [{other: factor for other, factor in one.items() if other != search} for one in by_block]
    written = heard.written[:, columns]
    with_it, without_it = (
        _kappa(written, _held_out(heard, blocks, start, fitted)[:, columns]) for fitted in (by_block, without)
    )
    return with_it > without_it


def _scores(
    heard: _Heard, blocks: Sequence[np.ndarray], start: DetectParameters, by_block: Sequence[Mapping[Search, float]]
) -> tuple[Score, ...]:
    written = _slots(heard.written)
    before = agreement(written, _slots(heard.with_(start)))
    after = agreement(written, _slots(_held_out(heard, blocks, start, by_block)))
    return tuple(
        Score(token, int(before[token]["written"]), round(before[token]["f1"], 4), round(after[token]["f1"], 4))
        for token in markers.TOKENS
    )


def _slots(table: np.ndarray) -> list[tuple[str, ...]]:
    return [tuple(token for token, there in zip(markers.TOKENS, row, strict=True) if there) for row in table]


def _told(heard: _Heard, start: DetectParameters, search: Search, factor: float, useless: bool) -> list[Fitted]:
    """What became of each threshold of a search."""
    n = int(heard.written[:, _columns(search)].sum())
    fitted = _with(start, {search: factor}) or start
    told = []
    for name in search.names:
        before, after, why = getattr(start, name), getattr(fitted, name), ""
        if n < ENOUGH:
            why = f"only {n} examples, {ENOUGH} are needed"
        elif useless:
            why = f"{after:g} fits these words better, but not stretches left out of the fit"
            after = before
        elif factor == 1:
            why = "none fits clearly better"
        told.append(Fitted(name, before, after, n, why))
    return told


def _check(words: Sequence[Word], folds: int) -> None:
    if folds < 2:
        raise ProsodyError(None, "folds", f"is {folds}", "give 2 or more")
    if len(words) < 10 * folds:
        what = f"there are only {len(words)} words"
        raise ProsodyError(None, None, what, f"mark at least {10 * folds}, or some minutes of speech")
    try:
        detect([word.measured for word in words])
    except KeyError as error:
        what = f"the words have no measurement {error.args[0]!r}"
        raise ProsodyError(None, None, what, "measure them: run the prepare stage again") from None
