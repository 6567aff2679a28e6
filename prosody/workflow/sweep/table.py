"""What a sweep found: its points as rows, the settings with their spread over seeds, and the best of them."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import read_json
from prosody.workflow import columns, export_table, record, source_text

OK = "ok"
SEED = "seed"
"""The parameter that changes nothing but chance: points that differ in it alone are one setting."""
_AFTER = ("seconds", "run", "state", "error")


@dataclass(frozen=True)
class Row:
    """A point and what came of it. value: its metric, None where there is none; figures: all it has, by dotted name.

    code: a hash of the package and the notebook's text as its run had them; None where that is not known.
    """

    number: int
    values: Mapping[str, Any]
    run: str | None
    state: str
    value: float | None
    seconds: float | None
    error: str | None
    figures: Mapping[str, Any]
    code: str | None = None


@dataclass(frozen=True)
class Setting:
    """Points that are alike but for their seed. values: without the seed. rows: those that have the metric."""

    values: Mapping[str, Any]
    rows: Sequence[Row]

    @property
    def mean(self) -> float:
        return statistics.fmean(row.value for row in self.rows)

    @property
    def spread(self) -> float:
        """From the least to the greatest value."""
        found = [row.value for row in self.rows]
        return max(found) - min(found)


def rows(points: Sequence[Mapping[str, Any]], *, stage: str, metric: str, runs: Path) -> list[Row]:
    """The points in order, with what their runs' records say.

    points: of each `values`, `run` (an id or None), `state` and `error`. metric: a figure, nested ones by dotted name.
    """
    found = []
    for number, point in enumerate(points, 1):
        status: Mapping[str, Any] = {}
        figures: dict[str, Any] = {}
        code = None
        if point.get("run"):
            with suppress(ProsodyError):
                run = record.read(runs / stage / point["run"])
                status, figures, code = run.status, columns.flat(run.metrics), _code(run.folder)
        state = str(status.get("status") or point["state"])
        value = figures.get(metric) if state == OK else None
        value = value if columns.is_number(value) and math.isfinite(value) else None
        seconds = status.get("seconds")
        seconds = seconds if columns.is_number(seconds) else None
        error = None if state == OK else point.get("error")
        found.append(Row(number, point["values"], point.get("run"), state, value, seconds, error, figures, code))
    return found


def _code(run: Path) -> str | None:
    """What a run's record says of the code that it ran."""
    try:
        package = read_json(run / "git.json")["package_sha256"]
        text = source_text.text_sha256(read_json(run / "notebook.ipynb"))
    except (ProsodyError, KeyError, TypeError, AttributeError, ValueError):
        return None
    return hashlib.sha256(f"{package} {text}".encode()).hexdigest()


def mixed(table: Sequence[Row]) -> str:
    """That not all points ran the same code, in a line; empty if they did.

    Each is a run that begins later than the one before: what is edited meanwhile is other code from there on.
    """
    parts: dict[str, list[int]] = {}
    for row in table:
        if row.code is not None:
            parts.setdefault(row.code, []).append(row.number)
    if len(parts) < 2:
        return ""
    first, *others = (_ranges(numbers) for numbers in parts.values())
    than = " than ".join([f"points {first} ran other code", *others[:1]])
    more = "".join(f", and other code than these {numbers}" for numbers in others[1:])
    return f"{than}{more}: the notebook or the package was edited meanwhile; the same command runs them anew"


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers in words: 1–3, 5."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}–{part[-1]}" for part in parts)


def varied(table: Sequence[Row]) -> list[str]:
    """The parameters that the points differ in, in order."""
    names = dict.fromkeys(name for row in table for name in row.values)
    return [name for name in names if len({_key(row.values.get(name)) for row in table}) > 1]


def settings(table: Sequence[Row]) -> list[Setting]:
    """The settings that have the metric at least once, in order."""
    parts: dict[str, list[Row]] = {}
    for row in table:
        if row.value is not None:
            parts.setdefault(_key(_without_seed(row.values)), []).append(row)
    return [Setting(_without_seed(part[0].values), part) for part in parts.values()]


