"""`runs show`, `runs rm` and `runs gc` from outside: what they tell, ask, refuse and take away."""

from __future__ import annotations

import io
import json
import os
import sys

import pytest
from made_runs import change, make

from prosody import cli
from prosody.commands import keeping
from prosody.workflow import record


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PROSODY_SETUP", "off")
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return tmp_path / "runs"


@pytest.fixture
def made(runs):
    cut = make(runs, "segment", 1)
    ready = make(runs, "prepare", 2, of=[cut])
    return [cut, ready, make(runs, "train", 3, of=[ready])]


def answer(monkeypatch, word):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{word}\n"))
    monkeypatch.setattr(keeping, "_is_terminal", lambda: True)


def test_show_tells_a_failed_run(runs, capsys):
    folder = record.start("train", {"epochs": 5, "seed": 0}, runs=runs, how="headless")
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "epochs: int = 8  # n\nseed: int = 0"}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    (folder / "notebook.ipynb").write_text(json.dumps(notebook))
    (folder / "log.txt").write_text("".join(f"line {k}\n" for k in range(40)))
    error = {"cell": 4, "line": 2, "name": "ValueError", "message": "too\x1b[31m loud"}
    record.end(folder, "failed", code=1, error=error, reason="why it ended")
    assert cli.main(["runs", "show", "latest"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"train/{folder.name}  failed\n")
    assert "cell 4, line 2, ValueError: too\\x1b[31m loud" in told and "why it ended" in told
    assert "exit code 1" in told and "package " in told
    assert "defaults (1 of 2)\n  epochs  5  (default 8)\n" in told
    assert "line 39" in told and "line 20\n" not in told
    assert cli.main(["runs", "show", "latest", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["changed_parameters"] == {"epochs": {"value": 5, "default": 8}} and told["status"]["exit"] == 1


def test_show_tells_what_there_is_of_a_damaged_run(made, capsys):
    (made[2] / "params.json").write_text("{")
    (made[2] / "status.json").write_text("{")
    assert cli.main(["runs", "show", made[2].name]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"train/{made[2].name}  unknown\n")
    assert "params.json: " in told and "defaults are not known" in told and "out.txt" in told


def test_show_graph_as_text_and_as_data(made, capsys):
    assert cli.main(["runs", "show", "prepare", "--graph"]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told  # no colours in a pipe
    assert told.index(made[1].name) < told.index(made[0].name) < told.index(made[2].name)
    (made[0] / "artifacts" / "out.txt").write_text("another")
    assert cli.main(["runs", "show", "prepare", "--graph", "--json"]) == 0
    graph = json.loads(capsys.readouterr().out)["lineage"]
    assert {node["key"]: node["state"] for node in graph["nodes"]} == {f"{a.parent.name}/{a.name}": "ok" for a in made}
    assert [bool(link["trouble"]) for link in graph["links"]] == [True, False]


def test_colours_on_a_terminal(made, capsys, monkeypatch):
    monkeypatch.setattr(keeping, "_has_colors", lambda: True)
    assert cli.main(["runs", "show", "prepare", "--graph"]) == 0
    assert "\x1b[32m✓ ok\x1b[0m" in capsys.readouterr().out


def test_rm_removes_what_nothing_needs(made, capsys):
    assert cli.main(["runs", "rm", made[2].name]) == 0
    assert not made[2].exists() and made[1].is_dir() and os.listdir(made[2].parent) == []
    assert f"removed 1 run, 0.0 MB: train/{made[2].name}" in capsys.readouterr().err


def test_rm_refuses_what_others_were_made_from_and_names_them(made, capsys):
    assert cli.main(["runs", "rm", "segment"]) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert f"prepare/{made[1].name}, train/{made[2].name}" in told and "--with-dependents" in told
    assert all(one.is_dir() for one in made)
    assert cli.main(["runs", "rm", "segment", "--yes"]) == 0
    assert [one.is_dir() for one in made] == [False, True, True]


def test_rm_takes_what_was_made_from_them_too_but_asks(made, capsys, monkeypatch):
    assert cli.main(["runs", "rm", "prepare", "--with-dependents"]) == 2
    assert f"made from what is to go: train/{made[2].name}" in capsys.readouterr().err
    answer(monkeypatch, "n")
    assert cli.main(["runs", "rm", "prepare", "--with-dependents"]) == 1
    assert f"goes, too: train/{made[2].name}.\nRemove 2 runs? [y/N]" in capsys.readouterr().err
    assert all(one.is_dir() for one in made)
    answer(monkeypatch, "y")
    assert cli.main(["runs", "rm", "prepare", "--with-dependents"]) == 0
    assert [one.is_dir() for one in made] == [True, False, False]


def test_rm_takes_what_was_made_from_them_too_unasked_if_told(made):
    assert cli.main(["runs", "rm", "prepare", "--with-dependents", "--yes"]) == 0
    assert [one.is_dir() for one in made] == [True, False, False]


def test_rm_of_all_that_belongs_together_need_not_ask(made):
    assert cli.main(["runs", "rm", *(one.name for one in made)]) == 0
    assert not any(one.exists() for one in made)


@pytest.mark.parametrize(("word", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_rm_asks_on_a_terminal(made, monkeypatch, capsys, word, code):
    answer(monkeypatch, word)
    assert cli.main(["runs", "rm", "segment"]) == code
    assert made[0].is_dir() == bool(code)
    assert f"train/{made[2].name}" in capsys.readouterr().err


def test_rm_refuses_runs_at_work_also_among_those_made_from_it(runs, made, capsys):
    folder = record.start("train", {}, runs=runs, how="headless")
    change(folder, "upstream", prepare=made[1].name)
    assert cli.main(["runs", "rm", folder.name, "--yes"]) == 2
    assert cli.main(["runs", "rm", made[2].name, "prepare", "--with-dependents", "--yes"]) == 2
    assert capsys.readouterr().err.count(f"train/{folder.name} is at work") == 2
    assert all(one.is_dir() for one in [*made, folder])
    record.end(folder, "ok", code=0)


def test_rm_takes_a_damaged_run(made):
    (made[2] / "status.json").write_text("{")
    assert cli.main(["runs", "rm", made[2].name]) == 0
    assert not made[2].exists()


def test_nothing_outside_the_folder_of_runs_is_removed(runs, made, tmp_path, capsys):
    other = make(tmp_path / "others", "train", 9)
    (runs / "train" / "linked").symlink_to(other, target_is_directory=True)
    (runs / "linked").symlink_to(other.parent, target_is_directory=True)
    for given in (str(other), str(runs / "train" / "linked"), "linked", str(runs / "linked" / other.name)):
        assert cli.main(["runs", "rm", given, "--yes"]) == 2
    (other / "status.json").write_text(json.dumps({"status": "failed", "id": other.name}))
    assert cli.main(["runs", "gc", "--yes"]) == 0
    assert (other / "status.json").is_file() and (runs / "linked").is_symlink()
    (made[2] / "artifacts" / "far").symlink_to(other, target_is_directory=True)
    assert cli.main(["runs", "rm", made[2].name]) == 0  # the link goes, not what it leads to
    assert (other / "status.json").is_file() and not made[2].exists()


def test_gc_without_a_terminal_only_tells(runs, made, capsys):
    failed = make(runs, "segment", 7, state="failed")
    for more in ([], ["--dry-run", "--yes"]):
        assert cli.main(["runs", "gc", *more]) == 0
        told = capsys.readouterr()
        assert f"goes  segment/{failed.name}  0.0 MB  it failed" in told.out and "1 run to remove" in told.out
        assert ("add --yes" in told.err) == (not more)
        assert failed.is_dir()
    assert cli.main(["runs", "gc", "--yes"]) == 0
    assert not failed.exists() and all(one.is_dir() for one in made)
    assert "removed 1 run, 0.0 MB" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["y", "n"])
def test_gc_asks_on_a_terminal(runs, monkeypatch, word):
    failed = make(runs, "segment", 7, state="failed")
    answer(monkeypatch, word)
    assert cli.main(["runs", "gc"]) == (0 if word == "y" else 1)
    assert failed.is_dir() == (word == "n")


@pytest.mark.parametrize("words", [["--keep", "0"], ["--older-than", "soon"]])
def test_gc_refuses_a_rule_that_is_none(runs, capsys, words):
    assert cli.main(["runs", "gc", *words]) == 2
    assert words[0] in capsys.readouterr().err
