from pathlib import Path

import numpy as np
import pytest
from speech_sounds import noise, tone

from prosody import markers
from prosody.errors import ProsodyError
from prosody.speech.audio import Audio
from prosody.speech.check import check

RATE = 24_000
EACH = " ".join(f"{token} word" for token in markers.TOKENS)


def audio(seconds, *, level=0.5, noise_level=0.0003):
    """Words and pauses in turn: 0.4 s of tone, 0.2 s of faint noise."""
    samples = noise(seconds, level=noise_level)
    sounding = (np.arange(len(samples)) / RATE) % 0.6 < 0.4
    return Audio(samples + np.where(sounding, tone(seconds, level=level), 0), RATE, Path("a.wav"), "0", RATE, 1)


def found(data_check, topic):
    return next(finding for finding in data_check.findings if finding.topic == topic)


def test_a_good_recording_has_no_findings_to_act_on():
    data_check = check(audio(320), markers.parse(f"{EACH} " * 100))
    assert data_check.level == "ok", data_check.lines()
    assert [finding.topic for finding in data_check.findings] == [
        "format", "length", "level", "clipping", "noise", "voice", "transcript", "markers",
    ]  # fmt: skip
    data_check.require()


@pytest.mark.parametrize(("seconds", "level"), [(9.9, "error"), (10.5, "warning"), (299, "warning"), (301, "ok")])
def test_length(seconds, level):
    assert found(check(audio(seconds), markers.parse("word " * int(seconds * 2))), "length").level == level


def test_level_and_clipping():
    marked = markers.parse("word " * 40)
    assert found(check(audio(20, level=0.01, noise_level=1e-5), marked), "level").level == "warning"
    clean = check(audio(20), marked)
    assert found(clean, "level").level == "ok" and found(clean, "clipping").message == "none"
    clipped = audio(20)
    clipped = Audio(np.clip(clipped.samples * 4, -1, 1), RATE, clipped.path, "0", RATE, 1)
    assert found(check(clipped, marked), "clipping").level == "warning"


def test_clipping_is_told_as_the_file_has_it():
    marked = markers.parse("word " * 40)
    samples = audio(20).samples
    for clipped, level in ((0, "ok"), (2, "ok"), (58, "warning")):
        read = Audio(samples, RATE, Path("a.wav"), "0", 44_100, 1, (), clipped)
        assert found(check(read, marked), "clipping").level == level


def test_a_long_silence_is_told():
    heard = audio(70)
    heard.samples[20 * RATE : 60 * RATE] *= 0
    told = found(check(heard, markers.parse("word " * 60)), "silence")
    assert told.level == "warning" and "for 0 min 40." in told.message and "from 0:20.0 on" in told.message


def test_a_recording_of_hours_is_told_what_it_takes(monkeypatch):
    monkeypatch.setattr("prosody.speech.check.SHORT_S", 10.0)
    monkeypatch.setattr("prosody.speech.check.LONG_S", 15.0)
    told = found(check(audio(20), markers.parse("word " * 40)), "length")
    assert told.level == "warning" and "minutes and 0.0 GB of memory" in told.message and "pauses" in told.message


def test_noise():
    marked = markers.parse("word " * 40)
    assert found(check(audio(20), marked), "noise").level == "ok"
    assert found(check(audio(20, noise_level=0.02), marked), "noise").level == "warning"


@pytest.mark.parametrize(
    ("words", "level"),
    [(40, "ok"), (75, "ok"), (90, "error"), (320, "error"), (18, "warning"), (10, "error")],
)
def test_words_against_the_duration(words, level):
    marked = markers.parse("fine " * words)  # 20 s of audio, 13.3 s of it sound
    assert found(check(audio(20), marked), "transcript").level == level
    short = markers.parse("a " * 110)  # short words, but 330 of them a minute
    assert found(check(audio(20), short), "transcript").level == "warning"


def test_a_transcript_too_long_is_told_so():
    data_check = check(audio(20), markers.parse("likewise " * 80))
    assert "times too long for the audio" in data_check.errors[0].message
    with pytest.raises(ProsodyError, match=r"^a\.wav: transcript: 80 words"):
        data_check.require("a.wav")


def test_knocks_that_hide_the_speech_are_told():
    heard = audio(20, level=1e-4, noise_level=1e-7)
    heard.samples[RATE : 2 * RATE : 3000] = 1.0
    data_check = check(heard, markers.parse("likewise " * 40))
    assert "cut out the knocks" in data_check.errors[0].message


def test_marker_counts():
    none = found(check(audio(320), markers.parse("word " * 700)), "markers")
    assert none.level == "ok" and "audio" in none.message
    few = found(check(audio(320), markers.parse(f"{EACH} " * 99 + "<emph> word " + EACH)), "markers")
    assert few.level == "ok"
    few = found(check(audio(320), markers.parse("<emph> word " * 700)), "markers")
    assert few.level == "warning" and "<pause_short> 0" in few.message and "<emph>" not in few.message


def test_a_recording_with_little_voice_is_told():
    marked = markers.parse("word " * 160)
    voiced = audio(80)
    sounding = (np.arange(len(voiced.samples)) / RATE) % 0.6 < 0.4
    assert found(check(voiced, marked), "voice").level == "ok"
    whispered = noise(80, level=0.1, seed=1) * np.where(sounding, 1.0, 0.003).astype(np.float32)
    told = found(check(Audio(whispered, RATE, Path("a.wav"), "0", RATE, 1), marked), "voice")
    assert told.level == "warning"
    assert told.message.startswith("0 % of the sound has f0") and "no pitch marker" in told.message


def test_voice_in_real_recordings(shared):
    """A hoarse speaker is told; the same one in health is not."""
    from prosody.speech.audio import read

    for name, level in (("cold_corpus", "warning"), ("acoustic_corpus", "ok")):
        assert found(check(read(shared / "mfa" / f"{name}.wav"), markers.parse("so " * 60)), "voice").level == level
