"""Parameters and notebooks that are none: one line, exit 2, and no record is made."""

import json
import os

import pytest

from prosody import cli
from prosody.errors import ProsodyError
from prosody.workflow import record, runner

PARAMETERS = """\
epochs: int = 3
rate: float = 0.1
audio: str | None = None
names: list[str] = ["a"]
more: dict = {}
interactive: bool = True
"""
LONG, DEEP = "x" * 10_000_000, "[" * 200_000 + "]" * 200_000
REFUSED = {
    "three": ["epochs=three"],
    "unknown": ["epoch=3"],
    "quotes and braces": ["{x}'\"=3"],
    "new line": ["a\nb=3"],
    "null": ["a\0b=3"],
    "surrogate": ["\ud800=3"],
    "nothing": ["=3"],
    "long name": [f"{LONG[:100_000]}=3"],
    "long value": [f"epochs={LONG[:100_000]}"],
    "long word": [LONG[:100_000]],
    "NaN": ["rate=NaN"],
    "infinity": ["rate=-inf"],
    "NaN inside": ['more={"a": [NaN]}'],
    "infinity inside": ['more={"a": 1e999}'],
    "digits": ["epochs=" + "9" * 400],
    "digits inside": ['more={"a": ' + "9" * 400 + "}"],
    "deep": [f"names={DEEP}"],
    "deep object": ["more=" + '{"a":' * 900 + "1" + "}" * 900],
    "deeper object": ["more=" + '{"a":' * 200_000 + "1" + "}" * 200_000],
}
CELLS = {
    "syntax": "epochs: int = ",
    "null": "x = '\0'",
    "half a character": "x = '\ud800'",
    "nesting": "x = " + "[" * 5000 + "]" * 5000,
    "minus": "x = " + "-" * 100_000 + "1",
    "infinity": "x: float = 1e999",
    "bytes": "x = b'a'",
    "set": "x = {1, 2}",
    "complex": "x = 1j",
    "dots": "x = ...",
    "tuple as key": "x = {(1, 2): 3}",
    "list as key": "x = {[]: 1}",
    "digits": "x = " + "9" * 400,
}
CELL = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": "1"}
NOTEBOOK = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [CELL]}
WRONG = {
    **{f"format {form!r}": {"nbformat": form} for form in (1, 2, 3, 5, "4", None, 4.0, [], True)},
    "minor": {"nbformat_minor": "x"},
    **{f"metadata {one!r}": {"metadata": one} for one in (None, [], "x", {"papermill": 5})},
    "outputs": {"cells": [CELL | {"outputs": 5}]},
    "an output": {"cells": [CELL | {"outputs": [5]}]},
    "tags": {"cells": [CELL | {"metadata": {"tags": 5}}]},
    "half a character": {"cells": [CELL | {"source": "print('\ud800')"}]},
    "two parameters cells": {"cells": [CELL | {"metadata": {"tags": ["parameters"]}, "source": "x = 1"}] * 2},
}


@pytest.fixture
def refused(runs, monkeypatch, capsys):
    monkeypatch.setenv("PROSODY_SETUP", "off")

    def check(*words: str) -> str:
        code, told = cli.main(["run", *map(str, words)]), capsys.readouterr().err
        assert (code, told.count("\n"), told.startswith("prosody: ")) == (2, 1, True), told[:1000]
        assert len(told) < 1000 and "Traceback" not in told
        assert not runs.exists()
        return told

    return check


@pytest.mark.parametrize("words", REFUSED.values(), ids=REFUSED)
def test_parameters_that_are_refused(notebook, refused, words):
    refused(notebook("1", parameters=PARAMETERS), *words)
    refused(notebook("1", parameters=PARAMETERS), *words, "--force")


@pytest.mark.parametrize("source", CELLS.values(), ids=CELLS)
def test_parameters_cells_that_are_refused(tmp_path, refused, source):
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps(NOTEBOOK | {"cells": [CELL | {"source": source, "metadata": {"tags": ["parameters"]}}]}))
    refused(path)


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_notebooks_that_are_refused(tmp_path, refused, change):
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps(NOTEBOOK | change))
    refused(path)
    for name in change:
        path.write_text(json.dumps({key: value for key, value in NOTEBOOK.items() if key != name}))
        refused(path)


@pytest.mark.parametrize("data", [b"", b"hello", b"\0" * 100, b'{"cells": "\xe9"}', "{}".encode("utf-16")])
def test_files_that_are_no_notebook(tmp_path, refused, data):
    (tmp_path / "x.ipynb").write_bytes(data)
    refused(tmp_path / "x.ipynb")


@pytest.mark.parametrize("name", ["folder", "gone", "a\0b.ipynb", "\ud800.ipynb", "n" * 300 + ".ipynb"], ids=ascii)
def test_names_that_are_no_notebooks(tmp_path, refused, name):
    (tmp_path / "folder").mkdir()
    refused(os.path.join(tmp_path, name))


def test_the_second_parameters_cell_is_named(tmp_path, refused):
    (tmp_path / "x.ipynb").write_text(json.dumps(NOTEBOOK | WRONG["two parameters cells"]))
    assert "cell 2: is a second one tagged `parameters`" in refused(tmp_path / "x.ipynb", "x=5")


def test_values_that_python_gives_are_looked_at_as_well(notebook, runs):
    path, deep = notebook("1", parameters=PARAMETERS), []
    for _ in range(100_000):
        deep = [deep]
    for given in ({"rate": float("nan")}, {"more": {"a": float("inf")}}, {"epochs": 10**400}, {"names": deep}):
        with pytest.raises(ProsodyError, match=r"parameter '\w+': (holds what|is nested too|nan is not a number)"):
            runner.run_notebook(path, given)
    assert not runs.exists()


def test_any_text_arrives_as_it_was_given(notebook, runs):
    """10 MB of it, too, in a notebook with a byte order mark."""
    audio = "'\"{x}{{\n\0\udcff" + LONG
    checks = f"assert (len(audio), ascii(audio[:11])) == ({len(audio)}, {ascii(audio[:11])!r})"
    path = notebook(checks, "assert names == ['\\ud800', '\\x00']", parameters=PARAMETERS)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    run = runs / "segment" / runner.run_notebook(path, {"audio": audio, "names": ["\ud800", "\0"]})
    assert record.read(run).state == "ok"
    assert json.loads((run / "params.json").read_text())["audio"] == audio
