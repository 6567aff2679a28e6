"""The figures of a whole recording's markers: the profile card and the density over time."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody.dataset import Word
from prosody.markers import TOKENS
from prosody.notebook import look, plots
from prosody.notebook.density import _edges
from prosody.speech.profile import Profile

SPEAKER = Profile(120.0, 3.0, 3.21, 151.6, 18.24, 0.456, {"<emph>": 6.5, "<pause_short>": 8.3})
WHISPER = dataclasses.replace(SPEAKER, f0_median_hz=None, f0_spread_st=None)


def told(figure):
    return [note.text for note in figure.layout.annotations]


def test_the_card_tells_pitch_in_hertz_and_semitones_rate_pauses_and_markers(assert_dressed):
    figure = plots.profile_card(SPEAKER)
    assert_dressed(figure)
    shown = " ".join(told(figure))
    for number in ("120 Hz", "±3.0 st", "101 to 143 Hz", "±3.2 dB", "152", "18.2", "0.46 s"):
        assert number in shown
    (bars,) = [trace for trace in figure.data if trace.type == "bar"]
    assert dict(zip(bars.y, bars.x, strict=True))["&lt;pause_short&gt;"] == 8.3
    assert len(bars.y) == len(TOKENS) and bars.x[-1] == 0
    band = [trace for trace in figure.data if trace.type == "scatter" and trace.fillcolor == look.BAND]
    assert [(round(min(one.x)), round(max(one.x))) for one in band] == [(85, 170), (101, 143)]
    assert {figure.layout.xaxis.title.text, figure.layout.xaxis2.title.text} == {"f0 (Hz)", "markers on 100 words"}


def test_the_card_of_a_dataset_is_that_of_its_profile():
    saved = json.loads(json.dumps(SPEAKER.as_json()))
    assert plots.profile_card(saved).to_json() == plots.profile_card(SPEAKER).to_json()


def test_what_was_not_measured_is_a_dash(assert_dressed):
    figure = plots.profile_card(WHISPER)
    assert_dressed(figure)
    assert told(figure).count("<b>–</b>") == 2
    assert any("no f0" in str(trace.text) for trace in figure.data)
    silent = dataclasses.replace(SPEAKER, pauses_per_minute=0.0, pause_median_s=None, markers_per_100_words={})
    assert {"<b>0.0</b>", "<b>–</b>"} <= set(told(plots.profile_card(silent)))
    assert "0.0 st" in " ".join(told(plots.profile_card(dataclasses.replace(SPEAKER, f0_spread_st=0.0))))
    assert_dressed(plots.profile_card({}))


def test_the_card_tells_how_many_words_have_no_f0():
    hoarse = dataclasses.replace(SPEAKER, words_without_f0=0.683)
    assert any("none<br>in 68 % of words" in note for note in told(plots.profile_card(hoarse)))
    assert not any("none<br>in" in note for note in told(plots.profile_card(SPEAKER)))  # not known


WORDS = [Word(f"w{i}", i * 0.5, i * 0.5 + 0.4) for i in range(240)]  # two minutes
WRITTEN = [("<emph>",) if i % 10 == 0 else () for i in range(240)]
HEARD = [("<pitch_low>", "<emph>") if i % 20 == 0 else () for i in range(240)]


def test_the_density_of_each_marker_is_counted_a_minute(assert_dressed):
    figure = plots.marker_density(WORDS, WRITTEN, HEARD, 120.0, held_out_from_s=100.0)
    assert_dressed(figure)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    lines = [trace for trace in figure.data if trace.type == "scatter"]
    assert len(bars) == 1 + len(TOKENS) and len(lines) == len(TOKENS)
    assert set(bars[0].y) == {120.0}  # words
    for rates, width, number in ((bars[1].y, bars[1].width, 12), (lines[0].y[:-1], bars[1].width, 24)):
        assert np.dot(rates, width) / 60 == pytest.approx(number, abs=0.02)
    assert "12.0 / 6.0" in told(figure) and "0.0 / 6.0" in told(figure) and "120" in told(figure)
    (held_out,) = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert (held_out.x0, held_out.x1) == (100, 120)


def test_with_nothing_written_only_what_is_heard_is_drawn(assert_dressed):
    figure = plots.marker_density(WORDS, [()] * 240, HEARD, 120.0)
    assert not [trace for trace in figure.data if trace.type == "scatter"]
    assert "6.0" in told(figure) and "written" not in figure.layout.title.text
    assert_dressed(plots.marker_density([], [], [], 0.0))


def test_hours_stay_small():
    words = [Word("w", float(i), i + 0.5) for i in range(36_000)]
    slots = [("<emph>", "<pause_short>")] * len(words)
    assert len(plots.marker_density(words, slots, slots, 36_000.0).to_json()) < 60_000


@given(st.floats(0.01, 1e6))
def test_the_stretches_cover_the_recording_and_none_is_a_sliver(duration_s):
    edges = _edges(duration_s)
    widths = np.diff(edges)
    assert edges[0] == 0 and edges[-1] == duration_s
    assert len(widths) <= 41 and (widths > 0).all()
    assert len(widths) == 1 or widths[-1] >= 0.49 * widths[0]
