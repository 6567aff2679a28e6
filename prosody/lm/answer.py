"""Composing: a question and talking points in, a plain answer out, written by the base model with the adapter off.

A small model that is left free uses about one point in three. So the answer is built around the points: an opening
that takes up the question, for each point a sentence that the model must lead through the point's words, and a close.
Of several candidates for each sentence the best is kept, and the model reads on from there. A larger model may be left
free; then it is measured which points it took up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prosody import markers
from prosody.errors import ProsodyError
from prosody.lm.base import Base
from prosody.lm.decode import After, Decoder, Drawn
from prosody.lm.phrase import LEAD_INS, content, covers, led, speakable
from prosody.lm.slots import longest_text

if TYPE_CHECKING:
    from torch import Generator
    from transformers import PreTrainedTokenizerBase

    from prosody.lm.checkpoint import Adapter

OnSentence = Callable[[str, int | None], None]  # a sentence, and the number of its point
MODES = ("anchored", "free")
_POINT_CHARACTERS = 300
_SENTENCE_TOKENS = 18  # drawn for one sentence, at most
_WORDS = (5, 16)  # of a sentence that is good to say
_LEAD_WEIGHT = 0.3  # how much a lead-in's own likelihood counts beside that of the point after it
_N_SCORED = 6  # ways to lead in to a point that are read in full
_N_LEADS = 3  # of these, ways that are drawn on
_WORSE = 3.0  # nats by which these may be less likely than the likeliest
_AGAIN = 4.0  # nats that a lead-in loses that is another point's likeliest
_SYSTEM = (
    "You are a person who is being interviewed about your own life and work. You answer in the first person, in plain "
    "spoken English, in short sentences. You never make lists."
)
_ASSISTANT = (
    "sorry for your loss", "chatbot", "language model", "assistant", "trained on", "here to help", "here to assist",
    "here for you", "happy to help", "happy to share", "happy to provide", "interview", "my answer", "the answer",
    "your question", "this question", "that question", "as an ai", "asked", "excited", "my story",
    "with you today", "my name is", "i'm a human",
)  # fmt: skip
_OPENINGS = (" I", " It", " My", " When", " We", " Well, I", " The", " There", " For me,")
_CLOSINGS = (" So", " In the end,", " That is", " And that", " That's why", " It is", " I", " And I")
_FURTHER = (" I", " It", " And", " We", " But", " That", " When", " You", " She", " He", " They", " The")


@dataclass(frozen=True)
class ComposeParameters:
    """How to write.

    mode: "anchored", a sentence around each point; or "free", where the model says what it likes.
    candidates: drawn at once for each sentence. max_words: about how long an answer may get once its points are said.
    """

    mode: str = "anchored"
    candidates: int = 6
    max_words: int = 70
    temperature: float = 0.6
    top_p: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ProsodyError(None, "mode", f"is {self.mode!r}", f"use one of: {', '.join(MODES)}")
        for name in ("candidates", "max_words"):
            if not (isinstance(getattr(self, name), int) and getattr(self, name) >= 1):
                raise ProsodyError(None, name, f"is {getattr(self, name)}", "give a whole number from 1")
        for name, most in (("temperature", 100.0), ("top_p", 1.0)):
            if not 0 < getattr(self, name) <= most:
                raise ProsodyError(None, name, f"is {getattr(self, name)}", f"give a number above 0, to {most:g}")
        if not 0 <= self.seed < 1 << 63:
            raise ProsodyError(None, "seed", f"is {self.seed}", "give a whole number from 0, of 18 digits at most")


@dataclass(frozen=True)
class Answer:
    """A plain answer. `covered`: for each point, whether all its content words are in the text.

    sentences: those of the text, each with the number of the point that it was written for, or None.
    """

    question: str
    points: tuple[str, ...]
    text: str
    covered: tuple[bool, ...]
    sentences: tuple[tuple[str, int | None], ...] = ()


def compose(
    question: str,
    points: Sequence[str],
    model: Adapter | Base,
    parameters: ComposeParameters | None = None,
    *,
    on_sentence: OnSentence | None = None,
) -> Answer:
    """Write a plain spoken answer to `question` that takes up `points`.

    model: an adapter, whose base writes without it; or another base, larger perhaps. on_sentence: called with each
    sentence as soon as it stands, and the number of its point, if it has one. Deterministic with the seed.
    Raises ProsodyError if the question is empty, a point is empty or over 300 characters, one of them holds markers, or
    all together are more than the model can read.
    """
    import torch

    parameters = parameters or ComposeParameters()
    question, points = " ".join(question.split()), tuple(" ".join(p.split()) for p in points)
    check_asked(question, points)
    base = model if isinstance(model, Base) else model.base
    with nullcontext(base.model) if isinstance(model, Base) else model.untuned() as plain:
        named = [w.strip(".,!?") for text in (question, *points) for w in text.split() if w[:1].isupper()]
        decoder = Decoder(plain, base.tokenizer, allowed=named)
        asked = prompt(question, points, base, parameters)
        _check_length(decoder, [asked, *points], parameters, longest_text(plain))
        decoder.read(asked)
        generator = torch.Generator(decoder.device).manual_seed(parameters.seed)
        writer = _Writer(decoder, question, parameters, generator, on_sentence)
        writer.around(() if parameters.mode == "free" else points)
    text = "".join(sentence for sentence, _ in writer.said).strip()
    told = tuple((sentence.strip(), point) for sentence, point in writer.said)
    return Answer(question, points, text, tuple(covers(text, p) for p in points), told)


def check_asked(question: str, points: Sequence[str]) -> None:
    """Raise ProsodyError as `compose` does for a question and points that no base can be asked."""
    if not any(c.isalnum() for c in question):
        raise ProsodyError(None, "question", "is empty", 'ask something, such as -i "How did you begin?"')
    for k, point in enumerate(points, 1):
        if not any(c.isalnum() for c in speakable(point)):
            raise ProsodyError(None, f"point {k}", "is empty", "leave it out or give it words")
        if len(point) > _POINT_CHARACTERS:
            raise ProsodyError(None, f"point {k}", f"has {len(point)} characters", f"shorten it to {_POINT_CHARACTERS}")
    for text in (question, *points):
        if markers.counts(markers.parse(text)) != dict.fromkeys(markers.TOKENS, 0):
            raise ProsodyError(None, text, "holds markers", "give plain words; the adapter places the markers")


def prompt(question: str, points: Sequence[str], base: Base, parameters: ComposeParameters) -> str:
    """What the model reads before it writes: through its chat template if it has one."""
    ask = question
    if parameters.mode == "free" and points:
        ask += f" Talk about {_listed(points)}."
    if base.tokenizer.chat_template:
        return _chat(base.tokenizer, ask)
    return f"An interview. The person answers in plain words, in short sentences.\n\nQuestion: {ask}\nAnswer:"


def _chat(tokenizer: PreTrainedTokenizerBase, ask: str) -> str:
    """A prompt through the chat template; one that knows no system's turn has it said by the user."""
    from jinja2 import TemplateError

    how = {"add_generation_prompt": True, "tokenize": False}
    user = {"role": "user", "content": ask}
    try:
        return tokenizer.apply_chat_template([{"role": "system", "content": _SYSTEM}, user], **how)
    except TemplateError:
        return tokenizer.apply_chat_template([{**user, "content": f"{_SYSTEM}\n\n{ask}"}], **how)


