"""The record of a run: one folder that says what was run, on what, with which result.

`runs/<stage>/<UTC stamp>-<6 hex>/` holds `status.json` (ours: papermill's own is wrong after a kill), `params.json`,
`git.json` (and `dirty.patch`), `packages.txt`, `machine.json`, `inputs.json`, `outputs.json`, `upstream.json`,
`metrics.json`, `notebook.ipynb`, `log.txt`, `tb/` and `artifacts/`. Paths in it are relative to the run or the clone.

Status is one of running, ok, failed, interrupted, killed. A run that says "running" and whose process is gone is
written down as killed (headless) or interrupted (an open notebook that was closed) when somebody next looks.
"""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import read_json, sha256, write_bytes, write_json, write_text
from prosody.workflow.install import repository

STAGES = ("segment", "prepare", "train", "generate")
UPSTREAM = {"prepare": "segment", "train": "prepare", "generate": "train"}


@dataclass(frozen=True)
class Run:
    """One recorded run. status, metrics: what those two files say (metrics is empty until the stage has finished)."""

    folder: Path
    status: Mapping[str, Any]
    metrics: Mapping[str, Any]

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def stage(self) -> str:
        return self.folder.parent.name

    @property
    def state(self) -> str:
        return self.status["status"]

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"


def root() -> Path:
    """The folder that the record's paths start from: the clone, or the current folder where there is none."""
    return repository() or Path.cwd()


def runs_folder() -> Path:
    """Where runs are recorded: `runs` in the clone, or the folder that PROSODY_RUNS_DIR names."""
    return Path(os.environ.get("PROSODY_RUNS_DIR") or root() / "runs").resolve()


def start(stage: str, parameters: Mapping[str, Any], *, runs: Path, how: str) -> Path:
    """Make the folder of a new run with everything that is known before it starts; its status is "running".

    parameters: all of them, defaults too. how: "headless" or "lab".
    Raises ProsodyError if no folder can be made in `runs`.
    """
    try:
        (runs / stage).mkdir(parents=True, exist_ok=True)
        while True:
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
            folder = runs / stage / name
            with suppress(FileExistsError):
                folder.mkdir()
                break
    except OSError as error:
        what, remedy = f"cannot hold the record of a run ({error.strerror})", "set PROSODY_RUNS_DIR to another folder"
        raise ProsodyError(runs / stage, None, what, remedy) from error
    for inner in ("artifacts", "tb"):
        (folder / inner).mkdir()
    pid, process_started = _this_process()
    status = {"status": "running", "stage": stage, "id": name, "how": how, "started": now(), "ended": None}
    write_status(folder, **status, seconds=None, exit=None, pid=pid, process_started=process_started)
    write_json(folder / "params.json", plain(parameters))
    for empty in ("inputs", "outputs"):
        write_json(folder / f"{empty}.json", [])
    write_json(folder / "upstream.json", {})
    write_json(folder / "metrics.json", {})
    write_json(folder / "machine.json", machine())
    write_text(folder / "packages.txt", "".join(f"{line}\n" for line in packages()))
    _write_git(folder)
    (folder / "log.txt").touch()
    return folder


def write_status(folder: Path, **changes: Any) -> None:
    """Change some fields of a run's status.json."""
    path = folder / "status.json"
    status = read_json(path) if path.exists() else {}
    write_json(path, plain({**status, **changes}), overwrite=True)


def end(folder: Path, state: str, *, code: int, **more: Any) -> None:
    """Write down how a run ended: its state, exit code, end time and duration, and what else there is to say."""
    ended = datetime.now(UTC)
    started = datetime.fromisoformat(read_json(folder / "status.json")["started"])
    seconds = round((ended - started).total_seconds(), 1)
    write_status(folder, status=state, exit=code, ended=ended.isoformat(), seconds=seconds, **more)


def read(folder: Path) -> Run:
    """Read a run's record; one whose process is gone while it says "running" is ended here.

    Raises ProsodyError if it is no run or its files cannot be read.
    """
    status = read_json(folder / "status.json")
    if not isinstance(status, dict) or not isinstance(status.get("status"), str):
        raise ProsodyError(folder / "status.json", None, "says no status", "move that folder away")
    if status["status"] == "running" and not _is_alive(status.get("pid"), status.get("process_started")):
        state = "interrupted" if status.get("how") == "lab" else "killed"
        write_status(folder, status=state, exit=None)
        status = read_json(folder / "status.json")
    metrics: Any = {}
    with suppress(ProsodyError):  # without its figures a run is a run all the same
        metrics = read_json(folder / "metrics.json")
    return Run(folder=folder, status=status, metrics=metrics if isinstance(metrics, dict) else {})


