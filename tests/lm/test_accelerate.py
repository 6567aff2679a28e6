"""Training that `accelerate launch` starts, on one machine and on two, is the training that `processes=2` is."""

import json
import os
import socket
import subprocess
import sys

import pytest
from lm_data import rule_book, save_book

from prosody.lm.launch import in_processes
from prosody.lm.lora import LoraParameters
from prosody.lm.parameters import TrainParameters

pytestmark = pytest.mark.slow
HOW = {"epochs": 2, "batch_size": 4, "window_words": 20, "precision": "float32", "device": "cpu"}


@pytest.fixture(scope="module")
def expected(tmp_path_factory, tiny_folder):
    """A dataset, and what `processes=2` makes of it."""
    folder = tmp_path_factory.mktemp("accelerate")
    save_book(folder / "dataset", rule_book(12, measured=True))
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        how = (LoraParameters(dropout=0.2), TrainParameters(**HOW))
        in_processes(2, folder / "dataset", str(tiny_folder), *how, out=folder / "two", on_line=lambda line: None)
    finally:
        os.environ.pop("OMP_NUM_THREADS")
        os.environ |= {} if before is None else {"OMP_NUM_THREADS": before}
    return folder


def parameters(folder, tiny_folder, out):
    told = {"dataset": "dataset", "out": out, "base_model": str(tiny_folder), "lora": {"dropout": 0.2}, "train": HOW}
    path = folder / f"{out}.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    return path


def begin(path, *options):
    """`accelerate launch` at work."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "USE_LIBUV": "0"}
    given = ["--multi_gpu", "--num_processes", "2", *options, "--mixed_precision", "no", "--dynamo_backend", "no"]
    command = [sys.executable, "-m", "accelerate.commands.launch", *given, "-m", "prosody.lm.train", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def adapter(folder):
    """The weights of an adapter's folder."""
    found = {path.name: path.read_bytes() for path in (folder / "janus_prosody_lora").glob("*.safetensors")}
    assert found
    return found


def ended(*running):
    """What they said, when all have ended well."""
    said = [one.communicate(timeout=300)[0] for one in running]
    assert [one.returncode for one in running] == [0] * len(running), said
    return "".join(said)


def test_two_processes_of_one_machine(expected, tiny_folder):
    path = parameters(expected, tiny_folder, "one_machine")
    said = ended(begin(path, "--num_machines", "1", "--main_process_port", free_port()))
    assert said.count("Step 1 ") == 1
    assert json.loads((expected / "one_machine" / "metrics.json").read_text())["processes"] == 2
    assert adapter(expected / "one_machine") == adapter(expected / "two")


def test_two_machines_of_one_process(expected, tiny_folder):
    """Two launches on this machine, that know each other by address only; they see the same folder."""
    path = parameters(expected, tiny_folder, "two_machines")
    where = ["--num_machines", "2", "--main_process_ip", "127.0.0.1", "--main_process_port", free_port()]
    said = ended(*(begin(path, *where, "--machine_rank", rank) for rank in ("1", "0")))
    assert said.count("Step 1 ") == 1
    assert json.loads((expected / "two_machines" / "metrics.json").read_text())["processes"] == 2
    assert adapter(expected / "two_machines") == adapter(expected / "two")
