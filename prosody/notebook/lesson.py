"""Pictures of what LoRA is and does: W, A and B with their shapes, each layer's change, the seven rows moving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from prosody.markers import BY_TOKEN
from prosody.notebook import style

if TYPE_CHECKING:
    from prosody.lm.insight import Change

_PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a7a7a")  # Okabe and Ito (2008)
_SYMBOLS = ("circle", "square", "diamond", "x", "cross", "triangle-up", "star")
_THINNEST = 0.03  # of a picture's side, so that a rank of 2 can be seen beside 768 columns


def lora_picture(changes: Sequence[Change]) -> go.Figure:
    """W and the pair beside it, drawn to scale by their shapes, and the sum of what is trained.

    changes: as from `insight.changes`; the first matrix is drawn, all are counted.
    """
    figure = go.Figure()
    one = changes[0]
    longest = max(one.n_out, one.n_in)
    high, wide, thin = one.n_out / longest, one.n_in / longest, max(one.r / longest, _THINNEST)
    boxes = [
        ("W, frozen", 0.0, wide, high, style.TEXT, f"{one.n_out} × {one.n_in} = {one.n_out * one.n_in:,}"),
        ("B", wide + 0.45, thin, high, style.F0, f"{one.n_out} × {one.r} = {one.n_out * one.r:,}"),
        ("A", wide + thin + 0.75, wide, thin, style.ACCENT, f"{one.r} × {one.n_in} = {one.r * one.n_in:,}"),
    ]
    for name, left, width, height, color, shape in boxes:
        x, y = [left, left + width, left + width, left, left], [0, 0, -height, -height, 0]
        figure.add_scatter(
            x=x, y=y, fill="toself", fillcolor=color, opacity=0.55, mode="lines", line={"color": color, "width": 1},
            name=name, hoverinfo="text", text=f"{name}: {shape} numbers",
        )  # fmt: skip
        figure.add_annotation(
            x=left + width / 2, y=0.03, text=f"<b>{name}</b><br>{shape}", showarrow=False, yanchor="bottom",
            font={"color": style.TEXT},
        )  # fmt: skip
    for sign, at in (("+", wide + 0.22), ("·", wide + thin + 0.6)):
        figure.add_annotation(x=at, y=-high / 2, text=sign, showarrow=False, font={"size": 26, "color": style.TEXT})
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x", range=[-max(high, 0.4) - 0.05, 0.35])
    return style.dress(figure, title=_sum(changes), height=360)


def _sum(changes: Sequence[Change]) -> str:
    """How many numbers are trained, worked out: for each shape B's and A's, times how often it is there."""
    shapes: dict[tuple[int, int, int], int] = {}
    for one in changes:
        shapes[one.n_out, one.n_in, one.r] = shapes.get((one.n_out, one.n_in, one.r), 0) + 1
    parts = [f"{n} × ({out} × {r} + {r} × {into})" for (out, into, r), n in shapes.items()]
    total = sum(one.numbers for one in changes)
    shown = " + ".join(parts[:3]) + (" + …" if len(parts) > 3 else "")
    return f"{shown} = {total:,} numbers to learn"


def change_by_layer(changes: Sequence[Change]) -> go.Figure:
    """How much each matrix has changed, layer by layer, in percent of the matrix's own norm."""
    figure = go.Figure()
    targets = list(dict.fromkeys(one.target for one in changes))
    for k, target in enumerate(targets):
        own = [one for one in changes if one.target == target]
        figure.add_scatter(
            x=[one.layer for one in own],
            y=[round(100 * one.share, 3) for one in own],
            name=target,
            mode="lines+markers",
            line={"color": _PALETTE[k % len(_PALETTE)], "width": 1.5},
            marker={"symbol": _SYMBOLS[k % len(_SYMBOLS)], "size": 6},
            hovertemplate=f"{target}, layer %{{x}}: %{{y:.2f}} % of W<extra></extra>",
        )
    figure.update_xaxes(title_text="layer")
    figure.update_yaxes(title_text="‖scale · B · A‖ / ‖W‖ (%)", rangemode="tozero")
    return style.dress(figure, title="What was learned beside each matrix", height=380, legend=True)


def rows_moved(rows: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> go.Figure:
    """The seven marker rows before and after training, on the plane that shows most of them.

    rows: token → (before, after), both vectors of the base's width.
    """
    from prosody.lm.insight import plane

    tokens = list(rows)
    before, after = plane(*(np.array([rows[t][k] for t in tokens], dtype=float) for k in (0, 1)))
    figure = go.Figure()
    for token, start, end in zip(tokens, before, after, strict=True):
        color, name = BY_TOKEN[token].color, style.text(token)
        figure.add_scatter(
            x=[round(float(start[0]), 4), round(float(end[0]), 4)],
            y=[round(float(start[1]), 4), round(float(end[1]), 4)],
            name=name,
            mode="lines+markers+text",
            text=["", name],
            textposition="top center",
            textfont={"color": color},
            line={"color": color, "width": 1.5},
            marker={"color": color, "size": [7, 11], "symbol": ["circle-open", "circle"]},
            hovertemplate=[f"{name} before<extra></extra>", f"{name} after<extra></extra>"],
        )
    figure.update_xaxes(title_text="first principal component")
    figure.update_yaxes(title_text="second principal component")
    return style.dress(figure, title="The seven rows: ○ before, ● after training", height=440)
