"""The figure of style: how near marked answers are to their speaker, and in what they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from prosody.lm.bootstrap import Estimate
from prosody.lm.fidelity import Fidelity, Side
from prosody.lm.style import FEATURES, LEAST_PAUSE_S
from prosody.markers import MARKERS
from prosody.notebook import look

_PIXELS = {"distance": 190, "rates": 230, "places": 170, "pauses": 190}
_GAP_PIXELS, _TOP_PIXELS, _BOTTOM_PIXELS = 86, 96, 124
_LEFT_PIXELS = 158
_LABEL_LETTERS = 23  # that fit into it
_SHIFT = 0.17  # of a row or column: the answers' points to one side, the speaker's to the other
_TITLES = {
    "distance": "How far the marking lies apart",
    "rates": "How often",
    "places": "Where (% of a marker's places that are …)",
    "pauses": f"Pauses from {LEAST_PAUSE_S:g} s: how many are shorter",
}


def style_fidelity(found: Fidelity) -> go.Figure:
    """Answers against their speaker: distance and controls, rates, places, pauses, all with their intervals.

    Filled points are the answers', open ones the speaker's; a panel for which there is nothing to show is left out.
    """
    shown = [name for name in _PIXELS if _has(found, name)]
    figure, rows = _panels(shown)
    for name in shown:
        _DRAW[name](figure, found, row=rows[name])
        _title(figure, _TITLES[name], row=rows[name])
    _add_legend(figure, found.answers, found.speaker, row=rows["rates"])
    height = sum(_PIXELS[name] for name in shown) + _GAP_PIXELS * (len(shown) - 1) + _TOP_PIXELS + _BOTTOM_PIXELS
    look.dress(figure, title=_headline(found), height=height, legend=True)
    margin = {"l": _LEFT_PIXELS, "r": 20, "t": _TOP_PIXELS, "b": _BOTTOM_PIXELS}
    figure.update_layout(margin=margin, dragmode=False, bargap=0)
    place = {"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 12}, "x": 0.01, "xref": "container"}
    return figure.update_layout(title={**place, "subtitle": {"text": look.text(_fit(found)), "font": {"size": 13}}})


def _has(found: Fidelity, name: str) -> bool:
    if name == "distance":
        return found.distance.value is not None
    if name == "places":
        return bool(found.speaker.places) and found.answers.n_words > 0
    return name == "rates" or bool(found.speaker.pauses_s and found.answers.pauses_s)


def _panels(shown: Sequence[str]) -> tuple[go.Figure, dict[str, int]]:
    """Panels below each other, that of places in seven columns; and the row of each."""
    n = len(MARKERS)
    whole: list[Any] = [{"colspan": n}, *[None] * (n - 1)]
    heights = [_PIXELS[name] for name in shown]
    total = sum(heights) + _GAP_PIXELS * (len(shown) - 1)
    figure = make_subplots(
        len(shown),
        n,
        specs=[[{}] * n if name == "places" else whole for name in shown],
        row_heights=heights,
        vertical_spacing=_GAP_PIXELS / total if len(shown) > 1 else 0,
        horizontal_spacing=0.018,
    )
    return figure, {name: row for row, name in enumerate(shown, 1)}


def _headline(found: Fidelity) -> str:
    """Two lines at most, so that they fit a narrow page."""
    if found.distance.value is None:
        return "Style: rates alone, since the speaker's own text is not at hand"
    interval = "" if found.distance.low is None else f" ({found.distance.low:.3f} to {found.distance.high:.3f})"
    return f"Style: {found.distance.value:.3f}{interval} bits a slot from the speaker"


def _fit(found: Fidelity) -> str:
    """The second line: do the controls fit worse?"""
    unsure = [one.name for one in found.controls if not one.is_worse]
    if not found.controls:
        return ""
    return f"does not surely fit worse: {'; '.join(unsure)}" if unsure else "every control fits worse, beyond chance"


def _add_distance(figure: go.Figure, found: Fidelity, *, row: int) -> None:
    """A line for each control and for the speaker's other text: how far it lies, and how far the answers do."""
    lines = [(one.between, one.distance, one.own, one.shows, one.each) for one in found.controls]
    if found.distance_self.value is not None:
        shows = "the speaker's text that was learned from: as near as can be hoped for"
        lines.append(("speaker's other text from held-out", found.distance_self, found.distance, shows, {}))
    lines = lines[::-1] or [("", found.distance, found.distance, "", {})]
    for at, (name, other, own, shows, each) in enumerate(lines):
        if each:
            values = [round(value, 4) for value in each.values()]
            names = [look.text(one) for one in each]
            marker = {"symbol": "line-ns", "size": 9, "line": {"width": 1, "color": look.TEXT}, "opacity": 0.6}
            figure.add_scatter(
                x=values, y=[at] * len(each), mode="markers", marker=marker, text=names, showlegend=False,
                hovertemplate="reader %{text}: %{x:.3f} bits a slot<extra></extra>", row=row, col=1,
            )  # fmt: skip
        if name:
            _add_point(figure, other, at, look.TEXT, (name, shows), symbol="diamond", row=row)
        _add_point(figure, own, at, look.ACCENT, ("answers from the speaker", "by the same markers"), row=row)
    names = [_two_lines(name) for name, *_ in lines]
    figure.update_yaxes(tickvals=list(range(len(lines))), ticktext=names, row=row, col=1)
    figure.update_yaxes(range=[-0.6, len(lines) - 0.4], showgrid=False, ticks="", row=row, col=1)
    told = "bits a slot (● answers from the speaker)"
    figure.update_xaxes(rangemode="tozero", nticks=8, title_text=told, row=row, col=1)


