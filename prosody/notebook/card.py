"""The profile card: one speaker's pitch, loudness, rate, pauses and markers in one small figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from prosody.markers import MARKERS
from prosody.notebook import look
from prosody.speech.profile import Profile

_F0_HZ = (50.0, 500.0)  # of the ruler
_TICKS_HZ = (50, 75, 100, 150, 200, 300, 400)
_NONE = "–"


def profile_card(profile: Profile | Mapping[str, Any], *, title: str = "The speaker's profile") -> go.Figure:
    """A speaker's profile as a card.

    profile: as measured, or as it stands in `dataset_info.json`. What could not be measured, as f0 of a whisper, is a
    dash.
    """
    raw = profile.as_json() if isinstance(profile, Profile) else profile
    domains = {"column_widths": [0.46, 0.54], "horizontal_spacing": 0.16}
    figure = make_subplots(1, 2, **domains)
    _add_ruler(figure, raw.get("f0_median_hz"), raw.get("f0_spread_st"))
    _add_rates(figure, raw.get("markers_per_100_words") or {})
    look.dress(figure, title=title, height=390)
    figure.update_yaxes(domain=[0, 0.64])
    tiles = _tiles(raw)
    for place, (value, unit) in enumerate(tiles):
        at = {"x": place / len(tiles), "xref": "paper", "yref": "paper", "xanchor": "left", "showarrow": False}
        figure.add_annotation(text=f"<b>{value}</b>", y=0.86, yanchor="bottom", font={"size": 18}, **at)
        figure.add_annotation(text=unit, y=0.86, yanchor="top", align="left", font={"size": 11}, **at)
    figure.update_xaxes(showgrid=True, fixedrange=True)
    return figure.update_layout(margin={"l": 32, "r": 32, "b": 52}, dragmode=False)


def f0_range_hz(median_hz: float, spread_st: float) -> tuple[float, float]:
    """From one spread below the median to one above, Hz."""
    return median_hz * 2 ** (-spread_st / 12), median_hz * 2 ** (spread_st / 12)


def _tiles(raw: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(number, what it is) of each tile."""
    median, spread, without = (raw.get(key) for key in ("f0_median_hz", "f0_spread_st", "words_without_f0"))
    pitch = "f0 spread, ±1"
    if median and spread is not None:
        low, high = f0_range_hz(median, spread)
        pitch += f"<br>{low:.0f} to {high:.0f} Hz"
    return [
        (
            _number(median, "{:.0f} Hz"),
            "f0 median" + ("" if without is None else f"; none<br>in {100 * without:.0f} % of words"),
        ),
        (_number(spread, "±{:.1f} st"), pitch),
        (_number(raw.get("energy_spread_db"), "±{:.1f} dB"), "energy spread<br>of words"),
        (_number(raw.get("words_per_minute"), "{:.0f}"), "words a minute,<br>pauses included"),
        (_number(raw.get("pauses_per_minute"), "{:.1f}"), "pauses a minute,<br>from 0.2 s"),
        (_number(raw.get("pause_median_s"), "{:.2f} s"), "median pause"),
    ]


def _number(value: float | None, shown: str) -> str:
    return _NONE if value is None else shown.format(value)


def _add_ruler(figure: go.Figure, median_hz: float | None, spread_st: float | None) -> None:
    """The speaker's f0 on a ruler in Hz: the median a line, one spread about it dark, two light."""
    ends = [float(np.log10(end)) for end in _F0_HZ]
    ticks = {"tickvals": _TICKS_HZ, "ticktext": [str(one) for one in _TICKS_HZ]}
    figure.update_xaxes(type="log", range=ends, title_text="f0 (Hz)", row=1, col=1, **ticks)
    figure.update_yaxes(visible=False, range=[0, 1], fixedrange=True, row=1, col=1)
    if not median_hz:
        figure.add_scatter(x=[150], y=[0.5], mode="text", text=["nothing is voiced: no f0"], hoverinfo="skip")
        figure.data[-1].update(showlegend=False, textfont={"size": 12})
        return
    spread = spread_st or 0.0
    for times, color in ((2, look.BAND), (1, look.BAND)):
        low, high = f0_range_hz(median_hz, times * spread)
        box = {"x": [low, high, high, low, low], "y": [0.2, 0.2, 0.8, 0.8, 0.2], "fill": "toself", "mode": "lines"}
        figure.add_scatter(
            fillcolor=color,
            line={"width": 0},
            hoveron="fills",
            hoverinfo="text",
            text=f"±{times} spread: {low:.0f} to {high:.0f} Hz, ±{times * spread:.1f} st",
            row=1,
            col=1,
            **box,
        )
    figure.add_scatter(
        x=[median_hz, median_hz],
        y=[0.12, 0.88],
        mode="lines",
        line={"color": look.F0, "width": 3},
        hovertemplate=f"median {median_hz:.0f} Hz<extra></extra>",
        row=1,
        col=1,
    )
    for step in (-2, -1, 1, 2):
        if spread:
            at = {"x": float(np.log10(median_hz * 2 ** (step * spread / 12))), "y": 0.82, "xref": "x", "yref": "y"}
            told = f"{step * spread:+.1f} st".replace("-", "−")
            if step in (-2, 2):
                away = "right" if step < 0 else "left"  # a small spread leaves no room between them
                figure.add_annotation(
                    text=told, font={"size": 10}, showarrow=False, yanchor="bottom", xanchor=away, **at
                )
    at = {"x": float(np.log10(median_hz)), "y": 0.9, "xref": "x", "yref": "y", "showarrow": False, "yanchor": "bottom"}
    figure.add_annotation(text="median", font={"size": 10, "color": look.F0}, **at)


def _add_rates(figure: go.Figure, rates: Mapping[str, float]) -> None:
    """How many of each marker on a hundred words."""
    values = [round(float(rates.get(marker.token, 0.0)), 2) for marker in MARKERS]
    figure.add_bar(
        x=values,
        y=[look.text(marker.token) for marker in MARKERS],
        orientation="h",
        marker_color=[marker.color for marker in MARKERS],
        text=[f"{value:.1f}" for value in values],
        textposition="outside",
        cliponaxis=False,
        customdata=[look.text(marker.meaning) for marker in MARKERS],
        hovertemplate="%{y} %{x:.1f} on 100 words<br>%{customdata}<extra></extra>",
        row=1,
        col=2,
    )
    figure.update_xaxes(title_text="markers on 100 words", range=[0, 1.15 * max([1.0, *values])], row=1, col=2)
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", automargin=True, row=1, col=2)
    figure.update_layout(bargap=0.3)
