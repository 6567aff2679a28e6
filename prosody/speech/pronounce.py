"""How the words of a transcript are pronounced, in the phones of the aligner's acoustic model (ARPAbet).

A word is looked up in the CMU dictionary that comes with pocketsphinx; what is not in it (names, numbers,
abbreviations) is read by hibari's own G2P. A word with nothing to pronounce, like a dash, has no pronunciation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_ARPABET = {
    "A": "EY", "I": "AY", "W": "AW", "Y": "OY", "O": "OW", "Q": "OW", "ʤ": "JH", "ʧ": "CH", "T": "D", "ᵊ": "AH",
    "ə": "AH", "ɐ": "AH", "ʌ": "AH", "i": "IY", "u": "UW", "æ": "AE", "a": "AE", "ɑ": "AA", "ɒ": "AA", "ɔ": "AO",
    "ɛ": "EH", "e": "EH", "ɪ": "IH", "ᵻ": "IH", "ʊ": "UH", "ɜ": "ER", "ɚ": "ER", "ŋ": "NG", "ɡ": "G", "θ": "TH",
    "ð": "DH", "ʃ": "SH", "ʒ": "ZH", "ɹ": "R", "ɾ": "D", "j": "Y", "b": "B", "d": "D", "f": "F", "h": "HH", "k": "K",
    "l": "L", "m": "M", "n": "N", "p": "P", "s": "S", "t": "T", "v": "V", "w": "W", "z": "Z",
}  # fmt: skip
_QUOTES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "‐": "-", "‑": "-"})
_PUNCTUATION = ' \t"“”„«».,;:!?¡¿()[]{}<>…–—−-*_/\\|~^#'
_MOST_PRONUNCIATIONS = 6
_HESITATIONS = {  # drawn out at will: a single short vowel would leave most of the sound to the words beside it
    "uh": ("AH", "AH AH", "AH AH AH", "ER", "AE AE"),
    "um": ("AH M", "AH AH M", "AH AH AH M", "AH M M", "AH AH M M"),
}
_HESITATIONS |= dict.fromkeys(("er", "ah", "eh"), _HESITATIONS["uh"]) | dict.fromkeys(
    ("uhm", "erm"), _HESITATIONS["um"]
)


@dataclass(frozen=True)
class Lexicon:
    """The pronunciations of a transcript.

    tokens: for each word a name for its spelling that the aligner can take, or None where nothing is pronounced.
    pronunciations: token → its pronunciations, each a tuple of phones.
    """

    tokens: tuple[str | None, ...]
    pronunciations: Mapping[str, tuple[tuple[str, ...], ...]]

    def phones(self, word: int) -> tuple[str, ...]:
        """The first pronunciation of a word, by its number; empty for one that is not pronounced."""
        token = self.tokens[word]
        return self.pronunciations[token][0] if token else ()

    def write(self, path: Path) -> None:
        """Write a dictionary file that pocketsphinx reads."""
        lines = []
        for token, all_phones in self.pronunciations.items():
            for i, phones in enumerate(all_phones, 1):
                lines.append(f"{token}{f'({i})' if i > 1 else ''} {' '.join(phones)}\n")
        path.write_text("".join(lines), encoding="ascii")


def lexicon(words: Sequence[str]) -> Lexicon:
    """Pronunciations for all words of a transcript."""
    names: dict[str, str | None] = {}
    pronunciations: dict[str, tuple[tuple[str, ...], ...]] = {}
    for word in words:
        spelling = spelled(word)
        if spelling in names:
            continue
        found = pronounce(word)
        names[spelling] = f"w{len(names)}" if found else None
        if found:
            pronunciations[f"w{len(names) - 1}"] = found
    return Lexicon(tuple(names[spelled(word)] for word in words), pronunciations)


def pronounce(word: str) -> tuple[tuple[str, ...], ...]:
    """All pronunciations of a word as tuples of phones, the usual one first; none if it holds nothing to say."""
    spelling = spelled(word)
    if spelling in _HESITATIONS:
        return tuple(tuple(phones.split()) for phones in _HESITATIONS[spelling])
    for known in (spelling, f"{spelling}.", spelling.strip("'")):
        if known in _cmu():
            return _cmu()[known][:_MOST_PRONUNCIATIONS]
    if "-" in spelling and all(part in _cmu() for part in spelling.split("-")):
        return (tuple(phone for part in spelling.split("-") for phone in _cmu()[part][0]),)
    bare = _bare(word)  # in its own case, which tells abbreviations, as their last dot does
    read = arpabet(_read(f"{bare}." if "." in bare else bare))
    return (read,) if read else ()


def spelled(word: str) -> str:
    """A word as a dictionary spells it: lower case, without punctuation around it, with plain quotes and hyphens."""
    return _bare(word).lower()


def _bare(word: str) -> str:
    """A word without the punctuation around it; signs that are spoken, like $ and %, stay."""
    bare = word.translate(_QUOTES).strip(_PUNCTUATION)
    return bare.strip("'") if bare.strip("'") else ""


def _read(text: str) -> str:
    """What hibari's G2P makes of a word; of a number too long to have a name, what it makes of each digit."""
    try:
        return _g2p()(text)
    except (IndexError, ValueError):
        return _g2p()(" ".join(text))


def arpabet(phonemes: str) -> tuple[str, ...]:
    """hibari's phonemes (misaki's letters) as ARPAbet phones; stress and punctuation are left out."""
    phones: list[str] = []
    for letter in phonemes:
        phone = _ARPABET.get(letter)
        if phone is None:
            continue
        if phone == "R" and phones and phones[-1] in ("ER", "AH"):
            phones[-1] = "ER"  # ɜɹ and əɹ are one phone
            continue
        phones.append(phone)
    return tuple(phones)


@cache
def _cmu() -> dict[str, tuple[tuple[str, ...], ...]]:
    import pocketsphinx

    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    path = os.path.join(pocketsphinx.get_model_path("en-us"), "cmudict-en-us.dict")
    with open(path, encoding="utf-8") as file:
        for line in file:
            word, _, phones = line.rstrip("\n").partition(" ")
            word = re.sub(r"\(\d+\)$", "", word)
            found[word] = (*found.get(word, ()), tuple(phones.split()))
    return found


@cache
def _g2p() -> Any:
    from hibari.g2p import G2P

    return G2P()