def _two_lines(name: str) -> str:
    """ "a from b" as a label of two lines, the second one cut where it would be wider than the margin."""
    first, _, second = name.partition(" from ")
    second = second if len(second) <= _LABEL_LETTERS else second[: _LABEL_LETTERS - 1] + "…"
    return f"{look.text(first)} from<br>{look.text(second)}" if second else look.text(first)


def _add_point(
    figure: go.Figure, one: Estimate, at: float, color: str, told: tuple[str, str], *, row: int, symbol: str = "circle"
) -> None:
    """An estimate along x with its interval. told: in the hover text, what it is of, and a line more."""
    if one.value is None:
        return
    what, more = (look.text(line) for line in told)
    hover = look.lines([f"{what}: {_told(one, '{:.3f}')} bits a slot", more])
    figure.add_scatter(
        x=[round(one.value, 4)], y=[at], mode="markers", showlegend=False,
        marker={"symbol": symbol, "size": 10, "color": color}, error_x=_bars([one], color),
        text=[hover], hovertemplate="%{text}<extra></extra>", row=row, col=1,
    )  # fmt: skip


def _add_rates(figure: go.Figure, found: Fidelity, *, row: int) -> None:
    """For each marker the answers' rate and the speaker's."""
    sides = ((found.answers, -_SHIFT, True), (found.speaker, _SHIFT, False))
    for side, shift, filled in sides:
        for k, marker in enumerate(MARKERS):
            one = side.rates[marker.token]
            if one.value is None:
                continue
            name, told = look.text(side.name), _told(one, "{:.1f}")
            figure.add_scatter(
                x=[k + shift], y=[round(one.value, 2)], mode="markers", showlegend=False,
                marker=_look(marker.color, filled), error_y=_bars([one], marker.color),
                hovertemplate=f"{name}: {told} in 100 words<br>{look.meaning(marker.token)}<extra></extra>",
                row=row, col=1,
            )  # fmt: skip
    ticks = [look.text(marker.token).replace("_", "_<br>") for marker in MARKERS]
    figure.update_xaxes(tickvals=list(range(len(MARKERS))), ticktext=ticks, showgrid=False, row=row, col=1)
    figure.update_xaxes(range=[-0.5, len(MARKERS) - 0.5], row=row, col=1)
    tops = [
        one.value if one.high is None else one.high for side, *_ in sides for one in side.rates.values() if one.value
    ]
    top = max(tops, default=1.0)
    figure.update_yaxes(range=[-0.05 * top, 1.08 * top], title_text="in 100 words", row=row, col=1)


def _add_places(figure: go.Figure, found: Fidelity, *, row: int) -> None:
    """A small panel for each marker: which shares of its places have which feature."""
    rows = np.arange(len(FEATURES))[::-1]
    for col, marker in enumerate(MARKERS, 1):
        for side, shift, filled in ((found.answers, _SHIFT, True), (found.speaker, -_SHIFT, False)):
            known = [(y, name, side.places[marker.token][name]) for y, name in zip(rows, FEATURES, strict=True)]
            known = [(y, name, _percent(one)) for y, name, one in known if one.value is not None]
            told = [f"{look.text(side.name)}: {_told(one, '{:.0f}')} % {name}" for _, name, one in known]
            figure.add_scatter(
                x=[round(one.value, 1) for *_, one in known], y=[y + shift for y, *_ in known], mode="markers",
                marker={**_look(marker.color, filled), "size": 7}, text=told, showlegend=False,
                error_x=_bars([one for *_, one in known], marker.color),
                hovertemplate=f"{look.text(marker.token)}<br>%{{text}}<extra></extra>", row=row, col=col,
            )  # fmt: skip
        name = {"text": look.swatch(marker.token).replace("_", "_<br>"), "font": {"size": 11}}
        axis = {"range": [-12, 112], "tickvals": [0, 50, 100], "tickfont_size": 10, "tickangle": 0}
        figure.update_xaxes(title=name, title_standoff=16, **axis, row=row, col=col)
        labels = list(FEATURES) if col == 1 else [""] * len(FEATURES)
        figure.update_yaxes(tickvals=rows, ticktext=labels, range=[-0.6, len(FEATURES) - 0.4], row=row, col=col)


