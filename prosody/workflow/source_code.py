"""Which code a run ran: its commit, all changes since, the files that no commit has yet; and that code again.

`git.json` names the commit and what is left out; `dirty.patch` holds every change to the clone since that commit, with
files that are not yet committed. Files too large for it are named with their size. Nothing in the clone's own
repository is touched: what git must write to make the patch goes into a folder that is thrown away.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import sha256, write_bytes, write_json
from prosody.workflow import scrub

PATCH, STATE = "dirty.patch", "git.json"
LARGEST_FILE = 2_000_000
"""Bytes of a changed file that still goes into the patch."""
LARGEST_PATCH = 20_000_000
"""Bytes of all changed files together; from then on they are left out."""
_PATIENCE_S = 20.0
_OF_NOBODY = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")  # no program of the repository's

_LINE_ENDS_AS_STORED = ("-c", "core.autocrlf=false", "-c", "core.eol=lf")  # whatever the user's settings say now


class _GitFailed(Exception):
    """git could not do it; str() is why, in a line."""


def write(folder: Path, clone: Path | None) -> None:
    """Write git.json, and dirty.patch where there are changes, into a run's folder. clone: the repository, if any."""
    state: dict[str, Any] = {"commit": None, "package_sha256": package_sha256(clone)}
    patch = b""
    try:
        if clone is None:
            raise _GitFailed("this is an installed package, not a clone")
        state["commit"] = _git(clone, "rev-parse", "--verify", "HEAD").decode().strip()
        branch = _git(clone, "branch", "--show-current").decode("utf-8", "replace").strip()
        state["branch"] = scrub.text(branch) or None  # both stay known whatever the changes do
        changed, left_out = _changed(clone)
        patch = _patch(clone, changed)
        untracked = [name for name, is_tracked in changed.items() if not is_tracked]
        state |= {
            "dirty": bool(patch or left_out),
            "untracked": sorted(untracked),
            "left_out": left_out,
            "submodules": _submodules(clone),
        }
    except _GitFailed as error:
        state["why"] = scrub.text(str(error))
    if patch:
        write_bytes(folder / PATCH, patch)
    write_json(folder / STATE, state)


def package_sha256(root: Path | None) -> str:
    """One hash of all files of the package. root: the clone it lies in; None: where it is installed."""
    package = (root / "prosody") if root else Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package)
        if "__pycache__" not in name.parts and not path.name.startswith(".") and path.is_file():
            digest.update(f"{name.as_posix()} {sha256(path)}\n".encode())
    return digest.hexdigest()


def check_out(run: Path, state: Mapping[str, Any], clone: Path, target: Path) -> None:
    """Make a worktree of the clone at `target` with the code as it was in a run: its commit, and its changes.

    run: its folder. state: its git.json. The worktree is the caller's to remove (`remove`).
    Raises ProsodyError, which says what can't be had, if the commit is not in this clone, the patch does not apply, or
    a file of the package was left out of it; no worktree stays then.
    """
    commit = state.get("commit")
    try:
        _git(clone, "cat-file", "-e", f"{commit}^{{commit}}")
    except _GitFailed as error:
        what = f"its code is commit {str(commit)[:12]}, which can't be had here ({error})"
        raise ProsodyError(run / STATE, None, what, "fetch it: `git fetch --all`") from None
    for how in ((), _LINE_ENDS_AS_STORED):
        _make(run, str(commit), clone, target, how)
        if state.get("package_sha256") in (None, package_sha256(target)):  # (older records don't know it)
            return
        remove(clone, target)
    left = ", ".join(str(entry.get("path")) for entry in state.get("left_out") or () if isinstance(entry, Mapping))
    why = f"{left or 'files that git ignores, or line ends that it changes,'} left out of its changes"
    if state.get("why"):
        why = f"its changes are not known ({state['why']})"
    raise ProsodyError(run / STATE, None, f"the package is not what it was: {why}", "make a new run")


def _make(run: Path, commit: str, clone: Path, target: Path, how: Sequence[str]) -> None:
    """Make that worktree. how: options of git. Raises ProsodyError, and leaves no worktree, if git cannot."""
    try:
        _git(clone, *how, "worktree", "add", "--quiet", "--force", "--detach", str(target), commit)
        if (run / PATCH).is_file():
            _git(target, *how, "apply", "--binary", "--whitespace=nowarn", str((run / PATCH).resolve()))
    except _GitFailed as error:
        remove(clone, target)
        raise ProsodyError(run / PATCH, None, f"does not make its code again ({error})", "make a new run") from None


