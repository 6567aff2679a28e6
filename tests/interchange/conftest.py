"""A small dataset in a folder, with its recording."""

import hashlib

import numpy as np
import pytest
import soundfile

from prosody import dataset
from prosody.dataset import Segment, Word

RATE = 24_000
END_S = 6.0


def words_of(*pieces):
    """(text, start, end, markers) a word, with something measured."""
    return tuple(
        Word(
            *(text, start, end, tuple(slot.split()), {"f0_level_st": start, "pause_before_s": 0.1}, {"<emph>": 0.75}),
            confidence=0.9,
        )
        for text, start, end, slot in pieces
    )


FIRST = words_of(
    ("We", 0.5, 0.7, ""),
    ("really", 0.7, 1.2, "<pitch_high> <emph>"),
    ("–", 1.2, 1.2, "<pause_short>"),
    ("meant", 1.2, 1.605, ""),
)
SECOND = words_of(("it,", 3.0, 3.3, "<pause_long>"), ("“007”.", 3.5, 4.0, "<pitch_low>"))


def a_segment(name, start, end, words, final=None):
    return Segment(
        f"segments/{name}.wav", dataset.text_of(words, final), round(end - start, 3), start, end, "train", words
    )


@pytest.fixture
def made(tmp_path):
    """The folder of the dataset; beside it lies `talk.wav`."""
    times = np.arange(int(END_S * RATE)) / RATE
    samples = (0.3 * np.sin(2 * np.pi * 150 * times)).astype("f4")
    soundfile.write(tmp_path / "talk.wav", samples, RATE)
    folder = tmp_path / "dataset"
    segments = (a_segment("a", 0.4, 1.7, FIRST), a_segment("b", 2.9, 4.1, SECOND, "<pause_short>"))
    (folder / "segments").mkdir(parents=True)
    for one in segments:
        part = samples[round(one.start * RATE) : round(one.end * RATE)]
        soundfile.write(folder / one.audio_file, part, RATE)
    sha256 = hashlib.sha256((tmp_path / "talk.wav").read_bytes()).hexdigest()
    info = {"source_file": "talk.wav", "source_sha256": sha256, "sample_rate": RATE, "profile": None, "parameters": {}}
    dataset.save(folder, segments, info)
    return folder
