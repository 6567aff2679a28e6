"""Where reviews are kept: a folder for each dataset, by its hash, so that a run made again finds what was reviewed.

In it lie a journal for each reviewer and, each time a review is finished, the dataset that came of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prosody import dataset, files
from prosody.dataset import Dataset, Segment
from prosody.errors import ProsodyError
from prosody.review.panel import Review
from prosody.review.session import Session, open_session
from prosody.workflow import record, scrub

if TYPE_CHECKING:
    from prosody.speech.sources import Source
    from prosody.workflow.stages import Stage

FOLDER = "review"
_REVIEWED, _ABOUT = "reviewed", "about.json"
_SHOWN_OF_SHA = 16
_LONGEST_NAME = 200  # bytes
_SOMEBODY = "reviewer"


def folder_of(data: Path, *, runs: Path | None = None) -> Path:
    """Where a dataset's reviews are kept. data: its folder. runs: the folder of runs (by default the one in use)."""
    sha256 = files.sha256(data / dataset.DATASET_FILE)
    return (runs or record.runs_folder()) / FOLDER / sha256[:_SHOWN_OF_SHA]


def begin(
    data: Dataset, *, sounds: Sequence[Source], by: str = "", to_read: bool = False, runs: Path | None = None
) -> Review:
    """A dataset's review, where its reviewer left it.

    sounds: the recordings, for what is measured and cut again when it is finished. by: who reviews; empty: somebody,
    "reviewer", since nobody's name is written down unasked. to_read: only to look at. Raises ProsodyError for a name
    that no file can have, and as `open_session` does.
    """
    name, folder = unicodedata.normalize("NFC", by.strip() or _SOMEBODY), folder_of(data.folder, runs=runs)
    if not _is_name(name):
        raise ProsodyError(
            None, "reviewer", f"{name!r} can't be a name", "use letters, digits, and ' .@-_' between them"
        )
    journal = folder / f"{name}.jsonl"
    if not by.strip() and not journal.exists():
        journal = _of_login(folder) or journal
    session = open_session(data, journal, by=name, to_read=to_read)
    return Review(
        data,
        session,
        others=lambda: _others(data, session, folder),
        write=lambda now, progress: _write(data, now, folder, sounds, progress),
        note=_elsewhere(data, folder) if not session.entries else "",
    )


def _is_name(name: str) -> bool:
    """Whether it can be a file's name on any system: Windows keeps some for its devices, whatever follows their dot."""
    bare = "".join(c for c in name if not unicodedata.category(c).startswith("M"))  # marks are no \w: Hindi has many
    return (
        len(name) <= 61
        and len(name.encode("utf-8", "replace")) <= _LONGEST_NAME
        and re.fullmatch(r"\w[\w .@-]*", bare) is not None
        and bare[0] == name[0]
        and not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d) *(\..*)?", name)
    )


def reviewed(data: Path, *, runs: Path | None = None) -> Path | None:
    """The folder of what a finished review made of a dataset, the latest; None where none was finished."""
    found = _finished(folder_of(data, runs=runs))
    return found[-1] if found else None


def to_learn_from(run: Stage, data: Path, *, which: str = "latest") -> Dataset:
    """The dataset that a stage reads: as it was prepared, or what a finished review made of that.

    data: the folder of the dataset as it was prepared. which: "latest", the review that was finished last, if there is
    one; "no"; or the name of one, as "reviewed-2". What is taken goes into upstream.json.
    Raises ProsodyError if there is none of that name, and as `dataset.load` does.
    """
    found = chosen(data, which)
    if found is None:
        return dataset.load(data)
    reviewed_data = dataset.load(run.input(found))
    by = reviewed_data.info["parameters"].get("import", {}).get("by", "?")
    path = run.folder / "upstream.json"
    files.write_json(path, {**files.read_json(path), "review": record.shown(found)}, overwrite=True)
    run.log(f"{run.name}: the dataset as {by} reviewed it, {record.shown(found)}")
    return reviewed_data


def chosen(data: Path, which: str, *, runs: Path | None = None) -> Path | None:
    """The folder of the finished review that is meant, None for none.

    data, which, runs: as for `to_learn_from` and `reviewed`. Raises ProsodyError if there is none of that name.
    """
    if which == "no":
        return None
    finished = _finished(folder_of(data, runs=runs))
    if which == "latest":
        return finished[-1] if finished else None
    found = next((path for path in finished if path.name == which), None)
    if found is None:
        there = ", ".join(path.name for path in finished) or "none was finished"
        raise ProsodyError(None, "reviewed", f"{which!r} is no finished review", f"give latest, no, or one of: {there}")
    return found


def every_reviewed(runs: Path) -> list[Path]:
    """The folders of all that finished reviews made, of any dataset. runs: the folder of runs."""
    return [path for folder in sorted((runs / FOLDER).glob("*")) for path in _finished(folder)]


def _finished(folder: Path) -> list[Path]:
    there = [one for one in _numbered(folder) if (one[1] / dataset.DATASET_FILE).is_file()]
    return [path for _, path in sorted(there)]


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    """Whatever has the name of a reviewed dataset, with its number."""
    found = ((re.fullmatch(rf"{_REVIEWED}-([0-9]{{1,9}})", path.name), path) for path in folder.glob(f"{_REVIEWED}-*"))
    return [(int(match[1]), path) for match, path in found if match]


def _write(
    data: Dataset, session: Session, folder: Path, sounds: Sequence[Source], progress: Callable[[float], None]
) -> Path:
    from prosody.review import finish

    number = max((number for number, _ in _numbered(folder)), default=0) + 1
    target = folder / f"{_REVIEWED}-{number}"
    finish.save(target, data, session, sounds=sounds, at=record.now(), progress=progress)
    return target


def _elsewhere(data: Dataset, folder: Path) -> str:
    """In one line, that this recording was reviewed as another dataset: with other parameters it is none of this."""
    if not folder.is_dir():  # nobody writes here yet
        return ""
    told = folder / _ABOUT
    if not told.exists():
        files.write_json(told, {"source_sha256": data.info["source_sha256"]})
    for other in sorted(folder.parent.glob(f"*/{_ABOUT}")):
        with suppress(ProsodyError, AttributeError):
            is_same = files.read_json(other).get("source_sha256") == data.info["source_sha256"]
            if is_same and other.parent != folder and any(other.parent.glob("*.jsonl")):
                return "This recording was reviewed before, as a dataset of other parameters; that review is kept."
    return ""


def _others(data: Dataset, session: Session, folder: Path) -> dict[str, dict[str, Segment]]:
    """What other reviewers made of the segments; a journal that can't be read is left out."""
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        if not (path == session.path or (session.path.exists() and path.samefile(session.path))):
            with suppress(ProsodyError):
                found[path.stem] = dict(open_session(data, path, by=path.stem, to_read=True).segments)
    return found


def _of_login(folder: Path) -> Path | None:
    """The journal that goes by the login name, as the default was once; what is done in it now names nobody."""
    name = re.sub(r"[^\w .@-]", "_", scrub.user())
    journal = folder / f"{name}.jsonl"
    return journal if name and journal.is_file() else None
