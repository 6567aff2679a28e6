import json
import os
import subprocess
from pathlib import Path

import pytest

from prosody.errors import ProsodyError
from prosody.workflow import source_code


def git(folder: Path, *command: str) -> str:
    names = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.c",
        "-c",
        "protocol.file.allow=always",
        "-c",
        "core.autocrlf=false",
    ]
    return subprocess.run(["git", *names, *command], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A small repository with a package, one commit."""
    folder = tmp_path / "clone"
    (folder / "prosody" / "inner").mkdir(parents=True)
    (folder / "prosody" / "__init__.py").write_text("x = 1\n")
    (folder / "prosody" / "inner" / "data.bin").write_bytes(bytes(range(256)))
    (folder / "prosody" / "gone.py").write_text("y = 2\n")
    (folder / ".gitignore").write_text("*.log\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


def written(clone: Path | None, tmp_path: Path) -> tuple[Path, dict]:
    run = tmp_path / "run"
    run.mkdir(exist_ok=True)
    source_code.write(run, clone)
    return run, json.loads((run / "git.json").read_text())


def everything(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and ".git" not in p.parts
    }


def test_a_clean_clone_is_its_commit(clone, tmp_path):
    run, state = written(clone, tmp_path)
    assert (state["commit"], state["branch"]) == (git(clone, "rev-parse", "HEAD").strip(), "main")
    assert (state["dirty"], state["untracked"], state["left_out"]) == (False, [], [])
    assert not (run / "dirty.patch").exists()


def test_every_change_comes_back_in_another_worktree(clone, tmp_path):
    (clone / "prosody" / "__init__.py").write_text("x = 5\n")
    (clone / "prosody" / "inner" / "data.bin").write_bytes(b"\0\1\2" * 100)
    (clone / "prosody" / "gone.py").unlink()
    (clone / "prosody" / "new one ü.py").write_text("z = 3\n", encoding="utf-8")
    (clone / "prosody" / "empty.py").touch()
    (clone / "staged.txt").write_text("staged")
    git(clone, "add", "staged.txt")
    (clone / "run.log").write_text("ignored")
    before, index = git(clone, "status", "--porcelain"), (clone / ".git" / "index").read_bytes()
    objects = sum(1 for _ in (clone / ".git" / "objects").rglob("*"))
    run, state = written(clone, tmp_path)
    assert state["dirty"] and "prosody/new one ü.py" in state["untracked"]
    assert git(clone, "status", "--porcelain") == before
    assert (clone / ".git" / "index").read_bytes() == index
    assert sum(1 for _ in (clone / ".git" / "objects").rglob("*")) == objects
    now = {name: data for name, data in everything(clone).items() if name != "run.log"}
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "second")
    target = tmp_path / "code"
    source_code.check_out(run, state, clone, target)
    assert everything(target) == now
    source_code.remove(clone, target)
    assert not target.exists()
    assert len(git(clone, "worktree", "list").splitlines()) == 1


def test_a_large_file_is_named_and_left_out(clone, tmp_path):
    with open(clone / "talk.wav", "wb") as file:  # 2 GB that take no room
        file.truncate(2_000_000_000)
    (clone / "prosody" / "__init__.py").write_text("x = 7\n")
    run, state = written(clone, tmp_path)
    assert state["left_out"] == [{"path": "talk.wav", "bytes": 2_000_000_000, "why": "too large"}]
    assert b"x = 7" in (run / "dirty.patch").read_bytes()
    assert (run / "dirty.patch").stat().st_size < 1000


def test_a_large_file_of_the_package_is_told_when_the_code_is_wanted(clone, tmp_path):
    (clone / "prosody" / "table.bin").write_bytes(os.urandom(source_code.LARGEST_FILE + 1))
    run, state = written(clone, tmp_path)
    with pytest.raises(ProsodyError, match=r"git\.json: the package is not what it was: prosody/table\.bin left out"):
        source_code.check_out(run, state, clone, tmp_path / "code")
    assert not (tmp_path / "code").exists()


def test_many_files_together_are_kept_up_to_a_limit(clone, tmp_path, monkeypatch):
    monkeypatch.setattr(source_code, "LARGEST_PATCH", 2500)
    for n in range(4):
        (clone / f"{n}.txt").write_text("x" * 1000)
    _, state = written(clone, tmp_path)
    assert (state["untracked"], [one["path"] for one in state["left_out"]]) == (["0.txt", "1.txt"], ["2.txt", "3.txt"])


def with_submodule(clone: Path, tmp_path: Path) -> Path:
    """A repository, which is now the submodule `sub` of the clone."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    (other / "a.txt").write_text("a")
    git(other, "add", "-A")
    git(other, "commit", "-qm", "a")
    git(clone, "submodule", "--quiet", "add", str(other), "sub")
    git(clone, "commit", "-qm", "with a submodule")
    return other


def test_repositories_inside_are_named(clone, tmp_path):
    other = with_submodule(clone, tmp_path)
    git(clone, "clone", "-q", str(other), "loose")
    _, state = written(clone, tmp_path)
    assert state["submodules"] == [{"path": "sub", "commit": git(other, "rev-parse", "HEAD").strip()}]
    assert state["left_out"] == [{"path": "loose/", "bytes": None, "why": "is a repository of its own"}]


@pytest.mark.parametrize("name", ["a.txt", "new.txt"])
def test_changes_in_a_submodule_are_no_secret(clone, tmp_path, name):
    other = with_submodule(clone, tmp_path)
    assert written(clone, other)[1]["dirty"] is False
    (clone / "sub" / name).write_text("changed")
    _, state = written(clone, tmp_path)
    assert state["dirty"] is True
    assert state["left_out"] == [{"path": "sub", "bytes": None, "why": "is a repository of its own, with changes"}]


@pytest.mark.parametrize("kind", ["no repository", "no git", "no commit", "no clone", "damaged"])
def test_without_a_repository_the_package_has_its_hash(clone, tmp_path, monkeypatch, kind):
    if kind == "no repository":
        (clone / ".git").rename(tmp_path / "away")
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    elif kind == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
    elif kind == "no commit":
        (clone / ".git").rename(tmp_path / "away")
        git(clone, "init", "-q")
    elif kind == "damaged":
        (clone / ".git" / "HEAD").write_text("?")
    _, state = written(None if kind == "no clone" else clone, tmp_path)
    assert state["commit"] is None
    assert len(state["why"]) > 10 and "\n" not in state["why"]
    assert len(state["package_sha256"]) == 64


def test_the_packages_hash_follows_every_byte_but_not_what_python_keeps(clone):
    before = source_code.package_sha256(clone)
    (clone / "prosody" / "__pycache__").mkdir()
    (clone / "prosody" / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert source_code.package_sha256(clone) == before
    (clone / "prosody" / "inner" / "data.bin").write_bytes(bytes(range(255)))
    assert source_code.package_sha256(clone) != before


def test_a_commit_that_is_not_here_is_told(clone, tmp_path):
    run, state = written(clone, tmp_path)
    with pytest.raises(ProsodyError, match=r"its code is commit 000000000000, which can't be had here"):
        source_code.check_out(run, state | {"commit": "0" * 40}, clone, tmp_path / "code")


def test_a_patch_that_does_not_apply_is_told(clone, tmp_path):
    (clone / "prosody" / "__init__.py").write_text("x = 5\n")
    run, state = written(clone, tmp_path)
    (run / "dirty.patch").write_text((run / "dirty.patch").read_text().replace("-x = 1", "-x = 9"))
    with pytest.raises(ProsodyError, match=r"dirty\.patch: does not make its code again"):
        source_code.check_out(run, state, clone, tmp_path / "code")
    assert len(git(clone, "worktree", "list").splitlines()) == 1


def test_the_variables_of_a_hook_do_not_lead_elsewhere(clone, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere" / "index"))
    assert written(clone, tmp_path)[1]["commit"]


def test_no_hook_or_monitor_of_the_repository_runs(clone, tmp_path):
    told = tmp_path / "ran"
    script = tmp_path / "monitor"
    script.write_text(f"#!/bin/sh\ntouch '{told}'\n")
    script.chmod(0o755)
    git(clone, "config", "core.fsmonitor", str(script))
    for hook in ("post-checkout", "post-index-change"):
        (clone / ".git" / "hooks").mkdir(exist_ok=True)
        (clone / ".git" / "hooks" / hook).write_bytes(script.read_bytes())
        (clone / ".git" / "hooks" / hook).chmod(0o755)
    (clone / "prosody" / "__init__.py").write_text("x = 5\n")
    told.unlink(missing_ok=True)
    run, state = written(clone, tmp_path)
    source_code.check_out(run, state, clone, tmp_path / "code")
    assert not told.exists()
