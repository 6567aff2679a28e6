"""What a style must be nearer to than the speaker's own: the same markers dealt to other places, and other people's.

Neither is the speaker. If answers lie no further from the speaker than *shuffled places* do, their markers are of the
right number and nothing more. If they lie no nearer to the speaker than to *other readers*, their style is anybody's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from prosody.lm.bootstrap import Drawn, Estimate, basic
from prosody.lm.distance import divergences
from prosody.lm.style import OUTCOMES, PLACES, Table, Text, table

if TYPE_CHECKING:
    from prosody.lm.bench import Utterance

SHARED = ("a pause", "<emph>")  # what a corpus with prominence and boundaries can say
READERS_FILE = "readers.json"  # counts by `reader_counts`; written by tests/benchmarks/style.py
_PROMINENT, _BOUNDARY = 1.2, 1.13  # from here the corpus's labels are 2, the strongest
_LEAST_WORDS = 1000  # of a reader


@dataclass(frozen=True)
class Control:
    """A style that is not the speaker's, and how much worse it fits.

    shows: in one sentence. between: what `distance` (bits a slot) lies between: the answers and another's style, or
    what has become of the answers and the speaker. markers: that are compared. own: distance of the answers from the
    speaker, by the same markers. margin: distance − own, drawn together; above 0 the control fits worse. each: the
    distances of its parts, such as readers, by name.
    """

    name: str
    shows: str
    between: str
    markers: tuple[str, ...]
    distance: Estimate
    own: Estimate
    margin: Estimate
    each: Mapping[str, float]

    @property
    def is_worse(self) -> bool:
        """Whether the control fits worse beyond chance: the margin's whole interval lies above 0."""
        return self.margin.low is not None and self.margin.low > 0

    def as_json(self) -> dict[str, Any]:
        estimates = {key: getattr(self, key).as_json() for key in ("distance", "own", "margin")}
        told = {
            "shows": self.shows,
            "between": self.between,
            "markers": list(self.markers),
            **estimates,
            "each": dict(self.each),
        }
        return {"name": self.name, **told, "is_worse": self.is_worse}


def cells(of: Table, drawn: Drawn) -> np.ndarray:
    """Counts of each outcome at each place [shape=(1 + n_draws, n_places, n_outcomes)]; slots that cannot hold a pause,
    since nothing was said before them, are left out."""
    hot = np.zeros((len(of.place), len(PLACES), int(np.prod(OUTCOMES))))
    hot[np.arange(len(of.place)), of.place, of.outcome] = of.open
    return drawn.total(hot)


def shared(counts: np.ndarray) -> np.ndarray:
    """Counts by place and outcome with all but `SHARED` forgotten [shape=(..., n_places, 4)]: pauses are one marker."""
    apart = counts.reshape(*counts.shape[:-1], *OUTCOMES).sum(axis=-2)  # of pitch
    pauses = np.stack([apart[..., 0, :], apart[..., 1:, :].sum(axis=-2)], axis=-2)
    return pauses.reshape(*counts.shape[:-1], 4)


def shuffled(of: Table, rng: np.random.Generator) -> Table:
    """The table with what stands in its slots dealt anew among the words of each text: same rates, random places."""
    order = np.arange(len(of.text))
    for text in np.unique(of.text):
        slots = np.flatnonzero((of.text == text) & of.open)
        order[slots] = rng.permutation(slots)
    return replace(of, outcome=of.outcome[order], tokens=of.tokens[order])


def shuffled_places(
    answers: Table,
    drawn: Drawn,
    speaker: np.ndarray,
    own: np.ndarray,
    *,
    level: float,
    enough: bool,
    rng: np.random.Generator,
    n_shuffles: int = 20,
) -> Control:
    """The answers' own markers at random places, from the speaker's text.

    speaker [shape=(1 + n_draws, n_places, n_outcomes)]: counts. own [shape=(1 + n_draws,)]: the answers' distances.
    """
    dealt = [divergences(cells(shuffled(answers, rng), drawn), speaker)[0] for _ in range(n_shuffles)]
    return _control(
        "shuffled places",
        "the answers' own markers, dealt to random words of the same answer: the right number, no sense of place",
        "shuffled answers from the speaker",
        ("all",),
        np.mean(dealt, axis=0),
        own,
        level=level,
        enough=enough,
    )


