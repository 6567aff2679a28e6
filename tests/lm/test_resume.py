"""A training that was cut short goes on as if it had not been."""

import re
import shutil
import signal
from dataclasses import replace

import pytest
import torch
from lm_data import rule_book

from prosody.errors import ProsodyError
from prosody.lm import state
from prosody.lm.loop import Loop
from prosody.lm.lora import LoraParameters
from prosody.lm.train import TrainParameters, train

WEIGHTS = "adapter_model.safetensors"
HOW = TrainParameters(
    epochs=3,
    batch_size=2,
    window_words=30,
    learning_rate=3e-3,
    checkpoint_s=0,
    precision="float32",
    device="cpu",
    seed=2,
)


class Cut(Exception):
    """The training was cut short."""


@pytest.fixture
def run(new_base, tmp_path):
    """Train in a folder of that name, until a step if given. Returns result, adapter's weights, and what was told."""

    def go(name, *, until=None, how=HOW, lora=None, data=None, resume_from=(), **options):
        folder, lines = tmp_path / name / "artifacts" / "janus_prosody_lora", []

        def on_step(step):
            if step.step == until and not any(line.startswith(f"Step {until + 1} ") for line in lines):
                raise Cut

        try:
            result = train(
                data or rule_book(12, measured=True),
                new_base(),
                lora or LoraParameters(r=4, dropout=0.2),
                how,
                folder=folder,
                resume_from=resume_from and [tmp_path / other / "artifacts" / state.FOLDER for other in resume_from],
                on_step=on_step if until else None,
                **{"on_line": lines.append, **options},
            )
        except Cut:
            return None, None, lines
        files = {p.name: p.read_bytes() for p in folder.glob("*.safetensors")}
        return result, files, lines

    return go


@pytest.fixture
def whole(run):
    return run("whole")


def trace(result):
    return [(s.step, s.loss, s.loss_acoustic, s.learning_rate) for s in result.steps]


@pytest.mark.parametrize("until", [1, 4, 10])  # of 12: in the first epoch, at its end, at the second's
def test_a_training_cut_short_goes_on_to_the_same_bits(run, whole, until):
    assert len(whole[0].steps) == 12
    assert run("cut", until=until)[0] is None
    result, files, lines = run("cut")
    done = until - 1  # a step that was not told yet is done again
    assert f"Going on after step {done} of 12" in lines or until == 1
    assert trace(result) == trace(whole[0])
    assert result.epochs == whole[0].epochs
    assert files == whole[1]
    assert result.placed == whole[0].placed
    assert result.placed_untuned == whole[0].placed_untuned
    assert result.metrics["f1"] == whole[0].metrics["f1"]


@pytest.mark.usefixtures("ctrl_c_heard")
@pytest.mark.parametrize("at", [3, 8])  # in an epoch, and at the end of one
def test_ctrl_c_ends_the_step_and_leaves_a_checkpoint(run, whole, tmp_path, monkeypatch, at):
    learn = Loop._step

    def interrupted(self, planned, examples):
        if planned.step == at:
            signal.raise_signal(signal.SIGINT)
        return learn(self, planned, examples)

    monkeypatch.setattr(Loop, "_step", interrupted)
    lines, how = [], replace(HOW, checkpoint_s=1e6)
    with pytest.raises(KeyboardInterrupt):
        run("cut", how=how, on_line=lines.append)
    assert f"Interrupted after step {at} of 12: the same training goes on from it" in lines
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    result, files, lines = run("cut", how=how)
    assert f"Going on after step {at} of 12" in lines
    assert (trace(result), files) == (trace(whole[0]), whole[1])


