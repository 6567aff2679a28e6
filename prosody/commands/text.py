"""Commands about text: placing markers, and what commands share that are given a text or an adapter."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from prosody.commands import bar, tell
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
        return markers.parse(decoded(read_stdin(), "stdin"), path="stdin")
    path = Path(text)
    if is_file(text):
        from prosody.speech.audio import read_transcript

        return read_transcript(path)
    if path.suffix.lower() in (".txt", ".md", ".textgrid") and not any(c.isspace() for c in text):
        raise ProsodyError(path, None, "not found", "check the name")
    return markers.parse(decoded(text, "text"), path="text")


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


def read_stdin(read: Callable[[], str] | None = None) -> str:
    """All of stdin, or what `read` reads of it."""
    try:
        return (read or sys.stdin.read)()
    except UnicodeDecodeError as error:
        raise ProsodyError("stdin", None, f"is not {error.encoding.upper()} text", "save it as UTF-8") from None


def decoded(text: str, path: str) -> str:
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
    from prosody.commands import marking
    from prosody.lm.mark import mark

    marked = marked_text(arguments.text)
    if not marked.words:
        raise ProsodyError(None, "text", "there are no words in it", "give the words to mark")
    how = marking.options(arguments)
    if arguments.out is not None:
        files.check_new(arguments.out, overwrite=arguments.overwrite)
    adapter = load(arguments.adapter)
    with bar("marking") as progress:
        found = mark(marked, adapter, **how, progress=lambda done, of: progress(done / of))
    marking.tell_of(found, adapter, arguments)


def merge(arguments: Namespace) -> None:
    """Write an adapter and its base as one stand-alone model."""
    from prosody import files
    from prosody.lm.merge import merge

    out = Path(arguments.out)
    if out.exists() and not arguments.overwrite:
        raise ProsodyError(out, None, "already exists", "give another name, or --overwrite")
    files.check_new_folder(out, overwrite=arguments.overwrite)
    adapter = load(arguments.adapter)
    n_bytes = merge(adapter, out, overwrite=arguments.overwrite)
    tell(f"{out}: a stand-alone model, {n_bytes / 1e6:,.0f} MB; AutoModelForCausalLM.from_pretrained loads it")


def load(given: str | None) -> Adapter:
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
