import pytest

from prosody.lm.lora import LoraParameters, attach
from prosody.lm.speed import clock, duration, flops_per_token, peak_flops, peak_memory_mb, seconds_for


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00:00"), (-3, "0:00:00"), (59.4, "0:00:59"), (59.6, "0:01:00"), (3_599.6, "1:00:00"), (90_061, "25:01:01")],
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-3, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (256, "4 min 16 s"), (3_905, "1 h 5 min")]
)
def test_duration(seconds, shown):
    assert duration(seconds) == shown


def test_the_first_step_is_left_out_of_the_prediction():
    assert seconds_for([9.0, 1.0, 2.0, 3.0], 10) == 20.0
    assert seconds_for([9.0], 10) == 90.0
    assert seconds_for([1.0, 2.0], 0) == 0


def test_memory_in_use_is_megabytes():
    held = bytearray(50_000_000)
    assert len(held) / 2**20 < peak_memory_mb() < 200_000


def test_nothing_goes_back_through_layers_below_the_first_trained_matrix(new_base):
    block = 12 * 32 * 32  # of GPT-2 at width 32: attention 4 × 32², the two others 8 × 32²
    for layers, frozen in (("all", 2 * 4 * block), ("upper half", (2 + 4) * block)):
        model, _, counts = attach(new_base(), LoraParameters(r=4, layers=layers))
        first = 32 * 96  # the matrix beside which the first LoRA stands: nothing goes back through it either
        assert flops_per_token(model) == frozen - 2 * first + 6 * counts.lora


def test_a_machine_multiplies():
    assert 1e8 < peak_flops("cpu", "float32") < 1e14
