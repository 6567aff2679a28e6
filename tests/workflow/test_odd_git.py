"""A git that hangs, fails half-way, or writes other line ends: what is known stays, and one timeout is enough."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from prosody.errors import ProsodyError
from prosody.workflow import source_code


def git(folder: Path, *command: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "core.autocrlf=false"]
    subprocess.run(["git", *names, *command], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    (folder / "prosody").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    (folder / "prosody" / "__init__.py").write_bytes(b"x = 1\ny = 2\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


def written(clone: Path) -> dict:
    source_code.write(clone.parent / "run", clone)
    return json.loads((clone.parent / "run" / "git.json").read_text())


@pytest.mark.skipif(os.name == "nt", reason="a program as POSIX has them")
def test_one_timeout_is_enough(clone, monkeypatch):
    program = clone.parent / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep 30\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(source_code, "_PATIENCE_S", 0.5)
    began = time.monotonic()
    state = written(clone)
    assert time.monotonic() - began < 5
    assert state["commit"] is None and "longer than" in state["why"] and len(state["package_sha256"]) == 64


@pytest.mark.parametrize("kind", ["clean filter", "index"])
def test_commit_and_branch_stay_known_when_the_changes_do_not(clone, kind):
    if kind == "clean filter":
        (clone / ".gitattributes").write_text("*.py filter=bad\n")
        git(clone, "config", "filter.bad.clean", "false")
        git(clone, "config", "filter.bad.required", "true")
        (clone / "prosody" / "__init__.py").write_text("x = 3\n")
    else:
        (clone / ".git" / "index").write_bytes(b"junk")
    state = written(clone)
    assert (len(state["commit"]), state["branch"]) == (40, "main") and "dirty" not in state
    assert state["why"]
    if kind == "clean filter":
        with pytest.raises(ProsodyError, match="its changes are not known"):
            source_code.check_out(clone.parent / "run", state, clone, clone.parent / "again")
        assert not (clone.parent / "again").exists()


@pytest.mark.parametrize("content", [None, b"x = 5\ny = 2\n", b"x = 1\r\ny = 2\r\n"])
def test_line_ends_come_back_as_they_were_though_git_would_change_them(clone, content):
    git(clone, "config", "core.autocrlf", "true")
    path = clone / "prosody" / "__init__.py"
    if content is not None:
        path.write_bytes(content)
    source_code.check_out(clone.parent / "run", written(clone), clone, clone.parent / "again")
    assert (clone.parent / "again" / "prosody" / "__init__.py").read_bytes() == path.read_bytes()
