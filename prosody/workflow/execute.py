"""Executing a notebook by papermill: its log, and the notebook saved while it runs."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import read_text, telling, write_json
from prosody.workflow import record, scrub
from prosody.workflow.asked import Asked, RunFailed
from prosody.workflow.imports import without_grammar_of_urls
from prosody.workflow.kernel import Kernel
from prosody.workflow.progress import Progress, heading_before

SAVED_EVERY_S = 3
_SAVING_SHARE = 0.1  # of the time at most, whatever the notebook holds
_OUTPUT_COMES_WITHIN_S = 30.0  # once a cell has ended; Jupyter's own 4 s are too few for 100,000 lines
_LONGEST_MESSAGE, _LONGEST_LINE = 10_000, 1000  # characters of an error that are told
_STARTS_WITHIN_S = 300  # a kernel, of many that start at once
_STARTS, _DIED = 5, "Kernel died before replying"
_SCHEME = "run:"
_open: dict[str, _Saved] = {}  # by the name that papermill gets
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
    with without_grammar_of_urls():
        from nbclient.exceptions import CellTimeoutError, DeadKernelError
        from papermill.exceptions import PapermillExecutionError
        from papermill.iorw import papermill_io

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what it would say, we say
    asked.kernel = kernel
    if asked.by:
        raise asked.interrupted()
    at = _At(progress)
    name = f"{_SCHEME}{folder.name}.ipynb"  # a path with {braces} would be taken for a pattern
    if not _Notebooks.is_known:
        papermill_io.register(_SCHEME, _Notebooks())
        _Notebooks.is_known = True
    _open[name] = saved = _Saved(source, origin or source, folder / "notebook.ipynb")
    with _log(folder) as log:
        stream = _Stream(log, progress)
        try:
            _run(name, parameters, kernel, stream, at, asked)
        except PapermillExecutionError as error:
            if error.ename == "KeyboardInterrupt":
                raise asked.interrupted() from None
            raise _told(error, folder, at.cell, log) from None
        except CellTimeoutError:
            why = f"what it printed did not come within {_OUTPUT_COMES_WITHIN_S:g} s"
            raise _ended(folder, at.cell, "CellTimeoutError", why) from None
        except DeadKernelError:
            why = "the notebook's process died (was there memory enough?)"
            raise _ended(folder, at.cell, "DeadKernelError", why) from None
        finally:
            stream.end()
            del _open[name]
            saved.end()
    if saved.trouble is not None:  # with the last save: what is there of the notebook is not what ran
        raise saved.trouble


def _run(
    name: str, parameters: Mapping[str, Any], kernel: type[Kernel], stream: _Stream, at: _At, asked: Asked
) -> None:
    """Have papermill execute and save the notebook that `_open` knows by this name.

    A kernel that dies before any cell has run is started again: its ports are chosen here and opened there, a second
    later, and where many runs start at once, another may be faster.
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
                iopub_timeout=_OUTPUT_COMES_WITHIN_S,
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


class _Saved:
    """A notebook that runs. source: where it is read. origin: where its copy says that it lay. target: the copy.

    trouble: why the last save did not go well, if so.
    """

    def __init__(self, source: Path, origin: Path, target: Path) -> None:
        self.source, self.origin, self.target = source, origin, target
        self.trouble: ProsodyError | None = None
        self.not_before, self.waits = 0.0, None

    def save(self, text: str) -> None:
        """Save it, unless saving takes so long that it must wait; `end` saves what waits."""
        began = time.monotonic()
        if began < self.not_before:
            self.waits = text
            return
        self.waits, notebook = None, json.loads(text)
        notebook["metadata"].get("papermill", {}).update(
            input_path=record.shown(self.origin), output_path=self.target.name
        )
        try:
            write_json(self.target, scrub.value(notebook), overwrite=True, indent=1)
            self.trouble = None
        except ProsodyError as error:
            if not self.target.exists():  # the next save may go well, but without the first there is nothing
                raise
            self.trouble = error
        ended = time.monotonic()
        self.not_before = ended + (ended - began) / _SAVING_SHARE

    def end(self) -> None:
        """Save what waited."""
        self.not_before = 0.0
        try:
            if self.waits is not None:
                self.save(self.waits)
        except ProsodyError as error:
            self.trouble = error


