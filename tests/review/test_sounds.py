"""The sound of a segment under review, and what happens where its file was moved or changed."""

import os
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from prosody import dataset
from prosody.errors import ProsodyError
from prosody.review.sounds import Sounds
from prosody.speech.audio import read
from prosody.speech.measure import Tracks


def test_a_clip_is_what_lies_there_in_the_recording(folder):
    sounds = Sounds(dataset.load(folder))
    whole = read(folder.parent / "talk.wav", sample_rate=16_000).samples
    for start, end in ((0.1, 1.5), (0.4, 1.0), (2.1, 3.5)):
        clip = sounds.clip(start, end)
        assert clip.sample_rate == 16_000
        np.testing.assert_allclose(clip.samples, whole[round(start * 16_000) : round(end * 16_000)], atol=1e-4)
    voiced = sounds.clip(0.1, 1.5).f0_hz
    assert np.nanmedian(voiced) == pytest.approx(140, rel=0.02)


def test_two_segments_merged_have_silence_between(folder):
    samples = Sounds(dataset.load(folder)).clip(0.1, 3.5).samples
    whole = read(folder.parent / "talk.wav", sample_rate=16_000).samples[1600:56_000]
    np.testing.assert_allclose(samples[:22_400], whole[:22_400], atol=1e-4)
    assert not samples[22_400:32_000].any()
    np.testing.assert_allclose(samples[32_000:], whole[32_000:], atol=1e-4)


def test_f0_that_is_known_is_not_followed_again(folder):
    times = np.arange(0, 6, 0.1)
    tracks = Tracks(times, 100 + times, np.zeros(1), 0.01, -35.0)
    clip = Sounds(dataset.load(folder), tracks).clip(2.1, 3.5)
    assert clip.f0_times[0] == pytest.approx(0.0) and clip.f0_hz[0] == pytest.approx(102.1)


def test_only_the_last_clips_are_kept(folder):
    sounds = Sounds(dataset.load(folder))
    clips = [sounds.clip(0.1, 0.5 + k / 10) for k in range(5)]
    assert sounds.clip(0.1, 0.9) is clips[-1]
    assert sounds.clip(0.1, 0.5) is not clips[0]


def test_what_was_moved_is_found_by_its_hash_whatever_its_name(folder, tmp_path):
    data = dataset.load(folder)
    sounds, lost = Sounds(data), folder / "segments/s1.wav"
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    lost.rename(elsewhere / "renamed.wav")
    soundfile.write(elsewhere / "s1.wav", np.zeros(100), 16_000)  # of that name, but another
    assert len(dataset.load(folder, audio=False).segments) == 3
    with pytest.raises(ProsodyError, match=r"s1\.wav: is not there") as caught:
        sounds.clip(2.1, 3.5)
    assert "name the folder" in str(caught.value)
    assert sounds.relocate(tmp_path / "dataset") == (0, 1)
    assert sounds.relocate(tmp_path / "else") == (1, 0)
    assert np.abs(sounds.clip(2.1, 3.5).samples).max() > 0.1


def test_a_file_that_has_changed_is_not_played_for_the_one_that_was_measured(folder):
    data = dataset.load(folder)
    path = folder / "segments/s0.wav"
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples[::-1], rate)
    with pytest.raises(ProsodyError, match=r"s0\.wav: has changed since the dataset was made"):
        Sounds(data).clip(0.1, 1.5)
    assert Sounds(data).clip(2.1, 3.5).samples.any()


@pytest.mark.parametrize(("make", "told"), [(lambda p: p.write_bytes(b"no sound"), "no sound that can be read")])
def test_a_file_that_is_no_sound_in_a_dataset_without_hashes(folder, make, told):
    data = dataset.load(folder)
    info = {key: value for key, value in data.info.items() if key != "audio_sha256"}
    make(folder / "segments/s0.wav")
    with pytest.raises(ProsodyError, match=told):
        Sounds(dataset.Dataset(folder, data.segments, info)).clip(0.1, 1.5)


def test_a_sound_at_another_rate(folder):
    data = dataset.load(folder)
    info = {key: value for key, value in data.info.items() if key != "audio_sha256"}
    soundfile.write(folder / "segments/s0.wav", np.zeros(800), 8_000)
    with pytest.raises(ProsodyError, match="has 8,000 samples a second, the dataset 16,000"):
        Sounds(dataset.Dataset(folder, data.segments, info)).clip(0.1, 1.5)


def test_a_folder_that_is_none(folder):
    with pytest.raises(ProsodyError, match="is no folder"):
        Sounds(dataset.load(folder)).relocate(folder / "nowhere")


def test_a_pipe_in_place_of_a_sound_is_not_waited_for(folder):
    if not hasattr(os, "mkfifo"):
        pytest.skip("pipes have no names here")
    data = dataset.load(folder)
    path = folder / data.segments[0].audio_file
    path.unlink()
    os.mkfifo(path)
    sounds = Sounds(data)
    with pytest.raises(ProsodyError, match="is no sound that can be read"):
        sounds.clip(data.segments[0].start, data.segments[0].end)
    assert sounds.relocate(folder) == (0, 1)


def test_a_segment_of_days_is_told_and_not_loaded(folder):
    with pytest.raises(ProsodyError, match="too long to be played at once"):
        Sounds(dataset.load(folder)).clip(0.0, 1e300)


def test_a_sample_rate_that_json_writes_with_a_point_is_a_whole_number(folder):
    data = dataset.load(folder)
    clip = Sounds(replace(data, info={**data.info, "sample_rate": 16000.0})).clip(0.1, 1.5)
    assert type(clip.sample_rate) is int and len(clip.samples) == 22_400
