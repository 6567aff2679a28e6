import json
import math
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lm_data import files_of, rule_book
from peft import get_peft_model_state_dict
from safetensors.torch import load_file

from prosody.errors import ProsodyError
from prosody.lm import figures
from prosody.lm.lora import LoraParameters
from prosody.lm.parameters import TrainParameters
from prosody.lm.train import train
from prosody.markers import TOKENS

CONTRACT = {
    *("loss_val", "loss_val_untuned", "f1", "macro_f1", "macro_f1_baselines", "steps", "tokens_per_s", "seconds"),
    *("seconds_estimated", "peak_memory_mb", "trainable_parameters", "adapter_bytes"),
}
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def train_briefly(new_base, tmp_path):
    """Train one epoch on eight segments; settings by name. Returns the result and the adapter's folder."""

    def run(dataset=None, *, name="adapter", lora=None, **settings):
        settings = {"epochs": 1, "precision": "float32", "device": "cpu"} | settings
        folder = tmp_path / name / "janus_prosody_lora"
        result = train(
            dataset or rule_book(8),
            new_base(),
            lora,
            TrainParameters(**settings),
            folder=folder,
            on_line=lambda line: None,
        )
        return result, folder

    return run


def changed(dataset, *, split=None, **word):
    """The dataset with every word of one split (or of all) changed."""
    return replace(
        dataset,
        segments=tuple(
            replace(s, words=tuple(replace(w, **word) for w in s.words)) if split in (None, s.split) else s
            for s in dataset.segments
        ),
    )


def test_the_held_out_loss_falls_below_the_untuned_base(trained):
    metrics = trained.result.metrics
    assert metrics["loss_val"] < 0.2 * metrics["loss_val_untuned"]
    assert trained.result.epochs[0].loss_val == metrics["loss_val_untuned"]
    assert trained.result.best.loss_val == pytest.approx(metrics["loss_val"], abs=1e-6)


def test_a_word_that_always_has_a_marker_gets_it_on_unseen_text(trained):
    metrics = trained.result.metrics
    assert metrics["f1"]["<emph>"] > 0.8
    assert metrics["f1"]["<pause_short>"] > 0.8
    assert metrics["macro_f1"] > metrics["macro_f1_baselines"]["untuned_base"] + 0.4
    assert metrics["macro_f1"] > max(e.macro_f1 for e in trained.result.epochs[:2])


def test_metrics_hold_what_every_train_run_writes(trained):
    metrics = trained.result.metrics
    assert metrics.keys() >= CONTRACT
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert list(metrics["f1"]) == list(TOKENS)
    assert {"no_markers", "every_content_word", "punctuation", "most_frequent_for_word", "untuned_base"} <= metrics[
        "macro_f1_baselines"
    ].keys()
    assert metrics["steps"] == len(trained.steps) == trained.steps[0].n_steps
    assert metrics["trainable_parameters"] == trained.result.counts.trainable
    assert metrics["adapter_bytes"] == (trained.folder / WEIGHTS).stat().st_size < 100_000
    assert metrics["seconds_estimated"] > 0
    assert metrics["tokens_per_s"] > 0


def test_figures_and_cost_are_told_in_a_few_lines(trained):
    metrics = trained.result.metrics
    assert figures.headline(metrics, 57).endswith(f"macro F1 {metrics['macro_f1']:.3f} on 57 held-out words")
    first, second, third = figures.cost(metrics, what="adapter").splitlines()
    assert first.startswith("adapter: 0.0 MB, ") and first.endswith(" trained parameters")
    assert f"{metrics['steps']} steps in " in second and "float32" in second
    assert re.fullmatch(r"[\d,]+ MB at most \(foretold [\d,]+ MB\)", third)


def test_the_held_out_part_is_the_last_stretch(trained):
    lines = [(w.text, w.markers) for s in rule_book(40).segments for w in s.words]
    assert trained.result.held_out == lines[-len(trained.result.held_out) :]
    assert len(trained.result.placed) == len(trained.result.placed_untuned) == len(trained.result.held_out) == 4 * 18


def test_the_log_tells_counts_steps_and_epochs(trained):
    assert trained.lines[0] == str(trained.result.counts)
    epochs = [line for line in trained.lines if line.startswith("Epoch")]
    assert len(epochs) == 8
    last = trained.result.epochs[-1]
    assert epochs[-1] == f"Epoch 8 | held-out loss {last.loss_val:.4f} | macro F1 {last.macro_f1:.3f}"
    others = [line for line in trained.lines[1:] if not line.startswith(("Step", "Epoch"))]
    assert len(trained.lines) == 1 + len(trained.steps) + 8 + len(others)
    known = ("warning  ", "Before the first step", "Estimate | this machine", "The held-out loss was lowest")
    assert all(line.startswith(known) for line in others)


