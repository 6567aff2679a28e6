"""A run as it is handed to somebody else: all its files in a zip or a folder, with the hash of each in export.json.

What names nobody stays as it is. In older records, and in what the run's code was, this machine's folders and names are
taken out first. `unpack`, beside this module, takes a parcel into another folder of runs; `crate` makes an RO-Crate of
it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from prosody import files
from prosody.errors import ProsodyError
from prosody.workflow import record, scrub, source_code

MANIFEST = "export.json"
FORMAT, VERSION = "janus-prosody run", 1
AUDIO = frozenset([".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac"])
GONE = "is no longer there"
_WORKING_FILES = "artifacts/checkpoints/"  # the next training takes them away
INPUTS = "inputs"  # the folder that they go into
_OURS = frozenset(["report.html", MANIFEST, "ro-crate-metadata.json"])  # made anew, or not the run's
_SOUND_IN_PAGE = re.compile(r"(data:audio/[\w.+-]+;base64,)[A-Za-z0-9+/=\s]+")
_EVENTS = re.compile(r"(events\.out\.tfevents\.\d+)\..+?(\.\d+\.\d+(?:\..*)?)")
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d) *(\..*)?")
_NOT_IN_NAMES = re.compile(r'[\\:*?"<>|\x00-\x1f]')
_DEEPEST, _LONGEST = 20, 400  # folders in folders; characters of a path
_DATE = (1980, 1, 1, 0, 0, 0)  # of every file in a zip: the same run gives the same bytes


@dataclass
class Parcel:
    """What goes out of a run. parts: name in the parcel → the file, or its bytes where something was taken out.

    entries: path, sha256 and bytes of each part. left_out: path and reason of what is not in it. inputs: sha256 and
    name of an input → its name in the parcel.
    """

    run: record.Run
    parts: dict[str, Path | bytes]
    entries: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    inputs: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.run.status.get("id") or self.run.id)

    @property
    def stage(self) -> str:
        return str(self.run.status.get("stage") or self.run.stage)

    def data(self, name: str) -> Any:
        """A JSON file of the record, as it goes out; None if it can't be read."""
        part = self.parts.get(name)
        with suppress(ValueError, OSError):
            return _data(part if isinstance(part, bytes) else part.read_bytes()) if part is not None else None
        return None

    def listed(self, name: str) -> list[Mapping[str, Any]]:
        """The entries of inputs.json or outputs.json; nothing where it can't be read."""
        found = self.data(name)
        return [entry for entry in found if is_entry(entry)] if isinstance(found, list) else []


def is_entry(entry: Any) -> bool:
    """Whether it is what the record writes of a file: its path, its hash, its bytes."""
    if not isinstance(entry, dict) or not files.is_text(entry.get("path")):
        return False
    digest, size = entry.get("sha256"), entry.get("bytes")
    return isinstance(digest, str) and bool(re.fullmatch(r"[0-9a-f]{64}", digest)) and type(size) is int and size >= 0


def is_name(name: str) -> bool:
    """Whether a file of a parcel may be called so: on every system one file, which lies in the parcel's folder."""
    parts = name.split("/")
    return (
        files.is_text(name)
        and len(name) <= _LONGEST
        and len(parts) <= _DEEPEST
        and not any(part in ("", ".", "..") or part[-1] in ". " or _DEVICES.fullmatch(part) for part in parts)
        and not any(_NOT_IN_NAMES.search(part) for part in parts)
    )


def gather(folder: Path, *, without_audio: bool = False, with_inputs: bool = False) -> Parcel:
    """All that is to go out of the run in `folder`.

    without_audio: no sound, neither in files nor in the notebook. with_inputs: what it read, too.
    Raises ProsodyError if it is no run, or if one of its results is no longer what it made.
    """
    parcel = Parcel(record.read(folder), {})
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            parcel.left_out.append({"path": name, "why": "is a link"})
        elif path.is_file() and not is_name(name):
            parcel.left_out.append({"path": name, "why": "has a name that not every system allows"})
        elif path.is_file() and name not in _OURS and not path.name.startswith((".alive", ".tmp-")):
            if without_audio and path.suffix.lower() in AUDIO:
                parcel.left_out.append({"path": name, "why": "audio"})
            else:
                part = clean(path, name, without_audio=without_audio)
                is_written = parcel.run.state == "running" and not name.startswith("artifacts/")
                parcel.parts[_nameless(name)] = files.read_bytes(path) if is_written and part is path else part
    if with_inputs:
        _add_inputs(parcel, without_audio=without_audio)
    parcel.entries += [_described(name, part) for name, part in sorted(parcel.parts.items())]
    _check_outputs(parcel)
    return parcel


