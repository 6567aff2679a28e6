"""The threshold panel: what it counts is what the segmenter makes, and the picture shows it."""

import dataclasses
import time

import numpy as np
import plotly.graph_objects as go
import pytest

from prosody.notebook.threshold import cutting, threshold_figure, threshold_panel
from prosody.speech.segment import SegmentParameters, segment_spans

HOP_S = 0.01
DEFAULTS = SegmentParameters(noise_margin_db=0.0)


@pytest.fixture
def energy():
    """Three stretches of 3 s at −10 dB, parted by 1 s at −60 dB; in the middle of each 0.9 s at −30 dB."""
    stretch = np.full(300, -10.0)
    stretch[105:195] = -30.0
    return np.concatenate([stretch, np.full(100, -60.0), stretch, np.full(100, -60.0), stretch])


def test_the_cutting_is_the_segmenters(energy):
    cut = cutting(energy, DEFAULTS)
    assert cut.spans == segment_spans(energy, parameters=DEFAULTS)
    assert (len(cut.spans), cut.threshold_db) == (3, -35.0)
    assert cut.longest_s == pytest.approx(3.2)  # with the margin at both sides, for the middle one
    assert cut.speech_share == pytest.approx(9 / 11)
    assert cut.told() == "3 segments, the longest 3.2 s; 81.8 % of the time is louder than −35.0 dB"


def test_noise_raises_the_threshold_and_it_is_told(energy):
    cut = cutting(energy, dataclasses.replace(DEFAULTS, threshold_db=-62.0, noise_margin_db=6.0))
    assert cut.threshold_db == -54.0
    assert cut.told().endswith("louder than −54.0 dB (raised from −62.0: noise)")


def test_the_figure_shows_the_stretch_with_its_segments(energy, assert_dressed):
    figure = threshold_figure(energy, cutting(energy, DEFAULTS), start_s=2.0, stretch_s=4.0)
    assert_dressed(figure)
    names = [shape.name for shape in figure.layout.shapes]
    assert names == ["threshold", "segment 1", "segment 2"]
    assert figure.layout.shapes[1].x0 == 2.0  # it began before
    assert figure.layout.shapes[2].x1 == 6.0  # it goes on
    assert list(figure.layout.xaxis.range) == [2.0, 6.0]
    assert max(figure.data[0].y) == -10


def test_headless_it_is_a_figure(energy):
    assert isinstance(threshold_panel(energy, DEFAULTS, interactive=False), go.Figure)


def test_the_sliders_move_cuts_and_picture_but_not_the_notebooks_parameters(energy):
    panel = threshold_panel(energy, DEFAULTS)
    assert panel.picture.figure.layout.title.text.startswith("3 segments")
    panel.threshold.value = -20.0
    assert panel.picture.figure.layout.title.text.startswith("6 segments")
    assert panel.told.value == "<b>6 segments</b> in the whole recording (+3 segments beside this notebook's settings)"
    panel.pause.value = 1.2
    assert panel.picture.figure.layout.title.text.startswith("1 segments")
    panel.start.value = 5.0
    assert panel.picture.figure.layout.xaxis.range[0] == 5.0
    assert DEFAULTS.threshold_db == -35.0


def test_two_outputs_take_turns(energy):
    panel = threshold_panel(energy, DEFAULTS)
    a, b = panel.picture.children
    before = {one.layout.order: one.outputs for one in (a, b)}
    panel.threshold.value = -20.0
    front = a if a.layout.order == "1" else b
    behind = b if front is a else a
    assert behind.outputs == before["1"]  # what was seen last stays until the new one is drawn over it
    assert front.outputs[0]["data"]["application/vnd.plotly.v1+json"]["layout"]["title"]["text"].startswith("6")


def test_twelve_minutes_follow_at_once():
    """Measured: some 50 ms of processor time; ten times that would be felt."""
    rng = np.random.default_rng(0)
    syllables = rng.uniform(-60, 0, 72_000 // 15)
    panel = threshold_panel(np.repeat(syllables, 15), SegmentParameters())
    panel.threshold.value = -34.0
    began = time.process_time()
    for value in (-30.0, -20.0, -10.0, -25.0):
        panel.threshold.value = value
    assert (time.process_time() - began) / 4 < 0.5
