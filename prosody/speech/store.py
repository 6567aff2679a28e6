"""What the notebooks hand on: the recording and its segments from 01, the measured dataset from 02."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prosody import dataset, files
from prosody.dataset import Segment
from prosody.errors import ProsodyError
from prosody.speech.audio import Audio, read, write_flac
from prosody.speech.profile import Profile
from prosody.speech.segment import SegmentParameters, write_segments

RECORDING_FILE = "recording.flac"


def save(
    folder: str | os.PathLike[str], audio: Audio, segments: Sequence[Segment], *, parameters: SegmentParameters
) -> None:
    """Write `segments/*.wav`, the whole recording as lossless FLAC, and a dataset file, not measured or split yet.

    Raises ProsodyError if one of the files exists or cannot be written.
    """
    folder = Path(folder)
    write_flac(folder / RECORDING_FILE, audio.samples, audio.sample_rate)
    write_segments(folder, audio, segments)
    info = {
        "source_file": Path(audio.path).name,
        "source_sha256": audio.sha256,
        "sample_rate": audio.sample_rate,
        "profile": None,
        "parameters": {"segment": dataclasses.asdict(parameters)},
    }
    dataset.save(folder, segments, info)


def recording(folder: str | os.PathLike[str]) -> Audio:
    """The recording that `save` wrote. Raises ProsodyError if it is missing or damaged."""
    return read(Path(folder) / RECORDING_FILE)


def with_measurements(
    segments: Sequence[Segment],
    measured: Sequence[Mapping[str, float | None]],
    evidence: Sequence[Mapping[str, float]],
    *,
    val_share: float = 0.1,
) -> tuple[Segment, ...]:
    """The segments with their words' measurements and evidence (in the order of all words), split by contiguous time.

    Raises ProsodyError if `val_share` is no share.
    """
    if not 0 < val_share < 1:
        raise ProsodyError(None, "val_share", f"is {val_share!r}", "give a share between 0 and 1, such as 0.1")
    splits = dataset.split_by_time(len(segments), val_share)
    found = iter(zip(measured, evidence, strict=True))
    done = []
    for segment, split in zip(segments, splits, strict=True):
        words = []
        for word in segment.words:
            says, supports = next(found)
            words.append(dataclasses.replace(word, measured=dict(says), evidence=dict(supports)))
        done.append(dataclasses.replace(segment, words=tuple(words), split=split))
    return tuple(done)


def save_dataset(
    folder: str | os.PathLike[str],
    source: str | os.PathLike[str],
    segments: Sequence[Segment],
    *,
    speaker: Profile,
    parameters: Mapping[str, Any],
    markers_from: str = "transcript",
) -> None:
    """Write the measured dataset: the segments' sounds copied from `source`, what 01 wrote, and the two JSON files.

    parameters: of this stage, kept beside those of 01. markers_from: where the markers came from in the end, one of
    `choose.CHOICES`. Raises ProsodyError if a file exists or cannot be written.
    """
    cut = dataset.load(source)
    for segment in segments:
        target = Path(folder) / segment.audio_file
        with files.new_path(target) as path, files.telling(target):
            shutil.copyfile(Path(source) / segment.audio_file, path)
    changed = {
        "profile": speaker.as_json(),
        "markers_from": markers_from,
        "parameters": dict(cut.info["parameters"]) | {"prepare": dict(parameters)},
    }
    dataset.save(folder, segments, dict(cut.info) | changed)
