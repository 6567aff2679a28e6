"""Tiny notebooks, one for each way to go, and a folder for their runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

PARAMETERS = """\
epochs: int = 3  # passes over the text
rate: float = 0.1
audio: str | None = None  # a recording
names: list[str] = ["a"]
interactive: bool = True
"""


@pytest.fixture
def notebook(tmp_path: Path) -> Callable[..., Path]:
    """Write a notebook: a heading, the parameters cell, then a code cell for each source."""

    def write(*sources: str, name: str = "01_segment.ipynb", parameters: str | None = PARAMETERS) -> Path:
        cells = [nbformat.v4.new_markdown_cell("# First heading")]
        if parameters is not None:
            cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        cells += [nbformat.v4.new_code_cell(source) for source in sources]
        path = tmp_path / name
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return path

    return write


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of runs, which every part of the package then uses."""
    folder = tmp_path / "runs"
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(folder))
    monkeypatch.delenv("PROSODY_RUN_DIR", raising=False)
    return folder
