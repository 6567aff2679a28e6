"""A sweep at work: its points, each a run of its own in a process of its own, some at a time.

What "latest" means is settled once, so that all points are of the same data. A point that has an ok run already (see
`prosody.workflow.reuse`) is not run again: that is how a sweep goes on after whatever ended it. A point that fails, or
whose process dies, takes none of the others with it.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import read_json
from prosody.workflow import leash, pinned, record, reuse
from prosody.workflow import parameters as parameter_cells
from prosody.workflow.asked import GRACE_S, asked_to_end
from prosody.workflow.stages import RUN_DIR
from prosody.workflow.sweep.file import Sweep, shown
from prosody.workflow.sweep.line import Line
from prosody.workflow.sweep.point import ANSWER

OK, FAILED, INTERRUPTED, NOT_RUN = "ok", "failed", "interrupted", "not run"
_LOOKED_EVERY_S = 0.1
_CTRL_C = 130
_LONGEST = 300  # characters of an error's line


@dataclass
class Point:
    """One point: its number from 1, the values that vary, all that its notebook is given, and what came of it.

    contents: hashes of the files and folders that its parameters name. run: the run's id. earlier: whether that run was
    there before. error: the line that tells why it is not ok.
    """

    number: int
    values: Mapping[str, Any]
    given: Mapping[str, Any]
    contents: Mapping[str, str]
    run: str | None = None
    state: str = NOT_RUN
    seconds: float | None = None
    error: str | None = None
    earlier: bool = False

    def told(self) -> dict[str, Any]:
        """The point as the summary's notebook is given it."""
        return {"values": dict(self.values), "run": self.run, "state": self.state, "error": self.error}


def plan(sweep: Sweep, *, runs: Path) -> list[Point]:
    """The points in order, with the runs that are there already; "latest" is by now the id of a run.

    Raises ProsodyError if a run that they are to be made from is not there.
    """
    known = parameter_cells.of_notebook(sweep.notebook)
    defaults = {parameter.name: parameter.default for parameter in known}
    settled: dict[str, dict[str, Any]] = {}
    contents: dict[Path, str | None] = {}
    points = []
    for number, values in enumerate(sweep.points, 1):
        asked = {**defaults, **sweep.common, **values}
        upstream = {name: asked[name] for name in asked if name.endswith("_run") or name in (pinned.REVIEW, "resume")}
        key = json.dumps(record.plain(upstream), sort_keys=True)
        if key not in settled:
            settled[key] = _settled(sweep.path, upstream, runs)
        noted = reuse.contents({**asked, **settled[key]}, contents)
        points.append(Point(number, values, {**sweep.common, **values, **settled[key]}, noted))
    for point, run in zip(points, reuse.find_each(sweep.notebook, [p.given for p in points], runs=runs), strict=True):
        if run is not None:
            point.run, point.state, point.earlier = run.id, OK, True
            point.seconds = run.status.get("seconds")
    return points


def _settled(path: Path, upstream: Mapping[str, Any], runs: Path) -> dict[str, Any]:
    """The parameters that say what a run is made from, with ids in place of "latest"."""
    settled = pinned.now(upstream, runs=runs)
    for stage in record.STAGES:
        if settled.get(f"{stage}_run") == "latest":
            raise ProsodyError(path, None, f"there is no ok run of {stage} to start from", f"run `make {stage}` first")
    return {name: value for name, value in settled.items() if value != upstream[name]}


def run(sweep: Sweep, points: Sequence[Point], *, workers: int, runs: Path, line: Line | None = None) -> None:
    """Run the points that have no ok run yet, `workers` at a time; each point then holds what came of it.

    Raises RunInterrupted, which is a KeyboardInterrupt, if it is asked to end: what runs is then ended in good order
    (asked a second time, at once) and recorded as interrupted.
    """
    waiting = deque(point for point in points if point.state != OK)
    running: list[_Process] = []
    line = line or Line()
    line.begin(len(points), [point.seconds for point in points if point.earlier], workers=workers)
    job = {"notebook": str(sweep.notebook), "runs": str(runs)}
    of = {"file": record.shown(sweep.path), "id": secrets.token_hex(6)}
    with asked_to_end():
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    point = waiting.popleft()
                    one = {**job, "parameters": dict(point.given), "sweep": {**of, "point": point.number}}
                    one[reuse.CONTENTS] = dict(point.contents)
                    running.append(_Process(point, one))
                for process in [one for one in running if one.is_over()]:
                    running.remove(process)
                    _finish(process, sweep.stage, runs)
                    line.done(_result(process.point), process.point.seconds, is_ok=process.point.state == OK)
                line.draw([shown(one.point.values) for one in running])
                time.sleep(_LOOKED_EVERY_S)
        except BaseException as error:
            _end(running, limit_s=None if getattr(error, "code", _CTRL_C) == _CTRL_C else GRACE_S)
            for process in running:
                _finish(process, sweep.stage, runs)
            raise
        finally:
            line.end()