def _listed(points: Sequence[str]) -> str:
    """The points as one would say them: "a", "a and b", "a, b and c"."""
    plain = [p.rstrip(".!?") for p in points]
    return " and ".join(filter(None, [", ".join(plain[:-1]), plain[-1]]))


def _check_length(decoder: Decoder, texts: Sequence[str], parameters: ComposeParameters, longest: int | None) -> None:
    """Raise ProsodyError if the model can't read the prompt and write an answer with the points after it."""
    sentences = (len(texts) + 3) * _SENTENCE_TOKENS + 2 * parameters.max_words
    needed = sum(map(decoder.n_tokens, texts)) + sentences
    if longest is not None and needed > longest:
        what = (
            f"is with its points and the answer too long ({needed} tokens) for a base that reads and writes {longest}"
        )
        raise ProsodyError(None, "question", what, "shorten it, or the answer")


class _Writer:
    """An answer under way. said: its sentences, each with a space in front, and the number of its point."""

    def __init__(
        self,
        decoder: Decoder,
        question: str,
        parameters: ComposeParameters,
        generator: Generator,
        on_sentence: OnSentence | None,
    ) -> None:
        self.decoder, self.question, self.parameters = decoder, question, parameters
        self.generator, self.on_sentence = generator, on_sentence
        self.said: list[tuple[str, int | None]] = []
        self.led: set[str] = set()

    @property
    def n_words(self) -> int:
        return sum(len(sentence.split()) for sentence, _ in self.said)

    def around(self, points: Sequence[str]) -> None:
        """An opening, a sentence or more for each point, a close."""
        self.free(_OPENINGS, about=content(self.question))
        if points:
            self.through(points)
        self.close()

    def close(self) -> None:
        """Further sentences as long as there is room for them, and one that closes."""
        while self.n_words + 2 * _WORDS[1] <= self.parameters.max_words:
            self.free(_FURTHER, about=content(self.question))
        self.free(_CLOSINGS, about=content(self.question))

    def free(self, starts: Sequence[str], *, about: frozenset[str]) -> None:
        """One sentence as the model likes it; it begins with one of `starts`."""
        n = self.parameters.candidates
        likely = sorted(zip(self.decoder.after(starts), starts, strict=True), key=lambda one: -one[0].logprob)
        begun = [start for _, start in likely[:n]]
        drawn = self._draw([begun[i % len(begun)] for i in range(n)])
        whole = [one for one in drawn if one.ended] or [_cut(one) for one in drawn]
        self._say(max(whole, key=lambda one: self._worth(one.text, one.logprob, about)).text, None)

    def through(self, points: Sequence[str]) -> None:
        """A sentence through the words of each point, drawn together: likely lead-ins, then on to a sentence's end."""
        leads = dict(zip(LEAD_INS, self.decoder.after(LEAD_INS), strict=True))
        n, best = self.parameters.candidates, []
        said = [speakable(point) for point in points]
        for point in said:
            best.append(self._ways(point, leads)[: min(_N_LEADS, n)])
            self.led.add(best[-1][0][0])
        whole = [point.endswith(("?", "!")) for point in said]  # these end with the point
        rows = [(k, "".join(ways[i % len(ways)][:2])) for k, ways in enumerate(best) for i in range(n) if not whole[k]]
        drawn = list(zip(rows, self._draw([begun for _, begun in rows]) if rows else [], strict=True))
        for k, (point, ways) in enumerate(zip(said, best, strict=True)):
            found = [(d.text, d.logprob) for (of, _), d in drawn if of == k and d.ended]
            found += [(lead + words + "." * (not whole[k]), logprob) for lead, words, logprob in ways]
            about = content(self.question) | content(point)
            self._say(max(found, key=lambda one: self._worth(*one, about))[0], k)

    def _ways(self, point: str, leads: Mapping[str, After]) -> list[tuple[str, str, float]]:
        """The likeliest ways to say a point: (lead-in, its words, mean log probability of both), best first."""
        decoder = self.decoder
        ways = list(led(point.rstrip("."), is_word=lambda word: decoder.n_tokens(" " + word) == 1))

        def promise(way: tuple[str, str]) -> float:
            after = leads[way[0]]
            return after.following(decoder.first(way[1])) + _LEAD_WEIGHT * after.logprob - _AGAIN * (way[0] in self.led)

        ways = sorted(ways, key=promise, reverse=True)[:_N_SCORED]
        scored = []
        for (lead, said), logprobs in zip(ways, decoder.score([lead + said for lead, said in ways]), strict=True):
            n_lead = decoder.n_tokens(lead) if lead else 0
            rank = sum(logprobs[n_lead:]) + _LEAD_WEIGHT * sum(logprobs[:n_lead]) - _AGAIN * (lead in self.led)
            scored.append((rank, (lead, said, sum(logprobs) / len(logprobs))))
        scored.sort(key=lambda one: -one[0])
        return [way for rank, way in scored if rank > scored[0][0] - _WORSE]

    def _draw(self, begun: Sequence[str]) -> list[Drawn]:
        how = self.parameters
        return self.decoder.draw(
            begun, generator=self.generator, temperature=how.temperature, top_p=how.top_p, n_tokens=_SENTENCE_TOKENS
        )

    def _say(self, text: str, point: int | None) -> None:
        self.decoder.read(text)
        self.said.append((text, point))
        if self.on_sentence:
            self.on_sentence(text.strip(), point)

    def _worth(self, text: str, logprob: float, about: frozenset[str]) -> float:
        """How good a sentence is: likely, short enough to say, about the matter, nothing said twice, no assistant."""
        words, said = text.split(), content("".join(sentence for sentence, _ in self.said))
        own = content(text)
        threes = list(zip(words, words[1:], words[2:], strict=False))
        twice = any(own <= content(sentence) for sentence, _ in self.said) or len(set(threes)) < len(threes)
        again = len((own & said) - about) / max(1, len(own))
        length = max(0, _WORDS[0] - len(words)) + max(0, len(words) - _WORDS[1])
        told = text.lower().replace("’", "'")
        assistant = any(phrase in told for phrase in _ASSISTANT)
        return logprob - again - 2 * twice - 0.08 * length + 0.5 * bool(own & about) - 5 * assistant


def _cut(drawn: Drawn) -> Drawn:
    """A sentence that has not come to its end, ended at its last comma, or where it stands."""
    head = drawn.text.rpartition(",")[0] if "," in drawn.text else drawn.text.rpartition(" ")[0]
    return replace(drawn, text=f"{(head.strip() and head) or drawn.text}.", ended=True)
