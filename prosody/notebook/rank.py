"""What the rank does: W, B and A drawn to scale as a slider moves, and what is trained, counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ipywidgets as widgets
import plotly.graph_objects as go

from prosody.lm import ranks
from prosody.lm.lora import LAYERS, LoraParameters
from prosody.notebook import look, redrawn

if TYPE_CHECKING:
    from prosody.lm.base import Base
    from prosody.lm.ranks import Cost, Matrix

_GAP = 0.28  # between two boxes, of the longest side
_PIXELS = 250  # of the longest side


def rank_figure(matrix: Matrix, cost: Cost, *, n_matrices: int) -> go.Figure:
    """A matrix with its pair, all three to scale, and beside them the numbers: in all the matrices, in all the pairs.

    matrix: the one that is drawn. cost: of all `n_matrices`, with the rank that is drawn.
    """
    r, longest = cost.r, max(matrix.n_out, matrix.n_in)
    high, wide, thin = matrix.n_out / longest, matrix.n_in / longest, r / longest
    figure = go.Figure()
    boxes = [
        ("W, frozen", wide, high, look.TEXT, f"{matrix.n_out} × {matrix.n_in} = {matrix.numbers:,}", "+"),
        ("B", thin, high, look.F0, f"{matrix.n_out} × {r} = {matrix.n_out * r:,}", "·"),
        ("A", wide, thin, look.ACCENT, f"{r} × {matrix.n_in} = {r * matrix.n_in:,}", ""),
    ]
    left = 0.0
    for name, width, height, color, shape, sign in boxes:
        told = {"name": name, "text": f"{name}: {shape} numbers", "xaxis": "x", "yaxis": "y"}
        look.add_box(figure, left, width, height, color=color, opacity=0.65, **told)
        text = {"showarrow": False, "font": {"color": look.TEXT, "size": 13}}
        label = f"<b>{name}</b><br>{shape}"
        middle = left + max(width, 0.3 if name == "B" else 0) / 2
        figure.add_annotation(x=middle, y=0.02, text=label, yanchor="bottom", **text)
        left += max(width, 0.3 if name == "B" else 0) + _GAP
        text["font"] = {"color": look.TEXT, "size": 24}
        figure.add_annotation(x=left - _GAP / 2, y=-high / 2, text=sign, **text)
    _add_counts(figure, cost, n_matrices)
    look.dress(figure, title=_title(cost), height=_PIXELS + 110)
    figure.update_layout(
        xaxis={"visible": False, "domain": [0, 0.66], "range": [-0.05, 3.0]},
        yaxis={"visible": False, "scaleanchor": "x", "range": [-1.05, 0.3]},
        xaxis2={"anchor": "y2", "domain": [0.74, 1], "gridcolor": look.GRID, "showticklabels": True},
        yaxis2={"anchor": "x2", "title": {"text": f"numbers in all {n_matrices}"}, "gridcolor": look.GRID},
        bargap=0.35, margin={"t": 52, "b": 48},
    )  # fmt: skip
    return figure


def _add_counts(figure: go.Figure, cost: Cost, n_matrices: int) -> None:
    """Bars of the matrices' own numbers, and of the pairs', to one scale."""
    figure.add_bar(
        x=["all of W", "all of B and A"], y=[cost.full, cost.lora], xaxis="x2", yaxis="y2",
        marker={"color": [look.TEXT, look.F0], "opacity": 0.65}, cliponaxis=False,
        text=[f"{cost.full:,}", f"{cost.lora:,}"], textposition="outside", textfont={"color": look.TEXT},
        hovertemplate="%{x}: %{y:,} numbers<extra></extra>",
    )  # fmt: skip


def _title(cost: Cost) -> str:
    share = 100 * cost.lora / cost.full
    return f"Rank {cost.r}: {cost.lora:,} numbers beside {cost.full:,} ({share:.1f} %)"


def told(chosen: Sequence[Matrix], cost: Cost) -> str:
    """What is trained, and the adapter's bytes beside the matrices', as a table."""
    rows = {}
    for target in dict.fromkeys(one.target for one in chosen):
        these = [one for one in chosen if one.target == target]
        shape = f"{len(these)} × ({these[0].n_out} × {these[0].n_in})"
        pairs, full = sum(m.pair(cost.r) for m in these), sum(m.numbers for m in these)
        rows[target] = [shape, f"{full:,}", f"{pairs:,}", f"{100 * pairs / full:.1f} %"]
    rows["seven marker rows"] = [f"7 × {cost.rows // 7}", "", f"{cost.rows:,}", ""]
    rows["together"] = ["", f"{cost.full:,}", f"{cost.trainable:,}", f"{100 * cost.trainable / cost.full:.1f} %"]
    rows["in a file"] = ["", f"{cost.full_bytes / 1e6:.1f} MB", f"{cost.adapter_bytes / 1e6:.2f} MB", ""]
    return redrawn.table_html(["", "matrices", "numbers in W", "numbers in B and A", "share"], rows)


def rank_panel(base: Base, parameters: LoraParameters, *, interactive: bool = True) -> widgets.Widget | go.Figure:
    """A slider for the rank and a choice of layers, over W, B and A drawn to scale; headless the figure as it is.

    parameters: those that the notebook uses, where the slider begins.
    Raises ProsodyError if a target names no layer of the base.
    """
    if not interactive:
        chosen = ranks.matrices(base, parameters)
        cost = ranks.cost(chosen, parameters.r, width=ranks.width_of(base))
        return rank_figure(_largest(chosen), cost, n_matrices=len(chosen))
    return RankPanel(base, parameters)


def _largest(chosen: Sequence[Matrix]) -> Matrix:
    return max(chosen, key=lambda one: one.numbers)


class RankPanel(widgets.VBox):
    """The panel: the slider `rank`, the choices `targets` and `layers`, the `picture`, and `told` in numbers."""

    def __init__(self, base: Base, parameters: LoraParameters) -> None:
        self._base, self._width = base, ranks.width_of(base)
        own = parameters.targets
        choices = {", ".join(own) if own else "the attention": own, "all matrices": ("all-linear",)}
        self._known = {
            (targets, layers): ranks.matrices(base, LoraParameters(targets=targets, layers=layers))
            for targets in dict.fromkeys(choices.values())
            for layers in LAYERS
        }
        highest = max(min(m.n_out, m.n_in) for m in self._known[own, "all"])
        steps = sorted({2**k for k in range(highest.bit_length())} | {min(parameters.r, highest), highest})
        self.rank = widgets.SelectionSlider(
            options=[(str(r), r) for r in steps], value=min(parameters.r, highest), **redrawn.named("rank r", "420px")
        )
        self.targets = widgets.Dropdown(options=list(choices.items()), value=own, **redrawn.named("beside", "260px"))
        self.layers = widgets.Dropdown(options=LAYERS, value=parameters.layers, **redrawn.named("layers", "200px"))
        self.told = widgets.HTML()
        self.picture = redrawn.Picture(self._figure())
        for control in (self.rank, self.targets, self.layers):
            control.observe(lambda _: self._follow(), "value")
        self._tell()
        controls = redrawn.row(self.rank, self.targets, self.layers)
        super().__init__([redrawn.panel(controls, self.picture, self.told, name="ps-rank")])

    @property
    def chosen(self) -> tuple[Matrix, ...]:
        """The matrices that would get a pair."""
        return self._known[self.targets.value, self.layers.value]

    @property
    def cost(self) -> Cost:
        """What the rank that is shown costs beside them."""
        return ranks.cost(self.chosen, self.rank.value, width=self._width)

    def _figure(self) -> go.Figure:
        return rank_figure(_largest(self.chosen), self.cost, n_matrices=len(self.chosen))

    def _follow(self) -> None:
        self.picture.show(self._figure())
        self._tell()

    def _tell(self) -> None:
        even = _largest(self.chosen).break_even
        line = f"<p>From rank {int(even) + 1} on, B and A would hold more numbers than the matrix that is drawn.</p>"
        self.told.value = told(self.chosen, self.cost) + line
