"""Marked text with its markers in colour: as HTML for notebooks, with ANSI colours for terminals."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from prosody import markers
from prosody.markers import BY_TOKEN, MarkedText, MarkedWord

if TYPE_CHECKING:
    from IPython.display import HTML

_WHITE_READS_BELOW = 1.05 / 4.5 - 0.05  # luminance of a ground: white on it has a contrast of 4.5 there


def marked_html(marked: str | MarkedText) -> str:
    """Marked text as one HTML block, each marker a label in its colour, its meaning as a tooltip; all text is escaped.

    Raises ProsodyError if `marked` is a string that does not parse.
    """
    marked = _parsed(marked)
    chunks = []
    for word in marked.words:
        chunks += [marker_html(token) for token in word.markers]
        acted_on = any(BY_TOKEN[token].kind != "pause" for token in word.markers)
        chunks.append(f"<b>{html.escape(word.text)}</b>" if acted_on else html.escape(word.text))
    if marked.final:
        chunks.append(marker_html(marked.final))
    return f'<div dir="auto" style="line-height:1.7">{" ".join(chunks)}</div>'


def side_by_side(words: Sequence[str], ways: Mapping[str, Sequence[Sequence[str]]]) -> HTML:
    """The same words, marked in several ways, below each other. ways: title → the markers of each word."""
    from IPython.display import HTML

    blocks = []
    for title, slots in ways.items():
        marked = MarkedText(tuple(MarkedWord(w, markers.canonical(m)) for w, m in zip(words, slots, strict=True)), None)
        blocks.append(f"<p><b>{html.escape(title)}</b></p>{marked_html(marked)}")
    return HTML("".join(blocks))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: Iterable[int] = (), note: str = "") -> HTML:
    """A table that needs no script. rows: cells as HTML. left: columns, beside the first, not aligned right."""
    from IPython.display import HTML

    left = {0, *left} if not left else set(left)

    def cells(tag: str, row: Sequence[str]) -> str:
        styled = ("left" if i in left else "right" for i in range(len(row)))
        return "".join(f'<{tag} style="text-align:{side}">{c}</{tag}>' for side, c in zip(styled, row, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table>" if body else ""
    return HTML(f"<div>{f'<p>{html.escape(note)}</p>' if note else ''}{table}</div>")


def marked_ansi(marked: str | MarkedText, *, color: bool = True) -> str:
    """Marked text as one line for a terminal, its markers in colour if `color`; control characters are escaped.

    Raises ProsodyError if `marked` is a string that does not parse.
    """
    marked = _parsed(marked)
    chunks = []
    for word in marked.words:
        chunks += [_marker_ansi(token, color) for token in word.markers]
        chunks.append(_harmless(word.text))
    if marked.final:
        chunks.append(_marker_ansi(marked.final, color))
    return " ".join(chunks)


def _parsed(marked: str | MarkedText) -> MarkedText:
    return markers.parse(marked) if isinstance(marked, str) else marked


def marker_html(token: str) -> str:
    """One marker as a label in its colour, its meaning as a tooltip."""
    marker = BY_TOKEN[token]
    style = (
        f"background:{marker.color};color:{ink(token)};border-radius:3px;padding:0 0.3em 0.15em;font:0.8em monospace"
    )
    return f'<span style="{style}" title="{html.escape(marker.meaning)}">{html.escape(token)}</span>'


def ink(token: str) -> str:
    """The colour of text on a marker's colour, white or black: whichever reads at a contrast of 4.5 and more."""
    return "#fff" if _luminance(BY_TOKEN[token].color) < _WHITE_READS_BELOW else "#000"


def _luminance(color: str) -> float:
    """Relative luminance of a hex colour, 0..1, as WCAG 2 reckons it."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _marker_ansi(token: str, color: bool) -> str:
    if not color:
        return token
    red, green, blue = (int(BY_TOKEN[token].color[i : i + 2], 16) for i in (1, 3, 5))
    return f"\x1b[38;2;{red};{green};{blue}m{token}\x1b[0m"


def _harmless(text: str) -> str:
    """Control characters as escapes, so that a word cannot steer the terminal; joiners and marks stay as they are."""
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)
