"""Composing: a question and talking points in, a plain answer out, written by the base model with the adapter off."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prosody import markers
from prosody.errors import ProsodyError
from prosody.lm.evaluate import FUNCTION_WORDS, bare
from prosody.lm.slots import longest_text

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from prosody.lm.checkpoint import Adapter

_POINT_CHARACTERS = 300
_ASSISTANT = (
    "sorry for your loss",
    "chatbot",
    "language model",
    "virtual assistant",
    "ai assistant",
    "trained on",
    "here to help",
    "here to assist",
    "here for you",
)
_ATTEMPTS = 3  # draws for the sentence of one point
_UNSPEAKABLE = re.compile(r"[<>*_#`\[\]{}|\"“”]")


@dataclass(frozen=True)
class ComposeParameters:
    """How to write. `candidates` are drawn at once and the best is taken; `max_words` bounds the answer."""

    candidates: int = 4
    max_words: int = 70
    temperature: float = 0.4
    top_p: float = 0.9
    repetition_penalty: float = 1.05
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("candidates", "max_words"):
            if not (isinstance(getattr(self, name), int) and getattr(self, name) >= 1):
                raise ProsodyError(None, name, f"is {getattr(self, name)}", "give a whole number from 1")
        for name, most in (("temperature", 100.0), ("top_p", 1.0), ("repetition_penalty", 100.0)):
            if not 0 < getattr(self, name) <= most:
                raise ProsodyError(None, name, f"is {getattr(self, name)}", f"give a number above 0, to {most:g}")
        if not 0 <= self.seed < 1 << 63:
            raise ProsodyError(None, "seed", f"is {self.seed}", "give a whole number from 0, of 18 digits at most")


@dataclass(frozen=True)
class Answer:
    """A plain answer. `covered`: for each point, whether all its content words are in the text."""

    question: str
    points: tuple[str, ...]
    text: str
    covered: tuple[bool, ...]


def compose(
    question: str, points: Sequence[str], adapter: Adapter, parameters: ComposeParameters | None = None
) -> Answer:
    """Write a plain spoken answer to `question` that takes up `points`.

    The model is asked through its chat template where it has one. Of several drafts the one that covers most points is
    taken; a point that it leaves out gets a sentence of its own that starts with the point. Deterministic with the
    seed. Raises ProsodyError if the question is empty, a point is empty or over 300 characters, one of them holds
    markers, or all together are more than the base can read.
    """
    parameters = parameters or ComposeParameters()
    question, points = " ".join(question.split()), tuple(" ".join(p.split()) for p in points)
    check_asked(question, points)
    prompt = _prompt(question, points, adapter)
    drafts = [_clean(d) for d in _draw(prompt, "", adapter, parameters, n_words=parameters.max_words)]
    best = max(drafts, key=lambda d: (not _assistant(d), sum(covers(d, p) for p in points), _fluent(d), -len(d)))
    for point in points:
        if not covers(best, point):
            best = _add_point(best, point, prompt, adapter, parameters)
    return Answer(question, points, best, tuple(covers(best, p) for p in points))


def covers(text: str, point: str) -> bool:
    """Whether every content word of `point` is in `text`, endings aside ("repairs" covers "repair")."""
    have = {_stem(bare(w)) for w in text.split()}
    wanted = {_stem(bare(w)) for w in point.split() if bare(w) and bare(w) not in FUNCTION_WORDS}
    return wanted <= have


def _stem(word: str) -> str:
    """A word without its commonest endings."""
    for ending in ("'s", "ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def check_asked(question: str, points: Sequence[str]) -> None:
    """Raise ProsodyError as `compose` does for a question and points that no base can be asked."""
    if not any(c.isalnum() for c in question):
        raise ProsodyError(None, "question", "is empty", 'ask something, such as -i "How did you begin?"')
    for k, point in enumerate(points, 1):
        if not any(c.isalnum() for c in point):
            raise ProsodyError(None, f"point {k}", "is empty", "leave it out or give it words")
        if len(point) > _POINT_CHARACTERS:
            raise ProsodyError(None, f"point {k}", f"has {len(point)} characters", f"shorten it to {_POINT_CHARACTERS}")
    for text in (question, *points):
        if markers.counts(markers.parse(text)) != dict.fromkeys(markers.TOKENS, 0):
            raise ProsodyError(None, text, "holds markers", "give plain words; the adapter places the markers")


def _prompt(question: str, points: Sequence[str], adapter: Adapter) -> str:
    """What the model reads before it writes the answer."""
    about = f", and talk about {_listed(points)}" if points else ""
    ask = f"{question} Answer in the first person, in four or five sentences{about}."
    tokenizer = adapter.base.tokenizer
    if tokenizer.chat_template:
        return tokenizer.apply_chat_template(
            [{"role": "user", "content": ask}], add_generation_prompt=True, tokenize=False
        )
    return f"{ask}\n\nAnswer:"


def _listed(points: Sequence[str]) -> str:
    """The points as one would say them: "a", "a and b", "a, b and c"."""
    bare_points = [p.rstrip(".!?") for p in points]
    return " and ".join(filter(None, [", ".join(bare_points[:-1]), bare_points[-1]]))


def _draw(
    prompt: str, begun: str, adapter: Adapter, parameters: ComposeParameters, *, n_words: int, sentence: bool = False
) -> list[str]:
    """Draw several continuations of `begun` with the adapter off; `sentence`: up to a sentence's end, else `n_words`.

    Returns the texts, each with `begun` in front.
    """
    import torch

    tokenizer = adapter.base.tokenizer
    read = tokenizer(prompt + begun, return_tensors="pt", add_special_tokens=False).to(
        next(adapter.model.parameters()).device
    )
    start, n_new, longest = read["input_ids"].shape[1], int(1.5 * n_words), longest_text(adapter.model)
    if longest is not None and start + n_new > longest:
        what = f"is with its points too long ({start} tokens) for a base that reads and writes {longest}"
        raise ProsodyError(None, "question", what, "shorten it")
    with torch.random.fork_rng(devices=[]), torch.no_grad(), adapter.untuned() as model:
        torch.manual_seed(parameters.seed)
        written = model.generate(
            **read,
            max_new_tokens=n_new,
            do_sample=True,
            temperature=parameters.temperature,
            top_p=parameters.top_p,
            top_k=0,
            repetition_penalty=parameters.repetition_penalty,
            num_return_sequences=parameters.candidates,
            suppress_tokens=list(adapter.tokenizer.rows.values()),
            pad_token_id=tokenizer.pad_token_id,
            stopping_criteria=[_sentence_end(tokenizer, start)] if sentence else None,
        )
    return [begun + tokenizer.decode(row[start:], skip_special_tokens=True) for row in written]


def _sentence_end(tokenizer: PreTrainedTokenizerBase, start: int) -> Callable[[Tensor, Tensor], Tensor]:
    """A stopping criterion: each row ends at its first token after `start` that holds a sentence's end."""

    def ended(rows: Tensor, _scores: Tensor, **_: object) -> Tensor:
        import torch

        texts = tokenizer.batch_decode(rows[:, start:], skip_special_tokens=True)
        return torch.tensor([bool(re.search(r"[.!?\n]", text)) for text in texts], device=rows.device)

    return ended


