"""Clones in the middle of something, or with files that are none: the same bytes come back from their record."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from prosody.workflow import source_code

pytestmark = pytest.mark.skipif(os.name == "nt", reason="names, pipes and links as POSIX has them")


def git(folder: Path, *command: str, check: bool = True) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "core.autocrlf=false"]
    subprocess.run(["git", *names, *command], cwd=folder, check=check, capture_output=True)


def in_conflict(clone: Path, by: str) -> None:
    git(clone, "checkout", "-qb", "other")
    (clone / "a.txt").write_text("x\n")
    git(clone, "commit", "-qam", "other")
    git(clone, "checkout", "-q", "main")
    (clone / "a.txt").write_text("y\n")
    git(clone, "commit", "-qam", "main")
    git(clone, by, "other", check=False)
    assert "<<<<<<<" in (clone / "a.txt").read_text()


def detached(clone: Path) -> None:
    git(clone, "checkout", "-q", "--detach")
    (clone / "a.txt").write_text("z\n")


def pipe(clone: Path) -> None:
    os.mkfifo(clone / "pipe")
    os.mkfifo(clone / "prosody" / "pipe")


def links(clone: Path) -> None:
    for name, to in (("itself", "itself"), ("nowhere", "gone"), ("here", ".")):
        os.symlink(to, clone / name)
        os.symlink(to, clone / "prosody" / name)


def names(clone: Path) -> None:
    for name in ("new\nline.txt", '"q" {b}.txt', ":(glob)x", "\udcff\udcfe.txt"):
        try:
            (clone / name).write_text(ascii(name))
        except OSError:  # a file system that takes UTF-8 alone
            continue


def another_kind(clone: Path) -> None:
    (clone / "a.txt").unlink()
    (clone / "a.txt").mkdir()
    (clone / "a.txt" / "b").write_text("q")


def locked(clone: Path) -> None:
    (clone / ".git" / "index.lock").touch()
    (clone / "a.txt").write_text("q")


def files_of(folder: Path) -> dict[str, bytes | str]:
    found = [path for path in folder.rglob("*") if ".git" not in path.parts and (path.is_file() or path.is_symlink())]
    read = {path: os.readlink(path) if path.is_symlink() else path.read_bytes() for path in found}
    return {str(path.relative_to(folder)): content for path, content in read.items()}


@pytest.mark.parametrize(
    "odd",
    [lambda c: in_conflict(c, "merge"), lambda c: in_conflict(c, "rebase"), detached, pipe, links, names, another_kind,
     locked],
    ids=["merge", "rebase", "detached", "pipe", "links", "names", "another kind", "locked"],
)  # fmt: skip
def test_the_same_bytes_come_back(tmp_path, odd):
    clone, run = tmp_path / "clone", tmp_path / "run"
    (clone / "prosody").mkdir(parents=True)
    run.mkdir()
    (clone / "prosody" / "__init__.py").write_text("x = 1\n")
    (clone / "a.txt").write_text("1\n")
    git(clone, "init", "-q", "-b", "main")
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "first")
    odd(clone)
    before = files_of(clone)
    source_code.write(run, clone)
    state = json.loads((run / "git.json").read_text())
    assert state["commit"] and "why" not in state
    source_code.check_out(run, state, clone, tmp_path / "again")
    assert files_of(tmp_path / "again") == before == files_of(clone)
