"""`tensorboard` from outside: it serves the runs' scalars under their names, on this machine only."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest

from prosody import cli
from prosody.errors import ProsodyError
from prosody.workflow import boards, record

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def runs(tmp_path, monkeypatch) -> Path:
    """An empty folder of runs, which every part of the package then uses."""
    monkeypatch.setenv("PROSODY_SETUP", "off")
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "runs"))
    return tmp_path / "runs"


def a_run(runs: Path, stage: str = "train", *, losses=(0.5, 0.25), state: str | None = "ok") -> Path:
    folder = record.start(stage, {}, runs=runs, how="headless")
    if losses:
        from prosody.lm.board import board

        with board(folder / "tb") as events:
            for step, loss in enumerate(losses, 1):
                events._scalars("train", {"loss": loss}, step)
    if state is not None:
        record.end(folder, state, code=0)
    return folder


def test_all_runs_of_train_with_events_are_shown_by_stage_and_id(runs):
    one, two = a_run(runs), a_run(runs)
    a_run(runs, losses=())  # nothing to show
    going_on = a_run(runs, losses=(), state=None)  # nothing yet
    a_run(runs, "other")
    names = [f"train/{folder.name}" for folder in (one, two, going_on)]
    assert boards.folders([]) == {name: runs / name / "tb" for name in sorted(names)}
    assert list(boards.folders([two.name, str(one)])) == [f"train/{two.name}", f"train/{one.name}"]


def test_what_cannot_be_shown_is_told_in_one_line(runs, tmp_path, monkeypatch, capsys):
    with pytest.raises(ProsodyError, match="no run has events to show — `make train` makes some"):
        boards.folders([])
    empty = a_run(runs, losses=())
    assert cli.main(["tensorboard", empty.name]) == 2
    assert "tb: holds no events of a training — choose a run of train" in capsys.readouterr().err
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "one, two"))
    a_run(tmp_path / "one, two")
    with pytest.raises(ProsodyError, match="has a comma in its path"):
        boards.folders([])


def test_a_port_that_is_taken_or_none_is_told_in_one_line(runs, capsys):
    a_run(runs)
    with socket.socket() as taken:
        taken.bind((boards.HOST, 0))
        taken.listen()
        assert cli.main(["tensorboard", "--port", str(taken.getsockname()[1])]) == 2
    assert "--port: " in capsys.readouterr().err
    assert cli.main(["tensorboard", "--port", "70000"]) == 2
    assert "--port: is 70000 — give a number from 1 to 65535" in capsys.readouterr().err


def asked(address: str, *, least: int = 1):
    """What TensorBoard answers, asked again until it has read its runs: at least so many entries."""
    direct = build_opener(ProxyHandler({}))
    for _ in range(300):
        try:
            with direct.open(address, timeout=10) as answer:
                found = json.load(answer)
        except URLError:
            found = None
        if found and len(found) >= least:
            return found
        time.sleep(0.2)
    raise AssertionError(address)


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C as POSIX has it")
def test_it_serves_the_scalars_of_each_run_until_ctrl_c(runs):
    one, two = a_run(runs, losses=(0.5, 0.25)), a_run(runs, losses=(0.75,))
    command = [sys.executable, "-m", "prosody", "tensorboard", "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    heeded = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what runs in the background may have it ignored
    with subprocess.Popen(command, cwd=ROOT, preexec_fn=heeded, **pipes) as process:
        address = process.stdout.readline().strip().rstrip("/")
        try:
            assert address.startswith("http://127.0.0.1:")
            assert sorted(asked(f"{address}/data/runs", least=2)) == sorted(f"train/{run.name}" for run in (one, two))
            asked(f"{address}/data/plugin/scalars/tags", least=2)
            points = asked(f"{address}/data/plugin/scalars/scalars?run=train/{one.name}&tag=train/loss")
            assert [point[1:] for point in points] == [[1, 0.5], [2, 0.25]]
        finally:
            process.send_signal(signal.SIGINT)
            try:
                _, err = process.communicate(timeout=60)
            finally:
                process.kill()
    assert process.returncode == 0
    told = [line for line in err.splitlines() if "TensorFlow" not in line]
    assert told == ["2 runs; open this address in a browser, end with Ctrl-C:", "ended"], err
