"""Records that were damaged, by hand or by a disk: one plain line, or told without what is damaged."""

import json
import os

import pytest

from prosody import cli
from prosody.files import read_json
from prosody.workflow import columns, record, reuse
from prosody.workflow.exchange import parcel

DEEP = "[" * 100_000 + "]" * 100_000
DEEPER_THAN_WE_WALK = '{"a":' * 900 + "1" + "}" * 900


@pytest.fixture
def run(runs):
    folder = record.start("segment", {"epochs": 3}, runs=runs, how="headless")
    (folder / "notebook.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    record.end(folder, "ok", code=0)
    return folder


@pytest.fixture
def call(monkeypatch, capsys):
    monkeypatch.setenv("PROSODY_SETUP", "off")

    def called(*words):
        code = cli.main([str(word) for word in words])
        return code, capsys.readouterr().err

    return called


@pytest.mark.parametrize("name", ["params.json", "metrics.json", "upstream.json", "git.json", "outputs.json"])
@pytest.mark.parametrize("content", [DEEP, DEEPER_THAN_WE_WALK], ids=["deep", "walkable"])
def test_a_record_nested_too_deeply_is_told_or_left_out(run, call, tmp_path, name, content):
    (run / name).write_text(content)
    for k, words in enumerate(
        [
            ("runs",),
            ("runs", "--json"),
            ("runs", "table", "--columns", "all"),
            ("runs", "export", run.name, "-o", tmp_path / "out.zip", "--crate"),
            ("diff", run.name, run.name, "--json"),
            ("report", run.name, "-o", tmp_path / "out.html"),
            ("rerun", run.name) if name == "params.json" else ("runs",),
        ]
    ):
        code, told = call(*words)
        assert code == (2 if words[0] == "rerun" else 0), (k, told)
    assert (run / name).read_text() == content


@pytest.mark.parametrize(
    "content", ["5", "null", "{}", '[1, "a", null]', '[{"path": 5}]', '[{"path": "a", "bytes": {}}]']
)
@pytest.mark.parametrize("name", ["inputs.json", "outputs.json"])
def test_lists_of_files_that_hold_something_else(run, call, tmp_path, name, content):
    (run / name).write_text(content)
    code, told = call("runs", "export", run.name, "-o", tmp_path / "out.zip", "--crate", "--with-inputs")
    assert (code, len(told.splitlines())) == (0, 1), told
    assert call("report", run.name, "-o", tmp_path / "out.html")[0] == 0
    assert call("diff", run.name, run.name)[0] == 0
    if name == "inputs.json":
        code, told = call("rerun", run.name)
        assert code == 2
        assert "inputs.json: is not what a run writes there — make a new run" in told.splitlines()[-1]


def test_what_is_asked_for_is_compared_with_a_damaged_record_without_harm(run, notebook, runs):
    (run / "params.json").write_text(DEEPER_THAN_WE_WALK)
    assert reuse.find(notebook("x = 1"), {}, runs=runs) is None


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_link_to_itself_is_told_in_plain_words(run, call):
    (run / "status.json").unlink()
    (run / "status.json").symlink_to("status.json")
    code, told = call("report", run.name)
    assert code == 0
    assert "status.json: is a link that leads to itself" in told
    assert "Errno" not in told


@pytest.mark.parametrize(
    ("field", "value"),
    [("ended", 10**19), ("started", 1e300), ("stage", "\ud800"), ("id", "\ud800"), ("error", {"cell": []})],
)
def test_an_export_passes_over_what_is_no_time_or_name(run, call, tmp_path, field, value):
    status = read_json(run / "status.json")
    (run / "status.json").write_text(json.dumps({**status, field: value}))
    code, told = call("runs", "export", run, "-o", tmp_path / "out.zip", "--crate")
    assert code == 0, told
    assert len(told.splitlines()) == 1


def test_figures_of_a_damaged_record_are_left_out_of_the_table(run, runs):
    (run / "metrics.json").write_text(DEEPER_THAN_WE_WALK)
    assert columns.table(record.runs(runs)).rows[0]["status", "status"] == "ok"


def test_a_parcel_of_a_deep_file_holds_it_as_it_is(run):
    (run / "params.json").write_text(DEEPER_THAN_WE_WALK)
    assert parcel.gather(run).data("params.json") is None


@pytest.mark.parametrize(
    "cell",
    [{"metadata": {}, "source": ""}, {"cell_type": "code", "metadata": {}}, 5, None, {"cell_type": 3, "source": ""}],
)
def test_a_notebook_with_what_is_no_cell_is_refused_before_anything_is_made(notebook, runs, call, cell):
    path = notebook("x = 1")
    found = json.loads(path.read_text())
    found["cells"].append(cell)
    path.write_text(json.dumps(found))
    code, told = call("run", path)
    assert code == 2
    assert "cell 4: is no cell of a notebook — save it again in Jupyter" in told
    assert not runs.exists()
