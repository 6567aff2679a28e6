"""The state of a training on disk, from which it goes on as if it had never stopped.

A checkpoint is a folder `step_000120/` with `state.safetensors` (weights and the optimizer's moments) and `state.json`
(everything else, and both files' hashes). It appears under its name only when it is whole and on the disk; the last two
are kept. Nothing is pickled, and a pickle is not read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody import files
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "checkpoints"
FORMAT_VERSION = 1
_TENSORS, _FACTS, _LOCK = "state.safetensors", "state.json", ".lock"
_NAME = re.compile(r"step_(\d{6,})")
_KEPT = 2


@dataclass(frozen=True)
class State:
    """A training after `step` steps. tensors: by name. facts: JSON values."""

    step: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other training out of a folder of checkpoints. The lock goes with the process, however that ends.

    Raises ProsodyError if another training holds it.
    """
    from filelock import FileLock, Timeout

    with files.telling(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ProsodyError(folder, None, "another training is at work there", "wait for it, or end it") from None
    try:
        for left in folder.glob(".tmp-*"):  # of a training that was killed while it saved
            files.remove_folder(left)
        yield
    finally:
        lock.release()


def save(folder: Path, state: State) -> Path:
    """Write a checkpoint, whole or not at all, then remove those before the last two. Returns its folder.

    Raises ProsodyError if it cannot be written, as on a full disk; the earlier ones are intact then.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = folder / f"step_{state.step:06d}"
    if path.exists():  # the same steps give the same state
        files.remove_folder(path)
    with files.new_folder(path) as work, files.named(work, path):
        try:
            save_file({name: one.detach().cpu().contiguous() for name, one in state.tensors.items()}, work / _TENSORS)
        except SafetensorError as error:  # how it tells of a full disk
            raise ProsodyError(path, None, f"cannot be written ({error})", "make room, then resume") from error
        facts = {"format_version": FORMAT_VERSION, "step": state.step, "facts": state.facts}
        facts["tensors_sha256"] = files.sha256(work / _TENSORS)
        facts["facts_sha256"] = _digest(facts)
        files.write_json(work / _FACTS, facts)
    for _, old in _checkpoints(folder)[:-_KEPT]:
        files.remove_folder(old)
    return path


def latest(folder: Path, *, on_line: Callable[[str], None]) -> State | None:
    """The last whole checkpoint; None if there is none. on_line is told of each one that is damaged and passed over.

    Raises ProsodyError for a pickle where safetensors belong.
    """
    for step, path in reversed(_checkpoints(folder)):
        try:
            return _read(path, step)
        except ProsodyError as error:
            if "pickle" in error.what:
                raise
            on_line(f"warning  {error.path}: {error.what}; the checkpoint before it is used")
    return None


def clear(folder: Path) -> None:
    """Remove all checkpoints."""
    for _, path in _checkpoints(folder):
        files.remove_folder(path)


def _read(path: Path, step: int) -> State:
    """One checkpoint, with its hashes checked."""
    from safetensors.torch import load_file

    from prosody.lm.checkpoint import refuse_pickles

    refuse_pickles(path, _TENSORS)
    held = files.read_json(path / _FACTS)
    if not isinstance(held, dict) or held.get("facts_sha256") != _digest(held) or held.get("step") != step:
        raise ProsodyError(path / _FACTS, None, "is damaged", "resume from the one before")
    if held["format_version"] != FORMAT_VERSION:
        raise ProsodyError(path / _FACTS, None, "is of another version", "train anew: resume=never")
    if files.sha256(path / _TENSORS) != held["tensors_sha256"]:
        raise ProsodyError(path / _TENSORS, None, "is damaged", "resume from the one before")
    tensors = {name: one.clone() for name, one in load_file(path / _TENSORS).items()}  # no longer mapped from the file
    return State(step, tensors, held["facts"])


def _checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Steps and folders of the checkpoints, the earliest first."""
    found = [(_NAME.fullmatch(path.name), path) for path in folder.glob("step_*") if path.is_dir()]
    return sorted((int(match[1]), path) for match, path in found if match)


def _digest(facts: Mapping[str, Any]) -> str:
    """Hash of what a `state.json` says, but for the hash itself."""
    told = {name: value for name, value in facts.items() if name != "facts_sha256"}
    return hashlib.sha256(json.dumps(told, sort_keys=True, allow_nan=False).encode()).hexdigest()
