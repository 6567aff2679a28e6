"""Pictures of a sweep: a metric over each parameter that was varied, with what another seed alone changes."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import plotly.graph_objects as go

from prosody.notebook import look
from prosody.notebook.show import table as _table

if TYPE_CHECKING:
    from IPython.display import HTML

_SERIES = (  # a colour, a dash and a symbol each, so that no one has to tell colours
    ("#0072b2", "solid", "circle"),
    ("#c65800", "dash", "square"),
    ("#00876c", "dot", "diamond"),
    ("#b05a8c", "dashdot", "triangle-up"),
    ("#8a7a3c", "longdash", "cross"),
    ("#5f7d95", "longdashdot", "x"),
)
_SEED = "seed"
_DECADES = 20.0  # from the least to the greatest value: more is drawn on a logarithmic axis


class Row(Protocol):
    """What is drawn of a point: its number, what varied, its metric (None if it has none), its run and its state."""

    number: int
    values: Mapping[str, Any]
    value: float | None
    run: str | None
    state: str
    seconds: float | None
    error: str | None


def points_table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, best: Sequence[str] = ()) -> HTML:
    """A sweep's table. head, rows: names of columns, and cells as they are. best: ids of runs that are set in bold."""
    shown = []
    for row in rows:
        cells = [html.escape(_cell(value)) for value in row]
        shown.append([f"<b>{cell}</b>" for cell in cells] if set(best) & {str(one) for one in row} else cells)
    texts = [k for k in range(len(head)) if any(isinstance(row[k], (str, list, dict)) for row in rows)]
    return _table([html.escape(name) for name in head], shown, left=texts)


def over(rows: Sequence[Row], name: str, *, metric: str) -> go.Figure:
    """The metric over one parameter: a small mark for each run, a line through the means, bars from least to greatest.

    name: the parameter. Where others vary, too, each of their combinations has a line of its own, as far as there are
    no more than six; otherwise one line goes through the means of all of them.
    """
    rows = [row for row in rows if row.value is not None and name in row.values]
    positions, axis = _positions([row.values[name] for row in rows])
    at = dict(zip((_key(row.values[name]) for row in rows), positions, strict=True))
    parts = _parts(rows, name)
    figure = go.Figure()
    for (label, part), (color, dash, symbol) in zip(parts.items(), _SERIES, strict=False):
        _add_runs(figure, part, name, at, color=color, symbol=symbol, metric=metric)
        _add_means(figure, part, name, at, label=label, color=color, dash=dash, symbol=symbol)
    figure.update_xaxes(title_text=look.text(name), **axis)
    figure.update_yaxes(title_text=look.text(metric))
    look.dress(figure, title=f"{metric} over {name}", height=380, legend=len(parts) > 1)
    return figure.update_xaxes(automargin=True)


def _parts(rows: Sequence[Row], name: str) -> dict[str, list[Row]]:
    """The rows by what varies beside `name` and the seed; all in one where that were more lines than can be told."""
    others = [n for n in dict.fromkeys(n for row in rows for n in row.values) if n not in (name, _SEED)]
    others = [n for n in others if len({_key(row.values.get(n)) for row in rows}) > 1]
    parts: dict[str, list[Row]] = {}
    for row in rows:
        label = ", ".join(f"{n} {_cell(row.values[n])}" for n in others if n in row.values)
        parts.setdefault(label or "all", []).append(row)
    return parts if len(parts) <= len(_SERIES) else {"mean of all the others": list(rows)}


def _positions(values: Sequence[Any]) -> tuple[list[float], dict[str, Any]]:
    """Where values stand on the axis, and the axis: numbers to scale (a wide range by powers), others in turn."""
    if values and all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in values):
        found = [float(one) for one in values]
        ticks: dict[str, Any] = {"tickvals": sorted(set(found)), "ticktext": [f"{one:g}" for one in sorted(set(found))]}
        if min(found) > 0 and max(found) / min(found) >= _DECADES:
            return found, {"type": "log", **ticks}
        return found, ticks if len(set(found)) <= 8 else {}
    turn = {key: float(k) for k, key in enumerate(dict.fromkeys(map(_key, values)))}
    names = [look.text(_cell(json.loads(key))) for key in turn]
    found = [turn[_key(one)] for one in values]
    return found, {"tickvals": list(turn.values()), "ticktext": names, "range": [-0.5, len(turn) - 0.5]}


def _add_runs(
    figure: go.Figure,
    rows: Sequence[Row],
    name: str,
    at: Mapping[str, float],
    *,
    color: str,
    symbol: str,
    metric: str,
) -> None:
    """A small mark for each run."""
    hover = [
        look.lines(
            [
                f"{look.text(metric)} {row.value:.4g}",
                *(look.text(f"{n} {_cell(value)}") for n, value in row.values.items()),
                look.text(f"run {row.run}"),
            ]
        )
        for row in rows
    ]
    figure.add_scatter(
        x=[at[_key(row.values[name])] for row in rows],
        y=[row.value for row in rows],
        mode="markers",
        marker={"color": color, "size": 6, "symbol": f"{symbol}-open" if symbol not in ("cross", "x") else symbol},
        opacity=0.75,
        hovertext=hover,
        hoverinfo="text",
        showlegend=False,
    )


def _add_means(
    figure: go.Figure,
    rows: Sequence[Row],
    name: str,
    at: Mapping[str, float],
    *,
    label: str,
    color: str,
    dash: str,
    symbol: str,
) -> None:
    """A line through the means, with bars from the least to the greatest where there are several."""
    by_value: dict[float, list[float]] = {}
    for row in rows:
        by_value.setdefault(at[_key(row.values[name])], []).append(row.value)
    xs = sorted(by_value)
    means = [sum(by_value[x]) / len(by_value[x]) for x in xs]
    up = [max(by_value[x]) - mean for x, mean in zip(xs, means, strict=True)]
    down = [mean - min(by_value[x]) for x, mean in zip(xs, means, strict=True)]
    counts = [len(by_value[x]) for x in xs]
    bars = {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "color": color, "width": 6}
    figure.add_scatter(
        x=xs,
        y=means,
        name=look.text(label),
        mode="lines+markers",
        line={"color": color, "dash": dash, "width": 2},
        marker={"color": color, "size": 9, "symbol": symbol},
        error_y=bars if max(counts, default=0) > 1 else None,
        customdata=counts,
        hovertemplate="mean of %{customdata}: %{y:.4g}<extra>" + look.text(label) + "</extra>",
    )


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "−") if abs(value) < 1000 else f"{value:.0f}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
