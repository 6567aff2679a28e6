"""Where a speaker's markers stand, counted: how often, at which places of a sentence, in which company, after how long
a silence.

Every slot has one place, told from the words alone, and one outcome: what stands in it, be it nothing. Counts are kept
by block, a text or a sentence, so that `prosody.lm.bootstrap` can draw blocks anew. Punctuation ends a sentence (. ? !)
or parts it (, ; : and dashes); what is no content word is in `evaluate.FUNCTION_WORDS`, contracted or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prosody import markers
from prosody.dataset import Dataset, Word
from prosody.lm.evaluate import FUNCTION_WORDS, bare
from prosody.markers import TOKENS, MarkedText

PLACES = (
    "opening a sentence",
    "after a comma",
    "before a comma",
    "closing a statement",
    "closing a question",
    "content word inside",
    "function word inside",
)
"""The places of a slot's word. Each word has one: the last of a sentence closes it, whatever else it does; of any other
it is the first that fits, in this order."""
FEATURES = (
    "sentence-initial",
    "sentence-final",
    "after punctuation",
    "before punctuation",
    "content word",
)
"""What can be said of a marker's place, which is that of the word after it; several may be true of one."""
COMBINATIONS = ("pause", "pitch", "emph", "pause + pitch", "pause + emph", "pitch + emph", "pause + pitch + emph")
"""The kinds of markers that stand in one slot."""

LEAST_PAUSE_S = 0.2  # a shorter silence is no pause: the least that a marker stands for
_CHOICES = {kind: ("", *(m.token for m in markers.MARKERS if m.kind == kind)) for kind in markers.KINDS}
OUTCOMES = tuple(len(choices) for choices in _CHOICES.values())  # pause, pitch, emph: 3 × 5 × 2
_CLOSERS = "\"'”’»)]}"
_ENDS, _PARTS = ".?!…", ",;:—–-"
_SENTENCE = (".", "?")  # what `ending` gives at a sentence's end


@dataclass(frozen=True)
class Text:
    """A stretch of marked speech or text: an answer, a segment.

    words: with their punctuation. slots: the markers before each. silences_s: the silence before each word, s; None
    where it is not known. before: the word said before the first one; None: nothing was, so that no pause can be there.
    """

    words: tuple[str, ...]
    slots: tuple[tuple[str, ...], ...]
    silences_s: tuple[float | None, ...]
    before: str | None = None


def of_marked(marked: str | MarkedText) -> Text:
    """A marked text, of which no silence is known. Raises ProsodyError if `marked` is a string that does not parse."""
    text = markers.parse(marked) if isinstance(marked, str) else marked
    return Text(tuple(w.text for w in text.words), tuple(w.markers for w in text.words), (None,) * len(text.words))


def of_spoken(words: Sequence[Word]) -> Text:
    """Spoken words with their times (s), as `voice.speak` gives them; silences lie between the words."""
    starts, ends = [w.start for w in words], [w.end for w in words]
    silences = [max(0.0, start - end) for start, end in zip(starts[1:], ends, strict=False)]
    slots = tuple(tuple(w.markers) for w in words)
    return Text(tuple(w.text for w in words), slots, (None, *silences)[: len(words)])


def of_dataset(dataset: Dataset, *, split: str) -> list[Text]:
    """The segments of a split ("val", or "train" for all others), one text each, with their measured silences (s).

    What the recording says before a segment is known, so a pause at its beginning counts. A segment without words is
    left out.
    """
    texts, before, starts = [], None, {s["start"] for s in dataset.info.get("sources") or ()}
    for segment in dataset.segments:
        if not segment.words:
            continue
        before = None if segment.words[0].start in starts else before
        if (segment.split == "val") == (split == "val"):
            silences = tuple(w.measured.get("pause_before_s") for w in segment.words)
            words, slots = tuple(w.text for w in segment.words), tuple(tuple(w.markers) for w in segment.words)
            texts.append(Text(words, slots, silences if before is not None else (None, *silences[1:]), before))
        before = segment.words[-1].text
    return texts


def is_function_word(word: str) -> bool:
    """Whether a word, contracted or not, is one of English's function words: "I'll" and "don't" are."""
    plain = bare(word.replace("’", "'"))
    stem = plain.removesuffix("n't") if plain.endswith("n't") else plain.partition("'")[0]
    return plain in FUNCTION_WORDS or stem in FUNCTION_WORDS or plain in ("can't", "won't", "")


def ending(word: str | None) -> str:
    """How a word ends, quotes and brackets passed over: "?" or "." (a sentence), "," (a part of one), "" (neither)."""
    last = (word or "").rstrip(_CLOSERS)[-1:]
    if last in ("?", ""):
        return last
    return "." if last in _ENDS else "," if last in _PARTS else ""


@dataclass(frozen=True)
class Table:
    """One row a word, of texts in order.

    text, sentence: their numbers, from 0. place: index into PLACES. features [shape=(n, 5)]: as FEATURES, 0 or 1.
    tokens [shape=(n, 7)]: as markers.TOKENS, 0 or 1. outcome: what stands in the slot, a number below 30. silence_s:
    before the word, s; NaN where none is known. open: a pause could stand here.
    """

    text: np.ndarray
    sentence: np.ndarray
    place: np.ndarray
    features: np.ndarray
    tokens: np.ndarray
    outcome: np.ndarray
    silence_s: np.ndarray
    open: np.ndarray

    @property
    def n_texts(self) -> int:
        return len(np.unique(self.text))


def table(texts: Sequence[Text]) -> Table:
    """The words of texts, each with its place and with what stands before it."""
    rows = []
    sentence = -1
    for number, one in enumerate(texts):
        for k, word in enumerate(one.words):
            said = one.words[k - 1] if k else one.before
            before = ending(said) if said is not None else "."
            is_end = k == len(one.words) - 1 and one.before is None  # of a text that stands alone
            after = ending(word) or ("." if is_end else "")
            sentence += k == 0 or before in _SENTENCE
            tokens = [token in one.slots[k] for token in TOKENS]
            features, place = _features(before, after, word), _place(before, after, word)
            outcome, silence = _outcome(one.slots[k]), one.silences_s[k]
            rows.append((number, sentence, place, *features, *tokens, outcome, silence, said is not None))
    raw = np.array(rows, dtype=float).reshape(len(rows), 3 + len(FEATURES) + len(TOKENS) + 3)  # None becomes NaN
    text, sentence, place, features, tokens, rest = np.split(raw, np.cumsum([1, 1, 1, len(FEATURES), len(TOKENS)]), 1)
    whole = (column[:, 0].astype(int) for column in (text, sentence, place))
    return Table(*whole, features, tokens, rest[:, 0].astype(int), rest[:, 1], rest[:, 2].astype(bool))


def _place(before: str, after: str, word: str) -> int:
    """Index of a word's place. before: how the word before it ends. after: how it ends itself."""
    if after in _SENTENCE:
        return 4 if after == "?" else 3
    if before in _SENTENCE:
        return 0
    if before == "," or after == ",":
        return 1 if before == "," else 2
    return 6 if is_function_word(word) else 5


def _features(before: str, after: str, word: str) -> list[bool]:
    return [before in _SENTENCE, after in _SENTENCE, bool(before), bool(after), not is_function_word(word)]


def _outcome(slot: Sequence[str]) -> int:
    found = [next((k for k, t in enumerate(choices) if t and t in slot), 0) for choices in _CHOICES.values()]
    return int(np.ravel_multi_index(found, OUTCOMES))
