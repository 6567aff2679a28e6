"""A run made again: the same notebook text, parameters and inputs, in the code that it ran.

The code is this package where that is still the same, byte for byte; otherwise the recorded commit with the recorded
changes, laid out in a worktree of its own and taken away afterwards.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import read_json, read_text, write_json
from prosody.workflow import pinned, record, reuse, runner, source_code, source_text
from prosody.workflow.install import repository
from prosody.workflow.machine import packages
from prosody.workflow.notebooks import NOTEBOOKS
from prosody.workflow.progress import Progress

_SHOWN = 5


def rerun(run: record.Run, *, instead: Mapping[str, str] | None = None, progress: Progress | None = None) -> record.Run:
    """Make a run again, and return the new one.

    instead: by the id of a run that this one was made from, the run to take in its place.
    Raises ProsodyError if something of it can't be had any more, and as `run_notebook` does.
    """
    check(run, instead=instead)
    parameters, upstream = (read_json(run.folder / f"{name}.json") for name in ("params", "upstream"))
    others = instead or {}
    upstream = {stage: others.get(of, of) if isinstance(of, str) else of for stage, of in upstream.items()}
    values = pinned.recorded(parameters, upstream)
    with code_of(run) as clone, tempfile.TemporaryDirectory(prefix="prosody-") as folder:
        source = Path(folder) / NOTEBOOKS.get(run.stage, f"{run.stage}.ipynb")
        write_json(source, source_text.read(run.folder / "notebook.ipynb"), indent=1)
        new = runner.run_notebook(
            source,
            values,
            runs_dir=run.folder.parents[1],
            progress=progress,
            stage=run.stage,
            clone=clone,
            origin=run.folder / "notebook.ipynb",
            notes={"rerun_of": run.status.get("id", run.id)},
        )
    return record.read(run.folder.parent / new)


def check(run: record.Run, *, instead: Mapping[str, str] | None = None) -> None:
    """Raise ProsodyError, with all that can't be had, unless a run's notebook and inputs are what they were.

    instead: as for `rerun`; the inputs that come from these runs are not looked at.
    """
    gone = [] if (run.folder / "notebook.ipynb").is_file() else ["its notebook was never saved"]
    if not isinstance(read_json(run.folder / "params.json"), dict):
        raise ProsodyError(run.folder / "params.json", None, "is not what a run writes there", "make a new run")
    gone += [line for line in reuse.changed(run, "inputs") if not any(f"/{old}/" in line for old in instead or {})]
    if gone:
        more = f", and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
        what = f"can't be made again: {'; '.join(gone[:_SHOWN])}{more}"
        raise ProsodyError(record.shown(run.folder), None, what, "put back what is missing")


def chain(run: record.Run) -> list[record.Run]:
    """The runs that a run was made from, directly or not, the first one first, and itself at the end.

    Raises ProsodyError if one of them is gone, or if it was made from several of one stage, as a sweep's summary is:
    the points' ids are among its parameters.
    """
    upstream = read_json(run.folder / "upstream.json")
    if several := next((stage for stage, of in upstream.items() if isinstance(of, list)), None):
        what = f"was made from several runs of {several}, as a sweep's summary is"
        raise ProsodyError(record.shown(run.folder), None, what, "make it again without --chain")
    before: list[record.Run] = []
    for stage in record.STAGES:
        if isinstance(upstream.get(stage), str):
            found = record.find(run.folder.parents[1], stage, upstream[stage])
            before += [one for one in chain(found) if one not in before]
    return [*before, run]


def other_packages(run: record.Run) -> list[str]:
    """Packages that are not installed here as they were then, a line each: `numpy 2.1.0, now 2.2.0`."""
    then, here = (
        dict(line.partition("==")[::2] for line in lines)
        for lines in (read_text(run.folder / "packages.txt").splitlines(), packages())
    )
    return [
        f"{name} {then.get(name, 'not installed')}, now {here.get(name, 'not installed')}"
        for name in sorted(then.keys() | here.keys())
        if then.get(name) != here.get(name)
    ]


@contextmanager
def code_of(run: record.Run) -> Iterator[Path | None]:
    """The clone whose package is the one that a run ran: None for this one, or a worktree while the block lasts.

    Raises ProsodyError if that code can't be had.
    """
    state, clone = read_json(run.folder / source_code.STATE), repository()
    if _package(state) == source_code.package_sha256(clone):
        yield None
        return
    if clone is None or not state.get("commit"):
        why = state.get("why") or "there is no clone here"
        what = f"its code can't be had: it is not the package installed here, and {why}"
        raise ProsodyError(run.folder / source_code.STATE, None, what, "make a new run")
    with tempfile.TemporaryDirectory(prefix="prosody-", ignore_cleanup_errors=True) as folder:
        target = Path(folder) / "code"
        source_code.check_out(run.folder, state, clone, target)
        try:
            yield target
        finally:
            source_code.remove(clone, target)


def _package(state: Any) -> str | None:
    return state.get("package_sha256") if isinstance(state, dict) else None
