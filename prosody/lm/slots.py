"""Marking as the learned task: which markers stand in each slot of a text whose words are known.

The model reads the plain text once, and then again word by word. When it has read a word again, punctuation and all,
the markers that may stand before that word compete with going on: the logit of a marker against the logit of the known
next token. So every slot is decided with the word and the whole text in view, from one forward pass, and no word can
change. A slot holds at most one pause, one pitch marker and one `<emph>`: three independent choices, each a softmax
over "nothing" (going on) and the markers of its kind.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prosody import markers
from prosody.errors import ProsodyError
from prosody.lm.tokenizer import MarkerTokenizer

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor

KINDS = markers.KINDS
OF_KIND: dict[str, tuple[str, ...]] = {
    kind: tuple(m.token for m in markers.MARKERS if m.kind == kind) for kind in KINDS
}
MASKED = -100  # the label of what is not learned: padding, and slots outside the text
_END = "\n"
_BEFORE, _BETWEEN = "Plain text:", "\nAs it is spoken:"


@dataclass(frozen=True)
class SlotExample:
    """One text ready for the model.

    rows: token rows of both readings. at: for each word, the position of its last token in the second reading.
    following: for each word, the row of the token that comes next. labels: for each word, the class chosen of each kind
    (0 nothing, 1… the markers of `OF_KIND`), or MASKED.
    """

    rows: tuple[int, ...]
    at: tuple[int, ...]
    following: tuple[int, ...]
    labels: tuple[tuple[int, int, int], ...]


def label(word_markers: Sequence[str]) -> tuple[int, int, int]:
    """The class of each kind for the markers of one word."""
    classes = []
    for kind in KINDS:
        found = [OF_KIND[kind].index(m) + 1 for m in word_markers if m in OF_KIND[kind]]
        classes.append(found[0] if found else 0)
    return (classes[0], classes[1], classes[2])


def build(
    words: Sequence[str],
    word_markers: Sequence[Sequence[str]] | None,
    tokenizer: MarkerTokenizer,
    *,
    longest: int | None = None,
) -> SlotExample:
    """Lay out one text.

    words: plain words in order; word_markers: their markers, or None when they are to be found. longest: tokens that
    the base can read at once (None: no bound). Where both readings are longer, only the beginnings of the longest words
    are read: a text in a script without spaces, or a stray line of base64, has words of hundreds of tokens.
    Raises ProsodyError if not even one token of each word fits.
    """
    before, between = tokenizer.encode_rows(_BEFORE), tokenizer.encode_rows(_BETWEEN)
    pieces = [tokenizer.encode_rows(" " + word) for word in words]
    if longest is not None:
        pieces = _fit(pieces, room=(longest - len(before) - len(between)) // 2)
    rows = before + [r for piece in pieces for r in piece] + between
    at = []
    for piece in pieces:
        rows += piece
        at.append(len(rows) - 1)
    following = [piece[0] for piece in pieces[1:]] + tokenizer.encode_rows(_END)[:1]
    labels = [label(m) for m in word_markers] if word_markers is not None else [(MASKED,) * 3 for _ in words]
    return SlotExample(tuple(rows), tuple(at), tuple(following), tuple(labels))


def _fit(pieces: Sequence[list[int]], *, room: int) -> list[list[int]]:
    """The words' tokens, the longest words cut to one length so that all together are at most `room`."""
    lengths = range(1, max(map(len, pieces), default=1) + 1)
    most = bisect_right(lengths, room, key=lambda length: sum(min(len(p), length) for p in pieces))
    if most == 0:
        what = f"{len(pieces)} words at once are too many for a base that reads {2 * room} tokens"
        raise ProsodyError(None, "window_words", what, f"give at most {room // 2}")
    return [piece[:most] for piece in pieces]


def longest_text(model: PeftModel) -> int | None:
    """Tokens that the model can read at once; None if its positions know no bound."""
    return getattr(model.get_base_model().config, "max_position_embeddings", None)


@dataclass(frozen=True)
class Batch:
    """Padded examples: rows and mask [shape=(n, length)]; the slots of all of them in one list, example by example."""

    rows: Tensor
    mask: Tensor
    example: Tensor
    at: Tensor
    following: Tensor
    labels: Tensor

    @property
    def n_tokens(self) -> int:
        """Tokens without padding."""
        return int(self.mask.sum())

    def to(self, device: str) -> Batch:
        """The same batch on another device."""
        return Batch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def collate(examples: Sequence[SlotExample], *, pad_row: int) -> Batch:
    """Pad examples on the right into one batch."""
    import torch

    longest = max(len(e.rows) for e in examples)
    rows = torch.full((len(examples), longest), pad_row, dtype=torch.long)
    mask = torch.zeros((len(examples), longest), dtype=torch.long)
    for k, one in enumerate(examples):
        rows[k, : len(one.rows)] = torch.tensor(one.rows)
        mask[k, : len(one.rows)] = 1
    return Batch(
        rows=rows,
        mask=mask,
        example=torch.tensor([k for k, e in enumerate(examples) for _ in e.at]),
        at=torch.tensor([a for e in examples for a in e.at]),
        following=torch.tensor([f for e in examples for f in e.following]),
        labels=torch.tensor([x for e in examples for x in e.labels]),
    )


def slot_logits(model: PeftModel, batch: Batch, tokenizer: MarkerTokenizer) -> dict[str, Tensor]:
    """Logits of each kind's choices at every slot: kind → [shape=(n_slots, 1 + its markers)], nothing first."""
    import torch

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    backbone = getattr(inner, inner.base_model_prefix)
    hidden = backbone(input_ids=batch.rows, attention_mask=batch.mask).last_hidden_state
    logits = inner.get_output_embeddings()(hidden[batch.example, batch.at])
    nothing = logits.gather(1, batch.following[:, None])
    rows = tokenizer.rows
    return {
        kind: torch.cat([nothing, logits[:, [rows[t] for t in tokens]]], dim=1).float()
        for kind, tokens in OF_KIND.items()
    }


def slot_loss(logits: dict[str, Tensor], labels: Tensor) -> Tensor:
    """Mean over slots of the three choices' cross-entropies added up, nats; masked slots count for nothing.

    labels [shape=(n_slots, 3)], kinds in canonical order.
    """
    import torch
    from torch.nn.functional import cross_entropy

    total = torch.zeros((), device=labels.device)
    for column, kind in enumerate(KINDS):
        total = total + cross_entropy(logits[kind], labels[:, column], ignore_index=MASKED)
    return total


def probabilities(logits: dict[str, Tensor]) -> dict[str, Tensor]:
    """Probability of each marker at every slot: token → [shape=(n_slots,)]."""
    found = {}
    for kind, tokens in OF_KIND.items():
        shares = logits[kind].softmax(dim=1)
        found |= {token: shares[:, k + 1] for k, token in enumerate(tokens)}
    return found
