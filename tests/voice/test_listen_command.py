"""`listen` on the command line: what it prints, and with which code it ends."""

import json
import os

import pytest

from prosody import cli
from prosody.voice.speak import speak

TEXT = "We <emph> never wanted to live in town, <pause_long> and the old <pitch_high> river never knew. <pause_short>"
OTHER = TEXT.replace("<pause_long>", "<pause_short>")  # what is written is not what is spoken


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spoken")
    paths = str(folder / "marked.wav"), str(folder / "plain.wav")
    for path, plain in zip(paths, (False, True), strict=True):
        speak(TEXT, out=path, plain=plain)
    return paths


@pytest.fixture(autouse=True)
def _as_it_is(monkeypatch):
    monkeypatch.setenv("PROSODY_SETUP", "off")


def test_the_table_tells_survival_and_effects_with_units(spoken, capsys):
    assert cli.main(["listen", spoken[0], TEXT, "--against", spoken[1], "--min-survival", "0.9"]) == 0
    out, err = capsys.readouterr()
    rows = {line.split()[0]: line for line in out.splitlines() if line.startswith("<")}
    assert len(rows) == 7
    assert rows["<emph>"].split()[1:5] == ["1", "1", "100", "%"]
    assert "st of f0 range" in rows["<emph>"] and "times as long" in rows["<emph>"]
    assert "ms of silence" in rows["<pause_long>"]
    assert rows["<pitch_falling>"].split()[1:] == ["0", "0"]
    assert "slots without a marker: 10" in out
    assert err == ""


def test_too_few_survivors_are_a_failed_check_that_names_the_marker(spoken, capsys):
    assert cli.main(["listen", spoken[0], OTHER, "--engine", "hibari", "--min-survival", "0.9", "--json"]) == 1
    out, err = capsys.readouterr()
    heard = json.loads(out)
    assert heard["survival"]["<pause_short>"]["heard"] == 1
    assert [one["why_not"].split(", ")[1] for one in heard["occurrences"] if one["why_not"]] == [
        "less than 800 are needed"
    ]
    assert err.count("\n") == 1
    assert "<pause_short>: 1 of 2 survive (50 %), at least 90 % are asked for" in err
    assert cli.main(["listen", spoken[0], OTHER, "--min-survival", "0.5"]) == 0
    out = capsys.readouterr().out
    assert "lost: <pause_short> before word 8, “and”: the silence is" in out
    assert "not written, but heard: <pause_long> before word 8, “and”" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([TEXT, "--min-survival", "90"], "--min-survival: is '90'"),
        ([TEXT, "--min-survival", "-0.1"], "--min-survival"),
        ([TEXT, "--min-survival", "nan"], "--min-survival: is 'nan'"),
        ([TEXT, "--min-survival", "most"], "--min-survival: is 'most'"),
        (["We never knew.", "--min-survival", "0.9"], "holds no marker"),
        ([TEXT, "--engine", "parrot"], "no engine “parrot”"),
        ([TEXT, "--against", "nowhere.wav"], "nowhere.wav"),
        ([TEXT, "--against", "a.wav", "--engine", "hibari"], "not allowed with"),
    ],
)
def test_a_users_mistake_ends_with_2_and_one_line(spoken, words, told, capsys):
    try:
        code = cli.main(["listen", spoken[0], *words])
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and told in err


def test_a_render_of_other_words_is_named(spoken, tmp_path, capsys):
    other = os.fspath(tmp_path / "other.wav")
    speak("Prices rose sharply last year, and hardly anybody could explain what happened next.", out=other)
    assert cli.main(["listen", spoken[0], TEXT, "--against", other]) == 2
    assert "other.wav" in capsys.readouterr().err
