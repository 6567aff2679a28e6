"""The figure of a whole recording: waveform, energy, threshold, cuts and words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from prosody.dataset import Word
from prosody.markers import BY_TOKEN
from prosody.notebook import look

_FLOOR_DB = -80.0
_LANES = 3
_RANK = {"pitch": 0, "emph": 1, "pause": 2}  # a word with several markers takes the colour of the first of these


class Span(Protocol):
    """A stretch of the recording, s."""

    start: float
    end: float


def recording_overview(
    samples: np.ndarray,
    sample_rate: int,
    energy_db: np.ndarray,
    hop_s: float,
    threshold_db: float,
    spans: Sequence[Span],
    words: Sequence[Word] | None = None,
) -> go.Figure:
    """The whole recording: waveform, energy with the threshold, the segments as shaded stretches, the words.

    samples [shape=(n,)]: mono. energy_db [shape=(n_frames,)]: dB relative to the recording's peak, frames `hop_s` apart
    (100 ms is the grid for people). spans: the segments. words: the transcript; each is a stroke at its time, which
    tells its text on hover and, as soon as there is room when zooming in, beside it.
    """
    duration_s = len(samples) / sample_rate
    rows = 3 if words else 2
    heights = [0.36, 0.38, 0.26] if words else [0.48, 0.52]
    figure = make_subplots(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.045, row_heights=heights)
    peak = max(1e-3, float(np.nanmax(np.abs(samples), initial=0)))
    look.add_curve(figure, samples, 1 / sample_rate, color=look.WAVE, hover=None, row=1)
    figure.update_yaxes(title_text="amplitude", range=[-1.05 * peak, 1.3 * peak], fixedrange=True, row=1, col=1)
    _add_energy(figure, energy_db, hop_s, threshold_db)
    _add_segments(figure, spans, 1.14 * peak, duration_s)
    if words:
        _add_words(figure, words, duration_s, row=3)
    title = f"The recording: {duration_s / 60:.1f} min in {len(spans)} segments"
    title += f", {len(words)} words (zoom in to read them)" if words else ""
    look.dress(figure, title=title, height=580 if words else 460, legend=bool(words))
    figure.update_xaxes(range=[0, round(duration_s, 3)])
    figure.update_xaxes(title_text="time in the recording (s)", row=rows, col=1)
    return figure.update_layout(dragmode="zoom", uniformtext={"mode": "hide", "minsize": 11})


def _add_energy(figure: go.Figure, energy_db: np.ndarray, hop_s: float, threshold_db: float) -> None:
    energy = np.maximum(np.nan_to_num(np.asarray(energy_db, dtype=np.float32), nan=_FLOOR_DB), _FLOOR_DB)
    look.add_curve(
        figure,
        energy,
        hop_s,
        start=hop_s / 2,
        color=look.F0,
        hover="%{x:.2f} s: %{y:.1f} dB<extra></extra>",
        row=2,
        max_points=3 * look.MAX_POINTS,
    )
    dashed = {"color": look.ACCENT, "dash": "dash", "width": 1.5}
    label = {
        "text": f"threshold {round(threshold_db, 1):g} dB".replace("-", "−"),
        "font": {"color": look.ACCENT, "size": 11},
    }
    figure.add_hline(y=threshold_db, line=dashed, annotation=label, annotation_position="bottom right", row=2, col=1)
    floor = max(_FLOOR_DB, min(float(energy.min(initial=0)), threshold_db) - 6)
    figure.update_yaxes(title_text="energy (dB re peak)", range=[floor, 3], fixedrange=True, row=2, col=1)


def _add_segments(figure: go.Figure, spans: Sequence[Span], y: float, duration_s: float) -> None:
    """Shade the segments by turns, their edges as lines, and number them at the top where there is room."""
    line = {"color": "rgba(128,128,128,0.55)", "width": 0.7}
    box = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "line": line}
    shapes = [
        {**box, "x0": round(span.start, 3), "x1": round(span.end, 3), "fillcolor": look.SHADES[i % 2]}
        for i, span in enumerate(spans)
    ]
    figure.update_layout(shapes=[*figure.layout.shapes, *shapes])
    middles = [(span.start + span.end) / 2 for span in spans]
    lanes = look.lanes(middles, [22 * duration_s / look.PAGE_PIXELS] * len(spans), most=100)
    figure.add_scatter(
        x=[round(middle, 3) for middle in middles],
        y=[round(y, 4)] * len(spans),
        mode="text",
        text=[" " if lane else str(number) for number, lane in enumerate(lanes, 1)],
        textfont={"size": 10},
        customdata=[
            f"segment {n}: {s.start:.2f} to {s.end:.2f} s, {s.end - s.start:.1f} s" for n, s in enumerate(spans, 1)
        ],
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
        row=1,
        col=1,
    )


def _add_words(figure: go.Figure, words: Sequence[Word], duration_s: float, *, row: int) -> None:
    """The words in three lanes by turns: a stroke for the time, over it a clear bar to the next word of the lane.

    Plotly writes a bar's text only where it fits, and looks again on every zoom; that is what makes the words appear.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, word in enumerate(words):
        groups.setdefault(_by_rank(getattr(word, "markers", ())), []).append(i)
    shown: set[str] = set()
    for tokens in sorted(groups, key=lambda tokens: [list(BY_TOKEN).index(token) for token in tokens]):
        name = look.text(tokens[0]) if tokens else "no marker"
        color = BY_TOKEN[tokens[0]].color if tokens else look.TEXT
        common = {"legendgroup": name, "name": name, "row": row, "col": 1}
        _add_strokes(figure, words, groups[tokens], color, showlegend=name not in shown, **common)
        _add_labels(figure, words, groups[tokens], tokens, duration_s, **common)
        shown.add(name)
    figure.update_layout(barmode="overlay")
    axis = {"range": [-_LANES + 0.4, 0.5], "showticklabels": False, "showgrid": False, "fixedrange": True}
    figure.update_yaxes(title_text="words", **axis, row=row, col=1)


