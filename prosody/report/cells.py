"""The executed notebook as HTML: its prose, its code folded away, its outputs in order, its figures as data."""

from __future__ import annotations

import base64
import binascii
import html
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prosody.report import safe

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BAR = re.compile(r"^(.{0,60}?):? +\d+ ?%\|")  # tqdm's
_PLOTLY = "application/vnd.plotly.v1+json"
_WIDGET = "application/vnd.jupyter.widget-view+json"
_FOLDED_FROM = 24  # lines of printed text


@dataclass
class Figures:
    """The figures of a page in order, each to be drawn in the element that `place` made for it."""

    data: list[dict[str, Any]] = field(default_factory=list)

    def place(self, figure: Any, name: str) -> str:
        """The element that a figure is drawn in; what it is if it is none."""
        if not isinstance(figure, Mapping) or not isinstance(figure.get("data"), list):
            return '<p class="note">A figure stood here; it is damaged.</p>'
        layout = figure.get("layout")
        layout = layout if isinstance(layout, Mapping) else {}
        self.data.append(_without_addresses({"data": figure["data"], "layout": layout}))
        title = layout.get("title")
        label = title.get("text") if isinstance(title, Mapping) else title
        label = html.escape(html.unescape(str(label)) if label else name or "Figure", quote=True)
        height = layout.get("height")
        height = height if isinstance(height, (int, float)) and 50 <= height <= 5000 else 450
        box = f'<div class="plot" id="plot-{len(self.data) - 1}" style="min-height:{height:.0f}px"></div>'
        return f'<figure class="drawn" aria-label="{label}">{box}</figure>'

    def script_data(self) -> str:
        """All of them as JSON that can stand in a script element."""
        text = json.dumps(self.data, ensure_ascii=True, separators=(",", ":"))
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def notebook_html(notebook: Mapping[str, Any], figures: Figures) -> str:
    """A notebook's cells as HTML, with headings from the third level down. figures: takes what is to be drawn."""
    prose, parts = safe.Prose(top=3), []
    for number, cell in enumerate(notebook["cells"], 1):
        if not isinstance(cell, Mapping):
            continue
        source = _text(cell.get("source"))
        if cell.get("cell_type") == "markdown":
            parts.append(f'<div class="prose">{prose.html(source)}</div>')
        elif cell.get("cell_type") == "code":
            outputs = cell.get("outputs")
            shown = outputs_html(outputs if isinstance(outputs, list) else [], prose.heading, figures)
            parts.append(_code(cell, number, source) + shown)
        else:
            parts.append(_pre(source))
    return "\n".join(parts)


def outputs_html(outputs: Iterable[Any], name: str, figures: Figures) -> str:
    """A cell's outputs in order. name: the heading that they stand under."""
    parts = []
    valid = [output for output in outputs if isinstance(output, Mapping)]
    for stream, group in itertools.groupby(valid, lambda one: one.get("output_type") == "stream"):
        if stream:
            parts.append(_printed("".join(_text(one.get("text")) for one in group)))
        else:
            parts += [_error(one) if one.get("output_type") == "error" else _shown(one, name, figures) for one in group]
    return "\n".join(filter(None, parts))


def _without_addresses(value: Any) -> Any:
    """A figure without the addresses of pictures that it would fetch."""
    if isinstance(value, Mapping):
        kept = {k: v for k, v in value.items() if k != "source" or not isinstance(v, str) or v.startswith("data:")}
        return {str(k): _without_addresses(v) for k, v in kept.items()}
    return [_without_addresses(one) for one in value] if isinstance(value, list) else value


def _code(cell: Mapping[str, Any], number: int, source: str) -> str:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, Mapping) else None
    tags = tags if isinstance(tags, list) else []
    what = "Parameters" if "parameters" in tags else "Parameters as given" if "injected-parameters" in tags else "Code"
    return f'<details class="code"><summary>{what}, cell {number}</summary>{_pre(source, "code")}</details>'


def _shown(output: Mapping[str, Any], name: str, figures: Figures) -> str:
    """One displayed output, in the richest form that can stand in a page of its own."""
    data = output.get("data")
    data = data if isinstance(data, Mapping) else {}
    if _PLOTLY in data:
        return figures.place(data[_PLOTLY], name)
    if _WIDGET in data:
        text = _text(data.get("text/plain"))
        is_bar = _BAR.match(text) or "HBox" in text  # a progress bar, which says nothing any more
        return "" if is_bar else '<p class="note">A panel stood here, which lives in JupyterLab only.</p>'
    if "text/html" in data:
        label = html.escape(name or "Output", quote=True)
        inner = safe.html(_text(data["text/html"]), name)
        return f'<div class="output" role="group" aria-label="{label}" tabindex="0">{inner}</div>'
    for kind in ("image/png", "image/jpeg", "image/svg+xml"):
        if kind in data and (encoded := _picture(kind, _text(data[kind]))):
            return f'<img class="picture" alt="{html.escape(name or "Picture", quote=True)}" src="{encoded}">'
    if "text/markdown" in data:
        return f'<div class="prose">{safe.Prose(top=4).html(_text(data["text/markdown"]))}</div>'
    return _printed(_text(data.get("text/plain")))


def _picture(kind: str, text: str) -> str:
    """A picture's address with its data inside, "" if it is damaged. SVG as a picture can run nothing."""
    try:
        raw = text.encode() if kind == "image/svg+xml" else base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return f"data:{kind};base64,{base64.b64encode(raw).decode('ascii')}"


def _error(output: Mapping[str, Any]) -> str:
    trace = output.get("traceback")
    lines = [_plain(_text(part)) for part in trace] if isinstance(trace, list) else []
    line = html.escape(f"{_text(output.get('ename'))}: {_text(output.get('evalue'))}")
    folded = f"<details><summary>Where it came from</summary>{_pre(chr(10).join(lines))}</details>" if lines else ""
    return f'<div class="error"><p><strong>The cell failed.</strong> {line}</p>{folded}</div>'


def _printed(text: str) -> str:
    """Printed text: of a bar its last state, long texts folded."""
    lines: list[str] = []
    for line in _plain(text).split("\n"):
        line = line.rstrip("\r").rpartition("\r")[2].rstrip()
        bar, before = _BAR.match(line), _BAR.match(lines[-1]) if lines else None
        if bar and before and bar[1] == before[1]:
            lines[-1] = line
        elif line or (lines and lines[-1]):
            lines.append(line)
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return ""
    whole = _pre("\n".join(lines))
    if len(lines) <= _FOLDED_FROM:
        return whole
    head = _pre("\n".join(lines[:6]))
    return f"{head}<details><summary>All {len(lines)} lines</summary>{whole}</details>"


def _pre(text: str, kind: str = "printed") -> str:
    return f'<pre class="{kind}" tabindex="0">{html.escape(_plain(text))}</pre>' if text else ""


def _plain(text: str) -> str:
    return _CONTROL.sub("\ufffd", _ANSI.sub("", text))


def _text(value: Any) -> str:
    """Text as notebooks store it: one string, or a list of lines."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else "" if value is None else str(value)
