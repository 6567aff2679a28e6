"""The marked answers of `survival.py`: real sentences, 40 to 80 words an answer, marked by an adapter or at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from prosody import markers
from prosody.lm import bench
from prosody.markers import MarkedText, MarkedWord
from prosody.sample.script import read_script

FEWEST, MOST = 40, 80  # words of an answer
_ENDS = ".!?,;:—'\""
_PAUSES = ("<pause_short>", "<pause_long>")
_PITCHES = ("<pitch_high>", "<pitch_low>", "<pitch_rising>", "<pitch_falling>")


def plain_answers(n: int, helsinki: Path | None) -> list[str]:
    """`n` plain answers, by turns of the built-in script's sentences and of read books (all of the script without).

    helsinki: a file of the Helsinki Prosody Corpus.
    """
    script = _cut([markers.strip(answer.text).split() for answer in read_script()])
    books: Iterator[str] = iter(())
    if helsinki and helsinki.is_file():
        chapters: dict[tuple[str, ...], list[Sequence[str]]] = {}
        for one in bench.read(helsinki):
            chapters.setdefault(one.chapter, []).append(one.words)
        parts = [_cut(sentences) for sentences in chapters.values()]
        books = (answer for layer in _layers(parts) for answer in layer)
    sources, found = [iter(script), books], []
    while len(found) < n and sources:
        for source in list(sources):
            answer = next(source, None)
            if answer is None:
                sources.remove(source)
            else:
                found.append(answer)
    return found[:n]


def _layers(parts: Sequence[Sequence[str]]) -> Iterator[list[str]]:
    """The first of each part, then the second of each, …"""
    for k in range(max(map(len, parts), default=0)):
        yield [part[k] for part in parts if k < len(part)]


def _cut(sentences: Sequence[Sequence[str]]) -> list[str]:
    """Whole sentences joined until there are enough words; what then is too long is left out."""
    found, now = [], []
    for sentence in sentences:
        now += _sentence(sentence)
        if len(now) >= FEWEST:
            if len(now) <= MOST:
                found.append(" ".join(now))
            now = []
    return found


def _sentence(words: Sequence[str]) -> list[str]:
    """Its words, lone punctuation joined to the word before, with a full stop where there is nothing (a headline)."""
    joined: list[str] = []
    for word in words:
        if joined and not any(c.isalnum() for c in word):
            joined[-1] += word
        else:
            joined.append(word)
    return [*joined[:-1], joined[-1] + ("" if joined[-1][-1] in _ENDS else ".")]


def at_random(text: str, rates: dict[str, float], rng: np.random.Generator) -> str:
    """A plain text with markers at random places, as many of each as the speaker would write.

    rates: token → markers a hundred words. At most one of a kind in a slot; no pause before the first word, and no
    pitch or emphasis on what has no letter or digit. Which words they fall on has no rhyme or reason: harder to speak.
    """
    words = []
    for k, word in enumerate(text.split()):
        slot = [_drawn(_PAUSES, rates, rng)] if k else []
        if any(c.isalnum() for c in word):
            slot += [_drawn(_PITCHES, rates, rng), _drawn(("<emph>",), rates, rng)]
        words.append(MarkedWord(word, markers.canonical(token for token in slot if token)))
    return markers.render(MarkedText(tuple(words)))


def _drawn(tokens: Sequence[str], rates: dict[str, float], rng: np.random.Generator) -> str | None:
    """One of the tokens, each as often as its rate says, or none."""
    ends = np.cumsum([rates[token] / 100 for token in tokens])
    k = int(np.searchsorted(ends, rng.random(), side="right"))
    return tokens[k] if k < len(tokens) else None
