"""What there is of a run, however it ended: its record read file by file, and what is missing or damaged named."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError, one_line
from prosody.files import read_json, read_text
from prosody.workflow import record

_LONGEST_LOG = 400_000  # characters of it, its end


@dataclass(frozen=True)
class Contents:
    """A run as far as it can be read. trouble: what is missing or damaged, a line each; it grows while a page is made.

    state: as in the record, or "unknown". notebook: as stored (nbformat 4), None if there is none.
    """

    folder: Path
    state: str
    status: Mapping[str, Any]
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    machine: Mapping[str, Any]
    git: Mapping[str, Any]
    upstream: Mapping[str, Any]
    inputs: list[Mapping[str, Any]]
    outputs: list[Mapping[str, Any]]
    packages: str
    log: str
    notebook: Mapping[str, Any] | None
    trouble: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def stage(self) -> str:
        return self.folder.parent.name

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"


def read(folder: Path) -> Contents:
    """Read all there is of a run; nothing of it need be whole."""
    trouble: list[str] = []
    try:
        status = record.read(folder).status
    except ProsodyError as error:
        status = {}
        trouble.append(_told("status.json", error))
    notebook = _json(folder, "notebook.ipynb", dict, trouble) or None
    if notebook is not None and not isinstance(notebook.get("cells"), list):
        trouble.append("notebook.ipynb: has no cells")
        notebook = None
    lists = {name: _entries(folder, f"{name}.json", trouble) for name in ("inputs", "outputs")}
    names = ("params", "metrics", "machine", "git", "upstream")
    contents = Contents(
        folder=folder,
        state=str(status.get("status", "unknown")),
        status=status,
        **{name: _json(folder, f"{name}.json", dict, trouble) for name in names},
        **lists,
        packages=_text(folder, "packages.txt", trouble),
        log=_text(folder, "log.txt", trouble),
        notebook=notebook,
        trouble=trouble,
    )
    trouble += _gone(contents)
    return contents


def inside(folder: Path, name: Any) -> Path | None:
    """The file of that name in `folder`, or None where the name leads out of it or is no name."""
    if not isinstance(name, str) or not name or "\0" in name:
        return None
    try:
        path = (folder / name).resolve()
    except (OSError, RuntimeError, ValueError):  # half a pair of surrogates, or a link that leads to itself
        return None
    return path if path.is_relative_to(folder.resolve()) else None


def _json(folder: Path, name: str, kind: type, trouble: list[str]) -> Any:
    """The data of one file of the record; empty, and noted, if it cannot be read or is of another kind."""
    try:
        data = read_json(folder / name)
    except ProsodyError as error:
        trouble.append(_told(name, error))
        return kind()
    if not isinstance(data, kind):
        trouble.append(f"{name}: is not what a run writes there")
        return kind()
    return data


def _entries(folder: Path, name: str, trouble: list[str]) -> list[Mapping[str, Any]]:
    return [entry for entry in _json(folder, name, list, trouble) if isinstance(entry, Mapping)]


def _text(folder: Path, name: str, trouble: list[str]) -> str:
    try:
        text = read_text(folder / name)
    except ProsodyError as error:
        trouble.append(_told(name, error))
        return ""
    return text if len(text) <= _LONGEST_LOG else "…" + text[-_LONGEST_LOG:]


def _told(name: str, error: ProsodyError) -> str:
    return one_line(": ".join(part for part in (name, error.where, error.what) if part))


def _gone(contents: Contents) -> list[str]:
    """Outputs of the record that are no longer there, or of another size."""
    told = []
    for entry in contents.outputs:
        name, size = str(entry.get("path")), entry.get("bytes")
        if name.startswith("artifacts/checkpoints/"):  # the next training takes them away
            continue
        path = record.located(name, contents.folder)
        if not os.path.isfile(path):
            told.append(one_line(f"{name}: is no longer there"))
        elif isinstance(size, int) and path.stat().st_size != size:
            told.append(one_line(f"{name}: was changed since ({path.stat().st_size:,} bytes, {size:,} then)"))
    return told if len(told) <= 12 else [*told[:12], f"and {len(told) - 12} outputs more"]
