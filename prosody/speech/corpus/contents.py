"""What a corpus leaves on disk beside the results: the index, the table of words, how the sources were when read.

corpus.json    which result belongs to which recording, a profile a speaker, failures; paths are relative
words.csv      a row a word: where it is, the markers written and heard, measurements, evidence
.stamps.json   size, times and hash of each source; without it all sources are read once to see if they changed
"""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prosody import files, markers
from prosody.errors import ProsodyError, one_line
from prosody.speech import choose
from prosody.speech.align import SUPPORTED
from prosody.speech.corpus import method, result
from prosody.speech.corpus.recordings import Recording
from prosody.speech.corpus.result import Stamp
from prosody.speech.detect import DetectParameters
from prosody.speech.profile import pooled

FORMAT_VERSION = 1
INDEX, WORDS, STAMPS = "corpus.json", "words.csv", ".stamps.json"
RESULTS, DATASETS = "recordings", "datasets"
MADE_BY = method.of(__name__)  # the code that sums up
_FIRST = ("speaker", "recording", "word", "text", "start", "end", "confidence", "written", "heard")


@dataclass(frozen=True)
class Contents:
    """What the results say. recordings, speakers: as in the index. failures: results that cannot be read."""

    recordings: list[dict[str, Any]]
    speakers: dict[str, dict[str, Any]]
    failures: list[ProsodyError]


def load_index(out: Path, folder: Path) -> dict[str, Any]:
    """The index that is there, empty if there is none.

    Raises ProsodyError if `out` is `folder`, is no folder, its index is another program's or another folder's, or it
    holds a table that is not ours.
    """
    path = out / INDEX
    if os.path.realpath(out) == os.path.realpath(folder):
        raise ProsodyError(out, None, "is the folder of the recordings", "give another one for the results")
    if out.exists() and not out.is_dir():
        raise ProsodyError(out, None, "is not a folder", "give a folder for the results")
    if not path.exists():
        _refuse_other_table(out / WORDS)  # a run that was killed leaves its table without an index
        return {}
    found = files.read_json(path)
    if not isinstance(found, dict) or found.get("format_version") != FORMAT_VERSION or "folder" not in found:
        raise ProsodyError(path, None, "is no index of this program", "give another folder for the results")
    if os.path.realpath(out / str(found["folder"])) != os.path.realpath(folder):
        what = f"is the index of another folder, {found['folder']}"
        remedy = f"give another folder for the results, or remove {INDEX}: what was heard is used again where it fits"
        raise ProsodyError(path, None, what, remedy)
    return found


def _refuse_other_table(path: Path) -> None:
    there = files.read_bytes(path) if path.exists() else b""
    if there and not there.startswith(",".join(_FIRST).encode()):
        raise ProsodyError(path, None, "is not of this program", "give another folder for the results")


def relative(path: Path, folder: Path) -> str:
    """`path` as seen from `folder`, parted by "/"; the whole of it where they lie on different drives."""
    if path.is_relative_to(folder):  # as it was found, links unfollowed
        return path.relative_to(folder).as_posix()
    try:
        return Path(os.path.relpath(os.path.realpath(path), os.path.realpath(folder))).as_posix()
    except ValueError:
        return os.path.realpath(path)


def described(parameters: DetectParameters) -> dict[str, Any]:
    """How results and index were made, for the index."""
    made = {"method": result.METHOD, "made_by": MADE_BY, "tools": result.versions()}
    return {**made, "parameters": dataclasses.asdict(parameters)}


def failure(error: ProsodyError, folder: Path, traces: Mapping[str, str]) -> dict[str, Any]:
    """An error as JSON, its path relative to the recordings' folder. traces: of bugs, by path."""
    path = error.path
    told = {
        "path": None if path is None else relative(Path(path), folder),
        "where": error.where,
        "what": error.what,
        "remedy": error.remedy,
    }
    return {**told, "trace": traces[path]} if path in traces else told


def load_stamps(out: Path) -> dict[str, Stamp]:
    """Path in the recordings' folder → how the file was when it was read last. A damaged file counts as empty."""
    try:
        return {path: Stamp(*values) for path, values in files.read_json(out / STAMPS).items()}
    except (ProsodyError, TypeError, AttributeError):
        return {}


