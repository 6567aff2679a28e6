import math
import re
from dataclasses import replace

import pytest

from prosody.errors import ProsodyError
from prosody.lm.device import pick_device
from prosody.lm.loop import Step
from prosody.lm.parameters import TrainParameters


def test_a_step_is_told_in_one_line():
    step = Step(
        step=11,
        n_steps=80,
        epoch=1,
        ends_epoch=False,
        loss=0.87449,
        loss_acoustic=None,
        learning_rate=3e-4,
        n_tokens=300,
        tokens_per_s=412.3,
        utilisation=0.618,
        seconds=253.2,
        remaining_s=1330.4,
    )
    assert str(step) == "Step 11 | Loss 0.8745 | LR 3.00e-04 | 412 tok/s | 0:04:13 < 0:22:10 | MFU 62 %"
    heard = replace(step, loss_acoustic=0.4125)
    assert str(heard).endswith(" | 412 tok/s | 0:04:13 < 0:22:10 | Heard 0.412 | MFU 62 %")


def test_every_step_of_a_training_is_told_like_that(trained):
    wanted = re.compile(
        r"Step (\d+) \| Loss \d+\.\d{4} \| LR \d\.\d\de-\d\d \| \d+ tok/s \| \d+:\d\d:\d\d < \d+:\d\d:\d\d \| MFU \d+ %"
    )
    told = [wanted.fullmatch(line) for line in trained.lines if line.startswith("Step")]
    assert [int(match.group(1)) for match in told] == list(range(1, len(trained.steps) + 1))


def test_the_rate_rises_then_falls_to_a_tenth(trained):
    rates = [step.learning_rate for step in trained.steps]
    top = rates.index(max(rates))
    assert rates[top] == pytest.approx(trained.how.learning_rate)
    assert top <= math.ceil(trained.how.warmup * len(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(trained.how.learning_rate / 10, rel=0.05)


def test_steps_count_up_and_time_runs(trained):
    steps = trained.steps
    assert [s.step for s in steps] == list(range(1, steps[0].n_steps + 1))
    assert [s.seconds for s in steps] == sorted(s.seconds for s in steps)
    assert steps[-1].remaining_s == 0
    assert all(s.tokens_per_s > 0 and s.remaining_s > 0 for s in steps[:-1])
    assert [s.epoch for s in steps if s.ends_epoch] == list(range(1, 9))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *(("seed", -1), ("seed", 1 << 63)),
        *[(name, value) for name in ("epochs", "batch_size", "window_words") for value in (0, -1, 1.5, math.nan)],
        *[
            (name, value)
            for name in ("learning_rate", "learning_rate_rows", "learning_rate_head", "clip")
            for value in (0, -1e-3, math.nan, math.inf, 10**400)
        ],
        *[(name, value) for name in ("warmup", "threshold", "weight_decay") for value in (-0.1, 1.1, math.nan)],
        *[(name, value) for name in ("micro_batch", "patience") for value in (-1, 1.5, math.nan)],
        *[(name, value) for name in ("acoustic", "checkpoint_s") for value in (-1, math.nan, math.inf)],
        ("precision", "float8"),
        ("reading", "thrice"),
    ],
)
def test_settings_that_cannot_train_are_refused(name, wrong):
    with pytest.raises(ProsodyError, match=f"^{name}: ") as caught:
        TrainParameters(**{name: wrong})
    assert caught.value.remedy


def test_a_device_that_is_not_here_is_refused():
    assert pick_device("cpu") == "cpu"
    assert pick_device("auto") in ("cpu", "cuda")
    for wrong in ("tpu", "cuda:99"):
        with pytest.raises(ProsodyError, match=f"device: there is no '{wrong}' here — use auto, cpu or cuda"):
            pick_device(wrong)
