"""The record of a run: one folder that says what was run, on what, with which result.

`runs/<stage>/<UTC stamp>-<6 hex>/` holds `status.json` (ours: papermill's own is wrong after a kill), `params.json`,
`git.json` (and `dirty.patch`), `packages.txt`, `machine.json`, `inputs.json`, `outputs.json`, `upstream.json`,
`metrics.json`, `notebook.ipynb`, `log.txt`, `tb/` and `artifacts/`. Paths in it are relative to the run or the clone.

Status is one of running, ok, failed, interrupted, killed. A run that says "running" and whose process is gone is
written down as killed (headless) or interrupted (an open notebook that was closed) when somebody next looks.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import read_json, sha256, telling, write_json, write_text
from prosody.workflow import alive, scrub, source_code
from prosody.workflow.install import repository
from prosody.workflow.machine import machine, packages

STAGES = ("segment", "prepare", "train", "generate")
UPSTREAM = {"prepare": "segment", "train": "prepare", "generate": "train"}
FILES = ("status.json", "notebook.ipynb", "params.json", "log.txt")  # a folder without any of them is no run
RUNS_DIR, ROOT_DIR = "PROSODY_RUNS_DIR", "PROSODY_ROOT"
"""Environment variables: the folder of runs, and the folder that the record's paths start from."""
_LISTED = "`python -m prosody runs` lists them"
_STAMP = 16  # characters of an id that are its time


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
    """The folder that the record's paths start from: the clone, or the current folder where there is none.

    PROSODY_ROOT in the environment names another: that of the clone whose runs are made again in older code.
    """
    return Path(os.environ.get(ROOT_DIR) or repository() or Path.cwd())


def runs_folder() -> Path:
    """Where runs are recorded: `runs` in the clone, or the folder that PROSODY_RUNS_DIR names."""
    return Path(os.environ.get(RUNS_DIR) or root() / "runs").resolve()


def start(
    stage: str,
    parameters: Mapping[str, Any],
    *,
    runs: Path,
    how: str,
    clone: Path | None = None,
    notes: Mapping[str, Any] | None = None,
) -> Path:
    """Make the folder of a new run with everything that is known before it starts; its status is "running".

    parameters: all of them, defaults too. how: "headless" or "lab". clone: whose code it runs (by default this one's).
    notes: what else status.json is to say.
    Raises ProsodyError if no folder can be made in `runs`, or its files cannot be written.
    """
    try:
        (runs / stage).mkdir(parents=True, exist_ok=True)
        before = max((path.name for path in (runs / stage).iterdir() if is_stamped(path.name)), default="")
        while True:
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
            folder = runs / stage / name
            with suppress(FileExistsError):
                folder.mkdir()
                break
        process = alive.begin(folder)
    except OSError as error:
        what, remedy = f"cannot hold the record of a run ({error.strerror})", "set PROSODY_RUNS_DIR to another folder"
        raise ProsodyError(runs / stage, None, what, remedy) from error
    status = {"status": "running", "stage": stage, "id": name, "how": how, "started": now(), "ended": None}
    if before[:_STAMP] > name[:_STAMP]:  # the clock was set back since: this one is the later all the same
        status["after"] = before
    try:
        write_status(folder, **status, seconds=None, exit=None, **process, **(notes or {}))
    except BaseException:
        alive.end(folder)
        shutil.rmtree(folder, ignore_errors=True)  # without a status it is nothing
        raise
    try:
        _write_what_is_known(folder, parameters, clone or repository())
    except KeyboardInterrupt as asked:
        end(folder, "interrupted", code=getattr(asked, "code", 130), reason=getattr(asked, "reason", "Ctrl-C"))
        raise
    except BaseException as error:
        end(folder, "failed", **because(error))
        raise
    return folder


def _write_what_is_known(folder: Path, parameters: Mapping[str, Any], clone: Path | None) -> None:
    """The files of a run's record that are known before it starts."""
    for inner in ("artifacts", "tb"):
        with telling(folder / inner):
            (folder / inner).mkdir()
    write_json(folder / "params.json", plain(parameters))
    for empty in ("inputs", "outputs"):
        write_json(folder / f"{empty}.json", [])
    write_json(folder / "upstream.json", {})
    write_json(folder / "metrics.json", {})
    with telling(folder / "log.txt"):
        (folder / "log.txt").touch()
    write_json(folder / "machine.json", machine())
    write_text(folder / "packages.txt", "".join(f"{line}\n" for line in packages()))
    source_code.write(folder, clone)


