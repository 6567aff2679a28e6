"""The studio's answer as HTML: a slot before each word to be chosen, the words with their times. It needs no widget."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from prosody import markers
from prosody.dataset import Word
from prosody.markers import BY_TOKEN, TOKENS, MarkedText
from prosody.notebook.show import marker_html

_TOLD = 2  # likeliest markers told of a slot


def sheet_html(
    text: MarkedText,
    *,
    by_hand: Collection[int] = (),
    probabilities: Sequence[Mapping[str, float]] = (),
    times: Sequence[Word] = (),
    plain_times: Sequence[Word] = (),
) -> str:
    """Marked text as slots and words; everything in it is escaped.

    by_hand: the slots that are the user's. probabilities: for each word that of each marker. times, plain_times: the
    words as they were spoken (s), with markers and without.
    """
    chunks = []
    for k, word in enumerate(text.words):
        told = _likeliest(probabilities[k]) if k < len(probabilities) else ""
        place = f"before “{word.text}”"
        spoken = f"{_time('t', times, k)}{_time('p', plain_times, k)}"
        acted_on = " ps-acted" if any(BY_TOKEN[token].kind != "pause" for token in word.markers) else ""
        slot = _slot(k, word.markers, place, told, k in by_hand)
        said = f'<span class="ps-word{acted_on}" data-word="{k}"{spoken}>{html.escape(word.text)}</span>'
        chunks.append(f'<span class="ps-pair">{slot}{said}</span>')
    n = len(text.words)
    if n:
        chunks.append(_slot(n, (text.final,) if text.final else (), "after the last word", "", n in by_hand))
    return f'<div class="ps-text" dir="auto">{" ".join(chunks)}</div>'


def coming_html(sentences: Sequence[str]) -> str:
    """An answer under way: the sentences that stand, and a sign that more will come."""
    said = " ".join(html.escape(one) for one in sentences)
    return f'<div class="ps-text ps-coming" dir="auto">{said} <span class="ps-more">…</span></div>'


def points_html(points: Sequence[tuple[str, bool]]) -> str:
    """Which points an answer takes up, and which not."""
    signs = {True: '<span class="ps-yes">✓ taken up:</span>', False: '<span class="ps-no">✗ left out:</span>'}
    return "".join(f'<div class="ps-point">{signs[yes]} {html.escape(point)}</div>' for point, yes in points)


def palette_html() -> str:
    """What a slot can be given: the seven markers with their keys, and nothing."""
    rows = [
        f'<div role="button" class="ps-pick" data-pick="{k}"><kbd>{k}</kbd> {marker_html(token)} '
        f"<span>{html.escape(BY_TOKEN[token].meaning)}</span></div>"
        for k, token in enumerate(TOKENS, 1)
    ]
    rows.append('<div role="button" class="ps-pick" data-pick="0"><kbd>0</kbd> <span>no marker here</span></div>')
    return f'<div class="ps-picks">{"".join(rows)}</div>'


def sheets_html(sheets: Sequence[Any]) -> str:
    """Answers below each other, to read: question, marked text, points. sheets: as on a desk."""
    from prosody.notebook.show import marked_html

    if not sheets:
        return "<p>There is no answer yet.</p>"
    blocks = []
    for one in sheets:
        points = "".join(
            f"<li>{html.escape(point)} ({'taken up' if yes else 'left out'})</li>" for point, yes in one.points
        )
        listed = f"<ul>{points}</ul>" if points else ""
        blocks.append(f"<p><b>{html.escape(one.question or 'own words')}</b></p>{marked_html(one.text)}{listed}")
    return "".join(blocks)


def title(sheet: Any, number: int) -> str:
    """One line of the history, plain text. sheet: as on a desk."""
    question = sheet.question or "own words"
    short = question if len(question) <= 48 else f"{question[:47]}…"
    n = sum(markers.counts(sheet.text).values())
    how = "spoken" if sheet.spoken is not None else "not spoken"
    expressiveness = f", expressiveness {sheet.asked['expressiveness']:g}" if "expressiveness" in sheet.asked else ""
    return (
        f"{number}  {short}  ({n} marker{'s' * (n != 1)}, seed {sheet.asked.get('seed', '–')}{expressiveness}, {how})"
    )


def _slot(k: int, tokens: Sequence[str], place: str, told: str, by_hand: bool) -> str:
    held = " ".join(marker_html(token) for token in tokens)
    names = " ".join(tokens) or "no marker"
    line = f"{place}: {names}{' (set by hand)' if by_hand else ''}{f'; {told}' if told else ''}"
    kinds = f"ps-slot{' ps-hand' if by_hand else ''}{'' if tokens else ' ps-empty'}"
    shown = held or '<span class="ps-gap">·</span>'
    picked = " ".join(str(1 + TOKENS.index(token)) for token in tokens)
    data = f'data-slot="{k}" data-picked="{picked}" data-told="{html.escape(line)}" aria-label="{html.escape(line)}"'
    return f'<span role="button" class="{kinds}" {data}>{shown}</span>'


def _likeliest(probabilities: Mapping[str, float]) -> str:
    best = sorted(probabilities.items(), key=lambda one: -one[1])[:_TOLD]
    return "likeliest here: " + ", ".join(f"{BY_TOKEN[token].name} {share:.2f}" for token, share in best)


def _time(name: str, words: Sequence[Word], k: int) -> str:
    return f' data-{name}="{words[k].start:.3f} {words[k].end:.3f}"' if k < len(words) else ""
