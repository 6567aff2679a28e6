"""Files that people really give: each mistake ends `check` with exit 2 and one line that names the file."""

import numpy as np
import pytest
import soundfile

from prosody import cli

RATE = 24_000
SECONDS = 12
WORDS = b"likewise " * 20
SOUND = (0.3 * np.sin(np.arange(SECONDS * RATE) * 0.05) * (np.arange(SECONDS * RATE) / RATE % 0.6 < 0.4)).astype("f4")
NOT_NUMBERS = np.where(np.arange(len(SOUND)) == 1000, np.nan, SOUND)


@pytest.fixture(autouse=True)
def _as_it_is(monkeypatch):
    monkeypatch.setenv("PROSODY_SETUP", "off")


@pytest.fixture
def checked(tmp_path, capsys):
    """Run `check` on a recording (samples, or the bytes of a file) and a transcript; the exit code and stderr."""

    def _checked(recording=SOUND, transcript=WORDS, *, rate=RATE, subtype="PCM_16"):
        audio, text = tmp_path / "talk.wav", tmp_path / "talk.txt"
        if isinstance(recording, bytes):
            audio.write_bytes(recording)
        elif recording is not None:
            soundfile.write(audio, recording, rate, subtype=subtype)
        text.write_bytes(transcript)
        code = cli.main(["check", str(audio), str(text)])
        return code, capsys.readouterr().err

    return _checked


def refused(outcome, name, told):
    code, err = outcome
    assert code == 2
    assert err.count("\n") == 1, err
    assert name in err and told in err, err


def test_a_fair_recording_passes(checked):
    assert checked() == (0, "")


@pytest.mark.parametrize(
    ("recording", "told"),
    [
        (None, "not found"),
        (b"", "is empty"),
        (b"This is what I said.\n", "is text, not audio"),
        (np.zeros_like(SOUND), "only silence"),
        (SOUND[: 5 * RATE], "too short"),
    ],
)
def test_a_file_that_is_no_recording(checked, recording, told):
    refused(checked(recording), "talk.wav", told)


def test_samples_that_are_not_numbers(checked):
    refused(checked(NOT_NUMBERS, subtype="FLOAT"), "talk.wav", "not numbers")


def test_a_header_that_promises_more_than_the_file_holds(checked, tmp_path):
    soundfile.write(tmp_path / "whole.wav", SOUND, RATE)
    refused(checked((tmp_path / "whole.wav").read_bytes()[:-RATE]), "talk.wav", "cut short")


@pytest.mark.parametrize(
    ("recording", "rate", "told"),
    [
        (SOUND[::3], 8_000, "8,000 Hz: resampled to 24,000 Hz"),
        (np.stack([np.resize(SOUND, SECONDS * 44_100)] * 2, axis=1), 44_100, "stereo: mixed down to mono"),
    ],
)
def test_other_rates_and_channels_are_taken_with_a_word_on_it(checked, recording, rate, told):
    code, err = checked(recording, rate=rate)
    assert code == 0
    assert told in err


@pytest.mark.parametrize(
    ("transcript", "told"),
    [
        (b"", "is empty"),
        (b"I said caf\xe9.", "line 1: is not UTF-8"),
        (b"I <EMPH> said it.", "line 1, column 3: unknown marker <EMPH>"),
        (b"I said <pause_medium> it.", "unknown marker <pause_medium>"),
        (b"I <pitch_high> <pitch_low> said it.", "two pitch markers"),
        (b"likewise " * 60, "times too long for the audio"),
    ],
)
def test_a_transcript_that_cannot_be(checked, transcript, told):
    refused(checked(SOUND, transcript), "talk", told)
