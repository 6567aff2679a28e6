"""The figure and the table of what survives: every written marker once, the lost told apart and named, all escaped."""

import itertools
import re

import pytest

from prosody import markers
from prosody.notebook import plots
from prosody.speech import detect
from prosody.speech.needed import needed, reason

SPREAD = {"f0_level": 1.0, "f0_slope": 1.0}


def an_occurrence(token, value, text="word", *, plain=0.1, **more):
    """As `voice.listen` tells it, with the detection's own limits."""
    measured = {"f0_level_st": 0.0, "f0_level_z": 0.0, "f0_slope_st": 0.0, "f0_slope_z": 0.0}
    measured |= {"prominence": 0.0, "pause_before_s": 0.0}
    names = {"<emph>": "prominence", "<pause_short>": "pause_before_s", "<pause_long>": "pause_before_s"}
    name = names.get(token) or ("f0_slope_st" if token.endswith("ing>") else "f0_level_st")
    unit = "ms" if name == "pause_before_s" else "st"
    measured[name] = None if value is None else value / (1000 if unit == "ms" else 1)
    if name.startswith("f0"):
        measured[name.replace("_st", "_z")] = value
    found = detect.evidence(measured)
    asked, heard = needed(token, measured, SPREAD), detect.decide(found)
    return {
        "word": 0,
        "text": text,
        "marker": token,
        "effect": None if value is None or plain is None else value - plain,
        "unit": unit,
        "evidence": found[token],
        "value": asked.value,
        "value_plain": plain,
        "needed": [asked.low, asked.high],
        "survives": token in heard,
        "why_not": reason(token, asked, found, heard),
        **more,
    }


def an_answer(*occurrences, unwritten=()):
    return {
        "occurrences": list(occurrences),
        "heard_unwritten": list(unwritten),
        "slots": {"unmarked": 20, "heard_as_marked": len(unwritten)},
    }


EMPH = {"energy_db": 2.0, "duration_ms": 80.0, "duration_ratio": 1.4}
ANSWER = an_answer(
    an_occurrence("<emph>", 7.0, **EMPH),
    an_occurrence("<emph>", 2.0, "<script>alert(1)</script>", **EMPH),
    an_occurrence("<pause_long>", 1200.0, ""),
    an_occurrence("<pitch_low>", -4.0, "gone"),
    an_occurrence("<pitch_low>", None, "psst"),
    unwritten=[
        {
            "word": 3,
            "text": "<b>",
            "marker": "<pitch_high>",
            "evidence": 0.9,
            "because": "f0 is high",
            "in_plain": True,
        }
    ],
)


def points(figure):
    return [trace for trace in figure.data if trace.mode == "markers" and trace.customdata is not None]


def test_every_written_marker_with_a_measurement_is_one_point(assert_dressed):
    figure = plots.survival_figure(ANSWER)
    assert_dressed(figure)
    assert sorted(x for trace in points(figure) for x in trace.x) == [-4.0, 2.0, 7.0, 1200.0]
    headings = [note.text for note in figure.layout.annotations]
    assert len(headings) == 3  # a row for each marker that is written
    assert "1 of 2 survive" in headings[0] and "1.40 times as long" in headings[0]
    assert "1 without a measurement" in headings[2]
    titles = {axis.title.text for axis in figure.select_xaxes()} - {None}
    assert titles == {"prominence (no unit)", "silence (ms)", "f0 level against the words around (st)"}


def test_the_lost_differ_in_shape_and_are_named_and_escaped():
    figure = plots.survival_figure(ANSWER)
    shapes = {trace.marker.symbol: list(trace.x) for trace in points(figure)}
    assert shapes["x-thin"] == [2.0]
    (names,) = [trace for trace in figure.data if trace.mode == "text"]
    assert list(names.text) == ["&lt;script&gt;alert(1)&lt;/script&gt;"]
    (hover,) = [trace.customdata[0] for trace in points(figure) if trace.marker.symbol == "x-thin"]
    assert "prominence is 2.0, 5.5 is needed" in hover and "<script" not in hover


def test_shaded_is_where_the_marker_is_heard():
    figure = plots.survival_figure(an_answer(an_occurrence("<pause_short>", 900.0), an_occurrence("<pitch_low>", -3.0)))
    boxes = [(shape.x0, shape.x1) for shape in figure.layout.shapes if shape.type == "rect"]
    assert boxes[:2] == [(200.0, 800.0)] * 2
    assert boxes[2][1] == boxes[3][1] == -2.0
    lines = sorted(shape.x0 for shape in figure.layout.shapes if shape.type == "line")
    assert lines == [-2.0, 200.0, 800.0]


def test_rows_lie_below_each_other_and_several_answers_share_them():
    tokens = [(t, v) for t, v in zip(markers.TOKENS, (6.0, 400.0, 900.0, 3.0, -3.0, 4.0, -4.0), strict=True)]
    one = an_answer(*(an_occurrence(token, value) for token, value in tokens))
    figure = plots.survival_figure([one, one])
    domains = [axis.domain for axis in figure.select_yaxes()]
    assert len(domains) == 7
    assert all(above[0] >= below[1] - 1e-9 for above, below in itertools.pairwise(domains))
    assert all("2 of 2 survive" in note.text for note in figure.layout.annotations)
    without = plots.survival_figure(an_answer(an_occurrence("<emph>", 6.0, plain=None)))
    assert not [trace for trace in without.data if trace.mode == "lines"]


@pytest.mark.parametrize("answers", [[], an_answer()])
def test_nothing_written_is_said(answers, assert_dressed):
    figure = plots.survival_figure(answers)
    assert_dressed(figure)
    assert "No marker" in figure.layout.title.text
    assert plots.survival_table(answers).data.count("–") == 14


def test_the_table_counts_explains_and_escapes():
    told = plots.survival_table(ANSWER).data
    cells = [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", told)]
    assert cells[:4] == ["&lt;emph&gt;", "2", "1", "50 %"]
    assert "Of 20 slots without a marker, 1 are heard as marked." in told
    assert "prominence is 2.0, 5.5 is needed" in told
    assert "too little of it is voiced to have a pitch" in told
    assert "f0 is high, as in the render without markers" in told
    assert "<script" not in told and "<b>" not in told
