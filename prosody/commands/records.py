"""The command `runs`: the list of the recorded runs, and what else is done with them, each an action of its own."""

from __future__ import annotations

import argparse
import importlib
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prosody.commands import print_json, tell
from prosody.errors import ProsodyError
from prosody.program import Parser

# name, the module of `prosody.commands` with its function `runs_NAME` and its options `NAME_options`, purpose, example
ACTIONS = (
    ("table", "records", "choose, sort and export runs", "--where 'macro_f1>0.8' --sort=-macro_f1"),
    ("export", "crates", "write a run as one zip or folder, for somebody else", "train -o train.zip --crate"),
    ("show", "keeping", "tell all of one run; --graph: what it was made from, and what of it", "latest --graph"),
    ("rm", "keeping", "remove runs; asks where others were made from them", "20261127T063807Z-b7f145"),
    ("gc", "keeping", "remove failed and superseded runs, by rules that it tells", "--dry-run --older-than 7d"),
    ("import", "crates", "take an exported run into the folder of runs", "train.zip"),
)


def add_options(command: argparse.ArgumentParser) -> None:
    """The command's own options, and those of its actions; without an action it lists all runs."""
    command.add_argument("--json", action="store_true", help="print JSON")
    actions = command.add_subparsers(dest="action", metavar="ACTION", title="actions", parser_class=_Parser)
    for name, module, purpose, example in ACTIONS:
        action = actions.add_parser(
            name,
            help=purpose,
            description=purpose[0].upper() + purpose[1:] + ".",
            epilog=f"example: python -m prosody runs {name} {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        getattr(importlib.import_module(f"prosody.commands.{module}"), f"{name}_options")(action)


class _Parser(Parser):
    """A parser that takes `--sort -name` as it is meant: what stands behind --sort is a column, never an option."""

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        words: list[str] = []
        for word in args or ():
            if words and words[-1] == "--sort":
                words[-1] = f"--sort={word}"
            else:
                words.append(word)
        return super().parse_known_args(words, namespace)


def runs(arguments: Namespace) -> int | None:
    """The recorded runs, the oldest first; or what the action does."""
    for name, module, *_ in ACTIONS:
        if name == arguments.action:
            return getattr(importlib.import_module(f"prosody.commands.{module}"), f"runs_{name}")(arguments)
    from prosody.workflow import listing, record

    found, wrong = record.look(record.runs_folder())
    if arguments.json:
        print_json([{**run.status, "metrics": run.metrics} for run in found])
    else:
        print(listing.table(found))
    _tell_unread(wrong)
    return None


def _tell_unread(wrong: Sequence[ProsodyError]) -> None:
    """Name the folders among the runs that are no readable run, a line each."""
    for error in wrong:
        tell(f"no readable run: {error}")


def table_options(action: argparse.ArgumentParser) -> None:
    """Which runs, in which order, which columns, and where to."""
    add = action.add_argument
    add("--where", metavar="NAME=VALUE", action="append", default=[], help="only runs that fit: = != < <= > >= ~ (in)")
    add("--sort", metavar="NAME", help="by this column; -NAME: the largest first")
    add("--descending", action="store_true", help="the largest first")
    add("--columns", metavar="NAME,…", help="these columns, in this order (`all`: every one)")
    form = action.add_mutually_exclusive_group()
    form.add_argument("--csv", metavar="FILE", help="write them there as CSV, UTF-8")
    form.add_argument("--parquet", metavar="FILE", help="write them there as Parquet (needs the package pyarrow)")
    form.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    add("--overwrite", action="store_true", help="replace that file if it is there")


def runs_table(arguments: Namespace) -> None:
    """The runs that are asked for as a table on stdout, as JSON, or in a file."""
    from prosody.workflow import columns, export_table, query, record

    found, wrong = record.look(record.runs_folder())
    table = columns.table(found)
    rows: list[Any] = list(table.rows)
    if found:  # of no runs nobody can know the columns
        rows = query.chosen(table, [query.condition(one, table) for one in arguments.where])
        if arguments.sort is not None:
            rows = query.ordered(table, rows, arguments.sort, descending=arguments.descending)
        elif arguments.descending:
            rows.reverse()
    names = export_table.names(table, arguments.columns, _mentioned(arguments)) if found else []
    values = [[table.value(row, name) for name in names] for row in rows]
    if arguments.csv is not None:
        export_table.write_csv(Path(arguments.csv), names, values, overwrite=arguments.overwrite)
    elif arguments.parquet is not None:
        export_table.write_parquet(Path(arguments.parquet), names, values, overwrite=arguments.overwrite)
    elif arguments.json:
        print_json([dict(zip(names, row, strict=True)) for row in values])
    elif found:
        print(export_table.as_text(names, values))
    if not found:
        tell("no runs yet: `make demo` makes the first ones")
    elif arguments.csv or arguments.parquet:
        tell(f"{len(rows)} of {len(found)} runs, {len(names)} columns")
    _tell_unread(wrong)


def _mentioned(arguments: Namespace) -> list[str] | None:
    """What is chosen and sorted by, which a table on a terminal shows, too; None where all columns are wanted."""
    if arguments.csv or arguments.parquet or arguments.json:
        return None
    return [*arguments.where, *([arguments.sort.removeprefix("-")] if arguments.sort else [])]