def write_status(folder: Path, **changes: Any) -> None:
    """Change some fields of a run's status.json."""
    path = folder / "status.json"
    status = read_json(path) if path.exists() else {}
    write_json(path, plain({**status, **changes}), overwrite=True)


def end(folder: Path, state: str, *, code: int | None, **more: Any) -> None:
    """Write down how a run ended: its state, exit code, end time and duration, and what else there is to say.

    Raises ProsodyError if that cannot be written, or if the run seems ok and its record was taken away meanwhile.
    """
    times, lost = _times(folder, datetime.now(UTC)), None
    try:
        path = folder / "status.json"
        if not path.is_file() or "id" not in read_json(path):
            more = {"stage": folder.parent.name, "id": folder.name, **more}
            if state == "ok":
                lost = ProsodyError(folder, None, "its record was taken away while it ran", "run it anew")
                state, code, more = "failed", 2, more | {"error": because(lost)["error"]}
        write_status(folder, status=state, exit=code, **times, **more)
        if lost:
            raise lost
    finally:
        alive.end(folder)  # what cannot be written down is not at work any more all the same


def because(error: BaseException) -> dict[str, Any]:
    """What the status of a run says of an error that is no cell's: its exit code, name and message."""
    code = 2 if isinstance(error, ProsodyError) else 1
    return {"code": code, "error": {"name": type(error).__name__, "message": scrub.text(str(error))}}


def _times(folder: Path, ended: datetime) -> dict[str, Any]:
    """When a run ended, and how long it took: never less than nothing, though the clock may have been set back."""
    seconds = None
    with suppress(ProsodyError, TypeError, ValueError, KeyError):
        started = datetime.fromisoformat(read_json(folder / "status.json")["started"])
        seconds = max(0.0, round((ended - started).total_seconds(), 1))
    return {"ended": ended.isoformat(), "seconds": seconds}


def read(folder: Path) -> Run:
    """Read a run's record; one whose process is gone while it says "running" is ended here.

    Raises ProsodyError if it is no run or its files cannot be read.
    """
    status = read_json(folder / "status.json")
    if not isinstance(status, dict) or not isinstance(status.get("status"), str):
        raise ProsodyError(folder / "status.json", None, "says no status", "move that folder away")
    if status["status"] == "running" and not alive.is_alive(folder, status):
        status = _ended_by_death(folder)
    metrics: Any = {}
    with suppress(ProsodyError):  # without its figures a run is a run all the same
        metrics = read_json(folder / "metrics.json")
    return Run(folder=folder, status=status, metrics=metrics if isinstance(metrics, dict) else {})


def _ended_by_death(folder: Path) -> dict[str, Any]:
    """The status of a run whose process is gone, written down if that can be: it ended when it last wrote anything."""
    status = read_json(folder / "status.json")
    if status.get("status") != "running":  # it has ended well since it was read
        return status
    last = max((path.stat().st_mtime for path in folder.iterdir() if path.is_file()), default=0.0)
    state = "interrupted" if status.get("how") == "lab" else "killed"
    changes = {"status": state, "exit": None, **_times(folder, datetime.fromtimestamp(last, UTC))}
    with suppress(ProsodyError):  # a folder that is only to be read
        write_status(folder, **changes)
        alive.end(folder)
    return status | changes


def runs(folder: Path, stage: str | None = None) -> list[Run]:
    """All recorded runs (of one stage), the oldest first. A folder without a readable status is left out."""
    return look(folder, stage)[0]


def look(folder: Path, stage: str | None = None) -> tuple[list[Run], list[ProsodyError]]:
    """All recorded runs (of one stage), the oldest first, and what is wrong with folders that are no readable run."""
    found, wrong = [], []
    for path in _folders(folder, stage):
        try:
            found.append(read(path))
        except ProsodyError as error:
            wrong.append(error)
    return sorted(found, key=_age), wrong


def _folders(folder: Path, stage: str | None = None) -> Iterator[Path]:
    """The folders that hold any file of a record."""
    stages = [folder / stage] if stage else sorted(folder.iterdir()) if folder.is_dir() else []
    for one in stages:
        for path in sorted(one.iterdir()) if one.is_dir() else ():
            if any(os.path.isfile(path / name) for name in FILES):
                yield path


def _age(run: Run) -> tuple[Any, ...]:
    """What runs are sorted by: the time of their start, whatever the clock did; of a copy the original is the later."""
    after, known = str(run.status.get("after") or ""), str(run.status.get("id") or run.id)
    begun = max(known[:_STAMP], after[:_STAMP])
    return (begun, bool(after), str(run.status.get("started")), run.id == known, run.id)