def test_what_makes_the_figures_doubtful_is_told_before_the_first_step(trained):
    first = next(k for k, line in enumerate(trained.lines) if line.startswith("Step"))
    few = [line for line in trained.lines[:first] if line.startswith("warning  under 30 examples to learn from: ")]
    assert len(few) == 1 and "<pitch_low> 0" in few[0]


def test_listeners_hear_every_step_and_epoch(trained):
    assert trained.steps == trained.result.steps
    assert trained.epochs == trained.result.epochs[1:]
    assert [e.epoch for e in trained.epochs] == list(range(1, 9))
    assert trained.epochs[-1].step == len(trained.steps)


def test_the_last_two_checkpoints_lie_beside_the_adapter(trained):
    checkpoints = trained.folder.parent / "checkpoints"
    last = [e.step for e in trained.epochs[-2:]]
    assert sorted(p.name for p in checkpoints.glob("*")) == [".lock", *(f"step_{k:06d}" for k in last)]
    for one in checkpoints.glob("step_*"):
        assert sorted(p.name for p in one.iterdir()) == ["state.json", "state.safetensors"]


def test_the_adapter_kept_is_the_best_epoch_s(train_briefly):
    for seed in range(8):  # rates so high that the last epoch is seldom the best
        how = {"epochs": 5, "learning_rate": 5e-2, "learning_rate_rows": 5e-2, "seed": seed}
        result, folder = train_briefly(rule_book(12), name=str(seed), **how)
        scores = [e.macro_f1 for e in result.epochs[1:]]
        assert result.metrics["macro_f1"] == max(scores)
        assert result.best.macro_f1 == max(scores)
        held = load_file(folder / WEIGHTS)
        for name, weight in get_peft_model_state_dict(result.model, save_embedding_layers=False).items():
            assert torch.equal(held[name], weight)
        if max(scores) > scores[-1]:
            return
    pytest.fail("the last epoch was the best with every seed: choose other rates")


def test_the_same_seed_gives_the_same_bytes(train_briefly):
    one, one_folder = train_briefly(name="one", seed=3)
    _, again_folder = train_briefly(name="again", seed=3)
    other, other_folder = train_briefly(name="other", seed=4)
    assert (one_folder / WEIGHTS).read_bytes() == (again_folder / WEIGHTS).read_bytes()
    assert (one_folder / WEIGHTS).read_bytes() != (other_folder / WEIGHTS).read_bytes()
    assert one.metrics["loss_val_untuned"] == other.metrics["loss_val_untuned"]


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(tiny_folder, tmp_path):
    script = """
import sys, torch
from pathlib import Path
from lm_data import rule_book
from prosody.lm.base import load_base
from prosody.lm.train import TrainParameters, train
torch.set_num_threads(1)
how = TrainParameters(epochs=2, precision="float32", device="cpu")
train(rule_book(8), load_base(sys.argv[1]), None, how, folder=Path(sys.argv[2]), on_line=lambda line: None)
"""
    here = Path(__file__).parent
    for hash_seed in ("1", "2"):
        environment = os.environ | {
            "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": f"{here}{os.pathsep}{here.parent.parent}",
        }
        folder = tmp_path / hash_seed / "adapter"
        subprocess.run([sys.executable, "-c", script, str(tiny_folder), str(folder)], env=environment, check=True)
    for name in (WEIGHTS, "adapter_config.json"):
        assert (tmp_path / "1" / "adapter" / name).read_bytes() == (tmp_path / "2" / "adapter" / name).read_bytes()


def test_windows_are_batched_and_the_last_batch_may_be_smaller(train_briefly):
    result, _ = train_briefly(rule_book(20), batch_size=4, window_words=50)  # 18 segments, 324 words, 7 windows
    assert result.metrics["steps"] == 2
    result, _ = train_briefly(rule_book(20), batch_size=1, window_words=50, name="one by one")
    assert result.metrics["steps"] == 7


def test_the_head_learns_without_moving_the_model_unless_it_is_asked_to(train_briefly):
    def go(name, data, **settings):
        result, folder = train_briefly(data, name=name, epochs=4, **settings)
        return result, (folder / WEIGHTS).read_bytes()

    data = rule_book(12, measured=True)
    deaf, without = go("deaf", changed(data, measured={}))
    hears, beside = go("beside", data)
    _, moved = go("moved", data, acoustic=1.0)
    assert without == beside != moved
    assert "measurements" not in deaf.metrics and deaf.metrics["head_bytes"] == 0
    assert hears.metrics["head_bytes"] > 0
    assert hears.epochs[-1].loss_acoustic < hears.epochs[0].loss_acoustic  # held out


