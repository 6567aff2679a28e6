"""Marking as the learned task: which markers stand in each slot of a text whose words are known.

A base model reads from left to right, but a marker depends on what follows as well. Two readings give it that view:
"both ways" lets every word see the whole text in the upper half of the layers, while the lower half reads as it always
did; "twice" has the model read the plain text and then, left to right, again. When a word has been read, punctuation
and all, the logit of each marker's row says how well the marker would stand before it. So every slot is decided from
one forward pass, and no word can change.

A slot holds at most one pause, one pitch marker and one `<emph>`: three independent choices, each a softmax over
"nothing" and the markers of its kind. "Nothing" has the logit 0, and the markers' are set against what the untuned base
says of such text on average (`Reference`): without that most of the training goes into learning how often markers are.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prosody import markers
from prosody.errors import ProsodyError
from prosody.lm.device import constant
from prosody.lm.lora import first_upper_layer, frozen_embedding, plain_model
from prosody.lm.tokenizer import MarkerTokenizer

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from torch.nn import Module

    from prosody.lm.corpus import Corpus

KINDS = markers.KINDS
Choices = Mapping[str, tuple[str, ...]]  # kind → the markers of which a slot holds one at most
OF_KIND: Choices = {kind: tuple(m.token for m in markers.MARKERS if m.kind == kind) for kind in KINDS}
READINGS = ("both ways", "twice")
MASKED = -100  # the label of what is not learned: padding, and slots outside the text
BEFORE, BETWEEN = "Plain text:", "\nAs it is spoken:"
_LEAST_SHARE = 1e-3


@dataclass(frozen=True)
class Reference:
    """What markers' logits are set against: logit · scale + the marker's offset stands against "nothing" at 0."""

    scale: float
    offsets: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """For the adapter's card."""
        return {"scale": self.scale, "offsets": dict(self.offsets)}


@dataclass(frozen=True)
class SlotExample:
    """One text ready for the model.

    rows: token rows of all that is read. at: for each word, the position of its last token where it is decided.
    labels: for each word, the class chosen of each kind (0 nothing, 1… its markers), or MASKED. measured: of each word,
    or None.
    """

    rows: tuple[int, ...]
    at: tuple[int, ...]
    labels: tuple[tuple[int, ...], ...]
    measured: Any = None


def label(word_markers: Sequence[str], choices: Choices = OF_KIND) -> tuple[int, ...]:
    """The class of each kind for the markers of one word."""
    classes = []
    for tokens in choices.values():
        found = [tokens.index(m) + 1 for m in word_markers if m in tokens]
        classes.append(found[0] if found else 0)
    return tuple(classes)


def build(
    pieces: Sequence[Sequence[int]],
    word_markers: Sequence[Sequence[str] | None] | None,
    tokenizer: MarkerTokenizer,
    *,
    reading: str = READINGS[0],
    longest: int | None = None,
    choices: Choices = OF_KIND,
    measured: Any = None,
) -> SlotExample:
    """Lay out one text.

    pieces: the token rows of each word in order; word_markers: their markers, None where they are not known or to be
    found. longest: tokens that the base can read at once (None: no bound). Where the text is longer, only the
    beginnings of the longest words are read: a text in a script without spaces, or a stray line of base64, has words of
    hundreds of tokens. Raises ProsodyError if not even one token of each word fits.
    """
    before, between = tokenizer.encode_rows(BEFORE), tokenizer.encode_rows(BETWEEN)
    twice = reading == "twice"
    if longest is not None:
        room = (longest - len(before) - len(between)) // 2 if twice else longest - len(before)
        pieces = _fit(pieces, room=room)
    text = [row for piece in pieces for row in piece]
    rows = before + text + (between + text if twice else [])
    at, end = [], len(rows) - len(text)
    for piece in pieces:
        end += len(piece)
        at.append(end - 1)
    if word_markers is None:
        labels = [(MASKED,) * len(choices)] * len(pieces)
    else:
        labels = [(MASKED,) * len(choices) if m is None else label(m, choices) for m in word_markers]
    return SlotExample(tuple(rows), tuple(at), tuple(labels), measured)