def write(parcel: Parcel, out: Path, more: Mapping[str, bytes] | None = None) -> None:
    """Write a parcel to a new zip (a name that ends so) or folder. more: files beside those of the run, as a crate's.

    Raises ProsodyError if that is there already or cannot be written, or if the run was changed meanwhile.
    """
    known = {entry["path"]: entry["sha256"] for entry in parcel.entries}
    told = {"format": FORMAT, "version": VERSION, "stage": parcel.stage, "id": parcel.id}
    manifest = files.json_bytes({**told, "left_out": parcel.left_out, "files": parcel.entries})
    parts = {**parcel.parts, MANIFEST: manifest, **(more or {})}
    if out.suffix.lower() == ".zip":
        with files.new_path(out) as temporary, files.telling(out), zipfile.ZipFile(temporary, "w") as target:
            for name, part in sorted(parts.items()):
                about = zipfile.ZipInfo(name, _DATE)
                about.compress_type, about.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
                with target.open(about, "w", force_zip64=True) as sink:
                    _copy(part, sink, known.get(name))
        return
    with files.new_folder(out) as temporary, files.telling(out):
        for name, part in parts.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as sink:
                _copy(part, sink, known.get(name))


def _copy(part: Path | bytes, sink: IO[bytes], known: str | None) -> None:
    """Write a part. known: its hash, by which a file that was changed meanwhile is noticed."""
    digest = hashlib.sha256()
    for block in _blocks(part):
        digest.update(block)
        sink.write(block)
    if known is not None and digest.hexdigest() != known:
        raise ProsodyError(str(part), None, "was changed while it was exported", "export it again")


def telltale(parcel: Parcel) -> list[str]:
    """The parts that still hold the home folder's path or the user's name: what somebody wrote into his own files."""
    home, user = os.fsencode(Path.home()), scrub.user()
    found = [name for name in (home, os.fsencode(user) if scrub.is_no_word(user) else b"") if len(name) > 3]
    held = []
    for name, part in parcel.parts.items():
        rest = b""
        for block in _blocks(part):
            if any(one in rest + block for one in found):
                held.append(name)
                break
            rest = block[-256:]
    return held


def clean(path: Path, name: str, *, without_audio: bool = False) -> Path | bytes:
    """A file as it goes out: itself, or its bytes if this machine's folders or a sound had to be taken out of it.

    name: its path in the run's folder.
    """
    if name == source_code.PATCH:
        return _changed(path, path.read_bytes(), _clean_patch(path.read_bytes()))
    if "/" in name or path.suffix not in (".json", ".ipynb", ".txt"):
        return path
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        data = _data(text) if path.suffix != ".txt" else None
    except ValueError:  # damaged: as text it can be cleaned, too
        data = None
    if data is None:
        return _changed(path, text, scrub.text(text))
    found = scrub.parameters(data) if name == "params.json" else scrub.value(data)
    if name in ("inputs.json", "outputs.json") and isinstance(found, list):
        found = [{**one, "path": _shown(one["path"])} if is_entry(one) else one for one in found]
    if name == "notebook.ipynb" and without_audio:
        found = json.loads(_SOUND_IN_PAGE.sub(r"\1", json.dumps(found, ensure_ascii=False)))
    return path if found == data else files.json_bytes(found, indent=1 if path.suffix == ".ipynb" else 2)


def _data(text: str | bytes) -> Any:
    """The data of a JSON text. Raises ValueError for what is none, or is nested too deeply."""
    try:
        data = json.loads(text)
        if not files.is_deep(data):
            return data
    except RecursionError:
        pass
    raise ValueError("is nested too deeply")


def _changed(path: Path, before: Any, after: Any) -> Path | bytes:
    if before == after:
        return path
    return after if isinstance(after, bytes) else after.encode("utf-8", "surrogateescape")


