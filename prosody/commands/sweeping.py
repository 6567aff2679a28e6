"""The command that runs a notebook for each point of a grid or list."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody.commands import print_json, tell
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from prosody.workflow.sweep.execute import Point
    from prosody.workflow.sweep.file import Sweep

_MOST_WORKERS = 256


def add_options(command: ArgumentParser) -> None:
    """The arguments of `sweep`."""
    add = command.add_argument
    add("file", metavar="FILE.yaml", help="stage (or notebook), parameters, grid, list, metric, goal")
    add("--workers", type=int, default=1, metavar="N", help="points at a time (1: a training takes all cores)")
    add("--force", action="store_true", help="run it though it has more than 1,000 points")
    add("--dry-run", action="store_true", help="tell the points, and which are there already; run nothing")
    add("--json", action="store_true", help="print JSON")


def sweep(arguments: Namespace) -> int:
    """Run what is not there yet of a sweep, then its summary; 1 if any point failed, or none has the metric."""
    from prosody.workflow import record
    from prosody.workflow.sweep import execute
    from prosody.workflow.sweep import file as sweep_file

    if not 1 <= arguments.workers <= _MOST_WORKERS:
        what = f"{arguments.workers} is no number of points at a time"
        raise ProsodyError(None, "--workers", what, f"give 1 to {_MOST_WORKERS}")
    runs = record.runs_folder()
    asked = sweep_file.read(Path(arguments.file), most=None if arguments.force else sweep_file.MOST)
    points = execute.plan(asked, runs=runs)
    _tell_plan(asked, points)
    if arguments.dry_run:
        _print(asked, points, None, arguments)
        return 0
    try:
        execute.run(asked, points, workers=arguments.workers, runs=runs)
    except KeyboardInterrupt:
        done = sum(point.state == execute.OK for point in points)
        tell(f"{done} of {len(points)} points are done; the same command goes on with the others")
        raise
    return _summarised(asked, points, arguments)


def _tell_plan(asked: Sweep, points: list[Point]) -> None:
    """What there is to do, and which points are there already, a line each."""
    from prosody.workflow import record
    from prosody.workflow.sweep import table as sweep_table
    from prosody.workflow.sweep.file import shown

    there = [point for point in points if point.earlier]
    tell(f"{len(points)} points of {asked.stage}, {len(there)} of them there already")
    for point in there:
        tell(f"point {point.number} ({shown(point.values)}): run {point.run} of the same code, data and parameters")
    if doubt := sweep_table.doubt(asked.metric, stage=asked.stage, runs=record.runs_folder()):
        tell(doubt)


def _summarised(asked: Sweep, points: list[Point], arguments: Namespace) -> int:
    """Run the summary's notebook, and print the table; returns the exit code."""
    from prosody.workflow import record, reuse, runner
    from prosody.workflow.notebooks import SWEEP, notebook_of
    from prosody.workflow.progress import Progress
    from prosody.workflow.sweep import table as sweep_table

    told = [point.told() for point in points]
    given: dict[str, Any] = {"of": asked.stage, "points": told, "metric": asked.metric, "goal": asked.goal}
    notebook, runs = notebook_of(SWEEP), record.runs_folder()
    failed = sum(point.state != "ok" for point in points)
    same = reuse.find(notebook, given, runs=runs)
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            made = same.id if same else runner.run_notebook(notebook, given, progress=Progress(nowhere, quiet=True))
    except runner.RunFailed as error:
        _print(asked, points, None, arguments)
        tell(f"prosody: the summary failed: {error}")
        return 1
    _print(asked, points, made, arguments)
    tell(f"the summary, with pictures: {record.shown(runs / SWEEP / made / 'notebook.ipynb')}")
    for point in points:
        if point.error:
            tell(f"point {point.number}: {point.state}: {point.error}")
    rows = sweep_table.rows(told, stage=asked.stage, metric=asked.metric, runs=runs)
    return int(failed > 0 or (bool(asked.metric) and all(row.value is None for row in rows)))


def _print(asked: Sweep, points: list[Point], summary: str | None, arguments: Namespace) -> None:
    """The table on stdout, or JSON; what was found on stderr."""
    from prosody.workflow import export_table, record
    from prosody.workflow.sweep import table as sweep_table

    told, runs = [point.told() for point in points], record.runs_folder()
    table = sweep_table.rows(told, stage=asked.stage, metric=asked.metric, runs=runs)
    if arguments.json:
        found = sweep_table.figures(table, metric=asked.metric, goal=asked.goal)
        shown = [{key: value for key, value in vars(row).items() if key != "figures"} for row in table]
        print_json(record.plain({**found, "stage": asked.stage, "summary": summary, "points": shown}))
        if mixed := sweep_table.mixed(table):
            tell(mixed)
        return
    names, rows = sweep_table.cells(table, metric=asked.metric)
    print(export_table.as_text(names[:-1], [row[:-1] for row in rows]))
    if not arguments.dry_run:
        tell(sweep_table.headline(table, metric=asked.metric, goal=asked.goal))
