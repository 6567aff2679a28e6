"""What is taken out of a record, and that files are found again by what stands there instead."""

import getpass
import json
import platform
from pathlib import Path

import pytest

from prosody import workflow
from prosody.lm import base
from prosody.workflow import record, scrub, stages

NAME = "anna_" + "testperson"  # in parts: the record holds changes to the clone, and so maybe this file
HOST = "annas-laptop-" + "7"


@pytest.fixture
def anna(tmp_path, monkeypatch):
    """A home folder of one whose name can't be a word; outside the clone."""
    home = tmp_path / "home" / NAME
    home.mkdir(parents=True)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setattr(getpass, "getuser", lambda: NAME)
    monkeypatch.setattr(platform, "node", lambda: f"{HOST}.local")
    return home


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("{home}/talk.wav", "~/talk.wav"),
        ("audio={home}/talk.wav", "audio=~/talk.wav"),
        ("file://{home}/talk.wav", "file://~/talk.wav"),
        ("not found in {home}.", "not found in ~."),
        ("\x1b[32m{home}/x.py\x1b[0m", "\x1b[32m~/x.py\x1b[0m"),
        ("{home}-old/x", None),
        ("-I{home}/include", None),
        ("/data/{name}/x", "/data/<user>/x"),
        ("{name}@{host}:~$ ls", "<user>@<host>:~$ ls"),
        ("on {host}.local", "on <host>"),
        ("x{name}, and {host}0", f"x{NAME}, and {HOST}0"),
    ],
)
def test_no_text_keeps_the_home_folder_the_user_or_the_machine(anna, written, kept):
    found = scrub.text(written.format(home=anna, name=NAME, host=HOST))
    if kept is None:
        assert NAME not in found
    else:
        assert found == kept


@pytest.mark.parametrize(
    ("login", "written", "kept"),
    [
        ("anna", "I met anna there", "I met anna there"),
        ("anna", "/data/anna/x and anna@example.org", "/data/<user>/x and <user>@example.org"),
        ("root", "/data/root/x", "/data/root/x"),
        ("anna", "QUFB/annab+anna=", "QUFB/annab+anna="),
    ],
)
def test_a_name_that_may_be_a_word_is_taken_out_of_paths_alone(anna, monkeypatch, login, written, kept):
    monkeypatch.setattr(getpass, "getuser", lambda: login)
    assert scrub.text(written) == kept


def test_parameters_keep_what_was_given_and_lead_to_the_same_file(anna):
    given = {"reviewer": NAME, "audio": f"{anna}/talk.wav", "names": [f"{anna}/a", "b"], "epochs": 3}
    kept = scrub.parameters(given)
    assert kept == {"reviewer": NAME, "audio": "~/talk.wav", "names": ["~/a", "b"], "epochs": 3}
    assert Path(kept["audio"]).expanduser() == anna / "talk.wav"


def test_a_stage_in_lab_records_no_home_folder_and_finds_its_input_again(anna, runs, monkeypatch):
    monkeypatch.setattr(stages, "_open_in_lab", {})
    talk = anna / "talk.wav"
    talk.write_bytes(b"sound")
    run = workflow.stage("segment", {"audio": str(talk)})
    run.log(f"reading {talk}", show=False)
    assert run.input(talk) == talk
    assert run.input("~/talk.wav") == talk
    run.output(anna / "copy.wav").write_bytes(b"sound")
    run.finish({"segments": 1, "source": str(talk)})
    assert json.loads((run.folder / "params.json").read_text())["audio"] == "~/talk.wav"
    (entry,) = json.loads((run.folder / "inputs.json").read_text())
    assert entry["path"] == "~/talk.wav" and record.located(entry["path"], run.folder) == talk
    (entry,) = json.loads((run.folder / "outputs.json").read_text())
    assert entry["path"] == "~/copy.wav"
    for path in run.folder.rglob("*"):
        assert not path.is_file() or NAME.encode() not in path.read_bytes(), path


def test_a_clone_at_home_names_files_beside_it_as_before(anna, monkeypatch):
    clone = anna / "janus"
    clone.mkdir()
    monkeypatch.setattr(record, "repository", lambda: clone)
    assert record.shown(anna / "talk.wav") == "../talk.wav"
    assert record.shown(clone / "corpus" / "a.wav") == "corpus/a.wav"
    assert record.located("../talk.wav").resolve() == (anna / "talk.wav").resolve()


def test_a_base_model_at_home_is_written_down_so_that_it_is_found(anna):
    (anna / "model").mkdir()
    assert base.kept_name(str(anna / "model")) == "~/model"
    assert base.kept_name("gpt2") == "gpt2"
    assert base.kept_name(base.BUILT_IN) == base.BUILT_IN


def test_events_are_written_under_no_machine_s_name_from_the_first(tmp_path, monkeypatch):
    import socket

    from prosody.lm.board import board

    monkeypatch.setattr(socket, "gethostname", lambda: HOST)
    with board(tmp_path) as events:
        (path,) = tmp_path.iterdir()
        assert ".here." in path.name and "annas" not in path.name
        events.parameters({"epochs": 3})
    assert socket.gethostname() == HOST
    assert b"epochs" in path.read_bytes() and b"annas" not in path.read_bytes()
