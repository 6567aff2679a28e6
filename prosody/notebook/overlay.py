"""Curves of several trainings over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from prosody.notebook import look

Curve = Sequence[tuple[int, float]]
COLORS = ("#2a86c8", "#c65800")  # apart for every eye, and to be seen on light pages and dark ones
_DASHES = ("solid", "dash")  # and a second channel beside colour
_SYMBOLS = ("circle", "square")


def overlaid(
    curves: Mapping[str, Curve], *, title: str, unit: str, faint: Mapping[str, Curve] | None = None
) -> go.Figure:
    """The curves of two trainings over their steps, each with its own colour and dash.

    curves: by the name of the run, (step, value). unit: the title of the y axis. faint: of the same runs a curve of
    many points, such as the loss of each step, drawn thin behind it; at most `look.MAX_POINTS` of them are kept.
    """
    figure = go.Figure()
    for k, name in enumerate(dict.fromkeys([*(faint or {}), *curves])):
        color, dash = COLORS[k % 2], _DASHES[k % 2]
        if faint and len(faint.get(name, ())):
            line = {"color": color, "width": 1, "dash": "solid" if dash == "solid" else "dot"}
            _add(figure, faint[name], f"{name}: each step", mode="lines", line=line, opacity=0.55)
        if len(curves.get(name, ())):
            marker = {"symbol": _SYMBOLS[k % 2], "size": 8, "color": color}
            line = {"color": color, "width": 2.5, "dash": dash}
            label = f"{name}: held out" if faint else name
            _add(figure, curves[name], label, mode="lines+markers", line=line, marker=marker)
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(title_text="step")
    figure.update_yaxes(title_text=unit)
    return look.dress(figure, title=title, height=420, legend=True)


def _add(figure: go.Figure, curve: Curve, name: str, **how: object) -> None:
    every = -(-len(curve) // look.MAX_POINTS)
    steps, values = np.asarray(curve, dtype=float)[::every].T
    figure.add_scatter(
        x=steps.astype(np.int64),
        y=np.round(values, 5),
        name=look.text(name),
        hovertemplate="%{y:.4f}",
        **how,
    )
