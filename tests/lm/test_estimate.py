import json
from dataclasses import replace

import pytest
import torch
from lm_data import rule_book

from prosody.errors import ProsodyError
from prosody.lm import estimate
from prosody.lm.corpus import of_dataset
from prosody.lm.loop import Loop
from prosody.lm.lora import LoraParameters, attach
from prosody.lm.several import Team
from prosody.lm.speed import peak_memory_mb
from prosody.lm.train import TrainParameters, foresee, train

HOW = TrainParameters(epochs=2, batch_size=4, window_words=30, precision="float32", device="cpu")


@pytest.fixture(scope="module")
def estimates(new_base):
    return foresee(rule_book(20, measured=True), new_base(), None, HOW, card="rtx4050", on_line=lambda line: None)


def test_this_machine_and_the_card_stand_beside_each_other(estimates):
    here, card = estimates
    assert here.where == "this machine (cpu, float32)"
    assert card.where == "RTX 4050 Laptop, 75 W"
    assert 0 < card.seconds < here.seconds
    for one, n_bytes in ((here, 4), (card, 2)):  # frozen weights are held in bfloat16 on a card
        assert one.fits
        assert one.micro_batch * one.accumulation >= 4
        assert all(mb >= 0 for mb in one.memory_mb.values())
        assert one.memory_mb["parameters"] == pytest.approx(1_666_688 * n_bytes / 2**20, rel=0.02)
        assert "\n" not in str(one)
    assert str(here).startswith(f"this machine (cpu, float32): {round(here.seconds)} s, ")
    assert str(here).endswith("; 4 windows at once")
    assert str(replace(here, micro_batch=1, accumulation=4)).endswith("; 1 window at once, 4 times a step")


def test_how_far_it_is_is_told_on_the_way(new_base):
    told = []
    foresee(rule_book(12), new_base(), None, HOW, on_line=lambda line: None, progress=told.append)
    assert told == sorted(told)
    assert 0 < told[0] < 0.5 < told[-1] < 1
    assert len(told) > 5


def test_time_foretold_is_near_time_taken(new_base, tmp_path):
    how = replace(HOW, epochs=6)
    result = train(
        rule_book(40, measured=True), new_base(), None, how, folder=tmp_path / "a", on_line=lambda line: None
    )
    assert result.metrics["seconds"] / 5 < result.metrics["seconds_estimated"] < result.metrics["seconds"] * 5
    # the peak is that of this process's whole life, of which the tests before are a part
    assert 100 < result.metrics["memory_mb_estimated"] < 1.5 * result.metrics["peak_memory_mb"]


def test_memory_foretold_is_no_less_than_what_the_rehearsal_took(new_base):
    here = foresee(rule_book(20), new_base(), None, HOW, on_line=lambda line: None)[0]
    assert here.total_mb >= 0.95 * peak_memory_mb()
    assert here.memory_mb["program"] < peak_memory_mb()


def test_a_rehearsal_moves_nothing(new_base, tmp_path):
    def go(card):
        data, base = rule_book(12, measured=True), new_base()
        folder = tmp_path / (card or "none")
        train(data, base, LoraParameters(dropout=0.2), HOW, folder=folder, card=card, on_line=lambda line: None)
        return (folder / "adapter_model.safetensors").read_bytes()

    assert go("") == go("6,192,21")


def test_what_autograd_keeps_is_counted_by_the_byte():
    class Toy:
        model = torch.nn.Linear(8, 8, bias=False)

    x = torch.ones(5, 8)
    with estimate._Counted(Toy.model) as counted:
        (torch.tanh(Toy.model(x)) ** 2).sum().backward()
    # x for the weight's gradient, tanh's result once for tanh and for the square; the weight itself does not count
    assert counted.saved_bytes == 2 * 5 * 8 * 4
    assert counted.flops == 2 * (2 * 5 * 8 * 8)  # the product, and the weight's gradient
    assert counted.kernels >= 5


