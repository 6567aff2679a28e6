"""How well markers are placed: exact slots, held-out text, and trivial baselines beside every figure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from prosody import markers

Slots = Sequence[Sequence[str]]  # the markers of each word, in order

# English function words: everything else counts as a content word.
_FUNCTION_WORDS = """
    a an the and or but nor so yet if then than that this these those there here i you he she it we they me him her
    us them my your his its our their mine yours who whom whose which what when where why how am is are was were be
    been being do does did done have has had having will would shall should can could may might must not no to of in on
    at by for with from into onto over under about after before between through during up down out off as because while
    until since though although too very just also only even
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


def f1_by_marker(written: Slots, placed: Slots) -> dict[str, float]:
    """F1 of each marker at exact slots; 0 where it is neither written nor placed. Both lists have one entry a word."""
    scores = {}
    for token in markers.TOKENS:
        both = sum(token in w and token in p for w, p in zip(written, placed, strict=True))
        either = sum(token in w for w in written) + sum(token in p for p in placed)
        scores[token] = 2 * both / either if either else 0.0
    return scores


def precision_recall(written: Slots, placed: Slots) -> dict[str, dict[str, float | None]]:
    """Of each marker: how many of those placed are written there (precision; None if none is placed), how many of those
    written are placed (recall; None if none is written), and how many are written."""
    found = {}
    for token in markers.TOKENS:
        both = sum(token in w and token in p for w, p in zip(written, placed, strict=True))
        n_placed, n_written = (sum(token in one for one in slots) for slots in (placed, written))
        found[token] = {
            "precision": both / n_placed if n_placed else None,
            "recall": both / n_written if n_written else None,
            "written": n_written,
        }
    return found


def calibration_error(written: Slots, probabilities: Mapping[str, Sequence[float]], *, n_bins: int = 10) -> float:
    """Expected calibration error (Naeini et al. 2015): how far probabilities lie from shares, on average; 0 is perfect.

    probabilities: marker → one a slot. Bins hold a tenth of the scale each, over all markers.
    """
    bins = [[0, 0.0, 0] for _ in range(n_bins)]  # slots, sum of probabilities, markers written
    for token, values in probabilities.items():
        for slot, p in zip(written, values, strict=True):
            one = bins[min(int(p * n_bins), n_bins - 1)]
            one[0] += 1
            one[1] += p
            one[2] += token in slot
    n = sum(one[0] for one in bins)
    return sum(abs(total - hits) for _, total, hits in bins) / n if n else 0.0


def macro_f1(written: Slots, placed: Slots) -> float:
    """Mean F1 over the markers that occur in `written`; 0 if none does."""
    present = [t for t in markers.TOKENS if any(t in w for w in written)]
    scores = f1_by_marker(written, placed)
    return sum(scores[t] for t in present) / len(present) if present else 0.0


def per_100_words(slots: Slots) -> float:
    """Markers a hundred words."""
    return 100 * sum(len(s) for s in slots) / len(slots) if slots else 0.0


def by_marker_per_100_words(slots: Slots) -> dict[str, float]:
    """Of each marker, how many a hundred words."""
    return {t: 100 * sum(t in s for s in slots) / len(slots) if slots else 0.0 for t in markers.TOKENS}


def render(words: Sequence[str], slots: Slots) -> markers.MarkedText:
    """Words and the markers of each as a marked text."""
    pairs = zip(words, slots, strict=True)
    return markers.MarkedText(tuple(markers.MarkedWord(w, markers.canonical(s)) for w, s in pairs), None)


def bare(word: str) -> str:
    """A word without its punctuation, in lower case."""
    return "".join(c for c in word.replace("’", "'") if c.isalnum() or c == "'").lower()


def no_markers(words: Sequence[str]) -> list[tuple[str, ...]]:
    """The emptiest guess."""
    return [() for _ in words]


def every_content_word(words: Sequence[str]) -> list[tuple[str, ...]]:
    """`<emph>` on every word that is not a function word."""
    return [("<emph>",) if bare(w) and bare(w) not in FUNCTION_WORDS else () for w in words]


def by_punctuation(words: Sequence[str]) -> list[tuple[str, ...]]:
    """What punctuation alone suggests: a short pause after a comma, a long one after a sentence, rising before "?"."""
    placed = []
    for at, word in enumerate(words):
        slot = []
        before = words[at - 1][-1] if at else ""
        if before in tuple(",;:"):
            slot.append("<pause_short>")
        elif before in tuple(".?!"):
            slot.append("<pause_long>")
        if word.endswith("?"):
            slot.append("<pitch_rising>")
        elif word.endswith("."):
            slot.append("<pitch_falling>")
        placed.append(tuple(slot))
    return placed


def most_frequent_for_word(
    train_words: Sequence[str], train_slots: Slots
) -> Callable[[Sequence[str]], list[tuple[str, ...]]]:
    """For each kind, the choice that a word had most often in training; nothing for words never seen."""
    seen: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for word, slot in zip(train_words, train_slots, strict=True):
        for kind in markers.KINDS:
            seen[bare(word), kind][next((t for t in slot if markers.BY_TOKEN[t].kind == kind), "")] += 1

    def place(words: Sequence[str]) -> list[tuple[str, ...]]:
        best = [
            [seen[bare(w), k].most_common(1)[0][0] if (bare(w), k) in seen else "" for k in markers.KINDS]
            for w in words
        ]
        return [tuple(t for t in slot if t) for slot in best]

    return place


def baselines(train_words: Sequence[str], train_slots: Slots, words: Sequence[str], written: Slots) -> dict[str, float]:
    """Macro F1 of each trivial baseline on held-out words."""
    rules = {
        "no_markers": no_markers,
        "every_content_word": every_content_word,
        "punctuation": by_punctuation,
        "most_frequent_for_word": most_frequent_for_word(train_words, train_slots),
    }
    return {name: macro_f1(written, rule(words)) for name, rule in rules.items()}


def decide(probabilities: Mapping[str, Sequence[float]], *, threshold: float) -> list[tuple[str, ...]]:
    """Markers of each slot: of each kind the likeliest one, if its probability reaches `threshold`.

    probabilities: marker token → one probability a slot.
    """
    columns = {token: [float(p) for p in values] for token, values in probabilities.items()}
    n_slots = len(next(iter(columns.values()), []))
    placed = []
    for at in range(n_slots):
        slot = []
        for kind in markers.KINDS:
            best = max((t for t in columns if markers.BY_TOKEN[t].kind == kind), key=lambda t: columns[t][at])
            if columns[best][at] >= threshold:
                slot.append(best)
        placed.append(tuple(slot))
    return placed
