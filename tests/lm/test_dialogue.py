"""The dialogue in the terminal: questions, commands, and what Ctrl-C leaves."""

import io
import json
import sys
import wave

import pytest

from prosody import cli, markers
from prosody.commands import answer, dialogue
from prosody.errors import ProsodyError

OWN = "We crossed the garden, and never closed a window."


@pytest.fixture
def session(adapter, monkeypatch, tmp_path):
    """A dialogue with the tiny adapter, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    arguments = cli.make_parser().parse_args(["--interactive", "--max-words", "10"])
    return dialogue.Session(adapter, arguments)


def written(capsys):
    """The marked text on stdout, and the lines on stderr."""
    told = capsys.readouterr()
    return told.out.strip(), told.err.splitlines()


def test_a_question_is_answered_and_its_points_are_told(session, capsys):
    session.take("Why do you walk?", ["the old bridge"])
    out, err = written(capsys)
    assert markers.plain(markers.parse(out)) == session.last.answer.text
    assert "point taken up: the old bridge" in err
    assert session.count == 1


def test_own_words_get_more_and_fewer_markers_and_stay_the_same(session, capsys):
    session.take(f":mark {OWN}", [])
    counts = [session.last.n_markers]
    for command in (":more", ":more", ":less", ":less", ":less", ":less", ":less", ":less", ":less"):
        session.take(command, [])
        counts.append(session.last.n_markers)
        assert markers.plain(session.last.marked.text) == OWN
    assert counts[0] <= counts[1] <= counts[2]
    assert counts[-1] == 0 < max(counts)
    assert session.arguments.expressiveness == 0
    assert "expressiveness 0, 0 markers" in written(capsys)[1]


def test_another_seed_another_answer(session, capsys):
    session.take("Why do you walk?", [])
    before = session.last.answer.text
    session.take(":again", [])
    assert session.last.answer.question == "Why do you walk?"
    assert session.last.answer.text != before


def test_an_answer_is_saved_as_text_and_as_json(session, tmp_path, capsys):
    session.take(f":mark {OWN}", [])
    session.take(":save it.txt", [])
    session.take(":save it.json", [])
    assert (tmp_path / "it.txt").read_text(encoding="utf-8") == f"{session.last.marked}\n"
    told = json.loads((tmp_path / "it.json").read_text(encoding="utf-8"))
    assert (told["plain"], told["marked"], told["asked"]["given"]) == (OWN, str(session.last.marked), OWN)
    with pytest.raises(ProsodyError, match="already exists"):
        session.take(":save it.txt", [])


def test_an_answer_is_spoken_and_listened_to(session, tmp_path, capsys):
    session.take(":mark We crossed the garden, <pause_long> and never closed a window.", [])
    session.take(":speak it.wav", [])
    with wave.open(str(tmp_path / "it.wav")) as file:
        assert file.getframerate() == 24_000
    assert session.last.heard["survival"]["<pause_long>"]["written"] >= 1
    assert "markers heard again" in written(capsys)[1][-1]
    session.arguments.json = True
    session.take(":mark", [])
    assert json.loads(written(capsys)[0])["audio_file"] == "it.wav"
    session.take(":more", [])
    again = json.loads(written(capsys)[0])
    assert (again["audio_file"], "engine" in again["asked"]) == (None, False)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (":speak it.wav", "there is no answer yet — ask a question first"),
        (":more", "there is no answer yet"),
        (":save it.txt", "there is no answer yet"),
        (":sing", ":sing: is no command — there are :speak, :mark"),
        (":mark <pause_long>", "text: there are no words in it"),
        (":mark We <foo> went.", "unknown marker <foo>"),
        ("Why <b>?", "unknown marker <b>"),
        ("???", "question: is empty"),
    ],
)
def test_what_cannot_be_done_is_one_line(session, line, told):
    with pytest.raises(ProsodyError, match=told.replace("?", r"\?")) as caught:
        session.take(line, [])
    assert len(str(caught.value).splitlines()) == 1
    assert session.last is None


def test_help_tells_every_command(session, capsys):
    session.take(":help", [])
    told = capsys.readouterr().err
    assert all(command in told for command in (":speak", ":mark", ":more", ":less", ":again", ":save", ":quit"))


def at_a_terminal(monkeypatch, tmp_path, adapter, lines):
    """Run the dialogue as at a terminal; an exception among the lines is raised where its line would be read."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    left = iter(lines)

    def typed(_prompt):
        line = next(left, None)
        if line is None:
            raise EOFError
        if isinstance(line, type):
            raise line
        return line

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(answer, "load", lambda _: adapter)
    monkeypatch.setattr("platformdirs.user_state_path", lambda *_, **__: tmp_path / "state")
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("builtins.input", typed)
    return dialogue.dialogue(cli.make_parser().parse_args(["--interactive", "--max-words", "10"]))


