"""The command `diff`: two runs compared, on the terminal, as JSON, or as a page."""

from __future__ import annotations

import argparse
import os
import sys
from argparse import Namespace
from pathlib import Path

from prosody.commands import print_json, tell


def add_options(command: argparse.ArgumentParser) -> None:
    """Which runs, and where the page goes."""
    add = command.add_argument
    what = "a run's id or the start of it, its folder, a stage for its latest, or latest"
    add("a", metavar="A", help=what)
    add("b", metavar="B", help="the other one")
    add("-o", "--html", dest="html", metavar="FILE.html", help="write a page with tables and the curves overlaid, too")
    add("--json", action="store_true", help="print JSON")


def diff(arguments: Namespace) -> None:
    """What differs between two runs."""
    from prosody.workflow import compare, contents, record
    from prosody.workflow.compare import text as compare_text
    from prosody.workflow.install import repository

    runs = [contents.read(record.locate(given)) for given in (arguments.a, arguments.b)]
    out = Path(arguments.html) if arguments.html is not None else None
    if out is not None:
        from prosody.report import comparison

        comparison.check_out(out)
    found = compare.compare(*runs, clone=repository())
    if out is not None:
        comparison.write(found, out)
    if arguments.json:
        print_json(record.plain(compare_text.as_json(found)))
    else:
        print(compare_text.as_text(found, colors=_has_colors()))
    if out is not None:
        tell(f"written to {out}")


def _has_colors() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
