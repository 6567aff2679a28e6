"""Running pip for the set-up: one short line of progress, its whole output in a log, and what it downloaded counted.

Only the standard library.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

_UNITS = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_FETCHED = re.compile(r"\s*(Downloading|Using cached) (\S+) \(([\d.]+) (bytes|kB|MB|GB)\)")
_LOCAL_FILE = re.compile(r"\s*Processing (\S+\.whl)")
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(;[^\\]*)?")


class PipFailed(Exception):
    """pip ended with an error; `log` holds all it said."""

    def __init__(self, what: str, log: Path) -> None:
        super().__init__(what)
        self.log = log


class Pip:
    """The pip of one environment.

    python: that environment's Python. log: file that all of pip's output is added to.
    started: `time.monotonic()` when the set-up began, for the elapsed times shown.
    downloaded, cached: bytes of the packages that came over the network, and of those that were already here.
    """

    def __init__(self, python: Path | str, *, log: Path, started: float) -> None:
        self.python, self.log, self.started = python, log, started
        self.downloaded = self.cached = 0
        self._last_line = 0.0

    def install(self, what: str, arguments: list[str], *, expected: int = 1, index: str | None = None) -> None:
        """`pip install` with these arguments; `what` names it in the progress lines, of `expected` packages.

        index: address of the package index to ask instead of the usual one. Raises PipFailed.
        """
        command = [str(self.python), "-m", "pip", "install", "--progress-bar", "off", "--no-input", *arguments]
        left_out = {"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PYTHONHOME", "__PYVENV_LAUNCHER__"}
        environment = {name: value for name, value in os.environ.items() if name not in left_out}
        environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
        environment["PIP_USER"] = "0"
        if index:
            environment["PIP_INDEX_URL"] = index
        seen, installing = 0, False
        with (
            open(self.log, "a", encoding="utf-8") as log,
            subprocess.Popen(
                command,
                env=environment,
                text=True,
                encoding="utf-8",
                errors="replace",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            errors: list[str] = []
            for line in process.stdout:
                log.write(line)
                self._count(line)
                seen += line.startswith(("Collecting", "Processing", "Requirement already", "Obtaining"))
                if line.startswith("ERROR"):
                    errors.append(line.strip())
                installing = installing or line.startswith("Installing")
                where = "installing" if installing else f"{min(seen, expected)} of {expected}"
                self._tell(f"{what}: {where}", now=line.startswith("Installing"))
        if process.returncode:
            raise PipFailed(f"installing {what} failed: {errors[0] if errors else 'pip says why'}", self.log)
        self._tell(f"{what}: done", now=True)

    def _count(self, line: str) -> None:
        if fetched := _FETCHED.match(line):
            size = int(float(fetched[3]) * _UNITS[fetched[4]])
            if fetched[1] == "Downloading":
                self.downloaded += size
            else:
                self.cached += size
        elif local := _LOCAL_FILE.match(line):
            name = local[1]
            path = Path(url2pathname(urlparse(name).path) if name.startswith("file:") else name)
            self.cached += path.stat().st_size if path.is_file() else 0

    def _tell(self, line: str, *, now: bool = False) -> None:
        """Show where it stands: at most a line every ten seconds, so that a log of it stays short."""
        elapsed = time.monotonic() - self.started
        if now or elapsed - self._last_line > 10:
            self._last_line = elapsed
            print(f"setup: {elapsed:4.0f} s  {line}", file=sys.stderr, flush=True)


def normal(name: str) -> str:
    """A package's name as every tool compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock: Path) -> dict[str, tuple[str, bool]]:
    """What a lock file pins for this Python: name → (version, whether only some systems need it)."""
    pins: dict[str, tuple[str, bool]] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if pin := _PIN.match(line):
            fits = _python_fits((pin[3] or "").lstrip("; ").strip())
            if fits is not False:
                pins[normal(pin[1])] = (pin[2], bool(pin[3]) and fits is None)
    return pins


def _python_fits(condition: str) -> bool | None:
    """Whether a condition on nothing but the Python version holds here; None for any other condition."""
    found = re.fullmatch(r"python_full_version (==|!=|<|>=) '(\d+)\.(\d+)(?:\.\*)?'", condition)
    if not found:
        return None
    here, there = sys.version_info[:2], (int(found[2]), int(found[3]))
    return {"==": here == there, "!=": here != there, "<": here < there, ">=": here >= there}[found[1]]


@contextmanager
def constrained_to(lock: Path) -> Iterator[str]:
    """A temporary constraints file with the versions of a lock, without its hashes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "constraints.txt"
        pins = [line.rstrip(" \\") for line in lock.read_text(encoding="utf-8").splitlines() if _PIN.match(line)]
        path.write_text("\n".join(pins) + "\n", encoding="utf-8")
        yield str(path)


def drop_half_installed(prefix: Path) -> None:
    """Forget every package whose files are not all there, as a set-up cut off in the middle leaves one.

    pip takes a package for installed as soon as its metadata is there, so without this it would stay broken.
    """
    for info in [*prefix.glob("lib/python*/site-packages/*.dist-info"), *prefix.glob("Lib/site-packages/*.dist-info")]:
        record = info / "RECORD"
        if not record.is_file() or not _all_there(record):
            shutil.rmtree(info)


def _all_there(record: Path) -> bool:
    site_packages = record.parents[1]
    with open(record, encoding="utf-8", newline="") as file:
        names = [row[0] for row in csv.reader(file) if row]
    return all(name.endswith(".pyc") or os.path.lexists(site_packages / name) for name in names)


def disk_bytes(folder: Path) -> int:
    """Bytes that a folder takes on disk, each file once."""
    total, seen = 0, set()
    for parent, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(os.path.join(parent, name))
            if (status.st_dev, status.st_ino) not in seen or not status.st_ino:
                seen.add((status.st_dev, status.st_ino))
                total += getattr(status, "st_blocks", 0) * 512 or status.st_size
    return total
