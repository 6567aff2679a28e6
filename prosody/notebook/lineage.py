"""Where a run comes from, drawn: source files at the left, then run after run, and lines for what was read of what."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from prosody.notebook import look

Told = Mapping[str, Any]  # what `workflow.lineage_text.of_run` returns

_BAD = "#c65800"
_LOOKS = {  # what a node is → colour and sign; the sign alone tells it, too
    "ok": ("#00876c", "circle"),
    "running": ("#00876c", "circle-open-dot"),
    "interrupted": ("#8a7a3c", "diamond"),
    "killed": (_BAD, "x"),
    "failed": (_BAD, "cross"),
    "unknown": (look.TEXT, "square-open"),
    "review": ("#4f7fb0", "star-square"),
    "source file": ("#4f7fb0", "square"),
    "gone": (_BAD, "circle-x-open"),
}
_LINES = {  # name of a line → colour, dash
    "read, the same bytes": (look.TEXT, "solid"),
    "read, other bytes now": (_BAD, "dash"),
    "made again": (look.TEXT, "dot"),
}
_LETTERS = 13  # of a label, on the narrowest page
_ROW, _DENSE_ROW, _MANY = 66, 50, 12  # pixels a node
_TOP_AND_BOTTOM = 136
_ASIDE, _BENDS = 0.5, 16  # how far a line within a column is drawn aside, in columns, and its pieces
_SHOWN = 14  # parameters in a hover text
_WIDEST = 60  # letters of a row in it


def lineage(told: Told) -> go.Figure:
    """A run's lineage from left to right: what it was made from, and what was made from it.

    told: nodes and links as `workflow.lineage_text.of_run` has them. A dashed line leads from what has other bytes now
    than were read. Pointing at a node tells its id, parameters and figures, at a line how many files were read.
    """
    nodes = {node["key"]: node for node in told["nodes"]}
    links = [link for link in told["links"] if link["from"] in nodes and link["to"] in nodes]
    of_data = [
        (link["from"], link["to"]) for link in links if _line_of(link) != "made again"
    ]  # the like stand together
    places = _places(list(nodes), of_data)
    figure = go.Figure()
    _draw_links(figure, links, places)
    _draw_nodes(figure, nodes, places)
    at = places[told["of"]]
    ring = {"symbol": "circle-open", "size": 30, "color": look.TEXT, "line": {"width": 2}}
    figure.add_scatter(x=[at[0]], y=[at[1]], mode="markers", marker=ring, name="this run", hoverinfo="skip")
    columns = 1 + max(x for x, _ in places.values())
    rows = 1 + max(y for _, y in places.values()) - min(y for _, y in places.values())
    height = _TOP_AND_BOTTOM + int(rows * (_ROW if rows <= _MANY else _DENSE_ROW))
    title = "Where this run comes from" + (", and the records go in a circle" if told["cycle"] else "")
    look.dress(figure, title=title, height=height, legend=True)
    figure.update_xaxes(visible=False, range=[-0.5, columns - 0.5])
    low, high = (end(y for _, y in places.values()) for end in (min, max))
    figure.update_yaxes(visible=False, range=[low - 0.65, high + 0.4])
    return figure.update_layout(margin={"l": 8, "r": 8}, hovermode="closest")


def _places(keys: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """Where nodes stand: each a column to the right of all that it was made from; in a column, above each other."""
    before = defaultdict(set)
    for a, b in links:
        if a != b:
            before[b].add(a)
    column = dict.fromkeys(keys, 0)
    for _ in keys:  # so often at most; a circle would go on for ever
        moved = False
        for key in keys:
            least = max((column[one] + 1 for one in before[key]), default=0)
            if column[key] < least < len(keys):
                column[key], moved = least, True
        if not moved:
            break
    for key in keys:  # what has nothing before it stands right beside what was made of it
        after = [column[b] for a, b in links if a == key and b != key]
        if not before[key] and after:
            column[key] = max(0, min(after) - 1)
    taken = sorted(set(column.values()))
    of_column = defaultdict(list)
    for key in keys:
        of_column[taken.index(column[key])].append(key)
    return {key: (float(x), (len(own) - 1) / 2 - row) for x, own in of_column.items() for row, key in enumerate(own)}


def _draw_links(figure: go.Figure, links: Sequence[Mapping[str, Any]], places: Mapping[str, Any]) -> None:
    for name, (color, dash) in _LINES.items():
        x, y, middle = [], [], []
        for link in links:
            if _line_of(link) == name:
                xs, ys = _way(places[link["from"]], places[link["to"]])
                x += [*xs, None]
                y += [*ys, None]
                at = len(xs) // 2
                place = (xs[at], ys[at]) if len(xs) > 2 else (sum(xs) / 2, sum(ys) / 2)
                middle.append((*place, _hover_of_link(link)))
        if not middle:
            continue
        line = {"color": color, "dash": dash, "width": 1.5}
        figure.add_scatter(x=x, y=y, mode="lines", line=line, name=name, hoverinfo="skip")
        figure.add_scatter(
            x=[one[0] for one in middle],
            y=[one[1] for one in middle],
            mode="markers",
            marker={"size": 7, "color": color, "symbol": "triangle-right"},
            hovertext=[one[2] for one in middle],
            hovertemplate="%{hovertext}<extra></extra>",
            showlegend=False,
        )


def _way(start: tuple[float, float], end: tuple[float, float]) -> tuple[list[float], list[float]]:
    """The line from one node to another: straight, but within a column around the labels that stand between."""
    (x0, y0), (x1, y1) = start, end
    if x0 != x1 or y0 == y1:
        return [x0, x1], [y0, y1]
    steps = [k / _BENDS for k in range(_BENDS + 1)]
    return [x0 + 3 * _ASIDE * t * (1 - t) for t in steps], [y0 + (y1 - y0) * t * t * (3 - 2 * t) for t in steps]


def _draw_nodes(figure: go.Figure, nodes: Mapping[str, Any], places: Mapping[str, Any]) -> None:
    for name, (color, symbol) in _LOOKS.items():
        own = [node for node in nodes.values() if _look_of(node) == name]
        if own:
            figure.add_scatter(
                x=[places[node["key"]][0] for node in own],
                y=[places[node["key"]][1] for node in own],
                mode="markers+text",
                marker={"size": 16, "color": color, "symbol": symbol, "opacity": 1},
                text=[f"<br>{_label(node)}" for node in own],
                textposition="bottom center",
                textfont={"size": 11, "color": look.TEXT},
                cliponaxis=False,
                name=name,
                hovertext=[_hover(node) for node in own],
                hovertemplate="%{hovertext}<extra></extra>",
            )


def _line_of(link: Mapping[str, Any]) -> str:
    if link["trouble"]:
        return "read, other bytes now"
    return "made again" if link["how"] == ["made again"] else "read, the same bytes"


def _look_of(node: Mapping[str, Any]) -> str:
    if not node["there"]:
        return "gone"
    if node["kind"] == "run":
        return node["state"] if node["state"] in _LOOKS else "unknown"
    return "review" if node["kind"] == "review" else "source file"


def _label(node: Mapping[str, Any]) -> str:
    """Two short lines: stage and the end of the id, or a file's name."""
    if node["kind"] == "file":
        return look.text(_cut(node["name"].rstrip("/").rpartition("/")[2]))
    stamped = re.fullmatch(r"\d{8}T(\d\d)(\d\d)\d\dZ-([0-9a-f]{6})", node["name"])
    name = f"…-{stamped[3]}" if stamped else _cut(node["name"])
    return f"<b>{look.text(_cut(node['stage']))}</b><br>{look.text(name)}"


