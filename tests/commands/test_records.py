"""`runs` and its actions from outside: the table as text, JSON, CSV and Parquet, and folders that are no run."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from prosody import cli
from prosody.files import write_json
from prosody.workflow import record


@pytest.fixture(autouse=True)
def recorded(tmp_path, monkeypatch):
    """Three runs, of which one failed; gives their ids."""
    monkeypatch.setenv("PROSODY_SETUP", "off")
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "runs"))
    ids = []
    for k, (stage, state) in enumerate((("train", "ok"), ("train", "failed"), ("segment", "ok"))):
        params = {
            "epochs": k + 1,
            "note": ["=1+1", 'a "quoted", part'][k % 2],
            "resume": k == 0,
            "mixed": [1, "x"][k % 2],
        }
        folder = record.start(stage, params, runs=tmp_path / "runs", how="headless")
        write_json(folder / "metrics.json", {"macro_f1": 0.5 + k / 10, "f1": {"<emph>": k / 2}}, overwrite=True)
        record.end(folder, state, code=0)
        ids.append(folder.name)
    return ids


def test_the_columns_and_runs_that_are_asked_for(recorded, capsys):
    words = ["runs", "table", "--where", "stage=train", "--where", "f1.<emph><0.9", "--sort", "-macro_f1"]
    assert cli.main([*words, "--columns", "id,epochs,macro_f1"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "epochs", "macro_f1"]
    assert [line.split() for line in lines] == [[recorded[1], "2", "0.6"], [recorded[0], "1", "0.5"]]
    assert cli.main(words) == 0  # without columns: the usual ones, and what is chosen and sorted by
    assert capsys.readouterr().out.split()[:6] == ["id", "stage", "status", "seconds", "f1.<emph>", "macro_f1"]


@pytest.mark.parametrize("words", [["runs", "table", "--json"], ["runs", "--json", "table"]])
def test_json_has_all_columns_unless_some_are_named(recorded, capsys, words):
    assert cli.main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in told] == recorded
    assert told[0]["macro_f1"] == 0.5 and told[0]["resume"] is True and told[2]["status"] == "ok"


def test_csv_comes_back_as_it_was(recorded, capsys, tmp_path):
    out = tmp_path / "runs.csv"
    assert cli.main(["runs", "table", "--csv", str(out), "--sort=-epochs", "--columns", "id,note,resume,epochs"]) == 0
    with open(out, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["id", "note", "resume", "epochs"]
    assert rows[2] == [recorded[1], 'a "quoted", part', "false", "2"]
    assert capsys.readouterr().out == ""
    assert cli.main(["runs", "table", "--csv", str(out)]) == 2  # nothing is replaced silently
    assert "already exists" in capsys.readouterr().err
    assert cli.main(["runs", "table", "--csv", str(out), "--overwrite"]) == 0


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_parquet_keeps_numbers_as_numbers(recorded, tmp_path):
    import pandas

    assert cli.main(["runs", "table", "--parquet", str(tmp_path / "runs.parquet")]) == 0
    frame = pandas.read_parquet(tmp_path / "runs.parquet")
    assert list(frame["id"]) == recorded and list(frame["epochs"]) == [1, 2, 3] and frame["epochs"].dtype == "Int64"
    assert list(frame["macro_f1"]) == pytest.approx([0.5, 0.6, 0.7]) and frame["resume"].dtype == "boolean"
    assert list(frame["mixed"]) == ["1", "x", "1"]  # texts, where not all are numbers


def test_without_pyarrow_parquet_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("prosody.workflow.export_table.find_spec", lambda name: None)
    assert cli.main(["runs", "table", "--parquet", str(tmp_path / "x.parquet")]) == 2
    told = "Parquet needs the package pyarrow, which is not installed — `pip install pyarrow`, or write --csv"
    assert capsys.readouterr().err == f"prosody: {tmp_path / 'x.parquet'}: {told}\n"
    assert not (tmp_path / "x.parquet").exists()


@pytest.mark.parametrize(
    "words", [["--columns", "macro"], ["--sort", "macro"], ["--sort", "-macro"], ["--where", "macro=1"]]
)
def test_an_unknown_column_is_one_line_with_the_nearest(words, capsys):
    assert cli.main(["runs", "table", *words]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "no run has a column" in err and "nearest: macro_f1" in err


def test_no_runs_are_no_trouble(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "none"))
    assert cli.main(["runs", "table", "--json", "--sort", "macro_f1"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("words", [["runs"], ["runs", "--json"], ["runs", "table"]])
def test_folders_that_are_no_readable_run_are_named_at_the_end(recorded, tmp_path, capsys, words):
    for name, content in (("a", "{"), ("b", "[]")):
        (tmp_path / "runs" / "train" / name).mkdir()
        (tmp_path / "runs" / "train" / name / "status.json").write_text(content)
    (tmp_path / "runs" / "review").mkdir()  # nothing of a run in it: none that could be unreadable
    assert cli.main(words) == 0
    out, err = capsys.readouterr()
    assert all(one in out for one in recorded)
    first, second = err.splitlines()
    assert first.startswith("no readable run: ") and "a/status.json: line 1" in first.replace("\\", "/")
    assert "b/status.json: says no status" in second.replace("\\", "/")


@pytest.mark.parametrize("name", ["id", "params.epochs", "started"])
def test_a_column_may_begin_as_an_option_does(recorded, capsys, name):
    assert cli.main(["runs", "table", "--sort", f"-{name}", "--columns", "epochs"]) == 0
    assert capsys.readouterr().out.split()[0] == "epochs"


def test_the_benchmark_of_listing_measures_what_it_says(tmp_path):
    script = Path(__file__).resolve().parents[1] / "benchmarks" / "listing.py"
    words = [sys.executable, str(script), "--runs", "20", "--repeats", "1", "--json", str(tmp_path / "out.json")]
    environment = {**os.environ, "PYTHONPATH": str(script.parents[2])}
    done = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", env=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert told["runs"] == 20 and all(0 < one["median_s"] < 60 for one in told["measures"].values())
    assert "list (`runs`)" in done.stdout and "20 runs" in done.stdout


@pytest.mark.slow
def test_the_benchmark_of_the_record_measures_what_it_says(tmp_path):
    script = Path(__file__).resolve().parents[1] / "benchmarks" / "record.py"
    words = [sys.executable, str(script), "--times", "1", "--json", str(tmp_path / "out.json")]
    environment = {**os.environ, "PYTHONPATH": str(script.parents[2])}
    done = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", env=environment)
    assert done.returncode in (0, 1), done.stderr  # 1: a bar is missed, as on a machine that others use
    told = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    clean, changed = told["clean"], told["changed"]
    assert told["papermill alone"]["s"] > 0.1 and clean["s"] > 0.1
    assert "dirty.patch" not in clean["files"] and changed["files"]["dirty.patch"] > 10_000
    assert clean["bytes"] == sum(clean["files"].values()) < changed["bytes"] < 1_000_000
    assert "papermill alone" in done.stdout and "recorded, changed clone" in done.stdout
