"""Commands about text: placing markers, and answering a question."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prosody.commands import print_json, tell
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from prosody.lm.checkpoint import Adapter
    from prosody.markers import MarkedText


def marked_text(text: str) -> MarkedText:
    """A command's TEXT: `-` for stdin, the name of a text file, or the text itself.

    Raises ProsodyError if it breaks the grammar, or looks like the name of a file that is not there.
    """
    from prosody import markers

    if text == "-":
        return markers.parse(_stdin(), path="stdin")
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


def _stdin() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise ProsodyError("stdin", None, f"is not {error.encoding.upper()} text", "save it as UTF-8") from None


def mark(arguments: Namespace) -> None:
    """Place markers in plain text."""
    from prosody.lm.mark import mark

    marked = marked_text(arguments.text)
    print(mark(marked, _load(arguments.adapter)))


def answer(arguments: Namespace) -> int:
    """Answer one question, or, interactively, one after another."""
    if not arguments.interactive:
        out = Path(arguments.speak) if arguments.speak else None
        _answer(arguments.question, arguments.points, arguments, _load(arguments.adapter), out)
        return 0
    if arguments.question is None and not sys.stdin.isatty():
        tell("reading questions and points from stdin: a line each, an empty line ends the points")
    adapter = _load(arguments.adapter)
    for n, (question, points) in enumerate(_asked(arguments), 1):
        out = Path(arguments.speak) if arguments.speak else None
        if out is not None and n > 1:
            out = out.with_stem(f"{out.stem}_{n}")
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


def _answer(question: str, points: list[str], arguments: Namespace, adapter: Adapter, out: Path | None) -> None:
    from prosody.notebook.show import marked_ansi
    from prosody.workflow.answers import speak_answer, write_answer

    if out is not None and out.exists() and not arguments.overwrite:  # told before the work, not after it
        raise ProsodyError(out, None, "already exists", "give another name, or add --overwrite")
    found = write_answer(question, points, adapter)
    if out is not None:
        found = speak_answer(found, out, overwrite=arguments.overwrite)
    if arguments.json:
        print_json({**found.as_json(), "audio_file": str(out) if out else None})
        return
    print(marked_ansi(found.marked.text, color=sys.stdout.isatty()))
    for point, covered in zip(found.answer.points, found.answer.covered, strict=True):
        tell(f"point {'taken up' if covered else 'left out'}: {point}")
    if out is not None:
        survival = (found.heard or {}).get("survival", {}).values()
        heard, written = (sum(entry[key] for entry in survival) for key in ("heard", "written"))
        tell(f"spoken: {out}, {heard} of {written} markers heard again")


def _load(given: str | None) -> Adapter:
    """The adapter named, or the latest ok train run's; says which one it is."""
    from prosody.lm.checkpoint import ADAPTER_FOLDER, load_adapter
    from prosody.workflow import record

    if given is None:
        run = record.find(record.runs_folder(), "train")
        if run is None:
            what = "there is no adapter: no ok run of train"
            raise ProsodyError(None, None, what, "run `make train` first, or name one with --adapter")
        folder = run.artifacts / ADAPTER_FOLDER
        tell(f"adapter: {record.shown(folder)} (the latest ok train run)")
    else:
        folder = Path(given)
        tell(f"adapter: {folder}")
    return load_adapter(folder)
