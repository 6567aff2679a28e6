"""`prosody markup` on the command line: streams, files, JSON, and mistakes."""

import io
import json
import sys

import pytest

from prosody import cli
from prosody.markers import TOKENS


@pytest.fixture(autouse=True)
def _as_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("PROSODY_SETUP", "off")
    monkeypatch.chdir(tmp_path)


def test_markup_goes_to_stdout_and_its_report_to_stderr(capsys):
    assert cli.main(["markup", "So <emph>it <pitch_high>is.", "--to", "polly-neural"]) == 0
    captured = capsys.readouterr()
    assert captured.out == '<speak>So <prosody rate="67%" volume="+4dB">it</prosody> is.</speak>\n'
    first, *lines = captured.err.splitlines()
    assert first == "Amazon Polly, neural voices: 0 of 2 markers honoured; --report tells where and why"
    assert [line.split(":")[0] for line in lines] == ["<emph> approximated, 1 ×", "<pitch_high> impossible, 1 ×"]


def test_the_whole_report_has_places_and_statements(capsys):
    assert cli.main(["markup", "So <emph>it\n<pause_long>is.", "--to", "elevenlabs", "--report"]) == 0
    err = capsys.readouterr().err
    assert "word 2, “it” (line 1, column 10): <emph> approximated: written in capitals" in err
    assert "word 3, “is.” (line 2, column 13): <pause_long> approximated: written as [long pause]" in err
    assert "stated: Of Eleven v3: “Capitalization increases emphasis.” https://elevenlabs.io/" in err


def test_json(capsys):
    assert cli.main(["markup", "a <pitch_rising>b", "--to", "google", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"target", "markup", "report"}
    assert told["target"] == "google"
    (departure,) = told["report"]
    assert departure["done"].startswith('written as <prosody pitch="+3.5st">')
    assert {k: v for k, v in departure.items() if k != "done"} == {
        **{"marker": "<pitch_rising>", "support": "approximated", "word": 2, "text": "b", "line": 1, "column": 17}
    }


def test_into_a_file_and_back(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("Café <pause_long><emph>[so].<pause_short>", encoding="utf-8")
    assert cli.main(["markup", "a.txt", "--to", "ssml", "-o", "a.ssml", "--lang", "fr-FR"]) == 0
    assert capsys.readouterr().out == ""
    assert cli.main(["markup", "a.ssml", "--from", "ssml"]) == 0
    assert capsys.readouterr().out == "Café <pause_long> <emph> [so]. <pause_short>\n"
    assert cli.main(["markup", "a.ssml", "--from", "ssml", "--to", "chattts", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["markup"] == "Café [lbreak] (so). [uv_break]"
    assert cli.main(["markup", "a.txt", "--to", "ssml", "-o", "a.ssml"]) == 2
    assert "a.ssml: already exists" in capsys.readouterr().err
    assert cli.main(["markup", "a.txt", "--to", "plain", "-o", "a.ssml", "--overwrite"]) == 0
    assert (tmp_path / "a.ssml").read_bytes() == "Café [so].\n".encode()


def test_ssml_from_stdin_with_notes(monkeypatch, capsys):
    xml = "<speak>a <say-as interpret-as='time'>2:30</say-as><break/></speak>"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(xml.encode()), encoding="utf-8"))
    assert cli.main(["markup", "-", "--from", "ssml", "--json"]) == 0
    captured = capsys.readouterr()
    note = "line 1: <say-as>: its text is kept, not how to read it"
    assert json.loads(captured.out) == {"text": "a 2:30 <pause_short>", "notes": [note]}
    assert captured.err == f"{note}\n"


def test_capabilities_as_text_and_json(capsys):
    assert cli.main(["markup", "--capabilities"]) == 0
    out = capsys.readouterr().out
    assert "chattts: ChatTTS" in out and "https://docs.aws.amazon.com/polly/latest/dg/prosody-tag.html" in out
    assert cli.main(["markup", "--capabilities", "--to", "espeak", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["target"], list(told["capabilities"])) == ("espeak", list(TOKENS))
    assert told["capabilities"]["<pitch_high>"]["written"] == "<prosody pitch='63'>"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["x", "--to", "alexa"], "there is no target “alexa”"),
        (["x"], "--to: there is no target — name one: ssml, azure"),
        (["--to", "ssml"], "text: there is none"),
        (["", "--to", "ssml"], "there are no words in it"),
        (["<pause_long>", "--to", "ssml"], "there are no words in it"),
        (["no <emphh> such", "--to", "ssml"], "unknown marker <emphh>"),
        (["none.txt", "--to", "ssml"], "none.txt: not found"),
        (["none.ssml", "--from", "ssml"], "none.ssml: not found"),
        (["x", "--to", "google", "--voice", "v"], "names no voice"),
        (["x", "--to", "ssml", "--lang", "en_US"], "“en_US” is not a language tag"),
        (["words", "--from", "ssml"], "text: line 1, column 1: is not well-formed XML"),
        (["<speak>\x1b</speak>", "--from", "ssml"], "is not well-formed XML"),
        (["x", "--to", "ssml", "-o", "no\x00name"], ""),
        (["x", "--capabilities", "--to", "alexa"], "there is no target “alexa”"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(words, told, capsys):
    assert cli.main(["markup", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and told in captured.err
