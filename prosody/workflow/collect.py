"""Which runs are no longer wanted, by rules that can be told, and never one that something kept needs.

Runs that failed, were interrupted or killed, and runs that a later one stands for. What is at work, what a kept run or
a review was made from, and what the next training would go on from stays.
"""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prosody import files
from prosody.errors import ProsodyError, one_line
from prosody.files import read_json
from prosody.workflow import alive, lineage, pinned, record, removal, reuse, source_text, stages
from prosody.workflow.lineage import Graph, Node

CUT = ("failed", "interrupted", "killed")
_TEMPORARY = re.compile(r"\.tmp-[0-9a-f]{12}(\..{0,16})?")
_STALE_S = 3600.0  # younger than this, somebody may still write it
_NOT_COMPARED = ("interactive", "resume")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True)
class Plan:
    """What may go, with the reason of each, and what fits a rule but stays, with the reason why.

    runs: in the order they were begun. rest: folders and files that are no run: temporary ones, and folders of runs
    that died before they had a status.
    """

    runs: Mapping[str, str]
    rest: Mapping[Path, str]
    stay: Mapping[str, str]


def rules(keep: int | None, older_than_s: float | None) -> list[str]:
    """The rules by which runs go, a line each."""
    aged = "" if older_than_s is None else f" (only what ended more than {_age(older_than_s)} ago)"
    several = [] if keep is None else [f"ok runs, when {keep} later ok runs of the same stage are there"]
    return [
        f"Goes{aged}:",
        "  - runs that failed, were interrupted or killed",
        "  - ok runs, when a later ok run of the stage has the same inputs, parameters and code, its outputs whole,",
        "    and is no repeat of this one by `rerun`",
        *[f"  - {line}" for line in several],
        "  - folders of runs that died before they wrote a status, temporary files and folders older than an hour",
        "Stays: what is at work, what a run or review that stays was made from, what the next training goes on from.",
    ]


def plan(runs: Path, *, keep: int | None = None, older_than_s: float | None = None) -> Plan:
    """What may go from a folder of runs.

    keep: how many ok runs of each stage stay, the latest; None for all. older_than_s: only what ended so long ago.
    """
    graph = lineage.graph(runs)
    wanted = unwanted(graph, keep=keep)
    if older_than_s is not None:
        wanted = {key: why for key, why in wanted.items() if _ended_s_ago(graph.nodes[key]) > older_than_s}
    held = {key: why for key in wanted if (why := _why_it_stays(graph.nodes[key], runs))}
    held |= {key: "the next training goes on from its checkpoint" for key in _to_go_on_from(graph) if key in wanted}
    go = without_needed(graph, {key for key in wanted if key not in held})
    needed = {key: "a run or review that stays was made from it" for key in wanted if key not in go}
    stale = max(_STALE_S, older_than_s or 0.0)
    return Plan(
        runs={key: wanted[key] for key in graph.nodes if key in go},
        rest=dict(_leftovers(runs, {node.folder for node in graph.nodes.values()}, stale)),
        stay=needed | held,
    )


def told(found: Plan, runs: Path) -> list[str]:
    """A plan as people read it: what goes with its size, what stays though it fits a rule, and the sum."""
    rows, total = [], 0
    for path, name, why in [
        *((runs / key, key, why) for key, why in found.runs.items()),
        *((path, record.shown(path), why) for path, why in found.rest.items()),
    ]:
        n = removal.size(path)
        total += n
        rows.append(("goes", name, removal.megabytes(n), why))
    rows += [("stays", key, removal.megabytes(removal.size(runs / key)), why) for key, why in found.stay.items()]
    widths = [max((len(row[k]) for row in rows), default=0) for k in range(3)]
    lines = [one_line(f"{a:{widths[0]}}  {b:{widths[1]}}  {c:>{widths[2]}}  {d}") for a, b, c, d in rows]
    sum_of = _counted(len(found.runs), len(found.rest))
    return [*lines, f"{sum_of} to remove, {removal.megabytes(total)}"]


