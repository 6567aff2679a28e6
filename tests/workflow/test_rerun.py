"""Runs made again, and runs that need not be made again. Each kernel takes seconds: few runs, many questions."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from prosody import cli
from prosody.errors import ProsodyError
from prosody.workflow import record, rerun, reuse, runner, verify
from prosody.workflow.progress import Progress

SEGMENT = """\
from prosody import workflow
run = workflow.stage("segment", globals())
source = run.input(audio)
text = source.read_text() * epochs
run.output("cut.txt").write_text(text)
run.finish({"segments": epochs, "seconds_of_work": __import__("time").time()})
"""
PREPARE = """\
from prosody import workflow
run = workflow.stage("prepare", globals())
text = (run.upstream("segment", segment_run) / "cut.txt").read_text()
run.output("dataset.txt").write_text(text[::-1])
run.finish({"examples": len(text)})
"""
OF_PREPARE = 'segment_run: str = "latest"  # which\ninteractive: bool = True\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs, one made from the other, and what they were made of. To be copied, never changed."""
    import nbformat

    folder = tmp_path_factory.mktemp("made")
    (folder / "talk.txt").write_text("abc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(record.RUNS_DIR, str(folder / "runs"))
        patch.delenv("PROSODY_RUN_DIR", raising=False)
        cells = {"01_segment": ("audio: str = ''  # file\nepochs: int = 2\ninteractive: bool = True\n", SEGMENT)}
        cells["02_prepare"] = (OF_PREPARE, PREPARE)
        for name, (parameters, source) in cells.items():
            tagged = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
            nbformat.write(
                nbformat.v4.new_notebook(cells=[tagged, nbformat.v4.new_code_cell(source)]), folder / f"{name}.ipynb"
            )
        runner.run_notebook(folder / "01_segment.ipynb", {"audio": str(folder / "talk.txt")}, progress=quiet())
        runner.run_notebook(folder / "02_prepare.ipynb", progress=quiet())
    return folder


@pytest.fixture
def there(made, tmp_path, monkeypatch):
    """A copy of them, with its folder of runs in use. The recording lies where it lay."""
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.setenv(record.RUNS_DIR, str(tmp_path / "here" / "runs"))
    monkeypatch.delenv("PROSODY_RUN_DIR", raising=False)
    yield tmp_path / "here"
    (made / "talk.txt").write_text("abc")


def quiet() -> Progress:
    return Progress(stream=open(os.devnull, "w"))


def the(there: Path, stage: str) -> record.Run:
    return record.find(there / "runs", stage)


def test_a_run_made_again_is_the_same_to_the_byte(there, capsys):
    first = the(there, "prepare")
    assert cli.main(["rerun", first.id[:-2], "--verify", "--chain", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["verdict"] for one in told] == ["equal", "identical"]  # a metric of the first one is a time
    assert [one["rerun_of"] for one in told] == [the(there, "segment").status["rerun_of"], first.id]
    new = the(there, "prepare")
    assert (new.id, new.status["rerun_of"]) == (told[1]["run"], first.id)
    upstream = json.loads((new.folder / "upstream.json").read_text())
    assert upstream == {"segment": told[0]["run"]}
    assert json.loads((new.folder / "params.json").read_text())["segment_run"] == told[0]["run"]
    cells = [json.loads((run.folder / "notebook.ipynb").read_text())["cells"][-1]["source"] for run in (first, new)]
    assert cells[0] == cells[1]


def test_a_run_whose_outputs_came_out_otherwise_ends_with_1(there, capsys):
    first = the(there, "segment")
    outputs = json.loads((first.folder / "outputs.json").read_text())
    (first.folder / "artifacts" / "cut.txt").write_text("abcabd")
    outputs[0]["sha256"] = record.described(first.folder / "artifacts" / "cut.txt", first.folder)[0]["sha256"]
    (first.folder / "outputs.json").write_text(json.dumps(outputs))
    assert cli.main(["rerun", "segment", "--verify"]) == 1
    told = capsys.readouterr()
    assert "different  artifacts/cut.txt: line 1: 'abcabd' then, 'abcabc' now" in told.err
    assert told.out.strip() == the(there, "segment").id


def test_inputs_that_are_gone_or_changed_are_named(there, made, capsys):
    (the(there, "segment").artifacts / "cut.txt").write_text("other.")
    assert cli.main(["rerun", "prepare"]) == 2
    error = capsys.readouterr().err
    assert "can't be made again: " in error and "cut.txt is not what it was" in error
    (made / "talk.txt").unlink()
    assert cli.main(["rerun", "segment"]) == 2
    assert "talk.txt is gone" in capsys.readouterr().err
    assert len(record.runs(there / "runs")) == 2


def test_a_run_without_its_notebook_is_told(there, capsys):
    (the(there, "segment").folder / "notebook.ipynb").unlink()
    assert cli.main(["rerun", "segment"]) == 2
    assert "its notebook was never saved" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "{", "[]", '"x"'])
