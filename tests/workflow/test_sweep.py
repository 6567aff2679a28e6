"""Sweeps of a tiny notebook, whose runs take two to four seconds each: so there are few."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from prosody.cli import main
from prosody.errors import ProsodyError
from prosody.workflow import record
from prosody.workflow.sweep import execute
from prosody.workflow.sweep import file as sweep_file
from prosody.workflow.sweep import table as sweep_table

PARAMETERS = "epochs: int = 1\nseed: int = 0\nprepare_run: str = 'latest'\nbase: str = ''\ninteractive: bool = True\n"
WORK = """\
import time
from prosody import workflow
run = workflow.stage("tiny", {})
if epochs == 13:
    raise ValueError("unlucky")
time.sleep(60 if epochs == 99 else 0)
run.finish({"score": epochs + seed / 10, "f1": {"<emph>": 0.5}})
"""


@pytest.fixture
def upstream(runs):
    """An ok run of prepare, which all points are made from."""
    folder = record.start("prepare", {}, runs=runs, how="headless")
    record.end(folder, "ok", code=0)
    return folder.name


@pytest.fixture
def path_of_base(tmp_path):
    folder = tmp_path / "base"
    folder.mkdir()
    return folder


@pytest.fixture
def write(notebook, upstream, tmp_path):
    def written(text: str):
        notebook(WORK, name="tiny.ipynb", parameters=PARAMETERS)
        path = tmp_path / "sweep.yaml"
        path.write_text(f"notebook: tiny.ipynb\nmetric: score\n{text}", encoding="utf-8")
        return path

    return written


def test_two_at_a_time_one_fails_and_the_same_command_goes_on(write, runs, upstream, path_of_base, capsys):
    base = path_of_base / "weights.bin"
    base.write_bytes(b"1")
    path = write(f"parameters: {{base: {json.dumps(str(path_of_base))}}}\ngrid:\n  epochs: [1, 13]\n  seed: [0, 1]\n")
    assert main(["sweep", str(path), "--dry-run"]) == 0
    told = capsys.readouterr()
    assert told.out.count("not run") == 4
    assert not (runs / "tiny").exists()

    assert main(["sweep", str(path), "--workers", "2"]) == 1  # as two points fail
    told = capsys.readouterr()
    assert re.search(r"\[sweep 2 of 4 done, 2 failed  0:00:\d\d < 0:00:00\]", told.err)
    assert "point 3: failed: tiny: cell 3, line 5: ValueError: unlucky" in told.err
    tiny = record.runs(runs, "tiny")
    assert [run.state for run in tiny].count("ok") == 2
    for run in tiny:  # what "latest" meant at the start, and whose point it is
        assert json.loads((run.folder / "params.json").read_text())["prepare_run"] == upstream
        assert run.status["sweep"]["file"].endswith("sweep.yaml")
    first, second = sorted(
        (run.status["started"], run.status["ended"]) for run in tiny if run.status["sweep"]["point"] in (1, 2)
    )
    assert second[0] < first[1]  # at the same time

    summary = record.runs(runs, "sweep")[-1]
    assert (summary.state, summary.metrics["n"], summary.metrics["failed"]) == ("ok", 4, 2)
    assert (summary.metrics["best"], summary.metrics["best_seeds"]) == ({"epochs": 1}, 2)
    assert summary.metrics["best_value"] == pytest.approx(1.05)
    assert summary.metrics["spread_over_seeds"] == pytest.approx(0.1)
    named = json.loads((summary.folder / "upstream.json").read_text())["tiny"]
    assert sorted(named) == sorted(run.id for run in tiny)
    with open(summary.artifacts / "table.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["ok", "ok", "failed", "failed"]
    assert [row["score"] for row in rows] == ["1.0", "1.1", "", ""]
    outputs = (summary.folder / "notebook.ipynb").read_text(encoding="utf-8")
    assert outputs.count("application/vnd.plotly.v1+json") == 2  # over epochs, and over seed
    assert "unlucky" in outputs

    path.write_text(path.read_text().replace("[1, 13]", "[1]"))
    assert main(["sweep", str(path), "--json"]) == 0
    told = capsys.readouterr()
    assert "2 points of tiny, 2 of them there already" in told.err
    assert len(record.runs(runs, "tiny")) == 4  # none was run again
    found = json.loads(told.out)
    assert (found["failed"], found["best_run"]) == (0, found["points"][1]["run"])
    assert [point["value"] for point in found["points"]] == [1.0, 1.1]

    path.write_text(path.read_text().replace("metric: score", "metric: scoer"))
    assert main(["sweep", str(path)]) == 1  # nothing to compare them by
    told = capsys.readouterr().err
    assert re.search(r"is the metric 'scoer' right\? Run \S+ of tiny has no such figure; nearest: score\n", told)
    path.write_text(path.read_text().replace("metric: scoer", "metric: score"))

    base.write_bytes(b"2")  # a parameter names it, and no record of inputs does
    assert main(["sweep", str(path), "--dry-run"]) == 0
    assert "2 points of tiny, 0 of them there already" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="asks by signal")
def test_ctrl_c_ends_what_runs_in_good_order(write, runs):
    path = write("grid: {epochs: [99, 98]}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "prosody", "sweep", str(path)], stderr=subprocess.PIPE, text=True, cwd=record.root()
    )
    limit = time.monotonic() + 30
    while not any("99" in file.read_text() for file in runs.glob("tiny/*/params.json")):
        assert time.monotonic() < limit
        time.sleep(0.1)
    time.sleep(4)  # its cell is at work
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "0 of 2 points are done; the same command goes on with the others" in told
    (run,) = record.runs(runs, "tiny")
    assert (run.state, run.status["reason"]) == ("interrupted", "Ctrl-C")


EDITS = """\
from prosody import workflow
from prosody.workflow import record
run = workflow.stage("tiny", {})
if seed == 1:  # somebody saves the open notebook while this point is at work
    path = record.runs_folder().parent / "tiny.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("better = 0", "better = 5"), encoding="utf-8")
