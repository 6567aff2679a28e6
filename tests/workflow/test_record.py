import itertools
import json
import os
import platform
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import filelock
import numpy as np
import pytest

from prosody.errors import ProsodyError
from prosody.workflow import listing, record

DESIGN_FILES = {
    "params.json", "status.json", "git.json", "packages.txt", "machine.json", "inputs.json", "outputs.json",
    "upstream.json", "metrics.json", "log.txt", "tb", "artifacts",
}  # fmt: skip


def a_run(runs: Path, stage: str = "segment", state: str = "ok", **more) -> Path:
    folder = record.start(stage, {"epochs": 3}, runs=runs, how="headless")
    if state != "running":
        record.end(folder, state, code=0 if state == "ok" else 1, **more)
    return folder


def test_a_new_run_has_every_file_and_is_running(runs):
    folder = a_run(runs, state="running")
    assert {path.name for path in folder.iterdir()} - {"dirty.patch", ".alive"} == DESIGN_FILES
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", folder.name)
    run = record.read(folder)
    assert (run.state, run.stage, run.id) == ("running", "segment", folder.name)
    assert run.status["pid"] == os.getpid()
    assert json.loads((folder / "params.json").read_text()) == {"epochs": 3}


def test_many_runs_that_start_in_one_second_get_ids_of_their_own(runs, monkeypatch):
    monkeypatch.setattr(record, "machine", dict)  # (slow, and the same for all)
    monkeypatch.setattr(record, "packages", list)
    monkeypatch.setattr(record.source_code, "write", lambda folder, clone: None)
    drawn, together = itertools.count(), threading.Barrier(20)
    monkeypatch.setattr(record, "datetime", SimpleNamespace(now=lambda zone: datetime(2026, 11, 28, tzinfo=zone)))
    monkeypatch.setattr(record.secrets, "token_hex", lambda n: f"{next(drawn) // 7:06x}")  # seven at a time collide

    def start(k: int) -> Path:
        together.wait()
        return record.start("tiny", {"k": k}, runs=runs, how="headless")

    with ThreadPoolExecutor(20) as pool:
        folders = list(pool.map(start, range(20)))
    assert next(drawn) > 100  # so many were refused
    assert len(set(folders)) == 20
    for k, folder in enumerate(folders):
        assert json.loads((folder / "params.json").read_text()) == {"k": k}
        assert record.read(folder).status["id"] == folder.name
    assert sorted(path.name for path in (runs / "tiny").iterdir()) == sorted(folder.name for folder in folders)


def test_who_looks_when_a_run_ends_leaves_no_lock_behind(runs, monkeypatch):
    folder = a_run(runs, state="running")
    acquire = filelock.FileLock.acquire

    def end_first(self, *args, **options):  # the run ends after it was seen to be running, before its lock is tried
        monkeypatch.undo()
        record.end(folder, "ok", code=0)
        return acquire(self, *args, **options)

    monkeypatch.setattr(filelock.FileLock, "acquire", end_first)
    assert record.read(folder).state == "ok"
    assert not (folder / ".alive").exists()


def test_the_end_is_written_down(runs):
    run = record.read(a_run(runs, state="failed", error={"name": "ValueError"}))
    assert (run.state, run.status["exit"], run.status["error"]["name"]) == ("failed", 1, "ValueError")
    assert run.status["seconds"] >= 0


def test_the_machine_is_described_without_its_name(runs):
    folder = a_run(runs)
    machine = json.loads((folder / "machine.json").read_text())
    assert machine["cores"] == os.cpu_count()
    assert machine["memory_gb"] > 0
    assert machine["python"] == platform.python_version()
    text = "".join(path.read_text() for path in folder.glob("*.json"))
    if len(platform.node()) > 3 and platform.node() != "localhost":
        assert platform.node() not in text


def test_git_and_packages_are_recorded(runs):
    folder = a_run(runs)
    git = json.loads((folder / "git.json").read_text())
    if git["commit"] is not None:
        assert re.fullmatch(r"[0-9a-f]{40}", git["commit"])
        assert git["dirty"] == (folder / "dirty.patch").exists()
    assert any(line.startswith("numpy==") for line in (folder / "packages.txt").read_text().splitlines())


