"""Twenty runs started at once: none is lost, each has its own id, and whoever looks meanwhile sees whole records."""

import json
import os
import subprocess
import sys
import time

import nbformat
import pytest

from prosody.workflow import alive, record

pytestmark = pytest.mark.faults
RUNS = 20
PATIENCE_S = 240
WORK = """\
from prosody import workflow
run = workflow.stage("tiny", {})
run.output("told.txt").write_text(f"{value}\\n" * 1000)
run.finish({"value": value})
"""
JSON = ("status", "params", "git", "machine", "inputs", "outputs", "upstream", "metrics")


def test_twenty_runs_started_at_once(tmp_path):
    runs, path = tmp_path / "runs", tmp_path / "tiny.ipynb"
    cells = [nbformat.v4.new_code_cell("value: int = -1\n", metadata={"tags": ["parameters"]})]
    nbformat.write(nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell(WORK)]), path)
    environment = {**os.environ, "PROSODY_SETUP": "off", record.RUNS_DIR: str(runs)}
    command = [sys.executable, "-m", "prosody", "run", str(path), "--force", "-p", "value"]
    how = {"cwd": record.root(), "env": environment, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen([*command, str(k)], **how) for k in range(RUNS)]  # they say little: no pipe is full
    n_looks, limit = 0, time.monotonic() + PATIENCE_S
    try:
        while any(process.poll() is None for process in processes):
            assert time.monotonic() < limit, f"{sum(one.poll() is None for one in processes)} are not done"
            found, wrong = record.look(runs)
            assert [str(one) for one in wrong] == []
            assert {run.state for run in found} <= {"running", "ok"}
            n_looks += 1
            time.sleep(0.05)
    finally:
        for process in processes:
            process.kill()
        told = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * RUNS, told
    assert n_looks > RUNS

    found, wrong = record.look(runs)
    assert (len(found), wrong) == (RUNS, [])
    ids = [out.splitlines()[-1] for out, _ in told]  # the last line that each printed
    assert sorted(ids) == sorted(run.id for run in found)
    assert len(set(ids)) == RUNS
    for value, name in enumerate(ids):
        folder = runs / "tiny" / name
        data = {one: json.loads((folder / f"{one}.json").read_text(encoding="utf-8")) for one in JSON}
        assert (data["status"]["status"], data["status"]["exit"], data["status"]["id"]) == ("ok", 0, name)
        assert (data["params"]["value"], data["metrics"]) == (value, {"value": value})
        assert (folder / "artifacts" / "told.txt").read_text() == f"{value}\n" * 1000
        assert [entry["path"] for entry in data["outputs"]] == ["artifacts/told.txt"]
        assert len(nbformat.read(folder / "notebook.ipynb", 4).cells) == 3  # parameters, those given, work
        assert not (folder / alive.LOCK).exists()
        assert list(folder.rglob(".tmp-*")) == []
