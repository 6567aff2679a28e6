"""Listening back: what was written is heard in marked speech, and is not heard in plain speech."""

import json

import pytest

from prosody import markers
from prosody.errors import ProsodyError
from prosody.speech.audio import read
from prosody.voice.listen import EFFECTS, listen
from prosody.voice.speak import speak

TEXT = (
    "<pause_long> When I was a boy, <pause_short> we lived in a house by the <pitch_falling> river. <pause_long> "
    "My <pitch_high> mother had a garden with roses, <pitch_rising> apples, and a swing. <pause_short> I have "
    "<emph> never wanted to live in <pitch_low> town, <pause_short> and we went down to the water every morning. "
    "<pause_long>"
)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("spoken") / "answer.wav"
    return path, speak(TEXT, out=path, seed=1)


@pytest.fixture(scope="module")
def heard(recording):
    return listen(recording[0], TEXT)


def test_every_written_marker_is_heard_those_at_either_end_too(heard):
    written = markers.counts(markers.parse(TEXT))
    assert {token: one["written"] for token, one in heard["survival"].items()} == written
    assert {token: one["heard"] for token, one in heard["survival"].items()} == written


def test_effects_have_the_sign_and_size_that_was_spoken(heard):
    effect = {token: one["effect"] for token, one in heard["survival"].items()}
    assert effect["<pitch_high>"] > 2.5 > -2.5 > effect["<pitch_low>"]
    assert effect["<pitch_rising>"] > 3 > -3 > effect["<pitch_falling>"]
    assert effect["<emph>"] > 1.5
    assert effect["<pause_long>"] > 800 > effect["<pause_short>"] > 200


def test_hardly_anything_is_heard_that_is_not_written(heard):
    assert set(heard["unwritten"]) == set(markers.TOKENS)
    assert sum(heard["unwritten"].values()) <= 2


def test_words_come_back_with_times_near_the_true_ones(heard, recording):
    for found, true in zip(heard["words"], recording[1].words, strict=True):
        assert found["text"] == true.text
        assert found["written"] == list(true.markers)
        assert abs(found["start"] - true.start) < 0.1
    assert markers.plain(markers.parse(heard["text"])) == markers.strip(TEXT)
    json.dumps(heard, allow_nan=False)


def test_plain_speech_says_none_of_it(tmp_path):
    path = tmp_path / "plain.wav"
    plain = speak(TEXT, plain=True, out=path)
    found = listen(path, TEXT, words=plain.words)
    assert sum(one["heard"] for one in found["survival"].values()) <= 1


def test_known_times_and_loaded_audio_are_taken(recording):
    path, spoken = recording
    found = listen(read(path), markers.parse(TEXT), words=spoken.words)
    assert [word["start"] for word in found["words"]] == [round(word.start, 4) for word in spoken.words]
    assert sum(one["heard"] for one in found["survival"].values()) >= 11
    with pytest.raises(ProsodyError, match="not those of the text"):
        listen(path, TEXT, words=spoken.words[1:])


def test_a_text_without_markers_has_no_effects(recording):
    found = listen(recording[0], markers.strip(TEXT), words=recording[1].words)
    assert all(one == {"written": 0, "heard": 0, "effect": None} for one in found["survival"].values())
    assert sum(found["unwritten"].values()) >= 8


@pytest.mark.parametrize("text", ["", "<pause_long>"])
def test_a_text_without_words_is_refused(recording, text):
    with pytest.raises(ProsodyError, match="no words"):
        listen(recording[0], text)


def test_every_marker_has_its_measurement():
    assert set(EFFECTS) == set(markers.TOKENS)
