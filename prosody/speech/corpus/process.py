"""Many recordings: each heard with its transcript, a profile a speaker, and nothing done twice.

What is heard of a recording goes to `recordings/<key>.json` in the results' folder as soon as it is done. The key is
made of the bytes of the recording and of its transcript, the parameters, and the code that hears (`method`). So a file
of that name need never be written again, a run that was killed loses only what was in flight, and runs side by side
help each other. `corpus.json` says which result belongs to which recording, and holds each speaker's profile;
`words.csv` holds all words of all recordings.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prosody import files
from prosody.errors import ProsodyError, one_line
from prosody.speech.corpus import contents as disk
from prosody.speech.corpus.contents import DATASETS, RESULTS, WORDS, Contents, relative
from prosody.speech.corpus.recordings import Recording, find
from prosody.speech.corpus.result import Done, Stamp, Task, digest, hear_recording, result_name
from prosody.speech.corpus.speaker import Part, Speaker, write_dataset
from prosody.speech.corpus.workers import Lost, WorkersDied, outcomes
from prosody.speech.detect import DetectParameters

_OVERHEAD = 500_000  # bytes of sound that take as long as beginning a recording does
_LEFTOVER_S = 3600.0  # a temporary file this old has lost its writer
_AGAIN = "run it again; if it stays, leave this recording out and report it"


@dataclass(frozen=True)
class Step:
    """Where the work stands. done, total: recordings that have to be heard. failed: how many of those done.

    share: of the work, by size, 0..1. left_s: time left, None while it cannot be told. name: of the recording that
    ended last, "" at first.
    """

    done: int
    total: int
    failed: int
    share: float
    left_s: float | None
    name: str


@dataclass(frozen=True)
class Corpus:
    """What was made. index: as in `corpus.json`. n_new: recordings heard in this run; the others were known.

    failures: what could not be done. stale: results and datasets in the folder that belong to nothing any more.
    """

    out: Path
    index: Mapping[str, Any]
    n_new: int
    failures: tuple[ProsodyError, ...]
    stale: tuple[str, ...]


@dataclass
class _Run:
    """A run at work. stamps: path in `folder` → how the file was when read. results: recording's name → result's."""

    folder: Path
    out: Path
    parameters: DetectParameters
    stamps: dict[str, Stamp]
    results: dict[str, str] = field(default_factory=dict)
    failures: list[ProsodyError] = field(default_factory=list)
    traces: dict[str, str] = field(default_factory=dict)
    n_new: int = 0
    n_unheard: int = 0  # because of `broken`
    broken: BrokenExecutor | None = None  # the executor, as when a worker died

    def task(self, recording: Recording) -> Task:
        """The task of a recording."""
        folder = os.fspath(self.out / RESULTS)
        return Task(os.fspath(recording.audio), os.fspath(recording.transcript), folder, self.parameters)


def process(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    parameters: DetectParameters | None = None,
    datasets: bool = False,
    progress: Callable[[Step], None] | None = None,
) -> Corpus:
    """Hear all recordings of a folder (see `recordings.find`); results, index and table go into the folder `out`.

    executor: does the work, a recording a task; any that keeps the promise of `submit` will do, if its workers see the
    same files. Only paths and small records go there and back. Without one the work is done here.
    datasets: also make `datasets/<speaker>` of each speaker's recordings, for the other stages to work on.
    progress: called with a Step when a recording ends, and about every second where an executor works.
    A recording that fails does not stop the others: it is in `failures`, and the next run tries it again.
    Raises ProsodyError if the folder cannot be read or holds no recordings, if `out` is that folder or holds the
    results of another one, or if something cannot be written.
    """
    folder, out = Path(folder), Path(out)
    before = disk.load_index(out, folder)
    found, failures = find(folder, leave_out=out)
    if not found and not failures:
        what, remedy = "holds no recordings", "put pairs of one name there, such as anna/monday.wav and anna/monday.txt"
        raise ProsodyError(folder, None, what, remedy)
    _make_ready(out / RESULTS)
    run = _Run(folder, out, parameters or DetectParameters(), disk.load_stamps(out))
    waiting = _unknown(run, found)
    if before.get("worker_died"):  # what kills its worker comes last now, and keeps no others from being heard
        waiting.reverse()
    try:
        _hear_all(run, waiting, executor, progress)
    finally:
        disk.save_stamps(out, found, run.stamps, folder=folder)
    heard = [one for one in found if one.name in run.results]
    contents = _as_before(run, before) or disk.write_words(out, heard, run.results)
    failures = [*failures, *run.failures, *contents.failures]
    if run.broken:
        failures.append(_died(run.broken, f"{run.n_unheard} recordings were not heard"))
    if datasets:
        failures += _write_datasets(run, heard, contents, executor)
    return _indexed(run, contents, failures)


def _make_ready(folder: Path) -> None:
    """The folder of the results, without what killed runs left half written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the folder cannot be made ({error.strerror})"
        raise ProsodyError(folder, None, what, "give another folder for the results") from None
    for path in folder.glob(".tmp-*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _LEFTOVER_S:
                path.unlink()


def _unknown(run: _Run, found: Sequence[Recording]) -> list[Recording]:
    """The recordings that have to be heard; the results of the others are noted.

    A file whose size and times are those of when it was read last is taken as unchanged.
    """
    there = {entry.name for entry in os.scandir(run.out / RESULTS)}
    waiting = []
    for one in found:
        audio, transcript = (run.stamps.get(relative(path, run.folder)) for path in (one.audio, one.transcript))
        if audio and transcript and audio.is_of(one.audio) and transcript.is_of(one.transcript):
            name = result_name(run.task(one), [audio.sha256, transcript.sha256])
            if name in there:
                run.results[one.name] = name
                continue
        waiting.append(one)
    return waiting


def _hear_all(
    run: _Run, waiting: Sequence[Recording], executor: Executor | None, progress: Callable[[Step], None] | None
) -> None:
    """Hear recordings, and note what becomes of each."""
    sizes = {one.name: _size(one.audio) + _OVERHEAD for one in waiting}
    begun = ended = time.monotonic()
    total = sum(sizes.values())
    done_size, done, failed, last = 0, 0, 0, ""
    tasks = [(one, run.task(one)) for one in waiting]
    for one, outcome in outcomes(hear_recording, tasks, executor):
        if one is not None:
            done_size, done, last = done_size + sizes[one.name], done + 1, one.name
            failed += not _note(run, one, outcome)
            ended = time.monotonic()
        if progress:
            left_s = _left_s(ended - begun, done_size / total, time.monotonic() - ended)
            progress(Step(done, len(waiting), failed, done_size / total, left_s, last))


def _left_s(spent_s: float, share: float, since_s: float) -> float | None:
    """Time left when `share` of the work had ended after `spent_s`, `since_s` ago; None where that has run out.

    It is foretold when a recording ends, and counts down until the next does: a long one would let it grow.
    """
    if share >= 1:
        return 0.0
    left_s = spent_s * (1 - share) / share - since_s if share else -1.0
    return left_s if left_s >= 0 else None


def _note(run: _Run, one: Recording, outcome: Done | BaseException | None) -> bool:
    """Note what came of a recording; whether it is heard."""
    if isinstance(outcome, Done):
        run.results[one.name] = outcome.result
        for path, stamp in zip((one.audio, one.transcript), outcome.stamps, strict=True):
            run.stamps[relative(path, run.folder)] = stamp
        run.n_new += outcome.new
        return True
    if isinstance(outcome, BrokenExecutor):
        run.n_unheard, run.broken = run.n_unheard + 1, outcome
    elif outcome is not None:
        run.failures.append(_told(run, one.audio, outcome))
    return False


def _told(run: _Run, path: Path, error: BaseException) -> ProsodyError:
    """What a person is told of an error that was raised at work on `path`."""
    if isinstance(error, ProsodyError):
        return error
    if isinstance(error, CancelledError):
        return ProsodyError(path, None, "its task was cancelled", "run it again")
    if isinstance(error, BrokenExecutor):
        return _died(error, f"{path} was not made")
    if isinstance(error, WorkersDied):
        what = f"ended {error.n} workers, one after the other (too little memory?)"
        return ProsodyError(path, None, what, "give them more memory, or leave it out and report it")
    run.traces[os.fspath(path)] = "".join(traceback.format_exception(error))
    return ProsodyError(path, None, one_line(f"failed ({type(error).__name__}: {error})"), _AGAIN)


def _died(error: BrokenExecutor, so: str) -> ProsodyError:
    if isinstance(error, Lost):
        return ProsodyError(None, None, f"{error}: {so}", "run it again: what was done is kept")
    what = f"a worker ended by itself (too little memory?): {so}"
    return ProsodyError(None, None, what, "run it again, with fewer workers")


def _write_datasets(
    run: _Run, heard: Sequence[Recording], contents: Contents, executor: Executor | None
) -> list[ProsodyError]:
    """Write every speaker's dataset; what went wrong."""
    told = {one["name"]: one for one in contents.recordings}
    tasks = []
    for name, speaker in contents.speakers.items():
        parts = []
        for one in heard:
            if one.speaker == name and one.name in told:
                hashes = (told[one.name][key] for key in ("audio_sha256", "transcript_sha256"))
                parts.append(
                    Part(one.name, os.fspath(one.audio), os.fspath(run.out / told[one.name]["result"]), *hashes)
                )
        folder = run.out / DATASETS / name
        tasks.append(
            (folder, Speaker(name, os.fspath(folder), tuple(parts), speaker["profile"], speaker["markers_from"]))
        )
    ended = outcomes(write_dataset, tasks, executor)
    return [_told(run, folder, error) for folder, error in ended if isinstance(error, BaseException)]


def _indexed(run: _Run, contents: Contents, failures: Sequence[ProsodyError]) -> Corpus:
    """Write the index."""
    index = {
        "format_version": disk.FORMAT_VERSION,
        "folder": relative(run.folder, run.out),
        **disk.described(run.parameters),
        "words_sha256": files.sha256(run.out / WORDS),
        "recordings": contents.recordings,
        "speakers": contents.speakers,
        "contents_sha256": digest([contents.recordings, contents.speakers]),
        "failures": [disk.failure(one, run.folder, run.traces) for one in failures],
        "worker_died": run.broken is not None and not isinstance(run.broken, Lost),
    }
    files.write_json(run.out / disk.INDEX, index, overwrite=True)
    stale = disk.stale(run.out, contents)
    return Corpus(run.out, index, run.n_new, tuple(failures), stale)


def _as_before(run: _Run, before: Mapping[str, Any]) -> Contents | None:
    """What the index says already, if it and the table are of the same results and code, and nobody has edited them."""
    recordings, speakers = before.get("recordings"), before.get("speakers")
    if before.get("made_by") != disk.MADE_BY or digest([recordings, speakers]) != before.get("contents_sha256"):
        return None
    same = {one["name"]: one["result"] for one in recordings} == {n: f"{RESULTS}/{r}" for n, r in run.results.items()}
    with suppress(ProsodyError):
        if same and files.sha256(run.out / WORDS) == before.get("words_sha256"):
            return Contents(recordings, speakers, [])
    return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
