"""Two runs that would write to one place: the first has it until it ends, however that is; the other is told."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from prosody import workflow
from prosody.errors import ProsodyError
from prosody.workflow import claims, record, stages
from prosody.workflow.stages import Stage

HOLDS = """
import sys, time
from pathlib import Path
from prosody.workflow.stages import Stage
target, folder, other = sys.argv[1:]
run = Stage("generate", Path(folder), headless=True)
run.output(target)
if other == "in time":
    run.finish({})
print("has it", flush=True)
time.sleep(0 if other == "leave" else 60)
"""


@pytest.fixture(autouse=True)
def _nothing_open(monkeypatch):
    monkeypatch.setattr(stages, "_open_in_lab", {})
    yield
    claims._release_all()


@pytest.fixture
def begun(runs):
    """Begin a run of a stage, as the runner does, and give what its notebook holds."""

    def begin(name: str = "generate") -> Stage:
        return Stage(name, record.start(name, {}, runs=runs, how="headless"), headless=True)

    return begin


@pytest.fixture
def elsewhere(begun):
    """Start a process with a run that has a place; gives the process and the run."""
    started = []

    def start(target: Path, how: str = "stay") -> tuple[subprocess.Popen, Stage]:
        run = begun()
        command = [sys.executable, "-c", HOLDS, str(target), str(run.folder), how]
        process = subprocess.Popen(command, cwd=record.root(), stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert any("has it" in line for line in process.stdout)
        return process, run

    yield start
    for process in started:
        process.kill()
        process.communicate()


def litter(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if ".claimed" in path.name]


def test_a_second_run_is_told_at_once_who_has_the_place(elsewhere, begun, tmp_path):
    target = tmp_path / "out.wav"
    _, first = elsewhere(target)
    target.write_bytes(b"of the first")
    with pytest.raises(ProsodyError) as caught:
        begun().output(target)
    told = f"{target}: is being written by run generate {first.id} — wait until that has ended, or name another file"
    assert str(caught.value) == told
    assert target.read_bytes() == b"of the first"
    begun().output(tmp_path / "other.wav")  # another place is free


def test_one_place_under_many_names(elsewhere, begun, tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "out.wav"
    elsewhere(target)
    monkeypatch.chdir(tmp_path)
    run = begun()
    names = [tmp_path / "real" / ".." / "real" / "out.wav", os.path.relpath(target, run.artifacts)]
    if os.name == "posix":
        (tmp_path / "link").symlink_to("real")
        (tmp_path / "alias.wav").symlink_to(target)
        names += [tmp_path / "link" / "out.wav", tmp_path / "alias.wav"]
    if (tmp_path / "REAL").exists():
        names.append(tmp_path / "REAL" / "OUT.WAV")
    for name in names:
        with pytest.raises(ProsodyError, match="is being written by run generate"):
            begun().output(name)


@pytest.mark.skipif(os.name == "nt", reason="a link may need rights")
def test_a_link_that_is_replaced_keeps_its_own_place_too(begun, tmp_path):
    target, alias = tmp_path / "out.wav", tmp_path / "alias.wav"
    alias.symlink_to(target)
    first = begun()
    first.output(alias)
    alias.unlink()
    alias.write_bytes(b"renamed over the link")
    for name in (alias, target):
        with pytest.raises(ProsodyError, match=first.id):
            begun().output(name)
    first.finish({})
    begun().output(alias)


@pytest.mark.skipif(os.name == "nt", reason="kills by signal")
def test_a_killed_run_lets_go_and_nobody_has_to_help(elsewhere, begun, tmp_path):
    target = tmp_path / "out.wav"
    process, _ = elsewhere(target)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert litter(tmp_path)  # it could not take its files away
    second = begun()
    second.output(target).write_bytes(b"x")
    with pytest.raises(ProsodyError, match=second.id):
        begun().output(target)
    second.finish({})
    assert litter(tmp_path) == []
    begun().output(target)


@pytest.mark.parametrize("how", ["leave", "in time"])
def test_the_place_is_free_and_clean_when_a_run_is_over(elsewhere, begun, tmp_path, how):
    process, _ = elsewhere(tmp_path / "out.wav", how)
    if how == "leave":  # a cell failed, say: the process ends without finish
        process.wait(10)
    assert litter(tmp_path) == []
    begun().output(tmp_path / "out.wav")


def test_run_all_once_more_takes_the_place_over(runs, tmp_path):
    workflow.stage("generate", {}).output(tmp_path / "out.wav")
    again = workflow.stage("generate", {})
    again.output(tmp_path / "out.wav")
    again.output(tmp_path / "out.wav")
    with pytest.raises(ProsodyError, match=f"by run generate {again.id}"):  # another stage in the same kernel
        workflow.stage("train", {}).output(tmp_path / "out.wav")
    again.finish({})
    assert litter(tmp_path) == []


def test_what_lies_in_the_runs_own_folder_needs_no_claim(begun):
    run = begun()
    for name in ("deep/answer.wav", run.artifacts / "b.wav", run.artifacts / "x" / ".." / "c.wav"):
        run.output(name).write_bytes(b"x")
    assert claims._held == []
    assert litter(run.artifacts) == []


def test_an_output_by_a_way_up_out_of_the_folder_is_recorded(begun, tmp_path):
    run = begun()
    run.output(os.path.relpath(tmp_path / "up.wav", run.artifacts)).write_bytes(b"xx")
    run.finish({})
    assert '"bytes": 2' in (run.folder / "outputs.json").read_text()


def test_a_folder_that_can_hold_nothing_is_a_mistake_in_one_line(begun, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ProsodyError, match=r"out\.wav: a part of the path is not a folder — check the name"):
        begun().output(tmp_path / "file" / "out.wav")
    with pytest.raises(ProsodyError, match="the name is too long — give a shorter one"):
        begun().output(tmp_path / ("x" * 300) / "out.wav")
    assert claims._held == []


def test_a_folder_that_may_not_be_written_is_a_mistake_in_one_line(begun, tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    run = begun()
    monkeypatch.setattr(Path, "touch", refuse)  # (root may write anywhere)
    with pytest.raises(ProsodyError, match=r"out\.wav: may not be read or written"):
        run.output(tmp_path / "out.wav")


@pytest.mark.parametrize("error", [OSError(37, "No locks available"), NotImplementedError()])
def test_a_file_system_without_locks_breaks_no_run(begun, tmp_path, monkeypatch, error):
    def fail(*args, **options):
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", fail)
    run = begun()
    assert run.output(tmp_path / "out.wav") == tmp_path / "out.wav"
    run.finish({})


def test_a_lock_on_a_file_that_has_lost_its_name_is_taken_anew(begun, tmp_path, monkeypatch):
    target, acquire, lost = tmp_path / "out.wav", filelock.FileLock.acquire, []

    def lose(self, *args, **options):  # as if whoever had it took it away in between
        got = acquire(self, *args, **options)
        if not lost:
            lost.append(self.lock_file)
            os.unlink(self.lock_file)
        return got

    first = begun()
    monkeypatch.setattr(filelock.FileLock, "acquire", lose)
    first.output(target)
    monkeypatch.undo()
    assert lost
    with pytest.raises(ProsodyError, match=first.id):
        begun().output(target)


def test_a_long_name_and_a_device(begun, tmp_path):
    begun().output(tmp_path / ("ü" * 120 + ".wav"))
    with pytest.raises(ProsodyError, match="is being written by"):
        begun().output(tmp_path / ("ü" * 120 + ".wav"))
    for _ in range(2):
        begun().output(os.devnull)
