"""`runs`, `runs export` and `runs import`, as they are typed."""

import json
import zipfile

import pytest

from prosody import cli
from prosody.workflow import install, record
from prosody.workflow.exchange import crate


@pytest.fixture
def run(tmp_path, monkeypatch):
    """An ok run of train in a folder of runs of its own."""
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setattr(install, "enter", lambda **_: None)
    folder = record.start("train", {"epochs": 3}, runs=tmp_path / "runs", how="headless")
    (folder / "artifacts" / "said.wav").write_bytes(b"sound")
    record.end(folder, "ok", code=0)
    return folder


def test_runs_without_an_action_lists_them_as_ever(run, capsys):
    assert cli.main(["runs"]) == 0
    assert run.name in capsys.readouterr().out
    assert cli.main(["runs", "--json"]) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == [run.name]


def test_a_run_is_exported_and_imported_and_then_it_is_one_of_them(run, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.zip"
    words = ["runs", "export", "train", "-o", str(out), "--crate", "--without-audio", "--agent", "Anna"]
    assert cli.main(words) == 0
    told = capsys.readouterr()
    assert told.out == f"{out}\n" and "left out: artifacts/said.wav (audio)" in told.err
    with zipfile.ZipFile(out) as packed:
        assert "Anna" in packed.read(crate.METADATA).decode() and "artifacts/said.wav" not in packed.namelist()
    assert cli.main(words) == 2
    assert "already exists" in capsys.readouterr().err
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "elsewhere"))
    assert cli.main(["runs", "import", str(out)]) == 0
    assert capsys.readouterr().out == f"{run.name}\n"
    assert record.find(tmp_path / "elsewhere", "train").id == run.name
    assert cli.main(["runs", "import", str(out)]) == 0
    assert "is here already, and is the same run" in capsys.readouterr().err


def test_a_plain_export_holds_no_crate_and_takes_none_of_its_options(run, tmp_path, capsys):
    assert cli.main(["runs", "export", run.name, "-o", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "out" / crate.METADATA).exists()
    assert (tmp_path / "out" / "artifacts" / "said.wav").read_bytes() == b"sound"
    assert cli.main(["runs", "export", run.name, "-o", str(tmp_path / "two"), "--agent", "Anna"]) == 2
    assert "--agent and --licence are told in an RO-Crate alone — add --crate" in capsys.readouterr().err
    assert not (tmp_path / "two").exists()


def test_what_the_run_made_and_is_no_longer_there_is_told(run, tmp_path, capsys):
    made = record.described(run / "artifacts" / "said.wav", run)
    made.append({**made[0], "path": "artifacts/checkpoints/step_1.pt"})  # the next training has taken it
    record.write_json(run / "outputs.json", made, overwrite=True)
    assert cli.main(["runs", "export", run.name, "-o", str(tmp_path / "one")]) == 0
    assert "incomplete" not in capsys.readouterr().err
    (run / "artifacts" / "said.wav").unlink()
    assert cli.main(["runs", "export", run.name, "-o", str(tmp_path / "two")]) == 0
    assert "incomplete: no longer there, though the run made it: artifacts/said.wav\n" in capsys.readouterr().err
