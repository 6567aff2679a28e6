"""Which markers of spoken answers survive: each one as a point against what is needed to hear it, and as a table."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from prosody.markers import BY_TOKEN, TOKENS
from prosody.notebook import look
from prosody.notebook.show import marker_html, table
from prosody.voice.listen import effect_told

if TYPE_CHECKING:
    from IPython.display import HTML

Heard = Mapping[str, Any]  # what `voice.listen` returns

_AXES = {  # markers heard by one measurement share an axis
    "prominence (no unit)": ("<emph>",),
    "silence (ms)": ("<pause_short>", "<pause_long>"),
    "f0 level against the words around (st)": ("<pitch_high>", "<pitch_low>"),
    "f0 movement through the word (st)": ("<pitch_rising>", "<pitch_falling>"),
}
_LANES = 5  # of points, where they would lie on each other
_POINT = 0.014  # of the axis: a point's width
_LETTER = 0.0095  # of the axis: a letter's width, on a narrow page
_LABELLED = 8  # lost ones named in the figure, of each marker; the rest are in the hover text
_ROW, _AXIS = 94, 44  # pixels: a marker's row, the axis under some
_TOP, _BOTTOM = 44, 56
_LANE_Y, _NAME_Y, _HEADING_Y, _TOP_Y = (-0.3, 1.3), (1.42, 1.78), 2.2, 2.45  # within a row; points lie from 0 to 1


def survival_figure(answers: Heard | Sequence[Heard]) -> go.Figure:
    """Every written marker as a point where its word was measured, against the range in which it is heard.

    answers: as from `voice.listen`, one or several. A circle survives, a cross is lost and named; a thin line leads
    from where the same word lies in the render without markers, if there is one. Shaded: where the marker is heard;
    lighter where that is so for some words only. Markers that nobody wrote have no row.
    """
    written = [one for heard in _several(answers) for one in heard["occurrences"]]
    groups = [(name, [t for t in tokens if any(o["marker"] == t for o in written)]) for name, tokens in _AXES.items()]
    rows = [(name, token, token == own[-1]) for name, own in groups for token in own]
    if not rows:
        return look.dress(go.Figure(), title="No marker is written", height=120)
    heights = [_ROW + _AXIS * ends for _, _, ends in rows]
    figure = make_subplots(rows=len(rows), cols=1)
    look.dress(figure, title="Markers that survive", height=_TOP + _BOTTOM + sum(heights), legend=True)
    for axis, top in zip(figure.select_yaxes(), np.cumsum([0, *heights]).tolist(), strict=False):
        axis.domain = [1 - (top + _ROW) / sum(heights), 1 - top / sum(heights)]
    for row, (name, token, ends) in enumerate(rows, 1):
        own = [one for one in written if one["marker"] == token]
        shared = [one for one in written if one["marker"] in _AXES[name]]
        _row(figure, row, token, own, _limits(shared), title=name if ends else None)
    _key(figure, written)
    return figure.update_layout(margin={"l": 16, "t": _TOP, "b": _BOTTOM})


def survival_table(answers: Heard | Sequence[Heard]) -> HTML:
    """Marker by marker how many were written and survive, and what they do; then those lost, and those nobody wrote.

    answers: as from `voice.listen`, one or several.
    """
    from IPython.display import HTML

    several = _several(answers)
    written = [one for heard in several for one in heard["occurrences"]]
    rows = []
    for token in TOKENS:
        own = [one for one in written if one["marker"] == token]
        alive = sum(one["survives"] for one in own)
        share = f"{100 * alive / len(own):.0f} %" if own else "–"
        rows.append([marker_html(token), str(len(own)), str(alive), share, html.escape(effect_told(token, own) or "–")])
    unmarked, wrong = (sum(heard["slots"][key] for heard in several) for key in ("unmarked", "heard_as_marked"))
    note = f"Of {unmarked} slots without a marker, {wrong} are heard as marked."
    parts = [table(["marker", "written", "heard", "survival", "effect (median)"], rows, left={4}, note=note).data]
    lost = [
        [marker_html(o["marker"]), *map(html.escape, (_word(o), o["why_not"]))] for o in written if not o["survives"]
    ]
    if lost:
        parts.append(table(["lost", "word", "why"], lost, left={1, 2}).data)
    extra = [one for heard in several for one in heard["heard_unwritten"]]
    if extra:
        told = [[marker_html(o["marker"]), *map(html.escape, (_word(o), _because(o)))] for o in extra]
        parts.append(table(["heard, not written", "word", "why"], told, left={1, 2}).data)
    return HTML("".join(parts))


def _several(answers: Heard | Sequence[Heard]) -> list[Heard]:
    return [answers] if isinstance(answers, Mapping) else list(answers)


def _word(one: Mapping[str, Any]) -> str:
    return one["text"] or "(at the end)"


def _because(one: Mapping[str, Any]) -> str:
    return one["because"] + (", as in the render without markers" if one["in_plain"] else "")


def _limits(occurrences: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Ends of the axis that some occurrences share: all values and limits are on it, and a little more."""
    numbers = [n for one in occurrences for n in (one["value"], one["value_plain"], *one["needed"]) if n is not None]
    low, high = min([0.0, *numbers]), max([0.0, *numbers])
    edge = 0.06 * (high - low or 1.0)
    return low - edge * (low < 0), high + edge


