"""Loudness and limiting."""

import numpy as np
import pytest

from prosody.voice import level

RATE = 24_000


def tone(seconds=1.0, amplitude=0.5):
    return (amplitude * np.sin(2 * np.pi * 220 * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def test_speech_is_brought_to_the_level_asked_for():
    samples = np.concatenate([tone(amplitude=0.02), np.zeros(RATE, dtype=np.float32)])
    loud = level.normalise(samples, RATE, rms_db=-20, peak=0.89)
    assert 20 * np.log10(level.speech_rms(loud, RATE)) == pytest.approx(-20, abs=0.01)
    assert not loud[RATE:].any()


def test_silence_stays_silence():
    silence = np.zeros(RATE, dtype=np.float32)
    assert level.speech_rms(silence, RATE) == 0
    assert not level.normalise(silence, RATE, rms_db=-20, peak=0.89).any()


@pytest.mark.parametrize("at", [0, 5, RATE // 2, RATE - 1])
def test_no_sample_passes_the_peak_and_far_ones_are_untouched(at):
    samples = tone(amplitude=0.3)
    samples[at] = 1.8
    limited = level.limit(samples, RATE, peak=0.89)
    assert np.abs(limited).max() <= 0.89 + 1e-6
    far = np.abs(np.arange(RATE) - at) > 0.011 * RATE
    assert np.array_equal(limited[far], samples[far])


def test_the_limiter_turns_down_smoothly_instead_of_clipping():
    limited = level.limit(tone(amplitude=1.5), RATE, peak=0.89)
    assert np.abs(limited).max() <= 0.89 + 1e-6
    assert (np.abs(limited) > 0.8899).mean() < 0.02  # clipping would flatten more than half of them


def test_what_is_quiet_enough_comes_back_as_it_is():
    assert np.array_equal(level.limit(tone(), RATE, peak=0.89), tone())