def other_readers(
    answers: np.ndarray,
    speaker: np.ndarray,
    readers: Mapping[str, np.ndarray],
    *,
    at_speakers_rate: bool,
    level: float,
    enough: bool,
    rng: np.random.Generator,
) -> Control:
    """Other people's prominences and boundaries, by the markers that they share with the speaker.

    answers, speaker [shape=(1 + n_draws, n_places, n_outcomes)]: counts. readers: name → counts [shape=(n_places, 4)],
    each drawn anew as words that do not depend on each other. at_speakers_rate: take off as many of a reader's pauses
    and emphases, anywhere alike, as that reader has more than the speaker: what counts as one is a matter of
    definition, and then only the places are another's. The distance is the mean over readers.
    """
    fewer, of_speaker = shared(answers), shared(speaker)
    own = divergences(fewer, of_speaker)[0]
    each, values = {}, []
    for reader, counts in readers.items():
        used = thinned(counts, of_speaker[0]) if at_speakers_rate else counts
        n = used.sum()
        again = rng.multinomial(round(n), used.ravel() / n, size=len(answers) - 1).reshape(-1, *used.shape)
        value = divergences(fewer, np.concatenate([used[None], again]))[0]
        each[reader] = basic(value, level=level, enough=enough).value
        values.append(value)
    shows = f"{len(readers)} readers of audiobooks: where their prominent words and boundaries are"
    name = "other readers"
    if at_speakers_rate:
        name, shows = f"{name}, thinned", f"{shows}, if these were no more than the speaker's: other places alone"
    return _control(
        name, shows, f"answers from {name}", SHARED, np.mean(values, axis=0), own, level=level, enough=enough, each=each
    )


def thinned(counts: np.ndarray, speaker: np.ndarray) -> np.ndarray:
    """Expected counts if pauses and emphases were dropped at random until they are as frequent as the speaker's.

    counts, speaker [shape=(n_places, 4)]: by `shared`. What is rarer than the speaker's stays.
    """
    used = counts.reshape(-1, 2, 2)
    for axis in (1, 2):  # pause, emph
        held, wanted = (np.take(x.reshape(-1, 2, 2), 1, axis=axis).sum() / max(x.sum(), 1) for x in (counts, speaker))
        keep = min(1.0, wanted / held) if held else 1.0
        without, with_it = np.split(used, 2, axis=axis)
        used = np.concatenate([without + (1 - keep) * with_it, keep * with_it], axis=axis)
    return used.reshape(counts.shape)


def other_speaker(
    name: str, answers: np.ndarray, other: np.ndarray, own: np.ndarray, *, level: float, enough: bool
) -> Control:
    """Another speaker's marked speech, by all markers. answers, other, own: counts and distances, draw by draw."""
    values = divergences(answers, other)[0]
    between = f"answers from {name}"
    return _control(name, "another speaker's dataset", between, ("all",), values, own, level=level, enough=enough)


def _control(
    name: str,
    shows: str,
    between: str,
    of: tuple[str, ...],
    values: np.ndarray,
    own: np.ndarray,
    *,
    level: float,
    enough: bool,
    each: Mapping[str, float] | None = None,
) -> Control:
    how = {"level": level, "enough": enough}
    margin = basic(values - own, **how, least=-np.inf)
    return Control(name, shows, between, of, basic(values, **how), basic(own, **how), margin, each or {})


def reader_counts(utterances: Sequence[Utterance]) -> dict[str, np.ndarray]:
    """Where each reader of a corpus with prominences and boundaries has prominent words and pauses.

    A word of the strongest prominence counts as one with `<emph>`, a slot after the strongest boundary as a pause; the
    corpus (Talman et al. 2019) tells both from the audio, so that a boundary need not be silent. The sentences of a
    chapter are one text. Returns reader → counts [shape=(n_places, 4)]; readers of few words are left out.
    """
    found: dict[str, np.ndarray] = {}
    for _, chapter in groupby(utterances, lambda one: one.chapter):
        sentences = list(chapter)
        words = tuple(word for one in sentences for word in one.words)
        values = np.concatenate([one.values for one in sentences])
        slots = tuple(
            (("<pause_short>",) if k and values[k - 1, 1] >= _BOUNDARY else ())
            + (("<emph>",) if values[k, 0] >= _PROMINENT else ())
            for k in range(len(words))
        )
        of = table([Text(words, slots, (None,) * len(words))])
        counts = np.zeros((len(PLACES), int(np.prod(OUTCOMES))))
        np.add.at(counts, (of.place, of.outcome), of.open)
        reader = sentences[0].speaker
        found[reader] = found.get(reader, 0) + shared(counts)
    return {name: counts for name, counts in sorted(found.items()) if counts.sum() >= _LEAST_WORDS}


def load_readers() -> dict[str, np.ndarray]:
    """The readers whose counts ship with the package; none if the file is not there."""
    file = resources.files("prosody.lm") / READERS_FILE
    if not file.is_file():
        return {}
    raw = json.loads(file.read_text(encoding="utf-8"))
    return {name: np.array(counts, dtype=float) for name, counts in raw["readers"].items()}
