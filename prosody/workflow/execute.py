"""Executing a notebook by papermill: its log, and the notebook saved while it runs."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import write_json
from prosody.workflow import record, scrub
from prosody.workflow.asked import Asked, RunFailed
from prosody.workflow.kernel import Kernel
from prosody.workflow.progress import Progress, heading_before

SAVED_EVERY_S = 3
_STARTS_WITHIN_S = 300  # a kernel, of many that start at once
_STARTS, _DIED = 5, "Kernel died before replying"
_SCHEME = "run:"
_open: dict[str, tuple[Path, Path, Path]] = {}  # papermill's name: what is read, what is told of it, where it is saved
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def execute(
    source: Path,
    folder: Path,
    parameters: Mapping[str, Any],
    kernel: type[Kernel],
    *,
    asked: Asked,
    progress: Progress,
    origin: Path | None = None,
) -> None:
    """Execute the notebook `source` into `folder`: notebook.ipynb as it grows, log.txt line by line.

    asked: whether the run was asked to end. origin: where the executed notebook says that it lay, if not at `source`.
    Raises RunFailed for a cell that fails or a process that dies, RunInterrupted if it was asked to end. What the
    notebook started is ended in any case.
    """
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from papermill.iorw import papermill_io

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what it would say, we say
    asked.kernel = kernel
    if asked.by:
        raise asked.interrupted()
    at = _At(progress)
    name = f"{_SCHEME}{folder.name}.ipynb"  # a path with {braces} would be taken for a pattern
    if not _open:
        papermill_io.register(_SCHEME, _Notebooks())
    _open[name] = (source, origin or source, folder / "notebook.ipynb")
    with open(folder / "log.txt", "a", encoding="utf-8", buffering=1) as log:  # each line at once, whatever comes then
        stream = _Stream(log, progress)
        try:
            _run(name, parameters, kernel, stream, at, asked)
        except PapermillExecutionError as error:
            if error.ename == "KeyboardInterrupt":
                raise asked.interrupted() from None
            raise _told(error, folder, at.cell, log) from None
        except DeadKernelError:
            line = f"{folder.parent.name}: cell {at.cell}: the notebook's process died (was there memory enough?)"
            record.write_status(folder, error={"cell": at.cell, "name": "DeadKernelError", "message": line})
            raise RunFailed(line, run=folder.name, tail="", code=1) from None
        finally:
            stream.end()


def _run(
    name: str, parameters: Mapping[str, Any], kernel: type[Kernel], stream: _Stream, at: _At, asked: Asked
) -> None:
    """Have papermill do it. A kernel that dies before any cell has run is started again.

    Its ports are chosen here and opened there, a second later: where many runs start at once, another may be faster.
    """
    import papermill

    for left in reversed(range(_STARTS)):
        try:
            papermill.execute_notebook(
                name,
                name,
                parameters=dict(parameters),
                kernel_name="python3",
                language="python",
                progress_bar=False,
                autosave_cell_every=SAVED_EVERY_S,
                start_timeout=_STARTS_WITHIN_S,
                stdout_file=stream,
                stderr_file=stream,
                kernel_manager_class=kernel,
                on_cell_start=at.cell_starts,
                on_notebook_start=at.notebook_starts,
            )
            return
        except RuntimeError as error:
            if at.cell or asked.by or not left or not str(error).startswith(_DIED):
                raise


class _At:
    """Which cell the run is at, told to the progress line."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.cell, self.notebook = progress, 0, None

    def notebook_starts(self, *, notebook: Any) -> None:
        self.notebook = notebook

    def cell_starts(self, *, cell: Any, cell_index: int) -> None:
        if cell.cell_type == "code":
            self.cell += 1
            self.progress.cell(self.cell, heading_before(self.notebook, cell))


class _Notebooks:
    """Where papermill reads a notebook, and saves it: a whole file at any moment, without this machine's folders."""

    def read(self, name: str) -> str:
        return _open[name][0].read_text(encoding="utf-8")

    def write(self, text: str, name: str) -> None:
        (_, origin, target), notebook = _open[name], json.loads(text)
        notebook["metadata"].get("papermill", {}).update(input_path=record.shown(origin), output_path=target.name)
        try:
            write_json(target, scrub.value(notebook), overwrite=True, indent=1)
        except ProsodyError:
            if not target.exists():  # the next save may go well, but without the first there is nothing
                raise

    def pretty_path(self, name: str) -> str:
        return name


def _told(error: Any, folder: Path, cell: int, log: Any) -> RunFailed:
    """A failed cell, as one line with its place, and noted in status.json and the log."""
    trace = [scrub.text(line) for part in error.traceback for line in _ANSI.sub("", part).splitlines()]
    lines = [re.search(r"Cell In\[\d+\](?:, |\), )line (\d+)|^-+> (\d+) ", line) for line in trace]
    line = next((int(match[1] or match[2]) for match in lines if match), None)
    place = f"cell {cell}" + (f", line {line}" if line else "")
    message = str(error.evalue)
    details = {"cell": cell, "line": line, "name": error.ename, "message": scrub.text(message)}
    record.write_status(folder, error=details)
    text = f"{folder.parent.name}: {place}: {error.ename}: {message.splitlines()[0] if message else ''}"
    failed = RunFailed(text, run=folder.name, tail="\n".join(trace[-15:]), code=1)
    if error.ename == "ProsodyError":
        failed = RunFailed(message, run=folder.name, tail="", code=2)
    log.write(scrub.text(f"{failed}\n{failed.tail}\n"))
    return failed


class _Stream:
    """What cells print: into log.txt and, line by line, above the progress line; of a redrawn bar its last state."""

    def __init__(self, log: Any, progress: Progress) -> None:
        self.log, self.progress, self.rest = log, progress, ""

    def write(self, text: str) -> None:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            shown = line.rstrip("\r").rpartition("\r")[2]
            self.log.write(scrub.text(shown) + "\n")
            self.progress.line(shown)
        self.progress.step(self.rest.rstrip("\r").rpartition("\r")[2])

    def flush(self) -> None:
        self.log.flush()

    def end(self) -> None:
        if self.rest:
            self.write("\n")
        self.flush()
