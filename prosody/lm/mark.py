"""Placing markers: plain words in, the same words with the speaker's markers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prosody import markers
from prosody.lm import slots
from prosody.lm.checkpoint import Adapter
from prosody.lm.corpus import tokenized
from prosody.lm.evaluate import decide
from prosody.lm.lora import row_vectors
from prosody.markers import MarkedText, MarkedWord

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

_OVERLAP_WORDS = 30


@dataclass(frozen=True)
class Marked:
    """A marked text, and for each word the probability of each marker: one dict {token: 0..1} a word."""

    text: MarkedText
    probabilities: tuple[dict[str, float], ...]

    def __str__(self) -> str:
        return markers.render(self.text)


def mark(
    text: str | MarkedText,
    adapter: Adapter,
    *,
    threshold: float | None = None,
    untuned: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Marked:
    """Place markers before the words of `text`; no word changes, and markers already written stay.

    threshold: least probability of a marker placed (the adapter's own by default). untuned: with the adapter switched
    off, for comparison. progress is called with (words done, words in all). No pause is placed before the first word.
    Long texts are read in overlapping windows; each word is decided where it stands furthest from a window's edge.
    Raises ProsodyError if `text` breaks the grammar.
    """
    given = markers.parse(text) if isinstance(text, str) else text
    if threshold is None:
        threshold = float(adapter.card["threshold"])
    words = [w.text for w in given.words]
    with adapter.untuned() if untuned else nullcontext(adapter.model) as model:
        found = _probabilities(words, adapter, model, progress=progress)
    columns = {t: [p[t] for p in found] for t in markers.TOKENS}
    placed = decide(columns, threshold=threshold)
    done = tuple(
        _merge(word, slot, first=k == 0) for k, (word, slot) in enumerate(zip(given.words, placed, strict=True))
    )
    return Marked(MarkedText(done, given.final), tuple(found))


def _merge(word: MarkedWord, placed: Sequence[str], *, first: bool) -> MarkedWord:
    """The user's markers, and the placed ones of kinds that the user left open."""
    taken = {markers.BY_TOKEN[t].kind for t in word.markers} | ({"pause"} if first else set())
    new = [t for t in placed if markers.BY_TOKEN[t].kind not in taken]
    return MarkedWord(word.text, markers.canonical([*word.markers, *new]))


def _probabilities(
    words: Sequence[str],
    adapter: Adapter,
    model: PeftModel | PreTrainedModel,
    *,
    progress: Callable[[int, int], None] | None,
) -> list[dict[str, float]]:
    """Probability of each marker before each word, as `model` has it."""
    import torch

    tokenizer, size = adapter.tokenizer, adapter.card["window_words"]
    pieces = tokenized(words, tokenizer)
    overlap = min(_OVERLAP_WORDS, size // 3)
    found: list[dict[str, float]] = []
    while len(found) < len(words):
        begin = max(0, len(found) - overlap // 2)
        end = min(len(words), begin + size)
        keep = end if end == len(words) else end - overlap // 2
        example = slots.build(
            pieces[begin:end],
            None,
            tokenizer,
            reading=adapter.card["reading"],
            longest=slots.longest_text(model),
        )
        batch = slots.collate([example], pad_row=tokenizer.base.pad_token_id)
        batch = batch.to(str(next(model.parameters()).device))
        with torch.no_grad():
            states = slots.hidden(model, batch, reading=adapter.card["reading"])
            vectors = row_vectors(model, tokenizer, slots.tokens_of())
            logits = slots.logits(states, vectors, adapter.reference)
        columns = {t: p.tolist() for t, p in slots.probabilities(logits).items()}
        found += [{t: columns[t][k] for t in columns} for k in range(len(found) - begin, keep - begin)]
        if progress:
            progress(len(found), len(words))
    return found