def test_ctrl_c_leaves_the_answer_not_the_program(monkeypatch, tmp_path, adapter, capsys):
    real, calls = answer.composed, []

    def composed(*given, **named):
        calls.append(given[0])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given, **named)

    monkeypatch.setattr(answer, "composed", composed)
    asked = ["Why?", "", "How?", "", KeyboardInterrupt, ":mark", "Who?", "the bridge", KeyboardInterrupt, ":quit", "no"]
    assert at_a_terminal(monkeypatch, tmp_path, adapter, asked) == 0
    told = capsys.readouterr()
    assert calls == ["Why?", "How?"]
    first, again = told.out.strip().splitlines()
    assert first == again  # :mark shows the last answer, which is the first
    assert "cancelled; the last answer is as it was" in told.err


def test_mistakes_do_not_end_it_and_history_is_kept(monkeypatch, tmp_path, adapter, capsys):
    assert at_a_terminal(monkeypatch, tmp_path, adapter, [":nonsense", "", "Why <b>?", "", None]) == 0
    told = capsys.readouterr().err
    assert told.count("prosody: ") == 2
    if sys.platform != "win32":
        assert (tmp_path / "state" / "history").exists()


def test_own_words_from_the_command_line(monkeypatch, tmp_path, adapter, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.txt").write_text(f"<pitch_high> {OWN}", encoding="utf-8")
    monkeypatch.setattr(answer, "load", lambda _: adapter)
    assert cli.main(["--text", "own.txt", "-p", "the garden", "the moon", "--json", "--forbid", "emph"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["plain"] == OWN
    assert told["marked"].startswith("<pitch_high> We ")
    assert "<emph>" not in told["marked"]
    assert [point["covered"] for point in told["points"]] == [True, False]
    assert told["question"] == ""


@pytest.mark.parametrize("how", [["--interactive"], ["--text", OWN, "--speak", "it.wav"]])
def test_a_contour_that_was_not_learned_is_refused_before_the_work(monkeypatch, tmp_path, adapter, capsys, how):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(answer, "load", lambda _: adapter)
    assert cli.main([*how, "--contour"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("prosody: contour: was not learned by ") and told.err.count("\n") == 1
    assert told.out == "" and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--text", "none.txt"], "none.txt: not found"),
        (["--text", "none.rtf"], "none.rtf: not found"),
        (["--text", "."], ".: is a folder"),
        (["--text", ""], "text: there are no words in it"),
        (["-i", "Why?", "--expressiveness", "3"], "expressiveness"),
        (["-i", "Why?", "--forbid", "emphh"], "the nearest is emph"),
        (["-i", "Why?", "--engine", "siri"], "there is no engine “siri”"),
        (["-i", "Why?", "--max-words", "0"], "max_words: is 0"),
        (["-i", "Why?", "-p", "x" * 400], "point 1: has 400 characters"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(monkeypatch, tmp_path, capsys, words, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(answer, "load", lambda _: pytest.fail("loaded before it was refused"))
    assert cli.main(words) == 2
    err = capsys.readouterr().err
    assert err.startswith("prosody: ") and err.count("\n") == 1
    assert told in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--speak", "x.mp3"], "a name that ends in .wav"),
        (["--text", "own words"], "--text: is given with --interactive"),
        (["-p", "the bridge"], "points: stand without a question"),
        (["--seed", "-1"], "seed: is -1"),
    ],
)
def test_options_that_a_dialogue_cannot_heed_are_refused(monkeypatch, capsys, words, told):
    monkeypatch.setattr(answer, "load", lambda _: pytest.fail("loaded before it was refused"))
    assert cli.main(["--interactive", *words]) == 2
    assert told in capsys.readouterr().err


def test_bytes_that_are_no_text_are_one_line(session):
    with pytest.raises(ProsodyError, match="stdin: line 1: is not UTF-8 text"):
        session.take(":mark caf\udce9 is nice", [])


def test_an_answer_that_cannot_be_spoken_is_not_lost(session, capsys):
    session.arguments.json = True
    session.arguments.speak = "it.wav"
    with pytest.raises(ProsodyError, match="cannot be read aloud"):
        session.take("Why do you walk?", ["你好"])
    assert json.loads(written(capsys)[0])["points"] == [{"text": "你好", "covered": True}]
    assert session.last is not None
