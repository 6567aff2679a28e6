import hashlib
import json
import os
import pickle
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lm_data import CARD as LEAST
from lm_data import files_of, rule_book, write_gpt2
from safetensors.torch import load_file, save_file

from prosody.errors import ProsodyError
from prosody.lm.base import load_base
from prosody.lm.checkpoint import load_adapter, save_adapter
from prosody.lm.lora import LoraParameters, attach
from prosody.lm.mark import mark
from prosody.lm.train import TrainParameters, train

CONFIG, WEIGHTS, CARD, README = "adapter_config.json", "adapter_model.safetensors", "janus_prosody.json", "README.md"
TEXT = "We found the bridge, and never painted a river."


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the trained adapter, to be damaged."""
    return Path(shutil.copytree(trained.folder, tmp_path / "copy"))


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def refused(folder, message, **options):
    """The adapter is refused in one line that matches `message` from its start."""
    with pytest.raises(ProsodyError, match="(?s)^" + message) as caught:
        load_adapter(folder, **options)
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.remedy
    return caught.value


def other_base(tmp_path, **shape):
    return str(write_gpt2(tmp_path / "other-base", **shape))


def test_the_folder_holds_safetensors_only(trained):
    assert sorted(files_of(trained.folder)) == sorted([README, CONFIG, WEIGHTS, CARD])
    assert (trained.folder / WEIGHTS).stat().st_size < 100_000  # never the base's embedding
    from safetensors import safe_open

    with safe_open(trained.folder / WEIGHTS, framework="pt") as weights:
        shapes = {name: tuple(weights.get_tensor(name).shape) for name in weights.keys()}  # noqa: SIM118
    rows = [name for name in shapes if "lora_" not in name]
    assert [shapes[name] for name in rows] == [(7, 32)]


def test_plain_peft_loads_it_on_a_base_with_seven_more_rows(trained, tiny_folder):
    rows = [464, 7850, 11, 290, 50_257, 1239, 50_263]  # with two marker rows among them
    script = """
import json, sys
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
base = AutoModelForCausalLM.from_pretrained(sys.argv[1])
base.resize_token_embeddings(base.config.vocab_size + 7)
model = PeftModel.from_pretrained(base, sys.argv[2]).eval()
with torch.no_grad():
    logits = model(torch.tensor([json.loads(sys.argv[3])])).logits[0, :, -12:]
