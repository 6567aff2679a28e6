"""A run that was asked for before: same code, same notebook, same parameters, same inputs, and its outputs still whole.

What is compared is in the guide: the package's files by one hash, the installed packages, Python and the kind of
machine, the notebook's text, every parameter ("latest" by what it means), every input by its hash where it lies, every
output by its hash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
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
_WORKING_FILES = "artifacts/checkpoints/"  # the next training takes them away


def find(path: Path, given: Mapping[str, Any], *, runs: Path) -> record.Run | None:
    """The latest ok run that is what running this notebook now would be; None if there is none.

    path: the notebook. given: its parameters (text is read as their type). runs: the folder of runs.
    Raises ProsodyError for a notebook that cannot be read, or a parameter it does not have.
    """
    known = parameter_cells.of_notebook(path)
    asked = {parameter.name: parameter.default for parameter in known} | parameter_cells.checked(path, known, given)
    candidates = [run for run in record.runs(runs, stage_of(path)) if run.state == "ok"]
    if not candidates:
        return None
    try:
        values = _compared(pinned.now(scrub.parameters(asked), runs=runs))
    except ProsodyError:  # a run that is asked for is not there: running the notebook will say so
        return None
    asked_for = _Asked(values, source_text.text_sha256(read_json(path)))
    return next((run for run in reversed(candidates) if _is_same(run, asked_for)), None)


class _Asked:
    """What a run would be of, now."""

    def __init__(self, values: Mapping[str, Any], text: str) -> None:
        self.values, self.text = record.plain(values), text
        self.package, self.packages = package_sha256(repository()), packages()
        here = machine()
        self.machine = [here[name] for name in _OF_MACHINE]


def _is_same(run: record.Run, asked: _Asked) -> bool:
    """Whether a run is what is asked for; anything of its record that cannot be read makes it another."""
    try:
        part = {name: read_json(run.folder / f"{name}.json") for name in ("params", "upstream", "git", "machine")}
        return (
            part["git"]["package_sha256"] == asked.package
            and record.plain(_compared(pinned.recorded(part["params"], part["upstream"]))) == asked.values
            and [part["machine"][name] for name in _OF_MACHINE] == asked.machine
            and read_text(run.folder / "packages.txt").splitlines() == asked.packages
            and source_text.text_sha256(read_json(run.folder / "notebook.ipynb")) == asked.text
            and not _unknown(asked.values, run)
            and not any(changed(run, "inputs"))
            and not any(changed(run, "outputs"))
        )
    except (ProsodyError, KeyError, TypeError, AttributeError, ValueError):
        return False


def _compared(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _NOT_COMPARED}


def _unknown(values: Mapping[str, Any], run: record.Run) -> list[str]:
    """Parameters that name a file or folder whose content the record doesn't hold, as a base model's."""
    held = {str(record.located(str(entry["path"]), run.folder)) for entry in read_json(run.folder / "inputs.json")}
    unknown = []
    for name, value in values.items():
        with suppress(OSError, ValueError):
            path = Path(value).expanduser() if isinstance(value, str) and value else None
            there = path and next((one for one in (path, record.root() / path) if one.exists()), None)
            if there and not any(Path(one).is_relative_to(there.resolve()) for one in held):
                unknown.append(name)
    return unknown


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
