"""Ways in which a run can die, each at a moment of one's choosing, and whether its record tells the truth about it.

The notebook starts three processes of its own, one of them in a session of its own, and then works for some seconds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil

from prosody.errors import ProsodyError
from prosody.workflow import record

KINDS = ("runner SIGKILL", "kernel SIGKILL", "whole tree SIGKILL", "SIGTERM", "Ctrl-C", "cell error", "time limit")
ORPHANS_GO_WITHIN_S = 10.0
_WORK_S = 4.0
_START_S = 3.0  # within which half of the deaths come, while the run begins
_PATIENCE_S = 60.0

_STARTS = """\
import json, os, subprocess, sys
run = os.environ["PROSODY_RUN_DIR"]
sleeper = [sys.executable, "-c", "import time; time.sleep(300)"]
started = [subprocess.Popen(sleeper), subprocess.Popen(sleeper, start_new_session=True)]
with open(os.path.join(run, "artifacts", "pids.json"), "w") as file:
    json.dump([os.getpid(), *(one.pid for one in started)], file)
"""
_WORKS = """\
import time
for second in range(40):
    print("step", second, flush=True)
    time.sleep({work_s} / 40)
"""
_FAILS = "x = 1\ny = 2\nraise ValueError('as planned')\n"


@dataclass(frozen=True)
class Death:
    """One run that died. told: its status.json. is_true: whether that is what happened. orphans: processes left."""

    kind: str
    at_s: float
    told: dict
    is_true: bool
    why: str
    orphans: int
    gone_after_s: float


def write_notebook(folder: Path, kind: str, *, fails_after: int = 0) -> Path:
    cells = [_STARTS, *(_WORKS.format(work_s=_WORK_S / 4) for _ in range(4))]
    if kind == "cell error":
        cells[fails_after + 1 :] = [_FAILS]
    path = folder / "05_dies.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    return path


def die(folder: Path, kind: str, rng: random.Random) -> Death:
    """Start a run in `folder`, let it die in this way at a random moment of its life, and look at its record."""
    folder.mkdir(parents=True, exist_ok=True)
    runs, fails_after = folder / "runs", rng.randrange(4)
    in_work = kind == "kernel SIGKILL" or rng.random() < 0.5
    at_s = rng.uniform(0.0, _WORK_S) if in_work else rng.uniform(0.3, _START_S)
    path = write_notebook(folder, kind, fails_after=fails_after)
    command = [sys.executable, "-m", "prosody", "run", str(path), "--force"]
    if kind == "time limit":
        command += ["--time-limit", f"{0.5 + at_s:.2f}"]
    environment = {**os.environ, "PROSODY_SETUP": "off", record.RUNS_DIR: str(runs)}
    with open(folder / "told.txt", "wb") as told:
        runner = subprocess.Popen(
            command, cwd=record.root(), env=environment, stdout=told, stderr=told, start_new_session=True
        )
        family = _kill(runner, kind, at_s, runs if in_work else None)
        code = runner.wait(60)
    orphans, gone_after_s = _wait_for(sorted({*family, *_written(runs)}))
    return _judged(kind, at_s, runs, code, fails_after, orphans, gone_after_s)


def _kill(runner: subprocess.Popen, kind: str, at_s: float, runs: Path | None) -> list[int]:
    """Do it, when its time has come; returns the process numbers of all that were there.

    at_s: after the start of the runner or, where `runs` is given, after the first cell there has run.
    """
    if kind in ("cell error", "time limit"):
        return []
    began = time.monotonic()
    while runs is not None and not _written(runs) and runner.poll() is None and time.monotonic() - began < _PATIENCE_S:
        time.sleep(0.02)
    with suppress(subprocess.TimeoutExpired):
        runner.wait(at_s)
    family = []
    with suppress(psutil.Error):
        family = psutil.Process(runner.pid).children(recursive=True)
    kernels = [one for one in family if "ipykernel" in " ".join(_command_of(one))]
    if kind == "kernel SIGKILL":
        for one in kernels[:1]:
            one.kill()
    elif kind == "whole tree SIGKILL":
        for one in (runner, *family):
            with suppress(psutil.Error, OSError):
                one.kill()
    else:
        names = {"runner SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}
        runner.send_signal(names[kind])
    return [one.pid for one in family]


def _command_of(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def _written(runs: Path) -> list[int]:
    found = []
    for path in runs.glob("*/*/artifacts/pids.json"):
        with suppress(ValueError, OSError):
            found += json.loads(path.read_text())
    return found


def _wait_for(pids: list[int]) -> tuple[int, float]:
    """How many of these processes are still there after the time they have, and how long the others took to go."""
    began = time.monotonic()
    while (left := [pid for pid in pids if _is_there(pid)]) and time.monotonic() - began < ORPHANS_GO_WITHIN_S:
        time.sleep(0.1)
    took_s = time.monotonic() - began
    for pid in left:
        with suppress(psutil.Error):
            psutil.Process(pid).kill()
    return len(left), took_s


def _is_there(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _judged(
    kind: str, at_s: float, runs: Path, code: int, fails_after: int, orphans: int, gone_after_s: float
) -> Death:
    """Whether the record says what happened: by the runner's exit code, which is the other witness."""
    found, wrong = record.look(runs)
    if not found:  # it died before it had begun a record
        return Death(kind, at_s, {}, not wrong and code != 0, f"no record, exit {code}", orphans, gone_after_s)
    status = dict(found[-1].status)
    expected = {
        0: "ok",
        1: "failed",
        130: "interrupted",
        143: "interrupted",
        124: "interrupted",
        -signal.SIGKILL: "killed",
        -signal.SIGTERM: "killed",
    }
    ends_with = {
        "SIGTERM": (143, -signal.SIGTERM),
        "Ctrl-C": (130,),
        "cell error": (1,),
        "time limit": (124,),
        "kernel SIGKILL": (1,),
    }.get(kind, (-signal.SIGKILL,))
    was_over_before = code == 0 and kind != "cell error"
    wrong_end = "" if was_over_before or code in ends_with else f"ended with {code}"
    said, stored = status["status"], json.loads((found[-1].folder / "status.json").read_text())["status"]
    why = wrong_end if said == stored == expected.get(code) else f"says {said} ({stored}) after exit {code}"
    if not why and status.get("exit") != (code if code >= 0 else None):
        why = f"tells exit {status.get('exit')}, it was {code}"
    if not why and (not status.get("ended") or not isinstance(status.get("seconds"), float)):
        why = "tells no end"
    error = status.get("error") or {}
    if not why and kind == "cell error" and (error.get("cell"), error.get("line")) != (fails_after + 2, 3):
        why = f"says that cell {error.get('cell')}, line {error.get('line')} failed"
    if not why and (found[-1].folder / "notebook.ipynb").exists():
        with suppress(ProsodyError):
            why = "" if nbformat.read(found[-1].folder / "notebook.ipynb", 4).cells else "an empty notebook"
    return Death(kind, at_s, status, not why, why, orphans, gone_after_s)