def of_corpus(
    corpus: Corpus,
    window: tuple[int, int],
    tokenizer: MarkerTokenizer,
    *,
    reading: str,
    longest: int | None,
    choices: Choices = OF_KIND,
) -> SlotExample:
    """Lay out a window of a corpus, to learn from or to be measured on."""
    a, b = window
    return build(
        corpus.pieces[a:b],
        corpus.slots[a:b],
        tokenizer,
        reading=reading,
        longest=longest,
        choices=choices,
        measured=corpus.measured[a:b],
    )


def n_labelled(examples: Sequence[SlotExample]) -> int:
    """How many slots there are of which it is known what stands there."""
    return sum(any(one != MASKED for one in labels) for example in examples for labels in example.labels)


def _fit(pieces: Sequence[Sequence[int]], *, room: int) -> list[Sequence[int]]:
    """The words' tokens, the longest words cut to one length so that all together are at most `room`."""
    lengths = range(1, max(map(len, pieces), default=1) + 1)
    most = bisect_right(lengths, room, key=lambda length: sum(min(len(p), length) for p in pieces))
    if most == 0:
        what = f"{len(pieces)} words at once are too many for this base"
        raise ProsodyError(None, "window_words", what, f"give at most {max(room, 1)}")
    return [piece[:most] for piece in pieces]


def longest_text(model: PeftModel) -> int | None:
    """Tokens that the model can read at once; None if its positions know no bound."""
    return getattr(plain_model(model).config, "max_position_embeddings", None)


@dataclass(frozen=True)
class Batch:
    """Padded examples: rows and mask [shape=(n, length)]; the slots of all of them in one list, example by example.

    labels [shape=(n_slots, n_kinds)]; measured [shape=(n_slots, n_measurements)], NaN where nothing was.
    """

    rows: Tensor
    mask: Tensor
    example: Tensor
    at: Tensor
    labels: Tensor
    measured: Tensor

    @property
    def n_tokens(self) -> int:
        """Tokens without padding."""
        return int(self.mask.sum())

    def to(self, device: str) -> Batch:
        """The same batch on another device."""
        return Batch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def collate(examples: Sequence[SlotExample], *, pad_row: int, steps: tuple[int, int] = (1, 1)) -> Batch:
    """Pad examples on the right into one batch.

    steps: the batch's length is a multiple of the first, its number of slots one of the second; slots that are added
    are masked. So batches come in few shapes.
    """
    import numpy as np
    import torch

    longest, n_slots = max(len(e.rows) for e in examples), sum(len(e.at) for e in examples)
    longest, added = longest + -longest % steps[0], -n_slots % steps[1]
    rows = torch.full((len(examples), longest), pad_row, dtype=torch.long)
    mask = torch.zeros((len(examples), longest), dtype=torch.bool)
    for k, one in enumerate(examples):
        rows[k, : len(one.rows)] = torch.tensor(one.rows)
        mask[k, : len(one.rows)] = True
    measured = [e.measured if e.measured is not None else np.zeros((len(e.at), 0), np.float32) for e in examples]
    measured.append(np.full((added, measured[0].shape[1]), np.nan, np.float32))
    masked = (MASKED,) * len(examples[0].labels[0])
    return Batch(
        rows=rows,
        mask=mask,
        example=torch.tensor([k for k, e in enumerate(examples) for _ in e.at] + [0] * added),
        at=torch.tensor([a for e in examples for a in e.at] + [0] * added),
        labels=torch.tensor([x for e in examples for x in e.labels] + [masked] * added),
        measured=torch.from_numpy(np.concatenate(measured)),
    )


def hidden(model: PeftModel, batch: Batch, *, reading: str) -> Tensor:
    """The model's last hidden state at every slot [shape=(n_slots, width)].

    Raises ProsodyError if the base's layers of attention are not known, and `reading` is not "twice".
    """
    import torch

    inner = plain_model(model)
    backbone = getattr(inner, inner.base_model_prefix)
    vectors = frozen_embedding(model)(batch.rows)  # no marker is ever read
    length = batch.rows.shape[1]
    text = batch.mask[:, None, None, :]  # no token sees padding
    so_far = text & torch.ones(length, length, dtype=torch.bool, device=text.device).tril()
    with _upper_layers_see(backbone, text) if reading == "both ways" else nullcontext():
        return backbone(inputs_embeds=vectors, attention_mask=so_far, use_cache=False).last_hidden_state[
            batch.example, batch.at
        ]


