"""What a rank costs, against what PEFT really makes."""

import pytest
from lm_data import write_gpt2

from prosody.errors import ProsodyError
from prosody.lm import ranks
from prosody.lm.base import Base, load_base
from prosody.lm.checkpoint import save_adapter
from prosody.lm.lora import ALL_LINEAR, LoraParameters, attach


@pytest.fixture
def small(tmp_path):
    """A small base of GPT-2's kind, with random weights."""
    write_gpt2(tmp_path / "base")
    return load_base(str(tmp_path / "base"))


@pytest.fixture(scope="module")
def gpt2_shape():
    """GPT-2's real shape, without its weights."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.device("meta"):
        model = GPT2LMHeadModel(GPT2Config())
    return Base("gpt2", model, None, model.config.vocab_size)


@pytest.mark.parametrize(("r", "target"), [(16, "attn.c_proj"), (8, "attn.c_attn")])
def test_the_known_counts_of_gpt2(gpt2_shape, r, target):
    chosen = ranks.matrices(gpt2_shape, LoraParameters(r=r, targets=(target,)))
    foretold = ranks.cost(chosen, r, width=ranks.width_of(gpt2_shape))
    assert (foretold.lora, foretold.rows) == (294_912, 7 * 768)  # tests/lm/test_lora.py: what PEFT makes of the same
    assert {(one.n_out, one.n_in) for one in chosen} == {(2304 if "c_attn" in target else 768, 768)}


@pytest.mark.parametrize("r", [1, 3])
@pytest.mark.parametrize("targets", [(), (ALL_LINEAR,)])
@pytest.mark.parametrize("layers", ["all", "upper half"])
def test_the_count_is_what_peft_makes(small, r, targets, layers):
    parameters, base = LoraParameters(r=r, targets=targets, layers=layers), small
    chosen, width = ranks.matrices(base, parameters), ranks.width_of(base)
    foretold = ranks.cost(chosen, r, width=width)
    model, _, counts = attach(base, parameters)
    assert (foretold.lora, foretold.rows, foretold.trainable) == (counts.lora, counts.rows, counts.trainable)
    made = {name.partition(".lora_A")[0].removeprefix("base_model.model."): weight for name, weight in _a(model)}
    assert [one.name for one in chosen] == list(made)
    assert [one.n_in for one in chosen] == [weight.shape[1] for weight in made.values()]


def _a(model):
    return [(name, weight) for name, weight in model.named_parameters() if ".lora_A." in name]


def test_the_bytes_are_those_of_the_file(small, tmp_path):
    from safetensors import safe_open

    base, parameters = small, LoraParameters(r=2)
    foretold = ranks.cost(ranks.matrices(base, parameters), 2, width=ranks.width_of(base))
    save_adapter(attach(base, parameters)[0], base, tmp_path / "adapter", card={"run": "x"})
    with safe_open(str(tmp_path / "adapter" / "adapter_model.safetensors"), "np") as file:
        assert foretold.adapter_bytes == sum(file.get_tensor(key).nbytes for key in file.keys())  # noqa: SIM118


def test_from_the_break_even_on_the_pair_is_the_larger(gpt2_shape):
    one = ranks.matrices(gpt2_shape, LoraParameters(targets=("attn.c_proj",)))[0]
    assert one.break_even == 384
    assert one.pair(384) == one.numbers < one.pair(385)


def test_a_target_that_is_not_there_is_refused(gpt2_shape):
    with pytest.raises(ProsodyError, match="no layer of this base is named 'nowhere'"):
        ranks.matrices(gpt2_shape, LoraParameters(targets=("nowhere",)))
