"""A public yardstick: how prominent each word of read speech is, told from the text alone.

The Helsinki Prosody Corpus (Talman et al. 2019, arXiv:1908.02262) gives every word of LibriTTS a prominence of 0, 1 or
2, found in the audio by the wavelet method. A model learns them as markers are learned, from one forward pass over
known words: 1 with the row of `<emph>`, 2 with that of `<pitch_high>`; the two real values beside them are what the
acoustic head predicts. Accuracy is told two-way (0 against the rest) and three-way, beside that of the most frequent
label of each word, and of each speaker.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prosody import files
from prosody.errors import ProsodyError
from prosody.lm import acoustic
from prosody.lm.corpus import Corpus, tokenized
from prosody.lm.evaluate import bare

if TYPE_CHECKING:
    from prosody.lm.loop import Said, Step
    from prosody.lm.lora import LoraParameters
    from prosody.lm.parameters import TrainParameters
    from prosody.lm.tokenizer import MarkerTokenizer

CHOICES = {"prominence": ("<emph>", "<pitch_high>")}
NAMES = ("prominence", "boundary")  # the two real values
_FILE, _NOT = "<file>", "NA"
_TIE = 1e-3
_MOST = 1e6
_FLOOR = 0.1  # the two values are taken in logarithms, and many are 0
_REMEDY = "give a file of the Helsinki Prosody Corpus, such as dev.txt"


@dataclass(frozen=True)
class Utterance:
    """A sentence as read aloud. name: of its file, "speaker_chapter_…". words: with the punctuation that follows.

    prominence: 0, 1, 2, or None where the corpus gives none. values [shape=(n_words, 2)]: prominence and boundary as
    real numbers, NaN where there is none.
    """

    name: str
    words: tuple[str, ...]
    prominence: tuple[int | None, ...]
    values: np.ndarray

    @property
    def speaker(self) -> str:
        return self.name.partition("_")[0]

    @property
    def chapter(self) -> tuple[str, ...]:
        """What was read in one go: speaker and chapter."""
        return tuple(self.name.split("_")[:2])


def read(path: Path) -> list[Utterance]:
    """The utterances of a file in the corpus's format.

    A line `<file>`, tab, name before each utterance; then a line a word: word, prominence, boundary, and both as real
    numbers, tab-separated, NA for punctuation. Raises ProsodyError at the first line that is none of these.
    """
    found: list[tuple[str, list[str], list[int | None], list[tuple[float, float]]]] = []
    for number, line in enumerate(files.read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        fields = line.split("\t")
        if fields[0] == _FILE and len(fields) >= 2:
            found.append((fields[1].removesuffix(".txt"), [], [], []))
            continue
        if not found or len(fields) < 3:
            raise ProsodyError(path, f"line {number}", f"{line[:40]!r} is no line of the corpus", _REMEDY)
        _, words, labels, values = found[-1]
        if fields[1] == _NOT and words and not any(c.isalnum() for c in fields[0]):
            words[-1] += fields[0]
            continue
        words.append(fields[0])
        labels.append(_label(path, number, fields[1]))
        values.append(_values(path, number, fields[3:5]))
    utterances = [
        Utterance(name, tuple(words), tuple(labels), np.array(values, dtype=np.float32))
        for name, words, labels, values in found
        if words
    ]
    if not any(label is not None for one in utterances for label in one.prominence):
        raise ProsodyError(path, None, "holds no word with a prominence", _REMEDY)
    return utterances


def _label(path: Path, number: int, field: str) -> int | None:
    if field not in (_NOT, "0", "1", "2"):
        raise ProsodyError(path, f"line {number}", f"prominence {field!r} is not 0, 1, 2 or NA", _REMEDY)
    return None if field == _NOT else int(field)


def _values(path: Path, number: int, fields: Sequence[str]) -> tuple[float, float]:
    try:
        one, other = [float("nan") if field == _NOT else float(field) for field in [*fields, _NOT, _NOT][:2]]
    except ValueError:
        raise ProsodyError(path, f"line {number}", f"{fields} are not numbers", _REMEDY) from None
    if any(value < 0 or value > _MOST for value in (one, other)):
        raise ProsodyError(path, f"line {number}", f"{fields} are no values of prominence and boundary", _REMEDY)
    return one, other


def first_words(utterances: Sequence[Utterance], n_words: int) -> list[Utterance]:
    """The first whole utterances, until there are `n_words` words."""
    ends = accumulate(len(one.words) for one in utterances)
    return [one for one, end in zip(utterances, ends, strict=True) if end - len(one.words) < n_words]


def corpus_of(utterances: Sequence[Utterance], tokenizer: MarkerTokenizer) -> Corpus:
    """Utterances as words to learn from: a chapter's sentences are one document, in the order in which they stand."""
    words = [word for one in utterances for word in one.words]
    labels = [label for one in utterances for label in one.prominence]
    starts, at, chapter = [], 0, None
    for one in utterances:
        if one.chapter != chapter:
            starts.append(at)
        chapter, at = one.chapter, at + len(one.words)
    names = CHOICES["prominence"]
    slots = tuple(None if label is None else names[label - 1 : label] if label else () for label in labels)
    measured = np.concatenate([one.values for one in utterances])
    return Corpus(tuple(words), slots, tokenized(words, tokenizer), np.log(measured + _FLOOR), tuple(starts))


