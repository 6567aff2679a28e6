from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import soundfile
from speech_sounds import noise, silence, tone

from prosody.errors import ProsodyError
from prosody.speech import blocks
from prosody.speech.audio import read
from prosody.speech.blocks import flat_peaks, in_mono, opened

RATE = 24_000


def heard(path, channels, *, rate=RATE):
    soundfile.write(path, np.stack(channels, axis=1), rate)
    return read(path)


def test_a_dead_channel_costs_nothing(tmp_path):
    found = heard(tmp_path / "a.wav", [silence(2.0), tone(2.0)])
    assert found.notes == ("stereo: only one of them holds sound: used that one",)
    assert np.abs(found.samples).max() == pytest.approx(0.5, abs=0.01)


def test_two_speakers_on_two_channels_are_told(tmp_path):
    turn, pause = tone(1.0, hz=120.0), silence(1.0)
    left, right = np.concatenate([turn, pause] * 5), np.concatenate([pause, tone(1.0, hz=220.0)] * 5)
    (note,) = heard(tmp_path / "a.wav", [left + 0.05 * right, right + 0.05 * left]).notes
    assert "as of two speakers" in note and note.startswith("stereo: mixed down to mono")
    panned = heard(tmp_path / "b.wav", [left, 0.1 * left])
    assert panned.notes == ("stereo: mixed down to mono",)


def test_one_voice_on_six_channels(tmp_path):
    found = heard(tmp_path / "a.wav", [tone(1.0)] * 6)
    assert found.notes == ("6 channels: mixed down to mono",)


def test_progress_and_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK", 1_000)
    soundfile.write(tmp_path / "a.wav", np.stack([tone(1.0), -tone(1.0)], axis=1), RATE)
    shares = []
    with opened(tmp_path / "a.wav") as file:
        sizes, told = in_mono(file, tmp_path / "a.wav", lambda parts: [len(part) for part in parts], shares.append)
    assert sizes == [1_000] * 24 and "cancel" in told.channels
    assert shares == sorted(shares[:24]) * 2 and shares[-1] == 1.0


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("level", [1.0, 0.4])
def test_clipping_is_found_at_the_rate_of_the_file(tmp_path, rate, level):
    wave = np.sin(2 * np.pi * 180 * np.arange(2 * rate) / rate) * np.linspace(0.2, 1.6, 2 * rate)
    soundfile.write(tmp_path / "a.wav", np.clip(wave, -1, 1) * level, rate)
    assert read(tmp_path / "a.wav").clipped == pytest.approx(310, abs=10)  # 155 periods, both ways
    soundfile.write(tmp_path / "b.wav", wave / 1.6 * level, rate)
    assert read(tmp_path / "b.wav").clipped <= 2


def test_flat_peaks():
    assert flat_peaks(np.array([0, 0.5, 0.5, 0.5, 0, -0.5, -0.5, -0.5, -0.5, 0])) == (0.5, 2)
    assert flat_peaks(np.array([0.5, 0.5, 0, 0.5, 0.2])) == (0.5, 0)
    assert flat_peaks(np.array([-0.5, -0.5, -0.5, 0.4, 0.4, 0.4])) == (0.5, 1)
    assert flat_peaks(np.zeros(9)) == (0.0, 0)


def test_a_recording_that_does_not_fit_into_memory(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", tone(4.0), RATE)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=700_000))
    with pytest.raises(ProsodyError, match=r"is 0\.0 hours long: hearing it takes .* are free — cut it") as caught:
        read(tmp_path / "a.wav")
    assert str(caught.value).startswith(str(tmp_path / "a.wav"))


def test_a_recording_is_held_in_memory_once(tmp_path):
    import tracemalloc

    soundfile.write(tmp_path / "a.wav", noise(60.0, rate=16_000, level=0.1), 16_000)
    read(tmp_path / "a.wav")  # what is imported on the way does not count
    tracemalloc.start()
    try:
        found = read(tmp_path / "a.wav")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < found.samples.nbytes + 8 * 1024 * 1024
