import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prosody.lm.distance import divergences, median, wasserstein

COUNTS = hnp.arrays(int, (3, 4), elements=st.integers(0, 9)).filter(lambda x: x.sum() > 0)


def test_divergence_by_hand():
    one, other = np.array([[3.0, 1.0]]), np.array([[1.0, 1.0]])  # ¾ ¼ against ½ ½, in the only place
    mean = np.array([5 / 8, 3 / 8])
    expected = sum(0.5 * p * np.log2(p / m) for x in ([0.75, 0.25], [0.5, 0.5]) for p, m in zip(x, mean, strict=True))
    assert divergences(one, other)[0] == pytest.approx(expected, abs=1e-12)
    assert divergences(one, other)[1] == 0


def test_only_marking_tells_or_only_the_words():
    apart = divergences(np.array([[5, 0]]), np.array([[0, 7]]))
    assert apart == (pytest.approx(1, abs=1e-12), 0)
    words = divergences(np.array([[5, 0], [0, 0]]), np.array([[0, 0], [2, 2]]))  # no place in common
    assert words == (pytest.approx(0, abs=1e-12), pytest.approx(1, abs=1e-12))


@given(COUNTS, COUNTS)
def test_divergence_is_symmetric_bounded_and_zero_for_the_same(one, other):
    found = divergences(one, other)
    assert np.allclose(found, divergences(other, one), atol=1e-12)
    assert 0 <= found[0] <= 1 + 1e-12 and -1e-12 <= found[1] <= 1 + 1e-12
    assert divergences(one, one)[0] == 0
    assert np.allclose(divergences(one, 3 * one), 0, atol=1e-12)
    joint = divergences(one.reshape(1, -1), other.reshape(1, -1))[0]  # the chain rule
    assert sum(found) == pytest.approx(joint, abs=1e-12)


def test_many_at_once_and_nothing():
    stack = np.array([[[3, 1]], [[1, 1]], [[0, 0]]])
    marking, words = divergences(stack, stack[::-1])
    assert np.isnan(marking[[0, 2]]).all() and marking[1] == words[1] == 0


def test_wasserstein_by_hand():
    ones = np.ones
    assert wasserstein(np.array([0.2, 0.4]), ones(2), np.array([0.5]), ones(1)) == pytest.approx(0.2, abs=1e-12)
    assert wasserstein(np.array([1.0, 3.0]), np.array([3, 1]), np.array([1.0]), ones(1)) == pytest.approx(0.5)
    assert np.isnan(wasserstein(np.array([]), ones(0), np.array([1.0]), ones(1)))
    assert np.isnan(wasserstein(np.array([]), ones((2, 0)), np.array([]), ones((2, 0)))).all()


@settings(max_examples=40)
@given(st.lists(st.floats(0, 3), min_size=1, max_size=20), st.lists(st.floats(0, 3), min_size=1, max_size=20))
def test_wasserstein_agrees_with_scipy(one, other):
    from scipy.stats import wasserstein_distance

    found = wasserstein(np.array(one), np.ones(len(one)), np.array(other), np.ones(len(other)))
    assert found == pytest.approx(wasserstein_distance(one, other), abs=1e-9)


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_median_counts_each_value_as_often_as_it_is_drawn(pairs):
    values, times = (np.array(column) for column in zip(*pairs, strict=True))
    found = median(values, times[None])[0]
    if times.sum():
        assert found == pytest.approx(np.median(np.repeat(values, times)), abs=1e-12)
    else:
        assert np.isnan(found)
