"""Runs looked at one by one, and taken away: `runs show`, `runs rm` and `runs gc`."""

from __future__ import annotations

import os
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prosody.commands import print_json, tell
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from prosody.workflow.lineage import Node

_RUN = "a run's id or the start of it, its folder, a stage for its latest, or latest"


def show_options(action: ArgumentParser) -> None:
    """The options of `runs show`."""
    add = action.add_argument
    add("run", metavar="RUN", help=_RUN)
    add("--graph", action="store_true", help="what it was made from and what was made from it, every file hashed again")
    add("--json", action="store_true", default=SUPPRESS, help="print JSON")


def rm_options(action: ArgumentParser) -> None:
    """The options of `runs rm`."""
    add = action.add_argument
    add("runs", metavar="RUN", nargs="+", help=_RUN)
    add("--with-dependents", action="store_true", help="the runs that were made from them, too")
    add("--yes", action="store_true", help="don't ask, though others were made from them")


def gc_options(action: ArgumentParser) -> None:
    """The options of `runs gc`."""
    add = action.add_argument
    add("--dry-run", action="store_true", help="only tell what would go")
    add("--keep", metavar="N", type=int, help="of the ok runs of each stage keep the latest N")
    add("--older-than", metavar="AGE", help="only what ended more than so long ago: 7d, 12h, 30m, 2w")
    add("--yes", action="store_true", help="don't ask")


def runs_show(arguments: Namespace) -> None:
    """One run to read, or its lineage."""
    from prosody.workflow import about, contents, lineage, lineage_text, record

    folder = record.locate(arguments.run)
    run = contents.read(folder)
    if arguments.json:
        told = about.as_json(run)
        if arguments.graph:
            told["lineage"] = lineage_text.as_json(*lineage.of(folder))
        print_json(record.plain(told))
    elif arguments.graph:
        paint = lineage_text.colored if _has_colors() else lineage_text.plain
        print(lineage_text.tree(*lineage.of(folder), paint=paint))
    else:
        print(about.as_text(run))


def runs_rm(arguments: Namespace) -> int | None:
    """Remove runs; asks first where something else was made from them."""
    from prosody.workflow import lineage, record, removal

    runs = record.runs_folder()
    keys = list(dict.fromkeys(removal.key_of(record.locate(given), runs) for given in arguments.runs))
    graph = lineage.graph(runs)
    needing = removal.needing(graph, keys)
    going = [node for node in needing if node.kind == lineage.RUN] if arguments.with_dependents else []
    keys += [node.key for node in going]
    nodes = [node for key, node in graph.nodes.items() if key in keys]
    for node in nodes:
        if removal.is_at_work(node):
            raise ProsodyError(None, None, f"{node.key} is at work", "stop it first, or wait until it has ended")
    if needing and not arguments.yes:
        if not _is_terminal():
            what = f"made from what is to go: {_names(needing)}"
            raise ProsodyError(None, None, what, "add --yes; with --with-dependents these runs go, too")
        left = [node for node in needing if node not in going]
        if going:
            tell(f"Made from what is to go, and goes, too: {_names(going)}.")
        if left:
            tell(f"Made from what is to go, and then without it: {_names(left)}.")
        if not _agreed(f"Remove {removal.counted(len(nodes), 'run')}?"):
            return 1
    freed = removal.remove(nodes, runs)
    tell(f"removed {removal.counted(len(nodes), 'run')}, {removal.megabytes(freed)}: {_names(nodes)}")
    return None


def _names(nodes: Iterable[Node]) -> str:
    return ", ".join(node.key for node in nodes)


def runs_gc(arguments: Namespace) -> int | None:
    """Remove runs that are no longer wanted, by rules that are told first."""
    from prosody.workflow import collect, record

    if arguments.keep is not None and arguments.keep < 1:
        raise ProsodyError(None, "--keep", "is less than 1", "give how many ok runs of each stage stay")
    older = None if arguments.older_than is None else collect.seconds(arguments.older_than)
    runs = record.runs_folder()
    found = collect.plan(runs, keep=arguments.keep, older_than_s=older)
    print("\n".join([*collect.rules(arguments.keep, older), "", *collect.told(found, runs)]), flush=True)
    if arguments.dry_run or not (found.runs or found.rest):
        return None
    if not arguments.yes:
        if not _is_terminal():
            tell("nothing was removed: add --yes")
            return None
        if not _agreed("Remove them?"):
            return 1
    tell(collect.carry_out(found, runs, keep=arguments.keep, older_than_s=older))
    return None


def _agreed(question: str) -> bool:
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _has_colors() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