def save_stamps(out: Path, found: Sequence[Recording], stamps: Mapping[str, Stamp], *, folder: Path) -> None:
    """Write the stamps of the recordings that are still there."""
    paths = [relative(path, folder) for one in found for path in (one.audio, one.transcript)]
    kept = {path: dataclasses.astuple(stamps[path]) for path in paths if path in stamps}
    files.write_json(out / STAMPS, kept, overwrite=True, indent=None)


def write_words(out: Path, recordings: Sequence[Recording], results: Mapping[str, str]) -> Contents:
    """Write the table of all words, and sum up recordings and speakers.

    recordings: in the order of the table, those of a speaker one after the other. results: recording's name → result's.
    A result that cannot be read is removed, so that the next run makes it again. Raises ProsodyError if the table
    cannot be written.
    """
    contents = Contents([], {}, [])
    with (
        files.new_path(out / WORDS, overwrite=True) as path,
        files.telling(out / WORDS),
        open(path, "w", encoding="utf-8", newline="") as table,
    ):
        writer = csv.writer(table, lineterminator="\n")
        speakers = sorted({one.speaker for one in recordings})
        columns: list[str] = []
        for speaker in speakers:
            own = [one for one in recordings if one.speaker == speaker]
            loaded = list(_loaded(out, own, results, contents))
            for one, data in loaded:
                if not columns:
                    columns = list(data["words"][0]["measured"])
                    writer.writerow([*_FIRST, *columns, *(f"evidence_{marker.name}" for marker in markers.MARKERS)])
                writer.writerows(_rows(one, data, columns))
            if loaded:
                contents.speakers[speaker] = _speaker([data for _, data in loaded])
    return contents


def stale(out: Path, contents: Contents) -> tuple[str, ...]:
    """Results and datasets that belong to nothing in the index, with their folders, parted by "/"."""
    named = {one["result"] for one in contents.recordings} | {f"{DATASETS}/{name}" for name in contents.speakers}
    found = [f"{RESULTS}/{entry.name}" for entry in os.scandir(out / RESULTS) if entry.name.endswith(".json")]
    if (out / DATASETS).is_dir():
        found += [f"{DATASETS}/{entry.name}" for entry in os.scandir(out / DATASETS)]
    return tuple(sorted(one for one in found if one not in named and "/." not in one))


def _loaded(
    out: Path, recordings: Sequence[Recording], results: Mapping[str, str], contents: Contents
) -> Iterator[tuple[Recording, dict[str, Any]]]:
    """Each recording with its result, noted in `contents`."""
    for one in recordings:
        path = out / RESULTS / results[one.name]
        try:
            data = result.load(path)
        except ProsodyError as error:
            path.unlink(missing_ok=True)
            contents.failures.append(ProsodyError(error.path, error.where, error.what, "run it again"))
            continue
        contents.recordings.append(
            {
                "name": one.name,
                "speaker": one.speaker,
                "audio": one.audio.name,
                "transcript": one.transcript.name,
                "result": f"{RESULTS}/{path.name}",
                **data["made_from"],
                "duration": data["duration"],
                "words": len(data["words"]),
                "unsupported_words": sum(word["confidence"] < SUPPORTED for word in data["words"]),
                "notes": data["notes"],
            }
        )
        yield one, data


def _rows(one: Recording, data: Mapping[str, Any], columns: Sequence[str]) -> Iterator[list[Any]]:
    for number, word in enumerate(data["words"], 1):
        text, written, heard = word["text"], " ".join(word["written"]), " ".join(word["markers"])
        name, speaker = one_line(one.name), one_line(one.speaker)  # bytes that are no text
        yield [
            *(speaker, name, number, text, word["start"], word["end"], word["confidence"], written, heard),
            *(word["measured"].get(column) for column in columns),
            *(word["evidence"].get(token) for token in markers.TOKENS),
        ]


def _speaker(loaded: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A speaker for the index: how much there is, whose markers count, and the profile over all of it.

    Markers are the transcripts'; where these have none at all, those that are heard.
    """
    is_marked = any(data["final"] or any(word["written"] for word in data["words"]) for data in loaded)
    source = choose.settled("transcript", is_marked)
    words = [word for data in loaded for word in data["words"]]
    duration_s = sum(data["duration"] for data in loaded)
    profile = pooled(
        [data["f0_counts"] for data in loaded],
        [word["measured"] for word in words],
        [choose.slot(word["written"], word["markers"], source) for word in words],
        duration_s=duration_s,
    )
    counts = {"recordings": len(loaded), "duration": round(duration_s, 3), "words": len(words)}
    return {**counts, "markers_from": source, "profile": profile.as_json()}