def shares_of(said: Said) -> list[list[float]]:
    """Probabilities of 0, 1 and 2 for each word [shape=(n_words, 3)], of what a model says."""
    emph, high = (said.probabilities[token] for token in CHOICES["prominence"])
    return [[1 - a - b, a, b] for a, b in zip(emph, high, strict=True)]


@dataclass(frozen=True)
class Score:
    """How many labels were told rightly. two_way: 0 against the rest; f1: of the rest; words: how many had a label."""

    two_way: float
    three_way: float
    f1: float
    words: int


def check_classes(learned: Sequence[Utterance], path: Path) -> None:
    """Raise ProsodyError unless some words to learn from are prominent and others are not."""
    seen = {bool(label) for one in learned for label in one.prominence if label is not None}
    if len(seen) < 2:
        which = "prominent" if True in seen else "without prominence"
        what = f"all words to learn from are {which}: nothing to tell apart"
        raise ProsodyError(path, None, what, "give a file that has both")


def score(told: Sequence[Sequence[float]], labels: Sequence[int | None]) -> Score:
    """Score probabilities of 0, 1 and 2 [shape=(n_words, 3)]; a word without a label counts for nothing."""
    pairs = [(shares, label) for shares, label in zip(told, labels, strict=True) if label is not None]
    is_prominent = [(shares[0] < 0.5, label > 0) for shares, label in pairs]
    both = sum(guess and truth for guess, truth in is_prominent)
    either = sum(guess for guess, _ in is_prominent) + sum(truth for _, truth in is_prominent)
    n = max(len(pairs), 1)
    return Score(
        two_way=sum(guess == truth for guess, truth in is_prominent) / n,
        three_way=sum(max(range(3), key=lambda k: shares[k]) == label for shares, label in pairs) / n,
        f1=2 * both / either if either else 0.0,
        words=len(pairs),
    )


def most_frequent(learned: Sequence[Utterance]) -> Callable[[str], list[float]]:
    """The trivial baseline: for each word how often it had which label in training; for new words how often any had.

    The function gives shares of 0, 1 and 2: the largest of them, and the larger of 0 and the rest, is the most
    frequent. Of labels that a word had equally often, the one that is more frequent overall counts as the more
    frequent.
    """
    seen: dict[str, Counter[int]] = defaultdict(Counter)
    overall: Counter[int] = Counter()
    for one in learned:
        for word, label in zip(one.words, one.prominence, strict=True):
            if label is not None:
                seen[bare(word)][label] += 1
                overall[label] += 1

    def shares(word: str) -> list[float]:
        counts = seen.get(bare(word), Counter())
        weights = [counts[k] + _TIE * overall[k] / overall.total() for k in range(3)]
        return [weight / sum(weights) for weight in weights]

    return shares


