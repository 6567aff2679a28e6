"""Running a notebook headless, with papermill, into a recorded run.

Parameters are checked before anything is made. The kernel is the running Python's, whatever kernels are installed for
the user. The notebook's folder of results is told to it as PROSODY_RUN_DIR (see `prosody.workflow.stages`).
"""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from prosody.files import write_json
from prosody.workflow import parameters as parameter_cells
from prosody.workflow import record
from prosody.workflow.notebooks import stage_of
from prosody.workflow.progress import Progress, heading_before
from prosody.workflow.stages import RUN_DIR

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class RunFailed(Exception):
    """A cell failed. str() is one line; tail: the end of the traceback; code: the exit code that this deserves."""

    def __init__(self, line: str, *, run: str, tail: str, code: int) -> None:
        super().__init__(line)
        self.run, self.tail, self.code = run, tail, code


def run_notebook(
    path: Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    runs_dir: Path | None = None,
    progress: Progress | None = None,
) -> str:
    """Run a notebook with parameters (text is read as their type) and return the id of its run.

    Raises ProsodyError, before anything runs, for a notebook that cannot be read or a parameter it does not have;
    RunFailed if a cell fails; KeyboardInterrupt if it was interrupted. The record says how it ended in every case.
    """
    path, runs_dir, progress = Path(path), runs_dir or record.runs_folder(), progress or Progress()
    known = parameter_cells.of_notebook(path)
    given = parameter_cells.checked(path, known, parameters or {})
    if any(parameter.name == "interactive" for parameter in known):
        given["interactive"] = False
    everything = {parameter.name: parameter.default for parameter in known} | given
    folder = record.start(stage_of(path), everything, runs=runs_dir, how="headless")
    progress.begin(folder.parent.name, _code_cells(path) + bool(given))
    try:
        with _peak_memory() as peak:
            _execute(path, folder, given, runs_dir, progress)
    except KeyboardInterrupt:
        record.end(folder, "interrupted", code=130, peak_rss_mb=peak())
        raise
    except RunFailed as failed:
        record.end(folder, "failed", code=failed.code, peak_rss_mb=peak())
        raise
    except BaseException as error:
        record.end(folder, "failed", code=1, error={"name": type(error).__name__, "message": str(error)})
        raise
    finally:
        progress.end()
        scrub(folder / "notebook.ipynb", path)
    record.end(folder, "ok", code=0, peak_rss_mb=peak())
    return folder.name


def _execute(path: Path, folder: Path, given: dict[str, Any], runs_dir: Path, progress: Progress) -> None:
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from prosody.workflow.kernel import kernel_class

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what it would say, we say
    kernel = kernel_class({RUN_DIR: str(folder), "PROSODY_RUNS_DIR": str(runs_dir)})
    cells = {"n": 0}

    def on_cell_start(*, cell: Any, cell_index: int) -> None:
        if cell.cell_type == "code":
            cells["n"] += 1
            progress.cell(cells["n"], heading_before(cells["notebook"], cell))

    def on_notebook_start(*, notebook: Any) -> None:
        cells["notebook"] = notebook

    with open(folder / "log.txt", "a", encoding="utf-8") as log, _interruptible(kernel):
        stream = _Stream(log, progress)
        try:
            papermill.execute_notebook(
                str(path),
                str(folder / "notebook.ipynb"),
                parameters=given,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                stdout_file=stream,
                stderr_file=stream,
                kernel_manager_class=kernel,
                on_cell_start=on_cell_start,
                on_notebook_start=on_notebook_start,
            )
        except PapermillExecutionError as error:
            if error.ename == "KeyboardInterrupt":
                raise KeyboardInterrupt from None
            failed = _told(error, folder, cells["n"])
            log.write(f"{failed}\n{failed.tail}\n")
            raise failed from None
        except DeadKernelError:
            line = f"{folder.parent.name}: cell {cells['n']}: the notebook's process died (was there memory enough?)"
            record.write_status(folder, error={"cell": cells["n"], "name": "DeadKernelError", "message": line})
            raise RunFailed(line, run=folder.name, tail="", code=1) from None
        finally:
            stream.end()