def test_a_small_card_gets_small_pieces_and_the_smallest_none(new_base):
    data = rule_book(40, measured=True)
    how = replace(HOW, batch_size=16)
    fixed, found = 0.0, {}
    for room_mb in (4000, -100, 0.05, 0.6, 1.2):
        card = f"{(fixed + room_mb) / 1024 / 0.9},192,21"
        found[room_mb] = foresee(data, new_base(), None, how, card=card, on_line=lambda line: None)[1]
        fixed = sum(found[room_mb].memory_mb[name] for name in ("parameters", "optimizer", "context"))
    assert fixed == pytest.approx(450 + 1_666_688 * 2 / 2**20, rel=0.01)
    assert not found[-100].fits
    assert str(found[-100]).endswith("does not fit: give a smaller base, or method=lora")
    assert str(found[0.05]).endswith("does not fit: give a smaller window_words")
    assert 1 <= found[0.6].micro_batch < found[1.2].micro_batch <= 16 == found[4000].micro_batch
    assert found[0.6].accumulation > found[1.2].accumulation >= found[4000].accumulation == 1


def test_a_batch_of_more_windows_than_there_are_is_told_as_what_there_are(new_base):
    how = replace(HOW, batch_size=100_000)
    for one in foresee(rule_book(20), new_base(), None, how, card="rtx4050", on_line=lambda line: None):
        assert one.micro_batch == 12  # all there are of 30 words
        assert one.accumulation == 1


def test_what_this_machine_has_no_memory_for_is_told(new_base, monkeypatch):
    held = foresee(rule_book(20), new_base(), None, HOW, on_line=lambda line: None)[0].memory_mb
    remedies = {-0.1: "a smaller base, or method=lora", 0.1: "a smaller window_words", 0.6: "a smaller micro_batch"}
    for share, remedy in remedies.items():
        free_mb = held["optimizer"] + share * held["activations"]
        monkeypatch.setattr(estimate, "_free_mb", lambda device, now=free_mb: now)
        here = foresee(rule_book(20), new_base(), None, HOW, on_line=lambda line: None)[0]
        assert not here.fits
        assert str(here).endswith(f"does not fit: give {remedy}")


def test_each_of_several_processes_is_told_its_share(new_base):
    model, tokenizer, _ = attach(new_base(), LoraParameters())
    corpus = of_dataset(rule_book(20), tokenizer, split="train")
    found = {}
    for world in (1, 2):
        loop = Loop(model, tokenizer, replace(HOW, batch_size=8), "cpu", team=Team(0, world), on_line=lambda line: None)
        loop.fit_reference(corpus)
        found[world] = estimate.foresee(loop, corpus, loop.plan(corpus), held_out=corpus, card="rtx4050")
    for one, of_two in zip(found[1], found[2], strict=True):
        assert (one.micro_batch, of_two.micro_batch) == (8, 4)
        assert of_two.memory_mb["activations"] == pytest.approx(one.memory_mb["activations"] / 2, rel=0.2)


@pytest.mark.parametrize(
    "name", ["rtx9999", "6", "6,192", "6,192,x", "0,192,21", "6,1e-320,21", "1e308,1e308,1e308", "inf,1,1", ""]
)
def test_an_unknown_card_is_refused(name):
    with pytest.raises(ProsodyError, match=r"^card: "):
        estimate.card_of(name)


def test_the_command(tmp_path, tiny_folder, capsys, monkeypatch):
    from prosody import dataset
    from prosody.cli import main

    monkeypatch.setattr(dataset, "load", lambda folder: rule_book(12, measured=True))
    (tmp_path / "d").mkdir()
    words = ["estimate", str(tmp_path / "d"), "--base-model", str(tiny_folder), "-p", "batch_size", "2"]
    assert main([*words, "--card", "rtx4050"]) == 0
    here, card = capsys.readouterr().out.splitlines()
    assert here.startswith("this machine (cpu") and card.startswith("RTX 4050")
    assert main([*words, "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["total_mb"] == pytest.approx(sum(told["memory_mb"].values()))
    assert main([*words, "--card", "none"]) == 2
    assert "card: 'none' is unknown — use rtx4050, or three numbers" in capsys.readouterr().err
