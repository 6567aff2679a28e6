import json

import pytest

from prosody.lm.insight import Change
from prosody.markers import BY_TOKEN, TOKENS
from prosody.notebook import plots

GPT2 = [Change(layer, "c_proj", 768, 768, 16, 0.01 * (layer + 1)) for layer in range(12)]
MIXED = [Change(layer, t, n_out, 576, 4, 0.02) for t, n_out in (("k_proj", 192), ("q_proj", 576)) for layer in range(3)]


def test_the_count_of_gpt2_is_worked_out():
    figure = plots.lora_picture(GPT2)
    assert figure.layout.title.text == "12 × (768 × 16 + 16 × 768) = 294,912 numbers to learn"
    assert [trace.name for trace in figure.data] == ["W, frozen", "B", "A"]
    assert "768 × 768 = 589,824" in figure.layout.annotations[0].text


def test_matrices_of_several_shapes_are_all_counted():
    title = plots.lora_picture(MIXED).layout.title.text
    assert title == f"3 × (192 × 4 + 4 × 576) + 3 × (576 × 4 + 4 × 576) = {3 * 4 * (768 + 1152):,} numbers to learn"


def test_boxes_have_their_shapes_proportions():
    w, b, a = plots.lora_picture(MIXED).data

    def sides(box):
        return max(box.x) - min(box.x), max(box.y) - min(box.y)

    assert sides(w)[1] / sides(w)[0] == pytest.approx(192 / 576)
    assert sides(b)[1] == pytest.approx(sides(w)[1])
    assert sides(a)[0] == pytest.approx(sides(w)[0])
    assert (sides(b)[0], sides(a)[1]) == pytest.approx((0.03, 0.03))  # thin, but to be seen


def test_each_matrix_s_change_stands_at_its_layer():
    figure = plots.change_by_layer(GPT2 + MIXED)
    assert [trace.name for trace in figure.data] == ["c_proj", "k_proj", "q_proj"]
    assert list(figure.data[0].x) == list(range(12))
    assert list(figure.data[0].y) == [k + 1.0 for k in range(12)]
    assert "%" in figure.layout.yaxis.title.text
    assert len({trace.marker.symbol for trace in figure.data}) == 3  # not told apart by colour alone


def test_the_seven_rows_move_in_their_colours():
    rows = {t: ([float(k == i) for i in range(9)], [2.0 * (k == i) for i in range(9)]) for k, t in enumerate(TOKENS)}
    figure = plots.rows_moved(rows)
    assert [trace.line.color for trace in figure.data] == [BY_TOKEN[t].color for t in TOKENS]
    assert all(len(trace.x) == 2 for trace in figure.data)
    assert "&lt;emph&gt;" in figure.data[0].name
    assert len(figure.to_json()) < 12_000
    json.loads(figure.to_json())