assert "prosody" not in sys.modules
print(json.dumps(logits.tolist()))
"""
    command = [sys.executable, "-W", "error::UserWarning", "-c", script]
    done = subprocess.run(
        [*command, str(tiny_folder), str(trained.folder), json.dumps(rows)],
        capture_output=True,
        text=True,
        cwd=trained.folder.parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        ours = trained.result.model(torch.tensor([rows])).logits[0, :, -12:]
    theirs = torch.tensor(json.loads(done.stdout.splitlines()[-1]))
    assert torch.allclose(theirs, ours, atol=1e-4)


def test_what_was_trained_is_what_is_loaded(trained, adapter):
    loaded = dict(adapter.model.named_parameters())
    for name, value in trained.result.model.named_parameters():
        assert torch.equal(loaded[name], value), name


def test_the_order_of_its_targets_does_not_depend_on_the_process(trained):
    config = json.loads((trained.folder / CONFIG).read_text())
    assert config["target_modules"] == ["attn.c_attn", "attn.c_proj"]


def test_the_card_for_programs(trained, adapter, tiny_folder):
    card = json.loads((trained.folder / CARD).read_text(encoding="utf-8"))
    assert card["base"] == str(tiny_folder)
    assert (card["width"], card["vocabulary"]) == (32, 50_257)
    assert card["run"] == "20240101T000000Z-abcdef"
    assert card["data_sha256"] == hashlib.sha256(b"[]").hexdigest()
    assert (card["segments_train"], card["segments_val"]) == (36, 4)
    assert (card["words_train"], card["words_val"]) == (36 * 18, 4 * 18)
    assert card["trainable_parameters"] == trained.result.counts.trainable
    assert card["metrics"]["loss_val"] == trained.result.metrics["loss_val"]
    assert card["parameters"]["r"] == 16
    assert card["parameters"]["epochs"] == 8
    assert adapter.card == card


def test_the_card_for_people(trained, tiny_folder):
    text = (trained.folder / README).read_text(encoding="utf-8")
    metrics = trained.result.metrics
    assert text.startswith("---\nlibrary_name: peft\n")
    for told in (
        "20240101T000000Z-abcdef",
        hashlib.sha256(b"[]").hexdigest(),
        "36 segments (648 words)",
        "4 (72 words",
        f"{trained.result.counts.trainable:,}",
        f"Held-out loss {metrics['loss_val']:.3f} nats a slot (untuned base {metrics['loss_val_untuned']:.3f})",
        f"| **macro** | **{metrics['macro_f1']:.2f}** |",
        *(f"| `{token}` | {value:.2f} |" for token, value in metrics["f1"].items()),
        *(f"| {name.replace('_', ' ')} | {v:.2f} |" for name, v in metrics["macro_f1_baselines"].items()),
    ):
        assert told in text
    assert not re.search(r"\bnan\b|\bNone\b|[{}]", text.split("Settings:")[0])


def test_nobody_else_learns_where_the_base_lies(trained, tiny_folder):
    assert f"`{tiny_folder.name}`" in (trained.folder / README).read_text(encoding="utf-8")
    for name in (README, CONFIG):
        assert str(tiny_folder.parent) not in (trained.folder / name).read_text(encoding="utf-8")


@pytest.mark.skipif(os.name != "posix", reason="permissions are of another kind")
def test_the_folder_can_be_read_by_whoever_may_read_folders(trained):
    assert stat.S_IMODE(trained.folder.stat().st_mode) == 0o755


def test_a_base_with_an_output_layer_of_its_own_marks_as_it_did(tmp_path):
    base = str(write_gpt2(tmp_path / "untied", tie_word_embeddings=False))
    how = TrainParameters(epochs=1, precision="float32", device="cpu")
    result = train(rule_book(8), load_base(base), None, how, folder=tmp_path / "adapter", on_line=lambda line: None)
    loaded = load_adapter(tmp_path / "adapter")
    rows = torch.tensor([loaded.tokenizer.encode_rows(TEXT)])
    with torch.no_grad():
        assert torch.equal(loaded.model(rows).logits, result.model(rows).logits)


def test_a_base_given_by_name_is_used(trained, tiny_folder, tmp_path):
    elsewhere = shutil.copytree(tiny_folder, tmp_path / "elsewhere")
    loaded = load_adapter(trained.folder, base=str(elsewhere))
    assert loaded.base.name == str(elsewhere)
    assert loaded.base.vocabulary == 50_257


def test_a_new_adapter_replaces_the_old_and_leaves_nothing_behind(tiny, tmp_path):
    model, _, _ = attach(tiny, LoraParameters(r=2))
    folder = tmp_path / "adapter"
    save_adapter(model, tiny, folder, card=LEAST | {"run": "first"})
    save_adapter(model, tiny, folder, card=LEAST | {"run": "second"})
    assert load_adapter(folder).card["run"] == "second"
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]


def test_saving_that_fails_midway_leaves_the_earlier_adapter(tiny, tmp_path, monkeypatch):
    model, _, _ = attach(tiny, LoraParameters(r=2))
    folder = tmp_path / "adapter"
    save_adapter(model, tiny, folder, card=LEAST | {"run": "first"})
    before = files_of(folder)
    whole = type(model).save_pretrained

    def half(self, where, **options):
        whole(self, where, **options)
        (Path(where) / WEIGHTS).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(model), "save_pretrained", half)
    with pytest.raises(ProsodyError, match="adapter: the disk is full — make room, then run it again"):
        save_adapter(model, tiny, folder, card=LEAST | {"run": "second"})
    assert files_of(folder) == before
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]


def test_a_failed_exchange_puts_the_earlier_adapter_back(tiny, tmp_path, monkeypatch):
    model, _, _ = attach(tiny, LoraParameters(r=2))
    folder = tmp_path / "adapter"
    save_adapter(model, tiny, folder, card=LEAST | {"run": "first"})
    before = files_of(folder)
    rename = Path.rename

    def stubborn(self, target):
        if Path(target) == folder and (self / CARD).is_file() and "second" in (self / CARD).read_text():
            raise PermissionError(13, "somebody holds it open")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(ProsodyError, match=r"adapter: cannot be replaced .somebody holds it open. — close the program"):
        save_adapter(model, tiny, folder, card=LEAST | {"run": "second"})
    assert files_of(folder) == before
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]


@pytest.mark.parametrize("shape", [{"vocab_size": 50_300}, {"n_embd": 48}], ids=["vocabulary", "width"])
def test_an_adapter_for_a_base_of_another_shape_is_refused(trained, tiny_folder, tmp_path, shape):
    other = other_base(tmp_path, **shape)
    vocabulary, width = shape.get("vocab_size", 50_257), shape.get("n_embd", 32)
    message = f"{trained.folder}: adapter: was trained on {tiny_folder} (50257 tokens × 32), but {other} has "
    refused(trained.folder, re.escape(f"{message}{vocabulary} × {width} — use base_model={tiny_folder}"), base=other)


@pytest.mark.parametrize("n_layer", [1, 3])
def test_an_adapter_for_more_or_fewer_layers_is_refused(trained, tmp_path, n_layer):
    other = other_base(tmp_path, n_layer=n_layer)
    message = re.escape(f"{trained.folder}: adapter: does not fit {other} (")
    error = refused(trained.folder, message, base=other)
    assert f"h.{n_layer if n_layer == 1 else 2}.attn" in str(error)


def test_an_adapter_whose_base_is_gone_says_so(copy, tmp_path):
    edit(copy / CARD, base=str(tmp_path / "gone"))
    refused(copy, re.escape(f"{tmp_path / 'gone'}: base model: no such folder"))


def test_a_folder_that_is_not_there(tmp_path):
    refused(tmp_path / "nowhere", ".*nowhere: no such adapter folder — train one")
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file", ".*file: no such adapter folder")


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, CARD])
def test_a_folder_that_lacks_a_file(copy, name):
    (copy / name).unlink()
    refused(copy, re.escape(f"{copy}: {name}: is missing: this is no adapter of Janus Prosody"))


class Trap:
    """A pickle that leaves a trace when it is opened."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


