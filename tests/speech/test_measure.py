from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from speech_sounds import harmonic, noise, silence

from prosody.speech.audio import Audio
from prosody.speech.measure import measure, track
from prosody.speech.profile import profile

RATE = 24_000
WORD_S, GAP_S = 0.4, 0.06


@dataclass(frozen=True)
class Said:
    text: str
    start: float
    end: float


def spoken(glides, *, pauses=(), levels=None, lengths=None, declination_st_s=0.0, base_hz=200.0):
    """Buzzing words, each gliding from one pitch to another (st about `base_hz`), and where they are.

    pauses: word number → silence before it, s. levels: amplitude of each word.
    """
    parts, words, at = [silence(0.5)], [], 0.5
    for i, (first, last) in enumerate(glides):
        gap = dict(pauses).get(i, GAP_S)
        length = lengths[i] if lengths else WORD_S
        parts.append(silence(gap))
        at += gap
        st = np.linspace(first, last, round(length * RATE)) - declination_st_s * (
            at + np.arange(round(length * RATE)) / RATE
        )
        fade = np.minimum(1, np.minimum(np.arange(len(st)), np.arange(len(st))[::-1]) / (0.01 * RATE))
        parts.append(harmonic(base_hz * 2 ** (st / 12)) * fade * (levels[i] if levels else 1.0))
        words.append(Said("mama", at, at + length))
        at += length
    samples = np.concatenate([*parts, silence(0.5)])
    samples = (samples + noise(len(samples) / RATE + 1, level=1e-4)[: len(samples)]).astype(np.float32)
    return Audio(samples, RATE, Path("a.wav"), "0", RATE, 1), words


def column(measured, name):
    return [word[name] for word in measured]


def test_a_glide_is_measured_as_what_it_is():
    glides = [(0, 0)] * 6
    for at, glide in ((1, (-3, 3)), (3, (3, -3)), (4, (-1, 1))):
        glides[at] = glide
    slopes = column(measure(*spoken(glides)), "f0_slope_st")
    # the tracker's window covers the first and last 30 ms of a word with its neighbour's silence
    assert slopes == pytest.approx([0, 6, 0, -6, 2, 0], abs=0.9)


def test_level_is_against_the_words_nearby():
    glides = [(0, 0)] * 12
    glides[3], glides[8] = (4, 4), (-4, -4)
    levels = column(measure(*spoken(glides)), "f0_level_st")
    assert levels[3] == pytest.approx(4, abs=0.3) and levels[8] == pytest.approx(-4, abs=0.3)
    assert np.abs(np.delete(levels, [3, 8])).max() < 0.3


def test_the_phrases_declination_is_no_fall():
    slopes = column(measure(*spoken([(0, 0)] * 10, declination_st_s=1.5)), "f0_slope_st")
    assert np.abs(slopes).max() < 0.3


def test_excursion_and_energy():
    glides = [(0, 0)] * 8
    glides[2] = (-2, 2)
    measured = measure(*spoken(glides, levels=[1, 1, 1, 1, 1, 2, 1, 1]))
    assert measured[2]["f0_excursion_st"] > 3 and measured[4]["f0_excursion_st"] < 0.5
    assert measured[5]["energy_db"] == pytest.approx(6, abs=0.5)
    assert measured[1]["energy_db"] == pytest.approx(0, abs=0.5)


def test_pauses_are_measured_in_the_gap_they_lie_in():
    pauses = column(measure(*spoken([(0, 0)] * 6, pauses=[(2, 0.35), (4, 1.1)])), "pause_before_s")
    assert pauses == pytest.approx([0, GAP_S, 0.35, GAP_S, 1.1, GAP_S], abs=0.03)


def test_a_long_word_is_told_from_its_neighbours():
    audio, words = spoken([(0, 0)] * 12, lengths=[0.4, 0.38, 0.42] * 2 + [0.7] + [0.4, 0.38, 0.42, 0.39, 0.41])
    z = column(measure(audio, words), "duration_z")
    assert z[6] > 3 and np.abs(np.delete(z, 6)).max() < 2


