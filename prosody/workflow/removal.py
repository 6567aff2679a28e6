"""Runs taken away: never one at work, never anything outside the folder of runs, and no half of one is ever seen."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from prosody import files
from prosody.errors import ProsodyError
from prosody.workflow import alive, lineage, record
from prosody.workflow.lineage import Graph, Node


def key_of(folder: Path, runs: Path) -> str:
    """The key of a run that may be removed. folder: the run's. runs: the folder of runs.

    Raises ProsodyError if it is not a folder right there, or is reached through a link.
    """
    if folder.parents[1] != runs or Path(os.path.realpath(folder)) != folder or not folder.is_dir():
        what = "is not in the folder of runs, or is reached through a link"
        raise ProsodyError(folder, None, what, f"remove it by hand, or set PROSODY_RUNS_DIR (now {runs})")
    return f"{folder.parent.name}/{folder.name}"


def needing(graph: Graph, keys: Sequence[str]) -> list[Node]:
    """What else was made from these runs, directly or not, and is still there: runs and reviews."""
    found = lineage.reach(graph, keys, up=False, only_needs=True)
    return [node for key, node in graph.nodes.items() if key in found and node.folder is not None]


def is_at_work(node: Node) -> bool:
    """Whether a process still writes a run's record, or nobody can know that none does."""
    folder = node.folder
    if folder is None:
        return False
    if alive.is_held(folder):
        return True
    with suppress(ProsodyError):  # of a damaged record the lock alone tells
        return record.read(folder).state == "running"
    return False


def remove(nodes: Sequence[Node], runs: Path) -> int:
    """Remove runs, all of them or, if one is at work or lies elsewhere, none. Returns the bytes that this freed.

    Raises ProsodyError for such a run, and for one that the system lets nobody remove.
    """
    for node in nodes:
        key_of(node.folder or runs, runs)
        if is_at_work(node):
            raise ProsodyError(None, None, f"{node.key} is at work", "stop it first, or wait until it has ended")
    freed = 0
    for node in reversed(nodes):  # what was made from others goes first: a death in between leaves no orphan
        if node.folder is not None:
            freed += size(node.folder)
            files.remove_folder(node.folder)
    return freed


def size(path: Path) -> int:
    """The bytes of a file, or of all files in a folder; what a link points to is not counted."""
    if path.is_symlink() or not path.is_dir():
        with suppress(OSError):
            return path.lstat().st_size
        return 0
    total = 0
    for folder, _, names in os.walk(path):  # (links to folders are not followed)
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def megabytes(n: int) -> str:
    """Bytes as people read them: MB, of 10⁶."""
    return f"{n / 1e6:,.1f} MB"


def counted(n: int, what: str) -> str:
    """A number of things in words: 1 run, 2 runs."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