def _clean(draft: str) -> str:
    """Whole sentences of plain words, one paragraph: no list numbers, mark-up or brackets, no unfinished end."""
    draft = draft.strip().split("\n\n")[0]
    text = re.sub(r"(?m)^\s*(?:[-*•]+|\d+[.)])\s*", "", draft)
    text = _UNSPEAKABLE.sub("", text)
    text = re.sub(r"\([^)]*\)?", "", text)
    text = " ".join(text.split())
    ends = [m.end() for m in re.finditer(r"[.!?](?=\s|$)", text)]
    return text[: ends[-1]] if ends else (text.rstrip(",;:") + "." if text else "")


def _assistant(draft: str) -> bool:
    """Whether a draft speaks as the chat assistant that the base was made to be, not as the person asked."""
    told = draft.lower().replace("’", "'")
    return any(phrase in told for phrase in _ASSISTANT)


def _fluent(draft: str) -> float:
    """A rough mark for a spoken answer: first person, 30 words or more, no sentence twice."""
    words = [bare(w) for w in draft.split()]
    sentences = re.split(r"(?<=[.!?])\s+", draft)
    first_person = any(w in {"i", "my", "me", "we", "i've", "i'm", "our"} for w in words)
    return first_person + min(len(words) / 30, 1.0) - (len(sentences) - len(set(sentences)))


def _add_point(text: str, point: str, prompt: str, adapter: Adapter, parameters: ComposeParameters) -> str:
    """The answer with one more sentence, which starts with the point's own words and which the model ends.

    Returns the answer as it was when several draws give no sentence of speakable length.
    """
    said = _UNSPEAKABLE.sub("", re.sub(r"[()]", "", point)).strip()
    begun = f"{text} {said[0].upper()}{said[1:].rstrip('.!?')}".strip()
    for attempt in range(_ATTEMPTS):
        again = replace(parameters, seed=parameters.seed + attempt)
        drafts = _draw(prompt, begun, adapter, again, n_words=28, sentence=True)
        sentences = [_first_sentence(d[len(begun) :]) for d in drafts]
        usable = [s for s in sentences if 3 <= len(s.split()) <= 26]
        if usable:
            return _clean(begun + min(usable, key=lambda s: abs(len(s.split()) - 12)))
    return text


def _first_sentence(text: str) -> str:
    """Up to the first end of a sentence; nothing if there is none."""
    found = re.match(r"[^.!?\n]*[.!?]", text)
    return found.group(0) if found else ""
