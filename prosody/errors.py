"""The one error type for users' mistakes.

Whatever a person can put right (a missing file, an unknown marker, times out of order) is raised as `ProsodyError`,
which reads as one line: file, place, what is wrong, what to do. Anything else that escapes is a bug and may trace back.
"""

from __future__ import annotations

import os


class ProsodyError(Exception):
    """A mistake in what was given, told in one line: `path: where: what — remedy`.

    path: the file or folder it is about. where: the place inside it ("line 3, column 14", "segment 7, field 'start'").
    what: what is wrong. remedy: what to do about it. Each may be None and is then left out.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        where: str | None = None,
        what: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.path = None if path is None else os.fspath(path)
        self.where = where
        self.what = what
        self.remedy = remedy
        super().__init__(self.path, where, what, remedy)  # all of it in args, so that it survives pickling

    def __str__(self) -> str:
        told = ": ".join(part for part in (self.path, self.where, self.what) if part)
        return one_line(" — ".join(part for part in (told, self.remedy) if part))


def one_line(text: str) -> str:
    """`text` with everything that is not printable written as an escape, so that it stays one safe line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
