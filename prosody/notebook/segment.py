"""The figure of one segment: its words with their markers, f0, waveform and pauses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from prosody.dataset import Word
from prosody.markers import BY_TOKEN, MARKERS
from prosody.notebook import style

_SYMBOLS = {  # a second channel beside colour
    "<emph>": "star",
    "<pause_short>": "hourglass-open",
    "<pause_long>": "hourglass",
    "<pitch_high>": "triangle-up",
    "<pitch_low>": "triangle-down",
    "<pitch_rising>": "line-ne-open",
    "<pitch_falling>": "line-nw-open",
}
_MOST_LANES = 4
_LANE_PIXELS = 42
_MIN_PAUSE_S = 0.2


def segment_view(
    samples: np.ndarray,
    sample_rate: int,
    words: Sequence[Word],
    f0_times: np.ndarray,
    f0_hz: np.ndarray,
    f0_median_hz: float,
    title: str = "",
    *,
    start_s: float = 0.0,
) -> go.Figure:
    """One segment: its words with their markers in colour, f0 in Hz and semitones, the waveform, pauses shaded.

    samples [shape=(n,)]: the segment, mono. words: with times in the source recording, where the segment begins at
    `start_s`. f0_times [s from the segment's start], f0_hz [Hz, 0 or NaN where unvoiced]: both shape=(n_frames,).
    f0_median_hz: the speaker's median, 0 st of the right-hand axis.
    """
    end_s = start_s + len(samples) / sample_rate
    lanes = _lanes(words, end_s - start_s)
    heights = [_LANE_PIXELS * (max(lanes, default=0) + 1), 210, 120]
    specs = [[{}], [{"secondary_y": True}], [{}]]
    figure = make_subplots(3, 1, shared_xaxes=True, vertical_spacing=0.03, row_heights=heights, specs=specs)
    _add_words(figure, words, lanes)
    _add_markers(figure, words, lanes, start_s, end_s - start_s)
    _add_f0(figure, start_s + np.asarray(f0_times), np.asarray(f0_hz, dtype=float), f0_median_hz, (start_s, end_s))
    style.add_curve(figure, samples, 1 / sample_rate, start=start_s, color=style.WAVE, hover=None, row=3)
    _add_pauses(figure, words, start_s)
    style.dress(figure, title=title, height=sum(heights) + 140, legend=True)
    figure.update_yaxes(title_text="amplitude", nticks=5, fixedrange=True, row=3, col=1)
    figure.update_xaxes(range=[round(start_s, 3), round(end_s, 3)], showgrid=False)
    figure.update_xaxes(title_text="time in the recording (s)", showgrid=True, row=3, col=1)
    return figure.update_layout(margin={"r": 64})


def _seconds(pixels: float, duration_s: float) -> float:
    return pixels * duration_s / style.PAGE_PIXELS


def _lanes(words: Sequence[Word], duration_s: float) -> list[int]:
    """A lane for each word so that no two words run into each other."""
    widths = [_seconds(7.2 * len(word.text) + 10, duration_s) for word in words]
    return style.lanes([_middle(word) for word in words], widths, most=_MOST_LANES)


def _middle(word: Word) -> float:
    return (word.start + word.end) / 2


def _acting(word: Word) -> list[str]:
    """The word's markers that act on the word itself."""
    return [token for token in word.markers if BY_TOKEN[token].kind != "pause"]


def _hover(word: Word) -> str:
    times = f"<b>{style.text(word.text)}</b>  {word.start:.2f} to {word.end:.2f} s"
    return style.lines([times, *(style.meaning(token) for token in word.markers)])


def _add_words(figure: go.Figure, words: Sequence[Word], lanes: Sequence[int]) -> None:
    """Each word in its lane over a stroke for its time, in the colour of its first marker."""
    figure.add_scatter(
        x=[x for word in words for x in (round(word.start, 3), round(word.end, 3), None)],
        y=[y for lane in lanes for y in (-lane - 0.28, -lane - 0.28, None)],
        mode="lines",
        line={"color": style.TEXT, "width": 1},
        opacity=0.6,
        hoverinfo="skip",
        showlegend=False,
        row=1,
        col=1,
    )
    figure.add_scatter(
        x=[round(_middle(word), 3) for word in words],
        y=[-lane for lane in lanes],
        mode="text",
        text=[f"<b>{style.text(word.text)}</b>" if _acting(word) else style.text(word.text) for word in words],
        textfont={"color": [BY_TOKEN[_acting(w)[0]].color if _acting(w) else style.TEXT for w in words], "size": 12},
        hovertext=[_hover(word) for word in words],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
        row=1,
        col=1,
    )
    lowest = -max(lanes, default=0) - 0.5
    figure.update_yaxes(visible=False, range=[lowest, 0.75], fixedrange=True, row=1, col=1)


def _add_markers(
    figure: go.Figure, words: Sequence[Word], lanes: Sequence[int], start_s: float, duration_s: float
) -> None:
    """A symbol over the word that a marker acts on, two side by side; a pause stands in its gap, at the top."""
    places: dict[str, list[tuple[float, float, str]]] = {}
    for i, word in enumerate(words):
        acting = _acting(word)
        for token in word.markers:
            if token in acting:
                aside = acting.index(token) - (len(acting) - 1) / 2
                x, y = _middle(word) + _seconds(16 * aside, duration_s), 0.42 - lanes[i]
            else:
                x, y = ((words[i - 1].end if i else start_s) + word.start) / 2, 0.42
            places.setdefault(token, []).append((round(x, 3), y, _hover(word)))
    for marker in MARKERS:
        if marker.token not in places:
            continue
        x, y, hover = zip(*places[marker.token], strict=True)
        symbol = _SYMBOLS[marker.token]
        line = {"color": marker.color, "width": 3 if symbol.startswith("line") else 1.2}
        figure.add_scatter(
            x=x,
            y=y,
            mode="markers",
            name=style.text(marker.token),
            marker={"color": marker.color, "symbol": symbol, "size": 11, "line": line},
            hovertext=hover,
            hovertemplate="%{hovertext}<extra></extra>",
            row=1,
            col=1,
        )


def _add_f0(
    figure: go.Figure, times: np.ndarray, f0_hz: np.ndarray, median_hz: float, ends: tuple[float, float]
) -> None:
    """f0 on a logarithmic axis in Hz, the same grid in semitones on the right; the dotted line is the median."""
    voiced = np.isfinite(f0_hz) & (f0_hz > 0)
    semitones = 12 * np.log2(np.where(voiced, f0_hz, median_hz) / median_hz)
    low, high = (np.percentile(semitones[voiced], [2, 98]) if voiced.any() else (0.0, 0.0)) + np.array([-2, 2])
    low, high = max(-24.0, min(-6.0, float(low))), min(24.0, max(6.0, float(high)))  # a stray frame sets no scale
    common = {"showlegend": False, "row": 2, "col": 1}
    figure.add_scatter(
        x=np.round(times, 3).astype(np.float32),
        y=np.where(voiced, np.round(f0_hz, 1), np.nan).astype(np.float32),
        customdata=np.round(semitones, 1).astype(np.float32),
        mode="lines",
        line={"color": style.F0, "width": 2.5},
        hovertemplate="%{x:.2f} s: %{y:.0f} Hz, %{customdata:+.1f} st<extra></extra>",
        **common,
    )
    figure.add_scatter(
        x=[round(end, 3) for end in ends],
        y=[0, 0],
        mode="lines",
        line={"color": style.TEXT, "dash": "dot", "width": 1.5},
        hovertemplate=f"the speaker's median, {median_hz:.0f} Hz<extra></extra>",
        secondary_y=True,
        **common,
    )
    every = 3 if high - low <= 24 else 6
    ticks = [step for step in range(-24, 25, every) if low <= step <= high]
    hz = [median_hz * 2 ** (step / 12) for step in ticks]
    hz_axis = {"type": "log", "range": [float(np.log10(median_hz * 2 ** (edge / 12))) for edge in (low, high)]}
    place = {"fixedrange": True, "row": 2, "col": 1}
    labels = [f"{one:.0f}" for one in hz]
    figure.update_yaxes(title_text="f0 (Hz)", tickvals=hz, ticktext=labels, secondary_y=False, **hz_axis, **place)
    st_axis = {"range": [low, high], "tickvals": ticks, "showgrid": False}
    figure.update_yaxes(title_text="re median (st)", secondary_y=True, **st_axis, **place)


def _add_pauses(figure: go.Figure, words: Sequence[Word], start_s: float) -> None:
    """Shade the gaps of 0.2 s and more before words and write their length."""
    at = start_s
    for word in words:
        if word.start - at >= _MIN_PAUSE_S:
            box = {"x0": round(at, 3), "x1": round(word.start, 3), "y0": 0, "y1": 1, "yref": "paper", "layer": "below"}
            figure.add_shape(type="rect", fillcolor=style.PAUSE_SHADE, line_width=0, **box)
            label = {"text": f"{word.start - at:.2f} s", "font": {"size": 10}, "showarrow": False, "yanchor": "bottom"}
            figure.add_annotation(x=round((at + word.start) / 2, 3), y=0, yref="paper", **label)
        at = word.end