@pytest.mark.usefixtures("ctrl_c_heard")
def test_a_second_ctrl_c_ends_at_once(run, monkeypatch, tmp_path):
    def interrupted(self, planned, examples):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("went on")

    monkeypatch.setattr(Loop, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("cut")
    assert not list((tmp_path / "cut" / "artifacts" / state.FOLDER).glob("step_*"))


def test_it_goes_on_from_another_run_s_checkpoints(run, whole, tmp_path):
    run("cut", until=8)
    result, files, lines = run("next", resume_from=["none", "cut"])
    assert "Going on after step 7 of 12" in lines
    assert (trace(result), files) == (trace(whole[0]), whole[1])
    assert list((tmp_path / "next" / "artifacts" / state.FOLDER).glob("step_*"))
    assert len(list((tmp_path / "cut" / "artifacts" / state.FOLDER).glob("step_*"))) == 2  # as it was left


def test_cut_short_again_and_again(run, whole):
    for until in (2, 3, 7, 11, 12):
        run("cut", until=until)
    result, files, _ = run("cut")
    assert (trace(result), files) == (trace(whole[0]), whole[1])


def test_a_damaged_last_checkpoint_costs_a_step(run, whole, tmp_path):
    run("cut", until=8)
    last = sorted((tmp_path / "cut" / "artifacts" / state.FOLDER).glob("step_*"))[-1]
    (last / "state.safetensors").write_bytes(b"")
    result, files, lines = run("cut")
    assert "Going on after step 6 of 12" in lines
    assert (trace(result), files) == (trace(whole[0]), whole[1])


def test_a_finished_training_is_only_measured_again(run, whole):
    result, files, lines = run("whole")
    assert "Going on after step 12 of 12" in lines
    assert not any(line.startswith("Step") for line in lines)
    assert files == whole[1]
    assert trace(result) == trace(whole[0])


def test_where_and_how_fast_it_runs_may_change(run, whole):
    run("cut", until=8)
    other = replace(HOW, micro_batch=1, checkpoint_s=100.0)
    result, _, lines = run("cut", how=other)
    assert "Going on after step 7 of 12" in lines
    assert [s.loss for s in result.steps] == pytest.approx([s.loss for s in whole[0].steps], rel=1e-4)


def test_micro_batches_change_nothing_but_rounding(run, whole):
    result, _, _ = run("micro", how=replace(HOW, micro_batch=1))
    assert [s.loss for s in result.steps] == pytest.approx([s.loss for s in whole[0].steps], rel=1e-4)


def test_where_memory_runs_out_the_pieces_are_halved_and_the_result_is_the_same(run, whole, monkeypatch):
    real = Loop._added_up

    def scarce(self, examples, *counts):
        found = real(self, examples, *counts)  # gradients are there already when the memory ends
        if self.micro_batch > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return found

    monkeypatch.setattr(Loop, "_added_up", scarce)
    result, _, lines = run("scarce")
    assert lines.count("The GPU's memory is full: learning from 1 windows at once from now on") == 1
    assert [s.loss for s in result.steps] == pytest.approx([s.loss for s in whole[0].steps], rel=1e-4)


def test_a_window_too_large_for_the_memory_is_told_in_one_line(run, monkeypatch):
    def never(self, *_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Loop, "_added_up", never)
    with pytest.raises(
        ProsodyError, match=r"^memory: one window alone is too much for the GPU — give a smaller window"
    ):
        run("never")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"how": replace(HOW, seed=3)}, r"seed \(was 2, now 3\)"),
        ({"how": replace(HOW, epochs=4, clip=2.0)}, r"clip \(was 1.0, now 2.0\); epochs \(was 3, now 4\)"),
        ({"lora": LoraParameters(r=2, dropout=0.2)}, r"r \(was 4, now 2\)"),
        (
            {"data": rule_book(12, measured=True, seed=9)},
            r"the held-out text \(18 words, now 18, or other markers in it\)",
        ),
        (
            {"data": rule_book(13, measured=True)},
            r"the text to learn from \(198 words, now 216, or other markers in it\)",
        ),
        ({"data": rule_book(12)}, r"the held-out text .*; the text to learn from"),
    ],
)
def test_what_changed_since_is_told_and_nothing_lost(run, whole, tmp_path, change, told):
    run("cut", until=8)
    checkpoints = tmp_path / "cut" / "artifacts" / state.FOLDER
    before = sorted(p.name for p in checkpoints.iterdir())
    with pytest.raises(ProsodyError, match=f"checkpoints: holds a training, cut short, of which .*{told}") as caught:
        run("cut", **change)
    assert "resume=never" in caught.value.remedy
    assert sorted(p.name for p in checkpoints.iterdir()) == before
    _, files, _ = run("cut")
    assert files == whole[1]


def test_another_run_of_something_else_is_told_and_left_alone(run):
    run("cut", until=8)
    _, _, lines = run("next", how=replace(HOW, seed=5), resume_from=["cut"])
    assert any(re.search(r"^Not going on from \S*cut.artifacts: seed \(was 2, now 5\)$", line) for line in lines)
    assert next(line for line in lines if line.startswith("Step")).startswith("Step 1 ")


def test_a_run_that_is_named_must_fit(run, tmp_path):
    run("cut", until=8)
    with pytest.raises(ProsodyError, match=r"cut.*checkpoints: something changed since: seed \(was 2, now 5\) — "):
        run("next", how=replace(HOW, seed=5), resume_from=["cut"], resume_strictly=True)
    with pytest.raises(ProsodyError, match=r"none.*checkpoints: something changed since: it left no whole checkpoint"):
        run("next", resume_from=["none"], resume_strictly=True)
    _, _, lines = run("next", resume_from=["cut"], resume_strictly=True)
    assert "Going on after step 7 of 12" in lines


def test_never_starts_anew(run, whole):
    run("cut", until=8)
    _, files, lines = run("cut", resume_from=None)
    assert next(line for line in lines if line.startswith("Step")).startswith("Step 1 ")
    assert files == whole[1]


def test_a_finished_training_makes_way_for_another(run, whole):
    result, _, lines = run("whole", how=replace(HOW, seed=5))
    assert next(line for line in lines if line.startswith("Step")).startswith("Step 1 ")
    assert trace(result) != trace(whole[0])