def _add_pauses(figure: go.Figure, found: Fidelity, *, row: int) -> None:
    """The two distribution functions: the area between them is the distance of the pauses."""
    sides = ((found.answers, look.ACCENT, "solid"), (found.speaker, look.F0, "dash"))
    last = max(side.pauses_s[-1] for side, *_ in sides)
    for side, color, dash in sides:
        values = np.round(side.pauses_s, 3)
        shares = np.round(100 * np.arange(1, len(values) + 1) / len(values), 1)
        told = _told(side.pause_median_s, "{:.2f}")
        name = f"{look.text(side.name)}: {len(values)} pauses, median {told} s"
        figure.add_scatter(
            x=[0, *values, last + 0.1], y=[0, *shares, 100], mode="lines", showlegend=False,
            line={"color": color, "width": 2, "dash": dash, "shape": "hv"},
            hovertemplate=f"%{{y:.0f}} % are no longer than %{{x:.2f}} s<br>{name}<extra></extra>", row=row, col=1,
        )  # fmt: skip
    for k, (side, color, _) in enumerate(sides):
        text = f"{look.text(side.name)}<br>median {side.pause_median_s.value:.2f} s"
        _annotate(figure, text, row=row, color=color, x=0.99, y=0.42 - 0.36 * k, xanchor="right", yanchor="middle")
    figure.update_xaxes(title_text="silence between two words (s)", range=[0, last + 0.1], row=row, col=1)
    figure.update_yaxes(tickvals=[0, 25, 50, 75, 100], range=[0, 104], title_text="%", row=row, col=1)


_DRAW = {"distance": _add_distance, "rates": _add_rates, "places": _add_places, "pauses": _add_pauses}


def _add_legend(figure: go.Figure, answers: Side, speaker: Side, *, row: int) -> None:
    """What filled and open points are; the markers have colours of their own."""
    for side, filled in ((answers, True), (speaker, False)):
        name = look.text(side.name)
        if side.n_words:
            name += f": {side.n_texts} text{'s' * (side.n_texts != 1)}, {side.n_words} words"
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=name, marker=_look(look.TEXT, filled), row=row, col=1
        )
    figure.update_layout(legend={"itemclick": False, "itemdoubleclick": False})


def _look(color: str, filled: bool) -> dict[str, Any]:
    return {
        "symbol": "circle" if filled else "circle-open",
        "size": 9,
        "color": color,
        "line": {"width": 2, "color": color},
    }


def _bars(those: Sequence[Estimate], color: str) -> dict[str, Any]:
    """Error bars from the intervals; none where there is no interval."""
    if all(one.low is None for one in those):
        return {}
    up, down = (
        [0.0 if one.low is None else round(abs(end - one.value), 4) for one, end in zip(those, ends, strict=True)]
        for ends in ([one.high for one in those], [one.low for one in those])
    )
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "color": color, "width": 3}


def _percent(one: Estimate) -> Estimate:
    return Estimate(*(None if value is None else 100 * value for value in (one.value, one.low, one.high)))


def _told(one: Estimate, form: str) -> str:
    interval = "" if one.low is None else f" ({form.format(one.low)} to {form.format(one.high)})"
    return form.format(one.value) + interval


def _title(figure: go.Figure, title: str, *, row: int) -> None:
    _annotate(
        figure, f"<b>{title}</b>", row=row, color=look.TEXT, x=0, y=1, xanchor="left", yanchor="bottom", yshift=6
    )


def _annotate(figure: go.Figure, text: str, *, row: int, color: str, **place: Any) -> None:
    """A line of text in a panel; x is of the figure's width, y of the panel's height."""
    axis = next(figure.select_yaxes(row=row, col=1)).plotly_name.removeprefix("yaxis")
    at = {"xref": "paper", "yref": f"y{axis} domain", "showarrow": False, "align": place.get("xanchor", "left")}
    figure.add_annotation(text=text, font={"color": color, "size": 12}, **at, **place)
