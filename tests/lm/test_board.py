import pytest

from prosody.lm.board import board


def test_events_of_a_training_can_be_read_again(trained, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with board(tmp_path / "tb") as events:
        for step in trained.steps[:5]:
            events.step(step)
        for epoch in trained.result.epochs:
            events.epoch(epoch)
        events.parameters({"epochs": 8, "reading": "both ways"})
    read = EventAccumulator(str(tmp_path / "tb"))
    read.Reload()
    losses = read.Scalars("train/loss")
    assert [e.step for e in losses] == [1, 2, 3, 4, 5]
    assert [e.value for e in losses] == pytest.approx([s.loss for s in trained.steps[:5]], rel=1e-6)
    assert [e.value for e in read.Scalars("val/loss")] == pytest.approx(
        [e.loss_val for e in trained.result.epochs], rel=1e-6
    )
    wanted = {"train/lr", "train/tokens_per_s", "train/mfu", "val/macro_f1", "val/f1/emph", "val/f1/pause_long"}
    assert wanted <= set(read.Tags()["scalars"])
    assert "train/loss_acoustic" not in read.Tags()["scalars"]  # nothing was measured there
    texts = {tag: read.Tensors(tag) for tag in read.Tags()["tensors"]}
    assert len(texts["held out/text_summary"]) == len(trained.result.epochs)
    last = texts["held out/text_summary"][-1].tensor_proto.string_val[0].decode()
    assert last.strip().startswith("We ") or last.strip().startswith("<")
    assert "<emph> never" in last
    assert "| epochs | `8` |" in texts["parameters/text_summary"][0].tensor_proto.string_val[0].decode()


def test_what_was_told_before_a_failure_is_kept(trained, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(RuntimeError), board(tmp_path) as events:
        events.step(trained.steps[0])
        raise RuntimeError
    read = EventAccumulator(str(tmp_path))
    read.Reload()
    assert len(read.Scalars("train/loss")) == 1