def carry_out(found: Plan, runs: Path, *, keep: int | None, older_than_s: float | None) -> str:
    """Remove what a plan says, so far as a plan made anew says it, too; returns what was done, in one line.

    found, runs, keep, older_than_s: of the plan. Raises ProsodyError for what the system lets nobody remove.
    """
    now = plan(runs, keep=keep, older_than_s=older_than_s)
    graph = lineage.graph(runs)
    agreed = without_needed(graph, {key for key in found.runs if key in now.runs})
    freed = removal.remove([node for key, node in graph.nodes.items() if key in agreed], runs)
    rest = [path for path in found.rest if path in now.rest]
    for path in rest:
        freed += removal.size(path)
        if path.is_dir() and not path.is_symlink():
            files.remove_folder(path)
        else:
            with files.telling(path):
                path.unlink(missing_ok=True)
    return f"removed {_counted(len(agreed), len(rest))}, {removal.megabytes(freed)}"


def _counted(runs: int, rest: int) -> str:
    return removal.counted(runs, "run") + (f", {removal.counted(rest, 'leftover')}" if rest else "")


def unwanted(graph: Graph, *, keep: int | None) -> dict[str, str]:
    """Runs that fit a rule, with the reason."""
    by_stage: dict[str, list[Node]] = defaultdict(list)
    for node in graph.nodes.values():
        if node.kind == lineage.RUN:
            by_stage[node.stage].append(node)
    found = {}
    for nodes in by_stage.values():
        # a copy of another stage's run stands for none of these
        good = [node for node in nodes if node.state == "ok" and (not node.run or record.is_of_its_stage(node.run))]
        found |= {node.key: f"it {_ENDED[node.state]}" for node in nodes if node.state in CUT}
        found |= _stood_for(good)
        if keep is not None:
            found |= {node.key: f"{keep} later ok runs are there" for node in good[: max(0, len(good) - max(1, keep))]}
    return found


_ENDED = {"failed": "failed", "interrupted": "was interrupted", "killed": "was killed"}


def without_needed(graph: Graph, keys: set[str]) -> set[str]:
    """Of these runs those that nothing else was made from, directly or not, but what is among them."""
    others = [key for key in graph.nodes if key not in keys]
    return keys - lineage.reach(graph, others, up=True, only_needs=True)


def seconds(given: str) -> float:
    """A time such as 7d, 12h, 30m in seconds. Raises ProsodyError for anything else."""
    match = re.fullmatch(r"(\d{1,6})([smhdw])", given.strip())
    if match is None:
        raise ProsodyError(None, "--older-than", f"{given!r} is no time", "write it as 7d, 12h, 30m or 2w")
    return float(int(match[1]) * _UNITS[match[2]])


def _age(seconds_: float) -> str:
    unit = next((name for name in "wdhm" if seconds_ >= _UNITS[name] and seconds_ % _UNITS[name] == 0), "s")
    return f"{seconds_ / _UNITS[unit]:g} {unit}"


def _stood_for(good: Sequence[Node]) -> dict[str, str]:
    """Runs for which a later one stands. good: the ok runs of a stage, the oldest first."""
    latest: dict[str, Node] = {}
    found = {}
    for node in reversed(good):
        known = _what_it_is_of(node)
        if known is None:
            continue
        later = latest.get(known)
        if later is not None and _repeats(later, node):
            continue  # a repeat says nothing without what it repeats
        if later is not None:
            found[node.key] = f"{later.name} is of the same inputs, parameters and code"
        elif _is_whole(node):
            latest[known] = node
    return found


def _repeats(later: Node, node: Node) -> bool:
    """Whether a run was made again of this one, by `rerun`."""
    with suppress(ProsodyError, KeyError, TypeError, AttributeError):
        return later.data["status"].get("rerun_of") in (node.name, node.data["status"].get("id"))
    return False