def test_bfloat16_trains_too(train_briefly):
    result, _ = train_briefly(precision="bfloat16")
    assert result.metrics["precision"] == "bfloat16"
    assert math.isfinite(result.metrics["loss_val"])


def test_targets_and_rank_are_the_user_s(train_briefly):
    result, folder = train_briefly(lora=LoraParameters(r=2, alpha=4, targets=("attn.c_proj",)))
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["target_modules"]) == (2, 4, ["attn.c_proj"])
    assert result.counts.lora == 2 * 2 * (32 + 32)


def test_a_segment_without_a_split_is_learned_from(train_briefly):
    dataset = rule_book(8)
    mixed = replace(
        dataset, segments=tuple(replace(s, split="" if s.split == "train" else "val") for s in dataset.segments)
    )
    result, _ = train_briefly(mixed)
    assert len(result.held_out) == 18


def test_a_held_out_part_without_markers_can_be_measured(train_briefly):
    result, _ = train_briefly(changed(rule_book(8), split="val", markers=()))
    assert result.metrics["macro_f1"] == 0
    assert math.isfinite(result.metrics["loss_val"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: changed(d, markers=()), "made_up: train split: no word has a marker: nothing to learn — mark the"),
        (lambda d: changed(d, split="train", markers=()), "made_up: train split: no word has a marker"),
        (lambda d: replace(d, segments=()), "made_up: train split: no word has a marker"),
        (
            lambda d: changed(d, split="train", markers=("<emph>",)),
            "made_up: train split: all words have the same markers .<emph>.: nothing to tell apart",
        ),
        (
            lambda d: replace(d, segments=tuple(replace(s, split="train") for s in d.segments)),
            "made_up: val split: holds no words — prepare it with at least two segments",
        ),
        (
            lambda d: replace(d, segments=tuple(replace(s, words=()) if s.split == "val" else s for s in d.segments)),
            "made_up: val split: holds no words",
        ),
    ],
)
def test_a_dataset_that_teaches_nothing_is_refused(train_briefly, tmp_path, change, message):
    with pytest.raises(ProsodyError, match=f"^{message}"):
        train_briefly(change(rule_book(8)))
    assert not (tmp_path / "adapter").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 1e30}, "training: the loss became nan at step 2, words 1 to 60 — lower learning_rate"),
        ({"learning_rate": 1e30, "window_words": 1000}, "training: the held-out loss became nan — lower learning_rate"),
        ({"device": "tpu"}, "device: there is no 'tpu' here"),
        ({"lora": LoraParameters(targets=("nope",))}, "lora targets: no layer of this base is named 'nope'"),
    ],
)
def test_a_training_that_fails_leaves_the_earlier_adapter(train_briefly, trained, tmp_path, settings, message):
    folder = Path(shutil.copytree(trained.folder, tmp_path / "adapter" / trained.folder.name))
    before = files_of(folder)
    with pytest.raises(ProsodyError, match=f"^{message}"):
        train_briefly(**settings)
    assert files_of(folder) == before


@pytest.mark.parametrize(("window_words", "which"), [(60, "loss"), (1000, "held-out loss")])
def test_measurements_out_of_bounds_are_told_with_the_rate_to_lower(train_briefly, window_words, which):
    told = f"training: the {which} of the measurements became .* — lower learning_rate_head$"
    with pytest.raises(ProsodyError, match=told):
        train_briefly(
            rule_book(8, measured=True), learning_rate_head=1e37, window_words=window_words, epochs=2, acoustic=1.0
        )


def test_a_file_where_the_adapter_belongs_is_told_before_the_first_step(train_briefly, tmp_path):
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "janus_prosody_lora").write_text("mine")
    with pytest.raises(ProsodyError, match="janus_prosody_lora: is no folder — move it away, or give another name"):
        train_briefly()
    assert (tmp_path / "adapter" / "janus_prosody_lora").read_text() == "mine"
    assert len(list((tmp_path / "adapter").iterdir())) == 1


def test_a_folder_of_something_else_is_not_replaced(train_briefly, tmp_path):
    (tmp_path / "adapter" / "janus_prosody_lora").mkdir(parents=True)
    (tmp_path / "adapter" / "janus_prosody_lora" / "thesis.txt").write_text("mine")
    with pytest.raises(ProsodyError, match="janus_prosody_lora: holds something else than what was trained — move it"):
        train_briefly()
    assert (tmp_path / "adapter" / "janus_prosody_lora" / "thesis.txt").read_text() == "mine"


def test_windows_too_long_for_the_base_are_refused(train_briefly):
    with pytest.raises(ProsodyError, match=r"^window_words: .* too many for this base"):
        train_briefly(rule_book(80), window_words=5000)
