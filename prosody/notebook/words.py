"""The words of a segment at their times, with the markers written above and those heard below: a row of a figure."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from prosody.dataset import Word
from prosody.markers import BY_TOKEN, MARKERS
from prosody.notebook import look
from prosody.notebook.behind import hover

LANE_PIXELS = 56
_MOST_LANES = 8
_ABOVE, _BELOW, _STROKE = 0.3, -0.36, -0.19  # in lanes, from a word's middle

Slots = Sequence[tuple[str, ...]]


def add_words(
    figure: go.Figure, words: Sequence[Word], heard: Slots, lanes: Sequence[int], ends: tuple[float, float]
) -> None:
    """Draw words with their markers into a figure's first row.

    heard: the markers heard of each. lanes: as from `lanes_of`. ends: of the segment, s.
    """
    _add_texts(figure, words, heard, lanes)
    _add_markers(figure, words, heard, lanes, ends[0], ends[1] - ends[0])


def _seconds(pixels: float, duration_s: float) -> float:
    return pixels * duration_s / look.PAGE_PIXELS


def lanes_of(words: Sequence[Word], duration_s: float) -> list[int]:
    """A lane for each word, 0 or more from the top, so that no two words run into each other."""
    widths = [_seconds(7.2 * len(word.text) + 10, duration_s) for word in words]
    return look.lanes([_middle(word) for word in words], widths, most=_MOST_LANES)


def _middle(word: Word) -> float:
    return (word.start + word.end) / 2


def _acting(slot: Sequence[str]) -> list[str]:
    """The markers that act on the word itself."""
    return [token for token in slot if BY_TOKEN[token].kind != "pause"]


def _add_texts(figure: go.Figure, words: Sequence[Word], heard: Slots, lanes: Sequence[int]) -> None:
    """Each word in its lane over a stroke for its time, in the colour of its first marker."""
    first = [next(iter(_acting(word.markers)), None) for word in words]
    for token in dict.fromkeys(first):
        own = [(word, lane) for word, lane, one in zip(words, lanes, first, strict=True) if one == token]
        line = {"color": BY_TOKEN[token].color, "width": 4} if token else {"color": look.TEXT, "width": 1}
        figure.add_scatter(
            x=[x for word, _ in own for x in (round(word.start, 3), round(word.end, 3), None)],
            y=[y for _, lane in own for y in (_STROKE - lane, _STROKE - lane, None)],
            mode="lines", line=line, opacity=1 if token else 0.6, hoverinfo="skip", showlegend=False, row=1, col=1,
        )  # fmt: skip
    figure.add_scatter(
        x=[round(_middle(word), 3) for word in words],
        y=[-lane for lane in lanes],
        mode="text",
        text=[f"<b>{look.text(w.text)}</b>" if t else look.text(w.text) for w, t in zip(words, first, strict=True)],
        textfont={"color": look.TEXT, "size": 12},
        hovertext=[hover(word, slot) for word, slot in zip(words, heard, strict=True)],
        hovertemplate="%{hovertext}<extra></extra>",
        cliponaxis=False,
        showlegend=False,
        row=1,
        col=1,
    )
    lowest = -max(lanes, default=0) - 0.6
    figure.update_yaxes(visible=False, range=[lowest, 0.62], fixedrange=True, row=1, col=1)


def _add_markers(
    figure: go.Figure,
    words: Sequence[Word],
    heard: Slots,
    lanes: Sequence[int],
    start_s: float,
    duration_s: float,
) -> None:
    """A symbol over the word for a marker that is written, under it for one that is heard; a pause stands in its gap.

    One entry in the legend shows and hides a marker's symbols, above and below.
    """
    places: dict[str, list[tuple[float, float, str]]] = {}
    for i, word in enumerate(words):
        told = hover(word, heard[i])
        gap = ((words[i - 1].end if i else start_s) + word.start) / 2
        for slot, height in ((word.markers, _ABOVE), (heard[i], _BELOW)):
            acting = _acting(slot)
            for token in slot:
                if token in acting:
                    aside = acting.index(token) - (len(acting) - 1) / 2
                    at = _middle(word) + _seconds(16 * aside, duration_s), height - lanes[i]
                else:
                    at = gap, height
                places.setdefault(token, []).append((round(at[0], 3), at[1], told))
    for marker in MARKERS:
        if marker.token not in places:
            continue
        x, y, told = zip(*places[marker.token], strict=True)
        symbol = look.SYMBOLS[marker.token]
        line = {"color": marker.color, "width": 3 if symbol.startswith("line") else 1.2}
        figure.add_scatter(
            x=x,
            y=y,
            mode="markers",
            name=look.text(marker.token),
            marker={"color": marker.color, "symbol": symbol, "size": 11, "line": line},
            hovertext=told,
            hovertemplate="%{hovertext}<extra></extra>",
            cliponaxis=False,
            row=1,
            col=1,
        )