def _hover(node: Mapping[str, Any]) -> str:
    rows = [f"<b>{look.text(' '.join(part for part in (node['stage'], node['name']) if part))}</b>"]
    if node["kind"] == "run":
        rows += [look.text(part) for part in (node["state"], node["headline"]) if part]
        given = list(node["parameters"].items())
        rows += [f"{look.text(str(name))} = {look.text(_cut(str(value), _WIDEST))}" for name, value in given[:_SHOWN]]
        rows += [f"… and {len(given) - _SHOWN} more parameters"] if len(given) > _SHOWN else []
    rows += [] if node["there"] else ["no longer there"]
    rows += [look.text(f"damaged: {_cut(line, _WIDEST)}") for line in node["trouble"]]
    return look.lines(rows)


def _hover_of_link(link: Mapping[str, Any]) -> str:
    n = link["files"]
    rows = [f"{n} {'file' if n == 1 else 'files'} read" if n else "no file of it is recorded as read"]
    rows += [f"SHA-256 {link['sha256'][:12]}…"] if link["sha256"] else []
    rows += ["made again of it"] if "made again" in link["how"] else []
    rows += [look.text(_cut(line, 2 * _WIDEST)) for line in link["trouble"][:4]]
    return look.lines(rows)


def _cut(text: str, most: int = _LETTERS) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
