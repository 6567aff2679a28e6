"""How well markers are placed: exact slots, held-out text, and trivial baselines beside every figure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from prosody import markers

if TYPE_CHECKING:
    from peft import PeftModel

    from prosody.lm.slots import Batch
    from prosody.lm.tokenizer import MarkerTokenizer

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
    return "".join(c for c in word if c.isalnum() or c == "'").lower()


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


def held_out(
    model: PeftModel, batches: Sequence[Batch], tokenizer: MarkerTokenizer, *, threshold: float
) -> tuple[float, list[tuple[str, ...]]]:
    """Mean loss a slot (nats) over `batches`, and the markers placed at each of their slots, in order."""
    import torch

    from prosody.lm import slots

    was_training = model.training
    model.eval()
    loss, n_slots, placed = 0.0, 0, []
    with torch.no_grad():
        for batch in batches:
            logits = slots.slot_logits(model, batch, tokenizer)
            n = len(batch.at)
            loss += float(slots.slot_loss(logits, batch.labels)) * n
            n_slots += n
            placed += decide(slots.probabilities(logits), threshold=threshold)
    model.train(was_training)
    return loss / max(n_slots, 1), placed


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