class _Notebooks:
    """Where papermill reads a notebook, and saves it: a whole file at any moment, without this machine's folders."""

    is_known = False  # to papermill

    def read(self, name: str) -> str:
        return read_text(_open[name].source)  # without a byte order mark

    def write(self, text: str, name: str) -> None:
        _open[name].save(text)

    def pretty_path(self, name: str) -> str:
        return name


def _told(error: Any, folder: Path, cell: int, log: Any) -> RunFailed:
    """A failed cell, as one line with its place, and noted in status.json and the log."""
    trace = scrub.value([line for part in error.traceback for line in _ANSI.sub("", part).splitlines()])
    trace = [_short(line, _LONGEST_LINE) for line in trace]
    lines = [re.search(r"Cell In\[\d+\](?:, |\), )line (\d+)|^-+> (\d+) ", line) for line in trace]
    line = next((int(match[1] or match[2]) for match in lines if match), None)
    place = f"cell {cell}" + (f", line {line}" if line else "")
    message = _short(str(error.evalue), _LONGEST_MESSAGE)
    details = {"cell": cell, "line": line, "name": error.ename, "message": scrub.text(message)}
    record.write_status(folder, error=details)
    first = _short(message.splitlines()[0] if message else "", _LONGEST_LINE)
    text = f"{folder.parent.name}: {place}: {error.ename}: {first}"
    failed = RunFailed(text, run=folder.name, tail="\n".join(trace[-15:]), code=1)
    if error.ename == "ProsodyError":
        failed = RunFailed(message, run=folder.name, tail="", code=2)
    log.write(scrub.text(f"{failed}\n{failed.tail}\n"))
    return failed


def _ended(folder: Path, cell: int, name: str, why: str) -> RunFailed:
    """A cell that ended without an error of its own, as one line, and noted in status.json."""
    line = f"{folder.parent.name}: cell {cell}: {why}"
    record.write_status(folder, error={"cell": cell, "name": name, "message": line})
    return RunFailed(line, run=folder.name, tail="", code=1)


def _short(text: str, n: int) -> str:
    return text if len(text) <= n else f"{text[:n]}… ({len(text):,} characters)"


class _Log:
    """log.txt, each line of it at once, whatever comes then; on a full disk the run goes on without the line."""

    def __init__(self, path: Path) -> None:
        self.path, self.lacks = path, False
        with telling(path):
            self.file = open(path, "a", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115

    def write(self, text: str) -> None:
        try:
            self.file.write(text)
        except OSError:
            self.lacks = True

    def flush(self) -> None:
        with suppress(OSError):
            self.file.flush()


@contextmanager
def _log(folder: Path) -> Iterator[_Log]:
    """The log of the run in `folder`; status.json says so if it lacks lines."""
    log = _Log(folder / "log.txt")
    try:
        yield log
    finally:
        try:
            log.file.close()
        except OSError:
            log.lacks = True
        if log.lacks:
            with suppress(ProsodyError):
                record.write_status(folder, log="lacks lines, for which there was no room on the disk")


class _Stream:
    """What cells print: into log.txt and, line by line, above the progress line; of a redrawn bar its last state."""

    def __init__(self, log: Any, progress: Progress) -> None:
        self.log, self.progress, self.rest = log, progress, ""

    def write(self, text: str) -> None:
        *lines, rest = (self.rest + text).split("\n")
        if lines:  # all that came together at once: there may be 100,000 of them
            shown = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
            self.log.write(scrub.text(shown) + "\n")
            self.progress.line(shown)
        last = rest.rstrip("\r")
        shown = last.rpartition("\r")[2]
        self.rest = shown + rest[len(last) :]
        self.progress.step(shown)

    def flush(self) -> None:
        self.log.flush()

    def end(self) -> None:
        if self.rest:
            self.write("\n")
        self.flush()
