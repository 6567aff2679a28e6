"""A run that was asked for before: same code, same notebook, same parameters, same inputs, and its outputs still whole.

What is compared is in the guide: the package's files by one hash, the installed packages, Python and the kind of
machine, the notebook's text, every parameter ("latest" by what it means), every input by its hash where it lies, every
output by its hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import read_json, read_text, sha256
from prosody.workflow import parameters as parameter_cells
from prosody.workflow import pinned, record, scrub, source_text
from prosody.workflow.install import repository
from prosody.workflow.machine import machine, packages
from prosody.workflow.notebooks import stage_of
from prosody.workflow.source_code import package_sha256

TOLD = "code, data and parameters are those of an earlier run, which is taken"
_OF_MACHINE = ("cpu", "gpu", "os", "machine", "python")
_NOT_COMPARED = ("interactive",)
CONTENTS = "contents"
"""In a run's status: by parameter, the hash of what it names, where nobody would know that otherwise."""
_MOST_FILES = 1000  # of a folder that a parameter names
_WORKING_FILES = "artifacts/checkpoints/"  # the next training takes them away


def find(path: Path, given: Mapping[str, Any], *, runs: Path) -> record.Run | None:
    """The latest ok run that is what running this notebook now would be; None if there is none.

    path: the notebook. given: its parameters (text is read as their type). runs: the folder of runs.
    Raises ProsodyError for a notebook that cannot be read, or a parameter it does not have.
    """
    return find_each(path, [given], runs=runs)[0]


def find_each(path: Path, points: Sequence[Mapping[str, Any]], *, runs: Path) -> list[record.Run | None]:
    """What `find` finds, for many sets of parameters of one notebook. Raises as `find` does."""
    known = parameter_cells.of_notebook(path)
    defaults = {parameter.name: parameter.default for parameter in known}
    asked = [defaults | parameter_cells.checked(path, known, given) for given in points]
    done = [run for run in record.runs(runs, stage_of(path)) if run.state == "ok"]
    candidates = [run for run in done if run.status.get("how") == "headless"]  # of others nobody knows what cells ran
    if not candidates:
        return [None] * len(points)
    by_values: dict[str, list[record.Run]] = {}
    for run in reversed(candidates):
        by_values.setdefault(_key(_recorded(run)), []).append(run)
    here = _Here(source_text.text_sha256(read_json(path)))
    found: list[record.Run | None] = []
    for one in asked:
        try:
            values = record.plain(_compared(pinned.now(scrub.parameters(one), runs=runs)))
        except ProsodyError:  # a run that is asked for is not there: running the notebook will say so
            found.append(None)
            continue
        found.append(next((run for run in by_values.get(_key(values), ()) if _is_same(run, values, here)), None))
    return found


def _recorded(run: record.Run) -> dict[str, Any] | None:
    """The parameters that a run had, with what "latest" meant; None where that cannot be read."""
    try:
        params, upstream = (read_json(run.folder / f"{name}.json") for name in ("params", "upstream"))
        return record.plain(_compared(pinned.recorded(params, upstream)))
    except (ProsodyError, KeyError, TypeError, AttributeError, ValueError):
        return None


def _key(values: Mapping[str, Any] | None) -> str:
    return json.dumps(values, sort_keys=True)


class _Here:
    """What a run would be of, now, beside its parameters. text: the hash of the notebook's text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.package, self.packages = package_sha256(repository()), packages()
        here = machine()
        self.machine = [here[name] for name in _OF_MACHINE]
        self._contents: dict[Path, str | None] = {}

    def content(self, path: Path) -> str | None:
        """The hash of what lies in a file or folder."""
        if path not in self._contents:
            self._contents[path] = _content(path)
        return self._contents[path]


def _is_same(run: record.Run, values: Mapping[str, Any], here: _Here) -> bool:
    """Whether a run with these parameters is what is asked for; what cannot be read of its record makes it another."""
    try:
        git, its = (read_json(run.folder / f"{name}.json") for name in ("git", "machine"))
        return (
            git["package_sha256"] == here.package
            and [its[name] for name in _OF_MACHINE] == here.machine
            and read_text(run.folder / "packages.txt").splitlines() == here.packages
            and source_text.text_sha256(read_json(run.folder / "notebook.ipynb")) == here.text
            and not _unknown(values, run, here)
            and not any(changed(run, "inputs"))
            and not any(changed(run, "outputs"))
        )
    except (ProsodyError, KeyError, TypeError, AttributeError, ValueError):
        return False


def _compared(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _NOT_COMPARED}


def _unknown(values: Mapping[str, Any], run: record.Run, here: _Here) -> list[str]:
    """Parameters that name a file or folder whose content the record doesn't hold, as a base model's.

    A sweep writes the hash of such content into the status of its runs.
    """
    held = {str(record.located(str(entry["path"]), run.folder)) for entry in read_json(run.folder / "inputs.json")}
    noted = run.status.get(CONTENTS)
    noted = noted if isinstance(noted, Mapping) else {}
    return [
        name
        for name, path in _named(values).items()
        if not any(Path(one).is_relative_to(path) for one in held)
        and (noted.get(name) is None or noted[name] != here.content(path))
    ]


def contents(values: Mapping[str, Any], known: dict[Path, str | None]) -> dict[str, str]:
    """The hash of what lies in each file or folder that a parameter names.

    known: hashes by path, added to here. Raises ProsodyError if a file cannot be read.
    """
    found = {}
    for name, path in _named(values).items():
        if path not in known:
            known[path] = _content(path)
        if known[path] is not None:
            found[name] = known[path]
    return found


def _named(values: Mapping[str, Any]) -> dict[str, Path]:
    """The files and folders that parameters name, by the parameter."""
    found = {}
    for name, value in values.items():
        with suppress(OSError, ValueError, RuntimeError):
            path = Path(value).expanduser() if isinstance(value, str) and value else None
            there = path and next((one for one in (path, record.root() / path) if one.exists()), None)
            if there:
                found[name] = there.resolve()
    return found


def _content(path: Path) -> str | None:
    """One hash of a file, or of a folder's files with their names; None where there are too many."""
    if path.is_file():
        return sha256(path)
    files = sorted(islice((one for one in path.rglob("*") if one.is_file()), _MOST_FILES + 1))
    if len(files) > _MOST_FILES:
        return None
    digest = hashlib.sha256()
    for one in files:
        digest.update(f"{one.relative_to(path).as_posix()} {sha256(one)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _is_of_a_file(entry: Any) -> bool:
    return isinstance(entry, Mapping) and all(isinstance(entry.get(name), str) for name in ("path", "sha256"))


def changed(run: record.Run, which: str) -> Iterator[str]:
    """Inputs or outputs of a run that are not what they were, a line each: gone, or another content.

    which: "inputs" or "outputs". Raises ProsodyError if that file of the record cannot be read.
    """
    entries = read_json(run.folder / f"{which}.json")
    if not isinstance(entries, list) or not all(_is_of_a_file(entry) for entry in entries):
        raise ProsodyError(run.folder / f"{which}.json", None, "is not what a run writes there", "make a new run")
    for entry in entries:
        name = str(entry["path"])
        if which == "outputs" and name.startswith(_WORKING_FILES):
            continue
        path = record.located(name, run.folder)
        if not path.is_file():
            yield f"{name} is gone"
        elif path.stat().st_size != entry.get("bytes") or sha256(path) != entry["sha256"]:
            yield f"{name} is not what it was (sha256 {entry['sha256'][:12]}… then)"
