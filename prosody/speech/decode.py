"""What pocketsphinx hears: the words of a transcript recognised in a stretch of sound, or forced onto it.

pocketsphinx's acoustic model takes 16 kHz and answers in frames of 10 ms. A forced alignment fails when the beam drops
the end of the word sequence; it is then tried again with a wider one.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from prosody.speech.pronounce import Lexicon

RATE = 16_000
FRAME_S = 0.01
_LANGUAGE_WEIGHT = 12  # the transcript is known well: trust it more than usual (6.5)
_EVERY_FRAME = 2  # Gaussians are chosen anew every other frame when recognising: faster, as good
_BEAMS = (1e-64, 1e-120, 1e-250)
_SILENCE = 0.05  # odds of a silence between two forced words: short ones in noise would else go to a weak consonant
_DISCOUNT = 0.5
_PADDING_S = 0.1


@dataclass(frozen=True)
class Heard:
    """A word heard in a stretch: its token, its time (s from the start of the stretch), its score a frame.

    score: log likelihood below the best of all sounds, at most 0; the nearer to 0, the better it fits.
    """

    token: str
    start: float
    end: float
    score: float


class Ear:
    """pocketsphinx set up for one transcript. Made by `ear`."""

    def __init__(self, lexicon: Lexicon, folder: Path) -> None:
        self._dictionary = str(folder / "words.dict")
        self._model = str(folder / "transcript.lm")
        lexicon.write(Path(self._dictionary))
        tokens = [token for token in lexicon.tokens if token]
        Path(self._model).write_text(language_model(tokens), encoding="ascii")
        self._recogniser: Any = None
        self._aligners: dict[float, Any] = {}

    def recognise(self, samples: np.ndarray) -> list[Heard]:
        """The words of the transcript that are heard, in any order that the transcript makes likely.

        samples [shape=(n,)]: -1..1, 16 kHz.
        """
        if self._recogniser is None:
            self._recogniser = _decoder(self._dictionary, fwdflat=False, lw=_LANGUAGE_WEIGHT, ds=_EVERY_FRAME)
            self._recogniser.add_lm_file("transcript", self._model)
            self._recogniser.activate_search("transcript")
        return _decode(self._recogniser, samples) or []

    def align(self, samples: np.ndarray, tokens: Sequence[str]) -> list[Heard] | None:
        """Exactly `tokens` forced onto the sound, or None where that cannot be done."""
        for beam in _BEAMS:
            if beam not in self._aligners:
                self._aligners[beam] = _decoder(
                    self._dictionary, beam=beam, pbeam=beam, wbeam=beam**0.75, silprob=_SILENCE
                )
            decoder = self._aligners[beam]
            try:
                decoder.set_align_text(" ".join(tokens))
                heard = _decode(decoder, samples)
            except RuntimeError:
                del self._aligners[beam]  # what is left of it is in no state to go on with
                continue
            if heard and [word.token for word in heard] == list(tokens):
                return heard
        return None


@contextmanager
def ear(lexicon: Lexicon) -> Iterator[Ear]:
    """An `Ear` for a transcript, with its dictionary and language model in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="prosody-") as folder:
        yield Ear(lexicon, Path(folder))


def language_model(tokens: Sequence[str]) -> str:
    """A trigram model of a transcript, as ARPA text: what follows what, hardly anything else.

    Absolute discounting (Ney, Essen, Kneser 1994), backing off to bigrams and words.
    """
    n_words = len(tokens)
    words = Counter(tokens)
    pairs = Counter(pairwise(tokens))
    triples = Counter(zip(tokens, tokens[1:], tokens[2:], strict=False))
    after: dict[Any, list[int]] = defaultdict(list)
    for key, count in (*pairs.items(), *triples.items()):
        after[key[:-1]].append(count)
    held_back = {key: _DISCOUNT * len(counts) / sum(counts) for key, counts in after.items()}
    share = {word: 0.9 * count / n_words for word, count in words.items()}

    def log(value: float) -> str:
        return f"{math.log10(max(value, 1e-9)):.4f}"

    def shared(key: tuple[str, ...], count: int, lower: float) -> float:
        return (count - _DISCOUNT) / sum(after[key[:-1]]) + held_back[key[:-1]] * lower

    pair_share = {key: shared(key, count, share[key[1]]) for key, count in pairs.items()}
    lines = ["\\data\\", f"ngram 1={len(words) + 2}", f"ngram 2={len(pairs)}", f"ngram 3={len(triples)}", ""]
    lines += ["\\1-grams:", "-99 <s> -0.3", "-1.5 </s> 0"]
    lines += [f"{log(share[word])} {word} {log(held_back.get((word,), 1.0))}" for word in sorted(words)]
    lines += ["", "\\2-grams:"]
    lines += [f"{log(pair_share[key])} {' '.join(key)} {log(held_back.get(key, 1.0))}" for key in sorted(pairs)]
    lines += ["", "\\3-grams:"]
    lines += [f"{log(shared(k, c, pair_share[k[1:]]))} {' '.join(k)}" for k, c in sorted(triples.items())]
    return "\n".join([*lines, "", "\\end\\", ""])


def _decoder(dictionary: str, **settings: Any) -> Any:
    from pocketsphinx import Decoder

    # bestpath off: the search through the word lattice may leave out the last words of a forced alignment
    return Decoder(lm=None, dict=dictionary, loglevel="FATAL", bestpath=False, **settings)


def _decode(decoder: Any, samples: np.ndarray) -> list[Heard] | None:
    """The words that `decoder` hears, None if it comes to no end."""
    padding = np.random.default_rng(0).standard_normal(round(_PADDING_S * RATE)) * 1e-4
    padded = np.concatenate([padding, samples, padding])
    pcm = (np.clip(padded, -1, 1) * 32767).astype("<i2").tobytes()
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    segments = decoder.seg()
    if segments is None:
        return None
    last = len(samples) / RATE
    heard = []
    for segment in segments:
        if segment.word[0] in "<[(":  # silence, noise
            continue
        n_frames = segment.end_frame - segment.start_frame + 1
        start = min(max(segment.start_frame * FRAME_S - _PADDING_S, 0.0), last)
        end = min(max((segment.end_frame + 1) * FRAME_S - _PADDING_S, start), last)
        score = 1024 * math.log(segment.ascore) / n_frames if segment.ascore > 0 else -math.inf
        heard.append(Heard(re.sub(r"\(\d+\)$", "", segment.word), start, end, score))
    return heard