def test_a_damaged_record_is_one_line(there, capsys, content):
    (the(there, "segment").folder / "params.json").write_text(content)
    assert cli.main(["rerun", "segment"]) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert "params.json" in line


def test_other_packages_are_told(there):
    run = the(there, "segment")
    lines = (run.folder / "packages.txt").read_text().splitlines()
    assert rerun.other_packages(run) == []
    lines = [line if not line.startswith("numpy==") else "numpy==0.9" for line in lines] + ["zzz-gone==1.0"]
    (run.folder / "packages.txt").write_text("\n".join(lines))
    told = rerun.other_packages(run)
    assert told[0].startswith("numpy 0.9, now ")
    assert told[1] == "zzz-gone 1.0, now not installed"


def test_the_same_run_is_found_and_any_difference_makes_another(there, made):
    runs, first = there / "runs", the(there, "segment")
    given = {"audio": str(made / "talk.txt"), "epochs": "2"}
    assert reuse.find(there / "01_segment.ipynb", given, runs=runs).id == first.id
    assert reuse.find(there / "01_segment.ipynb", given | {"epochs": 3}, runs=runs) is None
    prepared = the(there, "prepare")
    assert reuse.find(there / "02_prepare.ipynb", {}, runs=runs).id == prepared.id
    assert reuse.find(there / "02_prepare.ipynb", {"segment_run": first.id[:-1]}, runs=runs).id == prepared.id
    for name, old, new in (
        ("git.json", '"package_sha256": "', '"package_sha256": "0'),
        ("packages.txt", "numpy==", "numpy==0."),
        ("machine.json", '"python": "3', '"python": "2'),
        ("notebook.ipynb", "text[::-1]", "text[::-2]"),
        ("upstream.json", first.id, first.id[:-6] + "000000"),
        ("outputs.json", '"bytes": 6', '"bytes": 7'),
        ("params.json", "{", "["),
    ):
        path = prepared.folder / name
        kept = path.read_text()
        assert old in kept, name
        path.write_text(kept.replace(old, new))
        assert reuse.find(there / "02_prepare.ipynb", {}, runs=runs) is None, name
        path.write_text(kept)
    assert reuse.find(there / "02_prepare.ipynb", {}, runs=runs).id == prepared.id
    (made / "talk.txt").write_text("abd")
    assert reuse.find(there / "01_segment.ipynb", given, runs=runs) is None


def test_a_command_takes_the_same_run_unless_forced(there, made, capsys):
    first = the(there, "segment")
    command = ["run", str(there / "01_segment.ipynb"), f"audio={made / 'talk.txt'}"]
    assert cli.main(command) == 0
    told = capsys.readouterr()
    assert told.out.strip() == first.id
    assert "code, data and parameters are those of an earlier run" in told.err
    assert cli.main([*command, "--force"]) == 0
    assert capsys.readouterr().out.strip() == the(there, "segment").id != first.id


def test_a_file_whose_content_the_record_does_not_hold_is_never_taken_for_the_same(there, made):
    first = the(there, "segment")
    params = json.loads((first.folder / "params.json").read_text())
    (first.folder / "inputs.json").write_text("[]")
    assert Path(params["audio"]).expanduser().exists()
    assert reuse.find(there / "01_segment.ipynb", {"audio": str(made / "talk.txt")}, runs=there / "runs") is None


