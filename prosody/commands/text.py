"""Commands about text: placing markers, and answering a question."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
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
        return markers.parse(_decoded(_stdin(), "stdin"), path="stdin")
    path = Path(text)
    if is_file(text):
        from prosody.speech.audio import read_transcript

        return read_transcript(path)
    if path.suffix.lower() in (".txt", ".md", ".textgrid") and not any(c.isspace() for c in text):
        raise ProsodyError(path, None, "not found", "check the name")
    return markers.parse(_decoded(text, "text"), path="text")


def is_file(text: str) -> bool:
    """Whether TEXT is the name of a file, or of a pipe, as `<(...)` makes one."""
    try:
        return Path(text).exists() and not Path(text).is_dir()
    except (OSError, ValueError):  # too long for a name, or with characters that no name has: it is the text
        return False


def wav_name(given: str) -> Path:
    """A WAV file's path. Raises ProsodyError if the name is another's."""
    path = Path(given)
    if path.suffix.lower() != ".wav":
        raise ProsodyError(None, repr(given), "is not the name of a WAV file", "give a name that ends in .wav")
    return path


def _stdin(read: Callable[[], str] | None = None) -> str:
    """All of stdin, or what `read` reads of it."""
    try:
        return (read or sys.stdin.read)()
    except UnicodeDecodeError as error:
        raise ProsodyError("stdin", None, f"is not {error.encoding.upper()} text", "save it as UTF-8") from None


def _decoded(text: str, path: str) -> str:
    """`text`, unless it holds what Python makes of bytes that are no text; no tokenizer takes that."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise ProsodyError(path, f"line {line}", "is not UTF-8 text", "save it as UTF-8") from None
    return text


def mark(arguments: Namespace) -> None:
    """Place markers in plain text."""
    from prosody import files
    from prosody.lm.mark import mark

    marked = marked_text(arguments.text)
    if not marked.words:
        raise ProsodyError(None, "text", "there are no words in it", "give the words to mark")
    if arguments.out is not None:
        files.check_new(arguments.out, overwrite=arguments.overwrite)
    told = str(mark(marked, _load(arguments.adapter)))
    if arguments.out is None:
        print(told)
    else:
        files.write_bytes(arguments.out, f"{told}\n".encode(), overwrite=arguments.overwrite)


def merge(arguments: Namespace) -> None:
    """Write an adapter and its base as one stand-alone model."""
    from prosody import files
    from prosody.lm.merge import merge

    out = Path(arguments.out)
    if out.exists() and not arguments.overwrite:
        raise ProsodyError(out, None, "already exists", "give another name, or --overwrite")
    files.check_new_folder(out, overwrite=arguments.overwrite)
    adapter = _load(arguments.adapter)
    n_bytes = merge(adapter, out, overwrite=arguments.overwrite)
    tell(f"{out}: a stand-alone model, {n_bytes / 1e6:,.0f} MB; AutoModelForCausalLM.from_pretrained loads it")


def answer(arguments: Namespace) -> int:
    """Answer one question, or, interactively, one after another."""
    if not arguments.interactive:
        _check_asked(arguments.question, arguments.points, _spoken_file(arguments), arguments.overwrite)
        _answer(arguments.question, arguments.points, arguments, _load(arguments.adapter), _spoken_file(arguments))
        return 0
    adapter, failed = _load(arguments.adapter), False
    if arguments.question is None and not sys.stdin.isatty():
        tell("reading questions and points from stdin: a line each, an empty line ends the points")
    for n, (question, points) in enumerate(_asked(arguments), 1):
        out = _spoken_file(arguments, n)
        try:
            _check_asked(question, points, out, arguments.overwrite)
            _answer(question, points, arguments, adapter, out)
        except ProsodyError as error:
            tell(f"prosody: {error}")
            failed = True
    return 2 if failed and not sys.stdin.isatty() else 0


def _spoken_file(arguments: Namespace, n: int = 1) -> Path | None:
    """Where the `n`th answer is to be spoken to, if it is."""
    if arguments.speak is None:
        return None
    out = wav_name(arguments.speak)
    return out.with_stem(f"{out.stem}_{n}") if n > 1 else out


def _check_asked(question: str, points: list[str], out: Path | None, overwrite: bool) -> None:
    """Tell a mistake before the work, not after it."""
    from prosody.lm.answer import check_asked

    for text in (question, *points):
        _decoded(text, "question and points")
    check_asked(question, points)
    if out is not None:
        from prosody.voice.speak import check_out

        check_out(out, overwrite=overwrite)


def _asked(arguments: Namespace) -> Iterator[tuple[str, list[str]]]:
    """Question and points, from the command line first, then from the person, until the input ends."""
    if arguments.question:
        yield arguments.question, arguments.points
    while (question := _line("Question (empty to end): ")) and question.lower() not in ("quit", "exit", ":quit"):
        points = []
        while point := _line(f"Point {len(points) + 1} (empty: no more): "):
            points.append(point)
        yield question, points


def _line(prompt: str) -> str:
    """A line of stdin; an empty one also when there is no more."""
    if sys.stdin.isatty():
        sys.stderr.write(prompt)
        sys.stderr.flush()
    return _stdin(sys.stdin.readline).strip()


def _answer(question: str, points: list[str], arguments: Namespace, adapter: Adapter, out: Path | None) -> None:
    from prosody.notebook.show import marked_ansi
    from prosody.workflow.answers import speak_answer, write_answer

    found = write_answer(question, points, adapter)
    if out is not None:
        found = speak_answer(found, out, overwrite=arguments.overwrite)
    if arguments.json:
        told = {**found.as_json(), "audio_file": str(out) if out else None}
        print_json(told, lines=arguments.interactive)
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
    from prosody.lm.checkpoint import folder_in, load_adapter
    from prosody.workflow import record

    if given is None:
        run = record.find(record.runs_folder(), "train")
        if run is None:
            what = "there is no adapter: no ok run of train"
            raise ProsodyError(None, None, what, "run `make train` first, or name one with --adapter")
        folder = folder_in(run.artifacts)
        name = f"{record.shown(folder)} (the latest ok train run)"
    else:
        folder = Path(given)
        name = str(folder)
    adapter = load_adapter(folder)
    figure = adapter.card.get("metrics", {}).get("macro_f1")
    tell(f"adapter: {name}" + (f", macro F1 {figure:.2f}" if isinstance(figure, (int, float)) else ""))
    return adapter
