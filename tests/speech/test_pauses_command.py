"""`prosody pauses`: segments and pauses of a recording that is never held whole."""

import json

import numpy as np
import pytest
from speech_sounds import silence, tone

from prosody import cli
from prosody.speech.audio import write_wav
from prosody.speech.segment import segment_file

RATE = 24_000


@pytest.fixture(autouse=True)
def _as_it_is(monkeypatch):
    monkeypatch.setenv("PROSODY_SETUP", "off")


@pytest.fixture
def talk(tmp_path):
    sound = np.concatenate([tone(2.0), silence(0.9), tone(2.0), silence(0.5), tone(1.0)])
    write_wav(tmp_path / "talk.wav", sound, RATE)
    return tmp_path / "talk.wav"


def test_as_json(talk, capsys):
    assert cli.main(["pauses", str(talk), "--json"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert found["audio_file"] == str(talk) and found["duration"] == pytest.approx(6.4)
    assert [(s["start"], s["end"]) for s in found["spans"]] == [
        (round(s.start, 4), round(s.end, 4)) for s in segment_file(talk)
    ]
    assert [pause["marker"] for pause in found["pauses"]] == ["<pause_long>", "<pause_short>"]
    assert [pause["duration"] for pause in found["pauses"]] == pytest.approx([0.9, 0.5], abs=0.03)
    assert told.err == ""  # no terminal, no bar


def test_as_text(talk, capsys):
    assert cli.main(["pauses", str(talk)]) == 0
    told = capsys.readouterr()
    assert told.err == "2 segments, 2 pauses\n"
    assert [line.split()[-1] for line in told.out.splitlines()] == [
        "segment",
        "<pause_long>",
        "segment",
        "<pause_short>",
    ]


def test_silence_around_the_speech_is_no_pause(talk, tmp_path, capsys):
    around = np.concatenate([silence(1.5), tone(2.0), silence(0.5), tone(2.0), silence(1.5)])
    write_wav(tmp_path / "around.wav", around, RATE)
    assert cli.main(["pauses", str(tmp_path / "around.wav"), "--json"]) == 0
    assert [pause["marker"] for pause in json.loads(capsys.readouterr().out)["pauses"]] == ["<pause_short>"]


def test_noise_that_hides_pauses_is_told(talk, tmp_path, capsys):
    sound = np.concatenate([tone(2.0), silence(0.9), tone(2.0)])
    hiss = np.random.default_rng(0).normal(0, np.sqrt(np.mean(sound**2)) / 10, len(sound))
    write_wav(tmp_path / "noisy.wav", (sound + hiss).astype(np.float32), RATE)
    assert cli.main(["pauses", str(tmp_path / "noisy.wav")]) == 0
    assert "pauses may be missed" in capsys.readouterr().err


def test_what_is_no_recording(tmp_path, capsys):
    (tmp_path / "talk.wav").write_bytes(b"This is what I said.\n")
    assert cli.main(["pauses", str(tmp_path / "talk.wav")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
