"""What the commands do: each is a function of the parsed command line that returns its exit code (None is 0).

Here: what they share.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError


def print_json(data: Any, *, lines: bool = False) -> None:
    """Data as strict JSON on stdout. lines: on one line, where others may follow."""
    print(json.dumps(data, ensure_ascii=False, allow_nan=False, indent=None if lines else 2), flush=lines)


def tell(line: str) -> None:
    """A message on stderr."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def bar(label: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr while something long is at work, where stderr is a terminal; a function of the share done."""
    from tqdm import tqdm

    size = shutil.get_terminal_size()  # not 0 where the terminal tells none, for which nothing would be shown
    shape = "{desc} {percentage:3.0f} %|{bar}| {remaining} left"
    options = {"bar_format": shape, "miniters": 0, "disable": None, "leave": False}
    options |= {"ncols": size.columns, "nrows": size.lines}
    with tqdm(total=1.0, desc=label, file=sys.stderr, **options) as shown:
        yield lambda share: shown.update(share - shown.n)


def dataset_folder(given: str) -> Path:
    """The folder of a dataset: named itself, by its JSON file, by a run's folder, or by a run of prepare.

    "latest" is what a training would learn from: the latest run's, or what a finished review made of that.
    Raises ProsodyError if there is no such file or run.
    """
    from prosody.dataset import DATASET_FILE
    from prosody.workflow import record, reviews

    path = Path(given)
    if path.is_file() and path.name == DATASET_FILE:
        return path.parent
    if path.is_file():
        what, remedy = "is not a dataset", "name a dataset's folder; to export a recording, put its TEXT after it"
        raise ProsodyError(path, None, what, remedy)
    if path.is_dir():
        inner = (path, path / "dataset", path / "artifacts" / "dataset", path / "artifacts")
        return next((one for one in inner if (one / DATASET_FILE).is_file()), path)
    if given != "latest" and not given[:1].isdigit():
        raise ProsodyError(path, None, "not found", "name a dataset, a run of prepare, or latest")
    run = record.find(record.runs_folder(), "prepare", given)
    if run is None:
        raise ProsodyError(None, None, "there is no ok run of prepare", "run `make prepare`, or name a dataset")
    prepared = run.artifacts / "dataset"
    found = reviews.reviewed(prepared) if given == "latest" else None
    if found is not None:
        tell(f"the dataset as it was reviewed: {record.shown(found)}; as it was prepared: {run.id}")
    return found or prepared