def best(table: Sequence[Row], *, goal: str) -> Setting | None:
    """The setting with the best mean over its seeds; None if no point has the metric. goal: "max" or "min"."""
    choose = max if goal == "max" else min
    return choose(settings(table), key=lambda one: one.mean, default=None)


def noise(table: Sequence[Row]) -> float | None:
    """The widest spread that another seed alone makes; None if no setting was run with several."""
    return max((one.spread for one in settings(table) if len(one.rows) > 1), default=None)


def figures(table: Sequence[Row], *, metric: str, goal: str) -> dict[str, Any]:
    """The sweep's own figures, for its metrics.json."""
    found, choose = best(table, goal=goal), max if goal == "max" else min
    return {
        "n": len(table),
        "failed": sum(row.state != OK for row in table),
        "metric": metric,
        "goal": goal,
        "best": dict(found.values) if found else None,
        "best_value": found.mean if found else None,
        "best_seeds": len(found.rows) if found else 0,
        "best_run": choose(found.rows, key=lambda row: row.value).run if found else None,
        "spread_over_seeds": noise(table),
        "codes": len({row.code for row in table} - {None}),
    }


def cells(table: Sequence[Row], *, metric: str) -> tuple[list[str], list[list[Any]]]:
    """Names of columns, and the rows: point, what varies, the metric, time, run, state, and why one failed."""
    names = list(dict.fromkeys(name for row in table for name in row.values))
    head = ["point", *names, *([metric] if metric else []), *_AFTER]
    body = []
    for row in table:
        value = [row.value] if metric else []
        after = [row.seconds, row.run, row.state, row.error]
        body.append([row.number, *(row.values.get(name) for name in names), *value, *after])
    return head, body


def write_csv(path: Path, table: Sequence[Row], *, metric: str) -> None:
    """Write the table as CSV, numbers in full. Raises ProsodyError if it cannot be written."""
    export_table.write_csv(path, *cells(table, metric=metric), overwrite=True)


def doubt(metric: str, *, stage: str, runs: Path) -> str:
    """A line for a metric that the latest ok run of the stage lacks; empty where it has it, or there is no run."""
    run = record.find(runs, stage) if metric else None
    known = [name for name, one in columns.flat(run.metrics).items() if columns.is_number(one)] if run else []
    if not known or metric in known:
        return ""
    near = ", ".join(difflib.get_close_matches(metric, known, n=3)) or f"{', '.join(known[:5])}, …"
    return f"is the metric {metric!r} right? Run {run.id} of {stage} has no such figure; nearest: {near}"


def headline(table: Sequence[Row], *, metric: str, goal: str) -> str:
    """What the sweep found, in a line or two, and whether its points are of one code."""
    failed = sum(row.state != OK for row in table)
    lines = [f"{len(table)} points, {failed} failed"]
    found, wide = best(table, goal=goal), noise(table)
    if found is not None:
        chosen = _named(found)
        n = len(found.rows)
        mean = f"mean of {n} seeds" if n > 1 else "one run"
        lines.append(f"best {metric}: {found.mean:.4g} ({mean}) with {chosen}")
    elif metric:
        known = sorted({name for row in table for name, one in row.figures.items() if columns.is_number(one)})
        lines.append(f"no point has a figure {metric!r}; there are: {', '.join(known) or 'none'}")
    if wide is not None:
        lines.append(f"another seed alone moves it by up to {wide:.4g}: what differs by less may be chance")
    elif found is not None:
        lines.append("each setting was run once: how much chance does is not known (give several seeds)")
    if told := mixed(table):
        lines.append(told)
    return "\n".join(lines)


def spreads(table: Sequence[Row]) -> str:
    """Of each setting that was run with several seeds their mean and how far they lie apart, a line each."""
    several = [one for one in settings(table) if len(one.rows) > 1]
    lines = [f"{_named(one)}: mean {one.mean:.4g}, {len(one.rows)} seeds {one.spread:.4g} apart" for one in several]
    return "\n".join(lines)


def _named(setting: Setting) -> str:
    return ", ".join(f"{name} {_text(value)}" for name, value in setting.values.items()) or "the only setting"


def _without_seed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != SEED}


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
