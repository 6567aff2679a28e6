"""The notebook that is open in JupyterLab, kept in the record of the run that it made.

The kernel cannot make the page save it: what is kept is the notebook as it was last saved, also when that comes later.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from prosody.errors import ProsodyError
from prosody.files import write_json
from prosody.workflow import scrub

_LOOKED_EVERY_S = 2.0
_followed: dict[str, Path] = {}  # by stage: the run whose notebook is the open one


def follow(folder: Path) -> None:
    """Keep it in the record in `folder` now, and each time that it is saved, until the next run of the stage."""
    stage = folder.parent.name
    _followed[stage] = folder
    if _open() is not None:
        kept = _keep(folder)
        threading.Thread(target=_watch, args=(stage, folder, kept), daemon=True, name=f"notebook of {stage}").start()


def leave(stage: str) -> None:
    """The open notebook begins another run of the stage."""
    _followed.pop(stage, None)


def _watch(stage: str, folder: Path, kept: int | None) -> None:
    while _followed.get(stage) == folder and folder.is_dir():
        if _when_saved() != kept:
            kept = _keep(folder)
        time.sleep(_LOOKED_EVERY_S)


def _keep(folder: Path) -> int | None:
    """Copy it, as last saved, if it is whole; returns when that was, None where it could not be."""
    saved, when = _open(), _when_saved()
    try:
        notebook = json.loads(saved.read_bytes())
        write_json(folder / "notebook.ipynb", scrub.value(notebook), overwrite=True, indent=1)
    except (ProsodyError, OSError, ValueError, AttributeError):  # just being saved, or taken away: the kept one stays
        return None
    return when


def _open() -> Path | None:
    saved = Path(os.environ.get("JPY_SESSION_NAME", ""))
    return saved if saved.is_file() else None


def _when_saved() -> int | None:
    saved = _open()
    with suppress(OSError):
        return saved.stat().st_mtime_ns if saved else None
    return None
