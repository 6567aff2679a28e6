"""Talking points as parts of sentences: the words that may lead in to one, its forms, and whether a text covers it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from prosody.lm.evaluate import FUNCTION_WORDS, bare

_LEAD_INS = """
I; I would; I always; I try to; I like to; I had to; I used to; I learned to; I was; I am; I had; I have; I need;
I like; I love; I enjoy; I remember; I started with; I was tired of; I think; I found that; I know; I know that;
I went there; I believe in; We; He; She; You can; You need; You should; You have to; My advice is to; It helps to;
It takes; It was; It is; It is about; It all began with; For me, it is; There is; There are; There was; There were;
What matters is; The truth is,; And; And then there is; But; Then
"""
LEAD_INS: tuple[str, ...] = ("", *(" " + " ".join(words.split()) for words in _LEAD_INS.split(";")))
"""How a sentence may begin before the words of a point; the model chooses which. The first leads in with nothing."""
_UNSPEAKABLE = re.compile(r"[<>*_#`\[\]{}|\"“”()]")
_ARTICLES = ("a", "an", "the", "my", "your", "his", "her", "our", "their")
_NO_NOUN = ("I am", "I was")  # "I am an old dog" is likely, and not meant
_FINITE = frozenset(("is", "are", "was", "were", "has", "have", "had", "will", "can", "does", "did", "isn't", "wasn't"))
_RELATIVE = frozenset(("who", "that", "which", "where", "when"))
_BEFORE_CLAUSES = re.compile(  # not "It was the rent was high"
    r"( (I think|I found that|I know|I know that|I remember|What matters is|The truth is,|And|But|Then))?"
)


def speakable(point: str) -> str:
    """A point without mark-up, brackets, and the number of a list in front of it."""
    words = " ".join(_UNSPEAKABLE.sub("", point).split())
    return re.sub(r"^(?:\d+[.)]|[-•])\s+(?=\S)", "", words)


def led(point: str, *, is_word: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """The ways to say a point: (lead-in, the point's words after it), each with a space in front.

    is_word: whether a word is a common one in lower case, and so loses the capital of a point written as a sentence.
    """
    first, _, rest = point.partition(" ")
    small = first[:1].lower() + first[1:]
    inside = small if first != "I" and not first.startswith("I'") and is_word(small) else first
    for form in forms(f"{inside} {rest}".strip(), is_word=is_word):
        begins, *others = form.split()
        is_clause = _is_clause(others)
        for lead in LEAD_INS:
            if begins in _ARTICLES and lead.strip() in _NO_NOUN:
                continue
            if is_clause and not _BEFORE_CLAUSES.fullmatch(lead):
                continue
            yield lead, " " + (form if lead else form[:1].upper() + form[1:])


def _is_clause(others: Sequence[str]) -> bool:
    """Whether a finite verb seems to be among the words after the first, and not in a relative clause."""
    verbs = [k for k, word in enumerate(others) if word in _FINITE]
    return bool(verbs) and not _RELATIVE & set(others[: verbs[0]])


def forms(point: str, *, is_word: Callable[[str], bool]) -> tuple[str, ...]:
    """The point, and, where its first word may be a verb's plain form, that with the -ing form, if it is a word."""
    first, _, rest = point.partition(" ")
    if not re.fullmatch(r"[a-z]{3,}", first) or first in FUNCTION_WORDS or first.endswith("ing"):
        return (point,)
    return (point, f"{_ing(first)} {rest}".strip()) if is_word(_ing(first)) else (point,)


def _ing(verb: str) -> str:
    """The -ing form of a verb: make → making, stop → stopping, lie → lying."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return verb[:-1] + "ing"
    if re.fullmatch(r"[^aeiou]*[aeiou][bdgklmnprt]", verb):
        return verb + verb[-1] + "ing"
    return verb + "ing"


def covers(text: str, point: str) -> bool:
    """Whether every content word of `point` as it is said is in `text`, endings aside ("repairs" covers "repair")."""
    return content(speakable(point)) <= content(text)


def content(text: str) -> frozenset[str]:
    """The content words of a text, without their commonest endings."""
    return frozenset(stem(bare(w)) for w in text.split() if bare(w) and bare(w) not in FUNCTION_WORDS)


def stem(word: str) -> str:
    """A word without its commonest endings, and a doubled letter before one as a single one."""
    for ending in ("'s", "ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            return word[:-1] if ending in ("ing", "ed") and len(word) > 3 and word[-1] == word[-2] else word
    return word
