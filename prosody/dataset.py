"""The dataset: segments of a recording with their marked words, as `prosody_dataset.json` and `dataset_info.json`.

All times are seconds in the source recording. The pause marker at a cut between two segments belongs to the first word
of the later segment, so that the segments' texts joined give the transcript's markers exactly. Reading is strict: what
`load` returns keeps its contract, and what breaks it is a `ProsodyError` that names the segment and the field. Segments
and words are counted from 1 in messages.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prosody import dataset_check, files, markers
from prosody.errors import ProsodyError

FORMAT_VERSION = 1
DATASET_FILE = "prosody_dataset.json"
INFO_FILE = "dataset_info.json"


@dataclass(frozen=True)
class Word:
    """A word of the recording: its time (s), the markers of the slot before it, what was measured and heard of it.

    measured: f0_level_st, f0_slope_st, ... → number, or None where there is nothing to measure.
    evidence: marker token → 0..1. confidence: 0..1, how sure it is that the word is said there; None: not known.
    """

    text: str
    start: float
    end: float
    markers: tuple[str, ...] = ()
    measured: Mapping[str, float | None] = field(default_factory=dict)
    evidence: Mapping[str, float] = field(default_factory=dict)
    confidence: float | None = None


def unreviewed() -> dict[str, str | None]:
    """The review of a segment that nobody has looked at."""
    return {"status": "unreviewed", "by": None, "at": None}


@dataclass(frozen=True)
class Segment:
    """A stretch of the recording between two pauses.

    audio_file: relative to the dataset's folder, parted by "/". text: marked. duration, start, end: s.
    split: "train", "val", or "" when not split yet. review: who looked at it and when ("status", "by", "at").
    """

    audio_file: str
    text: str
    duration: float
    start: float
    end: float
    split: str = ""
    words: tuple[Word, ...] = ()
    review: Mapping[str, str | None] = field(default_factory=unreviewed)

    @property
    def prosody_tokens(self) -> tuple[str, ...]:
        """The markers of the text, in order."""
        return markers.tokens(markers.parse(self.text))


@dataclass(frozen=True)
class Dataset:
    """A loaded dataset: its folder, its segments in time order, and what `dataset_info.json` says of it."""

    folder: Path
    segments: tuple[Segment, ...]
    info: Mapping[str, Any]


def text_of(words: Iterable[Word], final: str | None = None) -> str:
    """The marked text of words, with the pause after the last one if there is one."""
    marked = tuple(markers.MarkedWord(word.text, markers.canonical(word.markers)) for word in words)
    return markers.render(markers.MarkedText(marked, final))


def split_by_time(n_segments: int, val_share: float = 0.1) -> list[str]:
    """A split for each of `n_segments` in time order: "val" is the last stretch of them, so no neighbours are mixed.

    Two segments or more give at least one to each side, unless `val_share` is 0.
    Raises ProsodyError if `val_share` is not in 0..1 (1 excluded).
    """
    if not 0 <= val_share < 1:
        raise ProsodyError(None, "val_share", f"is {val_share}", "give a share from 0 to below 1, like 0.1")
    n_val = 0 if val_share == 0 else max(1, math.floor(n_segments * val_share + 0.5))
    n_val = min(n_val, max(0, n_segments - 1))
    return ["train"] * (n_segments - n_val) + ["val"] * n_val


def load(
    path: str | os.PathLike[str], *, progress: Callable[[float], None] | None = None, audio: bool = True
) -> Dataset:
    """Read a dataset and check all of it.

    path: the dataset's folder, or its `prosody_dataset.json`; `dataset_info.json` lies beside it. Keys that the schema
    does not know are allowed; those of segments and words are not kept. `info["counts"]` is counted afresh.
    progress: called with the share that is checked. audio: whether the segments' audio must be there.
    Raises ProsodyError for the first thing that is wrong, naming file, segment and field.
    """
    path = Path(path)
    json_path = path / DATASET_FILE if os.path.isdir(path) else path  # False, too, for a name that is too long
    folder = json_path.parent
    raw = files.read_json(json_path, constants=True)
    info = files.read_json(folder / INFO_FILE)
    dataset_check.schema(json_path, raw, "prosody_dataset", progress=progress)
    segments = tuple(_segment(one) for one in raw)
    dataset_check.segments(json_path, folder, segments, audio=audio)
    dataset_check.tokens(json_path, segments, [one["prosody_tokens"] for one in raw])
    dataset_check.schema(folder / INFO_FILE, info, "dataset_info")
    return Dataset(folder, segments, {**info, "counts": _counts(segments)})


def save(
    folder: str | os.PathLike[str],
    segments: Sequence[Segment],
    info: Mapping[str, Any],
    *,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write both files of a dataset into `folder`, where the segments' audio already lies.

    info: source_file, source_sha256, sample_rate, profile, parameters, and whatever else should be kept;
    format_version, counts and audio_sha256 are filled in. progress: called with the share that is checked.
    Raises ProsodyError if the dataset would not load again, or if it exists and `overwrite` is false; then nothing
    has been written.
    """
    folder = Path(folder)
    path, info_path = folder / DATASET_FILE, folder / INFO_FILE
    dataset_check.segments(path, folder, segments)
    raw = [_raw(segment) for segment in segments]
    dataset_check.schema(path, raw, "prosody_dataset", progress=progress)
    audio = {segment.audio_file: files.sha256(folder / segment.audio_file) for segment in segments}
    info = {**info, "format_version": FORMAT_VERSION, "counts": _counts(segments), "audio_sha256": audio}
    dataset_check.schema(info_path, info, "dataset_info")
    with files.new_path(path, overwrite=overwrite) as new, files.new_path(info_path, overwrite=overwrite) as new_info:
        files.write_json(new, raw)
        files.write_json(new_info, info)


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of "prosody_dataset" or "dataset_info"."""
    return dataset_check.shipped_schema(name)


def _segment(raw: dict[str, Any]) -> Segment:
    words = tuple(
        Word(
            word["text"],
            word["start"],
            word["end"],
            tuple(word["markers"]),
            word.get("measured", {}),
            word.get("evidence", {}),
            word.get("confidence"),
        )
        for word in raw["words"]
    )
    plain = {key: raw[key] for key in ("audio_file", "text", "duration", "start", "end", "split", "review")}
    return Segment(**plain, words=words)


def _raw(segment: Segment) -> dict[str, Any]:
    """The JSON object of a segment, its keys in the order of the contract, its numbers as Python's own."""
    return {
        "audio_file": segment.audio_file,
        "text": segment.text,
        "prosody_tokens": list(segment.prosody_tokens),
        "duration": float(segment.duration),
        "start": float(segment.start),
        "end": float(segment.end),
        "split": segment.split,
        "words": [_raw_word(word) for word in segment.words],
        "review": dict(segment.review),
    }


def _raw_word(word: Word) -> dict[str, Any]:
    known = {} if word.confidence is None else {"confidence": float(word.confidence)}
    return {
        "text": word.text,
        "start": float(word.start),
        "end": float(word.end),
        "markers": list(word.markers),
        "measured": {key: None if value is None else float(value) for key, value in word.measured.items()},
        "evidence": {token: float(value) for token, value in word.evidence.items()},
        **known,
    }


def _counts(segments: Iterable[Segment]) -> dict[str, int]:
    written = [token for segment in segments for token in segment.prosody_tokens]
    return {token: written.count(token) for token in markers.TOKENS}
