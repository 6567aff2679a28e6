"""The notebook that is open in JupyterLab, in the record of the run it made."""

import json
import os
import time
from pathlib import Path

import nbformat
import pytest

from prosody.workflow import open_notebook, record, stages


def save(path: Path, text: str, *, at: float = 0) -> None:
    """As JupyterLab saves: the whole file, some time after the cell has run."""
    outputs = [nbformat.v4.new_output("stream", text=text)]
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=outputs)]), path)
    if at:
        os.utime(path, (at, at))


def kept(folder: Path) -> str:
    return "".join(json.loads((folder / "notebook.ipynb").read_text())["cells"][0]["outputs"][0]["text"])


@pytest.fixture
def opened(tmp_path, runs, monkeypatch):
    path = tmp_path / "01_segment.ipynb"
    save(path, "before", at=1_000_000_000)
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    monkeypatch.setattr(open_notebook, "_LOOKED_EVERY_S", 0.05)
    yield path
    open_notebook.leave("segment")


def until(true, patience_s: float = 10.0) -> bool:
    end = time.monotonic() + patience_s
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def test_what_is_saved_after_the_run_is_kept_too(opened):
    run = stages.stage("segment", {})
    run.finish({"segments": 1})
    assert record.read(run.folder).state == "ok"
    assert kept(run.folder) == "before"
    save(opened, f"after, in {Path.home()}/talks")
    assert until(lambda: kept(run.folder) == "after, in ~/talks")


def test_the_next_run_takes_it_over(opened):
    first = stages.stage("segment", {})
    first.finish({})
    second = stages.stage("segment", {})
    save(opened, "second")
    second.finish({})
    assert kept(second.folder) == "second"
    save(opened, "third")
    assert until(lambda: kept(second.folder) == "third")
    assert kept(first.folder) == "before"


def test_a_notebook_that_is_damaged_meanwhile_leaves_the_kept_one(opened):
    run = stages.stage("segment", {})
    run.finish({})
    opened.write_text("{")
    time.sleep(0.3)
    save(opened, "whole again")
    assert until(lambda: kept(run.folder) == "whole again")


def test_without_an_open_notebook_there_is_none(runs, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    run = stages.stage("segment", {})
    run.finish({})
    assert not (run.folder / "notebook.ipynb").exists()
