"""The state of a training on disk, from which it goes on as if it had never stopped.

A checkpoint is a folder `step_000120/` with `state.safetensors` (weights and the optimizer's moments) and `state.json`
(everything else, and both files' hashes). It appears under its name only when it is whole and on the disk; the last two
of a training are kept. Nothing is pickled, and a pickle is not read.
"""

from __future__ import annotations

import hashlib
import json
import os
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
FORMAT_VERSION = 2
_TENSORS, _FACTS, _LOCK = "state.safetensors", "state.json", ".lock"
_NAME = re.compile(r"step_(\d{6,})")


@dataclass(frozen=True)
class State:
    """A training after `step` steps. tensors: by name. facts: JSON values."""

    step: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Held:
    """A whole checkpoint on disk. facts: JSON values; its weights are read only when they are asked for."""

    path: Path
    step: int
    facts: Mapping[str, Any]

    def tensors(self) -> dict[str, Tensor]:
        """By name; copies, so that the file is not held open."""
        from safetensors.torch import load_file

        with files.telling(self.path):
            return {name: one.clone() for name, one in load_file(self.path / _TENSORS).items()}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other training out of a folder of checkpoints. The lock goes with the process, however that ends.

    Raises ProsodyError if another training holds it.
    """
    from filelock import FileLock, Timeout

    with files.telling(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK, timeout=0)
    with files.telling(folder / _LOCK):
        try:
            lock.acquire()
        except Timeout:
            raise ProsodyError(folder, None, "another training is at work there", "wait for it, or end it") from None
    try:
        for left in folder.glob(".old-step_*"):  # of a training that was killed while it saved
            files.put_back(left.with_name(left.name.removeprefix(".old-")))
        for left in folder.glob(".tmp-*"):
            files.remove_folder(left)
        yield
    finally:
        lock.release()


def save(folder: Path, state: State, *, before: int | None = None) -> Path:
    """Write a checkpoint, whole or not at all, then remove the others. Returns its folder.

    before: the step of the last one, which stays; whatever else is removed, also another training's.
    Raises ProsodyError if it cannot be written, as on a full disk; the earlier ones are intact then.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = _path(folder, state.step)
    with files.new_folder(path, overwrite=True) as work, files.named(work, path):
        try:
            save_file({name: one.detach().cpu().contiguous() for name, one in state.tensors.items()}, work / _TENSORS)
        except SafetensorError as error:  # how it tells of a full disk
            raise ProsodyError(path, None, f"cannot be written ({error})", "make room, then resume") from error
        facts = {"format_version": FORMAT_VERSION, "step": state.step, "facts": state.facts}
        facts["tensors_sha256"] = files.sha256(work / _TENSORS)
        facts["facts_sha256"] = _digest(facts)
        files.write_json(work / _FACTS, facts)
    for step, old in _checkpoints(folder):
        is_ours = {one.name for one in old.iterdir()} <= {_TENSORS, _FACTS}
        if step not in (before, state.step) and is_ours:
            files.remove_folder(old)
    return path


def is_used(folder: Path) -> bool:
    """Whether there are checkpoints, whole or damaged."""
    return any((path / name).exists() for _, path in _checkpoints(folder) for name in (_TENSORS, _FACTS))


def found_in(folder: Path, *, on_line: Callable[[str], None]) -> Iterator[Held]:
    """The whole checkpoints, the last one first. on_line is told of each one that is damaged and passed over.

    Raises ProsodyError for a pickle where safetensors belong.
    """
    from prosody.lm.checkpoint import refuse_pickles

    for step, path in reversed(_checkpoints(folder)):
        refuse_pickles(path, _TENSORS, remedy=f"remove {path.name}; the checkpoint before it is used then")
        try:
            yield _read(path, step)
        except ProsodyError as error:
            on_line(f"warning  {error.path}: {error.what}; the checkpoint before it is used")


def _read(path: Path, step: int) -> Held:
    """One checkpoint, with its hashes checked."""
    from safetensors import SafetensorError, safe_open

    held = files.read_json(path / _FACTS)
    try:
        is_whole = isinstance(held, dict) and held.get("facts_sha256") == _digest(held) and held.get("step") == step
    except ValueError:  # a number that JSON does not know, such as 1e999, which is read as infinity
        is_whole = False
    if not is_whole:
        raise ProsodyError(path / _FACTS, None, "is damaged", "resume from the one before")
    if held.get("format_version") != FORMAT_VERSION or not isinstance(held.get("facts"), dict):
        raise ProsodyError(path / _FACTS, None, "is of another version", "train anew: resume=never")
    if files.sha256(path / _TENSORS) != held.get("tensors_sha256"):
        raise ProsodyError(path / _TENSORS, None, "is damaged", "resume from the one before")
    try:
        with safe_open(path / _TENSORS, framework="pt"):
            return Held(path, step, held["facts"])
    except (SafetensorError, OSError) as error:
        raise ProsodyError(path / _TENSORS, None, f"is damaged ({error})", "resume from the one before") from error


def _path(folder: Path, step: int) -> Path:
    return folder / f"step_{step:06d}"


def _checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Steps and folders of the checkpoints, the earliest first."""
    if not os.path.isdir(folder):  # False, too, for a name that is too long
        return []
    found = [(_NAME.fullmatch(path.name), path) for path in folder.glob("step_*") if path.is_dir()]
    return sorted((int(match[1]), path) for match, path in found if match)


def _digest(facts: Mapping[str, Any]) -> str:
    """Hash of what a `state.json` says, but for the hash itself. Raises ValueError for what is no number in JSON."""
    told = {name: value for name, value in facts.items() if name != "facts_sha256"}
    return hashlib.sha256(json.dumps(told, sort_keys=True, allow_nan=False).encode()).hexdigest()