def runs(folder: Path, stage: str | None = None) -> list[Run]:
    """All recorded runs (of one stage), the oldest first. A folder without a readable status is left out."""
    found = []
    for path in sorted(folder.glob(f"{stage or '*'}/*/status.json")):
        with suppress(ProsodyError):
            found.append(read(path.parent))
    return sorted(found, key=lambda run: (str(run.status.get("started")), run.id))


def find(folder: Path, stage: str, given: str = "latest") -> Run | None:
    """The latest ok run of a stage (None when there is none), or the one whose id is, or starts with, `given`.

    Raises ProsodyError if a given id is unknown, stands for several runs, or its run is not ok.
    """
    all_runs = runs(folder, stage)
    if given == "latest":
        return next((run for run in reversed(all_runs) if run.state == "ok"), None)
    fitting = [run for run in all_runs if run.id == given] or [run for run in all_runs if run.id.startswith(given)]
    if len(fitting) != 1:
        what = f"{given!r} is {'no run' if not fitting else 'the start of several runs'} of {stage}"
        raise ProsodyError(None, None, what, "`python -m prosody runs` lists them")
    if fitting[0].state != "ok":
        raise ProsodyError(None, None, f"run {fitting[0].id} of {stage} is {fitting[0].state}", "choose one that is ok")
    return fitting[0]


def shown(path: Path, run: Path | None = None) -> str:
    """A path as the record writes it: relative to the run if it lies in it, otherwise to the clone."""
    path = path.resolve()
    if run is not None and path.is_relative_to(run.resolve()):
        return path.relative_to(run.resolve()).as_posix()
    try:
        return Path(os.path.relpath(path, root())).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def described(path: Path, run: Path) -> list[dict[str, Any]]:
    """Path, sha256 and bytes of a file, or of every file in a folder."""
    files = sorted(inner for inner in path.rglob("*") if inner.is_file()) if path.is_dir() else [path]
    return [{"path": shown(file, run), "sha256": sha256(file), "bytes": file.stat().st_size} for file in files]


def now() -> str:
    """The time as the record writes it."""
    return datetime.now(UTC).isoformat()


def plain(value: Any) -> Any:
    """A value as strict JSON has it: NumPy numbers as numbers, NaN as null, tuples as lists, paths as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return plain(value.tolist())
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def packages() -> list[str]:
    """Everything installed here, as `name==version`, sorted."""
    found = {f"{d.metadata['Name']}=={d.version}" for d in metadata.distributions() if d.metadata["Name"]}
    return sorted(found, key=str.lower)


def machine() -> dict[str, Any]:
    """What the run was done on; neither the machine's name nor the user's."""
    import psutil

    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "cores_physical": psutil.cpu_count(logical=False),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpu": _lines(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]),
        "os": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return next(iter(_lines(["sysctl", "-n", "machdep.cpu.brand_string"])), platform.processor())


def _lines(command: list[str], cwd: Path | None = None) -> list[str]:
    """What a program prints, line by line; nothing if it is not here or fails."""
    program = shutil.which(command[0])
    if program is None:
        return []
    done = subprocess.run([program, *command[1:]], cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL)
    return done.stdout.decode("utf-8", "replace").splitlines() if done.returncode == 0 else []


def _write_git(folder: Path) -> None:
    """git.json: commit, branch, untracked files; dirty.patch: every change to a tracked file since that commit."""
    clone = repository()
    commit = _lines(["git", "rev-parse", "HEAD"], clone) if clone else []
    if not commit:
        write_json(folder / "git.json", {"commit": None})
        return
    diff = subprocess.run(["git", "diff", "--binary", "HEAD"], cwd=clone, capture_output=True).stdout
    state = {
        "commit": commit[0],
        "branch": next(iter(_lines(["git", "branch", "--show-current"], clone)), None),
        "dirty": bool(diff),
        "untracked": _lines(["git", "ls-files", "--others", "--exclude-standard"], clone),
    }
    write_json(folder / "git.json", state)
    if diff:
        write_bytes(folder / "dirty.patch", diff)


def _this_process() -> tuple[int, float]:
    import psutil

    return os.getpid(), psutil.Process().create_time()


def _is_alive(pid: Any, started: Any) -> bool:
    """Is the process that wrote the record still there? Another one may have its number by now."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - started) < 2
    except (psutil.Error, TypeError, ValueError):
        return False
