"""Charts of counts, lengths and losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from prosody.markers import MARKERS
from prosody.notebook import look

_FEW_SEGMENTS = 6
Curve = Sequence[tuple[int, float]]


def marker_counts(
    counts: Mapping[str, float],
    reference: Mapping[str, float] | None = None,
    *,
    name: str = "here",
    reference_name: str = "reference",
    unit: str = "times written",
) -> go.Figure:
    """How often each marker stands, beside another speaker or text if `reference` is given.

    counts, reference: token → count, or a rate; `unit` says which.
    """
    tokens = [look.text(marker.token) for marker in MARKERS]
    figure = go.Figure()
    for series, label, of_reference in ((counts, name, False), (reference, reference_name, True)):
        if series is None:
            continue
        values = [round(series.get(marker.token, 0), 1) for marker in MARKERS]
        colors = [marker.color for marker in MARKERS]
        figure.add_bar(
            x=tokens,
            y=values,
            name=look.text(label),
            text=values,
            textposition="outside",
            cliponaxis=False,
            marker={
                "color": "rgba(0,0,0,0)" if of_reference else colors,
                "line": {"color": colors, "width": 1.5},
            },
            customdata=[look.text(marker.meaning) for marker in MARKERS],
            hovertemplate="%{x} %{y} " + look.text(unit) + "<br>%{customdata}<extra>" + look.text(label) + "</extra>",
        )
    figure.update_layout(barmode="group", bargap=0.3)
    figure.update_yaxes(title_text=look.text(unit), rangemode="tozero")
    look.dress(figure, title="Markers", height=360, legend=reference is not None)
    narrow = [token.replace("_", "_<br>") for token in tokens]
    return figure.update_xaxes(showgrid=False, tickangle=0, tickvals=tokens, ticktext=narrow, title_text="marker")


def segment_lengths(durations: Sequence[float]) -> go.Figure:
    """How long the segments are. durations: s."""
    durations = np.asarray(durations, dtype=float)
    top = int(np.ceil(durations.max())) if len(durations) else 1
    width = 1 if top <= 40 else -(-top // 40)
    edges = np.arange(0, top + width, width)
    counted, _ = np.histogram(durations, edges)
    figure = go.Figure()
    figure.add_bar(
        x=edges[:-1] + width / 2,
        y=counted,
        width=width * 0.92,
        marker_color=look.WAVE,
        customdata=[f"{a} to {a + width} s" for a in edges[:-1]],
        hovertemplate="%{customdata}: %{y} segments<extra></extra>",
    )
    title = "Segment lengths"
    if len(durations):
        median = float(np.median(durations))
        title = f"Segment lengths: {len(durations)} segments, {durations.sum() / 60:.1f} min, median {median:.1f} s"
        figure.add_vline(x=median, line={"color": look.ACCENT, "dash": "dash", "width": 1.5})
    figure.update_xaxes(title_text="length (s)")
    few = {"dtick": 1} if len(durations) and counted.max() < _FEW_SEGMENTS else {}  # or there are halves on the axis
    figure.update_yaxes(title_text="segments", rangemode="tozero", **few)
    return look.dress(figure, title=title, height=320)


def loss_curve(
    train: Curve, val: Curve, untuned: float | None = None, *, kept: tuple[int, int] | None = None
) -> go.Figure:
    """Loss over the steps of training.

    train, val: (step, loss in nats a slot). untuned: the base model's loss on the held-out part. kept: the epoch that
    is kept, and its last step, which has a point in `val`.
    """
    figure = go.Figure()
    if len(train):
        steps, losses = np.asarray(train, dtype=float).T
        many = len(steps) > 50
        _curve(figure, *_thinned(steps, losses), "train, each step", look.WAVE, width=1, opacity=0.45 if many else 1)
        if many:
            _curve(figure, *_thinned(steps, _smooth(losses)), "train, smoothed", look.WAVE, width=2.5)
    if len(val):
        steps, losses = np.asarray(val, dtype=float).T
        _curve(figure, steps, losses, "held out", look.ACCENT, width=2, mode="lines+markers")
    if kept is not None:
        epoch, step = kept
        ring = {"symbol": "circle-open", "size": 16, "color": look.ACCENT, "line": {"width": 2}}
        at = {"x": [step], "y": [round(dict(val)[step], 4)]}
        figure.add_scatter(name=f"kept: epoch {epoch}", mode="markers", marker=ring, hoverinfo="name", **at)
    if untuned is not None:
        last = max((step for step, _ in (*train, *val)), default=1)
        dashed = {"color": look.TEXT, "dash": "dash", "width": 1.5}
        label = f"held out, untuned base: {untuned:.3f}"
        figure.add_scatter(
            x=[0, last], y=[round(untuned, 4)] * 2, name=label, mode="lines", line=dashed, hoverinfo="name+y"
        )
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(title_text="step")
    figure.update_yaxes(title_text="loss (nats a slot)")
    return look.dress(figure, title="Loss", height=420, legend=True)


def support_chart(supported: Mapping[str, tuple[int, int]]) -> go.Figure:
    """How many of the written markers the audio supports. supported: token → (supported, written)."""
    shown = [marker for marker in MARKERS if marker.token in supported]
    yes = [supported[marker.token][0] for marker in shown]
    written = [supported[marker.token][1] for marker in shown]
    labels = [f"{a} of {b}" + (f" ({a / b:.0%})" if b else "") for a, b in zip(yes, written, strict=True)]
    tokens = [look.text(marker.token) for marker in shown]
    common = {
        "y": tokens,
        "orientation": "h",
        "customdata": labels,
        "hovertemplate": "%{y} heard in the audio: %{customdata}<extra></extra>",
    }
    colors = [marker.color for marker in shown]
    figure = go.Figure()
    figure.add_bar(x=yes, name="supported by the audio", marker_color=colors, **common)
    figure.add_bar(
        x=[b - a for a, b in zip(yes, written, strict=True)],
        name="written, not supported",
        marker={"color": "rgba(128,128,128,0.25)", "line": {"color": colors, "width": 1}},
        text=labels,
        textposition="outside",
        cliponaxis=False,
        **common,
    )
    figure.update_layout(barmode="stack", bargap=0.35)
    figure.update_xaxes(title_text="markers written", rangemode="tozero", range=[0, 1.18 * max([1, *written])])
    look.dress(figure, title="Markers that the audio supports", height=420, legend=True)
    return figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", automargin=True)


def _curve(
    figure: go.Figure,
    steps: np.ndarray,
    losses: np.ndarray,
    name: str,
    color: str,
    *,
    width: float,
    opacity: float = 1.0,
    mode: str = "lines",
) -> None:
    figure.add_scatter(
        x=steps.astype(np.int32),
        y=losses.astype(np.float32),
        name=name,
        mode=mode,
        opacity=opacity,
        line={"color": color, "width": width},
        hovertemplate="%{y:.4f}",
    )


def _smooth(losses: np.ndarray) -> np.ndarray:
    """Running mean over about a twentieth of the curve, the window cut at its ends."""
    width = max(5, len(losses) // 20) | 1
    kernel = np.ones(width)
    return np.convolve(losses, kernel, "same") / np.convolve(np.ones(len(losses)), kernel, "same")


def _thinned(steps: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every nth point, so that a long training stays a small figure."""
    every = -(-len(steps) // (look.MAX_POINTS // 2))
    return steps[::every], losses[::every]
