"""Runs as rows of one table: what the status says, parameters, figures (nested ones by dotted names), the commit.

A column bears its plain name. Where status, parameters and metrics use one name for different things (a training has
`epochs` among its parameters and its metrics), the first of the three has it; the others are `params.epochs` and
`metrics.epochs`, and `status.…`, `params.…` and `metrics.…` name any of them without doubt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import read_json
from prosody.workflow.record import Run

GROUPS = ("status", "params", "metrics")
_FIRST = ("id", "stage", "status", "how", "started", "ended", "seconds", "exit", "peak_rss_mb", "commit")


@dataclass(frozen=True)
class Table:
    """Runs as rows. names: of the columns, plain ones; rows: of each run the values that it has, by group and name."""

    names: tuple[str, ...]
    rows: tuple[Mapping[tuple[str, str], Any], ...]
    keys: Mapping[str, tuple[str, str]]
    """Every name that a column may be called by, and the group and name it stands for."""

    def value(self, row: Mapping[tuple[str, str], Any], name: str) -> Any:
        """A row's value in the column that is called `name`; None where it has none."""
        return row.get(self.keys[name])


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested figures by dotted names: {"f1": {"<emph>": 0.9}} as {"f1.<emph>": 0.9}; entries of lists by number."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        full = f"{before}{name}"
        if isinstance(value, list) and any(isinstance(one, (Mapping, int, float)) for one in value):
            value = {str(k): one for k, one in enumerate(value)}
        if isinstance(value, Mapping):
            found |= flat(value, f"{full}.")
        else:
            found[full] = value
    return found


def table(runs: Sequence[Run]) -> Table:
    """All that is known of these runs, a row each, in their order; what cannot be read of a record is left out."""
    rows = [_row(run) for run in runs]
    known: dict[tuple[str, str], None] = {}
    for row in rows:
        known |= dict.fromkeys(row)
    first = [("status", name) for name in _FIRST if ("status", name) in known]
    keys: dict[str, tuple[str, str]] = {}
    names = []
    for key in sorted(dict.fromkeys([*first, *known]), key=lambda key: GROUPS.index(key[0])):
        plain, full = key[1], ".".join(key)
        names.append(full if plain in keys else plain)
        keys.setdefault(plain, key)
        keys[full] = key
    return Table(names=tuple(names), rows=tuple(rows), keys=keys)


def _row(run: Run) -> dict[tuple[str, str], Any]:
    told = {**flat(run.status), "id": run.id, "stage": run.stage, "status": run.state}
    git, params = (_read(run, name) for name in ("git.json", "params.json"))
    told["commit"] = git.get("commit")
    groups = {"status": told, "params": params, "metrics": flat(run.metrics)}
    return {(group, str(name)): value for group, values in groups.items() for name, value in values.items()}


def _read(run: Run, name: str) -> Mapping[str, Any]:
    with suppress(ProsodyError):
        data = read_json(run.folder / name)
        if isinstance(data, Mapping):
            return data
    return {}


def text(value: Any) -> str:
    """A value as it is compared and written: a text as it is, numbers in full, others as JSON; nothing for None."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def is_number(value: Any) -> bool:
    """Whether it is a number, which yes and no are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def kinds(values: Iterable[Any]) -> set[str]:
    """Of which kinds values are: "number", "yes or no", "text"."""
    known = [value for value in values if value is not None]
    return {"number" if is_number(one) else "yes or no" if isinstance(one, bool) else "text" for one in known}
