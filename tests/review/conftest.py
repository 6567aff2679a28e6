"""A small dataset with sound, of which the tests of the review share the making."""

import numpy as np
import pytest
import soundfile

from prosody import dataset
from prosody.dataset import Segment, Word, text_of

RATE = 16_000


@pytest.fixture
def folder(tmp_path):
    """Three segments of two words each, half a second a word; the recording lies beside."""
    rng = np.random.default_rng(0)
    times = np.arange(6 * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 140 * times) * (times % 1 < 0.9) + 1e-3 * rng.standard_normal(len(times))
    soundfile.write(tmp_path / "talk.wav", tone.astype("f4"), RATE)
    segments = []
    for k in range(3):
        words = tuple(
            Word(text, 2 * k + 0.2 + 0.5 * n, 2 * k + 0.7 + 0.5 * n, slot, {"f0_level_st": None}, {"<emph>": 0.9})
            for n, (text, slot) in enumerate((("We", ("<emph>",)), ("walk.", ())))
        )
        segments.append(Segment(f"segments/s{k}.wav", text_of(words), 1.4, 2 * k + 0.1, 2 * k + 1.5, "train", words))
    made = tmp_path / "dataset"
    (made / "segments").mkdir(parents=True)
    for one in segments:
        soundfile.write(made / one.audio_file, tone[round(one.start * RATE) : round(one.end * RATE)], RATE)
    info = {"source_file": "talk.wav", "source_sha256": "0" * 64, "sample_rate": RATE, "profile": None}
    dataset.save(made, segments, info | {"parameters": {}})
    return made