def test_what_is_not_voiced_has_no_pitch():
    audio, words = spoken([(0, 0)] * 4)
    hiss = noise(1.0, level=0.05, seed=3)
    at = round(words[2].start * RATE)
    audio.samples[at : at + round(WORD_S * RATE)] = hiss[: round(WORD_S * RATE)]
    measured = measure(audio, words)
    assert measured[2]["f0_level_st"] is None and measured[2]["f0_slope_st"] is None
    assert measured[2]["voiced"] < 0.2 < 0.7 < measured[1]["voiced"]


def test_a_word_without_time():
    audio, words = spoken([(0, 0)] * 4)
    dash = Said("—", words[1].end, words[1].end)
    measured = measure(audio, [*words[:2], dash, *words[2:]])
    assert len(measured) == 5
    assert measured[2]["duration_s"] == 0 and measured[2]["energy_db"] is None and measured[2]["f0_level_st"] is None


def test_chunks_leave_no_seam(monkeypatch):
    audio, words = spoken([(0, 0), (-2, 2)] * 8)
    whole = track(audio)
    monkeypatch.setattr("prosody.speech.measure._CHUNK_S", 2.0)
    parts = track(audio)
    assert len(parts.f0_times) == pytest.approx(len(whole.f0_times), abs=6)
    assert parts.f0_median_hz == pytest.approx(whole.f0_median_hz, rel=0.01)
    slopes = [column(measure(audio, words, tracks=one), "f0_slope_st") for one in (whole, parts)]
    assert slopes[0] == pytest.approx(slopes[1], abs=0.6)


def test_profile():
    audio, words = spoken([(0, 0)] * 20, pauses=[(5, 0.5), (10, 0.5), (15, 1.0)])
    tracks = track(audio)
    measured = measure(audio, words, tracks=tracks)
    written = [("<emph>",) if i % 4 == 0 else () for i in range(20)]
    one = profile(tracks, measured, written, duration_s=audio.duration)
    assert one.f0_median_hz == pytest.approx(200, rel=0.02)
    assert one.words_per_minute == pytest.approx(20 / audio.duration * 60)
    assert one.pause_median_s == pytest.approx(0.5, abs=0.03)
    assert one.words_without_f0 == 0
    unvoiced = [{**word, "f0_level_st": None} for word in measured[:5]]
    assert profile(tracks, [*unvoiced, *measured[5:]], written, duration_s=1.0).words_without_f0 == 0.25
    assert one.markers_per_100_words["<emph>"] == 25 and one.markers_per_100_words["<pitch_low>"] == 0


def test_the_phrases_declination_is_no_difference_of_level():
    """A phrase that sinks by 6 st: its first words are not high, its last not low."""
    levels = column(measure(*spoken([(0, 0)] * 14, declination_st_s=1.0)), "f0_level_st")
    assert np.abs(levels).max() < 1.5


def test_movements_are_told_in_the_speakers_own_spread():
    flat = measure(*spoken([(0, 0)] * 6 + [(-3, 3)] + [(0, 0)] * 6))
    lively = measure(*spoken([(-3, 3), (3, -3)] * 6 + [(-3, 3)]))
    assert flat[6]["f0_slope_st"] == pytest.approx(lively[6]["f0_slope_st"], abs=1)
    assert flat[6]["f0_slope_z"] > 2 * lively[6]["f0_slope_z"]


def test_a_question_rises_on_its_last_syllable():
    """The last word falls for two thirds, then rises by 6 st: through the whole of it there is hardly any movement."""
    audio, words = spoken([(0, 0)] * 5 + [(0, -4)], lengths=[WORD_S] * 5 + [0.5])
    end, _ = spoken([(-4, 2)], lengths=[0.3])
    rise = end.samples[round(0.56 * RATE) : round(0.86 * RATE)]
    at = round(words[-1].end * RATE)
    samples = np.concatenate([audio.samples[:at], rise, audio.samples[at:]])
    words[-1] = Said("mama", words[-1].start, words[-1].end + 0.3)
    last = measure(Audio(samples, RATE, Path("a.wav"), "0", RATE, 1), words)[-1]
    assert last["f0_slope_st"] > 3


