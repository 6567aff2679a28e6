"""One answer from question to sound: composed, marked, spoken, heard. The notebook and the command line share it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody import markers
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from prosody.lm.answer import Answer, ComposeParameters, OnSentence
    from prosody.lm.base import Base
    from prosody.lm.checkpoint import Adapter
    from prosody.lm.mark import Marked
    from prosody.markers import MarkedText
    from prosody.voice.speak import Spoken

_SPEAKING = 0.2  # share of the time that speaking takes, listening the rest


@dataclass(frozen=True)
class MarkedAnswer:
    """An answer on its way: spoken, heard and audio_file are None until it has been spoken.

    adapter: the run that trained it, or its folder's name where the card names none. asked: how it was composed, marked
    and spoken, beside its question and points: all that it takes to have it again.
    heard: what `voice.listen` says of the sound. seconds_to_first_sound: from the question to a finished sound, s.
    """

    answer: Answer
    marked: Marked
    adapter: str
    asked: Mapping[str, Any] = field(default_factory=dict)
    spoken: Spoken | None = None
    heard: Mapping[str, Any] | None = None
    audio_file: str | None = None
    seconds_to_first_sound: float | None = None

    @property
    def n_markers(self) -> int:
        """How many markers stand in it."""
        return sum(markers.counts(self.marked.text).values())

    @property
    def words_changed(self) -> int:
        """Words of the marked answer that differ from the composed one's (0: marking never changes a word)."""
        before, after = self.answer.text.split(), markers.strip(str(self.marked)).split()
        return sum(a != b for a, b in zip(before, after, strict=False)) + abs(len(before) - len(after))

    def as_json(self) -> dict[str, Any]:
        """The answer as `-i … --json` gives it."""
        words = self.spoken.words if self.spoken else ()
        covered = zip(self.answer.points, self.answer.covered, strict=True)
        return {
            "question": self.answer.question,
            "points": [{"text": point, "covered": yes} for point, yes in covered],
            "plain": self.answer.text,
            "marked": str(self.marked),
            "adapter": self.adapter,
            "asked": dict(self.asked),
            "sentences": [{"text": text, "point": point} for text, point in self.answer.sentences],
            "audio_file": self.audio_file,
            "words": [
                {"text": w.text, "start": round(w.start, 3), "end": round(w.end, 3), "markers": list(w.markers)}
                for w in words
            ],
            "survival": self.heard["survival"] if self.heard else None,
        }


def asked(
    question: str, points: Sequence[str], *, otherwise: Sequence[tuple[str, Sequence[str]]], own_words: str = ""
) -> list[tuple[str, Sequence[str]]]:
    """The question with its points, or without one `otherwise`: pairs of a question and its points.

    own_words: words that need no question. Raises ProsodyError for points without a question.
    """
    if own_words:
        return [(question, points)]
    if points and not question:
        raise ProsodyError(None, "points", "stand without a question", "give the question, too")
    return [(question, points)] if question else list(otherwise)


def write_answer(
    question: str,
    points: Sequence[str],
    adapter: Adapter,
    parameters: ComposeParameters | None = None,
    *,
    composer: Base | None = None,
    marking: Mapping[str, Any] | None = None,
    on_sentence: OnSentence | None = None,
) -> MarkedAnswer:
    """Compose a plain answer and mark it.

    composer: another model than the adapter's base to compose with. marking: options of `lm.mark.mark`. on_sentence: as
    for `lm.answer.compose`. Raises ProsodyError as these two do.
    """
    from prosody.lm.answer import ComposeParameters, compose
    from prosody.lm.base import kept_name
    from prosody.lm.mark import mark

    begun = time.perf_counter()
    parameters, marking = parameters or ComposeParameters(), dict(marking or {})
    answer = compose(question, points, composer or adapter, parameters, on_sentence=on_sentence)
    marked = mark(answer.text, adapter, **marking)
    asked = {"composer": kept_name((composer or adapter.base).name), **asdict(parameters), **marking}
    return MarkedAnswer(
        answer, marked, adapter_name(adapter), asked, seconds_to_first_sound=time.perf_counter() - begun
    )


