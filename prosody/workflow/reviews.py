"""Where reviews are kept: a folder for each dataset, by its hash, so that a run made again finds what was reviewed.

In it lie a journal for each reviewer and, each time a review is finished, the dataset that came of it.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prosody import dataset, files
from prosody.dataset import Dataset, Segment
from prosody.errors import ProsodyError
from prosody.review.panel import Review
from prosody.review.session import Session, open_session
from prosody.workflow import record

if TYPE_CHECKING:
    from prosody.speech.sources import Source

FOLDER = "review"
_REVIEWED = "reviewed"
_SHOWN_OF_SHA = 16


def folder_of(data: Path, *, runs: Path | None = None) -> Path:
    """Where a dataset's reviews are kept. data: its folder. runs: the folder of runs (by default the one in use)."""
    sha256 = files.sha256(data / dataset.DATASET_FILE)
    return (runs or record.runs_folder()) / FOLDER / sha256[:_SHOWN_OF_SHA]


def begin(data: Dataset, *, sounds: Sequence[Source], by: str = "", runs: Path | None = None) -> Review:
    """A dataset's review, where its reviewer left it.

    sounds: the recordings, for what is measured and cut again when it is finished. by: who reviews; empty: who is
    logged in. Raises ProsodyError for a name that no file can have, and as `open_session` does.
    """
    name, folder = by.strip() or _who(), folder_of(data.folder, runs=runs)
    if not re.fullmatch(r"[\w][\w .@-]{0,60}", name):
        raise ProsodyError(
            None, "reviewer", f"{name!r} can't be a name", "use letters, digits, and ' .@-_' between them"
        )
    session = open_session(data, folder / f"{name}.jsonl", by=name)
    return Review(data, session, _others(data, session, folder), lambda now: _write(data, now, folder, sounds))


def reviewed(data: Path, *, runs: Path | None = None) -> Path | None:
    """The folder of what a finished review made of a dataset, the latest; None where none was finished."""
    found = _finished(folder_of(data, runs=runs))
    return found[-1] if found else None


def _finished(folder: Path) -> list[Path]:
    there = (path for path in folder.glob(f"{_REVIEWED}-*") if re.fullmatch(rf"{_REVIEWED}-\d+", path.name))
    return sorted((path for path in there if path.is_dir()), key=lambda path: int(path.name.rpartition("-")[2]))


def _write(data: Dataset, session: Session, folder: Path, sounds: Sequence[Source]) -> Path:
    from prosody.review import finish

    number = int(found[-1].name.rpartition("-")[2]) + 1 if (found := _finished(folder)) else 1
    target = folder / f"{_REVIEWED}-{number}"
    finish.save(target, data, session, sounds=sounds, at=record.now())
    return target


def _others(data: Dataset, session: Session, folder: Path) -> dict[str, dict[str, Segment]]:
    """What other reviewers made of the segments; a journal that can't be read is left out."""
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        if path != session.path:
            with suppress(ProsodyError):
                found[path.stem] = dict(open_session(data, path, by=path.stem, to_read=True).segments)
    return found


def _who() -> str:
    try:
        return re.sub(r"[^\w .@-]", "_", getpass.getuser()) or "reviewer"
    except (OSError, KeyError, ImportError):
        return "reviewer"
