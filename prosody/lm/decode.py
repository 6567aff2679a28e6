"""Drawing text from a causal model: many continuations of one text at once, each begun with words that are given.

The text read so far is kept as keys and values (KV cache), so that each token of it is computed once. A row of a batch
is a continuation: first the tokens that it must begin with, taken as they are, then tokens drawn from the model until
a sentence ends.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_SPOKEN = re.compile(r"[ A-Za-zÀ-ÖØ-öø-ÿ'’,.!?-]+")  # what may stand in a drawn token
_ODD = re.compile(r"[,.!?-]{2}|[,.!?].|^ [,.!?'’-]|^ +$")  # punctuation where none belongs
_OWN = ("I", "I'm", "I'd", "I've", "I'll")  # English words with a capital wherever they stand
_N_LIKELIEST = 100  # tokens among which one is drawn


@dataclass(frozen=True)
class Drawn:
    """A continuation. logprob: mean log probability of its tokens, nats. ended: whether its sentence is complete."""

    text: str
    logprob: float
    ended: bool
    n_tokens: int


@dataclass(frozen=True)
class After:
    """A text that might follow: the log probability (nats) of all of it, and of each token after it."""

    logprob: float
    next_logprobs: Tensor

    def following(self, token: int) -> float:
        """Log probability of `token` after the text."""
        return float(self.next_logprobs[token])


class Decoder:
    """A model that has read some text, and continues it.

    `allowed` are words that drawn text may spell with a capital: the names that somebody gave.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, allowed: Collection[str] = ()
    ) -> None:
        import torch

        self.model, self.tokenizer = model, tokenizer
        self.device = next(model.parameters()).device
        self._past: list[tuple[Tensor, Tensor]] = []
        self._logits: Tensor | None = None
        self._waiting: list[int] = []
        capitals = {first for word in (*_OWN, *allowed) for first in self._encode(" " + word)[:1]}
        spoken, ends = _vocabulary(tokenizer, model.get_input_embeddings().weight.shape[0])
        drawable = [token for token, small in spoken.items() if small or token in capitals]
        parted = tokenizer.decode(self._encode(" and")[:1]) == " and"
        if not drawable or not ends or not parted:
            what = "has no tokens that are words with the space before them, or no full stop"
            raise ProsodyError(None, "the model that composes", what, "take another model")
        self._barred = torch.ones(model.get_input_embeddings().weight.shape[0], dtype=torch.bool, device=self.device)
        self._barred[drawable] = False
        self._ends = ends

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def n_tokens(self, text: str) -> int:
        """How many tokens a text has."""
        return len(self._encode(text))

    def first(self, text: str) -> int:
        """The first token of a text."""
        return self._encode(text)[0]

    def read(self, text: str) -> None:
        """Read on: `text` follows what was read before. It is computed when something is asked of it."""
        self._waiting += self._encode(text)

    def _catch_up(self) -> None:
        import torch

        if self._waiting:
            logits, self._past = self._forward(torch.tensor([self._waiting], device=self.device), self._past)
            self._logits, self._waiting = logits[0, -1], []

    def _forward(self, ids: Tensor, past: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Logits [n, length, vocabulary] after each of `ids` [n, length], and keys and values with them in.

        past: a pair a layer, of n rows or of one that all rows share.
        """
        import torch
        from transformers import DynamicCache

        cache = DynamicCache()
        for layer, pair in enumerate(past):
            cache.update(*(one.expand(len(ids), -1, -1, -1) for one in pair), layer)
        with torch.no_grad():
            out = self.model(input_ids=ids, past_key_values=cache, use_cache=True)
        return out.logits.float(), [(layer.keys, layer.values) for layer in out.past_key_values.layers]

    def score(self, texts: Sequence[str]) -> list[list[float]]:
        """Log probability (nats) of each token of each text, were it to follow what was read."""
        import torch

        self._catch_up()
        rows = [self._encode(text) for text in texts]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=self.device)
        logits, _ = self._forward(ids, self._past)
        before = torch.cat([self._logits.expand(len(rows), 1, -1), logits[:, :-1]], dim=1)
        found = torch.log_softmax(before, dim=-1).gather(2, ids[..., None])[..., 0].tolist()
        return [one[: len(row)] for one, row in zip(found, rows, strict=True)]

    def after(self, texts: Sequence[str]) -> list[After]:
        """For each text, were it to follow what was read: its log probability, and those of what comes next."""
        import torch

        self._catch_up()
        rows = [self._encode(text) for text in texts]
        ids = torch.tensor([row + [0] * (max(map(len, rows)) - len(row)) for row in rows], device=self.device)
        logits = torch.cat([self._logits.expand(len(rows), 1, -1), self._forward(ids, self._past)[0]], dim=1)
        logprobs = torch.log_softmax(logits, dim=-1)
        told = logprobs[:, :-1].gather(2, ids[..., None])[..., 0].tolist()
        return [After(sum(told[r][: len(row)]), logprobs[r, len(row)].clone()) for r, row in enumerate(rows)]

    def draw(
        self, begun: Sequence[str], *, generator: Generator, temperature: float, top_p: float, n_tokens: int
    ) -> list[Drawn]:
        """One continuation for each text in `begun`, up to the end of a sentence.

        n_tokens: at most so many are drawn after those given. Rows that have ended are left out of the batch.
        """
        import torch

        self._catch_up()
        given = [self._encode(text) for text in begun]
        rows, totals, ended = [[] for _ in given], [0.0] * len(given), [False] * len(given)
        live = list(range(len(given)))
        past, logits = self._past, self._logits.expand(len(given), -1)
        while live:
            drawn = self._choose(logits, generator, temperature, top_p).tolist()
            chosen = [given[r][len(rows[r])] if len(rows[r]) < len(given[r]) else drawn[i] for i, r in enumerate(live)]
            told = torch.log_softmax(logits, -1)[range(len(live)), chosen].tolist()
            kept = []
            for i, r in enumerate(live):
                own = len(rows[r]) >= len(given[r])
                rows[r].append(chosen[i])
                totals[r] += told[i]
                ended[r] = own and chosen[i] in self._ends
                if not ended[r] and len(rows[r]) < len(given[r]) + n_tokens:
                    kept.append(i)
            if len(kept) < len(live):
                past = [(k[kept], v[kept]) if len(k) == len(live) else (k, v) for k, v in past]
            live, ids = [live[i] for i in kept], [chosen[i] for i in kept]
            if live:
                out, past = self._forward(torch.tensor(ids, device=self.device)[:, None], past)
                logits = out[:, -1]
        return [
            Drawn(self.tokenizer.decode(row), total / len(row), done, len(row))
            for row, total, done in zip(rows, totals, ended, strict=True)
        ]

    def _choose(self, logits: Tensor, generator: Generator, temperature: float, top_p: float) -> Tensor:
        """A token for each row of logits [n, vocabulary], drawn from the likeliest that make up `top_p`.

        Nucleus sampling: Holtzman et al., The Curious Case of Neural Text Degeneration, ICLR 2020.
        """
        import torch

        scores = logits.masked_fill(self._barred, float("-inf")) / temperature
        ordered, order = scores.topk(min(_N_LIKELIEST, scores.shape[-1]), dim=-1)
        p = ordered.softmax(-1)
        p = torch.where(p.cumsum(-1) - p < top_p, p, 0.0)
        return order.gather(1, torch.multinomial(p, 1, generator=generator))[:, 0]


@functools.lru_cache(maxsize=4)
def _vocabulary(tokenizer: PreTrainedTokenizerBase, n_rows: int) -> tuple[dict[int, bool], frozenset[int]]:
    """The tokens that may be spoken, each with whether it is in small letters; and those that end a sentence."""
    special = set(tokenizer.all_special_ids)
    pieces = {i: tokenizer.decode([i]) for i in range(min(n_rows, len(tokenizer))) if i not in special}
    whole = {i: piece for i, piece in pieces.items() if _SPOKEN.fullmatch(piece) and not _ODD.search(piece)}
    spoken = {i: piece == piece.lower() for i, piece in whole.items()}
    return spoken, frozenset(i for i in spoken if pieces[i][-1] in ".!?")
