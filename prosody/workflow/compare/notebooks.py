"""How the sources of two notebooks differ: cells matched by nbdime, without all that a run puts into them.

Left out are outputs, ids, execution counts, metadata, and the cell of parameters that papermill puts in.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prosody.workflow.imports import without_grammar_of_urls

_INJECTED = "injected-parameters"


@dataclass(frozen=True)
class Cell:
    """A cell that differs. change: "changed", "added" (only in B) or "removed" (only in A); kind: code, markdown, raw.

    number: among all cells of B (of A, where it was removed), from 1. lines: a unified diff without its header.
    """

    change: str
    kind: str
    number: int
    lines: tuple[str, ...]


def sources(notebook: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The cells of a notebook with nothing but their kind and source."""
    cells = notebook.get("cells") if notebook else None
    found = []
    for cell in cells if isinstance(cells, list) else ():
        if isinstance(cell, Mapping) and not _is_injected(cell):
            kind = str(cell.get("cell_type"))
            found.append({"cell_type": kind if kind in ("code", "markdown") else "raw", "source": _text(cell)})
    return found


def compare(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None) -> list[Cell]:
    """The cells whose kind or source differs between two notebooks, in their order."""
    before, after = sources(a), sources(b)
    if before == after:
        return []
    with without_grammar_of_urls():
        from nbdime import diff_notebooks

    ops = next((op.diff for op in diff_notebooks(_notebook(before), _notebook(after)) if op.key == "cells"), [])
    found: list[Cell] = []
    shift = 0  # how much further on a cell of A stands in B
    for op in sorted(ops, key=lambda op: op.key):  # nbdime gives what is added before what is removed at one place
        if op.op == "addrange":
            found += [_cell("added", cell, op.key + shift + k + 1) for k, cell in enumerate(op.valuelist)]
            shift += len(op.valuelist)
        elif op.op == "removerange":
            gone = before[op.key : op.key + op.length]
            found += [_cell("removed", cell, op.key + k + 1) for k, cell in enumerate(gone)]
            shift -= op.length
        elif op.op == "patch":
            found.append(_changed(before[op.key], after[op.key + shift], op.key + shift + 1))
    return found


def _is_injected(cell: Mapping[str, Any]) -> bool:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, Mapping) else None
    return isinstance(tags, list) and _INJECTED in tags


def _text(cell: Mapping[str, Any]) -> str:
    source = cell.get("source")
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""


def _notebook(cells: list[dict[str, Any]]) -> Any:
    """Cells as a notebook that nbdime reads."""
    import nbformat

    made = [{**cell, "metadata": {}} | ({"outputs": []} if cell["cell_type"] == "code" else {}) for cell in cells]
    return nbformat.from_dict({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


def _cell(change: str, cell: Mapping[str, Any], number: int) -> Cell:
    sign = "+" if change == "added" else "-"
    return Cell(change, str(cell["cell_type"]), number, tuple(sign + line for line in cell["source"].splitlines()))


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], number: int) -> Cell:
    sides = [str(one["source"]).splitlines() for one in (before, after)]
    lines = list(difflib.unified_diff(*sides, n=1, lineterm=""))[2:]
    if before["cell_type"] != after["cell_type"]:
        lines.insert(0, f"({before['cell_type']} before)")
    return Cell("changed", str(after["cell_type"]), number, tuple(lines))
