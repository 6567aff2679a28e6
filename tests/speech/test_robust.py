"""Medians and spreads of few words."""

import numpy as np
import pytest

from prosody.speech.robust import median, spread


def test_many_words_speak_for_themselves():
    values = np.random.default_rng(0).normal(3.0, 2.0, 4000)
    assert spread(values, 100.0) == pytest.approx(4.1, abs=0.2)  # a wrong idea of what is usual weighs 5 of 4,000 words
    assert spread(values, 2.0) == pytest.approx(2.0, abs=0.1)
    assert median(values, 0.0) == pytest.approx(3.0, abs=0.1)


def test_few_words_lean_on_what_is_usual():
    assert spread(np.array([]), 1.5) == 1.5 and median(np.array([]), -0.5) == -0.5
    assert spread(np.array([np.nan]), 1.5) == 1.5
    assert 1.0 < spread(np.array([2.0]), 1.5) < 1.5
    assert spread(np.array([0.0, 0.1, 0.0]), 1.5) > 1.0
    assert median(np.array([1.0]), 0.0) == pytest.approx(0.25)


def test_outliers_do_not_count():
    values = np.append(np.random.default_rng(0).normal(0.0, 1.0, 500), [1000.0, -1000.0])
    assert spread(values, 1.0) == pytest.approx(1.0, abs=0.1)


def test_about_zero():
    assert spread(np.full(1000, 2.0), 1.0, about=0.0) == pytest.approx(2.965, abs=0.01)
    assert spread(np.full(1000, 2.0), 1.0) < 0.1
