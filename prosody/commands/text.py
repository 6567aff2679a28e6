"""Commands about text: placing markers, and answering a question."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody.commands import print_json, tell
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from prosody.lm.checkpoint import Adapter
    from prosody.markers import MarkedText

ADAPTER = "janus_prosody_lora"


def marked_text(text: str) -> MarkedText:
    """A command's TEXT: `-` for stdin, the name of a text file, or the text itself.

    Raises ProsodyError if it breaks the grammar, or looks like the name of a file that is not there.
    """
    from prosody import markers

    if text == "-":
        return markers.parse(sys.stdin.read(), path="stdin")
    path = Path(text)
    try:
        if path.is_file():
            from prosody.speech.audio import read_transcript

            return read_transcript(path)
    except (OSError, ValueError):  # too long for a name, or with characters that no name has: it is the text
        pass
    if path.suffix.lower() in (".txt", ".md") and not any(c.isspace() for c in text):
        raise ProsodyError(path, None, "not found", "check the name")
    return markers.parse(text, path="text")


def mark(arguments: Namespace) -> None:
    """Place markers in plain text."""
    from prosody.lm.mark import mark

    marked = marked_text(arguments.text)
    print(mark(marked, _load(arguments.adapter)))


def answer(arguments: Namespace) -> int:
    """Answer one question, or, interactively, one after another."""
    if not arguments.interactive:
        _answer(arguments.question, arguments.points, arguments, _load(arguments.adapter), arguments.speak)
        return 0
    if arguments.question is None and not sys.stdin.isatty():
        tell("reading questions and points from stdin: a line each, an empty line ends the points")
    adapter = _load(arguments.adapter)
    for n, (question, points) in enumerate(_asked(arguments), 1):
        out = None
        if arguments.speak:
            path = Path(arguments.speak)
            out = str(path if n == 1 else path.with_stem(f"{path.stem}_{n}"))
        try:
            _answer(question, points, arguments, adapter, out)
        except ProsodyError as error:
            tell(f"prosody: {error}")
    return 0


def _asked(arguments: Namespace) -> Iterator[tuple[str, list[str]]]:
    """Question and points, from the command line first, then from the person, until the input ends."""
    if arguments.question:
        yield arguments.question, arguments.points
    while True:
        try:
            question = _line("Question (empty to end): ")
            if not question:
                return
            points = []
            while point := _line(f"Point {len(points) + 1} (empty: no more): "):
                points.append(point)
        except EOFError:
            return
        yield question, points


def _line(prompt: str) -> str:
    if sys.stdin.isatty():
        sys.stderr.write(prompt)
        sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()


def _answer(question: str, points: list[str], arguments: Namespace, adapter: Adapter, out: str | None) -> None:
    from prosody import markers
    from prosody.lm.answer import compose
    from prosody.lm.mark import mark
    from prosody.notebook.show import marked_ansi

    plain = compose(question, points, adapter)
    marked = mark(plain.text, adapter).text
    told: dict[str, Any] = {
        "question": plain.question,
        "points": [{"text": p, "covered": c} for p, c in zip(plain.points, plain.covered, strict=True)],
        "plain": plain.text,
        "marked": markers.render(marked),
        "adapter": str(adapter.folder),
        "audio_file": None,
        "words": None,
        "survival": None,
    }
    if out:
        from prosody.commands.speech import heard, word
        from prosody.voice.speak import speak

        spoken = speak(marked, out=out)
        told |= {"audio_file": out, "words": [word(w) for w in spoken.words], "survival": heard(out, marked)}
    if arguments.json:
        print_json(told)
        return
    print(marked_ansi(marked, color=sys.stdout.isatty()))
    for point in told["points"]:
        tell(f"{'said' if point['covered'] else 'left out'}: {point['text']}")
    if out:
        tell(f"spoken: {out}")


def _load(given: str | None) -> Adapter:
    """The adapter named, or the latest ok train run's; says which one it is."""
    from prosody.lm.checkpoint import load_adapter
    from prosody.workflow import record

    if given is None:
        run = record.find(record.runs_folder(), "train")
        if run is None:
            what = "there is no adapter: no ok run of train"
            raise ProsodyError(None, None, what, "run `make train` first, or name one with --adapter")
        folder = run.artifacts / ADAPTER
        tell(f"adapter: {record.shown(folder)} (the latest ok train run)")
    else:
        folder = Path(given)
        tell(f"adapter: {folder}")
    return load_adapter(folder)
