"""Pictures of what LoRA is and does: W, A and B with their shapes, each layer's change, the seven rows moving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from prosody.markers import BY_TOKEN
from prosody.notebook import look

if TYPE_CHECKING:
    from prosody.lm.insight import Change

_PALETTE = ("#0072b2", "#c65800", "#00876c", "#b4609a", "#9a7000", "#3a8fc4", "#7a7a7a")  # 3:1 on light and dark
_SYMBOLS = ("circle", "square", "diamond", "x", "cross", "triangle-up", "star")
_LETTER_PIXELS, _ROWS_PIXELS = 7, 330  # of a label; of the plot of rows, its height
_ROOM = 0.15  # beside the outermost rows, of their extent
_GAP = 0.45  # between two boxes, of the longest side
_MOST_SUMS, _LINE_PIXELS = 4, 16
_THINNEST = 0.03  # of a picture's side, so that a rank of 2 can be seen beside 768 columns


def lora_picture(changes: Sequence[Change]) -> go.Figure:
    """W and the pair beside it, drawn to scale by their shapes, what the layer uses, and the sum of what is trained.

    changes: as from `insight.changes`; the largest matrix is drawn, all are counted.
    """
    figure = go.Figure()
    one = max(changes, key=lambda change: change.n_out * change.n_in)
    longest = max(one.n_out, one.n_in)
    high, wide, thin = one.n_out / longest, one.n_in / longest, max(one.r / longest, _THINNEST)
    whole = f"{one.n_out} × {one.n_in}<br>= {one.n_out * one.n_in:,}"
    parts = [
        ("W, frozen", wide, high, look.TEXT, whole, "+ α/r ·"),
        ("B", thin, high, look.F0, f"{one.n_out} × {one.r}<br>= {one.n_out * one.r:,}", "·"),
        ("A", wide, thin, look.ACCENT, f"{one.r} × {one.n_in}<br>= {one.r * one.n_in:,}", "="),
        ("what the<br>layer uses", wide, high, look.WAVE, f"{one.n_out} × {one.n_in}", ""),
    ]
    left = 0.0
    for name, width, height, color, shape, sign in parts:
        told = {"name": name.replace("<br>", " "), "text": f"{name}: {shape} numbers".replace("<br>", " ")}
        look.add_box(figure, left, width, height, color=color, opacity=0.55, **told)
        text = {"showarrow": False, "font": {"color": look.TEXT, "size": 12}}
        label = f"<b>{name}</b><br>{shape}"
        figure.add_annotation(x=left + width / 2, y=0.03, text=label, yanchor="bottom", **text)
        left += width + _GAP
        text["font"]["size"] = 15
        figure.add_annotation(x=left - _GAP / 2, y=-high / 2, text=sign, **text)
    figure.add_annotation(
        x=0, y=-high - 0.04, text=_where(changes, one), showarrow=False, xanchor="left", yanchor="top", align="left",
        font={"color": look.TEXT},
    )  # fmt: skip
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x", constraintoward="top", range=[-max(high, 0.4) - 0.25, 0.35])
    total, sums = f"{sum(change.numbers for change in changes):,} numbers to learn", _sums(changes)
    look.dress(figure, title=total, height=400 + _LINE_PIXELS * (len(sums) - 1))
    worked_out = {"text": look.lines(sums), "font": {"size": 12}}
    figure.update_layout(title={"subtitle": worked_out, "yanchor": "top", "y": 0.97})
    return figure.update_layout(margin={"t": 56 + _LINE_PIXELS * len(sums)})


def _where(changes: Sequence[Change], drawn: Change) -> str:
    """Which matrices have a pair, and of which this picture is."""
    targets = list(dict.fromkeys(change.target for change in changes))
    layers = sorted({change.layer for change in changes})
    where = f"{len(layers)} layers ({layers[0]} to {layers[-1]})" if len(layers) > 1 else f"layer {layers[0]}"
    names = look.text(", ".join(targets))
    return f"Drawn: {look.text(drawn.target)}. Such a pair stands beside<br>{names}<br>in {where}."


def _sums(changes: Sequence[Change]) -> list[str]:
    """What is trained, worked out in lines: for each shape B's and A's numbers, times how often it is there."""
    shapes: dict[tuple[int, int, int], int] = {}
    for one in changes:
        shapes[one.n_out, one.n_in, one.r] = shapes.get((one.n_out, one.n_in, one.r), 0) + 1
    parts = [f"{n} × ({out} × {r} + {r} × {into})" for (out, into, r), n in shapes.items()]
    shown = parts[:_MOST_SUMS] + ["…"] * (len(parts) > _MOST_SUMS)
    return ["+ " * (k > 0) + " + ".join(shown[k : k + 2]) for k in range(0, len(shown), 2)]


def change_by_layer(changes: Sequence[Change]) -> go.Figure:
    """How much each matrix has changed, layer by layer, in percent of the matrix's own norm."""
    figure = go.Figure()
    targets = list(dict.fromkeys(one.target for one in changes))
    for k, target in enumerate(targets):
        own = [one for one in changes if one.target == target]
        figure.add_scatter(
            x=[one.layer for one in own],
            y=[round(100 * one.share, 3) for one in own],
            name=target,
            mode="lines+markers",
            line={"color": _PALETTE[k % len(_PALETTE)], "width": 1.5},
            marker={"symbol": _SYMBOLS[k % len(_SYMBOLS)], "size": 6},
            hovertemplate=f"{target}, layer %{{x}}: %{{y:.2f}} % of W<extra></extra>",
        )
    figure.update_xaxes(title_text="layer")
    figure.update_yaxes(title_text="‖α/r · B · A‖ / ‖W‖ (%)", rangemode="tozero")
    return look.dress(figure, title="What was learned beside each matrix", height=380, legend=True)


