import pytest

from prosody.lm.estimate import clock, peak_memory_mb, seconds_for


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00:00"), (-3, "0:00:00"), (59.4, "0:00:59"), (59.6, "0:01:00"), (3_599.6, "1:00:00"), (90_061, "25:01:01")],
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown


def test_the_first_step_is_left_out_of_the_prediction():
    assert seconds_for([9.0, 1.0, 2.0, 3.0], 10) == 20.0
    assert seconds_for([9.0], 10) == 90.0
    assert seconds_for([1.0, 2.0], 0) == 0


def test_memory_in_use_is_megabytes():
    held = bytearray(50_000_000)
    assert len(held) / 2**20 < peak_memory_mb() < 200_000