better = 0
run.finish({"score": seed + better})
"""


def test_points_that_ran_other_code_are_told(notebook, runs, tmp_path, capsys):
    notebook(EDITS, name="tiny.ipynb", parameters="seed: int = 0\n")
    path = tmp_path / "sweep.yaml"
    path.write_text("notebook: tiny.ipynb\nmetric: score\ngrid: {seed: [0, 1, 2]}\n")
    assert main(["sweep", str(path)]) == 0
    line = "points 1–2 ran other code than 3: the notebook or the package was edited meanwhile"
    assert line in capsys.readouterr().err
    summary = record.runs(runs, "sweep")[-1]
    assert summary.metrics["codes"] == 2
    assert line in (summary.folder / "notebook.ipynb").read_text(encoding="utf-8")
    assert [run.metrics["score"] for run in record.runs(runs, "tiny")] == [0, 1, 7]


def test_nothing_runs_where_there_is_nothing_to_start_from(notebook, runs, tmp_path):
    notebook(WORK, name="tiny.ipynb", parameters=PARAMETERS)
    path = tmp_path / "sweep.yaml"
    path.write_text("notebook: tiny.ipynb\nlist: [{epochs: 2}]\n")
    with pytest.raises(ProsodyError, match="there is no ok run of prepare to start from"):
        execute.plan(sweep_file.read(path), runs=runs)


def test_a_number_of_workers_that_is_none_is_refused(write, capsys):
    assert main(["sweep", str(write("list: [{}]\n")), "--workers", "0"]) == 2
    assert "--workers: 0 is no number of points at a time" in capsys.readouterr().err


def point(run, state="ok", **values):
    return {"values": values, "run": run, "state": state, "error": None if state == "ok" else "it broke"}


@pytest.fixture
def trained(runs):
    """Points with runs of a score each: two rates with three seeds each, and one that failed."""
    points = []
    scores = {(1, 0): 0.5, (1, 1): 0.7, (1, 2): 0.6, (2, 0): 0.9, (2, 1): 0.5, (2, 2): 0.7}
    for (rate, seed), score in scores.items():
        folder = record.start("tiny", {}, runs=runs, how="headless")
        (folder / "metrics.json").write_text(json.dumps({"score": score, "f1": {"<emph>": 1 - score}}))
        record.end(folder, "ok", code=0)
        points.append(point(folder.name, rate=rate, seed=seed))
    return [*points, point(None, state="failed", rate=3, seed=0)]


def test_the_best_setting_has_the_best_mean_and_noise_is_the_widest_spread_of_seeds(trained, runs):
    rows = sweep_table.rows(trained, stage="tiny", metric="score", runs=runs)
    found = sweep_table.figures(rows, metric="score", goal="max")
    assert (found["best"], found["best_seeds"], found["failed"], found["n"]) == ({"rate": 2}, 3, 1, 7)
    assert found["best_value"] == pytest.approx(0.7)
    assert found["best_run"] == trained[3]["run"]
    assert found["spread_over_seeds"] == pytest.approx(0.4)
    assert sweep_table.figures(rows, metric="score", goal="min")["best"] == {"rate": 1}
    assert sweep_table.varied(rows) == ["rate", "seed"]
    assert "rate 2: mean 0.7, 3 seeds 0.4 apart" in sweep_table.spreads(rows)


def test_a_nested_metric_and_one_that_nobody_has(trained, runs):
    nested = sweep_table.rows(trained, stage="tiny", metric="f1.<emph>", runs=runs)
    assert nested[0].value == pytest.approx(0.5)
    none = sweep_table.rows(trained, stage="tiny", metric="f2", runs=runs)
    assert sweep_table.best(none, goal="max") is None
    assert "no point has a figure 'f2'; there are: f1.<emph>, score" in sweep_table.headline(
        none, metric="f2", goal="max"
    )


def test_which_points_ran_which_code(runs):
    points = []
    for k, package in enumerate("aabacxa"):
        folder = record.start("tiny", {}, runs=runs, how="headless")
        cells = {"cells": [{"cell_type": "code", "source": "x = 1", "metadata": {}, "outputs": [k]}]}
        (folder / "notebook.ipynb").write_text(json.dumps(cells))
        (folder / "git.json").write_text(json.dumps({"package_sha256": package}) if package != "x" else "{}")
        record.end(folder, "ok", code=0)
        points.append(point(folder.name, rate=k))
    rows = sweep_table.rows([*points, point(None, state="failed", rate=9)], stage="tiny", metric="", runs=runs)
    told = "points 1–2, 4, 7 ran other code than 3, and other code than these 5: the notebook or the package was edited"
    assert sweep_table.mixed(rows).startswith(told)
    assert sweep_table.figures(rows, metric="", goal="max")["codes"] == 3
    same = [row for row in rows if row.number in (1, 2, 4, 6, 7, 8)]
    assert sweep_table.mixed(same) == ""
    assert "other code" not in sweep_table.headline(same, metric="", goal="max")


LEAVES = """\
import subprocess, sys
print("the last word", flush=True)
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
sys.stderr.write(f"{left.pid}\\n")
"""


def test_a_point_that_died_is_told_at_once_though_what_it_started_lives_on(monkeypatch, tmp_path):
    """A program that a notebook started by itself keeps the pipe on which the point speaks."""
    process, real = tmp_path / "leaves.py", subprocess.Popen
    process.write_text(LEAVES)
    monkeypatch.setattr(execute.subprocess, "Popen", lambda _, **how: real([sys.executable, str(process)], **how))
    point = execute._Process(execute.Point(1, {}, {}, {}), {})
    began = time.monotonic()
    told = point.answer()
    assert time.monotonic() - began < 10
    os.kill(int(told["error"].split()[-1]), signal.SIGTERM)
