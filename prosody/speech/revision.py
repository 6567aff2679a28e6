"""A dataset that was edited elsewhere, written as a new folder: sounds copied or cut again, words measured again."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prosody import dataset, files
from prosody.dataset import Dataset, Segment, Word
from prosody.errors import ProsodyError
from prosody.interchange.revise import Revision
from prosody.speech import sources, thresholds
from prosody.speech.detect import DetectParameters, evidence
from prosody.speech.segment import write_segments
from prosody.speech.sources import Source

_MEASURING = 0.8  # share of the time


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Raise ProsodyError if a new dataset cannot be written there: it must not exist yet, or be an empty folder."""
    path = Path(folder)
    if path.is_dir() and not any(path.iterdir()):
        path = path / dataset.DATASET_FILE
    elif path.is_dir():
        raise ProsodyError(path, None, "already exists", "give the name of a new folder")
    files.check_new(path)


def save(
    folder: str | os.PathLike[str],
    data: Dataset,
    revision: Revision,
    *,
    source: Mapping[str, Any],
    sounds: Sequence[Source],
    progress: Callable[[float], None] | None = None,
) -> Dataset:
    """Write a revision of `data` as a new dataset; all of it or nothing. Returns it.

    source: what it was made from, kept with the dataset's parameters. sounds: the recordings, in which the stale words
    are measured again, and from which segments whose edges have moved are cut again. progress: called with the share
    that is done.
    Raises ProsodyError if the folder exists or cannot be written, or if the dataset was made with thresholds that there
    are not.
    """
    folder = Path(folder)
    check_folder(folder)
    found = thresholds.of_dataset(data)
    told, measuring = progress or (lambda share: None), _MEASURING if revision.stale else 0.0
    options = {"parameters": found, "progress": lambda share: told(measuring * share)}
    segments = measured_again(sounds, revision.segments, revision.stale, **options)
    parameters = {**data.info["parameters"], "import": dict(source)}
    temporary = folder.parent / f".tmp-{secrets.token_hex(6)}"
    info = {**data.info, "profile": _profile(data, segments), "parameters": parameters}
    try:
        with files.named(temporary, folder):
            _write_sounds(temporary, data.folder, segments, revision.recut, sounds)
            dataset.save(temporary, segments, info, progress=lambda share: told(measuring + (1 - measuring) * share))
        with files.telling(folder):
            if folder.is_dir():
                folder.rmdir()
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Dataset(folder, segments, info)


def _profile(data: Dataset, segments: Sequence[Segment]) -> dict[str, Any] | None:
    """The profile of the words as they are now; None where there was none."""
    from prosody.speech import profile

    before = data.info["profile"]
    was, now = ([word for one in kept for word in one.words] for kept in (data.segments, segments))
    return None if before is None else profile.revised(before, was, now, end_s=segments[-1].end)


def measured_again(
    sounds: Sequence[Source],
    segments: Sequence[Segment],
    stale: Sequence[int],
    *,
    parameters: DetectParameters | None = None,
    progress: Callable[[float], None] | None = None,
) -> tuple[Segment, ...]:
    """The segments with the words of these numbers (from 0, of all words) measured, and the evidence for markers.

    parameters: the thresholds by which the others' evidence was found. Where the others were measured in another way,
    by an earlier version, all words are. Each recording is measured by itself, those without stale words not at all.
    """
    told = progress or (lambda share: None)
    words = [word for segment in segments for word in segment.words]
    of = [sources.owner(sounds, (one.start + one.end) / 2) for one in segments for _ in one.words]
    found: dict[int, Mapping[str, float | None]] = {}
    again = set(stale)
    while waiting := sorted({of[k] for k in again} - {of[k] for k in found}):
        whose = [k for k, number in enumerate(of) if number == waiting[0]]
        done, n = len(found) / len(words), len(whose) / len(words)
        measured = _measured(
            sounds[waiting[0]], [words[k] for k in whose], lambda share, a=done, n=n: told(a + n * share)
        )
        found.update(zip(whose, measured, strict=True))
        if any(word.measured.keys() != measured[0].keys() for word in words):
            again = set(range(len(words)))
    for k in again:
        words[k] = replace(words[k], measured=dict(found[k]), evidence=evidence(found[k], parameters))
    told(1.0)
    following = iter(words)
    return tuple(replace(one, words=tuple(next(following) for _ in one.words)) for one in segments)


def _measured(sound: Source, words: Sequence[Word], progress: Callable[[float], None]) -> list[dict[str, float | None]]:
    """What is measured of the words of one recording."""
    from prosody.speech.measure import measure

    moved = [replace(word, start=word.start - sound.start, end=word.end - sound.start) for word in words]
    return measure(sound.read(), moved, progress=progress)


def _write_sounds(
    folder: Path, source: Path, segments: Sequence[Segment], recut: Sequence[str], sounds: Sequence[Source]
) -> None:
    cut_from, audio = None, None  # recordings are long: each is read once for all of its segments
    for segment in segments:
        if segment.audio_file in recut:
            sound = sounds[sources.owner(sounds, (segment.start + segment.end) / 2)]
            if not sound.is_whole:
                raise ValueError(f"{segment.audio_file} is to be cut again, but there is no recording")
            if sound is not cut_from:
                cut_from, audio = sound, sound.read()
            moved = replace(segment, start=max(0.0, segment.start - sound.start), end=segment.end - sound.start)
            write_segments(folder, audio, [moved])
            continue
        with files.new_path(folder / segment.audio_file) as path, files.telling(folder / segment.audio_file):
            shutil.copyfile(source / segment.audio_file, path)
