import json

import pytest

from prosody.lm.insight import Change
from prosody.markers import BY_TOKEN, TOKENS
from prosody.notebook import plots

GPT2 = [Change(layer, "c_proj", 768, 768, 16, 0.01 * (layer + 1)) for layer in range(12)]
MIXED = [Change(layer, t, n_out, 576, 4, 0.02) for t, n_out in (("k_proj", 192), ("q_proj", 576)) for layer in range(3)]


def test_the_count_of_gpt2_is_worked_out():
    figure = plots.lora_picture(GPT2)
    assert figure.layout.title.text == "294,912 numbers to learn"
    assert figure.layout.title.subtitle.text == "12 × (768 × 16 + 16 × 768)"
    assert [trace.name for trace in figure.data] == ["W, frozen", "B", "A", "what the layer uses"]
    told = [one.text for one in figure.layout.annotations]
    assert "768 × 768<br>= 589,824" in told[0]
    assert [sign for sign in told if len(sign) < 10] == ["+ α/r ·", "·", "=", ""]
    assert told[-1] == "Drawn: c_proj. Such a pair stands beside<br>c_proj<br>in 12 layers (0 to 11)."


def test_matrices_of_several_shapes_are_all_counted():
    title = plots.lora_picture(MIXED).layout.title
    assert title.text == f"{3 * 4 * (768 + 1152):,} numbers to learn"
    assert title.subtitle.text == "3 × (192 × 4 + 4 × 576) + 3 × (576 × 4 + 4 × 576)"


def test_boxes_have_their_shapes_proportions():
    w, b, a, used = plots.lora_picture(MIXED).data

    def sides(box):
        return max(box.x) - min(box.x), max(box.y) - min(box.y)

    assert sides(w) == pytest.approx((1, 1))  # of the larger matrix
    assert sides(used) == pytest.approx(sides(w))
    assert sides(b)[1] == pytest.approx(sides(w)[1])
    assert sides(a)[0] == pytest.approx(sides(w)[0])
    assert (sides(b)[0], sides(a)[1]) == pytest.approx((0.03, 0.03))  # thin, but to be seen


def test_a_wide_matrix_is_drawn_wide():
    w, *_ = plots.lora_picture(MIXED[:3]).data
    assert (max(w.y) - min(w.y)) / (max(w.x) - min(w.x)) == pytest.approx(192 / 576)


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


def test_labels_of_rows_that_end_close_together_stand_on_different_sides():
    ends = {token: (0.1 * k, float(k % 2)) for k, token in enumerate(TOKENS)}
    ends["<pitch_low>"] = ends["<pitch_high>"]
    rows = {token: ([0.0, 0.5], list(end)) for token, end in ends.items()}
    side = {trace.name: trace.textposition for trace in plots.rows_moved(rows).data}
    assert side["&lt;pitch_low&gt;"] != side["&lt;pitch_high&gt;"]


def test_rows_that_have_not_moved_at_all_can_be_drawn():
    assert plots.rows_moved({token: ([0.0, 0.0], [0.0, 0.0]) for token in TOKENS}).data