def test_in_noise_a_pause_is_the_gap_between_the_words():
    """Knocks break the silence up; what the aligner left between two words is the pause then."""
    audio, words = spoken([(0, 0)] * 8, pauses={4: 0.5})
    samples = audio.samples + noise(len(audio.samples) / RATE + 1, level=0.03)[: len(audio.samples)]
    for k in range(4):
        at = round((words[3].end + 0.1 * k + 0.05) * RATE)
        samples[at : at + 200] = 0.5
    noisy = Audio(samples.astype(np.float32), RATE, Path("a.wav"), "0", RATE, 1)
    assert column(measure(noisy, words), "pause_before_s")[4] == pytest.approx(0.5, abs=0.01)


def with_f0(tracks, word, st):
    """The tracks with other f0 in one word: `st` (about 200 Hz, NaN where unvoiced) spread over its time."""
    inside = slice(*np.searchsorted(tracks.f0_times, [word.start, word.end]))
    f0_hz = tracks.f0_hz.copy()
    at = np.linspace(0, len(st) - 1, inside.stop - inside.start).round().astype(int)
    f0_hz[inside] = 200 * 2 ** (np.asarray(st, dtype=float)[at] / 12)
    return replace(tracks, f0_hz=f0_hz)


@pytest.mark.parametrize(
    "st, least, most",
    [
        ([4] * 9 + [0] * 2 + [-4] * 9, -8.0, -7.0),  # a step: the line through it moves by 12
        ([np.nan] * 8 + [2, 1, 0] + [np.nan] * 8 + [-3, -4, -5], -7.0, -5.0),  # two scattered pieces
        ([9] + [np.nan] * 7 + [0] * 12, -0.5, 0.5),  # the end of the word before, then level
        ([7, 7] + [np.nan] * 6 + list(np.linspace(3, 0, 12)), -3.2, -2.0),
    ],
)
def test_a_slope_is_no_more_than_the_movement_that_is_there(st, least, most):
    audio, words = spoken([(0, 0)] * 8)
    measured = measure(audio, words, tracks=with_f0(track(audio), words[3], st))
    assert least <= measured[3]["f0_slope_st"] <= most


def test_a_word_half_of_which_is_an_octave_off_has_no_slope():
    """As many frames on both sides: the half that is nearer to this voice counts."""
    audio, words = spoken([(0, 0)] * 8)
    tracks = track(audio)
    for st in ([np.nan] * 4 + [0] * 4 + [np.nan] * 4 + [12] * 4 + [np.nan] * 4, [-12] * 3 + [np.nan] * 14 + [0] * 3):
        word = measure(audio, words, tracks=with_f0(tracks, words[3], st))[3]
        assert abs(word["f0_slope_st"]) < 0.5 and abs(word["f0_level_st"]) < 0.5 and word["f0_excursion_st"] < 1


def test_no_slope_in_real_speech_passes_what_is_observed(shared):
    """Beyond the word's own excursion lies only the declination that is taken out."""
    from prosody import markers
    from prosody.speech.audio import read
    from prosody.speech.hear import hear

    measured = []
    for path in sorted((shared / "wavelet").glob("*.prom")):
        text = " ".join(line.split("\t")[3] for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
        measured += [word.measured for word in hear(read(path.with_suffix(".wav")), markers.parse(text)).words]
    beyond = [abs(m["f0_slope_st"]) - m["f0_excursion_st"] for m in measured if m["f0_slope_st"] is not None]
    assert len(beyond) > 60 and max(beyond) < 1.5
