"""What the threshold does: the energy of a stretch, and where it is cut, as sliders move."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go

from prosody.notebook import look, redrawn
from prosody.speech.energy import Span, coarser
from prosody.speech.segment import SegmentParameters, segment_spans

STRETCH_S = 45.0  # of the recording is drawn
_GRID_S = 0.03  # of the curve: finer than the eye, and three times less than the detector's
_FLOOR_DB = -80.0
_ROOM_S = 0.8  # that a segment's number needs
_HIGHEST_DB, _LOWEST_DB = -5.0, -70.0


@dataclass(frozen=True)
class Cutting:
    """A recording cut with some parameters.

    threshold_db: what was used, which noise may have raised. spans: the segments. speech_share: of the time, how much
    is louder than the threshold (0..1).
    """

    parameters: SegmentParameters
    threshold_db: float
    spans: Sequence[Span]
    speech_share: float

    @property
    def longest_s(self) -> float:
        """Length of the longest segment, s; 0 where there is none."""
        return max((span.duration for span in self.spans), default=0.0)

    def told(self) -> str:
        """The counts in one line."""
        line = (
            f"{len(self.spans)} segments, the longest {self.longest_s:.1f} s; "
            f"{100 * self.speech_share:.1f} % of the time is louder than {self.threshold_db:.1f} dB"
        ).replace("-", "−")
        asked = self.parameters.threshold_db
        return line + (f" (raised from {asked:.1f}: noise)".replace("-", "−") if self.threshold_db > asked else "")


def cutting(energy_db: np.ndarray, parameters: SegmentParameters) -> Cutting:
    """Cut a recording by its energy, which is measured once: some 20 ms for 12 minutes.

    energy_db [shape=(n_frames,)]: relative to the recording's peak, on the grid `parameters.hop_s`.
    Raises ProsodyError as `segment_spans` does.
    """
    spans = segment_spans(energy_db, parameters=parameters)
    threshold = parameters.threshold_for(energy_db)
    return Cutting(parameters, threshold, spans, float(np.mean(energy_db >= threshold)))


def threshold_figure(energy_db: np.ndarray, cut: Cutting, *, start_s: float, stretch_s: float = STRETCH_S) -> go.Figure:
    """The energy of a stretch, the threshold, and the segments as shaded boxes with their numbers.

    energy_db [shape=(n_frames,)]: of the whole recording. start_s: where the stretch begins, s.
    """
    hop_s, end_s = cut.parameters.hop_s, start_s + stretch_s
    part = energy_db[round(start_s / hop_s) : round(end_s / hop_s)]
    curve = np.maximum(coarser(part, hop_s=hop_s, to_s=_GRID_S), _FLOOR_DB)
    curve_style = {"color": look.F0, "width": 1.3}
    figure = go.Figure(
        {
            "type": "scatter", "mode": "lines", "line": curve_style, "y": np.round(curve, 1).tolist(),
            "x0": round(start_s + _GRID_S / 2, 3), "dx": _GRID_S,
            "hovertemplate": "%{x:.2f} s: %{y:.1f} dB<extra></extra>",
        }
    )  # fmt: skip
    shown = [(n, span) for n, span in enumerate(cut.spans, 1) if span.end > start_s and span.start < end_s]
    look.dress(figure, title=cut.told(), height=360)
    figure.update_layout(  # all at once: plotly checks every one that is added by itself, and that takes long
        margin={"r": 84},
        shapes=[_line(cut.threshold_db), *(_box(n, span, (start_s, end_s)) for n, span in shown)],
        annotations=[_line_label(cut.threshold_db), *_numbers(shown, (start_s, end_s))],
    )
    figure.update_xaxes(title_text="time in the recording (s)", range=[round(start_s, 2), round(end_s, 2)])
    figure.update_yaxes(title_text="energy (dB re peak)", range=[_FLOOR_DB - 2, 12], fixedrange=True, nticks=6)
    return figure


def _line(threshold_db: float) -> dict[str, Any]:
    line = {"color": look.ACCENT, "dash": "dash", "width": 2}
    return {
        "type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": threshold_db, "y1": threshold_db, "line": line,
        "name": "threshold",
    }  # fmt: skip


def _line_label(threshold_db: float) -> dict[str, Any]:
    text = f"threshold<br>{threshold_db:.1f} dB".replace("-", "−")
    return {
        "xref": "paper", "x": 1.005, "xanchor": "left", "y": threshold_db, "yanchor": "middle", "text": text,
        "showarrow": False, "align": "left", "font": {"color": look.ACCENT},
    }  # fmt: skip


def _box(number: int, span: Span, limits: tuple[float, float]) -> dict[str, Any]:
    return {
        "type": "rect", "layer": "below", "yref": "paper", "y0": 0, "y1": 1,
        "x0": round(max(span.start, limits[0]), 2), "x1": round(min(span.end, limits[1]), 2),
        "fillcolor": look.SHADES[number % 2], "line": {"color": "rgba(128,128,128,0.7)", "width": 1},
        "name": f"segment {number}",
    }  # fmt: skip


def _numbers(shown: Sequence[tuple[int, Span]], limits: tuple[float, float]) -> list[dict[str, Any]]:
    """The segments' numbers, at the top of those that are wide enough."""
    font, found = {"color": look.TEXT}, []
    for number, span in shown:
        left, right = max(span.start, limits[0]), min(span.end, limits[1])
        if right - left > _ROOM_S:
            x = round((left + right) / 2, 2)
            found.append({"x": x, "y": 9, "text": str(number), "showarrow": False, "font": font})
    return found


