"""A disk that is full at any write: one line, exit 2, earlier records byte-identical, nothing half-made left."""

import contextlib
import errno
import io
import itertools
import json
import os
import shutil
from pathlib import Path

import made_runs
import nbformat
import pytest
from full_disk import full_disk

from prosody import cli
from prosody.errors import ProsodyError
from prosody.workflow import execute, record, runner, stages
from prosody.workflow.progress import Progress

pytestmark = pytest.mark.faults
TRAIN, FAILED = made_runs.name_of(3), made_runs.name_of(4)


def recorded(home: Path) -> int:
    """A run from its start to its end."""
    record.end(record.start("segment", {"epochs": 3}, runs=home / "runs", how="headless", clone=home), "ok", code=0)
    return 0


def begun(home: Path, name: str) -> str:
    """The id of the run that is at work."""
    others = (path.name for path in (home / "runs" / "prepare").iterdir() if path.name != made_runs.name_of(2))
    return next(others) if name == "stage" else "none"


def stage(home: Path) -> int:
    """What a notebook does with its record while it runs."""
    folder = home / "runs" / "prepare" / begun(home, "stage")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROSODY_RUN_DIR", str(folder))
        run = stages.stage("prepare")
        try:
            run.upstream("segment")
            run.input(home / "runs" / "segment" / made_runs.name_of(1) / "log.txt")
            run.output("deep/x.txt")
            run.finish({"examples": 1})
        except ProsodyError as error:
            record.end(folder, "failed", **record.because(error))
            raise
    record.end(folder, "ok", code=0)
    return 0


def sent(home: Path) -> None:
    assert cli.main(["runs", "export", TRAIN, "-o", str(home / "in.zip")]) == 0
    shutil.rmtree(home / "runs" / "train" / TRAIN)


