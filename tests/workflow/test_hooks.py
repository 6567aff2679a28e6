"""The hooks in a git repository of their own, with git, nbstripout and nbdime as they are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from prosody.commands import house
from prosody.errors import ProsodyError
from prosody.workflow import hooks, install

ROOT = Path(__file__).resolve().parents[2]
Git = Callable[..., str]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with our .gitattributes and one notebook, committed, in a folder with a blank in its name."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "gitconfig").write_text("[user]\n\tname = A\n\temail = a@b.c\n[init]\n\tdefaultBranch = main\n")
    folder = tmp_path / "a clone"
    (folder / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / ".gitattributes", folder)
    shutil.copy(ROOT / "notebooks" / "01_segment.ipynb", folder / "notebooks")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    git_in(folder)("add", ".")
    git_in(folder)("commit", "-qm", "first")
    return folder


@pytest.fixture
def git(clone: Path) -> Git:
    return git_in(clone)


def git_in(folder: Path) -> Git:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "error" not in done.stderr, done.stderr
        return done.stdout

    return git


def ran(path: Path) -> None:
    """Leave in a notebook what JupyterLab leaves after Run All and Save."""
    notebook = nbformat.read(path, as_version=4)
    for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1):
        cell.execution_count = count
        cell.outputs = [nbformat.v4.new_output("stream", text="SECRET OUTPUT\n")]
        cell.metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2}}
    notebook.metadata["language_info"] |= {"version": "3.12.1", "mimetype": "text/x-python", "file_extension": ".py"}
    notebook.metadata["language_info"] |= {"codemirror_mode": {"name": "ipython", "version": 3}}
    notebook.metadata["language_info"] |= {"nbconvert_exporter": "python", "pygments_lexer": "ipython3"}
    nbformat.write(notebook, path)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8", newline="\n")


def test_the_stored_notebooks_pass_the_filter_byte_for_byte(clone, git):
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        shutil.copy(path, clone / "notebooks")
    git("add", ".")
    git("commit", "-qm", "all four")
    hooks.switch_on(clone)
    git("add", "--renormalize", ".")
    assert git("status", "--porcelain") == ""


def test_a_notebook_that_ran_is_no_change_and_keeps_its_outputs_on_disk(clone, git):
    hooks.switch_on(clone)
    path = clone / "notebooks" / "01_segment.ipynb"
    ran(path)
    git("add", ".")
    assert git("status", "--porcelain") == ""
    assert "SECRET OUTPUT" in path.read_text(encoding="utf-8")


def test_a_changed_cell_is_stored_alone_and_shown_by_cell(clone, git):
    hooks.switch_on(clone)
    path = clone / "notebooks" / "01_segment.ipynb"
    ran(path)
    change(path, "threshold_db: float = -35.0 ", "threshold_db: float = -25.0 ")
    shown = git("diff")
    git("add", ".")
    stored = git("show", ":notebooks/01_segment.ipynb")
    original = (ROOT / "notebooks" / "01_segment.ipynb").read_text(encoding="utf-8")
    assert stored == original.replace("threshold_db: float = -35.0 ", "threshold_db: float = -25.0 ")
    assert hooks.left_in(json.loads(stored)) == []

    assert "## modified /cells/" in shown and "/source:" in shown
    changed = [line.partition("  #")[0] for line in shown.splitlines() if line[:2] in ("-t", "+t")]
    assert changed == ["-threshold_db: float = -35.0", "+threshold_db: float = -25.0"]  # no colours into a pipe
    assert "SECRET OUTPUT" not in shown and "execution_count" not in shown and '\\n",' not in shown


def test_branches_that_changed_neighbouring_lines_and_ran_merge_by_cell(clone, git):
    hooks.switch_on(clone)
    path = clone / "notebooks" / "01_segment.ipynb"
    git("switch", "-qc", "theirs")
    change(path, "Press **Run All**", "Press **Run All Cells**")
    ran(path)
    git("commit", "-qam", "theirs")
    git("switch", "-q", "main")
    change(path, "### What you can change", "### What may be changed")
    git("commit", "-qam", "ours")
    git("merge", "-q", "theirs", "-m", "merged")
    merged = path.read_text(encoding="utf-8")
    assert "Press **Run All Cells**" in merged and "### What may be changed" in merged
    assert git("status", "--porcelain") == ""
    assert git("show", "HEAD:notebooks/01_segment.ipynb") == merged


def test_a_clone_without_the_hooks_works_as_ever(clone, git):
    path = clone / "notebooks" / "01_segment.ipynb"
    change(path, "threshold_db: float = -35.0 ", "threshold_db: float = -25.0 ")
    assert '-    "threshold_db: float = -35.0  #' in git("diff")
    git("commit", "-qam", "changed")
    assert git("status", "--porcelain") == ""


def test_where_the_filters_program_has_gone_git_stores_the_file_as_it_is(clone, git):
    hooks.switch_on(clone, python=str(clone.parent / "gone" / "python"))
    path = clone / "notebooks" / "01_segment.ipynb"
    ran(path)
    done = subprocess.run(["git", "add", "."], cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0 and "external filter" in done.stderr
    assert "SECRET OUTPUT" in git("show", ":notebooks/01_segment.ipynb")


def test_off_restores_the_config_to_the_byte(clone, git):
    before = (clone / ".git" / "config").read_bytes()
    hooks.switch_on(clone)
    hooks.switch_on(clone)
    assert hooks.switch_off(clone) == ["git treats notebooks as any other text again"]
    assert (clone / ".git" / "config").read_bytes() == before
    assert hooks.switch_off(clone) == ["the hooks were not on"]
    ran(clone / "notebooks" / "01_segment.ipynb")
    assert git("status", "--porcelain") == " M notebooks/01_segment.ipynb\n"


def test_what_was_set_before_comes_back(clone, git):
    git("config", "diff.jupyternotebook.command", "git-nbdiffdriver diff --color-words")
    git("config", "filter.nbstripout.required", "true")
    before = git("config", "--local", "--list")
    hooks.switch_on(clone)
    assert "required" not in git("config", "--get-regexp", "^filter")
    hooks.switch_off(clone)
    assert sorted(git("config", "--local", "--list").splitlines()) == sorted(before.splitlines())


def test_the_hooks_are_this_clones_alone(clone, git):
    before = Path(os.environ["GIT_CONFIG_GLOBAL"]).read_bytes()
    hooks.switch_on(clone)
    assert Path(os.environ["GIT_CONFIG_GLOBAL"]).read_bytes() == before
    values = git("config", "--local", "--get-regexp", r"^(filter|diff|merge)\.").splitlines()
    assert [line for line in values if Path(sys.executable).as_posix() in line] and len(values) == 4


def test_attributes_that_outvote_ours_are_told(clone):
    (clone / ".git" / "info").mkdir(exist_ok=True)
    (clone / ".git" / "info" / "attributes").write_text("*.ipynb diff=ipynb\n")  # as `nbstripout --install` writes
    assert any("`diff` is ipynb here, not jupyternotebook" in line for line in hooks.switch_on(clone))


def test_a_windows_path_is_written_so_that_both_shells_read_it():
    told = hooks.settings(r"C:\Program Files\env\python.exe")
    assert told["filter.nbstripout.clean"].startswith('"C:/Program Files/env/python.exe" -m nbstripout ')


def test_the_command_tells_what_is_on_and_how_to_undo_it(clone, monkeypatch, capsys):
    monkeypatch.setattr(install, "repository", lambda: clone)
    house.hooks(Namespace(off=False))
    told = capsys.readouterr().err
    assert "git add" in told and "git diff" in told and "git merge" in told and "hooks --off" in told
    house.hooks(Namespace(off=True))
    assert "again" in capsys.readouterr().err


def test_no_repository_one_inside_another_and_no_git(clone, tmp_path, monkeypatch):
    with pytest.raises(ProsodyError, match="is not a git repository"):
        hooks.switch_on(tmp_path)
    with pytest.raises(ProsodyError, match="lies in another git repository"):
        hooks.switch_on(clone / "notebooks")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProsodyError, match="the program git is not here"):
        hooks.switch_on(clone)


@pytest.mark.parametrize(
    ("leave", "told"),
    [
        (lambda notebook: notebook["cells"][2].update(outputs=[{"output_type": "stream"}]), "outputs"),
        (lambda notebook: notebook["cells"][2].update(execution_count=0), "execution counts"),
        (lambda notebook: notebook["metadata"].update(widgets={"state": {}}), "the state of widgets"),
    ],
)
def test_lint_refuses_what_should_not_be_stored(clone, monkeypatch, capsys, leave, told):
    monkeypatch.setattr(install, "repository", lambda: clone)
    shutil.copy(ROOT / "pyproject.toml", clone)
    assert house.lint(Namespace()) == 0
    path = clone / "notebooks" / "01_segment.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    leave(notebook)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert house.lint(Namespace()) == 1
    assert f"notebooks/01_segment.ipynb: stored with {told} (" in capsys.readouterr().out


def test_a_folder_whose_name_is_not_utf_8(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("names are UTF-8 here")
    subprocess.run(["git", "init", "-q", folder], check=True)
    assert len(hooks.switch_on(folder)) >= 4
    assert hooks.switch_off(folder) == ["git treats notebooks as any other text again"]