@contextmanager
def _upper_layers_see(backbone: Module, mask: Tensor) -> Iterator[None]:
    """Give the attention of the upper half of the layers another mask."""
    layers = [module for module in backbone.modules() if type(module).__name__.endswith("Attention")]
    if len(layers) != backbone.config.num_hidden_layers:
        kind = backbone.config.model_type
        raise ProsodyError(None, "reading", f"the layers of a {kind} model aren't known", "use reading=twice")
    hooks = [
        layer.register_forward_pre_hook(
            lambda _, given, named: (given, named | {"attention_mask": mask}), with_kwargs=True
        )
        for layer in layers[first_upper_layer(len(layers)) :]
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def logits(states: Tensor, vectors: Tensor, reference: Reference, choices: Choices = OF_KIND) -> dict[str, Tensor]:
    """Logits of each kind's choices at every slot: kind → [shape=(n_slots, 1 + its markers)], nothing first.

    states [shape=(n_slots, width)]: see `hidden`. vectors [shape=(n_markers, width)]: the rows of all markers of
    `choices`, kind by kind.
    """
    import torch

    with torch.autocast(states.device.type, enabled=False):  # so small a product need not be rounded
        products = (states.float() @ vectors.float().T) * reference.scale
    nothing = products.new_zeros(len(states), 1)
    found, at = {}, 0
    for kind, tokens in choices.items():
        offsets = constant(tuple(reference.offsets[t] for t in tokens), products.device)
        found[kind] = torch.cat([nothing, products[:, at : at + len(tokens)] + offsets], dim=1)
        at += len(tokens)
    return found


def tokens_of(choices: Choices = OF_KIND) -> tuple[str, ...]:
    """The markers of all choices, kind by kind."""
    return tuple(token for tokens in choices.values() for token in tokens)


def fit_reference(
    states: Tensor, vectors: Tensor, labels: Sequence[Sequence[int]], choices: Choices = OF_KIND
) -> Reference:
    """The reference under which the untuned base gives each marker the share of slots that it has, on average.

    states [shape=(n_slots, width)]: of training text, from the untuned model. vectors: see `logits`. labels: of as many
    slots or more. The scale makes the logits' spread over slots one at most, so that learning starts from small
    differences.
    """
    products = states.cpu().double() @ vectors.cpu().double().T
    scale = 1 / max(float(products.std(dim=0).mean()) if len(products) > 1 else 1.0, 1.0)
    means = (scale * products.mean(dim=0)).tolist()
    offsets, at = {}, 0
    for column, tokens in enumerate(choices.values()):
        classes = [one[column] for one in labels if one[column] != MASKED]
        shares = [max(classes.count(k) / max(len(classes), 1), _LEAST_SHARE) for k in range(len(tokens) + 1)]
        for k, token in enumerate(tokens):
            offsets[token] = math.log(shares[k + 1] / shares[0]) - means[at + k]
        at += len(tokens)
    return Reference(scale, offsets)


def loss_sum(found: Mapping[str, Tensor], labels: Tensor) -> Tensor:
    """Cross-entropy of all choices of all slots added up, nats; masked slots count for nothing.

    labels [shape=(n_slots, n_kinds)], kinds in the order of `found`.
    """
    import torch
    from torch.nn.functional import cross_entropy

    total = torch.zeros((), device=labels.device)
    for column, kind in enumerate(found):
        total = total + cross_entropy(found[kind], labels[:, column], ignore_index=MASKED, reduction="sum")
    return total


def probabilities(found: Mapping[str, Tensor], choices: Choices = OF_KIND) -> dict[str, Tensor]:
    """Probability of each marker at every slot: token → [shape=(n_slots,)]."""
    shares = {}
    for kind, tokens in choices.items():
        of_kind = found[kind].softmax(dim=1)
        shares |= {token: of_kind[:, k + 1] for k, token in enumerate(tokens)}
    return shares