@pytest.mark.skipif(not (record.root() / ".git").exists(), reason="not a git repository")
def test_older_code_is_laid_out_again_for_its_runs(tmp_path, made):
    """A clone in which the package changes between the run and its repetition."""
    clone, runs = tmp_path / "clone", tmp_path / "runs"
    subprocess.run(["git", "clone", "-q", str(record.root()), str(clone)], check=True)
    for name in ("prosody", "requirements.lock", "pyproject.toml"):  # what is not committed yet, too
        there = record.root() / name
        if there.is_dir():
            shutil.copytree(there, clone / name, dirs_exist_ok=True)
        else:
            shutil.copy2(there, clone / name)
    notebook = tmp_path / "07_version.ipynb"
    source = "from prosody import workflow, colour\nrun = workflow.stage('07_version')\nprint(workflow.root())\n"
    source += "run.output('colour.txt').write_text(colour.NAME)\nrun.finish({})"
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
    notebook.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))

    def prosody(*words: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(clone), "PROSODY_SETUP": "off", record.RUNS_DIR: str(runs)}
        environment.pop(record.ROOT_DIR, None)
        done = subprocess.run(
            [sys.executable, "-m", "prosody", *words], cwd=clone, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    (clone / "prosody" / "colour.py").write_text("NAME = 'blue'\n")
    first = prosody("run", str(notebook))
    (clone / "prosody" / "colour.py").write_text("NAME = 'green'\n")
    second = prosody("run", str(notebook))
    assert first != second
    third = prosody("rerun", first, "--verify")
    colours = {run.id: (run.artifacts / "colour.txt").read_text() for run in record.runs(runs)}
    assert colours == {first: "blue", second: "green", third: "blue"}
    run = record.find(runs, "07_version", third)
    assert str(clone) not in (run.folder / "log.txt").read_text()
    assert verify.verdict(verify.outputs(record.find(runs, "07_version", first), run)) == verify.IDENTICAL
    listed = subprocess.run(["git", "worktree", "list"], cwd=clone, capture_output=True, text=True).stdout
    assert len(listed.splitlines()) == 1
    state = json.loads((run.folder / "git.json").read_text())
    assert "prosody/colour.py" in state["untracked"]


def test_what_was_never_run_cannot_be_run_again(runs, capsys):
    assert cli.main(["rerun", "latest"]) == 2
    assert "holds no runs" in capsys.readouterr().err


def test_a_chain_that_is_broken_is_told(there):
    shutil.rmtree(the(there, "segment").folder)
    with pytest.raises(ProsodyError, match="is no run of segment"):
        rerun.chain(the(there, "prepare"))


POINT = """\
from prosody import workflow
run = workflow.stage("tiny", {})
run.output("told.txt").write_text(f"{rate} {seed}")
run.finish({"score": rate + seed / 10})
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder with a sweep's two points and its summary. To be copied, never changed."""
    import nbformat

    folder = tmp_path_factory.mktemp("swept")
    cells = [nbformat.v4.new_code_cell("rate: float = 1.0\nseed: int = 0\n", metadata={"tags": ["parameters"]})]
    nbformat.write(nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell(POINT)]), folder / "tiny.ipynb")
    (folder / "sweep.yaml").write_text("notebook: tiny.ipynb\nmetric: score\ngrid: {rate: [1.5], seed: [0, 1]}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(record.RUNS_DIR, str(folder / "runs"))
        patch.delenv("PROSODY_RUN_DIR", raising=False)
        assert cli.main(["sweep", str(folder / "sweep.yaml"), "--workers", "2"]) == 0
    return folder


@pytest.fixture
def of_a_sweep(swept, tmp_path, monkeypatch):
    shutil.copytree(swept, tmp_path / "here")
    monkeypatch.setenv(record.RUNS_DIR, str(tmp_path / "here" / "runs"))
    monkeypatch.delenv("PROSODY_RUN_DIR", raising=False)
    return tmp_path / "here"


def test_the_summary_of_a_sweep_made_again_tells_of_the_same_runs(of_a_sweep, capsys):
    first = the(of_a_sweep, "sweep")
    assert cli.main(["rerun", first.id, "--verify", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["rerun_of"]) == ("identical", first.id)
    assert {one["path"]: one["verdict"] for one in told["outputs"]}["artifacts/table.csv"] == "identical"
    new = the(of_a_sweep, "sweep")
    assert new.id == told["run"] and new.metrics["n"] == 2 and new.metrics == first.metrics
    upstream = [json.loads((run.folder / "upstream.json").read_text()) for run in (first, new)]
    assert upstream[0] == upstream[1] and len(upstream[0]["tiny"]) == 2
    assert len(record.runs(of_a_sweep / "runs", "tiny")) == 2  # the points themselves are not run again


def test_a_point_of_a_sweep_made_again_is_the_same_to_the_byte(of_a_sweep, capsys):
    second = record.runs(of_a_sweep / "runs", "tiny")[1]
    assert cli.main(["rerun", second.id, "--verify", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["rerun_of"], told["stage"]) == ("identical", second.id, "tiny")
    new = record.runs(of_a_sweep / "runs", "tiny")[-1]
    values = [json.loads((run.folder / "params.json").read_text()) for run in (second, new)]
    assert new.id == told["run"] and values[0] == values[1] and new.metrics == second.metrics
    assert "sweep" not in new.status  # it is no point of that sweep, which goes on to name its own


def test_a_summary_whose_point_is_gone_is_not_made_again_in_silence(of_a_sweep, capsys):
    gone = record.runs(of_a_sweep / "runs", "tiny")[0]
    shutil.rmtree(gone.folder)
    assert cli.main(["rerun", "sweep"]) == 2
    assert gone.id in capsys.readouterr().err


def test_a_summary_is_not_made_again_with_its_chain_but_says_so(of_a_sweep, capsys):
    assert cli.main(["rerun", "sweep", "--chain"]) == 2
    told = capsys.readouterr().err
    assert "was made from several runs of tiny, as a sweep's summary is" in told and "without --chain" in told
    assert len(record.runs(of_a_sweep / "runs", "sweep")) == 1
