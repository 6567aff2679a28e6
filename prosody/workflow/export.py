"""What an answer on a desk can be written as: its sound, its marked text, SSML, a TextGrid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prosody import files, markers
from prosody.dataset import Word
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from prosody.workflow.sheet import Sheet

SUFFIXES = {"wav": ".wav", "text": ".txt", "ssml": ".ssml", "textgrid": ".TextGrid"}
"""The kinds of file, and the suffix of each."""
SPOKEN = ("wav", "textgrid")
"""Those that only a spoken answer can be written as."""


def check_kind(kind: str) -> None:
    """Raise ProsodyError if `kind` is none of `SUFFIXES`."""
    if kind not in SUFFIXES:
        raise ProsodyError(None, "export", f"{kind!r} is no kind of file", f"use one of: {', '.join(SUFFIXES)}")


def write(kind: str, path: Path, sheet: Sheet) -> None:
    """Write an answer into a new file. Raises ProsodyError if that is there already or cannot be written."""
    if kind == "wav":
        from prosody.voice.speak import write

        write(path, sheet.spoken)
    elif kind == "text":
        files.write_text(path, f"{markers.render(sheet.text)}\n")
    elif kind == "ssml":
        from prosody.voice.markup.compile import compile_markup

        files.write_text(path, f"{compile_markup(sheet.text, 'ssml').text}\n")
    else:
        from prosody.interchange import textgrid
        from prosody.interchange.annotation import Annotation
        from prosody.interchange.tiers import to_textgrid

        words = tuple(Word(w.text, w.start, w.end, w.markers) for w in sheet.spoken.words)
        textgrid.write(path, to_textgrid(Annotation(words, sheet.text.final, sheet.spoken.duration)))