def write_answers(
    asked: Sequence[tuple[str, Sequence[str]]],
    adapter: Adapter,
    parameters: ComposeParameters | None = None,
    *,
    own_words: str = "",
    composer: Base | None = None,
    marking: Mapping[str, Any] | None = None,
    on_sentence: OnSentence | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[MarkedAnswer]:
    """Answers to several questions with their points.

    own_words: marked in place of composing; they answer the first question. progress: called with (answers done,
    answers in all). The others as for `write_answer`.
    """
    if own_words:
        question, points = asked[0] if asked else ("", ())
        return [mark_own(markers.parse(own_words), adapter, marking, question=question, points=points)]
    written = []
    for question, points in asked:
        written.append(
            write_answer(
                question, points, adapter, parameters, composer=composer, marking=marking, on_sentence=on_sentence
            )
        )
        if progress:
            progress(len(written), len(asked))
    return written


def mark_own(
    words: MarkedText,
    adapter: Adapter,
    marking: Mapping[str, Any] | None = None,
    *,
    question: str = "",
    points: Sequence[str] = (),
) -> MarkedAnswer:
    """Mark words that somebody wrote; markers in them stay. question, points: what they answer, if they do.

    Raises ProsodyError as `lm.mark.mark` does.
    """
    from prosody.lm.answer import Answer
    from prosody.lm.mark import mark
    from prosody.lm.phrase import covers

    begun = time.perf_counter()
    marking, text = dict(marking or {}), " ".join(word.text for word in words.words)
    answer = Answer(question, tuple(points), text, tuple(covers(text, p) for p in points))
    marked = mark(words, adapter, **marking)
    asked = {"composer": None, "given": markers.render(words), **marking}
    return MarkedAnswer(
        answer, marked, adapter_name(adapter), asked, seconds_to_first_sound=time.perf_counter() - begun
    )


def mark_again(written: MarkedAnswer, adapter: Adapter, marking: Mapping[str, Any]) -> MarkedAnswer:
    """The same words with more markers, fewer, or others, as `lm.mark.mark_again` places them."""
    from prosody.lm.mark import mark_again

    marked = mark_again(written.marked, adapter, **marking)
    return replace(with_marking(written, marked, marking), adapter=adapter_name(adapter))


def with_marking(written: MarkedAnswer, marked: Marked, asked: Mapping[str, Any] | None = None) -> MarkedAnswer:
    """The same answer marked otherwise, asked: how; what was spoken of it is gone."""
    kept = {key: value for key, value in written.asked.items() if key not in ("engine", "voice_seed", "contour")}
    return MarkedAnswer(written.answer, marked, written.adapter, {**kept, **(asked or {})})


def adapter_name(adapter: Adapter) -> str:
    """The run that trained an adapter, or its folder's name where the card names none."""
    return str(adapter.card.get("run") or adapter.folder.name)


def speak_answer(
    written: MarkedAnswer,
    out: Path,
    *,
    engine: str = "hibari",
    seed: int = 0,
    contour: bool = False,
    listen_back: bool = True,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> MarkedAnswer:
    """Speak a written answer to the WAV `out` and listen which of its markers can be heard, against its plain render.

    contour: words without a pitch marker or <emph>, and all words of the plain render, follow the pitch and loudness
    that the adapter expects of the speaker there. progress: called with the share that is done.
    Raises ProsodyError if `out` exists and `overwrite` is false, or can't be written, and for a contour that the
    adapter has not learned.
    """
    from prosody.voice.speak import speak

    begun = time.perf_counter()
    tell = progress or (lambda _: None)
    of_speaking = _SPEAKING if listen_back else 1.0
    shape = shape_of(written) if contour else None
    spoken = speak(
        written.marked.text,
        out=out,
        engine=engine,
        seed=seed,
        shape=shape,
        overwrite=overwrite,
        progress=lambda done, of: tell(of_speaking * done / of),
    )
    seconds = (written.seconds_to_first_sound or 0.0) + time.perf_counter() - begun
    heard = None
    if listen_back:
        from prosody.voice.listen import listen_to_spoken

        told = {"progress": lambda share: tell(_SPEAKING + (1 - _SPEAKING) * share)}
        heard = listen_to_spoken(out, written.marked.text, engine=engine, seed=seed, shape=shape, **told)
    asked = {**written.asked, "engine": engine, "voice_seed": seed, "contour": contour}
    return replace(
        written, asked=asked, spoken=spoken, heard=heard, audio_file=out.name, seconds_to_first_sound=seconds
    )


def check_contour(adapter: Adapter) -> None:
    """Raise the ProsodyError that `speak_answer` raises for a contour that `adapter` has not learned."""
    if adapter.head is None:
        raise _no_contour(adapter_name(adapter))


def shape_of(written: MarkedAnswer) -> Sequence[Mapping[str, float | None]]:
    """How each word is expected to sound, for `voice.speak`. Raises ProsodyError if the adapter has not learned it."""
    if not written.marked.measured:
        raise _no_contour(written.adapter)
    return written.marked.measured


def _no_contour(adapter: str) -> ProsodyError:
    what = f"was not learned by {adapter}: the words that it was trained on had no measurements"
    return ProsodyError(None, "contour", what, "speak without it, or train on a dataset with measurements")


def survival_of(answers: Iterable[MarkedAnswer]) -> dict[str, dict[str, int]]:
    """Of each marker how often it was written and how often it was heard again, over several answers."""
    total = {token: {"written": 0, "heard": 0} for token in markers.TOKENS}
    for one in answers:
        for token, found in (one.heard["survival"] if one.heard else {}).items():
            for key in ("written", "heard"):
                total[token][key] += found[key]
    return total