WORK = {
    "record": recorded,
    "stage": stage,
    "gc": ["runs", "gc", "--yes"],
    "rm": ["runs", "rm", made_runs.name_of(2), "--with-dependents", "--yes"],
    "export zip": ["runs", "export", TRAIN, "-o", "{home}/out.zip", "--crate", "--with-inputs"],
    "export folder": ["runs", "export", TRAIN, "-o", "{home}/out"],
    "import": ["runs", "import", "{home}/in.zip"],
    "diff": ["diff", TRAIN, FAILED, "--html", "{home}/diff.html"],
    "report": ["report", TRAIN],
}
TAKES_AWAY = ("gc", "rm")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Writes what there is before: called anew for each write that is to fail."""
    monkeypatch.setenv("PROSODY_SETUP", "off")
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "home" / "runs"))
    monkeypatch.delenv("PROSODY_RUN_DIR", raising=False)

    def made(name: str) -> Path:
        folder = tmp_path / "home"
        shutil.rmtree(folder, ignore_errors=True)
        segment = made_runs.make(folder / "runs", "segment", 1)
        prepare = made_runs.make(folder / "runs", "prepare", 2, of=[segment])
        made_runs.make(folder / "runs", "train", 3, of=[prepare])
        for k in (4, 5):
            made_runs.make(folder / "runs", "train", k, of=[prepare], state="failed")
        if name == "import":
            sent(folder)
        if name == "stage":
            record.start("prepare", {"epochs": 3}, runs=folder / "runs", how="headless", clone=folder)
        return folder

    return made


def done(name: str, home: Path) -> tuple[int | None, list[str]]:
    """Do it; returns the exit code, and the lines on stderr."""
    err, work = io.StringIO(), WORK[name]
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = work(home) if callable(work) else cli.main([word.format(home=home) for word in work])
        except ProsodyError as error:  # as the command line tells it
            code, told = 2, str(error)
            err.write(f"prosody: {told}\n")
    return code, err.getvalue().splitlines()


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("stays", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("name", WORK)
def test_every_write_that_can_fail(home, name, stays):
    for n in itertools.count():
        folder = home(name)
        before = {path: data for path, data in files_of(folder).items() if begun(folder, name) not in path}
        with full_disk(folder, n, stays=stays) as disk:
            code, told = done(name, folder)
        if not disk.has_failed:
            assert (n > 1, code) == (True, 0), told
            return
        where, after = f"{n}: {disk.seen[n]}: {told}", files_of(folder)
        assert code == 2 or (code == 0 and not stays), where
        if code:  # (a write that fails once may be done another way)
            assert ("full" in told[-1] or "No space" in told[-1]) and told[-1].count(" — ") == 1, where
            assert len(told) == 1, where
            assert ".tmp-" not in told[-1], where
        assert {path: data for path, data in before.items() if path in after} == {
            path: data for path, data in after.items() if path in before
        }, where
        if name not in TAKES_AWAY:
            assert set(before) <= set(after), where
        for run in {path.rpartition("/")[0] for path in set(before) - set(after) if path.endswith("status.json")}:
            assert not any(path.startswith(f"{run}/") for path in after), f"{where}: half of {run} is left"
        assert not [path for path in set(after) - set(before) if ".tmp-" in path or ".alive" in path], where
        for path in (path for path in set(after) - set(before) if path.endswith("/status.json")):
            status = json.loads(after[path])
            if path.startswith("runs/") and code and name in ("record", "stage"):
                assert status["status"] in ("failed", "running"), where
                assert status["exit"] == (2 if status["status"] == "failed" else None), where
                assert record.read((folder / path).parent).state in ("failed", "killed"), where


def test_nothing_stays_of_a_run_without_a_status(home):
    folder = home("record")
    for n in itertools.count():
        with full_disk(folder, n, stays=True) as disk:
            done("record", folder)
        assert all((one / "status.json").exists() for one in (folder / "runs" / "segment").iterdir()), disk.seen[n]
        if list((folder / "runs" / "segment").glob("*/params.json"))[1:]:
            return


@pytest.mark.parametrize("number", ["EDQUOT", "EFBIG", "EIO", "EROFS", "ESTALE"])
def test_other_troubles_of_a_disk_are_one_line_without_what_python_says(home, number):
    with full_disk(home("record"), number=getattr(errno, number)) as whole:
        done("record", Path(whole.folder))
    opened = [n for n, write in enumerate(whole.seen) if write.startswith("open ") and ".tmp-" in write]
    folder = home("record")
    with full_disk(folder, opened[2], number=getattr(errno, number)):  # after status.json, which two opens write
        code, told = done("record", folder)
    assert (code, len(told)) == (2, 1)
    assert "Errno" not in told[0]
    assert told[0].count(str(folder)) == 1


@pytest.mark.skipif(os.name == "nt", reason="limits as POSIX has them")
def test_a_file_that_ends_in_the_middle_is_no_file(home):
    """A write that the system takes half of: what is there under a name is whole all the same."""
    import resource

    folder = home("export zip")
    with open(folder / "runs" / "train" / TRAIN / "artifacts" / "large.bin", "wb") as file:
        file.write(os.urandom(400_000))
    before, limits = files_of(folder), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        code, told = done("export zip", folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (code, len(told)) == (2, 1), told
    assert "is larger than a file may be here" in told[0]
    assert files_of(folder) == before


CELLS = ["print('a')", "print('b')"]


@pytest.mark.parametrize("stays", [False, True], ids=["once", "from then on"])
def test_a_notebook_that_runs_while_the_disk_is_full(tmp_path, monkeypatch, stays):
    """From the log on: a save that is made up for is none lost; without the last one the run has failed."""
    monkeypatch.setenv("PROSODY_SETUP", "off")
    path, code = tmp_path / "05_x.ipynb", None
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS]), path)
    seen = writes_of(path, tmp_path / "whole", monkeypatch)[1].seen
    first = next(n for n, write in enumerate(seen) if write.endswith("log.txt") and n > len(seen) // 2)
    for n in range(first, len(seen), 3 if stays else 2):
        code, disk, err = writes_of(path, tmp_path / f"{n}", monkeypatch, n, stays=stays)
        if not disk.has_failed:  # how often it is saved goes by the clock
            continue
        where = f"{n}: {disk.seen[n]}: {err}"
        (folder,) = (tmp_path / f"{n}" / "05_x").iterdir()
        said = json.loads((folder / "status.json").read_text())["status"]
        state = record.read(folder).state
        assert "Traceback" not in err and ".tmp-" not in err, where
        assert (code, said) in [(2, "running"), (2, "failed"), *([] if stays else [(0, "ok")])], where
        assert not [one for one in folder.iterdir() if one.name.startswith((".tmp-", ".alive"))], where
        if code == 0:
            (*_, last) = nbformat.read(folder / "notebook.ipynb", 4).cells
            assert last.outputs[0].text == "b\n", where
        else:
            assert err.splitlines()[-1].startswith("prosody: ") and "the disk is full — make room" in err, where
            assert state == ("failed" if said == "failed" else "killed"), where


def writes_of(path, runs, monkeypatch, n=None, *, stays=False):
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(runs))
    runs.mkdir()
    err = io.StringIO()
    with full_disk(runs, n, stays=stays) as disk, contextlib.redirect_stderr(err):
        code = cli.main(["run", str(path), "--force"])
    return code, disk, err.getvalue()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_log_without_room_does_not_end_the_run(tmp_path, monkeypatch):
    path, runs = tmp_path / "05_x.ipynb", tmp_path / "runs"
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(runs))
    cells = ["import os; log = os.path.join(os.environ['PROSODY_RUN_DIR'], 'log.txt')\nprint('a')", "print('b')"]
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    opened = execute._Log

    def full(log):
        log.unlink()
        log.symlink_to("/dev/full")
        return opened(log)

    monkeypatch.setattr(execute, "_Log", full)
    run = record.read(runs / "05_x" / runner.run_notebook(path, progress=Progress(io.StringIO(), quiet=True)))
    assert run.state == "ok"
    assert run.status["log"] == "lacks lines, for which there was no room on the disk"
