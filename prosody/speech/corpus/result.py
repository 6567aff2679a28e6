"""What is heard of one recording, in a file whose name says what it was made from."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from prosody import files
from prosody.dataset import Word, text_of
from prosody.errors import ProsodyError
from prosody.speech.audio import read, read_transcript
from prosody.speech.corpus import method
from prosody.speech.detect import DetectParameters, decide, evidence
from prosody.speech.hear import hear
from prosody.speech.profile import f0_counts

METHOD = method.of(__name__)  # told at once: this is the code that is running, whatever becomes of its files
_TOOLS = ("hibari-tts", "onnxruntime", "pocketsphinx", "soundfile", "soxr", "swift-f0")  # others may answer otherwise

_CHECK = "sha256"  # of all the rest of a result: what was damaged or edited is heard again


@dataclass(frozen=True)
class Stamp:
    """How a file was when it was read: its size, times (ns), and the hash of its bytes."""

    size: int
    modified_ns: int
    changed_ns: int
    sha256: str = ""

    def is_of(self, path: str | os.PathLike[str]) -> bool:
        """Whether the file is still like that."""
        try:
            return replace(stamp(path), sha256=self.sha256) == self
        except ProsodyError:
            return False


@dataclass(frozen=True)
class Task:
    """One recording to be heard. folder: where results go."""

    audio: str
    transcript: str
    folder: str
    parameters: DetectParameters


@dataclass(frozen=True)
class Done:
    """A recording that was heard. result: name of its file. stamps: of audio and transcript. new: heard just now."""

    result: str
    stamps: tuple[Stamp, Stamp]
    new: bool


def stamp(path: str | os.PathLike[str]) -> Stamp:
    """How a file is now, its bytes unread. Raises ProsodyError if it is missing, or no file that can be read twice."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        told = "not found" if isinstance(error, FileNotFoundError) else str(getattr(error, "strerror", error))
        raise ProsodyError(path, None, told, "check the file, or the link to it") from None
    if not stat.S_ISREG(found.st_mode):
        raise ProsodyError(path, None, "is a folder, a device or a pipe, not a file", "take it away")
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def result_name(task: Task, hashes: Sequence[str]) -> str:
    """The name of the result for audio and transcript with these hashes."""
    return f"{_key(task, hashes)}-{digest(dataclasses.asdict(task.parameters))[:8]}.json"


def hear_recording(task: Task) -> Done:
    """Hear a recording and write the result, unless it is there. This is what workers run: it needs only its argument.

    Where the result lacks only because the parameters changed, what was measured before is judged anew.
    Raises ProsodyError as `read`, `read_transcript` and `hear` do, and if a file changes meanwhile.
    """
    paths = (task.audio, task.transcript)
    stamps = [replace(stamp(path), sha256=files.sha256(path)) for path in paths]
    hashes = [one.sha256 for one in stamps]
    path = Path(task.folder, result_name(task, hashes))
    new = not _is_whole(path)
    if new:
        data = _judged_anew(task, hashes) or _heard(task, hashes)
        for source, one in zip(paths, stamps, strict=True):
            if not one.is_of(source):
                raise ProsodyError(source, None, "was changed while it was read", "run it again")
        try:
            files.write_json(path, {**data, _CHECK: digest(data)}, overwrite=True, indent=None)
        except ProsodyError:
            if not _is_whole(path):  # another run may have written it, and Windows keeps a file that is open
                raise
    return Done(path.name, (stamps[0], stamps[1]), new)


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A result. Raises ProsodyError if it is missing, damaged, or edited."""
    data = files.read_json(path)
    if not isinstance(data, dict) or data.pop(_CHECK, None) != digest(data):
        what = "is no result of this program, or was damaged or edited"
        raise ProsodyError(path, None, what, "remove it, then run it again")
    return data


def words_of(data: Mapping[str, Any]) -> list[Word]:
    """The words of a result, with the markers of the transcript."""
    return [
        Word(w["text"], w["start"], w["end"], tuple(w["written"]), w["measured"], w["evidence"], w["confidence"])
        for w in data["words"]
    ]


def _key(task: Task, hashes: Sequence[str]) -> str:
    """What a hearing depends on, but for the parameters of detection."""
    suffix = Path(task.transcript).suffix.lower()  # the same bytes say something else as a TextGrid
    return digest([METHOD, versions(), *hashes, suffix])[:24]


@cache
def versions() -> list[str]:
    """The tools that hear, each with its version; those that are not installed are left out."""
    found = []
    for name in _TOOLS:
        with suppress(importlib.metadata.PackageNotFoundError):
            found.append(f"{name} {importlib.metadata.version(name)}")
    return found


def digest(data: Any) -> str:
    """The SHA-256 of what can be JSON."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _is_whole(path: Path) -> bool:
    try:
        load(path)
    except ProsodyError:
        return False
    return True


def _heard(task: Task, hashes: Sequence[str]) -> dict[str, Any]:
    """The result for a recording: what `detect --json` says of it, and more."""
    marked = read_transcript(task.transcript)
    audio = read(task.audio)
    try:
        hearing = hear(audio, marked, parameters=task.parameters)
    except ProsodyError as error:
        raise ProsodyError(error.path or task.audio, error.where, error.what, error.remedy) from None
    words = [
        {
            "text": word.text,
            "start": round(word.start, 4),
            "end": round(word.end, 4),
            "markers": list(heard),
            "written": list(word.markers),
            "confidence": word.confidence,
            "measured": dict(word.measured),
            "evidence": dict(word.evidence),
        }
        for word, heard in zip(hearing.words, hearing.heard, strict=True)
    ]
    return {
        "text": _text(words),
        "duration": round(audio.duration, 4),
        "final": marked.final,
        "notes": list(audio.notes),
        "made_from": {"audio_sha256": hashes[0], "transcript_sha256": hashes[1], "method": METHOD},
        "tools": versions(),
        "parameters": dataclasses.asdict(task.parameters),
        "f0_counts": f0_counts(hearing.tracks),
        "words": words,
    }


def _judged_anew(task: Task, hashes: Sequence[str]) -> dict[str, Any] | None:
    """The result with other parameters than an earlier one's, if there is an earlier one."""
    for path in sorted(Path(task.folder).glob(f"{_key(task, hashes)}-*.json")):
        with suppress(ProsodyError, KeyError):  # KeyError: measured in another way, by an earlier version
            data = load(path)
            for word in data["words"]:
                word["evidence"] = evidence(word["measured"], task.parameters)
                word["markers"] = list(decide(word["evidence"]))
            return {**data, "text": _text(data["words"]), "parameters": dataclasses.asdict(task.parameters)}
    return None


def _text(words: Sequence[Mapping[str, Any]]) -> str:
    """The marked text that is heard."""
    return text_of([Word(w["text"], w["start"], w["end"], tuple(w["markers"])) for w in words])
