"""The figure of one segment: what is written above, what is heard below, and the numbers behind it."""

import dataclasses

import numpy as np
import pytest

from prosody.dataset import Segment, Word, text_of
from prosody.markers import MARKERS, TOKENS
from prosody.notebook import look, plots
from prosody.speech.audio import Audio
from prosody.speech.measure import Tracks
from prosody.speech.profile import Profile

RATE = 24000
SPEAKER = Profile(120.0, 2.5, 3.0, 150.0, 20.0, 0.5, dict.fromkeys(TOKENS, 2.0))
MEASURED = {"pause_before_s": 0.8, "f0_level_st": 3.1, "f0_slope_st": -4.25, "f0_excursion_st": 5.0, "energy_db": 2.0}


def found(**values):
    return dict.fromkeys(TOKENS, 0.0) | {f"<{name}>": value for name, value in values.items()}


WORDS = (
    Word("Well,", 12.3, 12.6, (), {}, found()),
    Word(
        "<b>yes",
        13.4,
        13.7,
        ("<pause_long>", "<pitch_rising>", "<emph>"),
        MEASURED,
        found(pause_long=0.9, pitch_falling=0.8, emph=0.51),
    ),
    Word("indeed.", 13.7, 14.2, ("<pitch_falling>",), {"f0_slope_st": None}, found()),
)


@pytest.fixture
def view(tmp_path):
    """Draws words, from 12.0 to 14.5 s of a recording whose f0 is `f0(times)`."""
    samples = (0.3 * np.sin(2 * np.pi * 120 * np.arange(15 * RATE) / RATE)).astype(np.float32)
    audio = Audio(samples, RATE, tmp_path / "a.wav", "0" * 64, RATE, 1)

    def draw(words=WORDS, f0=lambda t: np.where(t < 13, 110.0, np.nan), speaker=SPEAKER):
        times = np.arange(0, 15, 0.016)
        tracks = Tracks(times, f0(times), np.full(1500, -20.0), 0.01, -35.0)
        segment = Segment("segments/segment_002.wav", text_of(words), 2.5, 12.0, 14.5, words=tuple(words))
        return plots.segment_view(audio, tracks, segment, speaker=speaker)

    return draw


def named(figure):
    return {trace.name: trace for trace in figure.data if trace.name}


def test_a_segment_lies_at_its_time_in_the_recording(view, assert_dressed):
    figure = view()
    assert_dressed(figure)
    assert figure.layout.xaxis.range == (12.0, 14.5)
    titles = {figure.layout[name].title.text for name in figure.layout if name[1:5] == "axis"} - {None}
    assert titles == {"f0 (Hz)", "re median (st)", "energy<br>(dB re peak)", "amplitude", "time in the recording (s)"}
    (f0,) = [trace for trace in figure.data if trace.line.color == look.F0]
    assert 12.0 <= f0.x[0] < 12.02
    assert f0.y[0] == 110 and np.isnan(f0.y[-1])
    (energy,) = [trace for trace in figure.data if trace.line.color == look.ENERGY]
    assert len(energy.y) == 250 and energy.x0 == pytest.approx(12.005)
    (threshold,) = [shape for shape in figure.layout.shapes if shape.type == "line"]
    assert threshold.y0 == threshold.y1 == -35


def test_written_markers_stand_above_and_heard_ones_below_in_one_colour(view):
    traces = named(view())
    assert set(traces) == {"&lt;emph&gt;", "&lt;pause_long&gt;", "&lt;pitch_rising&gt;", "&lt;pitch_falling&gt;"}
    assert traces["&lt;pause_long&gt;"].x == (13.0, 13.0)
    above, below = traces["&lt;pause_long&gt;"].y
    assert above > 0 > below
    assert list(traces["&lt;pitch_rising&gt;"].y) == [above]  # written only
    falling = traces["&lt;pitch_falling&gt;"]  # heard of one word, written of the next
    assert dict(zip(falling.y, falling.x, strict=True)) == {below: pytest.approx(13.55, abs=0.05), above: 13.95}
    both = traces["&lt;pitch_rising&gt;"].x[0], traces["&lt;emph&gt;"].x[0]
    assert both[0] < 13.55 < both[1]
    for marker in MARKERS:
        if f"&lt;{marker.name}&gt;" in traces:
            assert traces[f"&lt;{marker.name}&gt;"].marker.color == marker.color
    assert len({trace.marker.symbol for trace in traces.values()}) == 4


