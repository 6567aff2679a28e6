"""The commands that answer: one question, or one's own words, once; or in a dialogue."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prosody.commands import bar, marking, print_json, tell
from prosody.commands.text import decoded, is_file, load, marked_text, wav_name
from prosody.errors import ProsodyError, one_line

if TYPE_CHECKING:
    from prosody.lm.answer import ComposeParameters
    from prosody.lm.base import Base
    from prosody.lm.checkpoint import Adapter
    from prosody.markers import MarkedText
    from prosody.workflow.answers import MarkedAnswer


def answer(arguments: Namespace) -> int:
    """Answer one question, mark one's own words, or, interactively, one question after another."""
    if arguments.interactive:
        from prosody.commands.dialogue import dialogue

        return dialogue(arguments)
    out = wav_name(arguments.speak) if arguments.speak is not None else None
    own = _own_words(arguments.text) if arguments.text is not None else None
    check(arguments.question or "", arguments.points, out, arguments, own=own)
    how, adapter = marking.options(arguments), load_adapter(arguments)
    if own is None:
        composer = load_composer(arguments)
        found = composed(arguments.question, arguments.points, adapter, arguments, composer=composer)
    else:
        from prosody.workflow.answers import mark_own

        found = mark_own(own, adapter, how, question=arguments.question or "", points=arguments.points)
    show(found, arguments, out)
    return 0


def _own_words(given: str) -> MarkedText:
    """The words of `--text`: of a file, or themselves where they are more than one."""
    if given != "-" and given and not is_file(given) and not any(c.isspace() for c in given):
        what = "is a folder" if Path(given).is_dir() else "not found"
        raise ProsodyError(given, None, what, "name a text file, give several words in quotes, or - to read stdin")
    return marked_text(given)


def check(
    question: str, points: list[str], out: Path | None, arguments: Namespace, *, own: MarkedText | None = None
) -> None:
    """Raise ProsodyError for a mistake before the work, not after it. own: words that need no question."""
    from prosody.lm.answer import check_asked

    for text in (question, *points):
        decoded(text, "question and points")
    if own is not None and not own.words:
        raise ProsodyError(None, "text", "there are no words in it", "give the words to mark")
    check_options(arguments)
    check_asked(question if own is None else question or "own words", points)
    if out is not None:
        from prosody.voice.speak import check_out

        check_out(out, overwrite=arguments.overwrite)


def check_options(arguments: Namespace) -> None:
    """Raise ProsodyError for an option that cannot be, before anything is loaded."""
    from prosody.voice import engines

    engines.get(arguments.engine)
    composing(arguments)
    marking.options(arguments)


def composed(
    question: str,
    points: list[str],
    adapter: Adapter,
    arguments: Namespace,
    *,
    composer: Base | None = None,
    seed: int | None = None,
) -> MarkedAnswer:
    """A composed and marked answer; its sentences are shown on a terminal as they come."""
    from prosody.workflow.answers import write_answer

    how = composing(arguments, seed=seed)
    placed = marking.options(arguments)
    with _streamed(len(points) + 2) as on_sentence:
        return write_answer(question, points, adapter, how, composer=composer, marking=placed, on_sentence=on_sentence)


def composing(arguments: Namespace, *, seed: int | None = None) -> ComposeParameters:
    """How the command line asks for an answer to be composed. Raises ProsodyError for what cannot be."""
    from prosody.lm.answer import ComposeParameters

    mode, seed = "free" if arguments.free else "anchored", arguments.seed if seed is None else seed
    return ComposeParameters(mode=mode, max_words=arguments.max_words, seed=seed)


@contextmanager
def _streamed(n_sentences: int) -> Iterator[Callable[[str, int | None], None]]:
    """What shows sentences as they come, where stderr is a terminal, over a bar with the time left."""
    with bar("composing") as shown:
        said = []

        def on_sentence(sentence: str, _point: int | None) -> None:
            said.append(sentence)
            if sys.stderr.isatty():
                from tqdm import tqdm

                tqdm.write(f"  {sentence}", file=sys.stderr)
            shown(min(len(said) / n_sentences, 1.0))

        yield on_sentence


def load_adapter(arguments: Namespace) -> Adapter:
    """The adapter that answers. Raises ProsodyError, too, if it has not learned the contour that is asked for."""
    from prosody.workflow.answers import check_contour

    adapter = load(arguments.adapter)
    if arguments.contour:
        check_contour(adapter)
    return adapter


def load_composer(arguments: Namespace) -> Base | None:
    """The model that composes, if one is named that isn't the adapter's base."""
    if arguments.composer is None:
        return None
    from prosody.lm.base import load_base

    return load_base(arguments.composer)


def spoken(found: MarkedAnswer, out: Path, arguments: Namespace) -> MarkedAnswer:
    """The answer spoken to `out`, and listened to; tells what can't be spoken, and which markers can be heard."""
    from prosody.workflow.answers import speak_answer

    how = {name: getattr(arguments, name) for name in ("engine", "seed", "contour", "overwrite")}
    with bar("speaking and listening") as progress:
        found = speak_answer(found, out, **how, progress=progress)
    found = replace(found, audio_file=str(out))
    for note in found.spoken.notes:
        tell(note)
    survival = found.heard["survival"].values()
    heard, written = (sum(entry[key] for entry in survival) for key in ("heard", "written"))
    tell(f"spoken: {out}, {heard} of {written} markers heard again")
    return found


def show(found: MarkedAnswer, arguments: Namespace, out: Path | None = None) -> MarkedAnswer:
    """The answer on stdout, and spoken to `out` if it is given; what becomes of points and markers on stderr.

    As text it is shown before it is spoken, which may fail.
    """
    from prosody.notebook.show import marked_ansi

    if not arguments.json:
        print(marked_ansi(found.marked.text, color=sys.stdout.isatty()), flush=True)
        for point, covered in zip(found.answer.points, found.answer.covered, strict=True):
            tell(f"point {'taken up' if covered else 'left out'}: {one_line(point)}")
    if out is not None:
        try:
            found = spoken(found, out, arguments)
        except ProsodyError:
            if arguments.json:  # the answer itself is not lost
                print_json(found.as_json(), lines=arguments.interactive)
            raise
    if arguments.json:
        print_json(found.as_json(), lines=arguments.interactive)
    return found
