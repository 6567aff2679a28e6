"""Taking a run that was exported elsewhere into the folder of runs: whole or not at all, and nothing overwritten.

What comes may be damaged or made to harm. Only files that export.json lists are read, none larger than it says, and
each must have its hash; a name that could lead elsewhere, on any system, ends it.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from prosody import files
from prosody.errors import ProsodyError
from prosody.workflow import reviews
from prosody.workflow.exchange.parcel import FORMAT, MANIFEST, VERSION, is_entry, is_name

_MOST_FILES, _MOST_BYTES = 50_000, 50_000_000_000
_LARGEST_JSON = 100_000_000
_SWELLS = 100  # no run is packed smaller than by this; a bomb is
_ALWAYS = 100_000_000  # bytes that any zip may unpack to
_STATES = ("running", "ok", "failed", "interrupted", "killed")
_REMEDY = "ask for it to be exported anew"


class _Source:
    """Where an export is read from: a zip, or a folder. names: of all files in it, from where export.json lies."""

    def __init__(self, path: Path, found: Mapping[str, Any]) -> None:
        self.path, self._found = path, found
        inner = [name.rpartition("/") for name in found if name.count("/") <= 1]  # maybe in a folder of its own
        tops = [folder + slash for folder, slash, last in inner if last == MANIFEST]
        if len(tops) != 1:
            what = f"holds no {MANIFEST}: it is no exported run"
            raise ProsodyError(path, None, what, "give what `python -m prosody runs export` wrote")
        self.top = tops[0]

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Read one file. Raises ProsodyError if it is not there or damaged."""
        found = self._found.get(self.top + name)
        if found is None:
            raise ProsodyError(self.path, name, "is missing", _REMEDY)
        try:
            with found() as source:
                yield source
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise ProsodyError(self.path, name, f"can't be unpacked ({error})", _REMEDY) from error


