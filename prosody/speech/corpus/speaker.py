"""A speaker's recordings as one dataset, as if they had been one recording: each begins where the one before ends."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prosody import dataset, files
from prosody.dataset import DATASET_FILE, INFO_FILE, Segment, Word
from prosody.errors import ProsodyError
from prosody.markers import MarkedText, MarkedWord
from prosody.speech import choose
from prosody.speech.audio import SAMPLE_RATE, Audio, read
from prosody.speech.corpus import method, result
from prosody.speech.segment import (
    SegmentParameters,
    assign_words,
    energy_db,
    make_segments,
    segment_spans,
    write_segments,
)

VAL_SHARE = 0.1  # of the segments, at the end

MADE_BY = method.of(__name__)  # the code that makes a dataset
_NO_ONES = (".DS_Store", "Thumbs.db", "desktop.ini")  # what systems put into folders


@dataclass(frozen=True)
class Part:
    """A recording of a dataset. audio, result: paths. The hashes are of what was heard."""

    name: str
    audio: str
    result: str
    audio_sha256: str
    transcript_sha256: str

    def made_from(self) -> dict[str, str]:
        """What the dataset keeps of it."""
        hashes = {"audio_sha256": self.audio_sha256, "transcript_sha256": self.transcript_sha256}
        return {"name": self.name, "result": Path(self.result).name, **hashes}


@dataclass(frozen=True)
class Speaker:
    """A dataset to be made. name: the speaker's. folder: where it goes. profile, markers_from: as in the index.

    recordings: in the order of the dataset.
    """

    name: str
    folder: str
    recordings: tuple[Part, ...]
    profile: Mapping[str, Any]
    markers_from: str


def write_dataset(speaker: Speaker) -> bool:
    """Write a speaker's dataset, unless it is there as it would be; whether it was written. Workers can run this.

    The whole folder appears at once. One that is there is replaced, but not if a person has reviewed some of it, or if
    it holds anything that was not made here. A reviewed one of the same recordings, transcripts and thresholds may stay
    as it is when only the code is another.
    Raises ProsodyError if the dataset there is reviewed and of something else, a recording changed since it was heard,
    or nothing can be written.
    """
    folder = Path(speaker.folder)
    made_from = [one.made_from() for one in speaker.recordings]
    if not _is_to_be_made(folder, made_from):
        return False
    temporary = folder.parent / f".tmp-{secrets.token_hex(6)}"
    try:
        temporary.mkdir(parents=True)
        with files.named(temporary, folder):
            _write(temporary, speaker, made_from)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    except OSError as error:
        what = f"the dataset cannot be written ({error.strerror})"
        raise ProsodyError(folder, None, what, "make room, or check its permissions, then run it again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return True


def _is_to_be_made(folder: Path, made_from: Sequence[Mapping[str, str]]) -> bool:
    """Whether the dataset is not there, or was made from something else.

    Raises ProsodyError if what is there must not be replaced.
    """
    remedy = "move it elsewhere, then run it again for a new one"
    known = set(_NO_ONES)
    if (folder / DATASET_FILE).exists():
        info = files.read_json(folder / INFO_FILE)
        before = info.get("made_from") if isinstance(info, dict) else None
        if before == list(made_from) and info.get("made_by") == MADE_BY:
            return False
        there = dataset.load(folder)
        reviewed = [one for one in there.segments if one.review["status"] != "unreviewed"]
        if reviewed and _asked(before) == _asked(made_from):
            return False
        if reviewed:
            told = "recordings, transcripts or thresholds changed"
            what = f"{told}, but {len(reviewed)} segments of this dataset are reviewed: left as it is"
            raise ProsodyError(folder, None, what, remedy)
        if "made_from" not in there.info:
            raise ProsodyError(folder, None, "is a dataset that was made otherwise: left as it is", remedy)
        known |= {DATASET_FILE, INFO_FILE, *(one.audio_file for one in there.segments)}
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    own = sorted(name for name in found if name not in known)
    if own:
        what = f"a new dataset belongs here, but {own[0]} was not made by this command: left as it is"
        raise ProsodyError(folder, None, what, remedy)
    return True


def _asked(made_from: Any) -> list[Any] | None:
    """What a dataset was to be made from: sound, text and thresholds of each recording, not how they were heard."""
    try:
        return [(one["audio_sha256"], one["transcript_sha256"], one["result"].rpartition("-")[2]) for one in made_from]
    except (TypeError, KeyError, AttributeError):  # an earlier version did not say
        return None


def _write(folder: Path, speaker: Speaker, made_from: Sequence[Mapping[str, str]]) -> None:
    segments: list[Segment] = []
    heard: list[tuple[str, ...]] = []
    start_s, sources, detect = 0.0, [], {}
    for number, part in enumerate(speaker.recordings, 1):
        audio, data = read(part.audio), result.load(part.result)
        if audio.sha256 != part.audio_sha256:
            raise ProsodyError(part.audio, None, "changed since it was heard", "run it again")
        cut = _segments(audio, data, number)
        write_segments(folder, audio, cut)
        segments += [_moved(one, start_s) for one in cut]
        heard += [tuple(word["markers"]) for word in data["words"]]
        times = {"start": round(start_s, 3), "duration": data["duration"]}
        sources.append({"name": part.name, "sha256": audio.sha256, **times})
        start_s += data["duration"]
        detect = data["parameters"]  # of one run, all recordings have the same
    splits = dataset.split_by_time(len(segments), VAL_SHARE)
    segments = [replace(s, split=split) for s, split in zip(segments, splits, strict=True)]
    info = {
        "source_file": speaker.name,
        "source_sha256": hashlib.sha256("".join(one["sha256"] for one in sources).encode()).hexdigest(),
        "sources": sources,
        "made_from": list(made_from),
        "made_by": MADE_BY,
        "sample_rate": SAMPLE_RATE,
        "profile": dict(speaker.profile),
        "markers_from": speaker.markers_from,
        "parameters": {
            "segment": dataclasses.asdict(SegmentParameters()),
            "prepare": {"val_share": VAL_SHARE, "markers": speaker.markers_from, "detect": detect},
        },
    }
    dataset.save(folder, choose.with_markers(segments, heard, speaker.markers_from), info)


def _segments(audio: Audio, data: Mapping[str, Any], number: int) -> list[Segment]:
    """The segments of one recording, times in it; their sounds are named after its number."""
    words = result.words_of(data)
    p = SegmentParameters()
    spans = segment_spans(energy_db(audio.samples, audio.sample_rate, hop_s=p.hop_s), parameters=p)
    marked = MarkedText(tuple(MarkedWord(word.text, word.markers) for word in words), data["final"])
    cut = make_segments(assign_words(spans, words, parameters=p), words, marked)
    found = iter(words)
    return [
        replace(
            one,
            audio_file=one.audio_file.replace("segments/", f"segments/{number:04d}_"),
            words=tuple(_measured(word, next(found)) for word in one.words),
        )
        for one in cut
    ]


def _measured(word: Word, heard: Word) -> Word:
    return replace(word, measured=heard.measured, evidence=heard.evidence, confidence=heard.confidence)


def _moved(one: Segment, by_s: float) -> Segment:
    """A segment later in time."""
    words = tuple(replace(w, start=round(w.start + by_s, 3), end=round(w.end + by_s, 3)) for w in one.words)
    return replace(one, start=round(one.start + by_s, 3), end=round(one.end + by_s, 3), words=words)