def rows_moved(rows: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> go.Figure:
    """The seven marker rows before and after training, on the plane that shows most of them.

    rows: token → (before, after), both vectors of the base's width.
    """
    from prosody.lm.insight import plane

    tokens = list(rows)
    before, after = plane(*(np.array([rows[t][k] for t in tokens], dtype=float) for k in (0, 1)))
    figure = go.Figure()
    sides = _sides(after, [len(token) for token in tokens], others=before)
    for token, start, end, side in zip(tokens, before, after, sides, strict=True):
        color, name = BY_TOKEN[token].color, look.text(token)
        figure.add_scatter(
            x=[round(float(start[0]), 4), round(float(end[0]), 4)],
            y=[round(float(start[1]), 4), round(float(end[1]), 4)],
            name=name,
            mode="lines+markers+text",
            text=["", name],
            textposition=side,
            textfont={"color": look.TEXT},
            line={"color": color, "width": 1.5},
            marker={"color": color, "size": [7, 11], "symbol": ["circle-open", "circle"]},
            hovertemplate=[f"{name} before<extra></extra>", f"{name} after<extra></extra>"],
        )
    low, high = (side(np.concatenate([before, after]), axis=0) for side in (np.min, np.max))
    room = _ROOM * np.maximum(high - low, 1e-6)  # for the labels
    for axis, k, name in ((figure.update_xaxes, 0, "first"), (figure.update_yaxes, 1, "second")):
        ends = [round(float(low[k] - room[k]), 4), round(float(high[k] + room[k]), 4)]
        axis(title_text=f"{name} principal component", range=ends)
    return look.dress(figure, title="The seven rows: ○ before, ● after training", height=440)


def _sides(points: np.ndarray, lengths: Sequence[int], *, others: np.ndarray) -> list[str]:
    """On which side of each point its label covers the fewest labels and points; as plotly's text positions.

    points, others [shape=(n, 2)]. lengths: of the labels, in letters.
    """
    every = np.concatenate([points, others])
    extent = np.maximum((1 + 2 * _ROOM) * np.ptp(every, axis=0), 1e-12)
    pixels = np.array([look.PAGE_PIXELS, _ROWS_PIXELS]) / extent
    placed: list[np.ndarray] = [np.array([*(p * pixels - 6), *(p * pixels + 6)]) for p in every]
    chosen = []
    for point, n in zip(points, lengths, strict=True):
        half = np.array([n * _LETTER_PIXELS / 2, 8])
        offsets = {"top center": (0, 16), "bottom center": (0, -16)}
        offsets |= {"middle right": (half[0] + 10, 0), "middle left": (-half[0] - 10, 0)}
        centres = {s: point * pixels + offset for s, offset in offsets.items()}
        boxes = {s: np.array([*(centre - half), *(centre + half)]) for s, centre in centres.items()}
        side = min(boxes, key=lambda s: sum(_overlap(boxes[s], other) for other in placed))
        placed.append(boxes[side])
        chosen.append(side)
    return chosen


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Area that two boxes (left, bottom, right, top) share."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    return float(np.prod(np.maximum(sides, 0)))