def take_in(path: Path, runs: Path) -> tuple[Path, bool]:
    """Take an exported run into a folder of runs. path: the zip or folder.

    Returns its folder there, and whether it is new: the same run may be there already.
    Raises ProsodyError for what is no exported run, is damaged or could do harm, or if another run has its id; then
    nothing has changed.
    """
    with _opened(path) as source:
        told = _manifest(source)
        target = runs / told["stage"] / told["id"]
        if target.exists():
            _check_same(source, told, target)
            return target, False
        work = runs / f".tmp-{secrets.token_hex(6)}"
        unpacked = work / "unpacked" / told["id"]  # so deep that nobody takes it for a run meanwhile
        try:
            with files.telling(runs):
                unpacked.mkdir(parents=True)
            with files.named(unpacked, target):
                for entry in told["files"]:
                    _unpack(source, entry, unpacked)
                _check_record(source, told, unpacked)
            with files.telling(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                unpacked.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target, True


@contextmanager
def _opened(path: Path) -> Iterator[_Source]:
    if path.is_dir():
        inner = (one for one in path.rglob("*") if one.is_symlink() or not one.is_dir())
        yield _Source(path, {one.relative_to(path).as_posix(): _of_folder(path, one) for one in inner})
        return
    with files.telling(path):
        is_zip = zipfile.is_zipfile(path) if path.exists() else None
    if not is_zip:
        what = "not found" if is_zip is None else "is neither a zip nor a folder"
        raise ProsodyError(path, None, what, "give what `python -m prosody runs export` wrote")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise ProsodyError(path, None, f"is a damaged zip ({error})", _REMEDY) from error
    with archive:
        yield _Source(path, _members(path, archive))


def _of_folder(folder: Path, path: Path) -> Any:
    def opened() -> IO[bytes]:
        if path.is_symlink() or not path.is_file():
            raise ProsodyError(path, None, "is a link or a device, not a file", _REMEDY)
        with files.telling(path):
            return open(path, "rb")

    return opened


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    """What opens each file of a zip. Raises ProsodyError for a zip that could do harm."""
    infos = [info for info in archive.infolist() if not info.is_dir()]
    names = [info.filename for info in infos]
    if len(names) > _MOST_FILES or len(set(names)) != len(names):
        what = "holds a file twice" if len(names) <= _MOST_FILES else f"holds more than {_MOST_FILES:,} files"
        raise ProsodyError(path, None, what, _REMEDY)
    for info in infos:
        check_name(path, info.filename)
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or info.flag_bits & 1:
            raise ProsodyError(path, info.filename[:80], "is a link, a device or encrypted", _REMEDY)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # LZMA may ask for 4 GB of memory
            raise ProsodyError(path, info.filename[:80], "is packed as no export is", _REMEDY)
    size, packed = sum(info.file_size for info in infos), path.stat().st_size
    if size > _MOST_BYTES or size > max(_ALWAYS, _SWELLS * packed):
        raise ProsodyError(path, None, f"would unpack {packed:,} bytes to {size:,}: no run does", _REMEDY)
    return {info.filename: lambda info=info: archive.open(info) for info in infos}


def check_name(path: Path, name: str) -> None:
    """Raise ProsodyError for the name of a file in a parcel that could lead elsewhere, on any system."""
    if not is_name(name):
        raise ProsodyError(path, None, f"{name[:80]!r} is no name for a file of a run", _REMEDY)


def _manifest(source: _Source) -> dict[str, Any]:
    """What export.json tells. Raises ProsodyError if it is not what an export writes."""
    with source.open(MANIFEST) as file:
        data = file.read(_LARGEST_JSON + 1)
    try:
        told = json.loads(data) if len(data) <= _LARGEST_JSON else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or told.get("format") != FORMAT or not isinstance(told.get("files"), list):
        raise ProsodyError(source.path, MANIFEST, "is not what an export writes", _REMEDY)
    if told.get("version") != VERSION:
        what = f"is of format {str(told.get('version'))[:20]}, {VERSION} is known here"
        raise ProsodyError(source.path, MANIFEST, what, "bring this clone up to date")
    stage, run = str(told.get("stage")), str(told.get("id"))
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", stage) or stage.lower() == reviews.FOLDER or not is_name(stage):
        raise ProsodyError(source.path, MANIFEST, f"{stage[:60]!r} is no stage", _REMEDY)
    if not re.fullmatch(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}", run):
        raise ProsodyError(source.path, MANIFEST, f"{run[:60]!r} is no run's id", _REMEDY)
    entries = told["files"]
    if len(entries) > _MOST_FILES or not all(is_entry(entry) for entry in entries):
        raise ProsodyError(source.path, MANIFEST, "does not tell path, sha256 and bytes of each file", _REMEDY)
    names = [entry["path"] for entry in entries]
    for name in names:
        check_name(source.path, name)
    if len({name.casefold() for name in names}) != len(names) or sum(one["bytes"] for one in entries) > _MOST_BYTES:
        raise ProsodyError(source.path, MANIFEST, "tells a file twice, or of too many bytes", _REMEDY)
    return told


def _unpack(source: _Source, entry: Mapping[str, Any], folder: Path) -> None:
    """One file, with the size and the hash that it should have. Raises ProsodyError if it has another."""
    path, left, digest = folder / entry["path"], entry["bytes"], hashlib.sha256()
    with files.telling(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with source.open(entry["path"]) as packed, files.telling(path), open(path, "xb") as sink:
        while block := packed.read(min(1 << 20, left + 1)):
            left -= len(block)
            if left < 0:
                break
            digest.update(block)
            sink.write(block)
    if left or digest.hexdigest() != entry["sha256"]:
        what = "is not the file that was exported: its hash or size differs"
        raise ProsodyError(source.path, entry["path"], what, "copy or load it down again")


def _check_record(source: _Source, told: Mapping[str, Any], folder: Path) -> None:
    """The record is that of this run, and its results are those it wrote down; one that still ran is killed now."""
    status = files.read_json(folder / "status.json") if (folder / "status.json").is_file() else None
    if not isinstance(status, dict) or status.get("status") not in _STATES:
        raise ProsodyError(source.path, "status.json", "says no status", _REMEDY)
    if str(status.get("stage", told["stage"])) != told["stage"] or str(status.get("id", told["id"])) != told["id"]:
        raise ProsodyError(source.path, "status.json", f"is that of another run than {MANIFEST} tells", _REMEDY)
    outputs = files.read_json(folder / "outputs.json") if (folder / "outputs.json").is_file() else []
    by_name = {entry["path"]: entry for entry in told["files"]}
    for entry in outputs if isinstance(outputs, list) else ():
        there = by_name.get(entry["path"]) if is_entry(entry) else None
        if there is not None and there["sha256"] != entry["sha256"]:
            what = "is not what the run made, as outputs.json has it"
            raise ProsodyError(source.path, entry["path"], what, _REMEDY)
    for inner in ("artifacts", "tb"):
        with files.telling(folder / inner):
            (folder / inner).mkdir(exist_ok=True)
    if status["status"] == "running":  # not here, and who knows how it went on there
        files.write_json(folder / "status.json", {**status, "status": "killed"}, overwrite=True)


def _check_same(source: _Source, told: Mapping[str, Any], target: Path) -> None:
    """Raise ProsodyError unless the run that is there already is this one, as it is."""
    listed = {entry["path"] for entry in told["files"]}
    mine: dict[str, Any] = {}
    for name in ("status.json", "outputs.json"):
        if name in listed:
            with source.open(name) as file:
                try:
                    mine[name] = json.loads(file.read(_LARGEST_JSON))
                except (ValueError, RecursionError):
                    mine[name] = None
    there = {name: files.read_json(target / name) if (target / name).is_file() else None for name in mine}
    here, status = (one.get("status.json") or {} for one in (there, mine))
    if not all(isinstance(one, dict) for one in (here, status)):
        here, status = {}, {"started": ""}
    if any(here.get(key) != status.get(key) for key in ("started", "pid", "process_started")):
        raise ProsodyError(target, None, "is here already, and another run than this", "give one of them another name")
    if there != mine and not (status.get("status") == "running" and here.get("status") == "killed"):
        what = "is here already: the same run, but it ended or made something else there"
        raise ProsodyError(target, None, what, "move it away to take in the other")
