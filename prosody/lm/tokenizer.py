"""Token ids of marked text: wire ids, the same for every base model, and the embedding rows of one model.

A word piece has the same id on the wire and in the model. A marker is 5,000,000 … 5,000,006 on the wire and one of
seven rows behind the base's vocabulary in the model, so that nobody ever allocates five million rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from prosody import markers
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class MarkerTokenizer:
    """A base tokenizer that knows the seven markers.

    Text comes back as it went in, up to white space, as far as the base has tokens for its bytes: GPT-2 has all;
    SmolLM2 drops six control characters and code points that Unicode has not assigned. No marker is ever dropped.

    The markers are added tokens that strip the space on their left and are *not* special: special ones vanish on
    decoding, and without the stripping a stray space token would precede each of them.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, vocabulary: int) -> None:
        """tokenizer: the base's own; vocabulary: number of the base's embedding rows, behind which the markers' rows
        lie. Where it knows the markers already, as that of a stand-alone model does, nothing is added.

        Raises ProsodyError if the tokenizer holds more tokens than the base has rows.
        """
        import copy

        from tokenizers import AddedToken

        n_own = len(tokenizer) - len(set(markers.TOKENS) & set(tokenizer.get_added_vocab()))
        if n_own > vocabulary:
            raise ProsodyError(
                None,
                "tokenizer",
                f"{n_own} tokens for a base of {vocabulary} rows",
                "use the tokenizer that belongs to the base",
            )
        self.base = copy.deepcopy(tokenizer)
        self.base.add_tokens([AddedToken(t, lstrip=True, normalized=False, special=False) for t in markers.TOKENS])
        first = self.base.convert_tokens_to_ids(markers.TOKENS[0])
        self.vocabulary = vocabulary
        self._n_pieces = n_own  # fewer than the rows where a base pads its table
        self._row_of_id = {first + k: vocabulary + k for k in range(len(markers.TOKENS))}
        self._id_of_row = {row: own for own, row in self._row_of_id.items()}

    @property
    def rows(self) -> dict[str, int]:
        """Embedding row of each marker, by its token."""
        return {token: self.vocabulary + k for k, token in enumerate(markers.TOKENS)}

    def encode_rows(self, text: str) -> list[int]:
        """Model rows of a marked or plain text."""
        ids = self.base.encode(text, add_special_tokens=False)
        return [self._row_of_id.get(i, i) for i in ids]

    def encode(self, text: str) -> list[int]:
        """Wire ids of a marked or plain text."""
        return self.to_wire(self.encode_rows(text))

    def decode(self, wire_ids: Iterable[int]) -> str:
        """The text of wire ids, with each marker set off by spaces.

        Raises ProsodyError at an id that is neither a token of the base nor a marker's wire id.
        """
        return self.decode_rows(self.to_rows(wire_ids))

    def decode_rows(self, rows: Sequence[int]) -> str:
        """The text of model rows, with each marker set off by spaces."""
        ids = [self._id_of_row.get(r, r) for r in rows]
        pieces: list[str] = []
        plain: list[int] = []
        for one in ids:
            if one in self._row_of_id:
                pieces += [self._decode_plain(plain), self.base.convert_ids_to_tokens(one)]
                plain = []
            else:
                plain.append(one)
        pieces.append(self._decode_plain(plain))
        return _join(pieces)

    def _decode_plain(self, ids: list[int]) -> str:
        return self.base.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False) if ids else ""

    def to_wire(self, rows: Iterable[int]) -> list[int]:
        """Wire ids of model rows."""
        return [r + (markers.WIRE_ID_BASE - self.vocabulary) if r >= self.vocabulary else r for r in rows]

    def to_rows(self, wire_ids: Iterable[int]) -> list[int]:
        """Model rows of wire ids; raises ProsodyError at an id that no model of this base can hold."""
        rows = []
        for at, one in enumerate(wire_ids):
            marker = one - markers.WIRE_ID_BASE
            if 0 <= marker < len(markers.TOKENS):
                rows.append(self.vocabulary + marker)
            elif 0 <= one < self._n_pieces:
                rows.append(one)
            else:
                raise ProsodyError(None, f"token {at}", f"{one} is no wire id of this base", "encode the text anew")
        return rows


def _join(pieces: Sequence[str]) -> str:
    """Pieces of text and markers, with one space on each side of a marker unless there is white space already."""
    text = ""
    for piece in pieces:
        if text and piece and not text[-1].isspace() and not piece[0].isspace():
            text += " "
        text += piece
    return text
