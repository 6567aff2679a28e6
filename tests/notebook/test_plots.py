import itertools
import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody import markers
from prosody.dataset import Word
from prosody.errors import ProsodyError
from prosody.markers import MARKERS, TOKENS, MarkedText, MarkedWord
from prosody.notebook import look, plots

RATE = 24000


def tone(duration_s):
    return (0.3 * np.sin(2 * np.pi * 120 * np.arange(round(duration_s * RATE)) / RATE)).astype(np.float32)


def recording(duration_s=30.0, words=None):
    energy = np.full(int(duration_s * 10), -20.0)
    spans = [SimpleNamespace(start=float(a), end=a + 9.0) for a in range(0, int(duration_s) - 9, 10)]
    return plots.recording_overview(tone(duration_s), RATE, energy, 0.1, -35, spans, words)


def axis_titles(figure):
    axes = [figure.layout[name] for name in figure.layout if re.match(r"[xy]axis", name)]
    return {axis.title.text for axis in axes} - {None}


def test_every_figure_is_dressed(assert_dressed):
    words = [Word("<script>", 0.1, 0.5, ("<emph>",)), Word("b", 1.0, 1.5, ("<pause_short>", "<pitch_low>"))]
    for figure in (
        recording(words=words),
        plots.marker_counts(dict.fromkeys(TOKENS, 3), dict.fromkeys(TOKENS, 4), name="<script>"),
        plots.segment_lengths([2.0, 5.5, 14.9]),
        plots.loss_curve([(1, 3.0), (2, 2.5)], [(2, 2.6)], 3.2),
        plots.support_chart({"<emph>": (3, 4), "<pause_long>": (0, 0)}),
    ):
        assert_dressed(figure)


# --- the recording ----------------------------------------------------------------------------------------------------


def test_overview_shows_wave_energy_threshold_and_cuts():
    figure = recording()
    assert axis_titles(figure) == {"amplitude", "energy (dB re peak)", "time in the recording (s)"}
    rects = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert [(shape.x0, shape.x1) for shape in rects] == [(0, 9), (10, 19), (20, 29)]
    (line,) = [shape for shape in figure.layout.shapes if shape.type == "line"]
    assert line.y0 == line.y1 == -35
    assert line.line.dash == "dash"
    assert figure.layout.title.text == "The recording: 0.5 min in 3 segments"
    assert figure.layout.xaxis.range == (0, 30)


def test_overview_holds_every_word_once_with_its_time():
    words = [Word(f"w{i}", i * 0.4, i * 0.4 + 0.3, ("<emph>",) if i % 7 == 0 else ()) for i in range(70)]
    figure = recording(words=words)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    shown = sorted((float(base), text) for bar in bars for base, text in zip(bar.base, bar.text, strict=True))
    assert [text for _, text in shown] == [f"w{i}" for i in range(70)]
    assert np.allclose([base for base, _ in shown], [word.start for word in words], atol=1e-4)
    assert figure.layout.uniformtext.mode == "hide"
    for lane in range(3):  # the bars that hold the text never lie on each other
        spans = sorted(
            (float(b), float(b + w))
            for bar in bars
            for b, w, y in zip(bar.base, bar.x, bar.y, strict=True)
            if y == -lane
        )
        assert all(one[1] <= two[0] + 1e-3 for one, two in itertools.pairwise(spans))


def test_words_without_markers_of_their_own_will_do():
    aligned = [SimpleNamespace(text="a", start=0.0, end=0.5, confidence=0.9)]
    assert any(trace.type == "bar" for trace in recording(words=aligned).data)


