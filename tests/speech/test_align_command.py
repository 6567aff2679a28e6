"""The commands that align and detect: their words as text and as JSON, and which of them the sound does not support."""

import io
import json
import os
import sys

import pytest

from prosody import cli, markers
from prosody.commands import bar
from prosody.voice.speak import speak

SAID = "We had soup and bread in the garden. Then we went back to work."
MORE = SAID.replace("garden", "wonderful hippopotamus garden")


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """The file of a recording of SAID."""
    path = tmp_path_factory.mktemp("said") / "a.wav"
    speak(markers.parse(SAID.replace("Then", "<pause_long> Then")), out=path)
    return str(path)


@pytest.fixture(autouse=True)
def _as_it_is(monkeypatch):
    monkeypatch.setenv("PROSODY_SETUP", "off")


def test_words_have_times_and_their_confidence(recording, capsys):
    assert cli.main(["align", recording, SAID, "--json"]) == 0
    out, err = capsys.readouterr()
    words = json.loads(out)["words"]
    assert [word["text"] for word in words] == SAID.split()
    assert list(words[0]) == ["text", "start", "end", "confidence"]
    assert all(word["confidence"] >= 0.5 for word in words)
    assert err == ""
    assert cli.main(["detect", recording, SAID, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    keys = ["text", "start", "end", "markers", "confidence", "measured", "evidence"]
    assert all(list(word) == keys for word in told["words"])
    assert "<pause_long> Then" in told["text"].replace("<pause_long>", "<pause_long> ").replace("  ", " ")


@pytest.mark.parametrize("command", ["align", "detect"])
def test_words_that_are_not_said_are_told(recording, command, capsys):
    assert cli.main([command, recording, MORE]) == 0
    out, err = capsys.readouterr()
    assert "hippopotamus" in out
    first, *others = err.splitlines()
    assert first.startswith("Words with little support in the sound: ") and first.endswith(f" of {len(MORE.split())}:")
    assert any("s  hippopotamus  (confidence 0." in line for line in others)
    assert not any("soup" in line or "work" in line for line in others)


def test_words_without_f0_are_told(shared, capsys):
    """A hoarse speaker: their pitch is null, and no pitch marker is heard on them."""
    path = shared / "mfa" / "cold_corpus.wav"
    assert cli.main(["detect", str(path), str(path.with_suffix(".lab")), "--json"]) == 0
    out, err = capsys.readouterr()
    assert "Words without f0, where no pitch marker can be heard: 4" in err and err.count("whispered, creaky") == 1
    unvoiced = [word for word in json.loads(out)["words"] if word["measured"]["f0_level_st"] is None]
    assert len(unvoiced) > 30
    assert not any(marker.startswith("<pitch") for word in unvoiced for marker in word["markers"])


@pytest.mark.parametrize("words", [["align"], ["detect"], ["listen"], ["export", "-o", "a.csv"]])
def test_a_terminal_shows_how_long_it_takes(recording, words, monkeypatch, tmp_path):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stderr", Terminal())
    assert cli.main([words[0], recording, SAID, *words[1:]]) == 0
    assert " left" in sys.stderr.getvalue()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pty")
def test_a_terminal_that_tells_no_size_shows_how_far_it_is(monkeypatch):
    ours, its = os.openpty()
    os.set_blocking(ours, False)
    with open(its, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with bar("aligning") as progress:
            progress(0.5)
        assert b"aligning" in os.read(ours, 1000)
    os.close(ours)
