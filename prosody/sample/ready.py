"""The built-in corpus where the notebooks look for it: voiced once, then kept."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from prosody import files
from prosody.errors import ProsodyError
from prosody.sample.build import RATE, Progress, SampleFiles, sample_files, write_sample
from prosody.sample.script import read_script, transcript


def ready_sample(folder: str | Path, *, answers: int | None = None, progress: Progress | None = None) -> SampleFiles:
    """The corpus in `folder`, voiced if it isn't there whole, or was made from another script or with another voice.

    answers: only the first of them. Raises ProsodyError if the folder can't be written, or if there are not so many.
    """
    found = sample_files(folder)
    if _is_current(found, answers):
        return found
    return write_sample(folder, answers=answers, overwrite=True, progress=progress)


def _is_current(found: SampleFiles, answers: int | None) -> bool:
    from prosody.voice.parameters import SpeakParameters

    if not (found.audio.is_file() and found.questions.is_file()):
        return False
    try:
        same_text = files.read_text(found.transcript) == transcript(read_script()[:answers])
        truth = files.read_json(found.truth)
    except ProsodyError:
        return False
    parameters = json.loads(json.dumps(dataclasses.asdict(SpeakParameters(rate=RATE))))
    size = 44 + 2 * round(truth["duration"] * truth["sample_rate"])
    return same_text and truth["parameters"] == parameters and abs(found.audio.stat().st_size - size) <= 2
