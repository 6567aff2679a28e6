"""The command `mark`, with the tiny adapter."""

import json

import pytest
from test_mark import TEXT

from prosody import cli, markers
from prosody.lm.mark import mark


@pytest.fixture
def run(adapter, monkeypatch, capsys):
    monkeypatch.setenv("PROSODY_SETUP", "off")
    monkeypatch.setattr("prosody.commands.text.load", lambda folder: adapter)

    def go(*words):
        code = cli.main(["mark", *words])
        return code, *capsys.readouterr()

    return go


def test_the_marked_text_is_told(run, adapter):
    assert run(TEXT)[:2] == (0, f"{mark(TEXT, adapter)}\n")
    assert run(TEXT, "--expressiveness", "0")[1] == f"{TEXT}\n"
    assert run(TEXT, "--threshold", "0.9")[1] == f"{mark(TEXT, adapter, threshold=0.9)}\n"


def test_markers_are_allowed_and_forbidden(run):
    told = run(TEXT, "--allow", "emph", "<pause_short>", "--forbid", "pause_short")[1]
    assert set(markers.tokens(markers.parse(told))) == {"<emph>"}


def test_a_table_explains(run):
    _, out, _ = run("We <pitch_low> saw it, and never\x1b[31m found a story.", "--explain")
    text, empty, head, _, *rows = out.splitlines()
    assert (text.startswith("We <pitch_low> saw"), empty, head.startswith("placed from: ")) == (True, "", True)
    assert [row.split()[0] for row in rows] == ["We", "saw", "it,", "and", "never\\x1b[31m", "found", "a", "story."]
    assert rows[1].endswith("written") or "written" in rows[1]
    assert "placed" in rows[3]
    assert "\x1b" not in "\n".join(rows)


def test_json_tells_all(run, adapter):
    told = json.loads(run(TEXT, "--json", "--explain")[1])
    marked = mark(TEXT, adapter)
    assert told.items() >= marked.as_json().items()
    assert told["expressiveness"] == 1.0
    assert told["markers_per_100_words"] == pytest.approx(100 * len(markers.tokens(marked.text)) / len(TEXT.split()))
    assert json.loads(run(TEXT, "--json", "--threshold", "0.5")[1])["expressiveness"] is None


def test_a_file_gets_the_text_and_stdout_the_rest(run, adapter, tmp_path):
    out = tmp_path / "marked.txt"
    assert run(TEXT, "-o", str(out))[:2] == (0, "")
    assert out.read_text(encoding="utf-8") == f"{mark(TEXT, adapter)}\n"
    assert json.loads(run(TEXT, "--json", "-o", str(out), "--overwrite")[1])["plain"] == TEXT


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--expressiveness", "3"], "expressiveness: is 3.0 — give a number from 0 to 2"),
        (["--expressiveness", "nan"], "expressiveness: is nan — give a number from 0 to 2"),
        (["--threshold", "2"], "threshold: is 2.0 — give a number from 0 to 1"),
        (["--threshold", "0.5", "--expressiveness", "2"], "threshold: is given with expressiveness"),
        (["--forbid", "emphasis"], "forbid: 'emphasis' is no marker — the nearest is emph"),
        (["--allow", "pitch_hihg"], "allow: 'pitch_hihg' is no marker — the nearest is pitch_high"),
        (["--allow", "\x1b[31m"], "allow: '\\x1b[31m' is no marker"),
    ],
)
def test_a_mistake_is_one_line(run, words, told):
    code, out, err = run("So it goes.", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"prosody: {told}")
