"""The command line from outside: exit codes, what goes to which stream, and help."""

import io
import json
import os
import shlex
import subprocess
import sys
import wave
from pathlib import Path
from types import SimpleNamespace

import pytest

from prosody import cli
from prosody.workflow import record

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _as_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("PROSODY_SETUP", "off")
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "runs"))


def run(*words: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "prosody", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", **options)


def test_without_a_command_there_is_help(capsys):
    assert cli.main([]) == 0
    assert "python -m prosody demo" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("prosody 0.")


@pytest.mark.parametrize("name", [command[0] for command in cli._COMMANDS])
def test_every_commands_help_has_an_example_and_it_parses(name, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([name, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert f"example: python -m prosody {name}" in out


@pytest.mark.parametrize("stage", record.STAGES)
def test_a_stages_help_lists_its_notebooks_parameters(stage, capsys):
    with pytest.raises(SystemExit):
        cli.main([stage, "--help"])
    assert "interactive=True" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        *(["trin"], ["align", "a.wav"], ["speak", "x"], ["train", "-p", "r"], ["sample", "x", "--seed", "y"]),
        *(["--zzz"], ["-p", "a point"], ["--speak", "x.wav"]),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "--help" in captured.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["speak", "no <emphh> such", "-o", "x.wav"], "<emph>"),
        (["speak", "none.txt", "-o", "x.wav"], "none.txt: not found"),
        (["align", "none.wav", "some words"], "none.wav"),
        (["run", "none.ipynb"], "none.ipynb: not found"),
        (["train", "epochs"], "'epochs' is no parameter"),
        (["train", "epochz=3"], "did you mean 'epochs'"),
        (["train", "epochs=three"], "'three' is not a whole number"),
        (["demo", "zzz=1"], "no stage has such a parameter"),
        (["mark", "some text"], "run `make train` first"),
        (["-i", "Why?", "-p", "because"], "run `make train` first"),
        (["mark", "x", "--adapter", "no/such/folder"], "no"),
        (["mark", ""], "there are no words in it"),
        (["mark", "caf\udce9"], "text: line 1: is not UTF-8 text"),
        (["-i", "", "-p", "because"], "question: is empty"),
        (["-i", "caf\udce9?", "-p", "because"], "is not UTF-8 text"),
        (["-i", "Why?", "-p", "a <foo> b"], "unknown marker <foo>"),
        (["-i", "Why?", "-p", "because", "--speak", "there.wav"], "there.wav: already exists"),
        (["-i", "Why?", "-p", "because", "--speak", "there.wav/x.wav", "--overwrite"], "is not a folder"),
        (["-i", "Why?", "-p", "because", "--speak", "x.mp3"], "a name that ends in .wav"),
        (["-i", "Why?", "-p", "because", "--speak", ""], "'': is not the name of a WAV file"),
        (["speak", "hello", "-o", "x.mp3"], "a name that ends in .wav"),
        (["markup", "deep.xml", "--from", "ssml"], "deep.xml: line 1, column"),
        (["speak", "hello", "-o", "x.wav", "--seed", "-1"], "seed: is -1"),
        (["speak", "hello", "-o", "x.wav", "--engine", "siri"], "there is no engine “siri”"),
        (["speak", "words.txt", "-o", "x.wav"], "words.txt: line 2, column 1: word “你好”: cannot be read aloud"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_2(words, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("there.wav").write_bytes(b"mine")
    Path("deep.xml").write_text("<speak>" + "".join(f'<p xmlns:n{i}="u">' for i in range(101)), encoding="utf-8")
    Path("words.txt").write_text("hello\n你好", encoding="utf-8")
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("prosody: ")
    assert captured.err.count("\n") == 1
    assert told in captured.err
    assert Path("there.wav").read_bytes() == b"mine"
    assert captured.out == ""


@pytest.mark.parametrize("words", [["--expressiveness", "0", "mark", "hello"], ["mark", "a", "--foo\nbar"]])
def test_options_out_of_place_are_one_line(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(words)
    assert capsys.readouterr().err.count("\n") == 1


def test_speak_writes_a_wav_and_tells_its_words_as_json(tmp_path):
    out = tmp_path / "it.wav"
    done = run("speak", "Well, <pause_long>that was <emph>it.", "-o", str(out), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told) == {"audio_file", "duration", "words"}
    assert [w["text"] for w in told["words"]] == ["Well,", "that", "was", "it."]
    assert told["words"][3]["markers"] == ["<emph>"]
    with wave.open(str(out)) as file:
        assert (file.getframerate(), file.getnchannels()) == (24_000, 1)
        assert file.getnframes() / 24_000 == pytest.approx(told["duration"], abs=1e-3)
    beside = json.loads((tmp_path / "it.words.json").read_bytes())
    assert beside == {**told, "audio_file": "it.wav"}
    again = run("speak", "Once more.", "-o", str(out))
    assert again.returncode == 2
    assert "already exists" in again.stderr


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="pipes have no names here")
def test_text_comes_from_a_pipe():
    from prosody.commands.text import marked_text

    reader, writer = os.pipe()
    os.write(writer, b"So <emph>it goes.")
    os.close(writer)
    try:
        assert [w.text for w in marked_text(f"/dev/fd/{reader}").words] == ["So", "it", "goes."]
    finally:
        os.close(reader)


def test_text_comes_from_stdin_and_from_files(tmp_path, monkeypatch, capsys):
    from prosody.commands.text import marked_text

    (tmp_path / "talk.txt").write_text("So <emph>it goes.", encoding="utf-8")
    assert [w.text for w in marked_text(str(tmp_path / "talk.txt")).words] == ["So", "it", "goes."]
    assert [w.text for w in marked_text("a talk.txt of mine").words] == ["a", "talk.txt", "of", "mine"]
    assert len(marked_text("word " * 4000).words) == 4000
    done = run("speak", "-", "-o", str(tmp_path / "x.wav"), input="From stdin.")
    assert done.returncode == 0, done.stderr


def test_stdin_that_is_not_utf_8_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9"), encoding="utf-8"))
    assert cli.main(["mark", "-"]) == 2
    assert capsys.readouterr().err == "prosody: stdin: is not UTF-8 text — save it as UTF-8\n"


@pytest.fixture
def answered(monkeypatch, capsys):
    """Run `--interactive` on the bytes of stdin, with nothing behind it; exit code, what was asked, stdout, stderr."""
    from prosody.commands import answer
    from prosody.workflow import answers

    asked = []

    class Echo(SimpleNamespace):
        heard = None

        def as_json(self):
            return {"question": self.question}

    def write_answer(question, points, adapter, *_, **__):
        asked.append((question, points))
        return Echo(question=question)

    def _answered(stdin):
        monkeypatch.setattr(answer, "load", lambda given: None)
        monkeypatch.setattr(answers, "write_answer", write_answer)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        code = cli.main(["--interactive", "--json"])
        return code, asked, *capsys.readouterr()

    return _answered


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n", b"\n\n\n"])
def test_a_last_question_is_answered_however_the_input_ends(answered, end):
    code, asked, out, _ = answered(b"Why?\nbecause\nso\n\nHow?\nlike this" + end)
    assert (code, asked) == (0, [("Why?", ["because", "so"]), ("How?", ["like this"])])
    assert [json.loads(line)["question"] for line in out.splitlines()] == ["Why?", "How?"]


@pytest.mark.parametrize("stdin", [b"", b"\n", b"  \n"])
def test_no_question_at_all_is_no_mistake(answered, stdin):
    assert answered(stdin)[:3] == (0, [], "")


def test_more_empty_lines_than_one_lose_no_question(answered):
    assert answered(b"Why?\n\n\n\nHow?\n\n")[:2] == (0, [("Why?", []), ("How?", [])])


def test_one_bad_question_does_not_keep_the_others_from_an_answer(answered):
    code, asked, _, err = answered(b"Why <foo>?\n\nHow?\n")
    assert (code, asked) == (2, [("How?", [])])
    assert "unknown marker <foo>" in err


def test_questions_that_are_not_utf_8_are_one_line(answered):
    code, asked, _, err = answered(b"caf\xe9?\n\n")
    assert (code, asked) == (2, [])
    assert err.splitlines()[-1] == "prosody: stdin: is not UTF-8 text — save it as UTF-8"


def test_the_list_of_runs_as_table_and_json(tmp_path, capsys):
    assert cli.main(["runs"]) == 0
    assert "make demo" in capsys.readouterr().out
    folder = record.start("train", {}, runs=tmp_path / "runs", how="headless")
    record.end(folder, "ok", code=0)
    assert cli.main(["runs"]) == 0
    assert folder.name in capsys.readouterr().out
    assert cli.main(["runs", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["id"], told["status"], told["metrics"]) == (folder.name, "ok", {})


def test_a_runs_id_is_the_last_line_on_stdout(tmp_path):
    import nbformat

    cells = [
        nbformat.v4.new_code_cell("n: int = 1", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell('print("printed", n)'),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "tiny.ipynb")
    done = run("run", str(tmp_path / "tiny.ipynb"), "-p", "n", "4")
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs" / "tiny").iterdir()
    assert done.stdout == f"{folder.name}\n"
    assert "printed 4" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")
def test_a_reader_that_has_enough_is_no_trouble():
    with subprocess.Popen([sys.executable, "-m", "prosody", "--help"], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:  # fmt: skip
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("command", ["runs", "runs --json"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_stdout_is_one_line(command, unbuffered):
    words, environment = command.split(), {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-m", "prosody", *words], cwd=ROOT, stdout=full, stderr=subprocess.PIPE,
                              env=environment)  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1, done.stderr
    assert b"the output cannot be written (No space left on device)" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="no shell that closes streams")
@pytest.mark.parametrize(("command", "closed", "code"), [
    ("runs --json", ">&-", 0), ("runs", "2>&-", 0), ("runs", "<&- >&- 2>&-", 0), ("pauses nowhere.wav", "2>&-", 2),
    ("pauses nowhere.wav", "2>/dev/full", 2), ("align nowhere.wav -", "<&-", 2),
])  # fmt: skip
def test_streams_that_are_closed_or_full_change_nothing(command, closed, code):
    line = f"{shlex.quote(sys.executable)} -m prosody {command} {closed}"
    done = subprocess.run(["sh", "-c", line], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("Traceback")) == (code, 0), done.stderr


def test_starting_is_quick_and_brings_in_nothing_heavy():
    code = (
        "import sys, prosody, prosody.cli, prosody.workflow, prosody.commands.runs, prosody.commands.text\n"
        "print([m for m in ('numpy', 'torch', 'soundfile', 'papermill', 'psutil', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
