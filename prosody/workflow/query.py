"""Choosing and ordering recorded runs by what is known of them: `macro_f1>0.8`, `stage=train`, sorted by a column."""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prosody.errors import ProsodyError, one_line
from prosody.workflow.columns import Table, is_number, text

OPERATORS = ("!=", "<=", ">=", "=", "<", ">", "~")  # longer ones first
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_YES = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True)
class Condition:
    """One `--where`: the column's name, the operator, what the value is compared with."""

    name: str
    operator: str
    given: str

    def holds(self, value: Any) -> bool:
        """Whether a value fits. One that a run does not have fits "!=" alone. "~" is: contains, in either case."""
        if value is None:
            return self.operator == "!="
        if self.operator == "~":
            return self.given.casefold() in text(value).casefold()
        if self.operator in ("=", "!="):
            return _equal(value, self.given) == (self.operator == "=")
        number = _number(self.given)
        if is_number(value) and number is not None:
            return _ORDER[self.operator](value, number)
        return isinstance(value, str) and _ORDER[self.operator](value, self.given)


def condition(given: str, table: Table) -> Condition:
    """Read a condition such as `macro_f1>0.8`; names may hold < and >, as `f1.<emph>>0.9` does.

    Raises ProsodyError if it has no operator, names no column, or compares numbers with something else.
    """
    known = [name for name in table.keys if given.startswith(name)]
    for name in sorted(known, key=len, reverse=True):
        rest = given[len(name) :].lstrip()
        sign = next((sign for sign in OPERATORS if rest.startswith(sign)), None)
        if sign is not None:
            found = Condition(name, sign, rest[len(sign) :].strip())
            _check(found, table)
            return found
    match = re.match(r"\s*([^=!~<>]+|.+?)\s*(?:!=|<=|>=|=|<|>|~)", given)
    if match is None:
        remedy = f"write it as NAME=VALUE; the operators are {' '.join(OPERATORS)}"
        raise ProsodyError(None, "--where", f"{given!r} compares nothing", remedy)
    raise unknown("--where", match[1].strip(), table)


def _check(one: Condition, table: Table) -> None:
    """Raise ProsodyError where an order is asked for that the column's values cannot have."""
    values = [value for row in table.rows if (value := table.value(row, one.name)) is not None]
    if one.operator in _ORDER and values and all(map(is_number, values)) and _number(one.given) is None:
        what = f"{one.given!r} is no number, and {one.name} holds numbers"
        raise ProsodyError(None, "--where", what, f"compare it with a number, as {one.name}{one.operator}1")


def unknown(where: str, name: str, table: Table) -> ProsodyError:
    """The error for a column that no run has: it names the nearest."""
    near = difflib.get_close_matches(name, list(table.keys), n=4, cutoff=0.5)
    near += [one for one in table.names if name.casefold() in one.casefold() and one not in near][: 4 - len(near)]
    remedy = f"nearest: {', '.join(near)}" if near else f"there are {', '.join(table.names[:8])}, …"
    return ProsodyError(None, where, f"no run has a column {name[:60]!r}", one_line(remedy))


def chosen(table: Table, conditions: Sequence[Condition]) -> list[Mapping[tuple[str, str], Any]]:
    """The rows that all conditions fit, in their order."""
    return [row for row in table.rows if all(one.holds(table.value(row, one.name)) for one in conditions)]


def ordered(
    table: Table, rows: Sequence[Mapping[tuple[str, str], Any]], by: str, *, descending: bool = False
) -> list[Mapping[tuple[str, str], Any]]:
    """Rows sorted by a column: numbers by size, before texts; those that have no value come last in either order.

    by: a name; `-name` is descending. Raises ProsodyError if no run has that column.
    """
    if by not in table.keys and by.startswith("-"):
        by, descending = by[1:], not descending
    if by not in table.keys:
        raise unknown("--sort", by, table)
    there = [row for row in rows if table.value(row, by) is not None]
    without = [row for row in rows if table.value(row, by) is None]
    return sorted(there, key=lambda row: _key(table.value(row, by)), reverse=descending) + without


def _key(value: Any) -> tuple[bool, float, str]:
    return (not is_number(value), float(value) if is_number(value) else 0.0, "" if is_number(value) else text(value))


def _equal(value: Any, given: str) -> bool:
    if isinstance(value, bool):
        return _YES.get(given.casefold()) is value
    number = _number(given)
    if is_number(value) and number is not None:
        return value == number
    return text(value) == given


def _number(given: str) -> float | None:
    try:
        value = float(given)
    except ValueError:
        return None
    return None if math.isnan(value) else value
