"""The thresholds of detection fitted to one annotator.

People differ in where a rise begins to be one, or how short a gap is still a pause. From words that an annotator marked
and that were measured, each threshold of the table `SEARCHES` is moved along its grid to where what is heard agrees
best with what is marked. What is compared is F1 with that part taken away that chance alone would give, which is
Cohen's kappa (Flight & Julious 2015): plain F1 grows when everything is marked, kappa doesn't. Each step away from the
default must pay for itself, the more so the fewer examples there are; too few move nothing.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prosody import files, markers
from prosody.dataset import Word
from prosody.errors import ProsodyError
from prosody.speech.detect import DetectParameters, agreement, detect

ENOUGH = 8  # markers of a kind below which its threshold stays
_REMEMBERED = 16  # ways through a grid
_ROUNDS = 2  # thresholds depend on each other a little
_PULL = 1.0  # what moving a threshold by its scale costs in kappa, times the square root of the number of examples


@dataclass(frozen=True)
class Search:
    """A threshold that is searched. name: of the field of DetectParameters. markers: those that it decides on.

    scale: by how much annotators may well differ, in the threshold's unit. grid: (lowest, highest, step) to be tried.
    """

    name: str
    markers: tuple[str, ...]
    scale: float
    grid: tuple[float, float, float]


SEARCHES = (
    Search("pause_long_s", ("<pause_long>",), 0.4, (0.3, 2.0, 0.05)),
    Search("pause_short_s", ("<pause_short>",), 0.15, (0.06, 0.7, 0.02)),
    Search("emph_prominence", ("<emph>",), 0.75, (-1.0, 4.0, 0.1)),
    Search("level_st", ("<pitch_high>", "<pitch_low>"), 1.5, (0.75, 6.0, 0.25)),
    Search("slope_st", ("<pitch_rising>", "<pitch_falling>"), 1.5, (0.75, 8.0, 0.25)),
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
    """How far what is heard agrees with a marker's `n` places. f1_after: on stretches that were not fitted on."""

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
    does no better there than the default is not moved. parameters: where to start; what is not searched stays so.
    Raises ProsodyError if there are too few words, or words without measurements.
    """
    _check(words, folds)
    start = parameters or DetectParameters()
    searches = searched()
    heard = _Heard(words)
    blocks = np.array_split(np.arange(len(words)), folds)
    everything = np.ones(len(words), dtype=bool)
    fitted, by_block = {}, []
    for number, block in enumerate([None, *blocks]):
        others = everything.copy()
        if block is None:
            fitted = _fit(heard, others, start, searches)
        else:
            others[block] = False
            by_block.append(_fit(heard, others, start, searches))
        if progress:
            progress((number + 1) / (folds + 1))
    useless = [s.name for s in searches if fitted[s.name] != getattr(start, s.name)]
    useless = [name for name in useless if not _helps(heard, blocks, start, by_block, _search(name))]
    kept = {name: value for name, value in fitted.items() if name not in useless}
    by_block = [{name: value for name, value in one.items() if name not in useless} for one in by_block]
    scores = _scores(heard, blocks, start, by_block)
    told = tuple(_told(heard, start, s, fitted[s.name], s.name in useless) for s in searches)
    return Calibration(_with(start, kept) or start, len(words), folds, scores, told)


def searched() -> list[Search]:
    """The searches whose threshold detection has."""
    names = {one.name for one in dataclasses.fields(DetectParameters)}
    return [search for search in SEARCHES if search.name in names]


def load_parameters(path: str | os.PathLike[str]) -> DetectParameters:
    """The thresholds in a JSON file, name → number; those not in it are the defaults.

    Raises ProsodyError if the file is missing or no JSON object, names a threshold that there is not, or gives a value
    that is no usable number.
    """
    raw = files.read_json(path)
    if not isinstance(raw, dict):
        raise ProsodyError(path, None, "is no JSON object", 'write {"name": number, ...}, as `calibrate -o` does')
    known = [one.name for one in dataclasses.fields(DetectParameters)]
    for name, value in raw.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise ProsodyError(path, f"field {name!r}", "is no threshold of detection", remedy)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ProsodyError(path, f"field {name!r}", f"is {value!r}", "give a number")
    try:
        return DetectParameters(**{name: float(value) for name, value in raw.items()})
    except ProsodyError as error:
        raise ProsodyError(path, f"field {error.where!r}", error.what, error.remedy) from None
    except OverflowError:
        raise ProsodyError(path, None, "holds a number that is too large", "give smaller ones") from None


def save_parameters(path: str | os.PathLike[str], parameters: DetectParameters, *, overwrite: bool = False) -> None:
    """Write thresholds for `load_parameters`. Raises ProsodyError if the file exists and `overwrite` is false."""
    files.write_json(path, dataclasses.asdict(parameters), overwrite=overwrite)


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


def _search(name: str) -> Search:
    return next(search for search in SEARCHES if search.name == name)


def _with(parameters: DetectParameters, changed: Mapping[str, float]) -> DetectParameters | None:
    """The thresholds with some changed; None where they don't go together, as a short pause longer than a long one."""
    try:
        return dataclasses.replace(parameters, **changed)
    except ProsodyError:
        return None