def _is_whole(node: Node) -> bool:
    with suppress(ProsodyError, KeyError, TypeError, OSError):
        return not node.trouble and not any(reuse.changed(node.run, "outputs"))
    return False


def _what_it_is_of(node: Node) -> str | None:
    """One text for a run's inputs, parameters and code; None where the record does not tell them all."""
    try:
        data = node.data
        values = pinned.recorded(data["params"], data["upstream"])
        by_run = {f"{stage}_run" for stage in data["upstream"]}  # what was read of them says more
        values = {name: one for name, one in values.items() if name not in by_run and name not in _NOT_COMPARED}
        package = data["git"].get("package_sha256") or (data["git"].get("commit") if not data["git"]["dirty"] else None)
        notebook = source_text.text_sha256(read_json(node.folder / "notebook.ipynb"))
        inputs = sorted({(_place(one["path"]), one["sha256"]) for one in data["inputs"] if not _is_working(one)})
    except (ProsodyError, KeyError, TypeError, AttributeError, ValueError):
        return None
    if node.trouble or not package:
        return None
    return repr((inputs, sorted(record.plain(values).items()), package, notebook))


def _place(path: str) -> str:
    return re.sub(r"(?:.*/)?([^/]+)/\d{8}T\d{6}Z-[0-9a-f]{6}/", r"\1/…/", path)


def _is_working(entry: Mapping[str, Any]) -> bool:
    return "artifacts/checkpoints/" in entry["path"]


def _why_it_stays(node: Node, runs: Path) -> str:
    if removal.is_at_work(node):
        return "it is at work"
    try:
        removal.key_of(node.folder or runs, runs)
    except ProsodyError:
        return "it is reached through a link"
    return ""


def _to_go_on_from(graph: Graph) -> list[str]:
    """Runs with a checkpoint that the next run of their stage would go on from."""
    from prosody.lm.state import FOLDER

    found = []
    for stage in {node.stage for node in graph.nodes.values() if node.kind == lineage.RUN}:
        own = [node for node in graph.nodes.values() if node.kind == lineage.RUN and node.stage == stage]
        for node in stages.cut_short(own):
            if any((node.run.artifacts / FOLDER).glob("step_*")):
                found.append(node.key)
    return found


def _ended_s_ago(node: Node) -> float:
    with suppress(ValueError, TypeError):
        ended = datetime.fromisoformat(node.data["status"].get("ended"))
        return (datetime.now(UTC) - ended).total_seconds()
    return 0.0  # nobody knows


def _leftovers(runs: Path, known: set[Path | None], stale_s: float) -> Iterator[tuple[Path, str]]:
    """What is no run in a folder of runs, and that nobody writes any more."""
    for folder, names, others in os.walk(runs):
        at = Path(folder)
        if at in known and alive.is_held(at):
            names.clear()
            continue
        for name in [*names, *others]:
            path = at / name
            if _TEMPORARY.fullmatch(name) and _untouched_s(path) > stale_s:
                yield path, "a temporary file or folder that was left"
            elif name in names and at.parent == runs and _is_without_status(path) and _untouched_s(path) > stale_s:
                yield path, "it died before it wrote a status"
        names[:] = [name for name in names if not _TEMPORARY.fullmatch(name) and not (at / name).is_symlink()]


def _is_without_status(folder: Path) -> bool:
    """Whether a folder has a run's name and nothing in it but what a run makes before its status."""
    if not record.is_stamped(folder.name) or folder.is_symlink() or alive.is_held(folder):
        return False
    return all(one.name == alive.LOCK or _TEMPORARY.fullmatch(one.name) for one in folder.iterdir())


def _untouched_s(path: Path) -> float:
    """Seconds since a file, or anything in a folder, was last changed."""
    latest = 0.0
    for one in [path, *(path.rglob("*") if path.is_dir() and not path.is_symlink() else ())]:
        with suppress(OSError):
            told = one.lstat()
            latest = max(latest, told.st_mtime, told.st_ctime)
    return time.time() - latest
