"""Notebooks in git: outputs stripped as they are staged, diffs and merges by cell.

`.gitattributes` names a filter (nbstripout) and a driver for diff and merge (nbdime, `jupyternotebook`); git ignores
such names until a clone's own config says which programs they are. `switch_on` writes that, `switch_off` takes it
back. What stood under these keys before is kept beside them, as `prosody.<key>.before`, and restored.

The filter is not `required`: where its program has gone, git stores the file as it is and says so.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from prosody.errors import ProsodyError

ATTRIBUTES = {"filter": "nbstripout", "diff": "jupyternotebook", "merge": "jupyternotebook"}  # as in .gitattributes

# What JupyterLab and papermill add to a notebook's metadata, beyond the outputs and widgets that nbstripout knows.
_NOT_STORED = (
    *(f"metadata.language_info.{name}" for name in ("codemirror_mode", "file_extension", "mimetype", "version")),
    *(f"metadata.language_info.{name}" for name in ("nbconvert_exporter", "pygments_lexer")),
    "metadata.papermill",
    "cell.metadata.papermill",
    "cell.metadata.trusted",
)
_KEPT = "prosody"  # the section where earlier values wait
_PLAIN = '$([ -t 1 ] || [ "$GIT_PAGER_IN_USE" ] || echo --no-color)'  # colours for people, not for files


def settings(python: str) -> dict[str, str | None]:
    """The keys of git's config and their values; None: the key is to be absent. python: the environment's Python.

    git hands a filter's and a driver's line to a shell on every system, nbdime the filter's to Windows' own: double
    quotes and forward slashes are what both understand.
    """
    program = '"' + re.sub(r'([$`"])', r"\\\1", PureWindowsPath(python).as_posix()) + '"'
    strip = f'{program} -m nbstripout --keep-id --unix-newlines --extra-keys "{" ".join(_NOT_STORED)}"'
    return {
        "filter.nbstripout.clean": strip,
        "filter.nbstripout.smudge": None,
        "filter.nbstripout.required": None,
        "diff.jupyternotebook.command": f"{program} -m nbdime.vcs.git.diffdriver diff --use-filter {_PLAIN}",
        "merge.jupyternotebook.name": "notebooks, by cell",
        "merge.jupyternotebook.driver": f"{program} -m nbdime.vcs.git.mergedriver merge %O %A %B %L %P",
    }


def switch_on(clone: Path, *, python: str = sys.executable) -> list[str]:
    """Write the settings into the config of this clone alone; again is as good as once.

    Returns what to tell: what is on now, and how to undo it.
    Raises ProsodyError without git, where `clone` is no git repository, or without nbstripout and nbdime.
    """
    _check(clone)
    for package in ("nbstripout", "nbdime"):
        if importlib.util.find_spec(package) is None:
            raise ProsodyError(None, None, f"{package} is not installed", "run `python -m prosody setup` first")
    for key, value in settings(python).items():
        if _get(clone, _kept(key)) is None:
            _set(clone, _kept(key), f"={before}" if (before := _get(clone, key)) is not None else "-")
        _set(clone, key, value)
    told = [
        "git add    stores notebooks without outputs, execution counts and widgets (nbstripout); your file keeps them",
        "git diff   shows notebooks by cell (nbdime); `git diff --no-ext-diff` shows the JSON",
        "git merge  merges notebooks by cell (nbdime)",
        "in this clone only; `python -m prosody hooks --off` takes it back",
    ]
    return told + _outvoted(clone)


def switch_off(clone: Path) -> list[str]:
    """Take the settings out again; what stood there before is put back. Returns what to tell.

    Raises ProsodyError without git, or where `clone` is no git repository.
    """
    _check(clone)
    found = False
    for key in settings(sys.executable):
        before = _get(clone, _kept(key))
        if before is not None:
            found = True
            _set(clone, key, before[1:] if before.startswith("=") else None)
            _set(clone, _kept(key), None)
    return ["git treats notebooks as any other text again" if found else "the hooks were not on"]


def left_in(notebook: Mapping[str, Any]) -> list[str]:
    """What a stored notebook should not hold: outputs, execution counts, the state of widgets."""
    code = [cell for cell in notebook.get("cells", []) if cell.get("cell_type") == "code"]
    found = {
        "outputs": any(cell.get("outputs") for cell in code),
        "execution counts": any(cell.get("execution_count") is not None for cell in code),
        "the state of widgets": bool(notebook.get("metadata", {}).get("widgets")),
    }
    return [name for name, there in found.items() if there]


def _outvoted(clone: Path) -> list[str]:
    """A line for each attribute that another file of attributes, which git heeds more, sets otherwise."""
    told = _git(clone, "check-attr", *ATTRIBUTES, "--", "notebooks/any.ipynb").stdout.splitlines()
    lines = []
    for line in told:
        name, value = line.split(": ")[-2:]
        if value != ATTRIBUTES[name]:
            where = "see .git/info/attributes and .gitattributes"
            lines.append(f"but for notebooks `{name}` is {value} here, not {ATTRIBUTES[name]}: {where}")
    return lines


def _check(clone: Path) -> None:
    """Raise the ProsodyError that says why git's config cannot be written for `clone`."""
    if shutil.which("git") is None:
        raise ProsodyError(None, None, "the program git is not here", "install it, then try again")
    done = _git(clone, "rev-parse", "--show-toplevel")
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [""])[0].removeprefix("fatal: ")
        raise ProsodyError(clone, None, f"is not a git repository ({said})", "make the clone with `git clone`")
    if not Path(done.stdout.strip()).samefile(clone):
        what = f"lies in another git repository ({done.stdout.strip()})"
        raise ProsodyError(clone, None, what, "make the clone with `git clone`")


def _kept(key: str) -> str:
    return f"{_KEPT}.{key}.before"


def _get(clone: Path, key: str) -> str | None:
    done = _git(clone, "config", "--local", "--get", key)
    return done.stdout.removesuffix("\n") if done.returncode == 0 else None


def _set(clone: Path, key: str, value: str | None) -> None:
    """Set one key of the clone's config, or remove it, and its section with it if that is empty then."""
    if value is not None:
        done = _git(clone, "config", "--local", "--replace-all", key, value)
    elif _get(clone, key) is None:
        return
    else:
        done = _git(clone, "config", "--local", "--unset-all", key)
        section = key.rpartition(".")[0]
        if not _git(clone, "config", "--local", "--get-regexp", f"^{re.escape(section)}\\.").stdout:
            _git(clone, "config", "--local", "--remove-section", section)  # only its empty heading may be left
    if done.returncode:
        what = done.stderr.strip() or "cannot be written"
        raise ProsodyError(clone, f"git config {key}", what, "mend that, then try again")


def _git(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(clone), *words]
    how = {"text": True, "encoding": "utf-8", "errors": "surrogateescape"}  # as Python has names that are not UTF-8
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, **how)
