"""What a dataset's segments tell of its recording when that is not at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from prosody import dataset, files, markers
from prosody.speech import sources
from prosody.speech.audio import read, write_wav
from prosody.speech.corpus.process import process
from prosody.speech.measure import measure
from prosody.voice.speak import speak

SAID = "We had soup. <pause_long> Then we went back to work for the day. <pause_long> Nobody asked why, not even you."


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_segments_are_as_good_as_the_recording(tmp_path, noise):
    path = tmp_path / "talks" / "anna" / "a.wav"
    speak(markers.parse(SAID), out=path)
    audio = read(path)
    quiet = np.zeros(2 * audio.sample_rate, dtype=np.float32)
    samples = np.concatenate([quiet, audio.samples / 2, quiet])
    samples += np.random.default_rng(0).normal(0, noise, len(samples)).astype(np.float32)
    write_wav(path, samples, audio.sample_rate, overwrite=True)
    path.with_suffix(".txt").write_text(SAID)
    assert process(tmp_path / "talks", tmp_path / "out", datasets=True).failures == ()
    data = dataset.load(tmp_path / "out" / "datasets" / "anna")
    words = [word for segment in data.segments for word in segment.words]
    (whole,), (joined,) = sources.of_corpus(data), sources.of_segments(data)
    assert (whole.is_whole, joined.is_whole) == (True, False)
    assert (joined.name, joined.start, joined.end) == (whole.name, whole.start, whole.end)
    for one, other in zip(measure(whole.read(), words), measure(joined.read(), words), strict=True):
        assert other == {
            name: value if value is None else pytest.approx(value, abs=0.02) for name, value in one.items()
        }


def test_a_dataset_at_the_top_of_a_disk_is_in_no_corpus(tmp_path):
    folder = Path(tmp_path.anchor) / "prosody-nowhere"
    assert sources.of_corpus(dataset.Dataset(folder, (), {"sample_rate": 24_000, "sources": []})) is None


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_recordings_in_folders_that_are_linked(tmp_path):
    write_wav(tmp_path / "elsewhere" / "a.wav", np.zeros(100, dtype=np.float32), 24_000)
    (tmp_path / "talks").mkdir()
    (tmp_path / "talks" / "anna").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "talks" / "itself").symlink_to(tmp_path / "talks")
    told = {"name": "anna/a", "sha256": files.sha256(tmp_path / "elsewhere" / "a.wav"), "start": 0.0, "duration": 0.1}
    data = dataset.Dataset(tmp_path, (), {"sources": [told], "sample_rate": 24_000})
    assert [one.name for one in sources.of_folder(data, tmp_path / "talks")] == ["anna/a"]
