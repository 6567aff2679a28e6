"""Reading texts in windows: the probability of each marker before each word, however long a text is, and how each word
is expected to sound.

A model that has learned from windows of some length reads twice as much at once. Windows overlap, and where two know a
word what they say is blended: each counts for as many words as the word lies from its edge, so that one fades
into the other and there is no place where a text is joined. Windows of like length go through the model together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from prosody import markers
from prosody.lm import slots
from prosody.lm.corpus import tokenized
from prosody.lm.lora import row_vectors

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from prosody.lm.checkpoint import Adapter

OVERLAP_WORDS = 30
_OF_TRAINING = 2  # words read at once, of those of a window in training
_TOKENS_A_WORD = 4  # that a base must have room for
_LONGEST_WORD = 64  # tokens: of a longer “word” (an address, a text without spaces) only so many are read
_TOKENS_AT_ONCE = {"cpu": 768, "cuda": 16_384}


@dataclass(frozen=True)
class Window:
    """Words `begin` to `end` of the text with this number."""

    text: int
    begin: int
    end: int


@dataclass(frozen=True)
class Reading:
    """What a model says of a text.

    probabilities: of each marker before each word [shape=(n_words, n_markers)], markers in wire order. measured: what
    each word should measure [shape=(n_words, n_names)], in the units and the order of the adapter's head, each less the
    speaker's median word; no columns where nothing was measured in training.
    """

    probabilities: np.ndarray
    measured: np.ndarray


def layout(n_words: int, *, size: int, overlap: int) -> list[tuple[int, int]]:
    """Windows over a text: as few as there can be, spread evenly, all as long as each other.

    size: words of a window. overlap: words that two neighbours share at least, fewer than `size`.
    Returns their begins and ends, in order; a text of up to `size` words is one window, an empty one none.
    """
    if n_words <= size:
        return [(0, n_words)] if n_words else []
    last = math.ceil((n_words - size) / (size - overlap))
    begins = [k * (n_words - size) // last for k in range(last + 1)]
    return [(begin, begin + size) for begin in begins]


def blend_weights(begin: int, end: int, n_words: int) -> np.ndarray:
    """How much what a window says counts at each of its words [shape=(end - begin,)].

    They do for as many words as the word lies from the window's nearest edge; where the text itself begins or ends
    there is none.
    """
    at = np.arange(end - begin) + 0.5
    left = at if begin else np.full(len(at), np.inf)
    right = at[::-1] if end < n_words else np.full(len(at), np.inf)
    return np.minimum(np.minimum(left, right), float(n_words))


def window_size(adapter: Adapter, model: PeftModel | PreTrainedModel) -> int:
    """Words that `model` is to read at once: twice what it learned from, if the base has room for so many."""
    learned, longest = adapter.card["window_words"], slots.longest_text(model)
    if longest is None:
        return _OF_TRAINING * learned
    room = longest // _TOKENS_A_WORD // (2 if adapter.card["reading"] == "twice" else 1)
    return max(learned, min(_OF_TRAINING * learned, room))


def read(
    texts: Sequence[Sequence[str]],
    adapter: Adapter,
    model: PeftModel | PreTrainedModel,
    *,
    size: int | None = None,
    overlap: int = OVERLAP_WORDS,
    tokens_at_once: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Reading]:
    """What `model` says of each text.

    texts: the words of each. size, overlap: of the windows, words (`window_size`; a third of it at most).
    tokens_at_once: of one pass through the model, padding included. progress is called with (words done, words in all).
    """
    size = size or window_size(adapter, model)
    pieces = [[rows[:_LONGEST_WORD] for rows in tokenized(words, adapter.tokenizer)] for words in texts]
    windows = [
        Window(k, begin, end)
        for k, words in enumerate(texts)
        for begin, end in layout(len(words), size=size, overlap=min(overlap, size // 3))
    ]
    lengths = [sum(map(len, pieces[w.text][w.begin : w.end])) for w in windows]
    at_once = tokens_at_once or _TOKENS_AT_ONCE.get(next(model.parameters()).device.type, _TOKENS_AT_ONCE["cpu"])
    found: list[np.ndarray | None] = [None] * len(windows)
    n_words, done = sum(map(len, texts)), 0
    for together in _batches(lengths, at_once):
        shares = _read([pieces[w.text][w.begin : w.end] for w in (windows[k] for k in together)], adapter, model)
        for k, of_window in zip(together, shares, strict=True):
            found[k] = of_window
        done += sum(lengths[k] for k in together)
        if progress:
            progress(n_words * done // sum(lengths), n_words)
    n = len(markers.TOKENS)
    return [Reading(table[:, :n], table[:, n:]) for table in _blended(texts, windows, found)]


def _batches(lengths: Sequence[int], at_once: int) -> Iterator[list[int]]:
    """Numbers of the windows that are read together, the longest first; with padding at most `at_once` tokens."""
    together: list[int] = []
    for k in sorted(range(len(lengths)), key=lambda k: (-lengths[k], k)):
        if together and (len(together) + 1) * lengths[together[0]] > at_once:
            yield together
            together = []
        together.append(k)
    if together:
        yield together


def _read(
    windows: Sequence[Sequence[Sequence[int]]], adapter: Adapter, model: PeftModel | PreTrainedModel
) -> list[np.ndarray]:
    """What is said of windows that go through the model together: for each [shape=(n_words, n_markers + n_names)]."""
    import torch

    tokenizer, reading = adapter.tokenizer, adapter.card["reading"]
    longest = slots.longest_text(model)
    examples = [slots.build(pieces, None, tokenizer, reading=reading, longest=longest) for pieces in windows]
    batch = slots.collate(examples, pad_row=tokenizer.base.pad_token_id)
    with torch.no_grad():
        states = slots.hidden(model, batch.to(str(next(model.parameters()).device)), reading=reading)
        vectors = row_vectors(model, tokenizer, slots.tokens_of())
        shares = slots.probabilities(slots.logits(states, vectors, adapter.reference))
        columns = [torch.stack([shares[token] for token in markers.TOKENS], dim=1)]
        if adapter.head:
            head, scale = adapter.head
            spreads = torch.tensor(scale.spreads, device=states.device)
            columns.append(head.to(states.device)(states) * spreads)
    table = torch.cat(columns, dim=1).cpu().double().numpy()
    ends = np.cumsum([len(one.at) for one in examples])
    return np.split(table, ends[:-1])


def _blended(
    texts: Sequence[Sequence[str]], windows: Sequence[Window], found: Sequence[np.ndarray | None]
) -> list[np.ndarray]:
    """The windows' tables as one a text."""
    n_columns = next((table.shape[1] for table in found if table is not None), len(markers.TOKENS))
    sums = [np.zeros((len(words), n_columns)) for words in texts]
    weights = [np.zeros((len(words), 1)) for words in texts]
    for window, shares in zip(windows, found, strict=True):
        weight = blend_weights(window.begin, window.end, len(texts[window.text]))[:, None]
        sums[window.text][window.begin : window.end] += weight * shares
        weights[window.text][window.begin : window.end] += weight
    return [total / weight for total, weight in zip(sums, weights, strict=True)]