def is_of_its_stage(run: Run) -> bool:
    """Whether a run is of the stage in whose folder it lies: one that was copied there is not."""
    return run.status.get("stage") in (None, run.stage)


def is_stamped(name: str) -> bool:
    """Whether a folder has the name that a run gets."""
    return len(name) == _STAMP + 7 and name[8] == "T" and name[:8].isdecimal()


def find(folder: Path, stage: str, given: str = "latest") -> Run | None:
    """The latest ok run of a stage (None when there is none), or the one whose id is, or starts with, `given`.

    A folder that was renamed is found by its new name and by its id.
    Raises ProsodyError if a given id is unknown, stands for several runs, or its run is not ok.
    """
    all_runs = runs(folder, stage)
    if given == "latest":
        return next((run for run in reversed(all_runs) if run.state == "ok" and is_of_its_stage(run)), None)
    found = _named(all_runs, given, of=f" of {stage}")
    if found.state != "ok":
        raise ProsodyError(None, None, f"run {found.id} of {stage} is {found.state}", "choose one that is ok")
    return found


def locate(given: str) -> Path:
    """The folder of a run: by its id or the start of it, its path, `latest`, or a stage's name for its latest run.

    The latest is the one begun last, however it ended. Raises ProsodyError if there is no such run, or several.
    """
    path = Path(given)
    if path.name in FILES and os.path.isfile(path):
        path = path.parent
    if os.path.isdir(path) and any((path / name).is_file() for name in FILES):
        return path.resolve()
    folder = runs_folder()
    unread = [path for path in _folders(folder) if given and given in (path.name, path.parent.name)]
    all_runs = runs(folder)
    if not all_runs and not unread:
        raise ProsodyError(folder, None, "holds no runs", "`make demo` makes the first ones")
    if (given == "latest" and all_runs) or given in {run.stage for run in all_runs}:
        return [run for run in all_runs if given in ("latest", run.stage)][-1].folder
    if len(unread) == 1:  # damaged, but there
        return unread[0]
    return _named(all_runs, given).folder


def _named(all_runs: list[Run], given: str, *, of: str = "") -> Run:
    """The run with this name, or this id, or an id that starts so. Raises ProsodyError if that is not one."""
    fitting = [run for run in all_runs if run.id == given]
    fitting = fitting or [run for run in all_runs if run.status.get("id") == given]
    fitting = fitting or [run for run in all_runs if given and run.id.startswith(given)]
    if len(fitting) != 1:
        what = f"{given!r} is {'no run' if not fitting else 'the start of several runs'}{of}"
        raise ProsodyError(None, None, what, _LISTED)
    return fitting[0]


def shown(path: Path, run: Path | None = None) -> str:
    """A path as the record writes it: relative to the run if it lies in it, otherwise to the clone.

    One in the home folder that the clone's path does not pass through starts with `~`, so that nobody is named.
    """
    path, home, clone = path.resolve(), _home(), root().resolve()
    if run is not None and path.is_relative_to(run.resolve()):
        return path.relative_to(run.resolve()).as_posix()
    if home is not None and path.is_relative_to(home) and not clone.is_relative_to(home):
        return (Path("~") / path.relative_to(home)).as_posix()
    try:
        return Path(os.path.relpath(path, clone)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def located(shown: str, run: Path | None = None) -> Path:
    """Where a file is whose path the record writes as `shown`; it need not be there.

    run: the folder of the run whose record says so. A file of another run is first looked for beside that one, since
    the folder of runs may lie elsewhere than when the record was written; a run may have been renamed since.
    """
    if shown.startswith("~"):
        return Path(os.path.expanduser(shown)).resolve()
    parts, runs_dir = Path(shown).parts, run.parents[1] if run is not None else runs_folder()
    at = next((k for k, part in enumerate(parts) if k and is_stamped(part)), None)
    places = [run / shown] if run is not None else []
    places += [runs_dir.joinpath(*parts[at - 1 :])] if at else []
    there = next((path for path in (*places, root() / shown) if os.path.exists(path)), None)
    if there is None and at:
        renamed = [one for one in runs(runs_dir, parts[at - 1]) if one.status.get("id") == parts[at]]
        there = renamed[0].folder.joinpath(*parts[at + 1 :]) if renamed else None
    found = there or root() / shown
    with suppress(OSError, ValueError):  # what no file can be called is as it was written
        found = found.resolve()
    return found


def _home() -> Path | None:
    """The home folder; None where there is none, or where it is no more than the root of a disk."""
    with suppress(RuntimeError, OSError):
        home = Path.home().resolve()
        return home if len(home.parts) > 1 else None
    return None


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