def _by_rank(tokens: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(tokens, key=lambda token: _RANK[BY_TOKEN[token].kind]))


def _add_strokes(figure: go.Figure, words: Sequence[Word], chosen: Sequence[int], color: str, **options: Any) -> None:
    x = np.array([(words[i].start, words[i].end, np.nan) for i in chosen], dtype=np.float32).ravel()
    y = np.repeat(np.array([-(i % _LANES) - 0.38 for i in chosen], dtype=np.float32), 3)
    line = {"color": color, "width": 6}
    figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", **options)


def _add_labels(
    figure: go.Figure,
    words: Sequence[Word],
    chosen: Sequence[int],
    tokens: Sequence[str],
    duration_s: float,
    **options: Any,
) -> None:
    starts = np.array([word.start for word in words] + [words[-1].end + 2] * _LANES)
    ends = [min(starts[i + _LANES], words[i].end + 2, max(duration_s, words[i].end)) for i in chosen]
    room = np.array(ends) - starts[chosen]
    rows = ["<b>%{text}</b>  %{base:.2f} to %{customdata:.2f} s", *(look.meaning(token) for token in tokens)]
    figure.add_bar(
        orientation="h",
        base=starts[chosen].astype(np.float32),
        x=np.maximum(room, 0.01).astype(np.float32),
        y=np.array([-(i % _LANES) for i in chosen], dtype=np.int8),
        width=0.75,
        marker={"color": "rgba(0,0,0,0)", "line": {"width": 0}},
        text=[look.text(words[i].text) for i in chosen],
        textposition="inside",
        insidetextanchor="start",
        textangle=0,
        insidetextfont={"color": look.TEXT, "size": 12},
        customdata=np.array([words[i].end for i in chosen], dtype=np.float32),
        hovertemplate=look.lines(rows) + "<extra></extra>",
        showlegend=False,
        **options,
    )
