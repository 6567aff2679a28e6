"""What 01_segment hands to 02_prepare: the recording as it was worked on, its segments, and how they were made."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from prosody import dataset, files
from prosody.dataset import Segment
from prosody.speech.audio import Audio, read
from prosody.speech.segment import SegmentParameters, write_segments

RECORDING_FILE = "recording.flac"


def save(
    folder: str | os.PathLike[str], audio: Audio, segments: Sequence[Segment], *, parameters: SegmentParameters
) -> None:
    """Write `segments/*.wav`, the whole recording as lossless FLAC, and a dataset file, not measured or split yet.

    Raises ProsodyError if one of the files exists or cannot be written.
    """
    import soundfile

    folder = Path(folder)
    with files.new_path(folder / RECORDING_FILE) as path:
        soundfile.write(path, audio.samples, audio.sample_rate, subtype="PCM_16")
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
