"""Two runs compared: parameters, code, packages, machine, data, outputs, figures, cost, and the notebooks' sources.

Whatever the records lack or have damaged is named in `trouble`; the rest is compared all the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prosody.workflow.columns import flat, is_number
from prosody.workflow.compare import chance
from prosody.workflow.compare import code as code_changes
from prosody.workflow.compare import notebooks as notebook_changes
from prosody.workflow.contents import Contents

_OF_A_RUN = re.compile(r"(?:.*/)?([A-Za-z0-9_]+)/\d{8}T\d{6}Z-[0-9a-f]{6}/(.+)")
_COST = ("seconds", "peak_rss_mb")


@dataclass(frozen=True)
class Facts:
    """Named values of two runs. same: how many agree. changed: both values; only_a, only_b: what the other lacks."""

    same: int
    changed: Mapping[str, tuple[Any, Any]]
    only_a: Mapping[str, Any]
    only_b: Mapping[str, Any]

    @property
    def differ(self) -> bool:
        return bool(self.changed or self.only_a or self.only_b)


@dataclass(frozen=True)
class Figure:
    """A figure that differs. difference: b − a; relative: its share of a, None where a is 0.

    compared: the values that differ so: where a run holds those of several seeds, their mean, otherwise its own. seeds:
    how many there are. chance: whether the difference is more than another seed makes.
    """

    name: str
    a: float
    b: float
    compared: tuple[float, float]
    difference: float
    relative: float | None
    seeds: tuple[int, int]
    chance: chance.Chance


@dataclass(frozen=True)
class Comparison:
    """How two runs differ. inputs, outputs: files, each as (sha256, bytes); others: figures that are no numbers."""

    a: Contents
    b: Contents
    parameters: Facts
    code: code_changes.Code
    packages: Facts
    machine: Facts
    upstream: Facts
    inputs: Facts
    outputs: Facts
    cost: Facts
    figures: tuple[Figure, ...]
    same_figures: int
    others: Facts
    notebook: tuple[notebook_changes.Cell, ...]
    same_cells: int
    trouble: tuple[str, ...]


def compare(a: Contents, b: Contents, *, clone: Path | None = None) -> Comparison:
    """Compare two runs. clone: the repository in which files between their commits are looked up, if any."""
    numbers, others = _figures(a, b)
    changed_cells = tuple(notebook_changes.compare(a.notebook, b.notebook))
    after = len(notebook_changes.sources(b.notebook))
    code = code_changes.compare(a, b, clone)  # notes what is wrong with the patches
    differing = tuple(one for one in numbers if one.a != one.b or one.difference)
    return Comparison(
        a=a,
        b=b,
        parameters=facts(_in_full(a), _in_full(b)),
        code=code,
        packages=facts(_packages(a), _packages(b)),
        machine=facts(a.machine, b.machine),
        upstream=facts(a.upstream, b.upstream),
        inputs=files(a.inputs, b.inputs),
        outputs=files(a.outputs, b.outputs),
        cost=facts(*({name: run.status[name] for name in _COST if name in run.status} for run in (a, b))),
        figures=differing,
        same_figures=len(numbers) - len(differing) + others.same,
        others=others,
        notebook=changed_cells,
        same_cells=after - sum(cell.change != "removed" for cell in changed_cells),
        trouble=tuple(f"{side} {line}" for side, run in (("A", a), ("B", b)) for line in run.trouble),
    )


def facts(a: Mapping[str, Any], b: Mapping[str, Any]) -> Facts:
    """Named values beside each other, in the order of a, then of b. 1 and 1.0 are the same; 1 and yes are not."""
    both = [name for name in a if name in b]
    changed = {name: (a[name], b[name]) for name in both if not _equal(a[name], b[name])}
    only_a = {name: value for name, value in a.items() if name not in b}
    only_b = {name: value for name, value in b.items() if name not in a}
    return Facts(len(both) - len(changed), changed, only_a, only_b)


def files(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> Facts:
    """Files by name and hash. Those of other runs go by stage and name, whichever run; a moved file is the same."""
    before, after = _named(a), _named(b)
    found = facts(before, after)
    left = {name: one for name, one in found.only_b.items() if one[0]}
    moved: dict[str, str] = {}
    for name, one in found.only_a.items():
        other = next((other for other, value in left.items() if value == one), None)
        if other is not None:
            moved[name] = other
            del left[other]
    gone = {name: one for name, one in found.only_a.items() if name not in moved}
    new = {name: one for name, one in found.only_b.items() if name not in moved.values()}
    return Facts(found.same + len(moved), found.changed, gone, new)


def _named(entries: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, Any]]:
    named: dict[str, tuple[Any, Any]] = {}
    for entry in entries:
        path = str(entry.get("path"))
        of_run = _OF_A_RUN.fullmatch(path)
        named[f"{of_run[1]}/…/{of_run[2]}" if of_run else path] = (entry.get("sha256"), entry.get("bytes"))
    return named


def _in_full(run: Contents) -> dict[str, Any]:
    """A run's parameters; of a run that was named by the start of its id the whole id."""
    values = dict(run.params)
    for stage, of in run.upstream.items():
        given = values.get(f"{stage}_run")
        if isinstance(of, str) and isinstance(given, str) and given and of.startswith(given):
            values[f"{stage}_run"] = of
    return values


def _packages(run: Contents) -> dict[str, str]:
    """The versions of a run's packages, by name in small letters; several of one are told together."""
    lines = [line.partition("==") for line in run.packages.splitlines() if line.strip()]
    found: dict[str, str] = {}
    for name, _, version in lines:
        key = re.sub(r"[-_.]+", "-", name).lower()
        found[key] = f"{found[key]}, {version}" if key in found else version
    return found


def _figures(a: Contents, b: Contents) -> tuple[list[Figure], Facts]:
    """The numbers that both runs have, and all other figures."""
    before, after = ({k: v for k, v in flat(run.metrics).items() if not k.startswith("seeds.")} for run in (a, b))
    spreads = [chance.spreads(run.metrics) for run in (a, b)]
    numbers = []
    for name in before:
        if is_number(before[name]) and is_number(after.get(name)):
            of_a, of_b = (held.get(name) for held in spreads)
            difference, judged = chance.judged(float(before[name]), float(after[name]), of_a, of_b)
            compared = (of_a.mean if of_a else before[name], of_b.mean if of_b else after[name])
            relative = difference / abs(compared[0]) if compared[0] else None
            seeds = (of_a.n if of_a else 1, of_b.n if of_b else 1)
            numbers.append(Figure(name, before[name], after[name], compared, difference, relative, seeds, judged))
    names = {one.name for one in numbers}
    rest = ({k: v for k, v in of.items() if k not in names} for of in (before, after))
    return numbers, facts(*rest)


def _equal(a: Any, b: Any) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def counted(cells: Sequence[notebook_changes.Cell]) -> str:
    """How many cells of a notebook were changed, added, removed, in words."""
    counts = Counter(cell.change for cell in cells)
    return ", ".join(f"{counts[change]} {change}" for change in ("changed", "added", "removed") if counts[change])
