"""What a sweep found: its points as rows, the settings with their spread over seeds, and the best of them."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.workflow import columns, export_table, record

OK = "ok"
SEED = "seed"
"""The parameter that changes nothing but chance: points that differ in it alone are one setting."""
_AFTER = ("seconds", "run", "state", "error")


@dataclass(frozen=True)
class Row:
    """A point and what came of it. value: its metric, None where there is none; figures: all it has, by dotted name."""

    number: int
    values: Mapping[str, Any]
    run: str | None
    state: str
    value: float | None
    seconds: float | None
    error: str | None
    figures: Mapping[str, Any]


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
        if point.get("run"):
            with suppress(ProsodyError):
                run = record.read(runs / stage / point["run"])
                status, figures = run.status, columns.flat(run.metrics)
        state = str(status.get("status") or point["state"])
        value = figures.get(metric) if state == OK else None
        value = value if columns.is_number(value) and math.isfinite(value) else None
        seconds = status.get("seconds")
        seconds = seconds if columns.is_number(seconds) else None
        error = None if state == OK else point.get("error")
        found.append(Row(number, point["values"], point.get("run"), state, value, seconds, error, figures))
    return found


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


def headline(table: Sequence[Row], *, metric: str, goal: str) -> str:
    """What the sweep found, in a line or two."""
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