def _result(point: Point) -> str:
    told = f"point {point.number} ({shown(point.values)}): {point.state}"
    return told + (f", run {point.run}" if point.run else "") + (f": {point.error}" if point.error else "")


class _Process:
    """A point's process. It ends by itself should this one die, and isn't reached by a terminal's Ctrl-C."""

    def __init__(self, point: Point, job: Mapping[str, Any]) -> None:
        self.point, self.job, self.output = point, job, deque[str](maxlen=50)
        path = os.pathsep.join([str(record.root()), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", **leash.to_this_process()}
        environment.pop(RUN_DIR, None)
        group = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)} if os.name == "nt" else {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "prosody.workflow.sweep.point"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=os.name == "posix",
            **group,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self._write(json.dumps(record.plain(job)) + "\n")

    def _read(self) -> None:
        for raw in self.process.stdout:
            self.output.append(raw.decode("utf-8", "replace").rstrip())

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # it has ended already
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()

    def is_over(self) -> bool:
        return self.process.poll() is not None

    def ask(self) -> None:
        """Ask it to end in good order."""
        self._write("end\n")

    def kill(self) -> None:
        """End it at once, with all that it started."""
        import psutil

        with suppress(psutil.Error):
            process = psutil.Process(self.process.pid)
            leash.end([*leash.descendants(process), process])

    def answer(self) -> dict[str, Any]:
        """What it said at its end; the run is not known if it died."""
        self.process.wait()
        self.reader.join(1)
        # what the notebook started may live on and hold the pipe: closing it would wait for the reader, which waits
        pipes = (self.process.stdin, *([] if self.reader.is_alive() else [self.process.stdout]))
        for pipe in pipes:
            with suppress(OSError, ValueError):
                pipe.close()
        lines = list(self.output)
        for line in reversed(lines):
            if line.startswith(ANSWER):
                return json.loads(line.removeprefix(ANSWER))
        return {"run": None, "error": f"its process ended with {self.process.returncode}: {(lines or ['no word'])[-1]}"}


def _end(running: Sequence[_Process], *, limit_s: float | None) -> None:
    """Ask processes to end in good order, and wait for that; asked once more, or after `limit_s`, end them at once."""
    began = time.monotonic()
    try:
        for process in running:
            process.ask()
        while not all(process.is_over() for process in running):
            if limit_s is not None and time.monotonic() - began > limit_s:
                break
            time.sleep(_LOOKED_EVERY_S)
    except KeyboardInterrupt:
        pass
    for process in running:
        process.kill()


def _finish(process: _Process, stage: str, runs: Path) -> None:
    """What came of a point whose process has ended, as its record has it."""
    point, told = process.point, process.answer()
    point.run, point.error = told.get("run"), told.get("error")
    found = _run_of(process.job["sweep"], point.run, stage, runs)
    if found is None:
        point.state = FAILED
    else:
        point.run, point.state, point.seconds = found.id, found.state, found.status.get("seconds")
    if point.state == OK:
        point.error = None
    elif point.state == INTERRUPTED:
        point.error = f"interrupted: {found.status.get('reason', '')}" if found else "interrupted"
    else:
        point.error = " ".join(str(point.error or point.state).split())[:_LONGEST]


def _run_of(of: Mapping[str, Any], run: str | None, stage: str, runs: Path) -> record.Run | None:
    """A point's run: by its id, or, where the process died before it told that, by what its status says."""
    with suppress(ProsodyError):
        if run is not None:
            return record.read(runs / stage / run)
    for path in sorted((runs / stage).glob("*/status.json"), reverse=True):
        with suppress(ProsodyError, AttributeError):
            if read_json(path).get("sweep") == of:
                return record.read(path.parent)
    return None
