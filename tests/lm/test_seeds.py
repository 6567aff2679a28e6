import pytest
from lm_data import files_of, rule_book

from prosody.errors import ProsodyError
from prosody.lm.lora import LoraParameters
from prosody.lm.seeds import spread, train_seeds
from prosody.lm.train import TrainParameters, train

HOW = TrainParameters(epochs=2, window_words=40, learning_rate=3e-3, precision="float32", device="cpu", seed=4)


def test_three_seeds_give_the_first_one_s_adapter_and_the_spread_of_all(new_base, tmp_path):
    lines, steps = [], []
    folder = tmp_path / "all" / "adapter"
    found = train_seeds(
        rule_book(12),
        new_base(),
        LoraParameters(),
        HOW,
        seeds=3,
        folder=folder,
        on_line=lines.append,
        on_step=steps.append,
    )
    alone = train(rule_book(12), new_base(), LoraParameters(), HOW, folder=tmp_path / "one" / "adapter", on_line=str)
    name = "adapter_model.safetensors"
    assert (folder / name).read_bytes() == (tmp_path / "one" / "adapter" / name).read_bytes()
    told = found.metrics["seeds"]["macro_f1"]
    assert told["values"][0] == alone.metrics["macro_f1"] == found.metrics["macro_f1"]
    assert len(told["values"]) == 3
    assert told["mean"] == pytest.approx(sum(told["values"]) / 3)
    assert [line for line in lines if line.startswith("Seed")] == ["Seed 5", "Seed 6"]
    assert len(steps) == found.metrics["steps"]  # only the first one's are told
    others = [files_of(folder.parent / "seeds" / f"seed_{k}" / "adapter")[name] for k in (5, 6)]
    assert len({(folder / name).read_bytes(), *others}) == 3


def test_spreads():
    found = spread([{"macro_f1": x, "loss_val": 1.0, "f1": {"<emph>": x / 2}} for x in (0.4, 0.6, 0.8)])
    assert found["macro_f1"]["spread"] == pytest.approx(0.2)
    assert found["loss_val"] == {"values": [1.0] * 3, "mean": 1.0, "spread": 0.0}
    assert found["f1"]["<emph>"]["mean"] == pytest.approx(0.3)


@pytest.mark.parametrize("seeds", [0, -1, 1.5])
def test_no_number_of_seeds_is_refused(new_base, tmp_path, seeds):
    with pytest.raises(ProsodyError, match=r"^seeds: is .* — give a whole number from 1"):
        train_seeds(rule_book(12), new_base(), LoraParameters(), HOW, seeds=seeds, folder=tmp_path / "a")
