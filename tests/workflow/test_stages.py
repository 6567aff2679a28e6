import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from prosody import workflow
from prosody.errors import ProsodyError
from prosody.workflow import record, stages


@pytest.fixture(autouse=True)
def _nothing_open(monkeypatch):
    monkeypatch.setattr(stages, "_open_in_lab", {})


def ok_run(runs, stage="segment"):
    folder = record.start(stage, {}, runs=runs, how="headless")
    record.end(folder, "ok", code=0)
    return folder


def test_in_lab_a_stage_is_a_run_of_its_own(runs, capsys):
    run = workflow.stage("segment", {"epochs": 3})
    assert record.read(run.folder).state == "running"
    run.log("a line")
    run.log("a step", show=False)
    (run.artifacts / "x.txt").write_text("x")
    run.finish({"segments": 7})
    recorded = record.read(run.folder)
    assert (recorded.state, recorded.metrics, recorded.status["how"]) == ("ok", {"segments": 7}, "lab")
    assert (run.folder / "log.txt").read_text().startswith("a line\na step\n")
    shown = capsys.readouterr().out
    assert "a line" in shown
    assert "a step" not in shown
    assert record.find(runs, "segment").id == run.id


def test_run_all_once_more_interrupts_the_run_before(runs):
    first = workflow.stage("segment", {})
    second = workflow.stage("segment", {})
    assert (record.read(first.folder).state, record.read(second.folder).state) == ("interrupted", "running")


def test_a_lab_run_whose_kernel_was_closed_is_interrupted(runs):
    code = 'from prosody import workflow; workflow.stage("segment", {})'
    subprocess.run([sys.executable, "-c", code], cwd=record.root(), check=True, capture_output=True)
    assert [run.state for run in record.runs(runs)] == ["interrupted"]


def test_upstream_is_recorded(runs):
    before = ok_run(runs)
    (before / "artifacts" / "cut.wav").write_bytes(b"sound")
    run = workflow.stage("prepare", {})
    assert run.upstream("segment") == before / "artifacts"
    assert json.loads((run.folder / "upstream.json").read_text()) == {"segment": before.name}
    assert run.upstream("segment", before.name[:-1]) == before / "artifacts"
    (entry,) = json.loads((run.folder / "inputs.json").read_text())
    assert (os.path.basename(entry["path"]), entry["bytes"]) == ("cut.wav", 5)


def test_under_the_runner_a_missing_upstream_is_a_mistake(runs, monkeypatch):
    folder = record.start("train", {}, runs=runs, how="headless")
    monkeypatch.setenv("PROSODY_RUN_DIR", str(folder))
    run = workflow.stage("train", {})
    assert run.folder == folder
    with pytest.raises(ProsodyError) as caught:
        run.upstream("prepare")
    assert str(caught.value) == "no ok run of prepare — run `make prepare` first"


def test_in_lab_missing_stages_are_run_first_in_order(runs, monkeypatch, capsys):
    started = []

    class Popen(subprocess.Popen):
        def __init__(self, command, **options):
            started.append(command[-1])
            ok_run(runs, command[-1])
            assert options["env"]["PROSODY_SETUP"] == "off"
            super().__init__([sys.executable, "-c", "import sys; sys.stderr.write('working\\n')"], **options)

    run = workflow.stage("train", {})
    fake = SimpleNamespace(Popen=Popen, PIPE=subprocess.PIPE, DEVNULL=subprocess.DEVNULL)
    monkeypatch.setattr(stages, "subprocess", fake)
    artifacts = run.upstream("prepare")
    assert started == ["segment", "prepare"]
    assert artifacts.parent.parent.name == "prepare"
    assert "no ok run of prepare yet" in capsys.readouterr().out


def test_inputs_are_found_hashed_and_told_once(runs, tmp_path):
    run = workflow.stage("segment", {})
    path = tmp_path / "talk.wav"
    path.write_bytes(b"x")
    assert run.input(path) == path
    run.input(path)
    run.input("pyproject.toml")  # relative to the clone, wherever we are
    entries = json.loads((run.folder / "inputs.json").read_text())
    assert [os.path.basename(entry["path"]) for entry in entries] == ["talk.wav", "pyproject.toml"]
    assert entries[0]["bytes"] == 1
    assert entries[1]["path"] == "pyproject.toml"
    with pytest.raises(ProsodyError, match=r"none\.wav: not found"):
        run.input("none.wav")


def test_a_file_without_a_name_is_refused_and_nothing_hashed(runs):
    run = workflow.stage("segment", {})
    with pytest.raises(ProsodyError, match="segment: a file's name is empty"):
        run.input("")
    assert json.loads((run.folder / "inputs.json").read_text()) == []


def test_a_file_in_the_current_folder_comes_first(runs, tmp_path, monkeypatch):
    run = workflow.stage("segment", {})
    (tmp_path / "pyproject.toml").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert run.input("pyproject.toml").read_text() == "x"


def test_outputs_outside_the_artifacts_are_told_too(runs, tmp_path):
    run = workflow.stage("generate", {})
    run.output("deep/answer.wav").write_bytes(b"xx")
    run.output(tmp_path / "copy.wav").write_bytes(b"xxx")
    run.finish({})
    entries = json.loads((run.folder / "outputs.json").read_text())
    sizes = [(os.path.basename(entry["path"]), entry["bytes"]) for entry in entries]
    assert sizes == [("answer.wav", 2), ("copy.wav", 3)]


def train_run(runs, state):
    folder = record.start("train", {}, runs=runs, how="headless")
    record.end(folder, state, code=0)
    return folder


def test_a_stage_goes_on_from_runs_cut_short_since_the_last_that_went_well(runs):
    train_run(runs, "killed")
    train_run(runs, "ok")
    earlier, later = (train_run(runs, state) for state in ("interrupted", "failed"))
    run = workflow.stage("train", {})
    found = run.checkpoints()
    assert sorted(found) == sorted(folder / "artifacts" / "checkpoints" for folder in (earlier, later))
    assert run.checkpoints("never") is None
    assert run.checkpoints(earlier.name) == [earlier / "artifacts" / "checkpoints"]
    for wrong in ("20990101", "nothing"):
        with pytest.raises(ProsodyError, match=f"resume: no runs of train begin with '{wrong}' — give auto, never, or"):
            run.checkpoints(wrong)


def test_a_stage_goes_on_from_no_run_that_is_at_work(runs):
    cut = train_run(runs, "killed")
    at_work = record.start("train", {}, runs=runs, how="headless")
    run = workflow.stage("train", {})
    assert run.checkpoints() == [cut / "artifacts" / "checkpoints"]
    with pytest.raises(ProsodyError, match=f"resume: run {at_work.name} of train is at work — wait until it has ended"):
        run.checkpoints(at_work.name)
    record.end(at_work, "interrupted", code=130)
    assert run.checkpoints(at_work.name) == [at_work / "artifacts" / "checkpoints"]
