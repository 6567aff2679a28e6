"""A training that is killed at any moment, also while it saves, and started again ends with the same bits.

PROSODY_KILLS sets how many kills there are, a fifth of them during a save; few by default, since each costs a start.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "lm"))
from lm_data import rule_book, save_book, write_gpt2

from prosody import files

KILLS = int(os.environ.get("PROSODY_KILLS", "10"))
IN_A_ROW = 5  # kills of one training

pytestmark = [pytest.mark.faults, pytest.mark.skipif(os.name == "nt", reason="kills by signal")]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a dataset and a base model."""
    folder = tmp_path_factory.mktemp("killed")
    write_gpt2(folder / "base")
    save_book(folder / "dataset", rule_book(40, measured=True))
    return folder


def start(home, name, *, epochs=4):
    """Start, or go on with, the training of that name."""
    how = {
        "epochs": epochs,
        "window_words": 15,
        "checkpoint_s": 0,
        "precision": "float32",
        "device": "cpu",
        "acoustic": 0.5,
    }
    told = {"dataset": "dataset", "out": name, "base_model": str(home / "base"), "lora": {"dropout": 0.3}, "train": how}
    path = home / f"{name}.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "prosody.lm.train", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def finished(home, name):
    """Run a training to its end; returns its trace of losses and the hashes of what came out."""
    with start(home, name) as process:
        out = process.communicate(timeout=300)[0]
    assert process.returncode == 0, out
    last = sorted((home / name / "checkpoints").glob("step_*"))[-1]
    steps = json.loads((last / "state.json").read_text())["facts"]["steps"]
    hashes = {p.name: files.sha256(p) for p in (home / name / "janus_prosody_lora").glob("*.safetensors")}
    return [(one[0], one[4], one[5]) for one in steps], hashes


def kill_at_random(process, draw):
    """Kill a training a moment after it has taken a step."""
    for line in process.stdout:
        if line.startswith("Step"):
            break
    time.sleep(draw.uniform(0, 1.5))
    process.send_signal(signal.SIGKILL)


def kill_in_a_save(process, checkpoints):
    """Kill a training while a checkpoint is half written; whether it could be caught at it."""
    for line in process.stdout:
        if line.startswith("Step"):
            break
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if any(name.startswith(".tmp-") for name in os.listdir(checkpoints)):
            process.send_signal(signal.SIGKILL)
            process.wait()
            return any(name.startswith(".tmp-") for name in os.listdir(checkpoints))
    return False


def test_killed_and_started_again_it_ends_with_the_same_bits(home):
    whole = finished(home, "whole")
    assert set(whole[1]) == {"adapter_model.safetensors", "acoustic_head.safetensors"}
    draw, kills, in_saves = random.Random(7), 0, 0
    for chain in range(-(-KILLS // IN_A_ROW)):
        name = f"chain{chain}"
        for k in range(IN_A_ROW):
            with start(home, name) as process:
                if k == IN_A_ROW - 1:
                    in_saves += kill_in_a_save(process, home / name / "checkpoints")
                else:
                    kill_at_random(process, draw)
                process.stdout.read()
            kills += process.returncode == -signal.SIGKILL
        assert finished(home, name) == whole, f"after {kills} kills"
    print(f"{kills} kills, {in_saves} of them during a save: all ended with the same bits")
    assert kills >= KILLS * 0.8  # the last ones of a chain may find it finished
    assert in_saves >= 1


def test_a_second_training_in_one_folder_is_refused(home):
    with start(home, "shared", epochs=1000) as first:
        for line in first.stdout:
            if line.startswith("Step"):
                break
        with start(home, "shared", epochs=1000) as second:
            told = second.communicate(timeout=120)[0]
        first.kill()
        first.stdout.read()
    assert second.returncode == 2
    assert told.splitlines()[-1].endswith("checkpoints: another training is at work there — wait for it, or end it")
