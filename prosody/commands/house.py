"""Commands that keep house: set-up, tests, lint, git's hooks, locks, JupyterLab."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

from prosody.commands import tell
from prosody.errors import ProsodyError
from prosody.workflow import hooks as hooks_of_git
from prosody.workflow import install

_IN_PARALLEL = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile")  # a process holds up to 2 GB


def setup(arguments: Namespace) -> int:
    """Install everything; where that is done already, say so."""
    root = _clone()
    prefix = install.target_prefix(root)
    if arguments.torch_index is None and install.is_set_up(root, prefix):
        tell("already set up")
    else:
        install.set_up(root, prefix, torch_index=arguments.torch_index)
    return 0


def lock(_: Namespace) -> None:
    """Write the lock files anew."""
    install.write_locks(_clone())


def test(arguments: Namespace) -> int:
    """Run pytest on the clone's tests, in several processes unless some are named; the exit code is pytest's."""
    words, chosen = list(arguments.words), []
    for flag, expression in (("--slow", "slow or browser or faults"), ("--all", "")):
        if flag in words:
            words.remove(flag)
            chosen = ["-m", expression]
    words = [*chosen, *(words or _IN_PARALLEL)]
    return install.become([sys.executable, "-m", "pytest", *words], folder=_clone())


def lint(_: Namespace) -> int:
    """ruff, and every notebook without outputs."""
    root = _clone()
    code = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=root).returncode
    for path in sorted([*root.glob("notebooks/**/*.ipynb"), *root.glob("prosody/**/*.ipynb")]):
        left = hooks_of_git.left_in(json.loads(path.read_text(encoding="utf-8")))
        if left:
            name = path.relative_to(root).as_posix()
            print(f"{name}: stored with {', '.join(left)} (`python -m nbstripout --keep-id {name}` clears it)")
            code = 1
    return code


def hooks(arguments: Namespace) -> None:
    """Let git strip notebooks as they are staged, and show and merge them by cell; or no longer."""
    switch = hooks_of_git.switch_off if arguments.off else hooks_of_git.switch_on
    for line in switch(_clone()):
        tell(line)


def lab(arguments: Namespace) -> int:
    """JupyterLab in the clone, the first notebook open; its kernels are this Python's. --lesson: on a lesson's runs."""
    root = _clone()
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "JUPYTER_PREFER_ENV_PATH": "1", "PROSODY_SETUP": "off"}
    words = [word for word in arguments.words if word not in ("--", "--lesson")]
    if "--lesson" in arguments.words:
        environment["PROSODY_RUNS_DIR"] = str(_lesson_runs())
    ours = [f"--ServerApp.root_dir={root}", "--LabApp.default_url=/lab/tree/notebooks/01_segment.ipynb"]
    command = [sys.executable, "-m", "jupyterlab", *ours, *words]
    return install.become(command, folder=root, environment=environment)


def _lesson_runs() -> Path:
    """The folder of a lesson's runs. Raises ProsodyError if there was no lesson yet."""
    from prosody.workflow import lesson, record

    folder = lesson.runs_folder()
    if record.find(folder, "generate") is None:
        raise ProsodyError(folder, None, "no lesson was run to its end yet", "run `python -m prosody lesson` first")
    return folder


def clean(_: Namespace) -> None:
    """Remove what can be made again in a moment."""
    root = _clone()
    for pattern in (".pytest_cache", ".ruff_cache", ".hypothesis", "build", "*.egg-info"):
        for path in root.glob(pattern):
            shutil.rmtree(path)
    for path in [*root.glob("prosody/**/__pycache__"), *root.glob("tests/**/__pycache__")]:
        shutil.rmtree(path)


def _clone() -> Path:
    root = install.repository()
    if root is None:
        raise ProsodyError(None, None, "this command works on a clone of the repository", "run it in one")
    return root
