"""Octave errors of the f0 tracker."""

import numpy as np
import pytest

from prosody.speech.octave import without_octave_errors

HOP_S = 0.016


def voice(seconds=4.0, hz=120.0):
    """Times and f0 of a voice that moves by ±2 st in syllables of 0.2 s with gaps of 0.1 s."""
    times = np.arange(round(seconds / HOP_S)) * HOP_S
    st = 2 * np.sin(2 * np.pi * times / 1.3)
    return times, np.where(times % 0.3 < 0.2, hz * 2 ** (st / 12), np.nan)


@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_a_syllable_an_octave_off_is_moved_back(factor):
    times, right = voice()
    wrong = right.copy()
    wrong[(times >= 1.8) & (times < 2.0)] *= factor
    np.testing.assert_allclose(without_octave_errors(times, wrong), right)


def test_an_octave_off_within_a_syllable():
    times, right = voice()
    wrong = right.copy()
    wrong[(times >= 1.8) & (times < 1.9)] *= 2
    np.testing.assert_allclose(without_octave_errors(times, wrong), right)


def test_a_voice_may_rise():
    """A glide by 11 st, a syllable 6 st higher, and a second in a high voice are the speaker's own."""
    times, f0 = voice()
    glide = (times >= 1.8) & (times < 2.0)
    f0[glide] = 120 * 2 ** (np.linspace(0, 11, glide.sum()) / 12)
    f0[(times >= 2.4) & (times < 2.6)] *= 2 ** (6 / 12)
    high = (times >= 3.0) & (times < 3.8)
    f0[high] = 240.0
    np.testing.assert_allclose(without_octave_errors(times, f0), f0)


def test_too_little_voice_to_tell_by():
    times, f0 = voice(0.2)
    f0[3:6] *= 2
    np.testing.assert_allclose(without_octave_errors(times, f0), f0)
    nothing = np.full(50, np.nan)
    assert np.isnan(without_octave_errors(np.arange(50) * HOP_S, nothing)).all()