def between(clone: Path, before: str, after: str) -> tuple[dict[str, tuple[int | None, int | None]] | None, str | None]:
    """The files that differ between two commits, with lines added and taken away (None: binary); None, and why not.

    before, after: full hashes of commits.
    """
    try:
        for commit in (before, after):
            _git(clone, "cat-file", "-e", f"{commit}^{{commit}}")
    except _GitFailed as error:
        return None, f"commit {commit[:12]} is not in this clone ({error})"
    try:
        told = _git(clone, "diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", before, after)
    except _GitFailed as error:
        return None, str(error)
    found = {}
    for line in told.decode("utf-8", "surrogateescape").split("\0"):
        added, _, rest = line.partition("\t")
        gone, _, name = rest.partition("\t")
        if name:
            found[name] = tuple(int(one) if one.isdecimal() else None for one in (added, gone))
    return found, None


def remove(clone: Path, target: Path) -> None:
    """Take a worktree away again."""
    with suppress(_GitFailed):
        _git(clone, "worktree", "remove", "--force", str(target))
    shutil.rmtree(target, ignore_errors=True)
    with suppress(_GitFailed):
        _git(clone, "worktree", "prune")


def _changed(clone: Path) -> tuple[dict[str, bool], list[dict[str, Any]]]:
    """The files that differ from the commit, and whether it has them; and what is not kept, with its bytes, and why."""
    differing = ("diff", "--name-only", "--no-renames", "--ignore-submodules=none", "-z", "HEAD")
    names = dict.fromkeys(_names(clone, *differing), True)
    names |= dict.fromkeys(_names(clone, "ls-files", "--others", "--exclude-standard", "-z"), False)
    kept, left_out, together = {}, [], 0
    for name, is_tracked in names.items():
        path = clone / name
        if path.is_dir() and not path.is_symlink():
            if not is_tracked:
                left_out.append({"path": name, "bytes": None, "why": "is a repository of its own"})
                continue
            # of a submodule the commit goes into the patch, its own changes go nowhere
            if (path / ".git").exists() and _git(path, "status", "--porcelain"):
                left_out.append({"path": name, "bytes": None, "why": "is a repository of its own, with changes"})
        try:
            size = path.lstat().st_size
        except OSError:  # taken away
            size = 0
        together += size
        if size > LARGEST_FILE or together > LARGEST_PATCH:
            together -= size
            left_out.append({"path": name, "bytes": size, "why": "too large"})
        else:
            kept[name] = is_tracked
    return kept, left_out


def _patch(clone: Path, changed: Mapping[str, bool]) -> bytes:
    """The changes to these files as `git apply` takes them, by an index and objects that are thrown away."""
    if not changed:
        return b""
    kept = _git(clone, "rev-parse", "--git-path", "objects").decode("utf-8", "surrogateescape").strip()
    with tempfile.TemporaryDirectory(prefix="prosody-") as folder:
        objects = Path(folder) / "objects"
        objects.mkdir()
        extra = {
            "GIT_INDEX_FILE": str(Path(folder) / "index"),
            "GIT_OBJECT_DIRECTORY": str(objects),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str((clone / kept).resolve()),
        }
        _git(clone, "read-tree", "HEAD", extra=extra)
        listed = "\0".join(changed).encode("utf-8", "surrogateescape")
        with_names = ["--pathspec-from-file=-", "--pathspec-file-nul"]
        _git(clone, "--literal-pathspecs", "add", "--all", *with_names, extra=extra, given=listed)
        plain = ["--cached", "--binary", "--full-index", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv"]
        prefixes = ["-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false"]
        return _git(clone, *prefixes, "diff", *plain, "HEAD", extra=extra)


def _submodules(clone: Path) -> list[dict[str, str]]:
    """Each submodule's path and commit, as they lie in the clone."""
    if not (clone / ".gitmodules").is_file():
        return []
    lines = _git(clone, "submodule", "status").decode("utf-8", "replace").splitlines()
    return [{"path": line[1:].split()[1], "commit": line[1:].split()[0]} for line in lines if len(line.split()) > 1]


def _names(clone: Path, *command: str) -> list[str]:
    return [name for name in _git(clone, *command).decode("utf-8", "surrogateescape").split("\0") if name]


def _git(clone: Path, *command: str, extra: Mapping[str, str] | None = None, given: bytes = b"") -> bytes:
    """What git prints. A hook's variables, as GIT_DIR, are not handed on. Raises _GitFailed."""
    program = shutil.which("git")
    if program is None:
        raise _GitFailed("git is not installed")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **(extra or {})}
    try:
        done = subprocess.run(
            [program, *_OF_NOBODY, *command],
            cwd=clone,
            env=environment,
            input=given,
            capture_output=True,
            timeout=_PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        raise _GitFailed(f"git took longer than {_PATIENCE_S:.0f} s") from None
    except OSError as error:
        raise _GitFailed(f"git could not be run ({error.strerror})") from None
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _GitFailed(told[0] if told else f"git {command[0]} failed")
    return done.stdout