def split_by_speaker(utterances: Sequence[Utterance], n_splits: int) -> list[set[str]]:
    """The speakers of each held-out part, as even in words as can be; every speaker is in one of them.

    Raises ProsodyError if there are fewer speakers than parts.
    """
    if n_splits < 2:
        raise ProsodyError(None, "splits", f"is {n_splits}", "give 2 or more, such as 5")
    n_words = Counter({one.speaker: 0 for one in utterances})
    for one in utterances:
        n_words[one.speaker] += len(one.words)
    if len(n_words) < n_splits:
        what = f"{n_splits} parts of {len(n_words)} speakers"
        raise ProsodyError(None, "splits", what, "give fewer, or a file of more speakers")
    parts: list[set[str]] = [set() for _ in range(n_splits)]
    for speaker, _ in sorted(n_words.items(), key=lambda item: (-item[1], item[0])):
        min(parts, key=lambda part: sum(n_words[one] for one in part)).add(speaker)
    return parts


@dataclass(frozen=True)
class Result:
    """One training and its test: ours and the baseline's scores, by speaker too, and the seconds of training."""

    ours: Score
    baseline: Score
    by_speaker: Mapping[str, tuple[Score, Score]]
    measurements: Mapping[str, Mapping[str, float]]
    words_learned: int
    seconds: float
    tokens_per_s: float


def run(
    learned: Sequence[Utterance],
    tested: Sequence[Utterance],
    *,
    base_model: str,
    lora: LoraParameters,
    parameters: TrainParameters,
    on_step: Callable[[Step], None] | None = None,
) -> Result:
    """Train on some utterances and test on others, once."""
    from prosody.lm import figures
    from prosody.lm.base import load_base
    from prosody.lm.device import pick_device
    from prosody.lm.loop import Loop
    from prosody.lm.lora import attach

    model, tokenizer, _ = attach(load_base(base_model), lora, seed=parameters.seed)
    device = pick_device(parameters.device)
    model.to(device)
    corpus, other = corpus_of(learned, tokenizer), corpus_of(tested, tokenizer)
    scale = acoustic.scale(corpus.measured, NAMES)
    head = acoustic.AcousticHead(model.get_input_embeddings().weight.shape[1], 2, seed=parameters.seed).to(device)
    loop = Loop(model, tokenizer, parameters, device, head=head, measured_names=NAMES, choices=CHOICES)
    corpus, other = corpus.scaled(scale), other.scaled(scale)
    loop.fit_reference(corpus)
    steps, begun = [], time.perf_counter()
    for step in loop.steps(corpus, loop.plan(corpus)):
        steps.append(step)
        if on_step:
            on_step(step)
    seconds = time.perf_counter() - begun
    said = loop.measure(other)
    told = shares_of(said)
    baseline = most_frequent(learned)
    usual = [baseline(word) for word in other.words]
    labels = [label for one in tested for label in one.prominence]
    speakers = [one.speaker for one in tested for _ in one.words]

    def of(speaker: str | None, shares: Sequence[Sequence[float]]) -> Score:
        own = [k for k, one in enumerate(speakers) if speaker in (None, one)]
        return score([shares[k] for k in own], [labels[k] for k in own])

    return Result(
        ours=of(None, told),
        baseline=of(None, usual),
        by_speaker={one: (of(one, told), of(one, usual)) for one in sorted(set(speakers))},
        measurements=figures.measurement_errors(said.predicted, other.measured, NAMES),
        words_learned=len(corpus.words),
        seconds=seconds,
        tokens_per_s=figures.tokens_per_s(steps),
    )
