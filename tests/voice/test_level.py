"""Loudness and limiting, measured with meters of the tests' own."""

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from prosody.voice import level

RATE = 24_000
ASKED = {"loudness_lufs": -23.0, "true_peak_dbtp": -1.0}


def tone(seconds=1.0, amplitude=0.5, hz=220, phase=0.0):
    at = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * hz * at + phase)).astype(np.float32)


def lufs(samples):
    return pyloudnorm.Meter(RATE).integrated_loudness(samples.astype(float))


def dbtp(samples):
    """True peak by another filter than the one under test, eight times as fine."""
    return 20 * np.log10(np.abs(resample_poly(np.pad(samples, 500).astype(float), 8, 1)).max())


def test_a_sine_has_the_loudness_and_the_peak_that_the_standard_says():
    assert level.loudness(tone(2, 10 ** (-20 / 20), 997), RATE) == pytest.approx(-23.0, abs=0.1)  # -3.01 - 20
    between = tone(0.1, 1.0, RATE / 4, np.pi / 4)  # no sample lies higher than -3 dB
    assert np.abs(between).max() < 0.71
    assert level.true_peak(between[100:-100], RATE) == pytest.approx(0.0, abs=0.3)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.05, 1.0), st.floats(-40, 0), st.floats(90, 4000), st.floats(0, 4)), min_size=1, max_size=6
    ),
    st.integers(0, 99),
)
def test_sounds_between_silences_come_out_as_loud_as_asked(bursts, seed):
    noise = np.random.default_rng(seed)
    parts = []
    for seconds, db, hz, pause_s in bursts:
        burst = tone(seconds, 10 ** (db / 20), hz)
        parts += [burst + 0.1 * burst * noise.standard_normal(len(burst)), np.zeros(round(pause_s * RATE))]
    samples = np.pad(np.concatenate(parts), 4800).astype(np.float32)
    done = level.normalise(samples, RATE, **ASKED)
    assert lufs(done) == pytest.approx(-23, abs=0.5)
    assert dbtp(done) <= -1
    assert not done[samples == 0].any()


@pytest.mark.parametrize("seconds", [0.01, 0.1, 0.39])
def test_a_sound_shorter_than_a_block_is_as_loud_as_within_one(seconds):
    done = level.normalise(tone(seconds, 0.01, 997), RATE, **ASKED)
    assert dbtp(done) <= -1
    if seconds > 0.1:  # a shorter one would have to pass the peak
        assert lufs(np.pad(done, (0, round(0.4 * RATE) - len(done)))) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("factor", [1e-5, 1.0, 30.0])
def test_how_loud_it_was_does_not_matter(factor):
    usual, other = (level.normalise(tone(1) * np.float32(f), RATE, **ASKED) for f in (1.0, factor))
    assert np.allclose(usual, other, atol=1e-5)


def test_what_the_limiter_takes_away_is_made_up_for():
    clicks = tone(2, 0.03)
    clicks[::1500] = 1.0
    done = level.normalise(clicks, RATE, **ASKED)
    gain = np.float32(10 ** ((-23 - lufs(clicks)) / 20))
    once = level.limit(clicks * gain, RATE, true_peak_dbtp=-1)
    assert lufs(once) < -23.3
    assert lufs(done) == pytest.approx(-23, abs=0.1)
    assert dbtp(done) <= -1


def test_silence_stays_silence():
    silence = np.zeros(RATE, dtype=np.float32)
    assert level.loudness(silence, RATE) == level.true_peak(silence, RATE) == -np.inf
    assert not level.normalise(silence, RATE, **ASKED).any()
    assert len(level.normalise(silence[:0], RATE, **ASKED)) == 0


@pytest.mark.parametrize("at", [0, 5, RATE // 2, RATE - 1])
def test_no_peak_passes_and_far_samples_are_untouched(at):
    samples = tone(amplitude=0.3)
    samples[at] = 1.8
    limited = level.limit(samples, RATE, true_peak_dbtp=-1)
    assert dbtp(limited) <= -1
    far = np.abs(np.arange(RATE) - at) > 0.03 * RATE
    assert np.array_equal(limited[far], samples[far])


def test_the_limiter_turns_down_smoothly_instead_of_clipping():
    limited = level.limit(tone(amplitude=1.5), RATE, true_peak_dbtp=-1)
    assert dbtp(limited) <= -1
    assert (np.abs(limited) > 0.999 * np.abs(limited).max()).mean() < 0.05  # clipping would flatten more than half


def test_a_long_sound_is_limited_in_all_its_chunks():
    samples = tone(25, 0.3)
    loud = np.arange(3_000, len(samples), 50_000)
    samples[loud] = 1.5
    assert len(samples) > 2 * level._CHUNK
    limited = level.limit(samples, RATE, true_peak_dbtp=-1)
    assert (np.abs(limited[loud]) < 0.9).all()
    assert dbtp(limited) <= -1


def test_what_is_quiet_enough_comes_back_as_it_is():
    quiet = tone()
    assert level.limit(quiet, RATE, true_peak_dbtp=-1) is quiet
