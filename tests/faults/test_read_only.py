"""Runs that are only to be read: what reads them reads on, what writes says so in a line and changes nothing."""

import contextlib
import errno
import io
import os
import shutil
from pathlib import Path

import made_runs
import nbformat
import pytest
from full_disk import full_disk

from prosody import cli
from prosody.workflow import record

pytestmark = pytest.mark.faults
TRAIN, FAILED = made_runs.name_of(3), made_runs.name_of(4)
READ = (
    ["runs"],
    ["runs", "--json"],
    ["runs", "show", TRAIN],
    ["runs", "show", TRAIN, "--graph"],
    ["runs", "table", "--columns", "all"],
    ["runs", "gc", "--dry-run"],
    ["runs", "export", TRAIN, "-o", "{home}/out.zip", "--crate"],
    ["diff", TRAIN, FAILED],
    ["diff", TRAIN, FAILED, "--html", "{home}/out.html"],
    ["report", TRAIN, "-o", "{home}/out.html"],
)
WRITE = (
    ["run", "{home}/05_x.ipynb", "--force"],
    ["run", "{home}/05_x.ipynb"],
    ["runs", "gc", "--yes"],
    ["runs", "rm", TRAIN],
    ["runs", "rm", made_runs.name_of(2), "--with-dependents", "--yes"],
    ["runs", "import", "{home}/in.zip"],
    ["report", TRAIN],
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Three stages of runs, one that died while it said "running", and a temporary folder that was left."""
    monkeypatch.setenv("PROSODY_SETUP", "off")
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.delenv("PROSODY_RUN_DIR", raising=False)
    segment = made_runs.make(tmp_path / "runs", "segment", 1)
    prepare = made_runs.make(tmp_path / "runs", "prepare", 2, of=[segment])
    made_runs.make(tmp_path / "runs", "train", 3, of=[prepare])
    made_runs.make(tmp_path / "runs", "train", 4, of=[prepare], state="failed")
    dead = made_runs.make(tmp_path / "runs", "train", 5, of=[prepare], state="running", how="headless", locked=True)
    (dead / ".alive").touch()
    sent = made_runs.make(tmp_path / "runs", "train", 6, of=[prepare])
    assert told(["runs", "export", sent.name, "-o", "{home}/in.zip"], tmp_path)[0] == 0
    shutil.rmtree(sent)
    old = tmp_path / "runs" / "train" / ".tmp-0123456789ab"
    old.mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), tmp_path / "05_x.ipynb")
    return tmp_path


def told(words: list[str], home: Path) -> tuple[int, str, list[str]]:
    """What the command line says: its exit code, stdout, and the lines on stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
        code = cli.main([word.format(home=home) for word in words])
    return code, out.getvalue(), err.getvalue().splitlines()


def all_of(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("words", READ, ids=" ".join)
def test_what_reads_reads_on(home, words, number):
    before = all_of(home / "runs")
    with full_disk(home / "runs", 0, stays=True, number=number):
        code, _, err = told(words, home)
    assert code == 0, err
    assert not [line for line in err if "read-only" in line or "Errno" in line]
    assert all_of(home / "runs") == before


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("words", WRITE, ids=" ".join)
def test_what_writes_says_so_in_a_line_and_changes_nothing(home, words, number, monkeypatch):
    monkeypatch.setattr("prosody.workflow.collect._STALE_S", -1.0)
    before = all_of(home / "runs")
    with full_disk(home / "runs", 0, stays=True, number=number):
        code, out, err = told(words, home)
    assert (code, len(err)) == (2, 1), (out, err)
    assert ("read-only" if number == errno.EROFS else "ermi") in err[0].lower(), err
    assert err[0].count(" — ") == 1 and "Errno" not in err[0] and ".tmp-" not in err[0], err
    assert all_of(home / "runs") == before


def test_a_run_that_died_there_is_told_as_dead(home):
    with full_disk(home / "runs", 0, stays=True, number=errno.EROFS):
        (dead,) = (run for run in record.runs(home / "runs") if run.id == made_runs.name_of(5))
    assert dead.state == "killed"


def test_one_that_is_at_work_there_is_at_work(home):
    folder = record.start("segment", {}, runs=home / "runs", how="headless")
    with full_disk(home / "runs", 0, stays=True, number=errno.EROFS):
        assert record.read(folder).state == "running"
        code, _, err = told(["runs", "rm", folder.name], home)
    assert (code, len(err)) == (2, 1) and "is at work" in err[0]
    record.end(folder, "ok", code=0)


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anyway")
def test_folders_without_the_right_to_write(home):
    folders = [home / "runs", *(path for path in (home / "runs").rglob("*") if path.is_dir())]
    before = all_of(home / "runs")
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert [told(words, home)[0] for words in READ] == [0] * len(READ)
        assert [told(words, home)[0] for words in WRITE] == [2] * len(WRITE)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert all_of(home / "runs") == before
