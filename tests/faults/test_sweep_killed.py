"""A sweep that is killed at any moment leaves nothing behind that runs, and the same command finishes it."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from prosody.workflow import record

pytestmark = [pytest.mark.faults, pytest.mark.skipif(os.name == "nt", reason="kills by signal")]
KILLS = 3
WORK = """\
import time
from prosody import workflow
run = workflow.stage("tiny", {})
time.sleep(1)
run.finish({"score": seed})
"""


def processes_of(runs) -> list[int]:
    """Processes that work on these runs."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(record.RUNS_DIR) == str(runs) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def test_a_killed_sweep_goes_on(tmp_path):
    runs, path = tmp_path / "runs", tmp_path / "sweep.yaml"
    cells = [nbformat.v4.new_code_cell("seed: int = 0\n", metadata={"tags": ["parameters"]})]
    cells.append(nbformat.v4.new_code_cell(WORK))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "tiny.ipynb")
    path.write_text("notebook: tiny.ipynb\ngrid: {seed: [0, 1, 2, 3, 4]}\nmetric: score\n")
    environment = {**os.environ, "PROSODY_SETUP": "off", record.RUNS_DIR: str(runs)}
    command = [sys.executable, "-m", "prosody", "sweep", str(path), "--workers", "2"]
    rng = random.Random(7)
    ended: set[str] = set()
    for _ in range(KILLS):
        process = subprocess.Popen(command, cwd=record.root(), env=environment, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(1, 9))
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        limit = time.monotonic() + 10
        while left := processes_of(runs):
            assert time.monotonic() < limit, f"{len(left)} processes live on"
            time.sleep(0.2)
        found = record.runs(runs, "tiny")
        assert {run.state for run in found} <= {"ok", "killed"}
        ok = {run.id for run in found if run.state == "ok"}
        assert ended <= ok
        ended = ok
    done = subprocess.run([*command, "--json"], cwd=record.root(), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [point["value"] for point in told["points"]] == [0, 1, 2, 3, 4]
    assert ended <= {point["run"] for point in told["points"]}  # what was done was not done again
    seeds = [json.loads((run.folder / "params.json").read_text())["seed"] for run in record.runs(runs, "tiny")]
    of_ok = [seed for seed, run in zip(seeds, record.runs(runs, "tiny"), strict=True) if run.state == "ok"]
    assert sorted(of_ok) == [0, 1, 2, 3, 4]  # each once
