"""How much a word stands out: pitch movement, loudness and length together, and what the word itself makes likely.

Each measurement is set against the speaker's own words (robust z-scores), so that the sum has no unit. Length counts
against what the word's phones need. That content words are accented far more often than function words, and long words
more than short ones, is worth about as much as all that can be measured (Nenkova et al., "To memorize or to predict:
prominence labeling in conversational speech", 2007); the classes below are coarse on purpose.
A filler ("uh", "um") is drawn out by nature, since it fills the time in which the next word is sought, and its pitch is
low and flat (O'Shaughnessy, "Recognition of hesitations in spontaneous speech", 1992; Clark and Fox Tree, "Using uh and
um in spontaneous speaking", 2002): its length does not count, so that it takes pitch and loudness to emphasise it.
Energy, f0 and duration as the correlates: Kochanski, Grabe, Coleman and Rosner, "Loudness predicts prominence" (2005);
Suni, Šimko, Aalto and Vainio (2017).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prosody.speech import robust
from prosody.speech.phones import expected_s
from prosody.speech.pronounce import Lexicon, spelled

WEIGHTS = {"duration": 1.0, "excursion": 0.8, "peak": 0.25, "energy": 1.0, "content": 1.3, "length": 1.2}
_SPREADS = {"excursion": (1.7, 1.0, 5), "peak": (2.7, 1.0, 5), "energy": (3.2, 1.5, 15)}
"""Usual and least (st, st, dB), and as how many words the usual counts. Voices differ threefold in how lively
they are, so that a few words tell; in loudness hardly, and words that are quiet by nature widen a short sentence's."""
_USUAL_LOG_LENGTH = -1.0  # of what English words need, log of s: the median of a text's words is -0.8 to -1.2
_MOST = 2.5  # one loud or shrill word must not outweigh everything else
_SHORTEST_S = 0.05
_UNMISTAKABLE = 3.0  # from so much sound on (and wholly from 1 more), what the word makes likely ...
_AGAINST_THE_ODDS = 1.5  # ... counts no less than this: “I said <emph>he did” is said to be heard

_UNSTRESSED = """
    a an the and or nor than that as of to in on at by for from with into if can
    i me my us we our you your he him his she her it its they them their which who whom
    is am are was were be has have had does did will would shall should could may might
    i'm i've i'd i'll you're you've you'll he's she's it's we're we've they're that's there's 's
""".split()  # noqa: SIM905 (a list of words reads better as words)
FILLERS = ("uh", "um", "er", "erm", "uhm", "hm", "hmm", "mm", "mhm")
_SELDOM_STRESSED = """
    but this these those there what one up do when where been some any being because while since until through
    under get got just like don't didn't isn't wasn't
""".split()  # noqa: SIM905 (a list of words reads better as words)


def prominence(
    words: Lexicon,
    texts: Sequence[str],
    *,
    duration_z: np.ndarray,
    excursion_st: np.ndarray,
    peak_st: np.ndarray,
    energy_db: np.ndarray,
) -> np.ndarray:
    """A score for each word, about 0 for the usual one; emphasised words have some 5.5 and more.

    words, texts: the pronunciations and the words as written. The others [shape=(n_words,)]: as measured, NaN where a
    word has none, which then counts as usual.
    """
    length = np.log([max(expected_s(words.phones(k)), _SHORTEST_S) for k in range(len(texts))])
    filler = np.array([spelled(text) in FILLERS for text in texts], dtype=bool)
    parts = {
        "duration": np.nan_to_num(np.clip(duration_z, -_MOST, np.where(filler, 0.0, _MOST))),
        "excursion": _z(excursion_st, *_SPREADS["excursion"]),
        "peak": _z(peak_st, *_SPREADS["peak"]),
        "energy": _z(energy_db, *_SPREADS["energy"]),
        "content": np.array([stress(text) for text in texts]),
        "length": length - _USUAL_LOG_LENGTH,
    }
    weighed = {name: WEIGHTS[name] * part for name, part in parts.items()}
    likely = weighed.pop("content") + weighed.pop("length")
    heard = sum(weighed.values(), np.zeros(len(texts)))
    unmistakable = np.clip(heard - _UNMISTAKABLE, 0.0, 1.0)
    return heard + likely + unmistakable * np.maximum(_AGAINST_THE_ODDS - likely, 0.0)


def stress(word: str) -> float:
    """How readily a word is stressed: 0 for a function word that hardly ever is, 0.5 for one that may be, else 1."""
    spelling = spelled(word)
    return 0.0 if spelling in _UNSTRESSED or spelling in FILLERS else 0.5 if spelling in _SELDOM_STRESSED else 1.0


def _z(values: np.ndarray, usual_spread: float, least_spread: float, usual_words: int) -> np.ndarray:
    """Robust z-scores, bounded; 0 for NaN."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values))
    spread = max(robust.spread(values, usual_spread, usual_words=usual_words), least_spread)
    return np.nan_to_num(np.clip((values - np.median(known)) / spread, -_MOST, _MOST))