def test_twelve_minutes_stay_small():
    words = [Word(f"word{i}", i * 0.36, i * 0.36 + 0.3, ("<pitch_high>",) if i % 9 == 0 else ()) for i in range(2000)]
    figure = recording(720.0, words)
    assert len(figure.to_json()) < 350_000
    waves = [trace for trace in figure.data if trace.type == "scatter" and trace.line.color == look.WAVE]
    assert sum(len(wave.y) for wave in waves) <= 4000


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(100), np.full(RATE, np.nan)])
def test_overview_of_nothing(samples, assert_dressed):
    figure = plots.recording_overview(samples, RATE, np.full(len(samples) // 2400, -np.inf), 0.1, -35, [])
    assert_dressed(figure)


# --- charts -----------------------------------------------------------------------------------------------------------


def test_counts_in_wire_order_beside_a_reference():
    figure = plots.marker_counts({"<emph>": 5}, {"<pitch_low>": 2}, name="dataset", reference_name="transcript")
    assert list(figure.data[0].x) == [f"&lt;{marker.name}&gt;" for marker in MARKERS]
    assert list(figure.data[0].y) == [5, 0, 0, 0, 0, 0, 0]
    assert list(figure.data[1].y) == [0, 0, 0, 0, 2, 0, 0]
    assert [trace.name for trace in figure.data] == ["dataset", "transcript"]
    assert len(plots.marker_counts({"<emph>": 5}).data) == 1


def test_lengths_are_counted_by_the_second():
    figure = plots.segment_lengths([1.2, 1.8, 3.0, 14.99])
    assert dict(zip(figure.data[0].customdata, figure.data[0].y, strict=True))["1 to 2 s"] == 2
    assert sum(figure.data[0].y) == 4
    assert "4 segments" in figure.layout.title.text
    assert sum(plots.segment_lengths([]).data[0].y) == 0
    assert len(plots.segment_lengths([3600.0]).data[0].x) <= 40


def test_loss_with_the_untuned_base_as_a_line(assert_dressed):
    train = [(step, 3.0 - step / 1000) for step in range(1, 1001)]
    figure = plots.loss_curve(train, [(500, 2.6), (1000, 2.2)], 3.25)
    by_name = {trace.name: trace for trace in figure.data}
    assert set(by_name) == {"train, each step", "train, smoothed", "held out", "held out, untuned base: 3.250"}
    assert by_name["train, smoothed"].y[500] == pytest.approx(train[500][1], abs=1e-5)
    assert list(by_name["held out, untuned base: 3.250"].x) == [0, 1000]
    assert_dressed(plots.loss_curve([], [], None))
    ring = plots.loss_curve(train, [(500, 2.6), (1000, 2.2)], 3.25, kept=(1, 500)).data[-2]
    assert (ring.name, list(ring.x), list(ring.y)) == ("kept: epoch 1", [500], [2.6])
    assert len(plots.loss_curve([(i, 1.0) for i in range(100_000)], []).to_json()) < 100_000


def test_support_tells_share_and_number():
    figure = plots.support_chart({"<pitch_low>": (3, 4), "<emph>": (0, 0)})
    assert list(figure.data[0].y) == ["&lt;emph&gt;", "&lt;pitch_low&gt;"]
    assert list(figure.data[0].x) == [0, 3]
    assert list(figure.data[1].x) == [0, 1]
    assert list(figure.data[1].text) == ["0 of 0", "3 of 4 (75%)"]


# --- helpers ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=300), st.integers(4, 40))
def test_an_envelope_keeps_the_extremes(values, max_points):
    low, high, step = look.envelope(np.array(values), 0.5, max_points=max_points)
    rounded = np.round(np.array(values, dtype=np.float32), 4)
    assert low.min() == rounded.min()
    assert high.max() == rounded.max()
    assert (low <= high).all()
    assert low is high or len(low) + len(high) <= max_points
    assert (len(low) - 1) * step < len(values) * 0.5 <= len(low) * step


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 5)), max_size=40))
def test_labels_in_one_lane_do_not_overlap(labels):
    labels.sort()
    lanes = look.lanes([c for c, _ in labels], [w for _, w in labels], most=1000)
    ends = {}
    for (centre, width), lane in zip(labels, lanes, strict=True):
        assert centre - width / 2 >= ends.get(lane, -10)
        ends[lane] = centre + width / 2
    assert set(lanes) == set(range(len(set(lanes))))
    assert max(look.lanes([0.0] * 9, [1.0] * 9, most=3)) == 2


# --- marked text ------------------------------------------------------------------------------------------------------

TEXT = "We <pause_short> <pitch_rising> <emph> really meant it. <pause_long>"


def test_html_shows_markers_in_colour_and_escapes_words():
    shown = plots.marked_html(TEXT)
    for token in ("<pause_short>", "<pitch_rising>", "<emph>", "<pause_long>"):
        assert f"&lt;{token[1:-1]}&gt;" in shown
        assert markers.BY_TOKEN[token].color in shown
    assert "<b>really</b>" in shown
    assert re.sub(r"&lt;\w+&gt;", "", re.sub(r"<[^>]+>", "", shown)).split() == ["We", "really", "meant", "it."]


def test_html_never_lets_a_word_be_markup():
    evil = ["<script>alert(1)</script>", '"onmouseover="x', "<img/src=x", "&amp;", "</div>"]
    shown = plots.marked_html(MarkedText(tuple(MarkedWord(text, ("<emph>",)) for text in evil)))
    assert "<script" not in shown
    assert "<img" not in shown
    assert shown.count("</div>") == 1
    assert '"onmouseover' not in shown
    assert "&amp;amp;" in shown


def test_what_does_not_parse_is_refused():
    with pytest.raises(ProsodyError, match="<script>"):
        plots.marked_html("a <script> b")


def test_ansi_is_the_text_in_colour():
    shown = plots.marked_ansi(TEXT)
    assert re.sub(r"\x1b\[[\d;]*m", "", shown) == TEXT == plots.marked_ansi(TEXT, color=False)
    assert shown.count("\x1b[0m") == 4
    red, green, blue = (int(markers.BY_TOKEN["<emph>"].color[i : i + 2], 16) for i in (1, 3, 5))
    assert f"\x1b[48;2;{red};{green};{blue};38;2;" in shown


@pytest.mark.parametrize("color", [True, False])
def test_a_word_cannot_steer_the_terminal(color):
    shown = plots.marked_ansi(
        MarkedText((MarkedWord("a\x1b[2Jb\x07\x9b\ud800"), MarkedWord("👩\u200d💻"))), color=color
    )
    assert shown == "a\\x1b[2Jb\\x07\\x9b\\ud800 👩\u200d💻"


def test_several_ways_to_mark_stand_below_each_other_and_are_escaped():
    html = plots.side_by_side(["<b>", "new"], {"Written": [("<emph>",), ()], "T<i>": [(), ("<pause_long>",)]}).data
    assert html.index("Written") < html.index("T&lt;i&gt;")
    assert html.count("&lt;b&gt;") == 2 and "<b>&lt;b&gt;</b>" in html  # the stressed one stands out
    assert html.count('title="') == 2
