"""A notebook's own text: its cells without what executing them left behind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import read_json
from prosody.workflow import scrub

INJECTED = "injected-parameters"
_OF_PAPERMILL = "papermill"


def bare(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook as it was before it was executed: no outputs or counts, none of papermill's cells and notes."""
    found = deepcopy(dict(notebook))
    found.get("metadata", {}).pop(_OF_PAPERMILL, None)
    found["cells"] = [cell for cell in found["cells"] if not _is_added(cell)]
    for cell in found["cells"]:
        cell.get("metadata", {}).pop(_OF_PAPERMILL, None)
        if cell.get("cell_type") == "code":
            cell.update(outputs=[], execution_count=None)
    return found


def read(path: Path) -> dict[str, Any]:
    """The bare text of a notebook's file. Raises ProsodyError if it is no notebook."""
    notebook = read_json(path)
    try:
        return bare(notebook)
    except (TypeError, KeyError, AttributeError, ValueError):
        raise ProsodyError(path, None, "is no notebook", "give a .ipynb file") from None


def text_sha256(notebook: Mapping[str, Any]) -> str:
    """One hash of what the cells say, in their order, whatever else the file holds."""
    cells = [[cell.get("cell_type"), "".join(cell.get("source", "")), _tags(cell)] for cell in bare(notebook)["cells"]]
    return hashlib.sha256(json.dumps(scrub.value(cells)).encode()).hexdigest()


def _tags(cell: Mapping[str, Any]) -> list[str]:
    return sorted(str(tag) for tag in cell.get("metadata", {}).get("tags", ()))


def _is_added(cell: Mapping[str, Any]) -> bool:
    """Whether papermill put this cell in: the parameters given, or where to find the error."""
    tags = _tags(cell)
    return INJECTED in tags or any(tag.startswith("papermill-error") for tag in tags)
