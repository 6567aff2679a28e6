"""HTML and Markdown from data, made harmless: known elements stay, everything else is shown as the text it is.

Markdown is read by mistune, with raw HTML in it escaped; HTML goes through bleach. Nothing that is left can run, or
fetch anything: sound and pictures only as data inside the page, links only to http, https and mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import mistune
from bleach.css_sanitizer import CSSSanitizer
from bleach.html5lib_shim import Filter
from bleach.sanitizer import Cleaner

_TAGS = set(
    re.findall(
        r"\w+",
        "div p b strong em i u span br sub sup ul ol li dl dt dd pre code samp small mark del blockquote hr figure "
        "figcaption audio img a table thead tbody tfoot tr th td details summary",
    )
)
_HEADINGS = {f"h{level}" for level in range(2, 7)}
_COMMON = {"title", "dir", "lang", "role", "aria-label", "colspan", "rowspan", "scope"}
_AUDIO = re.compile(r"data:audio/(mpeg|wav|x-wav|ogg|flac|mp4);base64,[A-Za-z0-9+/=\s]*")
_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")
_LINK = re.compile(r"(https?://|mailto:)[^\s]*", re.IGNORECASE)
_CSS = re.findall(
    r"[\w-]+",
    "text-align vertical-align line-height white-space font font-size font-weight font-family font-style color "
    "background background-color border border-radius border-left border-bottom border-collapse opacity margin "
    "margin-left margin-right margin-top margin-bottom padding padding-left padding-right width height max-width "
    "min-width display gap flex-wrap align-items text-decoration letter-spacing",
)
_FETCHES = re.compile(r"url|image|src|\\", re.IGNORECASE)  # a style that would, and escapes that could hide it
_STYLE = re.compile(r"<style\b.*?</style\s*>", re.IGNORECASE | re.DOTALL)  # it could dress the whole page


def html(source: str, caption: str) -> str:
    """HTML that a cell gave out, harmless. caption: what its tables are called by those who do not see them."""
    return _cleaner(False, caption).clean(_STYLE.sub("", source))


class Prose:
    """Markdown as harmless HTML, cell after cell; headings go down from `top` one by one, whatever their marks say."""

    def __init__(self, top: int) -> None:
        self._renderer = _Renderer(top)
        self._markdown = mistune.create_markdown(renderer=self._renderer, plugins=["table", "strikethrough"])

    @property
    def heading(self) -> str:
        """The last heading, as plain text."""
        return self._renderer.heading_text

    def html(self, source: str) -> str:
        """One cell's Markdown."""
        return _cleaner(True, self.heading).clean(str(self._markdown(source)))


class _Renderer(mistune.HTMLRenderer):
    """Escapes raw HTML; links that lead nowhere from this page, and pictures, are shown by their words."""

    def __init__(self, top: int) -> None:
        super().__init__(escape=True)
        self._top, self._last, self.heading_text = top, top - 1, ""

    def heading(self, text: str, level: int, **_: Any) -> str:
        self._last = min(self._last + 1, max(self._top, self._top + level - 1), 6)
        self.heading_text = re.sub(r"<[^>]*>", "", text)
        return f"<h{self._last}>{text}</h{self._last}>\n"

    def link(self, text: str, url: str, title: str | None = None) -> str:
        return super().link(text, url, title) if _LINK.fullmatch(url) else f"{text} ({self.text(url)})"

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return f"[{text or self.text(title or 'picture')}]"


class _Captions(Filter):
    """Names every table for those who do not see it, and says of heads that they head columns."""

    caption = ""

    def __iter__(self) -> Iterator[dict]:
        open_head = False
        for token in Filter.__iter__(self):
            kind, name = token["type"], token.get("name")
            if name == "thead":
                open_head = kind == "StartTag"
            if kind == "StartTag" and name == "th" and open_head:
                token["data"].setdefault((None, "scope"), "col")
            yield token
            if kind == "StartTag" and name == "table":
                unseen = {(None, "class"): "unseen"}
                yield {"type": "StartTag", "name": "caption", "namespace": token.get("namespace"), "data": unseen}
                yield {"type": "Characters", "data": self.caption or "Table"}
                yield {"type": "EndTag", "name": "caption", "namespace": token.get("namespace"), "data": {}}


@cache
def _cleaner(headings: bool, caption: str) -> Cleaner:
    named = type("Captions", (_Captions,), {"caption": caption})
    tags = _TAGS | (_HEADINGS if headings else set())
    css = CSSSanitizer(allowed_css_properties=_CSS)
    protocols = {"http", "https", "mailto", "data"}
    return Cleaner(tags=tags, attributes=_allowed, css_sanitizer=css, protocols=protocols, filters=[named])


def _allowed(tag: str, name: str, value: str) -> bool:
    """Whether an element keeps an attribute."""
    if name == "style":
        return _FETCHES.search(value) is None
    if name in _COMMON or (tag, name) in {("audio", "controls"), ("img", "alt"), ("img", "width"), ("ol", "start")}:
        return True
    pattern = {("audio", "src"): _AUDIO, ("img", "src"): _IMAGE, ("a", "href"): _LINK}.get((tag, name))
    return pattern is not None and pattern.fullmatch(value) is not None
