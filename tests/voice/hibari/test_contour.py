"""Planned pitch does what the markers say, and nothing of the kind without them."""

import numpy as np
import pytest

from prosody.voice.engines.hibari import contour
from prosody.voice.engines.hibari.contour import Shape
from prosody.voice.parameters import SpeakParameters

PARAMETERS = SpeakParameters()
WORD = 24  # frames: 0.3 s


def planned(*tokens_of, own_hz=None):
    """Pitch (st about the reference) of words of 0.3 s, voiced but for the first and last 3 frames."""
    n_frames = WORD * len(tokens_of)
    within = np.arange(n_frames) % WORD
    voiced = (within >= 3) & (within < WORD - 3)
    own_hz = np.full(n_frames, 190.0) if own_hz is None else own_hz
    shapes = [
        Shape(WORD * k, WORD * (k + 1), WORD * k + WORD // 2, tuple(tokens.split()), k == 0)
        for k, tokens in enumerate(tokens_of)
    ]
    f0_hz, pitches = contour.plan(np.where(voiced, own_hz, 0.0), voiced, shapes, PARAMETERS)
    assert np.array_equal(f0_hz > 0, voiced)
    st = 12 * np.log2(np.where(voiced, f0_hz, np.nan) / contour.REFERENCE_HZ)
    return [st[WORD * k + 3 : WORD * (k + 1) - 3] for k in range(len(tokens_of))], pitches


def slope(st):
    return np.polyfit(np.linspace(0, 1, len(st)), st, 1)[0]


@pytest.mark.parametrize(("token", "sign"), [("<pitch_rising>", 1), ("<pitch_falling>", -1)])
def test_a_sloped_word_moves_one_way_by_most_of_what_is_asked(token, sign):
    words, _ = planned("", token, "")
    assert sign * slope(words[1]) > 4.5
    assert (sign * np.diff(words[1][3:-3]) > 0).all()


@pytest.mark.parametrize(("token", "level_st"), [("<pitch_high>", 4.0), ("<pitch_low>", -4.0)])
def test_a_level_word_lies_where_it_is_asked_and_is_flat(token, level_st):
    words, pitches = planned("", token, "")
    around = (np.median(words[0]) + np.median(words[2])) / 2
    assert np.median(words[1]) - around == pytest.approx(level_st, abs=0.5)
    assert abs(slope(words[1])) < 1.5
    assert pitches[1].level_hz == pytest.approx(190 * 2 ** (np.median(words[1]) / 12), rel=1e-3)


def test_an_emphasised_word_peaks_at_its_stress_but_lies_no_higher():
    words, _ = planned("", "<emph>", "")
    assert np.ptp(words[1]) > 3.5
    assert abs(int(np.argmax(words[1])) - 9) <= 3
    assert np.median(words[1]) - np.median(words[0]) < 2


def test_emphasis_adds_to_a_pitch_marker():
    rising, _ = planned("", "<pitch_rising>", "")
    both, _ = planned("", "<pitch_rising> <emph>", "")
    assert slope(both[1]) > slope(rising[1]) + 1


def test_unmarked_words_stay_calm_whatever_the_voice_would_do():
    wild = 190 * 2 ** (6 * np.sin(np.arange(WORD * 6) / 9) / 12)
    words, _ = planned("", "", "", "", "", "", own_hz=wild)
    everything = np.concatenate(words)
    for st in words:
        assert abs(slope(st)) < 2
        assert abs(np.median(st) - np.median(everything)) < 2
    assert np.std(everything) > 0.1  # but not monotonous


def test_words_next_to_a_marked_one_keep_their_own_level():
    words, _ = planned("", "<pitch_falling>", "")
    assert abs(slope(words[0])) < 1.5
    assert abs(slope(words[2])) < 1.5


def test_pitch_stays_within_the_speakers_range():
    low = np.full(WORD, 120.0)
    _, pitches = planned("<pitch_low>", own_hz=low)
    assert pitches[0].level_hz >= PARAMETERS.f0_floor_hz


def test_words_without_voice_have_no_pitch():
    shapes = [Shape(0, 10, 5, ("<pitch_high>",)), Shape(10, 20, 15, ())]
    f0_hz = np.concatenate([np.zeros(10), np.full(10, 200.0)])
    _, pitches = contour.plan(f0_hz, f0_hz > 0, shapes, PARAMETERS)
    assert pitches[0] is None
    assert pitches[1] is not None
    silent, pitches = contour.plan(np.zeros(20), np.zeros(20, dtype=bool), shapes, PARAMETERS)
    assert pitches == [None, None]
    assert not silent.any()


def test_a_low_accent_is_a_valley_that_stays_low():
    words, _ = planned("", "<pitch_low> <emph>", "")
    around = (np.median(words[0]) + np.median(words[2])) / 2
    assert np.ptp(words[1]) > 2.5
    assert np.median(words[1]) - around < -3.5
    assert abs(int(np.argmin(words[1])) - 9) <= 3


def test_before_a_silence_pitch_is_held_to_the_words_very_end():
    voiced = np.ones(2 * WORD, dtype=bool)  # the network says a pitch for silences, too
    ends = []
    for closes in (False, True):
        shapes = [
            Shape(0, WORD, WORD // 2, ("<pitch_rising>",), True, closes),
            Shape(WORD, 2 * WORD, WORD + WORD // 2, (), closes, True),
        ]
        f0_hz, _ = contour.plan(np.full(2 * WORD, 190.0), voiced, shapes, PARAMETERS)
        ends.append(12 * np.log2(f0_hz[WORD - 3] / f0_hz[WORD // 2]))
    assert ends[1] > ends[0] + 0.3


def test_an_unmarked_word_moves_as_it_is_asked_but_never_as_a_marker_does():
    n_frames = WORD * 3
    voiced = np.ones(n_frames, dtype=bool)

    def line(**asked):
        middle = Shape(WORD, 2 * WORD, WORD + 12, (), **asked)
        shapes = [Shape(0, WORD, 12, (), True), middle, Shape(2 * WORD, n_frames, 2 * WORD + 12, ())]
        f0_hz, _ = contour.plan(np.full(n_frames, 190.0), voiced, shapes, PARAMETERS)
        return 12 * np.log2(f0_hz[WORD : 2 * WORD] / 190)

    usual = line()
    assert np.array_equal(line(level_st=None), usual)
    assert np.median(line(level_st=0.4) - usual) == pytest.approx(0.4, abs=0.1)
    assert slope(line(slope_st=0.8)) - slope(usual) == pytest.approx(0.8, abs=0.4)
    for asked in ({"level_st": 30.0}, {"level_st": -30.0}, {"slope_st": 30.0}, {"slope_st": -30.0}):
        moved = line(**asked) - usual
        assert 0.3 < np.abs(moved).max() <= PARAMETERS.level_limit_st + PARAMETERS.range_limit_st / 2 + 0.1