@pytest.mark.parametrize("resume_from", [(), None])
def test_a_finished_training_s_checkpoints_stay_until_the_next_has_its_own(run, whole, tmp_path, resume_from):
    checkpoints = tmp_path / "whole" / "artifacts" / state.FOLDER
    before = sorted(p.name for p in checkpoints.iterdir())
    other = replace(HOW, seed=5)
    assert run("whole", how=other, until=1, resume_from=resume_from)[0] is None  # cut short before its first checkpoint
    assert sorted(p.name for p in checkpoints.iterdir()) == before
    assert "Going on after step 12 of 12" in run("whole")[2]
    run("whole", how=other, until=3, resume_from=resume_from)
    assert sorted(p.name for p in checkpoints.glob("step*")) == ["step_000001", "step_000002"]
    assert "Going on after step 2 of 12" in run("whole", how=other)[2]


def test_two_trainings_whose_checkpoints_lie_together_each_go_on(run, whole, tmp_path):
    """As after a kill between the first checkpoint of a training and the removal of another's."""
    run("other", how=replace(HOW, seed=5), until=3)
    run("cut", until=8)
    (there, here) = (tmp_path / name / "artifacts" / state.FOLDER for name in ("other", "cut"))
    shutil.copytree(there / "step_000002", here / "step_000002")
    _, _, lines = run("cut", how=replace(HOW, seed=5), until=4)
    assert "Going on after step 2 of 12" in lines


def test_facts_that_lack_something_are_told_in_one_line(run, tmp_path):
    run("cut", until=3)
    checkpoints = tmp_path / "cut" / "artifacts" / state.FOLDER
    last = next(state.found_in(checkpoints, on_line=print))
    state.save(checkpoints, state.State(2, last.tensors(), {"identity": last.facts["identity"]}))
    with pytest.raises(ProsodyError, match=r"checkpoint: lacks what a training goes on from \('reference'\) — train"):
        run("cut")


def test_checkpoints_of_which_none_can_be_read_are_told_and_kept(run, tmp_path, monkeypatch):
    run("cut", until=8)
    checkpoints = tmp_path / "cut" / "artifacts" / state.FOLDER
    monkeypatch.setattr(state, "FORMAT_VERSION", 99)
    with pytest.raises(ProsodyError, match="checkpoints: holds checkpoints of which none can be read — start it anew"):
        run("cut")
    assert len(list(checkpoints.glob("step_*"))) == 2
    _, _, lines = run("cut", resume_from=None)
    assert next(line for line in lines if line.startswith("Step")).startswith("Step 1 ")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda one: one[:1], "checkpoint: is of another base, rank, or choice of layers"),
        (lambda one: one * float("nan"), "checkpoint: holds what is no finite number"),
    ],
)
@pytest.mark.parametrize("which", ["exp_avg.", "best.", "weight."])
def test_tensors_that_do_not_fit_are_told_in_one_line(run, tmp_path, which, change, told):
    run("cut", until=8)
    checkpoints = tmp_path / "cut" / "artifacts" / state.FOLDER
    last = next(state.found_in(checkpoints, on_line=print))
    tensors = {name: change(one) if name.startswith(which) else one for name, one in last.tensors().items()}
    state.save(checkpoints, state.State(last.step, tensors, last.facts))
    with pytest.raises(ProsodyError, match=told):
        run("cut")


@pytest.mark.parametrize("identity", [[], None, {"base_model": 5, "text to learn from": 7}])
def test_a_checkpoint_that_does_not_say_of_what_it_is_does_not_fit(run, tmp_path, identity):
    run("cut", until=3)
    checkpoints = tmp_path / "cut" / "artifacts" / state.FOLDER
    last = next(state.found_in(checkpoints, on_line=print))
    state.save(checkpoints, state.State(2, last.tensors(), dict(last.facts) | {"identity": identity}))
    with pytest.raises(ProsodyError, match="checkpoints: holds a training, cut short, of which something changed"):
        run("cut")


def test_without_its_checkpoints_it_starts_anew(run, whole, tmp_path):
    run("cut", until=8)
    shutil.rmtree(tmp_path / "cut" / "artifacts" / state.FOLDER)
    result, files, _ = run("cut")
    assert (trace(result), files) == (trace(whole[0]), whole[1])


def test_patience_ends_a_training_that_gets_no_better(run):
    how = replace(HOW, epochs=30, patience=2, learning_rate=1e-6, learning_rate_rows=1e-6)
    result, _, lines = run("patient", how=how)
    assert len({e.macro_f1 for e in result.epochs[1:]}) == 1
    assert len(result.epochs) - 1 == 3
    assert "No better macro F1 for 2 epochs: ending here" in lines
    assert result.metrics["epochs"] == len(result.epochs) - 1
    again, _, lines = run("patient", how=how)
    assert not any(line.startswith("Step") for line in lines)  # it had ended
    assert again.epochs == result.epochs


def test_code_that_plans_other_steps_goes_on_from_none_of_before(run, monkeypatch):
    from prosody.lm import plan

    assert run("cut", until=5)[0] is None
    monkeypatch.setattr(plan, "_POOL", 1)
    with pytest.raises(ProsodyError, match="something changed since: the code that says what each step learns from — "):
        run("cut")
