import pytest
import torch
from lm_data import rule_book

from prosody.lm import slots
from prosody.lm.corpus import of_dataset
from prosody.lm.dropout import Dropouts, WindowDropout
from prosody.lm.lora import LoraParameters, attach


@pytest.fixture
def dropped(tiny):
    """A model in training with half of its LoRA's inputs dropped, and its dropouts."""
    model, tokenizer, _ = attach(tiny, LoraParameters(dropout=0.5))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(generator=torch.Generator().manual_seed(1))
    corpus = of_dataset(rule_book(12), tokenizer, split="train")
    cut = [(0, 30), (30, 70), (70, 100), (100, 120)]
    examples = [slots.of_corpus(corpus, w, tokenizer, reading="twice", longest=None) for w in cut]
    return model.eval(), Dropouts(model, seed=5), examples


def states(model, dropouts, examples, windows):
    dropouts.use(dropouts.of(windows, "cpu"))
    batch = slots.collate([examples[k] for k in windows], pad_row=0)
    with torch.no_grad():
        return slots.hidden(model, batch, reading="twice")


def test_every_lora_dropout_is_replaced(dropped):
    model, _, _ = dropped
    kept = [m for m in model.modules() if isinstance(m, WindowDropout)]
    assert len(kept) == 2 * 2
    assert all(one.p == 0.5 for one in kept)
    assert not any(isinstance(m, torch.nn.Dropout) and m.p for m in model.modules() if "lora" in type(m).__name__)


def test_a_step_is_the_same_however_it_is_split(dropped):
    model, dropouts, examples = dropped
    dropouts.draw(7, 4)
    whole = states(model, dropouts, examples, range(4))
    halves = torch.cat([states(model, dropouts, examples, range(k, k + 2)) for k in (0, 2)])
    single = torch.cat([states(model, dropouts, examples, range(k, k + 1)) for k in range(4)])
    assert torch.allclose(whole, halves, atol=1e-4)
    assert torch.allclose(whole, single, atol=1e-4)


def test_a_step_drops_the_same_whenever_it_is_run_and_another_step_drops_others(dropped):
    model, dropouts, examples = dropped
    found = []
    for step in (7, 8, 7):
        dropouts.draw(step, 4)
        torch.rand(3)  # what else is drawn does not matter
        found.append(states(model, dropouts, examples, range(4)))
    assert torch.equal(found[0], found[2])
    assert (found[0] - found[1]).abs().max() > 1e-3


def test_windows_drop_different_features_and_as_many_as_asked():
    one = WindowDropout(0.25)
    holder = torch.nn.Module()
    holder.lora_dropout = torch.nn.ModuleDict({"default": torch.nn.Dropout(0.25)})
    holder.in_features = 400
    dropouts = Dropouts(holder, seed=0)
    dropouts.draw(1, 50)
    dropouts.use(dropouts.of(range(50), "cpu"))
    one = holder.lora_dropout["default"]
    out = one(torch.ones(50, 3, 400))
    assert float((out == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float(out.mean()) == pytest.approx(1.0, abs=0.02)
    assert (out[:, 0] == out[:, 2]).all()  # all tokens of a window alike
    assert (out[0] != out[1]).any()
    dropouts.off()
    assert torch.equal(one(torch.ones(50, 3, 400)), torch.ones(50, 3, 400))


def test_without_dropout_nothing_is_drawn(tiny):
    model, _, _ = attach(tiny, LoraParameters(dropout=0.0))
    Dropouts(model, seed=1).draw(1, 4)
    assert not [m for m in model.modules() if isinstance(m, WindowDropout)]