def _told(error: Any, folder: Path, cell: int) -> RunFailed:
    """A failed cell, as one line with its place, and noted in status.json."""
    trace = [line for part in error.traceback for line in _ANSI.sub("", part).splitlines()]
    lines = [re.search(r"Cell In\[\d+\](?:, |\), )line (\d+)|^-+> (\d+) ", line) for line in trace]
    line = next((int(match[1] or match[2]) for match in lines if match), None)
    place = f"cell {cell}" + (f", line {line}" if line else "")
    message = str(error.evalue)
    details = {"cell": cell, "line": line, "name": error.ename, "message": message}
    record.write_status(folder, error=details)
    if error.ename == "ProsodyError":
        return RunFailed(message, run=folder.name, tail="", code=2)
    text = f"{folder.parent.name}: {place}: {error.ename}: {message.splitlines()[0] if message else ''}"
    return RunFailed(text, run=folder.name, tail="\n".join(trace[-15:]), code=1)


class _Stream:
    """What cells print: into log.txt and, line by line, above the progress line; of a redrawn bar its last state."""

    def __init__(self, log: Any, progress: Progress) -> None:
        self.log, self.progress, self.rest = log, progress, ""

    def write(self, text: str) -> None:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            shown = line.rstrip("\r").rpartition("\r")[2]
            self.log.write(shown + "\n")
            self.progress.line(shown)

    def flush(self) -> None:
        self.log.flush()

    def end(self) -> None:
        if self.rest:
            self.write("\n")
        self.flush()


def _code_cells(path: Path) -> int:
    return sum(cell["cell_type"] == "code" for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])


@contextmanager
def _interruptible(kernel: Any) -> Iterator[None]:
    """Ctrl-C, or a request to end (SIGTERM), interrupts the cell that runs, so that notebook and record are written.

    Asked a second time, it no longer waits for the cell.
    """
    from prosody.workflow.kernel import interrupt

    asked = []

    def handle(*_: Any) -> None:
        asked.append(True)
        if len(asked) > 1 or not interrupt(kernel):
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _peak_memory() -> Iterator[Any]:
    """Watch the memory of this process and all it starts, twice a second; gives a function that tells the peak, MB."""
    import psutil

    peak, done = [0], threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not done.wait(0.5):
            total = 0
            for process in (me, *me.children(recursive=True)):
                with suppress(psutil.Error):
                    total += process.memory_info().rss
            peak[0] = max(peak[0], total)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: round(peak[0] / 1e6)
    finally:
        done.set()
        thread.join()


def scrub(executed: Path, source: Path) -> None:
    """Take this machine's folders out of a notebook: the clone's becomes `.`, the environment's `<python>`."""
    if not executed.is_file():
        return
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    if papermill := notebook.get("metadata", {}).get("papermill"):
        papermill.update(input_path=record.shown(source), output_path=executed.name)
    names = {str(record.root()): ".", sys.prefix: "<python>", sys.base_prefix: "<python>", str(Path.home()): "~"}
    patterns = [
        # after a colour code, or anything that cannot be the inside of base64 data
        (re.compile(r"(^|\x1b\[[0-9;]*m|[^A-Za-z0-9+/=_.-])" + re.escape(name) + r"(?![A-Za-z0-9_.-])"), short)
        for name, short in sorted(names.items(), key=lambda item: -len(item[0]))
        if len(name) > 1
    ]

    def scrubbed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: scrubbed(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [scrubbed(inner) for inner in value]
        if isinstance(value, str):
            for pattern, short in patterns:
                value = pattern.sub(lambda found, short=short: found[1] + short, value)
        return value

    write_json(executed, scrubbed(notebook), overwrite=True, indent=1)
