"""The lesson: its settings fit the notebooks, its runs keep to themselves, and what it tells is of its own figures."""

from __future__ import annotations

import json
from argparse import Namespace

import pytest

from prosody.commands import house
from prosody.commands import runs as run_commands
from prosody.errors import ProsodyError
from prosody.workflow import demo, lesson, record
from prosody.workflow.notebooks import NOTEBOOKS, notebook_of
from prosody.workflow.parameters import of_notebook

CELL = """\
from prosody import workflow
run = workflow.stage({name!r}, {{}})
{upstream}
(run.artifacts / "answer_01.wav").write_bytes(b"x")
run.finish({metrics!r})
"""
METRICS = {
    "segment": {"seconds_audio": 360.0, "segments": 40, "words_out": 883, "unsupported_words": 2},
    "prepare": {
        "markers": {"<emph>": 7, "<pause_long>": 5},
        "agreement": {"<emph>": {"f1": 0.9}, "<pause_long>": {"f1": 1.0}, "<pitch_low>": {"f1": None}},
        "train": 36,
        "val": 4,
    },
    "train": {
        "trainable_parameters": 1_847_232,
        "adapter_bytes": 7_400_000,
        "loss_val": 0.28,
        "loss_val_untuned": 1.56,
        "macro_f1": 0.91,
        "macro_f1_baselines": {"no_markers": 0.0, "most_frequent": 0.31},
    },
    "generate": {
        "words_changed": 0,
        "points": 2,
        "points_covered": 2,
        "survival": {"<emph>": 0.5, "<pause_long>": 1.0},
    },
}


@pytest.fixture
def four(notebook, monkeypatch):
    """Four tiny notebooks in place of the real ones, with the real ones' parameters that the lesson sets."""
    made, before = {}, None
    for name in record.STAGES:
        own = "".join(
            f"{p.name}: {p.annotation} = {p.default!r}  # {p.comment}\n" for p in of_notebook(notebook_of(name))
        )
        upstream = f"source = run.upstream({before!r}, {before}_run)" if before else ""
        source = CELL.format(name=name, upstream=upstream, metrics=METRICS[name])
        made[name] = notebook(source, name=NOTEBOOKS[name], parameters=own)
        before = name
    monkeypatch.setattr(demo, "notebook_of", made.__getitem__)
    return made


@pytest.fixture
def corpus(tmp_path):
    """Makes an empty corpus ready, and notes how many answers were asked for."""
    asked = []

    def made(n):
        asked.append(n)
        return {"audio": str(tmp_path / "a.wav"), "transcript": str(tmp_path / "a.txt")}

    made.asked = asked
    return made


def test_its_settings_are_parameters_of_the_notebooks():
    demo.check(lesson.SETTINGS)
    defaults = {p.name: p.default for stage in record.STAGES for p in of_notebook(notebook_of(stage))}
    assert lesson.SETTINGS["epochs"] < defaults["epochs"]
    assert all(value != defaults[name] for name, value in lesson.SETTINGS.items())


def test_its_runs_are_not_the_latest_of_any_other_command(four, runs, corpus, capsys, monkeypatch):
    done = lesson.run_lesson({}, corpus=corpus)
    assert corpus.asked == [lesson.ANSWERS]
    assert [run.state for run in done] == ["ok"] * 4
    assert all(run.folder.is_relative_to(runs / "lesson") for run in done)
    assert record.runs(runs) == []
    assert all(record.find(runs, stage) is None for stage in record.STAGES)
    assert json.loads((done[2].folder / "params.json").read_text(encoding="utf-8"))["epochs"] == 6
    for stage, run in zip(record.STAGES, done, strict=True):
        copy = runs / "lesson" / NOTEBOOKS[stage]
        assert copy.read_bytes() == (run.folder / "notebook.ipynb").read_bytes()
    told = capsys.readouterr().out
    assert "6.0 min fell into 40 segments" in told
    assert "F1 0.90 to 1.00 by marker" in told
    assert "from 1.56 to 0.28 nats a slot" in told
    assert "0.91 (the best simple rule, most frequent: 0.31)" in told
    assert "at least 50 % of each kind of marker are heard again" in told
    assert "lesson/03_train_lora.ipynb" in told
    assert "lab --lesson" in told

    called = []
    monkeypatch.setattr(house.install, "become", lambda command, **how: called.append((command, how)) or 0)
    house.lab(Namespace(words=["--lesson", "--no-browser"]))
    ((command, how),) = called
    assert how["environment"]["PROSODY_RUNS_DIR"] == str(runs / "lesson")
    assert command[-1] == "--no-browser"
    assert "--lesson" not in command


def test_what_is_given_takes_the_place_of_its_settings_and_a_second_lesson_of_the_first(four, runs, corpus):
    lesson.run_lesson({"epochs": "2", "answers": "8"}, corpus=corpus)
    assert corpus.asked == [8]
    done = lesson.run_lesson({"epochs": "3", "audio": "talk.wav", "transcript": "talk.txt"}, corpus=corpus)
    assert corpus.asked == [8]  # a recording of one's own needs no corpus
    assert json.loads((done[2].folder / "params.json").read_text(encoding="utf-8"))["epochs"] == 3
    assert len(record.runs(runs / "lesson")) == 8


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"epoch": "2"}, "did you mean 'epochs'"),
        ({"answers": "many"}, "'many' is no number of answers"),
        ({"answers": "2"}, "give 6 or more"),
        ({"answers": "9" * 5000}, "is no number of answers"),
    ],
)
def test_mistakes_are_told_before_anything_runs(runs, corpus, given, told):
    with pytest.raises(ProsodyError, match=told):
        lesson.run_lesson(given, corpus=corpus)
    assert not runs.exists()
    assert corpus.asked == []


def test_lab_has_no_lesson_to_open_on_before_the_first(runs, monkeypatch):
    monkeypatch.setattr(house.install, "become", lambda *_, **__: pytest.fail("JupyterLab was started"))
    with pytest.raises(ProsodyError, match="python -m prosody lesson"):
        house.lab(Namespace(words=["--lesson"]))


@pytest.mark.slow
def test_the_real_lesson_teaches_something_even_when_it_is_cut_short(tmp_path, monkeypatch, capsys):
    """As `make lesson` runs it, on the built-in voice and base, but with a quarter of its text and two epochs."""
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.delenv("PROSODY_RUN_DIR", raising=False)
    monkeypatch.setattr(record, "root", lambda: tmp_path)
    given = {"answers": lesson.FEWEST_ANSWERS, "epochs": 2}
    done = lesson.run_lesson(given, corpus=run_commands._first_answers)
    train, generate = done[2].metrics, done[3].metrics
    assert train["loss_val"] < 0.8 * train["loss_val_untuned"]
    assert (generate["words_changed"], generate["points_covered"]) == (0, generate["points"])
    assert (tmp_path / "runs" / "lesson" / "04_generate.ipynb").is_file()
    assert "The lesson took" in capsys.readouterr().out
