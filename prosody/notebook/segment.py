"""The figure of one segment: its words with their markers, written and heard, f0, energy, waveform and pauses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from prosody.dataset import Segment, Word
from prosody.notebook import look
from prosody.notebook.words import LANE_PIXELS, add_words, lanes_of
from prosody.speech.audio import Audio
from prosody.speech.detect import decide
from prosody.speech.measure import Tracks
from prosody.speech.profile import Profile

_F0_PIXELS, _ENERGY_PIXELS, _WAVE_PIXELS = 200, 100, 90
_NO_F0_PIXELS = 40
_MIN_PAUSE_S = 0.2
_FLOOR_DB = -90.0
_BELOW_THRESHOLD_DB = 20.0  # how much of the silence is shown


def segment_view(
    audio: Audio, tracks: Tracks, segment: Segment, *, speaker: Profile | None = None, title: str = ""
) -> go.Figure:
    """One segment: its words with the markers written above and those heard below, f0, energy, waveform, pauses.

    audio, tracks: of the whole recording. segment: as written, its words measured; what is heard is decided from their
    evidence, and none is shown of words without. speaker: for the median and spread of f0; the recording's own median
    otherwise. title: the segment's file, unless given.
    """
    start_s, end_s = segment.start, segment.end
    words, heard = segment.words, [decide(word.evidence) for word in segment.words]
    lanes = lanes_of(words, end_s - start_s)
    median_hz = speaker.f0_median_hz if speaker is not None else tracks.f0_median_hz
    median_hz = median_hz if median_hz is not None and np.isfinite(median_hz) else None
    f0_pixels = _F0_PIXELS if median_hz else _NO_F0_PIXELS
    heights = [LANE_PIXELS * (max(lanes, default=0) + 1), f0_pixels, _ENERGY_PIXELS, _WAVE_PIXELS]
    specs = [[{}], [{"secondary_y": True}], [{}], [{}]]
    figure = make_subplots(4, 1, shared_xaxes=True, vertical_spacing=0.025, row_heights=heights, specs=specs)
    add_words(figure, words, heard, lanes, (start_s, end_s))
    if median_hz:
        _add_f0(figure, tracks, median_hz, (speaker.f0_spread_st or 0.0) if speaker else 0.0, (start_s, end_s))
    else:
        figure.update_yaxes(visible=False, row=2, col=1)
        _note(figure, "no f0: nothing is voiced", y=float(np.mean(figure.layout.yaxis2.domain)), yref="paper")
    _add_energy(figure, tracks, (start_s, end_s))
    part = audio.samples[round(start_s * audio.sample_rate) : round(end_s * audio.sample_rate)]
    look.add_curve(figure, part, 1 / audio.sample_rate, start=start_s, color=look.WAVE, hover=None, row=4)
    _add_pauses(figure, words, start_s)
    look.dress(figure, title=title or segment.audio_file, height=sum(heights) + 150, legend=True)
    figure.update_yaxes(title_text="amplitude", nticks=4, fixedrange=True, row=4, col=1)
    figure.update_xaxes(range=[round(start_s, 3), round(end_s, 3)], showgrid=False)
    figure.update_xaxes(title_text="time in the recording (s)", showgrid=True, row=4, col=1)
    if any(word.evidence for word in words):
        _note(figure, "above a word: written · below: heard · point at a word for its evidence", y=1.0, yref="paper")
    return figure.update_layout(margin={"r": 64}, hoverdistance=30, hoverlabel=look.HOVER)


def _add_f0(figure: go.Figure, tracks: Tracks, median_hz: float, spread_st: float, ends: tuple[float, float]) -> None:
    """f0 on a logarithmic axis in Hz, the same grid in semitones on the right; the median dotted, ±1 spread a band."""
    inside = slice(*np.searchsorted(tracks.f0_times, ends))
    times, f0_hz = tracks.f0_times[inside], tracks.f0_hz[inside]
    voiced = np.isfinite(f0_hz) & (f0_hz > 0)
    semitones = 12 * np.log2(np.where(voiced, f0_hz, median_hz) / median_hz)
    low, high = (np.percentile(semitones[voiced], [2, 98]) if voiced.any() else (0.0, 0.0)) + np.array([-2, 2])
    edge = max(6.0, spread_st + 1)
    low, high = max(-24.0, min(-edge, float(low))), min(24.0, max(edge, float(high)))  # a stray frame sets no scale
    _add_band(figure, median_hz, spread_st, ends)
    figure.add_scatter(
        x=np.round(times, 3).astype(np.float32),
        y=np.where(voiced, np.round(f0_hz, 1), np.nan).astype(np.float32),
        customdata=np.round(semitones, 1).astype(np.float32),
        mode="lines",
        line={"color": look.F0, "width": 2.5},
        hovertemplate="%{x:.2f} s: %{y:.0f} Hz, %{customdata:+.1f} st<extra></extra>",
        showlegend=False,
        row=2,
        col=1,
    )
    _f0_axes(figure, median_hz, low, high)


def _add_band(figure: go.Figure, median_hz: float, spread_st: float, ends: tuple[float, float]) -> None:
    """The speaker's median as a dotted line, and the band of one spread about it, on the axis of semitones."""
    x = [round(end, 3) for end in ends]
    common = {"x": x, "mode": "lines", "showlegend": False, "secondary_y": True, "row": 2, "col": 1}
    told = f"the speaker's median, {median_hz:.0f} Hz"
    if spread_st:
        told += f"; shaded: ±1 spread, {spread_st:.1f} st"
        edge = {"line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_scatter(y=[round(-spread_st, 3)] * 2, **edge, **common)
        figure.add_scatter(y=[round(spread_st, 3)] * 2, fill="tonexty", fillcolor=look.BAND, **edge, **common)
    line = {"color": look.TEXT, "dash": "dot", "width": 1.5}
    figure.add_scatter(y=[0, 0], line=line, hovertemplate=f"{told}<extra></extra>", **common)
    _note(figure, told, y=1.0, yref="y2 domain")


def _f0_axes(figure: go.Figure, median_hz: float, low: float, high: float) -> None:
    every = 3 if high - low <= 24 else 6
    ticks = [step for step in range(-24, 25, every) if low <= step <= high]
    hz = [median_hz * 2 ** (step / 12) for step in ticks]
    hz_axis = {"type": "log", "range": [float(np.log10(median_hz * 2 ** (edge / 12))) for edge in (low, high)]}
    place = {"fixedrange": True, "row": 2, "col": 1}
    labels = [f"{one:.0f}" for one in hz]
    figure.update_yaxes(title_text="f0 (Hz)", tickvals=hz, ticktext=labels, secondary_y=False, **hz_axis, **place)
    st_axis = {"range": [low, high], "tickvals": ticks, "showgrid": False}
    figure.update_yaxes(title_text="re median (st)", secondary_y=True, **st_axis, **place)


def _add_energy(figure: go.Figure, tracks: Tracks, ends: tuple[float, float]) -> None:
    """Energy frame by frame, and the threshold below which there is silence."""
    first, stop = (round(end / tracks.hop_s) for end in ends)
    energy = np.maximum(np.nan_to_num(tracks.energy_db[first:stop], nan=_FLOOR_DB), _FLOOR_DB)
    told = "%{x:.2f} s: %{y:.1f} dB<extra></extra>"
    begin = (first + 0.5) * tracks.hop_s
    look.add_curve(figure, energy, tracks.hop_s, start=begin, color=look.ENERGY, hover=told, row=3)
    dashed = {"color": look.ACCENT, "dash": "dash", "width": 1.5}
    threshold = tracks.threshold_db
    figure.add_hline(y=threshold, line=dashed, row=3, col=1)
    label = f"silence below {threshold:.0f} dB".replace("-", "−")
    _note(figure, label, y=threshold, yref="y4", yanchor="top", font={"size": 10, "color": look.ACCENT})
    figure.update_yaxes(
        title_text="energy<br>(dB re peak)",
        range=[threshold - _BELOW_THRESHOLD_DB, 3],
        nticks=4,
        fixedrange=True,
        row=3,
        col=1,
    )


def _add_pauses(figure: go.Figure, words: Sequence[Word], start_s: float) -> None:
    """Shade the gaps of 0.2 s and more before words and write their length."""
    at = start_s
    for word in words:
        if word.start - at >= _MIN_PAUSE_S:
            box = {"x0": round(at, 3), "x1": round(word.start, 3), "y0": 0, "y1": 1, "yref": "paper", "layer": "below"}
            figure.add_shape(type="rect", fillcolor=look.PAUSE_SHADE, line_width=0, **box)
            label = {"text": f"{word.start - at:.2f} s", "font": {"size": 10}, "showarrow": False, "yanchor": "bottom"}
            figure.add_annotation(x=round((at + word.start) / 2, 3), y=0, yref="paper", **label)
        at = word.end


def _note(figure: go.Figure, told: str, **place: object) -> None:
    """A small line of text at the right edge."""
    note = {
        "x": 1,
        "xref": "x domain",
        "xanchor": "right",
        "yanchor": "bottom",
        "font": {"size": 10},
        "showarrow": False,
    }
    figure.add_annotation(text=told, **note | place)
