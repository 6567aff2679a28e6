"""Imports that take seconds for what nobody uses here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_GRAMMAR = "rfc3987_syntax"


@contextmanager
def without_grammar_of_urls() -> Iterator[None]:
    """Import jsonschema (nbformat, papermill and nbdime do) without the grammar of URLs that it makes meanwhile.

    That takes two thirds of the import's time, and is for a format that no notebook is checked for. jsonschema does
    without where the package that holds the grammar is not installed; so it seems not to be, while the block lasts.
    """
    if _GRAMMAR in sys.modules:
        yield
        return
    sys.modules[_GRAMMAR] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_GRAMMAR]