def _row(
    figure: go.Figure,
    row: int,
    token: str,
    own: Sequence[Mapping[str, Any]],
    limits: tuple[float, float],
    *,
    title: str | None,
) -> None:
    """One marker's row: its heading, the shaded range, its points. title: of its axis, in its last row."""
    low, high = limits
    span = high - low
    placed = sorted((one for one in own if one["value"] is not None), key=lambda one: one["value"])
    _shade(figure, row, token, own, limits)
    at = [one["value"] for one in placed]
    lanes = np.array(look.lanes(at, [_POINT * span] * len(at), most=_LANES), dtype=float)
    height = dict(zip(map(id, placed), np.round(lanes / (_LANES - 1), 3).tolist(), strict=True))
    joined = [(one["value_plain"], one["value"], height[id(one)]) for one in placed if one["value_plain"] is not None]
    if joined:
        x = [v for a, b, _ in joined for v in (a, b, None)]
        y = [v for *_, h in joined for v in (h, h, None)]
        line = {"color": BY_TOKEN[token].color, "width": 1}
        common = {"hoverinfo": "skip", "showlegend": False, "row": row, "col": 1}
        figure.add_scatter(x=x, y=y, mode="lines", line=line, opacity=0.35, **common)
        tick = {"symbol": "line-ns-open", "size": 7, "color": look.TEXT, "line": {"width": 1}}
        figure.add_scatter(x=x[::3], y=y[::3], mode="markers", marker=tick, **common)
    for survives in (True, False):
        shown = [one for one in placed if one["survives"] == survives]
        _points(figure, row, token, shown, [height[id(one)] for one in shown], survives)
    if not all(one["survives"] for one in placed):
        _names(figure, row, [one for one in placed if not one["survives"]], limits)
    figure.update_xaxes(range=limits, showticklabels=title is not None, row=row, col=1, zeroline=True)
    figure.update_xaxes(zerolinecolor=look.GRID, title_text=title, title_font_size=12, row=row, col=1)
    figure.update_yaxes(range=[-0.45, _TOP_Y], visible=False, fixedrange=True, row=row, col=1)
    _heading(figure, row, token, own)


def _shade(
    figure: go.Figure, row: int, token: str, own: Sequence[Mapping[str, Any]], limits: tuple[float, float]
) -> None:
    """The range in which a marker is heard; lighter where that is so for some of its words only."""
    lows = [limits[0] if one["needed"][0] is None else one["needed"][0] for one in own]
    highs = [limits[1] if one["needed"][1] is None else one["needed"][1] for one in own]
    for low, high in ((min(lows), max(highs)), (max(lows), min(highs))):
        box = {"fillcolor": BY_TOKEN[token].color, "opacity": 0.1, "line_width": 0, "layer": "below"}
        figure.add_shape(type="rect", x0=low, x1=high, y0=_LANE_Y[0], y1=_LANE_Y[1], row=row, col=1, **box)
    for edge in {max(lows), min(highs)} - set(limits):
        line = {"color": BY_TOKEN[token].color, "width": 1.5, "dash": "dash"}
        figure.add_shape(type="line", x0=edge, x1=edge, y0=_LANE_Y[0], y1=_LANE_Y[1], line=line, row=row, col=1)


