import math

import pytest
import torch
from lm_data import rule_book, write_gpt2

from prosody.errors import ProsodyError
from prosody.lm import slots
from prosody.lm.base import Base, load_base
from prosody.lm.corpus import of_dataset
from prosody.lm.lora import LIKE_MEANING, LoraParameters, attach, attention_targets, row_vectors
from prosody.markers import TOKENS

GPT2_PARAMETERS = 124_439_808


@pytest.fixture
def gpt2_shape(tiny):
    """GPT-2's real shape, with random weights."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config())
    return Base("gpt2", model, tiny.tokenizer, model.config.vocab_size)


def batch_of(tokenizer, n_segments=2):
    corpus = of_dataset(rule_book(n_segments), tokenizer, split="train")
    whole = (0, len(corpus.words))
    return slots.collate([slots.of_corpus(corpus, whole, tokenizer, reading="both ways", longest=None)], pad_row=0)


def logits_of_slots(model, batch, tokenizer):
    even = slots.Reference(1.0, dict.fromkeys(TOKENS, 0.0))
    vectors = row_vectors(model, tokenizer, slots.tokens_of())
    return slots.logits(slots.hidden(model, batch, reading="both ways"), vectors, even)


def logits_of(model, rows):
    with torch.no_grad():
        return model(torch.tensor([rows])).logits


@pytest.mark.parametrize(("r", "target"), [(16, "attn.c_proj"), (8, "attn.c_attn")])
def test_counts_on_the_real_shape_of_gpt2(gpt2_shape, r, target):
    _, _, counts = attach(gpt2_shape, LoraParameters(r=r, targets=(target,)))
    assert (counts.base, counts.lora, counts.rows) == (GPT2_PARAMETERS, 294_912, 7 * 768)
    assert counts.trainable == 294_912 + 5_376
    assert "294,912 of 124,439,808" in str(counts)


def test_the_counts_are_those_of_the_parameters_with_a_gradient(tiny):
    model, _, counts = attach(tiny, LoraParameters(r=3))
    free = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    assert sum(free.values()) == counts.trainable
    assert counts.lora == 2 * 3 * ((32 + 96) + (32 + 32))  # 2 layers; c_attn is 32 × 96, c_proj 32 × 32
    assert counts.base == load_base(tiny.name).parameters


def test_only_lora_and_the_seven_rows_get_gradients(tiny):
    model, tokenizer, _ = attach(tiny, LoraParameters(dropout=0.0))
    batch = batch_of(tokenizer)
    slots.loss_sum(logits_of_slots(model, batch, tokenizer), batch.labels).backward()
    moved = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    rows = [name for name in moved if "lora_" not in name]
    assert [moved[name].shape for name in rows] == [(7, 32)]
    assert all((moved[name].abs().sum(dim=1) > 0).all() for name in rows)  # each of the seven
    assert sum("lora_" in name for name in moved) == 2 * 2 * 2  # layers, targets, A and B


def test_the_seven_rows_start_different_from_each_other(tiny):
    model, tokenizer, _ = attach(tiny, LoraParameters())
    rows = row_vectors(model, tokenizer).detach()
    assert rows.shape == (7, 32)
    assert torch.isfinite(rows).all()
    assert torch.pdist(rows).min() > 0.1


def test_each_row_starts_from_words_of_like_meaning(smollm2):
    table = smollm2.model.get_input_embeddings().weight.detach()
    encode = smollm2.tokenizer.encode
    starts = torch.stack([table[[i for word in LIKE_MEANING[t] for i in encode(word)]].mean(dim=0) for t in TOKENS])
    assert torch.pdist(starts).min() > 0.1
    one = torch.nn.functional.cosine_similarity(starts[TOKENS.index("<pitch_high>")], table[encode(" high")[0]], dim=0)
    other = torch.nn.functional.cosine_similarity(starts[TOKENS.index("<emph>")], table[encode(" high")[0]], dim=0)
    assert one > 0.5 > other


def test_an_untrained_adapter_changes_nothing(tiny):
    rows = tiny.tokenizer.encode("Nothing has been learned yet.")
    before = logits_of(tiny.model, rows)
    model, tokenizer, _ = attach(tiny, LoraParameters())
    after = logits_of(model.eval(), rows)
    assert torch.equal(after[..., : tokenizer.vocabulary], before)
    assert after.shape[-1] == tokenizer.vocabulary + 7


def test_training_leaves_every_row_and_weight_of_the_base_untouched(trained, tiny):
    model, tokenizer = trained.result.model, trained.result.tokenizer
    everything = torch.arange(tokenizer.vocabulary)
    with torch.no_grad():
        assert torch.equal(model.get_input_embeddings()(everything), tiny.model.get_input_embeddings()(everything))
    rows = tiny.tokenizer.encode("The base under the adapter is the base.")
    with model.disable_adapter():
        untuned = logits_of(model, rows)[..., : tokenizer.vocabulary]
    assert torch.equal(untuned, logits_of(tiny.model, rows))
    assert not torch.equal(untuned, logits_of(model, rows)[..., : tokenizer.vocabulary])


def test_training_moves_all_seven_rows(trained, tiny):
    fresh, tokenizer, _ = attach(tiny, LoraParameters())
    moved = (row_vectors(trained.result.model, tokenizer) - row_vectors(fresh, tokenizer)).detach().norm(dim=1)
    assert (moved > 0).all()


@pytest.mark.parametrize(("layers", "first"), [("all", 0), ("upper half", 1)])
def test_nothing_goes_back_through_layers_without_lora(tiny, layers, first):
    model, tokenizer, _ = attach(tiny, LoraParameters(layers=layers))
    seen = []
    for block in model.base_model.model.transformer.h:
        block.register_forward_pre_hook(lambda _, given: seen.append(given[0].requires_grad))
    batch = batch_of(tokenizer)
    slots.loss_sum(logits_of_slots(model, batch, tokenizer), batch.labels).backward()
    assert seen == [False, first == 0]  # what goes into each of the two layers
    names = [n for n, w in model.named_parameters() if "lora_" in n and w.grad is not None]
    assert {int(n.partition(".h.")[2][0]) for n in names} == set(range(first, 2))
    assert row_vectors(model, tokenizer).requires_grad


def test_rows_are_the_base_s_own_where_the_adapter_is_off(trained, tiny):
    model, tokenizer = trained.result.model, trained.result.tokenizer
    fresh, _, _ = attach(tiny, LoraParameters())
    with model.disable_adapter():
        assert torch.equal(row_vectors(model, tokenizer), row_vectors(fresh, tokenizer))
    rows = torch.tensor(list(tokenizer.rows.values()))
    assert torch.equal(row_vectors(model, tokenizer), model.get_input_embeddings()(rows))


def test_the_seed_decides_how_lora_starts(new_base):
    def start(seed):
        model, _, _ = attach(new_base(), LoraParameters(), seed=seed)
        return torch.cat([p.detach().flatten() for n, p in model.named_parameters() if "lora_" in n])

    one = start(1)
    torch.rand(3)  # and nothing else does
    assert torch.equal(start(1), one)
    assert not torch.equal(start(2), one)


def test_a_base_with_an_output_layer_of_its_own_starts_both_rows_alike(tmp_path):
    base = load_base(str(write_gpt2(tmp_path / "untied", tie_word_embeddings=False)))
    model, tokenizer, counts = attach(base, LoraParameters())
    batch = batch_of(tokenizer)
    with torch.no_grad():
        pitch = logits_of_slots(model.eval(), batch, tokenizer)["pitch"]
    assert torch.pdist(pitch[:, 1:].T).min() > 0.1  # the four pitch markers are told apart from the start
    assert counts.rows == 7 * 32


def test_the_attention_of_several_architectures_is_known(tiny):
    from transformers import BloomConfig, BloomForCausalLM, LlamaConfig, LlamaForCausalLM

    llama = LlamaConfig(vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    assert attention_targets(tiny.model) == ("attn.c_attn", "attn.c_proj")
    assert attention_targets(LlamaForCausalLM(llama)) == ("q_proj", "k_proj", "v_proj", "o_proj")
    bloom = BloomForCausalLM(BloomConfig(vocab_size=64, hidden_size=16, n_layer=1, n_head=2))
    assert attention_targets(bloom) == ("query_key_value", "dense")


def test_an_unknown_architecture_asks_for_its_targets():
    from transformers import OPTConfig, OPTForCausalLM

    shape = {"vocab_size": 64, "hidden_size": 16, "word_embed_proj_dim": 16, "ffn_dim": 16}
    opt = OPTForCausalLM(OPTConfig(num_hidden_layers=1, num_attention_heads=2, **shape))
    with pytest.raises(ProsodyError, match="the attention of a opt model isn't known — name them"):
        attention_targets(opt)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (("q_proj",), "no layer of this base is named 'q_proj' — use one such as attn.c_attn, attn.c_proj"),
        (("attn.c_proj", "nope"), "no layer of this base is named 'nope'"),
        (("c_pro",), "no layer of this base is named 'c_pro'"),
        (("ln_1",), "ln_1: LoRA does not go there"),
        (("wte",), "wte: LoRA does not go there"),
    ],
)
def test_targets_that_cannot_be_are_refused(tiny, targets, message):
    with pytest.raises(ProsodyError, match=f"^lora targets: {message}") as caught:
        attach(tiny, LoraParameters(targets=targets))
    assert "\n" not in str(caught.value)


def test_a_rank_that_no_matrix_has_is_refused_before_memory_is_taken(tiny):
    with pytest.raises(ProsodyError, match=r"^lora r: 10000000 is more than the 32 that the matrices of this base"):
        attach(tiny, LoraParameters(r=10_000_000))


@pytest.mark.parametrize(
    "wrong",
    [
        {"r": 0}, {"r": -4}, {"r": 1.5}, {"r": math.nan},
        {"alpha": 0}, {"alpha": -32}, {"alpha": math.nan}, {"alpha": math.inf},
        {"dropout": -0.1}, {"dropout": 1.0}, {"dropout": math.nan},
    ],
)  # fmt: skip
def test_shapes_that_cannot_be_are_refused(wrong):
    with pytest.raises(ProsodyError, match=f"^lora {next(iter(wrong))}: "):
        LoraParameters(**wrong)


def test_a_base_is_not_trained_on_twice(tiny):
    attach(tiny, LoraParameters())
    assert tiny.vocabulary == 50_257
    with pytest.raises(ProsodyError, match="holds marker rows already — load it anew"):
        attach(tiny, LoraParameters())
