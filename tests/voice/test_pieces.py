"""Cutting at silences and joining with pauses."""

import numpy as np
import pytest

from prosody.voice import pieces
from prosody.voice.pieces import Slot

RATE = 24_000


def tone(seconds):
    return 0.3 * np.sin(2 * np.pi * 200 * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def silence(seconds):
    return np.zeros(round(seconds * RATE), dtype=np.float32)


def at(seconds):
    return round(seconds * RATE)


@pytest.fixture
def sentence():
    """Two words of 0.3 s with 0.2 s of silence between, 0.1 s before and after."""
    return np.concatenate([silence(0.1), tone(0.3), silence(0.2), tone(0.3), silence(0.1)])


def slot(*, pause=False, punctuated=True, search=(0.3, 0.7), boundary=0.5):
    return Slot((at(search[0]), at(search[1])), at(boundary), pause, punctuated)


def joined(parts, pauses, gap_s=0.1):
    return pieces.join(parts, pauses, gap_s=gap_s, lead_s=0.05, tail_s=0.05, rate=RATE)


def test_a_sentence_is_cut_at_its_silence(sentence):
    parts = pieces.cut(sentence, [4, 5], {5: slot()})
    assert [piece.words[0][0] for piece in parts] == [4, 5]
    for piece in parts:
        start, end = piece.words[0][1:]
        assert (end - start) / RATE == pytest.approx(0.3, abs=0.011)


@pytest.mark.parametrize("pause_s", [0.35, 1.2])
def test_a_pause_is_as_long_as_asked_and_silent(sentence, pause_s):
    samples, times = joined(pieces.cut(sentence, [0, 1], {1: slot(pause=True)}), {1: pause_s})
    gap = samples[times[0][1] : times[1][0]]
    assert len(gap) / RATE == pytest.approx(pause_s, abs=0.03)
    assert (gap == 0).sum() / RATE > pause_s - 0.08


def test_a_gap_without_a_pause_is_shortened(sentence):
    _, times = joined(pieces.cut(sentence, [0, 1], {1: slot()}), {}, gap_s=0.1)
    assert (times[1][0] - times[0][1]) / RATE == pytest.approx(0.1, abs=0.03)


def test_a_pause_can_be_put_where_the_voice_made_none():
    samples = np.concatenate([silence(0.1), tone(0.6), silence(0.1)])
    parts = pieces.cut(samples, [0, 1], {1: slot(pause=True, search=(0.35, 0.45), boundary=0.4)})
    spoken, times = joined(parts, {1: 0.5})
    assert (times[1][0] - times[0][1]) / RATE == pytest.approx(0.5, abs=0.03)
    assert not spoken[times[0][1] + at(0.03) : times[1][0] - at(0.03)].any()


def test_words_spoken_as_one_meet_at_their_boundary():
    samples = np.concatenate([silence(0.1), tone(0.6), silence(0.1)])
    parts = pieces.cut(samples, [0, 1], {1: slot(punctuated=False, search=(0.35, 0.45), boundary=0.4)})
    assert len(parts) == 1
    (_, start, middle), (_, again, end) = parts[0].words
    assert middle == again
    assert (middle - start) / RATE == pytest.approx(0.3, abs=0.011)
    assert (end - middle) / RATE == pytest.approx(0.3, abs=0.011)


def test_times_are_in_order_and_within_the_samples(sentence):
    parts = [piece for k in range(0, 6, 2) for piece in pieces.cut(sentence, [k, k + 1], {k + 1: slot()})]
    samples, times = joined(parts, {3: 0.4, 4: 1.0})
    flat = [edge for k in range(6) for edge in times[k]]
    assert flat == sorted(flat)
    assert flat[-1] <= len(samples)


def test_silence_alone_gives_no_pieces():
    assert pieces.cut(silence(0.5), [0], {}) == []
