import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody.lm import bootstrap
from prosody.lm.bootstrap import Estimate


def drawn_of(block, n_draws=400, seed=0):
    return bootstrap.draw(np.asarray(block), n_draws=n_draws, rng=np.random.default_rng(seed))


def test_blocks_are_drawn_whole():
    drawn = drawn_of([4, 4, 9, 4, 7])
    totals = drawn.total(np.array([1.0, 10.0, 100.0, 1000.0, 0.0]))
    assert totals[0] == 1111
    assert drawn.n_blocks == 3 and drawn.enough
    assert (drawn.times.sum(axis=1) == 3).all()
    assert np.array_equal(totals, drawn.times @ [1011, 0, 100])
    assert np.array_equal(drawn.times, drawn_of([4, 4, 9, 4, 7]).times)  # seeded


def test_one_block_has_no_interval_and_nothing_no_figure():
    one, none = drawn_of([0, 0]), drawn_of([])
    assert not one.enough and not none.enough
    how = {"level": 0.95, "enough": one.enough}
    assert bootstrap.of_share(one.total(np.array([1.0, 0.0])), one.total(np.ones(2)), **how) == Estimate(0.5)
    empty = none.total(np.zeros(0))
    assert bootstrap.of_share(empty, empty, **how) == Estimate(None)
    assert bootstrap.basic(np.array([0.5, 0.7, 0.6]), **how) == Estimate(0.5)
    assert bootstrap.basic(np.full(3, np.nan), **how) == Estimate(None)


def test_wilson_by_hand():
    z = 1.959963984540054
    low, high = bootstrap.wilson(0, 10, level=0.95)
    assert (low, high) == (0, pytest.approx(z * z / (10 + z * z), abs=1e-12))
    assert bootstrap.wilson(10, 10, level=0.95) == (pytest.approx(1 - high, abs=1e-12), 1)
    middle = bootstrap.wilson(5, 10, level=0.95)
    assert sum(middle) == pytest.approx(1, abs=1e-12)


def test_a_share_of_nothing_still_has_an_interval():
    drawn = drawn_of(range(8))
    found = bootstrap.of_share(drawn.total(np.zeros(8)), drawn.total(np.ones(8)), level=0.95, enough=True, scale=100)
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(100 * bootstrap.wilson(0, 8, level=0.95)[1])


def test_a_difference_by_hand():
    one, other = Estimate(5.0, 2.0, 6.0), Estimate(1.0, 0.0, 5.0)
    assert bootstrap.less(one, other) == Estimate(4.0, 4 - 5.0, 4 + 2**0.5)  # √(3² + 4²), √(1² + 1²)
    assert bootstrap.less(one, Estimate(1.0)) == Estimate(4.0, 1.0, 5.0)
    assert bootstrap.less(Estimate(2.0), Estimate(1.0)) == Estimate(1.0)
    assert bootstrap.less(one, Estimate(None)) == Estimate(None)


@given(st.lists(st.floats(0, 1), min_size=5, max_size=60))
def test_a_distance_is_told_without_its_bias_and_never_below_its_least(values):
    values = np.array(values)
    found = bootstrap.basic(values, level=0.9, enough=True)
    assert found.value == pytest.approx(max(0, 2 * values[0] - values[1:].mean()))
    assert 0 <= found.low <= found.high
    free = bootstrap.basic(values, level=0.9, enough=True, least=-np.inf)
    assert free.low == pytest.approx(2 * values[0] - np.quantile(values[1:], 0.95))


def test_intervals_of_a_rate_hold_it_as_often_as_they_say():
    """Texts of 20 words whose rates differ from text to text: intervals for independent words would be too narrow."""
    rng, held, n = np.random.default_rng(7), 0, 200
    for _ in range(n):
        rates = rng.beta(1.5, 6, size=24)  # 0.2 on average
        marked = rng.binomial(20, rates).astype(float)
        drawn = bootstrap.draw(np.arange(24), n_draws=200, rng=rng)
        found = bootstrap.of_share(drawn.total(marked), drawn.total(np.full(24, 20.0)), level=0.95, enough=True)
        held += found.low <= 0.2 <= found.high
    assert 0.89 <= held / n <= 0.995
