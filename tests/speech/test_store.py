"""What the notebooks hand on."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from speech_sounds import tone

from prosody.errors import ProsodyError
from prosody.speech import store
from prosody.speech.audio import Audio
from prosody.speech.segment import SegmentParameters


def test_the_recording_comes_back_as_it_was(tmp_path):
    audio = Audio(tone(1.0), 24_000, Path("talk.mp3"), "0" * 64, 44_100, 2)
    store.save(tmp_path, audio, (), parameters=SegmentParameters())
    again = store.recording(tmp_path)
    assert again.sample_rate == 24_000 and np.abs(again.samples - audio.samples).max() < 2**-15
    with pytest.raises(ProsodyError, match="already exists"):
        store.save(tmp_path, audio, (), parameters=SegmentParameters())


def test_a_disk_that_is_full(tmp_path, monkeypatch):
    def full(path, _):
        raise OSError(errno.ENOSPC, "No space left on device", os.fspath(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    audio = Audio(tone(1.0), 24_000, Path("talk.wav"), "0" * 64, 24_000, 1)
    with pytest.raises(ProsodyError, match=r"recording\.flac: the disk is full"):
        store.save(tmp_path, audio, (), parameters=SegmentParameters())
    assert not any(tmp_path.iterdir())
