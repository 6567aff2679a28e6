"""All of the base trained, for comparison with LoRA: what comes out, and that it is good for what an adapter is."""

import shutil

import pytest
import torch
from lm_data import rule_book
from safetensors.torch import load_file, save_file

from prosody.cli import main
from prosody.errors import ProsodyError
from prosody.lm import slots
from prosody.lm.base import load_base
from prosody.lm.checkpoint import FOLDERS, adapter_bytes, folder_in, load_adapter
from prosody.lm.lora import LoraParameters
from prosody.lm.mark import mark
from prosody.lm.merge import merge
from prosody.lm.parameters import TrainParameters
from prosody.lm.train import train

TEXT = "We never saw the river and the bridge."


@pytest.fixture(scope="module")
def full(tmp_path_factory, new_base):
    """A base trained in full on a rule book: the folder, what training gave, and its lines."""
    folder, lines = tmp_path_factory.mktemp("run") / FOLDERS["full"], []
    how = TrainParameters(epochs=12, batch_size=4, window_words=20, learning_rate=1e-3, device="cpu")
    data = rule_book(20, measured=True)
    trained = train(data, new_base(), LoraParameters(method="full"), how, folder=folder, on_line=lines.append)
    return folder, trained, lines


def test_all_of_the_base_learns(full, new_base):
    _, trained, lines = full
    before = dict(new_base().model.named_parameters())
    moved = [name for name, weight in trained.model.named_parameters() if weight.shape != before[name].shape or
             not torch.equal(weight, before[name])]  # fmt: skip
    assert len(moved) == len(before)
    assert trained.metrics["trainable_parameters"] > 1_600_000
    assert trained.metrics["macro_f1"] > 0.5
    assert trained.metrics["loss_val"] < trained.metrics["loss_val_untuned"] - 0.3
    assert any("parameters, all trained" in line for line in lines)
    assert any("is made for LoRA: in full, try 5e-5" in line for line in lines)


def test_what_is_written_stands_alone_and_marks(full):
    folder, trained, _ = full
    assert {p.suffix for p in folder.iterdir()} <= {".json", ".safetensors", ".txt", ".jinja", ".md"}
    assert folder_in(folder.parent) == folder
    assert trained.metrics["adapter_bytes"] == adapter_bytes(folder) > 6_000_000
    adapter = load_adapter(folder)
    assert adapter.is_alone
    assert adapter.head is not None
    said = mark(TEXT, adapter)
    assert "<pause_short> and" in str(said)
    with torch.no_grad():
        for mine, its in zip(trained.model.parameters(), adapter.model.parameters(), strict=True):
            assert torch.equal(mine, its)


def test_without_what_was_learned_it_is_the_base(full):
    adapter = load_adapter(full[0])
    untuned = mark(TEXT, adapter, untuned=True)
    assert untuned.probabilities != mark(TEXT, adapter).probabilities
    example = slots.build([[1, 2], [3]], None, adapter.tokenizer)
    batch = slots.collate([example], pad_row=0)
    with torch.no_grad(), adapter.untuned() as model:
        states = slots.hidden(model, batch, reading="both ways")
        of_base = slots.hidden(load_base(adapter.card["base"]).model, batch, reading="both ways")
    assert torch.equal(states, of_base)


def test_commands_take_it(full, capsys, tmp_path):
    folder, *_ = full
    assert main(["mark", TEXT, "--adapter", str(folder)]) == 0
    marked = capsys.readouterr().out
    assert "<pause_short> and" in marked
    out = tmp_path / "marked.txt"
    assert main(["mark", TEXT, "--adapter", str(folder), "-o", str(out)]) == 0
    assert (out.read_bytes(), capsys.readouterr().out) == (marked.encode(), "")
    assert main(["mark", "Else.", "--adapter", str(folder), "-o", str(out)]) == 2
    assert "already exists" in capsys.readouterr().err
    assert out.read_bytes() == marked.encode()
    assert main(["merge", "-o", str(tmp_path / "model"), "--adapter", str(folder)]) == 2
    assert "is a stand-alone model already" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_a_merged_model_marks_as_its_adapter_does(trained, tmp_path):
    merge(load_adapter(trained.folder), tmp_path / "model")
    merged, adapter = load_adapter(tmp_path / "model"), load_adapter(trained.folder)
    assert merged.is_alone
    assert str(mark(TEXT, merged)) == str(mark(TEXT, adapter))
    for one, other in zip(mark(TEXT, merged).probabilities, mark(TEXT, adapter).probabilities, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_an_unknown_method_is_refused():
    with pytest.raises(ProsodyError, match="method: 'half' is unknown — use lora or full"):
        LoraParameters(method="half")


@pytest.fixture
def damaged(full, tmp_path):
    """A copy of the model of which its tensors can be changed."""

    def change(how):
        folder = tmp_path / "model"
        shutil.copytree(full[0], folder)
        tensors = load_file(folder / "model.safetensors")
        save_file(how(tensors), folder / "model.safetensors", metadata={"format": "pt"})
        return folder

    return change


def without(tensors, part):
    return {name: one for name, one in tensors.items() if part not in name}


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (lambda t: without(t, "h.1.mlp.c_fc.bias"), "lacks weights, such as transformer.h.1.mlp"),
        (lambda t: without(t, "wte"), "lacks weights, such as lm_head.weight"),
        (lambda t: t | {"more": torch.zeros(2)}, "1 weights lack their counterpart, such as more"),
        (lambda t: {n: o * float("nan") for n, o in t.items()}, "holds values that are no finite numbers"),
    ],
)
def test_a_model_without_all_its_weights_is_refused(damaged, how, told, capsys):
    folder = damaged(how)
    assert main(["mark", TEXT, "--adapter", str(folder)]) == 2
    assert told in capsys.readouterr().err


def test_a_model_without_its_tokenizer_is_refused(damaged, capsys):
    folder = damaged(dict)
    (folder / "tokenizer.json").unlink()
    assert main(["mark", TEXT, "--adapter", str(folder)]) == 2
    assert "tokenizer.json: is missing: the model has no tokenizer" in capsys.readouterr().err


def test_a_model_of_another_shape_than_its_card_tells_is_refused(damaged, capsys):
    folder = damaged(dict)
    card = folder / "janus_prosody.json"
    card.write_text(card.read_text().replace('"vocabulary": 50257', '"vocabulary": 99999'))
    assert main(["mark", TEXT, "--adapter", str(folder)]) == 2
    assert "tells of 100006 × 32 embeddings, the model has 50264 × 32" in capsys.readouterr().err
