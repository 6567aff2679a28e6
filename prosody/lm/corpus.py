"""Marked text made ready for the model: each word's tokens, the markers of its slot, and its measurements.

Texts are tokenized once and kept in the cache as safetensors, under the hash of the words and of the tokenizer; the
ids are those of the wire, the same for every program.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from prosody import files
from prosody.dataset import Dataset, Word
from prosody.errors import ProsodyError
from prosody.lm import acoustic
from prosody.lm.base import cache_dir
from prosody.lm.tokenizer import MarkerTokenizer

Line = tuple[str, tuple[str, ...]]  # one word and its markers
_CACHED_FROM = 20_000  # words; fewer are tokenized in a moment


@dataclass(frozen=True)
class Corpus:
    """Words in reading order.

    slots: markers of each word, None where they are not known. pieces: rows of each word's tokens. measured
    [shape=(n_words, n_measurements)]: see `acoustic.table`; NaN where nothing was measured. documents: at which words a
    text begins that the one before says nothing about.
    """

    words: tuple[str, ...]
    slots: tuple[tuple[str, ...] | None, ...]
    pieces: tuple[tuple[int, ...], ...]
    measured: np.ndarray
    documents: tuple[int, ...] = (0,)

    @property
    def lines(self) -> list[Line]:
        """Each word with its markers; none where they are not known."""
        return [(word, slot or ()) for word, slot in zip(self.words, self.slots, strict=True)]

    def scaled(self, by: acoustic.Scale) -> Corpus:
        """The same with its measurements in the speaker's own spreads."""
        return replace(self, measured=acoustic.scaled(self.measured, by))

    @property
    def n_tokens(self) -> list[int]:
        """Tokens of each word."""
        return [len(piece) for piece in self.pieces]


def of_dataset(dataset: Dataset, tokenizer: MarkerTokenizer, *, split: str) -> Corpus:
    """The words of a split in order; a segment without a split is learned from.

    They are one document a recording: the pauses at which a recording was cut are to be learned.
    """
    segments = [s for s in dataset.segments if (s.split == "val") == (split == "val")]
    words = [word for segment in segments for word in segment.words]
    return Corpus(
        words=tuple(word.text for word in words),
        slots=tuple(tuple(word.markers) for word in words),
        pieces=tokenized([word.text for word in words], tokenizer),
        measured=acoustic.table([word.measured for word in words]),
        documents=_documents(dataset, words),
    )


def _documents(dataset: Dataset, words: Sequence[Word]) -> tuple[int, ...]:
    """At which words the recordings of a dataset begin."""
    starts = [source["start"] for source in dataset.info.get("sources") or [{"start": 0.0}]]
    owners = [bisect_right(starts, word.start) for word in words]
    return tuple(k for k, owner in enumerate(owners) if k == 0 or owner != owners[k - 1]) or (0,)


def tokenized(words: Sequence[str], tokenizer: MarkerTokenizer) -> tuple[tuple[int, ...], ...]:
    """Rows of each word's tokens, read from the cache where long texts lie."""
    if len(words) < _CACHED_FROM:
        return tuple(tuple(tokenizer.encode_rows(" " + word)) for word in words)
    from safetensors import SafetensorError

    path = cache_dir() / "tokens" / f"{_fingerprint(words, tokenizer)}.safetensors"
    with suppress(ProsodyError, OSError, ValueError, KeyError, SafetensorError):  # a damaged cache is made anew
        return _cached(path, len(words), tokenizer)
    seen = {word: tuple(tokenizer.encode_rows(" " + word)) for word in dict.fromkeys(words)}
    pieces = tuple(seen[word] for word in words)
    with suppress(ProsodyError, OSError):  # a full disk costs the cache, nothing else
        _keep(path, pieces, tokenizer)
    return pieces


def _cached(path: Path, n_words: int, tokenizer: MarkerTokenizer) -> tuple[tuple[int, ...], ...]:
    from safetensors.numpy import load_file

    held = load_file(path)
    ends, rows = held["ends"], tokenizer.to_rows(held["ids"].tolist())
    if len(ends) != n_words:
        raise ValueError("another text")
    return tuple(tuple(rows[a:b]) for a, b in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))


def _keep(path: Path, pieces: Sequence[Sequence[int]], tokenizer: MarkerTokenizer) -> None:
    from safetensors.numpy import save

    ids = np.array(tokenizer.to_wire(row for piece in pieces for row in piece), dtype=np.int32)
    files.write_bytes(path, save({"ids": ids, "ends": np.cumsum([len(piece) for piece in pieces])}), overwrite=True)


def _fingerprint(words: Sequence[str], tokenizer: MarkerTokenizer) -> str:
    """Hash of a text and of the tokenizer that is to read it."""
    told = hashlib.sha256(tokenizer.base.backend_tokenizer.to_str().encode())
    told.update("\n".join(words).encode())
    return told.hexdigest()[:32]
