"""Training from a file of parameters, alone and in two processes."""

import json
import os
import shutil
import subprocess
import sys
import time

import psutil
import pytest
from lm_data import rule_book, save_book

from prosody import dataset
from prosody.errors import ProsodyError
from prosody.lm import state
from prosody.lm.base import load_base
from prosody.lm.launch import in_processes, main
from prosody.lm.lora import LoraParameters
from prosody.lm.parameters import TrainParameters
from prosody.lm.seeds import train_seeds


@pytest.fixture
def parameters(tmp_path, tiny_folder):
    """A file of parameters beside its dataset; settings by name."""
    save_book(tmp_path / "dataset", rule_book(12, measured=True))

    def write(out="out", **changes):
        how = {"epochs": 2, "batch_size": 4, "window_words": 20, "precision": "float32", "device": "cpu"}
        told = {
            "dataset": "dataset",
            "out": out,
            "base_model": str(tiny_folder),
            "lora": {"dropout": 0.2},
            "train": how,
        }
        path = tmp_path / f"{out}.json"
        path.write_text(json.dumps(told | changes), encoding="utf-8")
        return path

    return write


def saved(folder):
    """A rule book on disk."""
    save_book(folder, rule_book(12, measured=True))
    return dataset.load(folder)


def launch(path, *, processes=1):
    """Run the module, as a launcher does; returns its losses."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    starter = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    command = [sys.executable, *starter, "-m", "prosody.lm.train", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    facts = sorted((path.with_suffix("") / "checkpoints").glob("step_*"))[-1] / "state.json"
    return [(one[0], one[4], one[5]) for one in json.loads(facts.read_text())["facts"]["steps"]], done.stdout


def test_a_file_of_parameters_trains(parameters, tmp_path):
    trace, out = launch(parameters())
    assert [step for step, *_ in trace] == list(range(1, len(trace) + 1))
    assert out.count("Step ") == len(trace)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["processes"] == 1
    assert metrics["steps"] == len(trace)
    assert (tmp_path / "out" / "janus_prosody_lora" / "adapter_model.safetensors").is_file()


@pytest.mark.slow
def test_two_processes_take_the_same_steps_as_one(parameters, tmp_path):
    alone, _ = launch(parameters("alone"))
    both, out = launch(parameters("both"), processes=2)
    assert len(both) == len(alone)
    for (step, loss, heard), (other_step, other_loss, other_heard) in zip(alone, both, strict=True):
        assert step == other_step
        assert other_loss == pytest.approx(loss, abs=1e-5)
        assert other_heard == pytest.approx(heard, abs=1e-5)
    assert out.count("Step 1 ") == 1  # one of them tells
    assert json.loads((tmp_path / "both" / "metrics.json").read_text())["processes"] == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"dataset": ""}, "dataset: is missing, or no text — name a folder"),
        ({"colour": 1}, "colour: is unknown — use dataset, out, base_model"),
        ({"train": {"epoch": 1}}, "train.epoch: is unknown — use epochs"),
        ({"train": {"epochs": "3"}}, "train.epochs: is '3' — give one such as 8"),
        ({"train": {"epochs": 0}}, "epochs: is 0 — give a whole number from 1"),
        ({"lora": {"targets": "q"}}, "lora.targets: is 'q' — give one such as ()"),
        ({"lora": []}, "lora: is no JSON object — give some of r"),
        ({"resume": "maybe"}, "resume: is 'maybe' — use auto or never"),
        ({"dataset": "nowhere"}, "not found"),
        ({"base_model": ""}, "base_model: is '' — give a text"),
        ({"base_model": 5}, "base_model: is 5 — give a text"),
        ({"base_model": None}, "base_model: is None — give a text"),
        ({"base_model": "models/nowhere/at/all"}, "models/nowhere/at/all: base model: no such folder"),
        ({"run": "\ud800"}, "run: is '\\ud800' — give a text"),
        ({"base_model": "out.json"}, "out.json: base model: is a file"),
        ({"train": {"epochs": 10**12}}, "epochs: is 1e+12 — give 100,000 at most"),
        ({"train": {"device": "hpu"}}, "device: there is no 'hpu' here"),
        ({"run": 7}, "run: is 7 — give a text"),
        ({"card": ["rtx4050"]}, "card: is ['rtx4050'] — give a text"),
        ({"resume_strictly": "yes"}, "resume_strictly: is 'yes' — give true or false"),
        ({"lora": {"targets": [1]}}, "lora.targets: is [1] — give one such as ()"),
        ({"train": {"clip": 10**400}}, "is not JSON (10000000000000000000… is too large a number)"),
        ({"train": {"device": "meta"}}, "device: there is no 'meta' here"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(parameters, capsys, changes, told):
    assert main([str(parameters(**changes))]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert len(err.splitlines()) == 1


def test_an_unknown_argument_is_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["a.json", "--colour"])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize(
    ("redirected", "code", "told"), [(">/dev/full", 2, "the output cannot be written"), (">&-", 0, "")]
)
def test_what_it_says_cannot_be_written(parameters, redirected, code, told):
    command = f'"{sys.executable}" -m prosody.lm.train "{parameters()}" {redirected}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, told in done.stderr) == (code, True)
    assert len(done.stderr.splitlines()) == bool(told)


def test_a_place_where_no_figures_can_go_is_told_before_any_work(parameters, tmp_path, capsys):
    (tmp_path / "out" / "metrics.json").mkdir(parents=True)
    assert main([str(parameters())]) == 2
    assert "metrics.json: is a folder" in capsys.readouterr().err
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_a_number_of_processes_that_is_none(parameters, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "abc")
    assert main([str(parameters())]) == 2
    assert capsys.readouterr().err.startswith("prosody: WORLD_SIZE: is 'abc' — leave")


def test_a_base_given_as_a_folder_beside_the_file_is_found(parameters, tmp_path, tiny_folder, monkeypatch):
    shutil.copytree(tiny_folder, tmp_path / "base")
    monkeypatch.chdir("/")
    assert main([str(parameters("beside", base_model="base"))]) == 0


def test_a_file_that_is_not_there_or_no_object(tmp_path, capsys):
    assert main([str(tmp_path / "none.json")]) == 2
    (tmp_path / "list.json").write_text("[]")
    assert main([str(tmp_path / "list.json")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "none.json: not found" in first
    assert "list.json: is no JSON object" in second


@pytest.mark.slow
def test_a_training_in_two_processes_ends_in_this_one(tmp_path, tiny_folder):
    data = saved(tmp_path / "dataset")
    how = TrainParameters(epochs=2, batch_size=4, window_words=20, precision="float32", device="cpu")
    found, lines = [], []
    for name, processes in (("one", 1), ("two", 2)):
        folder = tmp_path / name / "janus_prosody_lora"
        trained = train_seeds(
            data,
            load_base(str(tiny_folder)),
            LoraParameters(dropout=0.2),
            how,
            processes=processes,
            folder=folder,
            on_line=lines.append,
        )
        assert (folder / "adapter_model.safetensors").is_file()
        found.append(trained)
    one, two = found
    assert [step.loss for step in two.steps] == pytest.approx([step.loss for step in one.steps], abs=1e-5)
    assert two.metrics["macro_f1"] == pytest.approx(one.metrics["macro_f1"])
    assert json.loads((tmp_path / "two" / "metrics.json").read_text())["processes"] == 2
    assert any(line.startswith("Going on after step") for line in lines)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills by signal")
@pytest.mark.parametrize("killed", ["the launcher", "what started it"])
def test_processes_end_with_what_started_them(parameters, tmp_path, killed):
    path = parameters("long", train={"epochs": 100_000, "batch_size": 4, "window_words": 20, "device": "cpu"})
    starter = f"from pathlib import Path; from prosody.lm.launch import _launch; _launch(2, Path({str(path)!r}), print)"
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True) as first:
        one = psutil.Process(first.pid)
        begun = time.monotonic()
        while len(members := one.children(recursive=True)) < 3:
            assert time.monotonic() - begun < 60
            time.sleep(0.1)
        assert any("Estimate" in line for line in first.stdout)  # they are at work
        assert all(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in members)
        (members[0] if killed == "the launcher" else one).kill()
        _, left = psutil.wait_procs(members, timeout=10)
        for other in left:
            other.kill()
        assert not left


def test_what_another_training_was_told_stays_while_it_is_at_work(tmp_path, tiny_folder):
    data, out = saved(tmp_path / "dataset"), tmp_path / "out"
    out.mkdir()
    (out / "training.json").write_text("its own")
    how = TrainParameters(epochs=1, batch_size=4, device="cpu")
    told = "checkpoints: another training is at work there"
    with state.locked(out / state.FOLDER), pytest.raises(ProsodyError, match=told):
        in_processes(2, data.folder, str(tiny_folder), LoraParameters(), how, out=out)
    assert (out / "training.json").read_text() == "its own"


def test_a_file_that_another_training_has_changed_is_not_trained_from(parameters, capsys):
    assert main([str(parameters()), "--sha256", "0" * 64]) == 2
    assert "out.json: is another training's by now — wait for that, or end it" in capsys.readouterr().err


def test_processes_that_fail_are_told_of_with_their_reason(tmp_path, tiny_folder):
    data = saved(tmp_path / "dataset")
    (tmp_path / "dataset" / "prosody_dataset.json").write_text("{")
    lines = []
    how = TrainParameters(epochs=1, batch_size=4, device="cpu")
    with pytest.raises(ProsodyError, match=r"training.json: 2 processes: ended with code \d+ \(.*prosody_dataset.json"):
        in_processes(
            2, data.folder, str(tiny_folder), LoraParameters(), how, out=tmp_path / "out", on_line=lines.append
        )
    assert lines


@pytest.mark.parametrize(("batch_size", "processes", "told"), [(1, 2, "2 would share 1 window"), (4, 0, "is 0")])
def test_a_number_of_processes_that_cannot_be_is_refused(tmp_path, tiny_folder, batch_size, processes, told):
    data = saved(tmp_path / "dataset")
    how = TrainParameters(batch_size=batch_size, device="cpu")
    with pytest.raises(ProsodyError, match=f"processes: {told}"):
        train_seeds(
            data, load_base(str(tiny_folder)), LoraParameters(), how, processes=processes, folder=tmp_path / "a" / "b"
        )
    assert not (tmp_path / "a").exists()
