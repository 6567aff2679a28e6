"""The recordings of a folder: pairs of an audio file and a transcript with the same name, speakers by sub-folder.

talks/anna/monday.wav   talks/anna/monday.txt      speaker "anna"
talks/ben/1/lunch.flac  talks/ben/1/lunch.lab      speaker "ben"
talks/alone.mp3         talks/alone.TextGrid       speaker "talks", after the folder itself
"""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prosody.errors import ProsodyError

AUDIO = (".wav", ".flac", ".ogg", ".mp3")
TEXT = (".txt", ".lab")
ALIGNED_TEXT = (".textgrid",)  # taken where there is no plain text beside it, since aligners write theirs there
_ABOUT = {"readme", "license", "licence", "copying", "notice", "authors", "changelog"}  # texts that no one speaks


@dataclass(frozen=True)
class Recording:
    """A pair. name: of both in the folder, parted by "/", without suffix. speaker: the first folder in that name."""

    name: str
    speaker: str
    audio: Path
    transcript: Path


def find(
    folder: str | os.PathLike[str], *, leave_out: str | os.PathLike[str] | None = None
) -> tuple[list[Recording], list[ProsodyError]]:
    """The recordings below a folder in the order of their names, and what stands in the way of others.

    Links to folders are followed, each folder is looked at once. Hidden files and folders and `leave_out` are left out,
    and so are texts named README or LICENSE and the like. Suffixes may be in any case.
    Raises ProsodyError if the folder is missing, is none, or cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "not found"
        raise ProsodyError(folder, None, what, "give the folder of the recordings")
    seen = set() if leave_out is None else {os.path.realpath(leave_out)}
    found: list[Recording] = []
    failures: list[ProsodyError] = []
    for here, names in folders(folder, seen, failures):
        _pair(folder, here, names, found, failures)
    if failures and failures[0].path == os.fspath(folder):
        raise failures[0]
    return sorted(found, key=lambda one: one.name), sorted(failures, key=lambda one: one.path or "")


def folders(top: Path, seen: set[str], failures: list[ProsodyError]) -> Iterator[tuple[Path, list[str]]]:
    """Each folder with the names of its files, nothing hidden; those whose real path is in `seen` are left out.

    seen, failures: what was looked at, and what could not be, is added.
    """
    waiting = [top]
    while waiting:
        here = waiting.pop(0)
        real = os.path.realpath(here)
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(here) as listing:
                entries = sorted((e for e in listing if not e.name.startswith(".")), key=lambda e: e.name)
        except OSError as error:
            remedy = "check its permissions"
            failures.append(ProsodyError(here, None, f"the folder cannot be read ({error.strerror})", remedy))
            continue
        inside = [entry for entry in entries if _is_folder(entry)]
        inside.sort(key=lambda entry: entry.is_symlink())  # a folder counts where it is, not where a link to it is
        linked = [here / entry.name for entry in inside if entry.is_symlink()]
        waiting = [here / entry.name for entry in inside if not entry.is_symlink()] + waiting + linked
        yield here, [entry.name for entry in entries if entry not in inside]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _pair(top: Path, here: Path, names: list[str], found: list[Recording], failures: list[ProsodyError]) -> None:
    """Add the pairs among the files of one folder, and what has no partner or more than one."""
    kinds: dict[str, dict[str, list[str]]] = defaultdict(lambda: {"audio": [], "text": [], "aligned": []})
    for name in names:
        stem, suffix = os.path.splitext(name)
        for kind, suffixes in (("audio", AUDIO), ("text", TEXT), ("aligned", ALIGNED_TEXT)):
            if suffix.lower() in suffixes:
                kinds[unicodedata.normalize("NFC", stem)][kind].append(name)  # macOS parts letters and accents
    inside = here.relative_to(top)
    speaker = unicodedata.normalize("NFC", inside.parts[0] if inside.parts else top.resolve().name or "speaker")
    for stem, of in kinds.items():
        audio, text = of["audio"], of["text"] or of["aligned"]
        problem = _problem(stem, audio, text)
        if problem is not None:
            failures.append(ProsodyError(here / (audio or text)[0], None, *problem))
        elif audio:
            name = unicodedata.normalize("NFC", (inside / stem).as_posix())
            found.append(Recording(name, speaker, here / audio[0], here / text[0]))


def _problem(stem: str, audio: list[str], text: list[str]) -> tuple[str, str] | None:
    """Why these files of one name are no pair, and the remedy; None where they are one, or are left out."""
    if len(audio) > 1:
        return f"there is also {audio[1]}: two recordings of one name", "keep one, or rename one and its transcript"
    if len(text) > 1:
        return f"there is also {text[1]}: two transcripts of one name", "keep the one that is said"
    if not text:
        return "has no transcript beside it", f"put {stem}.txt, {stem}.lab or {stem}.TextGrid there"
    if not audio and stem.lower() not in _ABOUT:
        return "has no recording beside it", f"put {stem}.wav (or .flac, .ogg, .mp3) there, or take it away"
    return None
