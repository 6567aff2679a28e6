"""Facts as tables: a metrics file of any shape, parameters, lists of files."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prosody.markers import BY_TOKEN
from prosody.notebook.show import marker_html


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table of plain values, everything in it escaped, the first column heading the rows; "" without rows."""
    columns = "".join(f'<th scope="col">{escaped(name)}</th>' for name in head)
    body = "".join(_row(row) for row in rows)
    if not body:
        return ""
    thead = f"<thead><tr>{columns}</tr></thead>" if head else ""
    kind = "facts" if head else "facts pairs"
    return (
        f'<div class="wide" role="group" aria-label="{escaped(caption)}" tabindex="0"><table class="{kind}">'
        f"<caption>{escaped(caption)}</caption>{thead}<tbody>{body}</tbody></table></div>"
    )


def metrics_tables(metrics: Mapping[str, Any]) -> str:
    """A metrics file: single figures in one table, each group of figures in one of its own."""
    single = [(words(name), value) for name, value in metrics.items() if not isinstance(value, Mapping)]
    parts = [table("Single figures", (), single)]
    for name, group in metrics.items():
        if not isinstance(group, Mapping) or not group:
            continue
        inner = [value for value in group.values() if isinstance(value, Mapping)]
        if len(inner) == len(group) and inner[0]:
            columns = list(dict.fromkeys(str(key) for value in inner for key in value))
            rows = [(words(key), *(value.get(column) for column in columns)) for key, value in group.items()]
            parts.append(table(words(name), ["of", *map(words, columns)], rows))
        else:
            parts.append(table(words(name), (), [(words(key), value) for key, value in group.items()]))
    return beside(parts)


def beside(tables: Iterable[str]) -> str:
    """Small tables beside each other, as many as there is room for."""
    inner = "\n".join(filter(None, tables))
    return f'<div class="beside">{inner}</div>' if inner else ""


def words(name: Any) -> str:
    """A key as words: `loss_val` as "loss val"; markers as they are."""
    name = str(name)
    return name if name.startswith("<") else name.replace("_", " ")


def shown(value: Any) -> str:
    """A value as people read it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, (list, tuple)) and all(not isinstance(one, (list, tuple, Mapping)) for one in value):
        return ", ".join(shown(one) for one in value) or "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def escaped(value: Any) -> str:
    """Text for an element or an attribute; what cannot be seen is shown as an escape."""
    text = "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in str(value))
    return html.escape(text, quote=True)


def _row(row: Sequence[Any]) -> str:
    first, *rest = row
    cells = "".join(f"<td{_kind(value)}>{escaped(shown(value))}</td>" for value in rest)
    head = marker_html(first) if isinstance(first, str) and first in BY_TOKEN else escaped(first)
    return f'<tr><th scope="row">{head}</th>{cells}</tr>'


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return ' class="hash"' if re.fullmatch("[0-9a-f]{40,64}", value) else ""
    return ' class="number"' if isinstance(value, (int, float)) and not isinstance(value, bool) else ""
