"""What the commands do. Each takes the parsed command line and returns its exit code (None is 0)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.workflow import install


def setup(arguments: Namespace) -> int:
    """Install everything; where that is done already, say so."""
    root = _clone()
    prefix = install.target_prefix(root)
    if arguments.torch_index is None and install.is_set_up(root, prefix):
        _say("already set up")
    else:
        install.set_up(root, prefix, torch_index=arguments.torch_index)
    return 0


def lock(_: Namespace) -> None:
    """Write the lock files anew."""
    install.write_locks(_clone())


def test(arguments: Namespace) -> int:
    """Run pytest on the clone's tests; the exit code is pytest's."""
    words = list(arguments.words)
    for flag, expression in (("--slow", "slow or browser or faults"), ("--all", "")):
        if flag in words:
            words[words.index(flag) : words.index(flag) + 1] = ["-m", expression]
    return subprocess.run([sys.executable, "-m", "pytest", *words], cwd=_clone()).returncode


def lint(_: Namespace) -> int:
    """ruff, and every notebook without outputs."""
    root = _clone()
    code = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=root).returncode
    for path in sorted(root.glob("notebooks/**/*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        if any(cell.get("outputs") or cell.get("execution_count") for cell in cells):
            print(f"{path.relative_to(root)}: stored with outputs (Lab: Edit, Clear Outputs of All Cells)")
            code = 1
    return code


def lab(arguments: Namespace) -> int:
    """JupyterLab in the clone, the first notebook open; its kernels are this Python's."""
    root = _clone()
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "JUPYTER_PREFER_ENV_PATH": "1", "PROSODY_SETUP": "off"}
    words = [word for word in arguments.words if word != "--"]
    command = [sys.executable, "-m", "jupyterlab", *words, "notebooks/01_segment.ipynb"]
    return subprocess.run(command, cwd=root, env=environment).returncode


def clean(_: Namespace) -> None:
    """Remove what can be made again in a moment."""
    root = _clone()
    for pattern in (".pytest_cache", ".ruff_cache", ".hypothesis", "build", "*.egg-info"):
        for path in root.glob(pattern):
            shutil.rmtree(path)
    for path in [*root.glob("prosody/**/__pycache__"), *root.glob("tests/**/__pycache__")]:
        shutil.rmtree(path)


def stage(arguments: Namespace) -> int:
    """Run a stage's notebook."""
    from prosody.workflow.runner import notebook_of

    return _run_notebook(notebook_of(arguments.stage), arguments)


def run(arguments: Namespace) -> int:
    """Run any notebook."""
    return _run_notebook(Path(arguments.notebook), arguments)


def _run_notebook(path: Path, arguments: Namespace) -> int:
    from prosody.workflow import parameters, record, runner

    given = parameters.from_words(arguments.words, arguments.pairs)
    try:
        run_id = runner.run_notebook(path, given)
    except runner.RunFailed as failed:
        return _tell_failed(failed)
    _say(f"recorded in {record.shown(record.runs_folder() / runner.stage_of(path) / run_id)}")
    print(run_id)
    return 0


def demo(arguments: Namespace) -> int:
    """The four stages in order, each on the run before it."""
    from prosody.workflow import demo, parameters, runner

    try:
        demo.run_all(parameters.from_words(arguments.words, arguments.pairs))
    except runner.RunFailed as failed:
        return _tell_failed(failed)
    return 0


def _tell_failed(failed: Any) -> int:
    if failed.tail:
        sys.stderr.write(failed.tail + "\n")
    sys.stderr.write(f"prosody: {failed}\n")
    return failed.code


def runs(arguments: Namespace) -> None:
    """The recorded runs, the oldest first."""
    from prosody.workflow import listing, record

    found = record.runs(record.runs_folder())
    if arguments.json:
        _print_json([{**run.status, "metrics": run.metrics} for run in found])
    else:
        print(listing.table(found))


def sample(arguments: Namespace) -> None:
    """Write the built-in corpus."""
    from prosody.sample.build import write_sample

    started = time.monotonic()
    files = write_sample(
        Path(arguments.folder), seed=arguments.seed, answers=arguments.answers, overwrite=arguments.overwrite
    )
    _say(f"written in {time.monotonic() - started:.0f} s")
    for path in files:
        print(path)


def _clone() -> Path:
    root = install.repository()
    if root is None:
        raise ProsodyError(None, None, "this command works on a clone of the repository", "run it in one")
    return root


def _print_json(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
