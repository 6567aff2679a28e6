"""The benchmarks of training run, on a few words with a tiny base; what they measure is not looked at."""

import importlib.util
import json
import math
import re
import sys
from pathlib import Path

import pytest
import torch
from lm_data import rule_book, save_book
from test_bench import corpus

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def run(tmp_path, tiny_folder, monkeypatch, capsys):
    """Run a benchmark with a tiny base; returns what it writes as JSON, and what it prints."""
    monkeypatch.syspath_prepend(BENCHMARKS)  # they import each other
    text = tmp_path / "corpus.txt"
    text.write_text(corpus(5), encoding="utf-8")

    threads = torch.get_num_threads()
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # or later tests would sum in another order

    def go(name, *words):
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
        spec.loader.exec_module(module)
        given = [str(text) if word == "CORPUS" else str(word) for word in words]
        argv = [name, *given, "--base-model", str(tiny_folder), "--json", str(tmp_path / "out.json")]
        monkeypatch.setattr(sys, "argv", argv)
        module.main()
        assert torch.get_num_threads() == threads
        return json.loads((tmp_path / "out.json").read_text(encoding="utf-8")), capsys.readouterr().out

    return go


def test_listening_on_the_public_corpus(run):
    told, out = run("listening", "--helsinki", "CORPUS", "--words", "60", "--seeds", "2", "--weight", "1")
    assert list(told) == ["λ = 0", "λ = 1", "λ = 1, shuffled"]
    assert all(len(found) == 2 and 0 <= one["two_way"] <= 1 for found in told.values() for one in found)
    assert "λ = 1 over λ = 0: two_way" in out


def test_listening_on_a_dataset(run, tmp_path):
    save_book(tmp_path / "dataset", rule_book(12, measured=True))
    told, _ = run("listening", tmp_path / "dataset", "--seeds", "1", "--epochs", "1")
    assert all(math.isfinite(found[0][name]) for found in told.values() for name in ("macro_f1", "loss", "error"))


def test_settings(run, tmp_path):
    save_book(tmp_path / "dataset", rule_book(12, measured=True))
    asked = ("settings", tmp_path / "dataset", "--seeds", "2", "--epochs", "1", "--only")
    told, out = run(*asked, "rank 8", "class weights, square root")
    assert list(told["found"]) == ["default", "rank 8", "class weights, square root"]
    losses = [of["loss"] for seeds in told["found"].values() for of in seeds.values()]
    assert all(map(math.isfinite, losses))
    assert len(set(losses)) == 6
    assert len(re.findall(r"loss [+-]\d\.\d{3} ± \d", out)) == 2
    told, again = run(*asked, "rank 4")
    assert "seed 0  default" not in again  # done before
    assert set(told["found"]["rank 4"]) == {"0", "1"}
    with pytest.raises(SystemExit):  # figures of something else
        run("settings", tmp_path / "dataset", "--epochs", "2")


def test_marking(run, trained, tmp_path):
    save_book(tmp_path / "dataset", rule_book(12, measured=True))
    asked = ("--adapter", trained.folder, "--dataset", tmp_path / "dataset", "--helsinki", "CORPUS")
    told, out = run("marking", *asked, "--words", "100", "--written", "8", "--rounds", "1", "--joins", "1")
    assert told["helsinki"]["words_changed"] == 0
    assert told["speed"]["batches_change"]["decisions"] == 0
    assert told["joins"]["0"]["mean"] > 0
    ways = told["held_out"]["ways"]
    assert ways["expressiveness 0.5"]["per_100_words"] < ways["expressiveness 1"]["per_100_words"]
    assert "words/s" in out
    assert "0 changed" in out


def test_tasks(run):
    told, out = run("tasks", "CORPUS", "--words", "60", "--parts", "1")
    assert "completion" in out
    assert told


def test_trainer(run):
    told, out = run("trainer", "CORPUS", "--words", "60", "--rounds", "1", "--device", "cpu")
    assert set(told) == {"ours", "Trainer, same task", "Trainer, marked text"}
    assert told["ours"][0]["tokens"] == told["Trainer, same task"][0]["tokens"]
    assert "tokens/s" in out


def test_composing(run):
    told, out = run("composing", "--only", "1", "--ways", "anchored, chat", "free, plain prompt", "points read out")
    assert [one["covered"] for one in told if one["way"] != "free, plain prompt"] == [[True] * 3] * 2
    assert all(one["words"] > 5 and one["nats"] > 0 for one in told)
    assert re.search(r"anchored, chat +1 +3 +100\.0% +\d+ +\d", out)
