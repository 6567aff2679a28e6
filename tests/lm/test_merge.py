import json
import shutil
import subprocess
import sys

import pytest
import torch
from lm_data import write_gpt2

from prosody.cli import main
from prosody.errors import ProsodyError
from prosody.lm.base import load_base
from prosody.lm.checkpoint import load_adapter, save_adapter
from prosody.lm.lora import LoraParameters, attach, row_vectors
from prosody.lm.merge import merge
from prosody.markers import TOKENS

TEXT = "We found the bridge, <pause_short> and <emph> never painted a river."
ALONE = """
import json, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer, model = (kind.from_pretrained(sys.argv[1]) for kind in (AutoTokenizer, AutoModelForCausalLM))
with torch.no_grad():
    ids = tokenizer.encode(sys.argv[2])
    logits = model.eval()(torch.tensor([ids])).logits[0, :, : len(tokenizer)]
assert not {"prosody", "peft"} & set(sys.modules)
print(json.dumps([ids, tokenizer.decode(ids), logits[:, ::997].tolist()]))
"""


def read_alone(folder):
    """Ids, text and some logits of TEXT, in a process that has only transformers."""
    done = subprocess.run([sys.executable, "-c", ALONE, str(folder), TEXT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_merged_model_is_the_adapter_s_with_transformers_alone(trained, tmp_path):
    adapter = load_adapter(trained.folder)
    with torch.no_grad():
        expected = adapter.model(torch.tensor([adapter.tokenizer.encode_rows(TEXT)])).logits[0, :, ::997]
    n_bytes = merge(adapter, tmp_path / "model")
    assert n_bytes == sum(p.stat().st_size for p in (tmp_path / "model").iterdir())
    ids, text, logits = read_alone(tmp_path / "model")
    assert ids == adapter.tokenizer.encode_rows(TEXT)
    assert "".join(text.split()) == "".join(TEXT.split())
    assert torch.allclose(torch.tensor(logits), expected, atol=1e-4)
    assert {p.suffix for p in (tmp_path / "model").iterdir()} <= {".json", ".safetensors", ".txt", ".jinja", ".md"}


def test_a_base_with_more_rows_than_tokens_gives_the_markers_the_tokenizer_s_ids(tmp_path):
    base = load_base(str(write_gpt2(tmp_path / "padded", vocab_size=50_304)))
    model, tokenizer, _ = attach(base, LoraParameters(r=2))
    from lm_data import CARD

    save_adapter(model, base, tmp_path / "adapter", card=CARD)
    vectors = row_vectors(model, tokenizer).detach()
    merge(load_adapter(tmp_path / "adapter"), tmp_path / "model")
    alone = load_base(str(tmp_path / "model"))
    ids = [alone.tokenizer.convert_tokens_to_ids(token) for token in TOKENS]
    assert ids == list(range(50_257, 50_264))
    assert torch.equal(alone.model.get_input_embeddings().weight[ids], vectors)
    assert len(read_alone(tmp_path / "model")[0]) == len(tokenizer.encode_rows(TEXT))


def test_an_earlier_model_is_replaced_only_where_that_is_asked_for(trained, tmp_path, tiny_folder):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.txt").write_text("mine")
    with pytest.raises(ProsodyError, match="model: already exists"):
        merge(load_adapter(trained.folder), tmp_path / "model")
    assert (tmp_path / "model" / "mine.txt").read_text() == "mine"
    with pytest.raises(ProsodyError, match="model: is no stand-alone model of Janus Prosody, and stays as it is"):
        merge(load_adapter(trained.folder), tmp_path / "model", overwrite=True)
    assert (tmp_path / "model" / "mine.txt").read_text() == "mine"
    base = shutil.copytree(tiny_folder, tmp_path / "base")  # as good a model, but not ours to replace
    with pytest.raises(ProsodyError, match="base: is no stand-alone model of Janus Prosody, and stays as it is"):
        merge(load_adapter(trained.folder), base, overwrite=True)
    shutil.rmtree(base)
    merge(load_adapter(trained.folder), tmp_path / "other")
    (tmp_path / "other" / "more.txt").write_text("more")
    merge(load_adapter(trained.folder), tmp_path / "other", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "other"]
    assert not (tmp_path / "other" / "more.txt").exists()


def test_the_command(trained, tmp_path, capsys):
    assert main(["merge", "-o", str(tmp_path / "model"), "--adapter", str(trained.folder)]) == 0
    err = capsys.readouterr().err
    assert "a stand-alone model, " in err
    assert len(err.splitlines()) == 2  # no bars
    assert (tmp_path / "model" / "model.safetensors").is_file()
    assert main(["merge", "-o", str(tmp_path / "model"), "--adapter", str(trained.folder)]) == 2
    assert "already exists — give another name, or --overwrite" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "model")
    assert main(["merge", "-o", str(tmp_path / "model"), "--adapter", str(tmp_path / "none")]) == 2
    assert "no such adapter folder" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
