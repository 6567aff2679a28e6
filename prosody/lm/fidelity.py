"""Does it sound like the speaker? Marked answers held against the speaker's held-out text.

    own = style.of_dataset(data, split="val")
    found = fidelity.compare([style.of_spoken(a.spoken.words) for a in answers], own)
    print(found.verdict)

Everything is told with an interval: see `prosody.lm.bootstrap`. Three answers, or the nine segments of a ten-minute
recording, are few: intervals are wide then, and rather too narrow than too wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prosody.lm import bootstrap, controls, distance
from prosody.lm.bootstrap import Drawn, Estimate
from prosody.lm.controls import Control
from prosody.lm.style import COMBINATIONS, FEATURES, LEAST_PAUSE_S, OUTCOMES, Table, Text, table
from prosody.markers import KINDS, TOKENS

LEVEL = 0.95
N_DRAWS = 1000
FEW_TEXTS = 5  # with fewer, sentences are drawn in their place
NONE = Estimate(None)
Figures = Mapping[str, Estimate]


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    blocks: what is drawn anew, "texts" or "sentences" where the texts are few, and n_blocks of them. rates: marker →
    times in 100 words. places: marker → feature → share of that marker's places that have it. combinations: kinds →
    share of the marked slots that hold just these. pauses_s: silences from 0.2 s between words, whether marked or not,
    sorted. Where only rates are known, n_words is 0 and the rest is empty.
    """

    name: str
    n_texts: int
    n_words: int
    n_markers: int
    blocks: str
    n_blocks: int
    rates: Figures
    places: Mapping[str, Figures]
    combinations: Figures
    pauses_s: tuple[float, ...]
    pause_median_s: Estimate

    def as_json(self) -> dict[str, Any]:
        plain = {key: getattr(self, key) for key in ("name", "n_texts", "n_words", "n_markers", "blocks", "n_blocks")}
        return plain | _json({key: getattr(self, key) for key in ("rates", "places", "combinations")}) | {
            "pauses": len(self.pauses_s),
            "pause_median_s": self.pause_median_s.as_json(),
        }  # fmt: skip


@dataclass(frozen=True)
class Fidelity:
    """Answers held against their speaker.

    answers, speaker (held out), learned (the speaker's other text, if it was given): the sides. differences: answers −
    speaker, for each of rates, places and combinations. distance: how far the marking lies apart, bits a slot, 0 to 1
    (`distance.divergences`). distance_of_words: the same of the words' places, which no marker can change.
    distance_self: of the speaker's learned text from the held-out one, as near as can be hoped for. pause_distance_s:
    Wasserstein distance of the pauses, s. controls: see `prosody.lm.controls`.
    """

    answers: Side
    speaker: Side
    learned: Side | None
    differences: Mapping[str, Mapping[str, Any]]
    distance: Estimate
    distance_of_words: Estimate
    distance_self: Estimate
    pause_distance_s: Estimate
    controls: tuple[Control, ...]
    level: float
    n_draws: int
    seed: int

    @property
    def verdict(self) -> str:
        """One line: how near, against what."""
        if self.distance.value is None:
            return "no distance from the speaker: there is nothing to compare but rates"
        told = [f"{_told(self.distance)} bits a slot from the speaker's held-out text"]
        if self.distance_self.value is not None:
            told.append(f"the speaker's own other text: {self.distance_self.value:.3f}")
        for fits, is_worse in (("fits worse", True), ("does not surely fit worse", False)):
            names = [one.name for one in self.controls if one.is_worse == is_worse]
            told += [f"{fits}: {', '.join(names)}"] if names else []
        return "; ".join(told)

    def as_json(self) -> dict[str, Any]:
        """All of it but the single pauses, for a file."""
        return {
            "answers": self.answers.as_json(),
            "speaker": self.speaker.as_json(),
            "learned": self.learned.as_json() if self.learned else None,
            "differences": _json(self.differences),
            **{k: getattr(self, k).as_json() for k in (*_DISTANCES, "pause_distance_s")},
            "controls": [one.as_json() for one in self.controls],
            "level": self.level,
            "n_draws": self.n_draws,
            "seed": self.seed,
            "verdict": self.verdict,
        }

    def metrics(self) -> dict[str, Any]:
        """What a run's metrics.json keeps."""
        return {
            "style_distance": self.distance.value,
            "style_distance_interval": [self.distance.low, self.distance.high],
            "style_distance_self": self.distance_self.value,
            "style_distance_control": {one.name: one.distance.value for one in self.controls},
            "style_margin_control": {one.name: one.margin.as_json() for one in self.controls},
            "style_pause_distance_s": self.pause_distance_s.as_json(),
            "style_words": {"answers": self.answers.n_words, "held_out": self.speaker.n_words},
        }


