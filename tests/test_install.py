"""The set-up without doing it: the files that describe it agree, and it chooses the right place."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from prosody.errors import ProsodyError
from prosody.workflow import install, pip

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = [ROOT / "requirements.lock", ROOT / "requirements-model.lock"]


def entries(lock: Path) -> list[str]:
    """The lock's entries, each with its hashes."""
    text = re.sub(r"(?m)^#.*\n", "", lock.read_text(encoding="utf-8"))
    return [entry for entry in re.split(r"\n(?=\S)", text.strip()) if entry]


def requirement(text: str) -> tuple[str, str, str]:
    """A requirement's name, version condition and marker."""
    found = re.fullmatch(r"([A-Za-z0-9._-]+)([^;]*);?\s*(.*)", text)
    return pip.normal(found[1]), found[2].strip(), found[3]


def fits(version: str, condition: str) -> bool:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", text)]

    for part in filter(None, condition.split(",")):
        operator, bound = re.fullmatch(r"(==|>=|<)\s*([\d.]+)", part.strip()).groups()
        here, there = numbers(version), numbers(bound)
        width = max(len(here), len(there))
        here, there = here + [0] * (width - len(here)), there + [0] * (width - len(there))
        if not {"==": here == there, ">=": here >= there, "<": here < there}[operator]:
            return False
    return True


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_its_hashes_and_no_registry_is_named(lock):
    found = entries(lock)
    assert found
    for entry in found:
        assert re.match(r"[a-z0-9.-]+==\S+", entry), entry
        assert entry.count("--hash=sha256:") >= 1, entry
    assert "://" not in lock.read_text(encoding="utf-8")


def test_the_lock_has_what_pyproject_asks_for():
    locked: dict[str, set[str]] = {}
    for entry in entries(LOCKS[0]):
        name, version = re.match(r"([a-z0-9.-]+)==([^\s;]+)", entry).groups()
        locked.setdefault(pip.normal(name), set()).add(version)
    for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]:
        name, condition, _ = requirement(text)
        assert any(fits(version, condition) for version in locked.get(name, ())), (text, locked.get(name))


def test_torch_stands_apart_exact_with_its_plain_dependencies_locked():
    (torch,) = PROJECT["optional-dependencies"]["torch"]
    assert torch == "torch==2.13.0"
    names = {pip.normal(re.match(r"[a-z0-9.-]+", entry)[0]) for entry in entries(LOCKS[0])}
    assert not {name for name in names if name == "torch" or name.startswith(("nvidia", "triton", "cuda"))}
    assert {"filelock", "typing-extensions", "sympy", "networkx", "jinja2", "fsspec", "setuptools"} <= names


def test_the_model_lock_is_the_model_extra():
    pinned = {re.match(r"\S+", entry)[0] for entry in entries(LOCKS[1])}
    assert pinned == set(PROJECT["optional-dependencies"]["model"])


def test_environment_yml_agrees_with_pyproject():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    listed = re.findall(r"(?m)^  - (.+)$", text)
    assert listed[0] == "conda-forge"
    packages = {line.split()[0]: line.split()[1:] for line in listed[2:]}
    assert set(packages) == {"python", "make", "git", "pip"}
    assert packages["python"] == [PROJECT["requires-python"]]
    assert "requirements.lock" in text


def test_the_makefile_only_names_commands():
    for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines():
        if line.startswith("\t"):
            assert line.startswith("\t@$(PYTHON) -m prosody "), line


def clone_of(tmp_path: Path) -> Path:
    """What the set-up looks at, in a folder of its own."""
    for name in ("pyproject.toml", *(lock.name for lock in LOCKS)):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_a_stamp_holds_for_these_locks_in_this_place_only(tmp_path):
    root = clone_of(tmp_path)
    prefix = root / ".venv"
    python = install.python_of(prefix)
    python.parent.mkdir(parents=True)
    python.touch()
    assert not install.is_set_up(root, prefix)
    (prefix / install.STAMP).write_text(f'{{"fingerprint": "{install.fingerprint(root)}"}}')
    assert install.is_set_up(root, prefix)
    with open(root / "requirements.lock", "a") as lock:
        lock.write("more==1.0 --hash=sha256:00\n")
    assert not install.is_set_up(root, prefix)


def test_a_broken_stamp_is_none(tmp_path):
    root = clone_of(tmp_path)
    (root / ".venv").mkdir()
    (root / ".venv" / install.STAMP).write_text("[]")
    assert not install.is_set_up(root, root / ".venv")


def test_an_active_conda_environment_is_installed_into(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert install.target_prefix(ROOT) == ROOT / ".venv"
    (tmp_path / "conda-meta").mkdir()
    assert install.target_prefix(ROOT) == tmp_path
    (tmp_path / "condabin").mkdir()  # the base environment stays as it is
    assert install.target_prefix(ROOT) == ROOT / ".venv"


def test_what_is_not_set_up_is_told_in_one_line(monkeypatch):
    monkeypatch.delenv("PROSODY_SETUP", raising=False)
    monkeypatch.setattr(install, "_has_everything", lambda root: False)
    monkeypatch.setattr(install, "is_set_up", lambda root, prefix: False)
    with pytest.raises(ProsodyError, match="not set up yet — run `python -m prosody setup` first"):
        install.enter(may_set_up=False)


def test_a_wrong_python_is_told_in_one_line(tmp_path):
    code = "import sys, runpy; sys.version_info = (3, 9, 1); runpy.run_module('prosody', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("prosody: this is Python 3.9, it needs 3.11, 3.12 or 3.13")
    assert done.stderr.count("\n") == 1


def test_the_set_up_needs_nothing_but_the_standard_library(tmp_path):
    code = (
        "import sys, prosody.cli, prosody.workflow.install, prosody.commands.house\n"
        "others = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(sorted(others - {'prosody', '__main__', 'sitecustomize', 'usercustomize'}))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"],
                          capture_output=True, text=True)  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.slow
def test_a_bare_python_sets_up_a_fresh_clone_and_the_second_call_is_quick(tmp_path):
    """The real thing: some hundred MB are downloaded, unless pip has them in its cache."""
    import time

    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    ours = ("PYTHON", "VIRTUAL", "PROSODY")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    bare = Path(sys.base_prefix) / ("python.exe" if os.name == "nt" else f"bin/python3.{sys.version_info.minor}")
    command = [str(bare), "-m", "prosody", "test", "--collect-only", "-q", "tests/test_install.py"]
    first = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "setup: set up in" in first.stderr
    started = time.monotonic()
    second = subprocess.run([*command[:3], "runs"], cwd=clone, env=environment, capture_output=True, text=True)
    assert (second.returncode, second.stderr) == (0, "")
    assert time.monotonic() - started < 3
