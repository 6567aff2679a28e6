"""Running a notebook headless, with papermill, into a recorded run.

Parameters are checked before anything is made. The kernel is the running Python's, whatever kernels are installed for
the user. The notebook's folder of results is told to it as PROSODY_RUN_DIR (see `prosody.workflow.stages`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import read_json
from prosody.workflow import parameters as parameter_cells
from prosody.workflow import record, scrub
from prosody.workflow.asked import Asked, RunFailed, RunInterrupted, asked_to_end
from prosody.workflow.notebooks import stage_of
from prosody.workflow.progress import Progress
from prosody.workflow.stages import RUN_DIR

__all__ = ["RunFailed", "RunInterrupted", "run_notebook"]


def run_notebook(
    path: Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    runs_dir: Path | None = None,
    progress: Progress | None = None,
    time_limit_s: float | None = None,
    stage: str | None = None,
    clone: Path | None = None,
    origin: Path | None = None,
    notes: Mapping[str, Any] | None = None,
) -> str:
    """Run a notebook with parameters (text is read as their type) and return the id of its run.

    time_limit_s: the run is interrupted after so long. stage: what it is recorded under (by default its own). clone:
    whose code it runs, by default the one this package lies in. origin: where the record says that the notebook lay.
    notes: what else status.json is to say.
    Raises ProsodyError, before anything runs, for a notebook that cannot be read or a parameter it does not have;
    RunFailed if a cell fails; RunInterrupted, which is a KeyboardInterrupt, if it was asked to end. The record says how
    it ended in every case.
    """
    path, runs_dir, progress = Path(path), runs_dir or record.runs_folder(), progress or Progress()
    known = parameter_cells.of_notebook(path)
    given = parameter_cells.checked(path, known, parameters or {})
    if any(parameter.name == "interactive" for parameter in known):
        given["interactive"] = False
    everything = {parameter.name: parameter.default for parameter in known} | given
    stage = stage or stage_of(path)
    progress.begin(stage, _code_cells(path) + bool(given), expected=_durations(runs_dir, stage))
    with asked_to_end(time_limit_s) as asked:
        values = scrub.parameters(everything)
        folder = record.start(stage, values, runs=runs_dir, how="headless", clone=clone, notes=notes)
        memory: dict[str, int] = {}
        try:
            _execute(path, folder, given, asked, memory, progress, clone or record.root(), origin)
        except BaseException as error:
            _end_badly(folder, error, asked, memory)
            if asked.by and not isinstance(error, KeyboardInterrupt):
                raise asked.interrupted() from None  # whatever being interrupted made of the cell
            raise
        finally:
            progress.end()
        record.end(folder, "ok", code=0, **memory)
    return folder.name


def _execute(
    path: Path,
    folder: Path,
    given: Mapping[str, Any],
    asked: Asked,
    memory: dict[str, int],
    progress: Progress,
    clone: Path,
    origin: Path | None,
) -> None:
    """Execute the notebook in a kernel; `memory` gets what status.json says of that, however it ends."""
    from prosody.workflow.execute import execute
    from prosody.workflow.kernel import kernel_class, watched

    variables = {RUN_DIR: str(folder), record.RUNS_DIR: str(folder.parents[1]), record.ROOT_DIR: str(record.root())}
    kernel = kernel_class(variables, clone)
    with watched(kernel, RUN_DIR) as peak:
        try:
            execute(path, folder, given, kernel, asked=asked, progress=progress, origin=origin)
        finally:
            memory["peak_rss_mb"] = peak()


def _end_badly(folder: Path, error: BaseException, asked: Asked, memory: Mapping[str, int]) -> None:
    """Write down that a run was interrupted, or why it failed."""
    if asked.by or isinstance(error, KeyboardInterrupt):
        by = asked.interrupted()
        record.end(folder, "interrupted", code=by.code, reason=by.reason, **memory)
    elif isinstance(error, RunFailed):
        record.end(folder, "failed", code=error.code, **memory)
    else:
        record.end(folder, "failed", **record.because(error), **memory)


def _code_cells(path: Path) -> int:
    return sum(cell["cell_type"] == "code" for cell in read_json(path)["cells"])


def _durations(runs_dir: Path, stage: str) -> list[float]:
    """How long each code cell took in the latest ok run of the stage, s; nothing where that cannot be known."""
    try:
        before = record.find(runs_dir, stage)
        cells = read_json(before.folder / "notebook.ipynb")["cells"] if before else []
        timed = [cell["metadata"]["papermill"]["duration"] for cell in cells if cell["cell_type"] == "code"]
        return [float(seconds) for seconds in timed]
    except (ProsodyError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
