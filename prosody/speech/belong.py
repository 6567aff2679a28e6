"""Whether a transcript is that of a recording at all.

Most words of another text are not recognised, and few of them are sure. A short text is forced onto anything, though,
and some of its words then look sure. Such a text is set against its mirror image, the same sounds in reversed order:
what was said fits far better than what wasn't, whatever the voice and the noise are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from prosody.errors import ProsodyError
from prosody.speech.anchors import Stretch
from prosody.speech.audio import Audio
from prosody.speech.decode import RATE, Ear, Heard, ear
from prosody.speech.energy import runs
from prosody.speech.place import Task
from prosody.speech.pronounce import Lexicon

BELONGS = 0.25  # share of the words that must be sure, or the transcript is that of something else
_BY_CHANCE = 3.0  # standard errors of a share by which it must be higher to leave no doubt
_SURE = 0.6  # confidence of a word that is surely said ...
FEW, _SURE_OF_FEW = 3, 0.7  # ... and where there are fewer words than this: any sound is recognised as the only word
_FITS_BETTER = 1.4  # log likelihood a frame by which a text must fit better than its mirror image
_WORST = -20.0  # no worse score counts
_JUDGED_S = 60.0  # so much sound tells
_HOPELESS, _MANY_WORDS = 0.02, 200  # so few of so many words recognised: no need to look further
_MISSING = 0.4  # share of the words that may be missing in one piece
_MISSING_WORDS = 20
_NOT_THERE = 0.02  # confidence of a word that is not said there
_LEAST_SPEECH = 0.25  # share of the recording's sound that the words must fill
_THIS_ONE = "give the transcript of this recording, word for word"


def refuse_hopeless(audio: Audio, n_recognised: int, n_words: int) -> None:
    """Refuse a long transcript of which next to nothing is recognised, before more time is spent on it."""
    if n_words >= _MANY_WORDS and n_recognised < _HOPELESS * n_words:
        raise _other_words(audio, n_recognised / n_words)


def refuse_other(
    audio: Audio,
    task: Task,
    known: Lexicon,
    words: Sequence[str],
    parts: Sequence[Stretch],
    placed: Sequence[Heard],
    confidence: np.ndarray,
) -> None:
    """Refuse a transcript of which too little is heard, a large piece is missing, or that is far too short.

    words, placed, confidence [shape=(n_words,)]: of what is pronounced. parts: the stretches that they lie in.
    Raises ProsodyError that tells the share of the words that is supported.
    """
    share = float((confidence >= (_SURE_OF_FEW if len(words) < FEW else _SURE)).mean())
    if share < BELONGS:
        raise _other_words(audio, share)
    supported = f"{share:.0%} of its words are supported by what is said"
    sounding_s = task.duration - sum(pause.duration for pause in task.pauses)
    filled_s = sum(word.end - word.start for word in placed)
    if filled_s < _LEAST_SPEECH * sounding_s:
        what = f"its transcript fills only {filled_s:.0f} s of the {sounding_s:.0f} s in which something sounds"
        raise ProsodyError(audio.path, None, f"{what}, and {supported}", _THIS_ONE)
    start, stop = max(runs(confidence < _NOT_THERE), key=lambda run: run[1] - run[0], default=(0, 0))
    if stop - start >= max(_MISSING * len(words), _MISSING_WORDS):
        quoted = " ".join(words[start : min(start + 4, stop)])
        what = f"{stop - start:,} of the transcript's {len(words):,} words in a row are not in it, from “{quoted} …” on"
        raise ProsodyError(audio.path, None, f"{what}; {supported}", _THIS_ONE)
    n_different = len(set(task.tokens))  # a word that is said again and again tells little more than once
    by_chance = BELONGS + _BY_CHANCE * math.sqrt(BELONGS * (1 - BELONGS) / n_different)
    if share < min(by_chance, 1.0) and fits_better_than_mirrored(task, known, parts) < _FITS_BETTER:
        raise _other_words(audio, share)


def fits_better_than_mirrored(task: Task, known: Lexicon, parts: Sequence[Stretch]) -> float:
    """By how much the words fit better than their mirror image, in log likelihood a frame; infinite if none tells.

    Both are forced onto the first parts, a minute in all, and in one way: by the words' fit where they were placed,
    more foreign texts pass. A part onto which either cannot be forced tells nothing, nor does one that reads the same
    both ways.
    """
    mirrored = {
        token: tuple(phones[::-1] for phones in pronunciations)
        for token, pronunciations in known.pronunciations.items()
    }
    better, n_words, judged_s = [], [], 0.0
    with ear(known) as listener, ear(Lexicon(known.tokens, mirrored)) as other:
        for part in parts:
            tokens = task.tokens[part.first : part.stop]
            phones = [phone for token in tokens for phone in known.pronunciations[token][0]]
            if phones == phones[::-1] or judged_s >= _JUDGED_S:  # "mum" is its own mirror image
                continue
            samples = task.samples[round(part.start * RATE) : round(part.end * RATE)]
            own, mirror = _fit(listener, samples, tokens), _fit(other, samples, tokens[::-1])
            judged_s += part.end - part.start
            if own is not None and mirror is not None:
                better.append(own - mirror)
                n_words.append(len(tokens))
    return float(np.average(better, weights=n_words)) if better else math.inf


def _fit(listener: Ear, samples: np.ndarray, tokens: Sequence[str]) -> float | None:
    """Mean score of a frame within the words, or None where they cannot be forced onto the sound."""
    heard = listener.align(samples, tokens)
    lengths = [word.end - word.start for word in heard or []]
    if not heard or sum(lengths) <= 0:
        return None
    return float(np.average([max(word.score, _WORST) for word in heard], weights=lengths))


def _other_words(audio: Audio, share: float) -> ProsodyError:
    what = f"only {share:.0%} of the transcript's words are supported by what is said in it"
    return ProsodyError(audio.path, None, what, _THIS_ONE)
