"""A dataset that was edited elsewhere, written as a new folder: sounds copied or cut again, words measured again."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prosody import dataset, files
from prosody.dataset import Dataset, Segment
from prosody.errors import ProsodyError
from prosody.interchange.revise import Revision
from prosody.speech import thresholds
from prosody.speech.audio import Audio
from prosody.speech.detect import DetectParameters, evidence
from prosody.speech.segment import write_segments


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Raise ProsodyError if a new dataset cannot be written there: it must not exist yet, or be an empty folder."""
    path = Path(folder)
    if path.is_dir() and not any(path.iterdir()):
        path = path / dataset.DATASET_FILE
    elif path.is_dir():
        raise ProsodyError(path, None, "already exists", "give the name of a new folder")
    files.check_new(path)


def save(
    folder: str | os.PathLike[str], data: Dataset, revision: Revision, *, source: Mapping[str, Any], audio: Audio | None
) -> Dataset:
    """Write a revision of `data` as a new dataset; all of it or nothing. Returns it as it loads.

    source: what it was made from, kept with the dataset's parameters. audio: the recording; with it the stale words
    are measured again, and segments whose edges have moved are cut again.
    Raises ProsodyError if the folder exists or cannot be written, or if the dataset was made with thresholds that there
    are not.
    """
    folder = Path(folder)
    check_folder(folder)
    segments = revision.segments
    if audio is not None:
        segments = measured_again(audio, segments, revision.stale, parameters=thresholds.of_dataset(data))
    parameters = {**data.info["parameters"], "import": dict(source)}
    temporary = folder.parent / f".tmp-{secrets.token_hex(6)}"
    try:
        _write_sounds(temporary, data.folder, segments, revision.recut, audio)
        dataset.save(temporary, segments, {**data.info, "profile": _profile(data, segments), "parameters": parameters})
        dataset.load(temporary)
        with files.telling(folder):
            if folder.is_dir():
                folder.rmdir()
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return dataset.load(folder)


def _profile(data: Dataset, segments: Sequence[Segment]) -> dict[str, Any] | None:
    """The profile of the words as they are now; None where there was none."""
    from prosody.speech import profile

    before = data.info["profile"]
    was, now = ([word for one in kept for word in one.words] for kept in (data.segments, segments))
    return None if before is None else profile.revised(before, was, now, end_s=segments[-1].end)


def measured_again(
    audio: Audio, segments: Sequence[Segment], stale: Sequence[int], *, parameters: DetectParameters | None = None
) -> tuple[Segment, ...]:
    """The segments with the words of these numbers (from 0, of all words) measured, and the evidence for markers.

    parameters: the thresholds by which the others' evidence was found. Where the others were measured in another way,
    by an earlier version, all words are.
    """
    from prosody.speech.measure import measure

    if not stale:
        return tuple(segments)
    words = [word for segment in segments for word in segment.words]
    found = measure(audio, words)
    alike = all(word.measured.keys() == one.keys() for word, one in zip(words, found, strict=True))
    for k in stale if alike else range(len(words)):
        words[k] = replace(words[k], measured=dict(found[k]), evidence=evidence(found[k], parameters))
    following = iter(words)
    return tuple(replace(one, words=tuple(next(following) for _ in one.words)) for one in segments)


def _write_sounds(
    folder: Path, source: Path, segments: Sequence[Segment], recut: Sequence[str], audio: Audio | None
) -> None:
    for segment in segments:
        if segment.audio_file in recut:
            if audio is None:
                raise ValueError(f"{segment.audio_file} is to be cut again, but there is no recording")
            write_segments(folder, audio, [segment])
            continue
        with files.new_path(folder / segment.audio_file) as path, files.telling(folder / segment.audio_file):
            shutil.copyfile(source / segment.audio_file, path)