def _fit(heard: _Heard, used: np.ndarray, start: DetectParameters, searches: Sequence[Search]) -> dict[str, float]:
    """The best thresholds for the words that are used [shape=(n_words,), bool]."""
    now = start
    for _ in range(_ROUNDS):
        for search in searches:
            columns = _columns(search)
            written = heard.written[used][:, columns]
            if written.sum() < ENOUGH:
                continue
            default = getattr(start, search.name)
            values = [default, *np.arange(search.grid[0], search.grid[1] + 1e-9, search.grid[2]).round(4).tolist()]
            tried = [(value, _with(now, {search.name: value})) for value in sorted(set(values))]
            possible = [(value, one) for value, one in tried if one is not None]
            along = heard.along([one for _, one in possible], columns)
            agreed = _smooth([_kappa(written, at[used]) for at in along])
            cost = _PULL / math.sqrt(written.sum()) / search.scale
            gains = [k - cost * abs(value - default) for k, (value, _) in zip(agreed, possible, strict=True)]
            now = possible[int(np.argmax(gains))][1]
    return {search.name: getattr(now, search.name) for search in searches}


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
    heard: _Heard, blocks: Sequence[np.ndarray], start: DetectParameters, by_block: Sequence[Mapping[str, float]]
) -> np.ndarray:
    """What is heard in each block with the thresholds that were fitted without it [shape=(n_words, 7), bool]."""
    parts = zip(blocks, by_block, strict=True)
    return np.concatenate([heard.with_(_with(start, fitted) or start)[block] for block, fitted in parts])


def _helps(
    heard: _Heard,
    blocks: Sequence[np.ndarray],
    start: DetectParameters,
    by_block: Sequence[Mapping[str, float]],
    search: Search,
) -> bool:
    """Whether moving this threshold does any good where it was not fitted."""
    columns = _columns(search)
    without = [{name: value for name, value in one.items() if name != search.name} for one in by_block]
    written = heard.written[:, columns]
    with_it, without_it = (
        _kappa(written, _held_out(heard, blocks, start, fitted)[:, columns]) for fitted in (by_block, without)
    )
    return with_it > without_it


def _scores(
    heard: _Heard, blocks: Sequence[np.ndarray], start: DetectParameters, by_block: Sequence[Mapping[str, float]]
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


def _told(heard: _Heard, start: DetectParameters, search: Search, value: float, useless: bool) -> Fitted:
    n = int(heard.written[:, _columns(search)].sum())
    default = getattr(start, search.name)
    if n < ENOUGH:
        return Fitted(search.name, default, default, n, f"only {n} examples, {ENOUGH} are needed")
    if useless:
        why = f"{value:g} fits these words better, but not stretches left out of the fit"
        return Fitted(search.name, default, default, n, why)
    return Fitted(search.name, default, value, n, "" if value != default else "none fits clearly better")


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