@pytest.mark.parametrize("name", ["adapter_model.bin", "adapter_model.pt", "weights.pkl"])
def test_a_pickle_in_place_of_safetensors_is_refused_unread(copy, tmp_path, name):
    (copy / WEIGHTS).unlink()
    (copy / name).write_bytes(pickle.dumps(Trap(tmp_path / "opened")))
    refused(copy, re.escape(f"{copy}: {name}: is a pickle, which can run code when read; it was not opened"))
    assert not (tmp_path / "opened").exists()
    pickle.loads((copy / name).read_bytes())
    assert (tmp_path / "opened").exists()  # it would have


def test_a_pickle_named_safetensors_is_refused_unread(copy, tmp_path):
    (copy / WEIGHTS).write_bytes(pickle.dumps(Trap(tmp_path / "opened")))
    refused(copy, re.escape(f"{copy / WEIGHTS}: is damaged"))
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("keep", [0, 5, 1000, -1])
def test_damaged_weights_are_refused(copy, keep):
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:keep])
    refused(copy, re.escape(f"{copy / WEIGHTS}: is damaged"))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, None])
def test_weights_that_are_no_numbers_are_refused(copy, value):
    weights = load_file(copy / WEIGHTS)
    name = max(weights)
    kept = weights[name]
    weights[name] = kept.to(torch.int32) if value is None else kept.index_fill(0, torch.tensor([0]), value)
    save_file(weights, copy / WEIGHTS)
    refused(copy, re.escape(f"{copy / WEIGHTS}: {name}: holds values that are no finite numbers"))


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_config_that_is_none_is_refused(copy, text):
    (copy / CONFIG).write_text(text)
    refused(copy, re.escape(f"{copy}: adapter: does not fit"))


@pytest.mark.parametrize(
    "change",
    [
        {"r": 8}, {"peft_type": "NOPE"}, {"target_modules": ["q_proj"]}, {"target_modules": ["c_proj"]},
        {"trainable_token_indices": None}, {"trainable_token_indices": [1, 2, 3]},
        {"trainable_token_indices": {"wte": [999_999]}}, {"target_modules": "("}, {"lora_alpha": "x"}, {"r": 0},
    ],
    ids=str,
)  # fmt: skip
def test_a_config_of_other_weights_is_refused(copy, change):
    edit(copy / CONFIG, **change)
    refused(copy, re.escape(f"{copy}: adapter: does not fit"))


@pytest.mark.parametrize(
    "change",
    [
        {"base": None}, {"base": ""}, {"base": 7}, {"width": "32"}, {"vocabulary": None}, {"vocabulary": True},
        {"metrics": []}, {"metrics": None}, {"metrics": {"f1": []}}, {"metrics": {"f1": {"<emph>": "x"}}},
        {"metrics": {"loss_val": None}}, {"trainable_parameters": "many"},
        {"threshold": "0.4"}, {"threshold": 4}, {"window_words": 0}, {"window_words": 9.5},
    ],
    ids=str,
)  # fmt: skip
def test_a_card_that_cannot_be_is_refused(copy, change):
    edit(copy / CARD, **change)
    (field,) = change
    refused(copy, re.escape(f"{copy / CARD}: {field}: is {json.dumps(change[field])}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "names no base"),
        ("{}", "format_version: is missing"),
        ("{", ".*JSON"),
        ('{"reference": ' + "1" * 401 + "}", ".*JSON.* is too large a number"),
    ],
    ids=["list", "empty", "cut", "large"],
)
def test_a_card_that_is_none_is_refused(copy, text, message):
    (copy / CARD).write_text(text)
    refused(copy, re.escape(f"{copy / CARD}: ") + message)


def test_an_adapter_of_an_earlier_layout_is_refused(copy):
    edit(copy / CARD, format_version=1)
    refused(copy, re.escape(f"{copy / CARD}: format_version: is 1 — train the adapter anew"))


def test_rows_that_are_not_the_markers_are_refused(copy):
    edit(copy / CONFIG, trainable_token_indices=[1, 2, 3, 4, 5, 6, 7])
    refused(copy, re.escape(f"{copy / CONFIG}: trainable_token_indices: has rows [1, 2, 3, 4, 5, 6, 7] for its"))


def test_a_name_that_is_too_long():
    refused(Path("a" * 300), "aaa.*: no such adapter folder")


def test_a_card_that_says_nothing_of_windows_marks_all_the_same(copy):
    card = json.loads((copy / CARD).read_text())
    (copy / CARD).write_text(json.dumps({k: v for k, v in card.items() if k not in ("threshold", "window_words")}))
    assert str(mark(TEXT, load_adapter(copy))).count("<") > 0
