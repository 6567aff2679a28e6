"""The rank panel: its counts, and a drawing whose proportions follow."""

import plotly.graph_objects as go
import pytest
from lm_data import write_gpt2

from prosody.lm import ranks
from prosody.lm.base import load_base
from prosody.lm.lora import LoraParameters
from prosody.lm.ranks import Matrix, cost
from prosody.notebook.rank import rank_figure, rank_panel, told

MATRICES = (Matrix("a.q", "q", 576, 576), Matrix("a.k", "k", 192, 576))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rank") / "base"
    write_gpt2(folder)
    return load_base(str(folder))


def sides(box):
    return max(box.x) - min(box.x), max(box.y) - min(box.y)


@pytest.mark.parametrize("r", [1, 16, 288])
def test_the_drawing_is_to_scale(r, assert_dressed):
    figure = rank_figure(MATRICES[0], cost(MATRICES, r, width=576), n_matrices=2)
    assert_dressed(figure)
    w, b, a = figure.data[:3]
    assert sides(w) == pytest.approx((1, 1))
    assert sides(b) == pytest.approx((r / 576, 1))
    assert sides(a) == pytest.approx((1, r / 576))
    assert list(figure.data[3].y) == [576 * 576 + 192 * 576, r * (1152 + 768)]


def test_the_table_adds_up():
    text = told(MATRICES, cost(MATRICES, 16, width=576))
    for number in ("18,432", "12,288", "4,032", f"{18_432 + 12_288 + 4_032:,}", "5.6 %", "11.1 %"):
        assert number in text


def test_headless_it_is_a_figure(base):
    figure = rank_panel(base, LoraParameters(r=2), interactive=False)
    assert isinstance(figure, go.Figure)
    assert figure.layout.title.text.startswith("Rank 2:")


def test_the_slider_moves_drawing_and_count(base):
    panel = rank_panel(base, LoraParameters(r=2))
    first = panel.cost
    panel.rank.value = 8
    assert panel.cost.lora == 4 * first.lora
    assert panel.picture.figure.layout.title.text.startswith(f"Rank 8: {panel.cost.lora:,} numbers")
    panel.targets.value = ("all-linear",)
    assert len(panel.chosen) > len(ranks.matrices(base, LoraParameters()))
    n = len(panel.chosen)
    panel.layers.value = "upper half"
    assert len(panel.chosen) == n // 2


def test_a_rank_between_the_steps_is_a_step(base):
    panel = rank_panel(base, LoraParameters(r=3))
    assert panel.rank.value == 3
    assert [r for _, r in panel.rank.options][:4] == [1, 2, 3, 4]
