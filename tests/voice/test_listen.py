"""Listening back: what was written is heard in marked speech, and is not heard in plain speech."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prosody import markers
from prosody.errors import ProsodyError
from prosody.markers import MarkedText, MarkedWord
from prosody.speech.audio import read
from prosody.voice.listen import EFFECTS, effect_told, listen, listen_to_spoken, lost
from prosody.voice.speak import speak, write_wav

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


# --- against a render of the same words without markers ---------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "plain.wav"
    return path, speak(TEXT, plain=True, out=path, seed=1)


@pytest.fixture(scope="module")
def compared(recording, plain):
    return listen(recording[0], TEXT, plain=plain[0], words=recording[1].words, plain_words=plain[1].words)


def test_an_effect_is_what_the_marker_does_to_its_own_word(compared, recording):
    for one in compared["occurrences"]:
        sign = -1 if one["marker"] in ("<pitch_low>", "<pitch_falling>") else 1
        assert sign * one["effect"] > (150 if one["unit"] == "ms" else 1.5), one
        if one["unit"] != "ms" and one["marker"] != "<emph>":
            assert one["effect"] == pytest.approx(one["value"] - one["value_plain"], abs=0.002)
    (emph,) = [one for one in compared["occurrences"] if one["marker"] == "<emph>"]
    assert emph["text"] == "never"
    assert emph["energy_db"] > 1
    assert emph["duration_ratio"] > 1.15
    assert emph["duration_ms"] > 30
    assert effect_told("<emph>", [emph]).count(" ") > 3
    asked = [target.pause_before_s for target in recording[1].targets if target.pause_before_s]
    told = [one["value"] for one in compared["occurrences"] if one["unit"] == "ms"]
    assert told == pytest.approx([1000 * s for s in [*asked, recording[1].final_pause_s]], abs=60)


def test_the_plain_render_is_spoken_anew_with_the_same_seed(recording, plain, compared):
    first = markers.parse(TEXT)
    short = MarkedText(first.words[:9], None)
    spoken = speak(short, seed=3)
    heard = listen_to_spoken(_audio(spoken), short, seed=3, words=spoken.words)
    assert all(one["value_plain"] is not None for one in heard["occurrences"])
    with pytest.raises(ProsodyError, match="no engine"):
        listen_to_spoken(recording[0], TEXT, engine="parrot")


def test_what_is_lost_and_what_nobody_wrote_are_told_with_their_reason(plain):
    found = listen(plain[0], TEXT, words=plain[1].words, plain=plain[0], plain_words=plain[1].words)
    gone = [one for one in found["occurrences"] if not one["survives"]]
    assert len(gone) >= 11
    assert all(one["effect"] == 0 for one in found["occurrences"])
    (river,) = [one for one in gone if one["text"] == "river." and one["marker"] == "<pitch_falling>"]
    assert "needed" in river["why_not"]
    assert len(lost(found, 0.9)) >= 6
    assert lost(found, 0.0) == []


def test_markers_that_nobody_wrote_have_a_place(recording, plain):
    bare = TEXT.replace("<pitch_high> mother", "mother").replace("<pause_short> we lived", "we lived")
    found = listen(recording[0], bare, words=recording[1].words, plain=plain[0], plain_words=plain[1].words)
    places = {(one["marker"], one["text"]): one for one in found["heard_unwritten"]}
    high = places["<pitch_high>", "mother"]
    assert (high["word"], high["in_plain"]) == (14, False)
    assert "above the words around it" in high["because"]
    assert "the silence is" in places["<pause_short>", "we"]["because"]
    assert found["slots"]["heard_as_marked"] >= 2


@pytest.fixture(scope="module")
def clip(recording):
    """The first words of the recording, which take little time to hear."""
    words = recording[1].words[:9]
    audio = _audio(recording[1])
    return dataclasses.replace(audio, samples=audio.samples[: round((words[-1].end + 0.5) * audio.sample_rate)]), words


SLOTS = st.tuples(
    st.sampled_from((None, "<pause_short>", "<pause_long>")),
    st.sampled_from((None, "<pitch_high>", "<pitch_low>", "<pitch_rising>", "<pitch_falling>")),
    st.sampled_from((None, "<emph>")),
).map(lambda slot: tuple(token for token in slot if token))


@settings(max_examples=8)
@given(st.lists(SLOTS, min_size=9, max_size=9), st.sampled_from((None, "<pause_short>", "<pause_long>")))
def test_whatever_is_written_the_counts_agree(clip, slots, final):
    audio, words = clip
    text = MarkedText(tuple(MarkedWord(w.text, slot) for w, slot in zip(words, slots, strict=True)), final)
    found = listen(audio, text, words=words, plain=audio, plain_words=words)
    own = {t: [one for one in found["occurrences"] if one["marker"] == t] for t in markers.TOKENS}
    assert {t: len(one) for t, one in own.items()} == markers.counts(text)
    for token, row in found["survival"].items():
        assert (row["written"], row["heard"]) == (len(own[token]), sum(one["survives"] for one in own[token]))
        assert found["unwritten"][token] == sum(one["marker"] == token for one in found["heard_unwritten"])
        assert row["effect"] in (None, 0)  # the plain render is the same sound
    heard = markers.counts(markers.parse(found["text"]))
    assert heard == {t: row["heard"] + found["unwritten"][t] for t, row in found["survival"].items()}
    assert all(one["survives"] == (one["why_not"] is None) for one in found["occurrences"])
    assert found["slots"]["unmarked"] == sum(not slot for slot in slots)
    assert found["slots"]["heard_as_marked"] <= sum(found["unwritten"].values())
    json.dumps(found, allow_nan=False)


# --- one small input for each way to fail -----------------------------------------------------------------------------


def test_a_plain_render_of_other_words_is_refused(clip, tmp_path):
    audio, words = clip
    other = speak(
        "Prices rose sharply, and nobody could explain what happened next.", plain=True, out=tmp_path / "o.wav"
    )
    text = " ".join(word.text for word in words)
    with pytest.raises(ProsodyError, match=r"o\.wav"):
        listen(audio, text, words=words, plain=tmp_path / "o.wav")
    with pytest.raises(ProsodyError, match="not those of the text"):
        listen(audio, text, words=words, plain=tmp_path / "o.wav", plain_words=other.words)


def test_a_plain_render_that_is_cut_off_is_refused(recording, clip, tmp_path):
    audio, _ = clip
    write_wav(tmp_path / "cut.wav", audio.samples[: audio.sample_rate], audio.sample_rate)
    with pytest.raises(ProsodyError, match=r"cut\.wav"):
        listen(recording[0], TEXT, words=recording[1].words, plain=tmp_path / "cut.wav")


def test_silence_is_refused(clip, tmp_path):
    audio, words = clip
    write_wav(tmp_path / "silence.wav", np.zeros(48_000, np.float32), 24_000)
    text = " ".join(word.text for word in words)
    for how in (
        {"audio": tmp_path / "silence.wav"},
        {"audio": audio, "words": words, "plain": tmp_path / "silence.wav"},
    ):
        with pytest.raises(ProsodyError, match=r"silence\.wav"):
            listen(marked=text, **how)


def _audio(spoken):
    from prosody.speech.audio import Audio

    return Audio(spoken.samples, spoken.sample_rate, "spoken", "", spoken.sample_rate, 1)