@pytest.mark.parametrize(("how", "state"), [("headless", "killed"), ("lab", "interrupted")])
def test_a_running_run_whose_process_is_gone_is_ended(runs, how, state):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folder = record.start("train", {}, runs=runs, how=how)
    record.write_status(folder, pid=gone.pid, process_started=0.0)
    assert record.read(folder).state == state
    assert json.loads((folder / "status.json").read_text())["status"] == state


@pytest.mark.parametrize("of_older", [{}, {"process_started_after_boot": None}])
def test_a_number_taken_by_another_process_is_not_ours(runs, of_older):
    folder = a_run(runs, state="running")
    another = {"process_started": 1.0, "process_started_after_boot": 1.0, **of_older}
    record.write_status(folder, **another)  # this pid, another start
    assert record.read(folder).state == "killed"


def test_latest_is_the_newest_ok_run_of_the_stage(runs):
    first, second = a_run(runs, "train"), a_run(runs, "train")
    a_run(runs, "train", "failed")
    a_run(runs, "segment")
    assert record.find(runs, "train").id == second.name
    assert record.find(runs, "train", first.name).id == first.name
    assert record.find(runs, "generate") is None


def test_a_run_is_found_by_the_start_of_its_id(runs):
    folder = a_run(runs)
    assert record.find(runs, "segment", folder.name[:-2]).id == folder.name
    with pytest.raises(ProsodyError, match="'nope' is no run of segment"):
        record.find(runs, "segment", "nope")
    a_run(runs)
    with pytest.raises(ProsodyError, match="the start of several runs"):
        record.find(runs, "segment", "2")


def test_a_run_that_failed_is_not_taken(runs):
    folder = a_run(runs, state="failed")
    with pytest.raises(ProsodyError, match="is failed"):
        record.find(runs, "segment", folder.name)


def test_broken_records_are_passed_over(runs):
    folder = a_run(runs)
    for name, content in (("a", "{"), ("b", "[]"), ("c", '{"x": 1}'), ("d", '{"status": ["ok"]}')):
        (runs / "segment" / name).mkdir()
        (runs / "segment" / name / "status.json").write_text(content)
    assert [run.id for run in record.runs(runs)] == [folder.name]


@pytest.mark.parametrize("content", ["{", "", "[1]", '"x"', "{\x00", None])
def test_a_run_without_readable_figures_is_a_run_all_the_same(runs, content):
    folder = a_run(runs)
    if content is None:
        (folder / "metrics.json").unlink()
    else:
        (folder / "metrics.json").write_text(content)
    run = record.find(runs, "segment")
    assert (run.id, run.metrics) == (folder.name, {})
    assert folder.name in listing.table([run])


@pytest.mark.parametrize("seconds", ["x", None, -5, 1e300, [1]])
def test_a_damaged_status_is_listed_in_one_plain_line(runs, seconds):
    folder = a_run(runs)
    record.write_status(folder, seconds=seconds, status="ok\x1b[31m\n")
    (_, line) = listing.table(record.runs(runs)).splitlines()
    assert line.isprintable()
    assert line.split()[-1] == "-"


def test_a_place_that_cannot_hold_runs_is_told(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "segment").symlink_to(tmp_path / "gone")
    for runs in (tmp_path / "file", tmp_path):
        with pytest.raises(ProsodyError, match=r"segment: cannot hold the record of a run .* — set PROSODY_RUNS_DIR"):
            a_run(runs)


def test_plain_values():
    given = {"a": np.float32(0.5), "b": float("nan"), "c": (1, np.int64(2)), "d": Path("x"), 5: None, "e": np.arange(2)}
    assert record.plain(given) == {"a": 0.5, "b": None, "c": [1, 2], "d": "x", "5": None, "e": [0, 1]}


def test_paths_are_relative_to_the_run_or_the_clone(runs):
    folder = a_run(runs)
    assert record.shown(folder / "artifacts" / "x.wav", folder) == "artifacts/x.wav"
    assert record.shown(record.root() / "notebooks" / "x.ipynb", folder) == "notebooks/x.ipynb"
    assert not os.path.isabs(record.shown(folder.parent.parent / "talk.wav", folder))


def test_files_are_described_with_their_hash(runs):
    folder = a_run(runs)
    (folder / "artifacts" / "deep").mkdir()
    (folder / "artifacts" / "deep" / "x.txt").write_text("x")
    (entry,) = record.described(folder / "artifacts", folder)
    assert entry["path"] == "artifacts/deep/x.txt"
    assert entry["bytes"] == 1
    assert entry["sha256"].startswith("2d711642b726b04401627ca9fbac32f5")
