"""The figure of markers over time: how many a minute are written and heard, marker by marker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from prosody.dataset import Word
from prosody.markers import MARKERS
from prosody.notebook import look

_MOST_BINS = 40
_BINS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_ROW_PIXELS = 52


def marker_density(
    words: Sequence[Word],
    written: Sequence[Sequence[str]],
    heard: Sequence[Sequence[str]],
    duration_s: float,
    *,
    held_out_from_s: float | None = None,
) -> go.Figure:
    """Each marker's rate through the recording: written as a line, heard as bars, and above them all the words'.

    words: in time order, s. written, heard: the markers of each. duration_s: of the recording. held_out_from_s: where
    the part that is held out begins. Each row has a scale of its own; the mean rates stand at its right.
    """
    edges = _edges(duration_s)
    starts = np.array([word.start for word in words], dtype=float)
    figure = make_subplots(len(MARKERS) + 1, 1, shared_xaxes=True, vertical_spacing=0.022)
    _add_bars(figure, edges, _rates(starts, edges), look.TEXT, "words", row=1)
    _label(figure, "words", f"{60 * len(words) / max(duration_s, 1e-3):.0f}", row=1)
    any_written = any(written)
    for row, marker in enumerate(MARKERS, 2):
        slots = (written, heard) if any_written else (heard,)
        at = [starts[[marker.token in slot for slot in of]] if len(of) else starts for of in slots]
        token = look.text(marker.token)
        _add_bars(figure, edges, _rates(at[-1], edges), marker.color, f"{token} heard", row=row)
        if any_written:
            _add_steps(figure, edges, _rates(at[0], edges), marker.color, f"{token} written", row=row)
        means = " / ".join(f"{60 * len(one) / max(duration_s, 1e-3):.1f}" for one in at)
        _label(figure, look.swatch(marker.token), means, row=row)
        if not any(map(len, at)):
            figure.update_yaxes(tickvals=[0], row=row, col=1)
    if held_out_from_s is not None:
        _add_held_out(figure, held_out_from_s, duration_s)
    width = f"{edges[1] - edges[0]:g} s" if len(edges) > 2 else "the whole recording"
    what = "line: written, bars: heard; at the right the means" if any_written else "heard; at the right the mean"
    look.dress(figure, title=f"Markers a minute, each {width}", height=_ROW_PIXELS * (len(MARKERS) + 1) + 130)
    figure.update_layout(title={"subtitle": {"text": what, "font": {"size": 12}}})
    axis = {"rangemode": "tozero", "nticks": 3, "fixedrange": True, "tickfont": {"size": 10}}
    figure.update_xaxes(range=[0, round(duration_s, 3)])
    figure.update_xaxes(title_text="time in the recording (s)", row=len(MARKERS) + 1, col=1)
    return figure.update_yaxes(**axis).update_layout(margin={"l": 150, "r": 84, "t": 68}, bargap=0, barmode="overlay")


def _edges(duration_s: float) -> np.ndarray:
    """Edges of the bins, s; a last one of less than half the width is joined to the one before."""
    width = next((w for w in _BINS_S if duration_s <= w * _MOST_BINS), duration_s / _MOST_BINS)
    edges = np.append(np.arange(0, duration_s, width), duration_s)
    if len(edges) > 2 and edges[-1] - edges[-2] < width / 2:
        edges = np.delete(edges, -2)
    return edges if len(edges) > 1 else np.array([0.0, 1.0])


def _rates(at: np.ndarray, edges: np.ndarray) -> np.ndarray:
    counted, _ = np.histogram(at, edges)
    return np.round(counted / np.diff(edges) * 60, 2)


def _add_bars(figure: go.Figure, edges: np.ndarray, rates: np.ndarray, color: str, name: str, *, row: int) -> None:
    figure.add_bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=rates,
        width=np.diff(edges),
        marker={"color": color, "opacity": 0.4, "line": {"width": 0}},
        hovertemplate=f"about %{{x:.0f}} s: {name} %{{y:.1f}} a minute<extra></extra>",
        row=row,
        col=1,
    )


def _add_steps(figure: go.Figure, edges: np.ndarray, rates: np.ndarray, color: str, name: str, *, row: int) -> None:
    figure.add_scatter(
        x=edges,
        y=np.append(rates, rates[-1:]),
        mode="lines",
        line={"color": color, "width": 2, "shape": "hv"},
        hovertemplate=f"from %{{x:.0f}} s: {name} %{{y:.1f}} a minute<extra></extra>",
        row=row,
        col=1,
    )


def _label(figure: go.Figure, name: str, means: str, *, row: int) -> None:
    """The row's name at its left, the mean rates at its right."""
    axis = "" if row == 1 else str(row)
    place = {"xref": "paper", "yref": f"y{axis} domain", "y": 0.5, "showarrow": False}
    figure.add_annotation(text=name, x=0, xanchor="right", xshift=-34, font={"size": 12}, **place)
    figure.add_annotation(text=means, x=1, xanchor="left", xshift=8, font={"size": 11}, **place)


def _add_held_out(figure: go.Figure, start_s: float, end_s: float) -> None:
    box = {"x0": round(start_s, 3), "x1": round(end_s, 3), "y0": 0, "y1": 1, "yref": "paper", "layer": "below"}
    figure.add_shape(type="rect", fillcolor=look.PAUSE_SHADE, line_width=0, **box)
    label = {"text": "held out", "font": {"size": 10}, "showarrow": False, "yanchor": "bottom"}
    figure.add_annotation(x=round((start_s + end_s) / 2, 3), y=1, yref="paper", **label)
