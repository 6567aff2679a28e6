"""Which notebook is which stage. Only the standard library."""

from __future__ import annotations

import re
from pathlib import Path

from prosody.errors import ProsodyError
from prosody.workflow.install import repository

NOTEBOOKS = {
    "segment": "01_segment.ipynb",
    "prepare": "02_prepare.ipynb",
    "train": "03_train_lora.ipynb",
    "generate": "04_generate.ipynb",
}
SWEEP = "sweep"
_OWN = {SWEEP: Path(__file__).parent / "sweep" / "sweep.ipynb"}  # notebooks that lie in the package


def notebook_of(stage: str) -> Path:
    """The notebook of a stage. Raises ProsodyError if it is not there, as in an installation without the clone."""
    path = _OWN.get(stage) or (repository() or Path.cwd()) / "notebooks" / NOTEBOOKS[stage]
    if not path.is_file():
        raise ProsodyError(path, None, "not found", "run this in a clone of the repository")
    return path


def stage_of(notebook: Path) -> str:
    """The stage that a notebook is recorded under: one of the four, or its own name."""
    for stage, name in NOTEBOOKS.items():
        if notebook.name == name:
            return stage
    return re.sub(r"[^A-Za-z0-9_-]+", "_", notebook.stem) or "notebook"