_DISTANCES = ("distance", "distance_of_words", "distance_self")


def compare(
    answers: Sequence[Text],
    held_out: Sequence[Text],
    *,
    learned: Sequence[Text] = (),
    others: Mapping[str, Sequence[Text]] | None = None,
    readers: Mapping[str, np.ndarray] | None = None,
    level: float = LEVEL,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> Fidelity:
    """Hold answers against their speaker's held-out text, and controls beside them.

    answers, held_out: one text each answer or segment. learned: the speaker's other text, for comparison. others: name
    → texts of another speaker with all seven markers. readers: of `controls.reader_counts`; by default those that ship
    with the package. level: of the intervals. The same answers and held-out blocks are drawn for a distance and its
    control, so that their difference is paired. Either side may be empty: its figures are None then.
    """
    rng = np.random.default_rng(seed)
    how = {"n_draws": n_draws, "rng": rng}
    own, other = _Sample.of(answers, **how), _Sample.of(held_out, **how)
    enough = own.drawn.enough and other.drawn.enough
    at = {"level": level, "enough": enough}
    marking, words = distance.divergences(own.cells, other.cells)
    given = _Sample.of(learned, **how)
    selves = distance.divergences(given.cells, other.cells)[0]
    found: list[Control] = []
    if np.isfinite(marking[0]):
        found.append(controls.shuffled_places(own.table, own.drawn, other.cells, marking, **at, rng=rng))
        known = controls.load_readers() if readers is None else readers
        if known:
            both = (own.cells, other.cells, known)
            found += [controls.other_readers(*both, at_speakers_rate=rate, **at, rng=rng) for rate in (False, True)]
        for name, texts in (others or {}).items():
            third = _Sample.of(texts, **how)
            sure = {"level": level, "enough": enough and third.drawn.enough}
            found.append(controls.other_speaker(name, own.cells, third.cells, marking, **sure))
    sides = (own.side("answers", level), other.side("speaker, held out", level))
    pauses = distance.wasserstein(own.pauses_s, own.pause_times, other.pauses_s, other.pause_times)
    return Fidelity(
        answers=sides[0],
        speaker=sides[1],
        learned=given.side("speaker, learned from", level) if learned else None,
        differences={k: _less(*(getattr(side, k) for side in sides)) for k in ("rates", "places", "combinations")},
        distance=bootstrap.basic(marking, **at),
        distance_of_words=bootstrap.basic(words, **at),
        distance_self=bootstrap.basic(selves, level=level, enough=given.drawn.enough and other.drawn.enough),
        pause_distance_s=bootstrap.basic(pauses, **at),
        controls=tuple(found),
        level=level,
        n_draws=n_draws,
        seed=seed,
    )


def compare_rates(
    answers: Sequence[Text],
    rates: Mapping[str, float],
    *,
    level: float = LEVEL,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> Fidelity:
    """Hold answers against the speaker's rates alone, as an adapter's card has them; no distance can be told.

    rates: marker → times in 100 words, without intervals.
    """
    own = _Sample.of(answers, n_draws=n_draws, rng=np.random.default_rng(seed))
    side = own.side("answers", level)
    given = {token: Estimate(float(rates.get(token, 0.0))) for token in TOKENS}
    speaker = Side("speaker, rates only", 0, 0, 0, "none", 0, given, {}, {}, (), NONE)
    return Fidelity(
        side,
        speaker,
        None,
        {"rates": _less(side.rates, given)},
        NONE,
        NONE,
        NONE,
        NONE,
        (),
        level=level,
        n_draws=n_draws,
        seed=seed,
    )


@dataclass(frozen=True)
class _Sample:
    """Texts, counted and drawn anew."""

    table: Table
    blocks: str
    drawn: Drawn
    cells: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[Text], *, n_draws: int, rng: np.random.Generator) -> _Sample:
        rows = table(texts)
        blocks = "texts" if rows.n_texts >= FEW_TEXTS else "sentences"
        drawn = bootstrap.draw(rows.text if blocks == "texts" else rows.sentence, n_draws=n_draws, rng=rng)
        return cls(rows, blocks, drawn, controls.cells(rows, drawn))

    @property
    def _is_pause(self) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return self.table.silence_s >= LEAST_PAUSE_S

    @property
    def pauses_s(self) -> np.ndarray:
        return self.table.silence_s[self._is_pause]

    @property
    def pause_times(self) -> np.ndarray:
        """How often each pause is drawn [shape=(1 + n_draws, n_pauses)]."""
        return self.drawn.times[:, self.drawn.block[self._is_pause]]

    def figures(self, **at: Any) -> dict[str, Any]:
        """rates, places and combinations as `Side` has them. at: level, enough."""
        of, drawn = self.table, self.drawn
        n_words, marked = drawn.total(np.ones(len(of.text))), drawn.total(of.tokens)
        with_feature = drawn.total(of.tokens[:, :, None] * of.features[:, None, :])
        holds = np.stack(np.unravel_index(of.outcome, OUTCOMES), axis=-1) > 0  # a pause, a pitch marker, <emph>
        combined = drawn.total(np.stack([_is_just(holds, name) for name in COMBINATIONS], axis=-1).astype(float))
        any_marker = combined.sum(axis=-1)

        def share(part: np.ndarray, whole: np.ndarray, scale: float = 1.0) -> Estimate:
            return bootstrap.of_share(part, whole, scale=scale, **at)

        return {
            "rates": {token: share(marked[:, k], n_words, 100.0) for k, token in enumerate(TOKENS)},
            "places": {
                token: {name: share(with_feature[:, k, f], marked[:, k]) for f, name in enumerate(FEATURES)}
                for k, token in enumerate(TOKENS)
            },
            "combinations": {name: share(combined[:, k], any_marker) for k, name in enumerate(COMBINATIONS)},
        }

    def side(self, name: str, level: float) -> Side:
        at = {"level": level, "enough": self.drawn.enough}
        medians = distance.median(self.pauses_s, self.pause_times)
        return Side(
            name=name,
            n_texts=self.table.n_texts,
            n_words=len(self.table.text),
            n_markers=int(self.table.tokens.sum()),
            blocks=self.blocks,
            n_blocks=self.drawn.n_blocks,
            **self.figures(**at),
            pauses_s=tuple(sorted(self.pauses_s.tolist())),
            pause_median_s=bootstrap.percentile(medians, **at),
        )


def _is_just(holds: np.ndarray, kinds: str) -> np.ndarray:
    return (holds == [kind in kinds.split(" + ") for kind in KINDS]).all(axis=-1)


def _less(one: Any, other: Any) -> Any:
    """Figures of one side less the same of the other."""
    if isinstance(one, Estimate):
        return bootstrap.less(one, other)
    return {name: _less(one[name], other[name]) for name in one}


def _told(one: Estimate) -> str:
    interval = "" if one.low is None else f" [{one.low:.3f}, {one.high:.3f}]"
    return f"{one.value:.3f}{interval}"


def _json(value: Any) -> Any:
    if isinstance(value, Estimate):
        return value.as_json()
    return {key: _json(inner) for key, inner in value.items()}