def _points(
    figure: go.Figure,
    row: int,
    token: str,
    shown: Sequence[Mapping[str, Any]],
    heights: Sequence[float],
    survives: bool,
) -> None:
    if not shown:
        return
    color = BY_TOKEN[token].color
    alive = {"symbol": "circle", "size": 9, "color": color, "line": {"color": "#ffffff", "width": 0.7}}
    dead = {"symbol": "x-thin", "size": 11, "color": look.ACCENT, "line": {"color": look.ACCENT, "width": 3}}
    figure.add_scatter(
        x=[one["value"] for one in shown],
        y=heights,
        mode="markers",
        marker=alive if survives else dead,
        customdata=[_hover(one) for one in shown],
        hovertemplate="%{customdata}<extra></extra>",
        hoverlabel=look.HOVER,
        showlegend=False,
        row=row,
        col=1,
    )


def _names(figure: go.Figure, row: int, lost: Sequence[Mapping[str, Any]], limits: tuple[float, float]) -> None:
    """The words of the lost, above their points, in two lanes; of many only the first ones."""
    named = lost[:_LABELLED]
    span = limits[1] - limits[0]
    widths = [_LETTER * span * (len(_word(one)) + 2) for one in named]
    lanes = look.lanes([one["value"] for one in named], widths, most=2)
    figure.add_scatter(
        x=[one["value"] for one in named],
        y=[_NAME_Y[lane] for lane in lanes],
        mode="text",
        text=[look.text(_word(one)) for one in named],
        textfont={"color": look.ACCENT, "size": 11},
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
        row=row,
        col=1,
    )


def _hover(one: Mapping[str, Any]) -> str:
    """The word, whether its marker survives and by what, and its effect."""
    rows = [f"<b>{look.text(_word(one))}</b>  {look.meaning(one['marker'])}"]
    rows.append(
        f"survives, evidence {one['evidence']:.2f}" if one["survives"] else f"lost: {look.text(one['why_not'])}"
    )
    told = effect_told(one["marker"], [one])
    against = "the render without markers" if one["value_plain"] is not None else "words without a marker"
    return look.lines([*rows, *([f"effect {told}, against {against}"] if told else [])])


def _heading(figure: go.Figure, row: int, token: str, own: Sequence[Mapping[str, Any]]) -> None:
    """The marker's name, how many survive and its median effect, above its row."""
    alive, unplaced = sum(one["survives"] for one in own), sum(one["value"] is None for one in own)
    name = f"<b>{look.swatch(token)}</b>"
    told = effect_told(token, own)
    parts = [f"{name}  {alive} of {len(own)} survive", *([f"effect {told}"] if told else [])]
    parts += [f"{unplaced} without a measurement"] if unplaced else []
    axis = "" if row == 1 else str(row)
    place = {
        "xref": f"x{axis} domain",
        "yref": f"y{axis}",
        "x": 0,
        "y": _HEADING_Y,
        "xanchor": "left",
        "yanchor": "middle",
    }
    figure.add_annotation(text=", ".join(parts), showarrow=False, font={"size": 12}, **place)


def _key(figure: go.Figure, written: Sequence[Mapping[str, Any]]) -> None:
    """The legend: what the signs mean, in no marker's colour."""
    signs = [
        ("survives", {"symbol": "circle", "size": 9, "color": look.TEXT}),
        ("lost", {"symbol": "x-thin", "size": 11, "line": {"color": look.ACCENT, "width": 3}}),
        ("shaded: where it is heard", {"symbol": "square", "size": 12, "color": look.PAUSE_SHADE}),
    ]
    if any(one["value_plain"] is not None for one in written):
        tick = {"symbol": "line-ns-open", "size": 8, "color": look.TEXT, "line": {"width": 1}}
        signs.insert(2, ("spoken without markers", tick))
    for name, sign in signs:
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=sign, name=name, showlegend=True, row=1, col=1)
