"""Runs as a table: what its columns are, which rows a condition leaves, and in which order they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from prosody.errors import ProsodyError
from prosody.files import write_json
from prosody.workflow import columns, export_table, query, record


def a_run(runs: Path, stage: str, params: dict, metrics: dict, state: str = "ok") -> str:
    folder = record.start(stage, params, runs=runs, how="headless")
    write_json(folder / "metrics.json", metrics, overwrite=True)
    record.end(folder, state, code=0)
    return folder.name


@pytest.fixture
def table(runs):
    """Three runs of train and one of segment."""
    for epochs, f1, emph in ((2, 0.5, 0.25), (8, 0.91, 0.875), (10, 0.7, None)):
        found = {"macro_f1": f1, "epochs": epochs - 1, "f1": {"<emph>": emph}, "interval": [f1, 1]}
        a_run(runs, "train", {"epochs": epochs, "base_model": "gpt2", "resume": epochs > 5}, found)
    a_run(runs, "segment", {"audio": "a,b.wav"}, {"segments": 4}, "failed")
    return columns.table(record.runs(runs))


def epochs(table, rows) -> list:
    return [table.value(row, "epochs") for row in rows]


def test_a_plain_name_is_the_parameter_where_a_figure_has_it_too(table):
    rows = [row for row in table.rows if table.value(row, "stage") == "train"]
    assert epochs(table, rows) == [table.value(row, "params.epochs") for row in rows] == [2, 8, 10]
    assert [table.value(row, "metrics.epochs") for row in rows] == [1, 7, 9]
    assert table.names[:5] == ("id", "stage", "status", "how", "started")
    assert {"metrics.epochs", "f1.<emph>", "interval.0", "commit"} <= set(table.names)
    assert "params.epochs" not in table.names and len(set(table.names)) == len(table.names)


def test_the_commit_is_the_records(runs):
    name = a_run(runs, "train", {}, {})
    write_json(runs / "train" / name / "git.json", {"commit": "c" * 40}, overwrite=True)
    table = columns.table(record.runs(runs))
    assert [table.value(row, "commit") for row in table.rows] == ["c" * 40]


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (["stage=train"], [2, 8, 10]),
        (["stage=train", "macro_f1>0.6"], [8, 10]),
        (["macro_f1>=0.7", "macro_f1 < 0.9"], [10]),
        (["epochs<=8"], [2, 8]),  # as numbers: "10" would come before "8"
        (["epochs=8.0"], [8]),
        (["epochs!=8"], [2, 10, None]),
        (["f1.<emph>>0.5"], [8]),
        (["f1.<emph><0.5"], [2]),
        (["f1.<emph>!=0.25"], [8, 10, None]),
        (["audio~B.WAV"], [None]),
        (["status~ok", "base_model=gpt2", "params.epochs=2"], [2]),
        (["resume=yes"], [8, 10]),
        (["resume=false"], [2]),
        (["started>2020-01-01", "stage=segment"], [None]),
        (["macro_f1>0.99"], []),
        (["base_model="], []),
    ],
)
def test_what_conditions_leave(table, given, left):
    conditions = [query.condition(one, table) for one in given]
    assert epochs(table, query.chosen(table, conditions)) == left


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("macrof1>0.8", "--where: no run has a column 'macrof1' — nearest: macro_f1, metrics.macro_f1"),
        ("emph>0.8", "--where: no run has a column 'emph' — nearest: f1.<emph>"),
        ("qqq=3", "--where: no run has a column 'qqq' — there are id, stage,"),
        ("macro_f1", "--where: 'macro_f1' compares nothing — write it as NAME=VALUE; the operators are != <="),
        ("macro_f1>high", "--where: 'high' is no number, and macro_f1 holds numbers"),
        ("\x1b[31mx=1", r"--where: no run has a column '\\x1b[31mx'"),
    ],
)
def test_what_cannot_be_meant_is_one_line_that_helps(table, given, told):
    with pytest.raises(ProsodyError) as caught:
        query.condition(given, table)
    assert str(caught.value).startswith(told.replace("\\\\", "\\")) and str(caught.value).isprintable()


def test_sorted_by_a_column_what_has_no_value_comes_last_in_either_order(table):
    assert epochs(table, query.ordered(table, table.rows, "macro_f1")) == [2, 10, 8, None]
    assert epochs(table, query.ordered(table, table.rows, "-macro_f1")) == [8, 10, 2, None]
    assert epochs(table, query.ordered(table, table.rows, "macro_f1", descending=True)) == [8, 10, 2, None]
    with pytest.raises(ProsodyError, match="--sort: no run has a column 'macro' — nearest: macro_f1"):
        query.ordered(table, table.rows, "macro")


def test_numbers_come_before_texts(runs):
    for value in ("b", 3, True, -1, None):
        a_run(runs, "train", {"x": value}, {})
    table = columns.table(record.runs(runs))
    assert [table.value(row, "x") for row in query.ordered(table, table.rows, "x")] == [-1, 3, "b", True, None]


def test_a_text_table_is_aligned_cut_and_plain():
    rows = [["x" * 99, 1234, None], ["\x1b[31m", 7, 0.123456]]
    head, one, other = export_table.as_text(["name", "n", "f1"], rows).splitlines()
    assert head.index("n", 5) == one.index("4") == other.index("7")  # numbers end in one column
    assert one.split() == ["x" * 47 + "…", "1234", "-"] and other.split() == ["\\x1b[31m", "7", "0.1235"]
