"""What all figures share: a look that reads on light and on dark pages, and helpers that keep their JSON small."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from prosody.markers import BY_TOKEN

TEXT = "#7a7a7a"  # 4.3:1 on white, 4.4:1 on JupyterLab's dark page; more on both, no colour has (at best 4.35)
GRID = "rgba(128,128,128,0.22)"
WAVE = "#6f8fae"
F0 = "#00876c"
BAND = "rgba(0,135,108,0.2)"  # F0's, for a stretch of it
ENERGY = "#8a7a3c"
ACCENT = "#c65800"
SHADES = ("rgba(24,108,168,0.13)", "rgba(204,132,72,0.16)")
PAUSE_SHADE = "rgba(128,128,128,0.18)"
HOVER = {"bgcolor": "#ffffff", "bordercolor": "#999999", "font": {"color": "#333333", "size": 12}, "align": "left"}

SYMBOLS = {  # of the markers, a second channel beside colour
    "<emph>": "star",
    "<pause_short>": "hourglass-open",
    "<pause_long>": "hourglass",
    "<pitch_high>": "triangle-up",
    "<pitch_low>": "triangle-down",
    "<pitch_rising>": "line-ne-open",
    "<pitch_falling>": "line-nw-open",
}
MAX_POINTS = 4000  # of a curve
PAGE_PIXELS = 500  # of plot, on the narrowest page that labels are laid out for: 640 pixels
_LETTER_PIXELS, _SIGN_PIXELS, _ROW_PIXELS = 7, 55, 19  # of a legend


def dress(figure: go.Figure, *, title: str, height: int, legend: bool = False) -> go.Figure:
    """Give a figure the common look: transparent, mid-tone text, the legend below, no template in its JSON.

    height: pixels. legend: whether to show one of what is drawn so far; where it takes more than a row on the narrowest
    page, the figure grows by the others.
    """
    more = _ROW_PIXELS * (_legend_rows(figure) - 1) if legend else 0
    figure.update_layout(
        template="none",
        height=height + more,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": TEXT, "size": 12, "family": "system-ui, sans-serif"},
        margin={"l": 64, "r": 24, "t": 48 if title else 20, "b": 88 + more if legend else 56},
        hoverlabel=HOVER,
        showlegend=legend,
        legend={
            "orientation": "h",
            "yref": "container",
            "y": 0.005,
            "yanchor": "bottom",
            "x": 0,
            "traceorder": "normal",
        },
    )
    if title:
        figure.update_layout(title={"text": text(title), "x": 0, "xref": "paper", "font": {"size": 15}})
    figure.update_xaxes(gridcolor=GRID, zeroline=False, linecolor=GRID, title_standoff=6)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, linecolor=GRID, title_standoff=8)
    return figure


def add_box(figure: go.Figure, left: float, width: float, height: float, *, color: str, **more: Any) -> None:
    """Draw a filled box that hangs from y = 0, such as a matrix to scale. more: of its trace."""
    x, y = [left, left + width, left + width, left, left], [0, 0, -height, -height, 0]
    line = {"color": color, "width": 1}
    figure.add_scatter(x=x, y=y, fill="toself", fillcolor=color, mode="lines", line=line, hoverinfo="text", **more)


def text(raw: str) -> str:
    """Text as plotly shows it, which reads a little HTML: escaped."""
    return html.escape(raw, quote=False)


def lines(rows: Iterable[str]) -> str:
    """Rows of a hover text."""
    return "<br>".join(rows)


def _legend_rows(figure: go.Figure) -> int:
    """How many rows the legend takes on the narrowest page, where it stands in columns as wide as its longest entry."""
    names = [trace.name for trace in figure.data if trace.name and trace.showlegend is not False]
    widest = max((_LETTER_PIXELS * len(html.unescape(name)) + _SIGN_PIXELS for name in names), default=1)
    return max(1, -(-len(names) // max(1, PAGE_PIXELS // widest)))


def swatch(token: str) -> str:
    """A marker's name in the text's colour, after a square in its own: only grey text reads on all pages."""
    return f'<span style="color:{BY_TOKEN[token].color}">■</span> {text(token)}'


def meaning(token: str) -> str:
    """A marker and its meaning as a row of a hover text."""
    return f"{text(token)} {BY_TOKEN[token].meaning}"


def add_curve(
    figure: go.Figure,
    values: np.ndarray,
    step: float,
    *,
    color: str,
    hover: str | None,
    row: int,
    start: float = 0.0,
    max_points: int = MAX_POINTS,
) -> None:
    """Draw a curve as a line or, when it has too many points, as the band between its least and greatest values.

    values [shape=(n,)]: points `step` apart, the first at `start`. hover: a hover template, None for no hover.
    """
    low, high, step = envelope(values, step, max_points=max_points)
    band = low is not high
    common = {"x0": round(start + (step / 2 if band else 0), 6), "dx": step, "mode": "lines", "showlegend": False}
    common |= {"hovertemplate": hover} if hover else {"hoverinfo": "skip"}
    line = {"color": color, "width": 0.8 if band else 1.2}
    figure.add_scatter(y=high, line=line, row=row, col=1, **common)
    if band:
        figure.add_scatter(y=low, line=line, fill="tonexty", fillcolor=color, row=row, col=1, **common)


def envelope(values: np.ndarray, step: float, *, max_points: int) -> tuple[np.ndarray, np.ndarray, float]:
    """The least and the greatest of each stretch of a curve, at most `max_points` numbers in all.

    values [shape=(n,)]: points `step` apart. Returns (least, greatest, length of a stretch), float32, to four decimals;
    a curve that is short enough comes back as it is, the same array twice. Non-finite values are passed over.
    """
    values = np.round(np.asarray(values, dtype=np.float32), 4)
    if len(values) <= max_points:
        return values, values, step
    width = -(-len(values) // (max_points // 2))
    padded = np.full(-(-len(values) // width) * width, np.nan, dtype=np.float32)
    padded[: len(values)] = np.where(np.isfinite(values), values, np.nan)
    stretches = padded.reshape(-1, width)
    return np.fmin.reduce(stretches, axis=1), np.fmax.reduce(stretches, axis=1), step * width


def lanes(centres: Sequence[float], widths: Sequence[float], *, most: int) -> list[int]:
    """A lane for each label so that those in one lane do not overlap, as few lanes as will do, `most` at most.

    centres, widths: of the labels, in any one unit, centres ascending. Where `most` lanes do not suffice, a label goes
    into the one with the least overlap.
    """
    ends: list[float] = []
    chosen = []
    for centre, width in zip(centres, widths, strict=True):
        start = centre - width / 2
        lane = next((i for i, end in enumerate(ends) if end <= start), len(ends))
        if lane == most:
            lane = int(np.argmin(ends))
        ends[lane : lane + 1] = [centre + width / 2]
        chosen.append(lane)
    return chosen


def plotly_script() -> str:
    """plotly.js, all of it: the one build that the package carries, for a page that draws figures by itself."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()
