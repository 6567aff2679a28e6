"""From probabilities to markers: how many of each are placed in a text, where, and why not elsewhere.

An adapter's probabilities are calibrated on its speaker's own words. A text that lacks his turns of phrase has few high
ones, and one threshold for all texts leaves it flat. Whatever correction of the probabilities one might choose for such
a text (as Saerens et al. 2002 shift them to other rates), each marker's slots keep their order; what is left to decide
is how far down that order to go. So a marker is placed where it is likeliest, as often as the speaker would place it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prosody import markers
from prosody.errors import ProsodyError
from prosody.markers import MarkedWord

MOST_EXPRESSIVE = 2.0
_BOLDER = 4  # by what the least probability is divided at the most expressive
LEAST = 0.05  # beneath it, markers fall on other speakers' pauses and prominent words no more often than by chance
PLACED = "placed"
WRITTEN = "written"  # by the user
REMOVED = "removed"  # by the user, who left this kind empty
BY_USER = (WRITTEN, REMOVED)
BELOW = "below"  # its threshold
TAKEN = "kind taken"  # by a marker of its kind: the user's, or a likelier one
LESS = "less likely"  # than another of its kind, which was below its own threshold
FORBIDDEN = "forbidden"
FIRST = "first word"  # before which no pause is placed


@dataclass(frozen=True)
class Rule:
    """How markers are to be placed.

    expressiveness: how many, 1 being the speaker's own rate, 0 none (to 2). sure: probability from which a marker
    is placed at 1 however many there are. rates: of each marker the share of the speaker's slots in which it stands.
    tokens: the markers that may be placed. threshold: if given, what decides instead, alone and for all markers.
    """

    expressiveness: float
    sure: float
    rates: Mapping[str, float]
    tokens: frozenset[str]
    threshold: float | None = None

    def __post_init__(self) -> None:
        _check("expressiveness", self.expressiveness, MOST_EXPRESSIVE)
        if self.threshold is not None:
            _check("threshold", self.threshold, 1.0)
            if self.expressiveness != 1.0:
                raise ProsodyError(None, "threshold", "is given with expressiveness", "give one of the two")


def _check(name: str, given: float, most: float) -> None:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given <= most:
        raise ProsodyError(None, name, f"is {given}", f"give a number from 0 to {most:g}")


def permitted(allow: Iterable[str] | None, forbid: Iterable[str] = ()) -> frozenset[str]:
    """The markers that may be placed: those of `allow` (None: all) without those of `forbid`.

    Both hold tokens or names, "<emph>" or "emph". Raises ProsodyError for one that is no marker; it tells the nearest.
    """
    allowed = markers.TOKENS if allow is None else _tokens("allow", allow)
    return frozenset(allowed) - frozenset(_tokens("forbid", forbid))


def _tokens(name: str, given: Iterable[str]) -> list[str]:
    found = []
    for one in [given] if isinstance(given, str) else given:
        token = one if one in markers.BY_TOKEN else f"<{one}>"
        if token not in markers.BY_TOKEN:
            nearest = markers.BY_TOKEN[markers.nearest_to(str(one).strip("<>"))].name
            raise ProsodyError(None, name, f"{one!r} is no marker", f"the nearest is {nearest}")
        found.append(token)
    return found


def likeliest(probabilities: Mapping[str, np.ndarray], tokens: Collection[str]) -> dict[str, np.ndarray]:
    """Of each marker of `tokens`, where it is the likeliest of its kind among them: [shape=(n_slots,), bool]."""
    found = {}
    for kind in markers.KINDS:
        of_kind = [t for t in markers.TOKENS if t in tokens and markers.BY_TOKEN[t].kind == kind]
        if of_kind:
            best = np.argmax([probabilities[t] for t in of_kind], axis=0)
            found |= {token: best == k for k, token in enumerate(of_kind)}
    return found


def thresholds(probabilities: Mapping[str, np.ndarray], rule: Rule) -> dict[str, float]:
    """The least probability at which each marker is placed in a text; infinite where none is.

    probabilities: marker → [shape=(n_slots,)]. At expressiveness 1 a marker is placed as often as the speaker would in
    so many words, or more often where the adapter is sure of more; other values scale that number. Whatever the number,
    no marker is placed where it is less likely than in one of the speaker's slots picked blindly (there the text speaks
    against it), or than `LEAST`; above 1 these bounds fall, to a quarter at 2. Thresholds never rise with
    expressiveness. What the user wrote changes none of them.
    """
    found = dict.fromkeys(markers.TOKENS, math.inf)
    if rule.threshold is not None:
        return found | dict.fromkeys(rule.tokens, float(rule.threshold))
    for token, is_likeliest in likeliest(probabilities, rule.tokens).items():
        first = 1 if markers.BY_TOKEN[token].kind == "pause" else 0
        values = np.sort(probabilities[token][first:][is_likeliest[first:]])[::-1]
        own = max(rule.rates[token] * len(is_likeliest), np.count_nonzero(values >= rule.sure))
        wanted = min(math.floor(rule.expressiveness * own + 0.5), len(values))
        if wanted:
            found[token] = max(float(values[wanted - 1]), _floor(rule, token))
    return found


def _floor(rule: Rule, token: str) -> float:
    """The probability under which a marker is improbable; who asks for more than the speaker's rate gets bolder ones.

    Nothing is known of a marker that the speaker never uses.
    """
    rate = rule.rates[token]
    bolder = _BOLDER ** max(rule.expressiveness - 1, 0)
    return min(max(rate, LEAST) / bolder, rule.sure) if rate else rule.sure


def place(
    words: Sequence[MarkedWord], probabilities: Mapping[str, np.ndarray], limits: Mapping[str, float], rule: Rule
) -> tuple[tuple[MarkedWord, ...], tuple[dict[str, str], ...]]:
    """Markers beside those that the words have, and why each marker stands in a slot, or does not.

    probabilities: marker → [shape=(n_words,)]. limits: see `thresholds`. Of each kind only the likeliest marker comes
    into question. Returns the words with their markers, and for each word {marker: reason}.
    """
    best = likeliest(probabilities, rule.tokens)
    placed, reasons = [], []
    for k, word in enumerate(words):
        why: dict[str, str] = {}
        for kind in markers.KINDS:
            of_kind = [t for t in markers.TOKENS if markers.BY_TOKEN[t].kind == kind]
            reach = {t: t in rule.tokens and bool(probabilities[t][k] >= limits[t]) for t in of_kind}
            chosen = next((t for t in of_kind if reach[t] and best[t][k]), None)
            written = next((t for t in of_kind if t in word.markers), None)
            for token in of_kind:
                if token == written:
                    why[token] = WRITTEN
                elif token not in rule.tokens:
                    why[token] = FORBIDDEN
                elif kind == "pause" and k == 0:
                    why[token] = FIRST
                elif written:
                    why[token] = TAKEN
                elif token == chosen:
                    why[token] = PLACED
                elif not reach[token]:
                    why[token] = BELOW
                else:
                    why[token] = TAKEN if chosen else LESS
        new = markers.canonical(t for t in markers.TOKENS if why[t] in (PLACED, WRITTEN))
        placed.append(MarkedWord(word.text, new))
        reasons.append({token: why[token] for token in markers.TOKENS})
    return tuple(placed), tuple(reasons)
