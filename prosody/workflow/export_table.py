"""A table of runs as text, CSV and Parquet, and which of its columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError, one_line
from prosody.files import new_path, telling, write_text
from prosody.workflow import query
from prosody.workflow.columns import Table, is_number, kinds, text

_USUAL = ("id", "stage", "status", "seconds")
_WIDEST = 48  # characters of a cell on a terminal


def names(table: Table, given: str | None, mentioned: Sequence[str] | None) -> list[str]:
    """The names of the columns to show: those that are given, or the usual ones with those mentioned, or all.

    given: parted by commas; "all" is every column. mentioned: conditions and names that are asked for; None: all.
    Raises ProsodyError for a column that no run has.
    """
    if given is not None and given.strip() != "all":
        wanted = [name.strip() for name in given.split(",") if name.strip()]
        if not wanted:
            raise ProsodyError(None, "--columns", "names none", "give names, as id,epochs,macro_f1")
        for name in wanted:
            if name not in table.keys:
                raise query.unknown("--columns", name, table)
        return wanted
    if given is not None or mentioned is None:
        return list(table.names)
    asked = [one if one in table.keys else query.condition(one, table).name for one in mentioned]
    return list(dict.fromkeys([*(name for name in _USUAL if name in table.keys), *asked]))


def as_text(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """An aligned table, numbers to the right; long texts are cut."""
    cells = [[one_line(name) for name in names], *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(names))]
    right = [kinds(row[k] for row in rows) == {"number"} for k in range(len(names))]
    lines = []
    for row in cells:
        parts = zip(row, widths, right, strict=True)
        lines.append("  ".join(one.rjust(w) if to_right else one.ljust(w) for one, w, to_right in parts).rstrip())
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    shown = f"{value:.4g}" if isinstance(value, float) and abs(value) < 1000 else one_line(text(value))
    return shown if len(shown) <= _WIDEST else shown[: _WIDEST - 1] + "…"


def write_csv(path: Path, names: Sequence[str], rows: Sequence[Sequence[Any]], *, overwrite: bool = False) -> None:
    """Write a table as CSV, UTF-8, numbers in full. Raises ProsodyError if it cannot be written."""
    written = io.StringIO()
    out = csv.writer(written, lineterminator="\n")
    out.writerow(names)
    out.writerows([text(value) for value in row] for row in rows)
    write_text(path, written.getvalue().encode("utf-8", "backslashreplace").decode("utf-8"), overwrite=overwrite)


def write_parquet(path: Path, names: Sequence[str], rows: Sequence[Sequence[Any]], *, overwrite: bool = False) -> None:
    """Write a table as Parquet: columns of numbers, of yes and no, or of texts.

    Raises ProsodyError if the package pyarrow is not installed, or the file cannot be written.
    """
    if find_spec("pyarrow") is None:
        remedy = "`pip install pyarrow`, or write --csv"
        raise ProsodyError(path, None, "Parquet needs the package pyarrow, which is not installed", remedy)
    import pandas

    columns = {name: _series([row[k] for row in rows]) for k, name in enumerate(names)}
    with new_path(path, overwrite=overwrite) as temporary, telling(path):
        pandas.DataFrame(columns).to_parquet(temporary, engine="pyarrow", index=False)


def _series(values: Sequence[Any]) -> Any:
    """A column as pandas holds it, of one type: whole numbers stay whole, and what is not there stays not there."""
    import pandas

    found = kinds(values)
    if found == {"number"}:
        is_whole = all(value is None or (isinstance(value, int) and abs(value) < 2**63) for value in values)
        return pandas.array(values if is_whole else _floats(values), dtype="Int64" if is_whole else "Float64")
    if found == {"yes or no"}:
        return pandas.array(values, dtype="boolean")
    return pandas.array([None if value is None else _utf8(text(value)) for value in values], dtype="string")


def _floats(values: Sequence[Any]) -> list[float | None]:
    return [float(value) if is_number(value) else None for value in values]


def _utf8(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
