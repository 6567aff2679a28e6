"""How the code of two runs differs: commits, uncommitted changes file by file, the hash of the package."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import read_bytes
from prosody.workflow import source_code
from prosody.workflow.contents import Contents

_SECTION = re.compile(rb"^diff --git (.*)$", re.MULTILINE)
_OURS = ("prosody/", "notebooks/")  # what a run runs
_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Code:
    """The code of two runs. same: both ran the same; None where it cannot be known.

    facts: of both the commit, branch and package's hash. patched: each file whose uncommitted changes differ, with
    where it has some ("A", "B" or "both"). between: each file that the commits differ in, the package's first, with
    lines added and taken away (None for a binary file); None, and `why`, where that cannot be told.
    """

    same: bool | None
    facts: Mapping[str, tuple[Any, Any]]
    patched: Mapping[str, str]
    between: Mapping[str, tuple[int | None, int | None]] | None
    why: str | None = None


def compare(a: Contents, b: Contents, clone: Path | None) -> Code:
    """The code of two runs. clone: where their commits may be; what is damaged is noted in the runs' `trouble`."""
    names = ("commit", "branch", "package_sha256")
    facts = {name: (a.git.get(name), b.git.get(name)) for name in names if {name} & (set(a.git) | set(b.git))}
    patches = [patch_files(run) for run in (a, b)]
    patched = {
        name: "both" if all(name in one for one in patches) else "A" if name in patches[0] else "B"
        for name in sorted({*patches[0], *patches[1]})
        if patches[0].get(name) != patches[1].get(name)
    }
    commits = [one.git.get("commit") for one in (a, b)]
    between, why = _between(commits, clone)
    return Code(_same(a, b, patched), facts, patched, between, why)


def _same(a: Contents, b: Contents, patched: Mapping[str, str]) -> bool | None:
    """Whether two runs ran the same code: by the package's hash where both know it, else by commit and changes."""
    hashes, commits = ([run.git.get(name) for run in (a, b)] for name in ("package_sha256", "commit"))
    if all(hashes) and hashes[0] != hashes[1]:
        return False
    if not all(commits) or any(run.git.get("why") for run in (a, b)):  # why its changes are not known
        return True if all(hashes) else None
    if any(run.git.get("left_out") for run in (a, b)) and not all(hashes):
        return None
    return commits[0] == commits[1] and not patched


def patch_files(run: Contents) -> dict[str, str]:
    """Each file of a run's dirty.patch, and the hash of its changes."""
    if not (run.folder / source_code.PATCH).is_file():
        if run.git.get("dirty") and not run.git.get("left_out"):
            run.trouble.append(f"{source_code.PATCH}: is missing, and git.json says that there were changes")
        return {}
    try:
        patch = read_bytes(run.folder / source_code.PATCH)
    except ProsodyError as error:
        run.trouble.append(f"{source_code.PATCH}: {error.what}")
        return {}
    starts = list(_SECTION.finditer(patch))
    if not starts:
        run.trouble.append(f"{source_code.PATCH}: holds no changes that can be read")
        return {}
    ends = [*(one.start() for one in starts[1:]), len(patch)]
    sections = {_name(one[1]): patch[one.start() : end] for one, end in zip(starts, ends, strict=True)}
    return {name: hashlib.sha256(section).hexdigest() for name, section in sections.items()}


def _name(header: bytes) -> str:
    """The file that a header `a/NAME b/NAME` names twice, also where git has put it into quotes."""
    half = header[: (len(header) - 1) // 2]
    text = half.decode("utf-8", "replace")
    if half.startswith(b'"'):
        try:
            text = ast.literal_eval("b" + half.decode("ascii")).decode("utf-8", "replace")
        except (ValueError, SyntaxError):
            text = text.strip('"')
    return text.removeprefix("a/")


def _between(
    commits: list[Any], clone: Path | None
) -> tuple[dict[str, tuple[int | None, int | None]] | None, str | None]:
    """The files that two commits differ in, or why that cannot be told."""
    if commits[0] == commits[1]:
        return ({}, None) if commits[0] else (None, "no commit is recorded")
    if not all(isinstance(one, str) and _HEX.fullmatch(one) for one in commits):
        return None, "a commit is not recorded"
    if clone is None:
        return None, "there is no clone here that holds the commits"
    found, why = source_code.between(clone, *commits)
    if found is None:
        return None, why
    return {name: found[name] for name in sorted(found, key=lambda name: (not name.startswith(_OURS), name))}, None
