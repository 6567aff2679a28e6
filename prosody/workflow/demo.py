"""The whole workflow in one go: the four stages, each on the run before it, and where its results are."""

from __future__ import annotations

import difflib
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prosody import files
from prosody.errors import ProsodyError
from prosody.workflow import parameters as parameter_cells
from prosody.workflow import record, reuse, runner
from prosody.workflow.notebooks import notebook_of
from prosody.workflow.progress import Progress, elapsed


def run_all(given: Mapping[str, Any], *, force: bool = False) -> list[record.Run]:
    """Run segment, prepare, train and generate; each gets those of the given parameters that it has.

    A stage that was run before with the same code, data and parameters is not run again, unless `force` asks for it.
    Prints the time of each, the total, the peak of memory and the results. Returns the four runs.
    Raises ProsodyError, before anything runs, for a parameter that no stage has; RunFailed if a stage fails.
    """
    started = time.monotonic()
    done = run_stages(given, reused=not force)
    print(summary(done, time.monotonic() - started))
    return done


def run_stages(
    given: Mapping[str, Any],
    *,
    runs_dir: Path | None = None,
    after: Callable[[record.Run], None] | None = None,
    reused: bool = False,
) -> list[record.Run]:
    """The four stages, each on the run before it. runs_dir: where they are recorded; after: called with each run.

    reused: an earlier run of the same code, data and parameters is taken in place of a new one.
    Raises as `run_all` does.
    """
    shared, runs_dir, done = _divided(given), runs_dir or record.runs_folder(), []
    for name in record.STAGES:
        values = shared[name]
        for before in done:
            values = {f"{before.stage}_run": before.id} | values
        known = {parameter.name for parameter in parameter_cells.of_notebook(notebook_of(name))}
        values = {key: value for key, value in values.items() if key in known}
        same = reuse.find(notebook_of(name), values, runs=runs_dir) if reused else None
        if same is None:
            run_id = runner.run_notebook(notebook_of(name), values, runs_dir=runs_dir, progress=Progress())
            done.append(record.read(runs_dir / name / run_id))
            told = f"done in {done[-1].status['seconds']:.0f} s"
        else:
            done.append(same)
            told = f"{reuse.TOLD}: {record.shown(same.folder)} (--force runs it anew)"
        print(f"{name}: {told}", file=sys.stderr, flush=True)
        if after is not None:
            after(done[-1])
    return done


def check(given: Mapping[str, Any]) -> None:
    """Raise ProsodyError for a parameter that no stage has, or a value of another type."""
    _divided(given)


def summary(done: list[record.Run], seconds: float) -> str:
    """What the demo tells at its end: time, memory, the first answer, and where to look and listen."""
    lines = ["", f"{'stage':10}{'time':>9}{'memory':>10}   record"]
    for run in done:
        memory = f"{run.status.get('peak_rss_mb') or 0:,} MB"
        lines.append(f"{run.stage:10}{elapsed(run.status['seconds']):>9}{memory:>10}   {record.shown(run.folder)}")
    peak = max(run.status.get("peak_rss_mb") or 0 for run in done)
    lines += [f"{'together':10}{elapsed(seconds):>9}{f'{peak:,} MB':>10}", ""]
    lines += first_answer(done[-1])
    lines += [f"listen:  {record.shown(path)}" for path in sorted(done[-1].artifacts.rglob("*.wav"))]
    lines += [f"look:    {record.shown(run.folder / 'notebook.ipynb')}" for run in done]
    return "\n".join([*lines, "next:    `make lab` opens the notebooks, `make runs` lists the runs"])


def first_answer(run: record.Run) -> list[str]:
    """The first answer as it was marked, in lines of a terminal's width; nothing if the run has none."""
    path = run.artifacts / "answers.json"
    answers = files.read_json(path) if path.is_file() else []
    if not answers:
        return []
    shown = {"asked:": answers[0]["question"], "points:": ", ".join(point["text"] for point in answers[0]["points"])}
    shown["answer:"] = answers[0]["marked"]
    of_all = {"width": 100, "subsequent_indent": " " * 9, "break_long_words": False, "break_on_hyphens": False}
    return [line for name, text in shown.items() for line in textwrap.wrap(f"{name:9}{text}", **of_all)] + [""]


def _divided(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Each stage's own parameters out of those given, checked against its notebook."""
    known = {name: parameter_cells.of_notebook(notebook_of(name)) for name in record.STAGES}
    names = {parameter.name for parameters in known.values() for parameter in parameters}
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(names))}"
            raise ProsodyError(None, f"parameter {name!r}", "no stage has such a parameter", remedy)
    return {
        stage: parameter_cells.checked(
            notebook_of(stage), of_stage, {p.name: given[p.name] for p in of_stage if p.name in given}
        )
        for stage, of_stage in known.items()
    }