def threshold_panel(
    energy_db: np.ndarray, parameters: SegmentParameters, *, interactive: bool = True
) -> widgets.Widget | go.Figure:
    """Sliders for the threshold and the parting pause over the energy curve; headless the figure as it is.

    energy_db [shape=(n_frames,)]: of the whole recording. parameters: those that the notebook uses, where the sliders
    begin.
    """
    if not interactive:
        return threshold_figure(energy_db, cutting(energy_db, parameters), start_s=0.0)
    return ThresholdPanel(energy_db, parameters)


class ThresholdPanel(widgets.VBox):
    """The panel: sliders `threshold`, `pause` and `start`, the `picture`, and `told` in words."""

    def __init__(self, energy_db: np.ndarray, parameters: SegmentParameters) -> None:
        self._energy, self._parameters = energy_db, parameters
        ends = {"min": min(_LOWEST_DB, parameters.threshold_db), "max": max(_HIGHEST_DB, parameters.threshold_db)}
        self.threshold = widgets.FloatSlider(
            value=parameters.threshold_db, **ends, step=1.0, readout_format=".0f",
            **redrawn.named("threshold (dB)", "420px"),
        )  # fmt: skip
        ends = {"min": min(0.2, parameters.split_pause_s), "max": max(1.6, parameters.split_pause_s)}
        self.pause = widgets.FloatSlider(
            value=parameters.split_pause_s, **ends, step=0.05, **redrawn.named("a pause that parts (s)", "400px")
        )
        latest = max(0.0, len(energy_db) * parameters.hop_s - STRETCH_S)
        self.start = widgets.FloatSlider(
            value=0.0, min=0.0, max=max(5.0, 5.0 * np.ceil(latest / 5)), step=5.0, readout_format=".0f",
            **redrawn.named("show from (s)", "420px"),
        )  # fmt: skip
        self._first = cutting(energy_db, parameters)
        self.told = widgets.HTML()
        self.told.add_class("ps-told")
        self.picture = redrawn.Picture(threshold_figure(energy_db, self._first, start_s=0.0))
        for slider in (self.threshold, self.pause, self.start):
            slider.observe(lambda _: self._follow(), "value")
        self._tell(self._first)
        framed = redrawn.panel(
            redrawn.row(self.threshold, self.pause, self.start), self.told, self.picture, name="ps-threshold"
        )
        super().__init__([framed])

    def _follow(self) -> None:
        asked = {"threshold_db": self.threshold.value, "split_pause_s": self.pause.value}
        cut = cutting(self._energy, dataclasses.replace(self._parameters, **asked))
        self.picture.show(threshold_figure(self._energy, cut, start_s=self.start.value))
        self._tell(cut)

    def _tell(self, cut: Cutting) -> None:
        more = len(cut.spans) - len(self._first.spans)
        beside = (
            f"{more:+d} segments beside this notebook's settings"
            if more
            else "as many as with this notebook's settings"
        )
        self.told.value = f"<b>{len(cut.spans)} segments</b> in the whole recording ({beside.replace('-', '−')})"
