"""Pictures of a sweep: what lies over a parameter, what a line stands for, points without figures, hostile names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from prosody.notebook import sweep


@dataclass
class Point:
    """A point as a sweep's table has it."""

    number: int
    values: dict[str, Any]
    value: float | None
    run: str | None = "20261101T000300Z-000003"
    state: str = "ok"
    seconds: float | None = 60.0
    error: str | None = None


def points(values, scores):
    return [Point(k, one, score) for k, (one, score) in enumerate(zip(values, scores, strict=True), 1)]


def lines(figure):
    return [trace for trace in figure.data if trace.mode == "lines+markers"]


def marks(figure):
    return [trace for trace in figure.data if trace.mode == "markers"]


def test_one_parameter_is_one_line_with_a_mark_for_each_run(assert_dressed):
    rows = points([{"rank": rank} for rank in (16, 4, 8)], [0.9, 0.5, 0.7])
    figure = sweep.over(rows, "rank", metric="macro_f1")
    assert_dressed(figure)
    (line,), (runs,) = lines(figure), marks(figure)
    assert (line.x, line.y) == ((4, 8, 16), (0.5, 0.7, 0.9))  # in the order of the values, not of the points
    assert (runs.x, runs.y) == ((16, 4, 8), (0.9, 0.5, 0.7))
    assert line.error_y.array is None and not figure.layout.showlegend  # one run each: nothing to say of chance
    assert figure.layout.xaxis.title.text == "rank" and figure.layout.yaxis.title.text == "macro_f1"
    assert figure.layout.xaxis.tickvals == (4, 8, 16)
    assert "macro_f1 0.9" in runs.hovertext[0] and "rank 16" in runs.hovertext[0] and rows[0].run in runs.hovertext[0]


def test_a_wide_range_is_drawn_by_powers_and_a_narrow_one_to_scale():
    rates = [1e-4, 1e-3, 1e-2]
    assert sweep.over(points([{"r": r} for r in rates], [1, 2, 3]), "r", metric="m").layout.xaxis.type == "log"
    assert sweep.over(points([{"r": r} for r in (1, 2, 3)], [1, 2, 3]), "r", metric="m").layout.xaxis.type is None
    assert sweep.over(points([{"r": r} for r in (0, 1e-3, 1)], [1, 2, 3]), "r", metric="m").layout.xaxis.type is None


def test_words_stand_in_turn():
    bases = ["gpt2", "smollm2", None, True]
    axis = sweep.over(points([{"base": base} for base in bases], [1, 2, 3, 4]), "base", metric="m").layout.xaxis
    assert axis.ticktext == ("gpt2", "smollm2", "–", "true") and axis.tickvals == (0, 1, 2, 3)


def test_a_second_parameter_makes_a_line_of_each_of_its_values_told_apart_without_colours():
    grid = list(product((1, 2, 3), (0.1, 0.2)))
    rows = points([{"epochs": e, "rate": r} for e, r in grid], [e + r for e, r in grid])
    figure = sweep.over(rows, "epochs", metric="m")
    one, two = lines(figure)
    assert (one.name, two.name) == ("rate 0.1", "rate 0.2") and figure.layout.showlegend
    assert one.y == (1.1, 2.1, 3.1) and two.y == (1.2, 2.2, 3.2)
    assert one.line.dash != two.line.dash and one.marker.symbol != two.marker.symbol
    assert len(lines(sweep.over(rows, "rate", metric="m"))) == 3


def test_more_lines_than_can_be_told_are_one_of_means():
    grid = list(product((1, 2), range(7)))
    rows = points([{"epochs": e, "rank": r} for e, r in grid], [e + r for e, r in grid])
    (line,) = lines(sweep.over(rows, "epochs", metric="m"))
    assert line.y == (4, 5) and line.name == "mean of all the others" and line.customdata == (7, 7)


def test_seeds_are_a_spread_and_not_lines():
    grid = list(product((1, 2), (0, 1, 2)))
    rows = points([{"rate": r, "seed": s} for r, s in grid], [0.5, 0.7, 0.6, 0.9, 0.5, 0.7])
    figure = sweep.over(rows, "rate", metric="m")
    (line,) = lines(figure)
    assert line.y == pytest.approx((0.6, 0.7)) and line.customdata == (3, 3)
    assert line.error_y.array == pytest.approx((0.1, 0.2)) and line.error_y.arrayminus == pytest.approx((0.1, 0.2))
    assert len(marks(figure)[0].x) == 6


def test_points_that_failed_or_have_no_such_parameter_are_left_out():
    rows = points([{"rate": 1}, {"rate": 2}, {"rate": 3}, {"other": 4}], [0.5, None, 0.7, 0.8])
    rows[1].state, rows[1].run = "failed", None
    (line,) = lines(sweep.over(rows, "rate", metric="m"))
    assert (line.x, line.y) == ((1, 3), (0.5, 0.7))


def test_without_a_metric_nothing_is_drawn_and_nothing_breaks(assert_dressed):
    figure = sweep.over(points([{"rate": 1}, {"rate": 2}], [None, None]), "rate", metric="nope")
    assert_dressed(figure)
    assert not [trace for trace in figure.data if trace.y]


def test_the_table_has_the_best_in_bold_and_names_as_text():
    evil = "<img src=x onerror=alert(1)>"
    head = ["point", evil, "m", "run"]
    shown = sweep.points_table(head, [[1, 0.5, 0.25, "a"], [2, -2e-5, None, evil]], best=["a"]).data
    assert "<b>0.25</b>" in shown and "<b>a</b>" in shown and shown.count("<b>") == 4
    assert "<img" not in shown and "&lt;img" in shown and "−2e−05" in shown and "–" in shown


def test_hostile_values_are_shown_as_text():
    evil = "<img src=x onerror=alert(1)>"
    rows = points([{evil: one, "of": evil} for one in (evil, "b")], [1.0, 2.0])
    rows.append(Point(3, {evil: "c", "of": "other"}, 3.0, run=evil))
    figure = sweep.over(rows, evil, metric=evil)
    shown = str(json.loads(figure.to_json()))  # its JSON escapes all angles; what comes out of it counts
    assert "<img" not in shown and "&lt;img" in shown