def test_pointing_at_a_word_tells_each_evidence_and_the_numbers_behind_it(view):
    (words,) = [trace for trace in view().data if trace.mode == "text"]
    told = words.hovertext[1].split("<br>")
    assert told[0] == "<b>&lt;b&gt;yes</b>  13.40 to 13.70 s"
    assert len(told) == 1 + len(TOKENS)
    by_token = {token: row for token in TOKENS for row in told[1:] if look.text(token) in row}
    assert "(written, heard)" in by_token["<emph>"] and "f0 range 5.0 st, energy +2.0 dB" in by_token["<emph>"]
    assert "&lt;pitch_falling&gt; 0.80</b> (heard)  f0 slope −4.2 st" in by_token["<pitch_falling>"]
    assert "(written)" in by_token["<pitch_rising>"] and "silence 0.80 s" in by_token["<pause_long>"]
    assert "no f0" in words.hovertext[2]


def test_pointing_at_a_word_that_the_sound_hardly_supports_tells_so(view):
    sure = [dataclasses.replace(word, confidence=sure) for word, sure in zip(WORDS, (0.04, 0.9, None), strict=True)]
    (words,) = [trace for trace in view(sure).data if trace.mode == "text"]
    told = ["little support" in one for one in words.hovertext]
    assert told == [True, False, False] and "confidence 0.04" in words.hovertext[0]


def test_of_partial_evidence_what_is_there_is_shown(view):
    figure = view([dataclasses.replace(word, markers=(), evidence={"<pitch_low>": 0.7}) for word in WORDS])
    assert list(named(figure)) == ["&lt;pitch_low&gt;"] and len(named(figure)["&lt;pitch_low&gt;"].x) == 3


def test_words_that_were_not_measured_show_what_is_written(view):
    bare = [dataclasses.replace(word, measured={}, evidence={}) for word in WORDS]
    figure = view(bare)
    assert all(len(set(trace.y)) == 1 and trace.y[0] > 0 for trace in named(figure).values())
    (words,) = [trace for trace in figure.data if trace.mode == "text"]
    assert "&lt;emph&gt; the next word stands out" in words.hovertext[1]


def test_the_band_is_one_spread_about_the_speakers_median(view):
    figure = view()
    (band,) = [trace for trace in figure.data if trace.fillcolor == look.BAND]
    edges = [trace.y for trace in figure.data if trace.yaxis == band.yaxis]
    assert edges == [(-2.5, -2.5), (2.5, 2.5), (0, 0)]
    low, high = figure.layout.yaxis2.range
    semitones = figure.layout.yaxis3.range
    assert np.allclose(12 * np.log2(10 ** np.array([low, high]) / 120.0), semitones)
    assert figure.layout.yaxis2.ticktext[list(figure.layout.yaxis3.tickvals).index(0)] == "120"


def test_without_a_profile_the_recordings_own_median_is_drawn_and_no_band(view):
    figure = view(speaker=None)
    assert not [trace for trace in figure.data if trace.fillcolor == look.BAND]
    assert any(note.text == "the speaker's median, 110 Hz" for note in figure.layout.annotations)


def test_a_whisper_has_no_f0_and_no_line_for_it(view, assert_dressed):
    whisper = dataclasses.replace(SPEAKER, f0_median_hz=None, f0_spread_st=None)
    for speaker in (whisper, None):
        figure = view(f0=lambda t: np.full(len(t), np.nan), speaker=speaker)
        assert_dressed(figure)
        assert not [trace for trace in figure.data if trace.line.color == look.F0]
        assert any("no f0" in note.text for note in figure.layout.annotations)


def test_long_gaps_are_shaded_with_their_length(view):
    figure = view()
    rects = [(shape.x0, shape.x1) for shape in figure.layout.shapes if shape.type == "rect"]
    assert rects == [(12.0, 12.3), (12.6, 13.4)]
    assert [note.text for note in figure.layout.annotations if note.text[0] == "0"] == ["0.30 s", "0.80 s"]


@pytest.mark.parametrize("f0", [np.zeros_like, lambda t: np.where(t < 12.02, 4000.0, 100.0)])
def test_odd_f0_sets_no_scale(view, f0):
    low, high = view(f0=f0).layout.yaxis3.range
    assert -24 <= low <= -6
    assert 6 <= high <= 24


def test_a_segment_without_words(view, assert_dressed):
    assert_dressed(view([]))