def _clean_patch(patch: bytes) -> bytes:
    """A patch without this machine's folders in the lines that it adds; the others must fit what is there."""
    lines = patch.decode("utf-8", "surrogateescape").split("\n")
    clean = [scrub.folders(line) if line.startswith("+") and not line.startswith("+++ ") else line for line in lines]
    return "\n".join(clean).encode("utf-8", "surrogateescape")


def _shown(path: str) -> str:
    """A path of an older record, which led to the home folder by its name."""
    return record.shown(record.root() / path) if path.startswith("../") else path


def lost(parcel: Parcel) -> list[str]:
    """The outputs of the run itself that are no longer there, but for checkpoints: the next training takes those."""
    made = {entry["path"] for entry in parcel.listed("outputs.json")}
    gone = [one["path"] for one in parcel.left_out if one["why"] == GONE and one["path"] in made]
    return [path for path in gone if not path.startswith(_WORKING_FILES)]


def _nameless(name: str) -> str:
    """TensorBoard's files bore the machine's name."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + _EVENTS.sub(r"\1.here\2", last)


def _add_inputs(parcel: Parcel, *, without_audio: bool) -> None:
    recorded = _entries(parcel.run.folder / "inputs.json")  # by these paths they are found; the others name nobody
    for where, entry in zip(recorded, parcel.listed("inputs.json"), strict=True):
        path, digest = record.located(where["path"], parcel.run.folder), entry["sha256"]
        why = ""
        if without_audio and path.suffix.lower() in AUDIO:
            why = "audio"
        elif not os.path.isfile(path):
            why = GONE
        elif files.sha256(path) != digest:
            why = "was changed since"
        if why:
            parcel.left_out.append({"path": entry["path"], "why": why})
            continue
        name = _input_name(entry["path"], digest)
        if name.casefold() in {known.casefold() for known in parcel.parts}:
            name = _input_name(PurePosixPath(entry["path"]).name, digest, apart=True)
        parcel.parts[name] = path
        parcel.inputs[digest, PurePosixPath(entry["path"]).name] = name


def _entries(path: Path) -> list[Mapping[str, Any]]:
    try:
        found = files.read_json(path)
    except ProsodyError:
        return []
    return [entry for entry in found if is_entry(entry)] if isinstance(found, list) else []


def _input_name(path: str, digest: str, *, apart: bool = False) -> str:
    """What an input is called in a parcel: much as where it lies, in signs that every system allows.

    apart: in a folder of its own, since another one is called so.
    """
    kept = [part for part in PurePosixPath(path).parts if part not in ("..", "~", "/") and part[1:] != ":"]
    kept = [_NOT_IN_NAMES.sub("_", part).rstrip(". ") or "_" for part in kept]
    kept = [f"_{part}" if _DEVICES.fullmatch(part) else part for part in kept]
    name = "/".join([INPUTS, *([digest[:16]] if apart else []), *kept])
    return name if is_name(name) else "/".join([INPUTS, digest[:16], kept[-1]])


def _check_outputs(parcel: Parcel) -> None:
    """What the run made is as it was; what is not there is told as left out."""
    there, told = {entry["path"]: entry for entry in parcel.entries}, {one["path"] for one in parcel.left_out}
    for entry in parcel.listed("outputs.json"):
        found = there.get(entry["path"])
        if found is None and entry["path"] not in told:
            why = GONE if entry["path"].startswith("artifacts/") else "lies outside the run"
            parcel.left_out.append({"path": entry["path"], "why": why})
        elif found is not None and found["sha256"] != entry["sha256"]:
            path = parcel.run.folder / entry["path"]
            raise ProsodyError(
                path, None, "is not what the run made: it was changed since", "move it away, or run it anew"
            )


def _described(name: str, part: Path | bytes) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    for block in _blocks(part):
        digest.update(block)
        size += len(block)
    return {"path": name, "sha256": digest.hexdigest(), "bytes": size}


def _blocks(part: Path | bytes) -> Iterator[bytes]:
    if isinstance(part, bytes):
        yield part
        return
    with files.telling(part), open(part, "rb") as source:
        while block := source.read(1 << 20):
            yield block
