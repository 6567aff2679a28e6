"""Cells that mean harm, or do it unawares: the run ends, its record says how, and saving it costs little."""

import json
import os
import time
from pathlib import Path

import pytest

from prosody import cli
from prosody.errors import ProsodyError
from prosody.workflow import execute, record, runner, scrub
from prosody.workflow.progress import Progress

RUN = "import os, pathlib, shutil\nrun = pathlib.Path(os.environ['PROSODY_RUN_DIR'])\n"


def quiet() -> Progress:
    return Progress(stream=open(os.devnull, "w"))


def told(folder: Path) -> dict:
    return json.loads((folder / "status.json").read_text())


def only(runs: Path) -> Path:
    (folder,) = (runs / "segment").iterdir()
    return folder


@pytest.mark.slow
def test_a_cell_that_prints_200_000_lines(notebook, runs):
    run_id = runner.run_notebook(notebook("for k in range(200_000): print('line', k)"), progress=quiet())
    lines = (runs / "segment" / run_id / "log.txt").read_text().splitlines()
    assert lines == [f"line {k}" for k in range(200_000)]
    assert told(runs / "segment" / run_id)["seconds"] < 60


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "n"),
    [
        ("print('x' * 50_000_000)", 50_000_001),
        ("from IPython.display import display, Markdown\nfor k in range(2000): display(Markdown('y' * 2000))", 0),
    ],
)
def test_a_cell_with_much_to_show(notebook, runs, source, n):
    run_id = runner.run_notebook(notebook(source), progress=quiet())
    assert (runs / "segment" / run_id / "log.txt").stat().st_size == n
    assert (runs / "segment" / run_id / "notebook.ipynb").stat().st_size > 4_000_000


def test_saving_takes_a_bounded_share_of_the_time(tmp_path, monkeypatch):
    """However long one save takes, the others wait for ten times as long; the last one is made up for."""
    target, written = tmp_path / "notebook.ipynb", []

    def slow(path, data, **how):
        time.sleep(0.05)
        written.append(data["n"])
        path.write_text(json.dumps(data))

    monkeypatch.setattr(execute, "write_json", slow)
    saved, began, n = execute._Saved(tmp_path / "a", tmp_path / "a", target), time.monotonic(), 0
    while time.monotonic() - began < 1.2:
        saved.save(json.dumps({"n": n, "metadata": {}}))
        n += 1
    assert 2 <= len(written) <= 3
    saved.end()
    assert json.loads(target.read_text())["n"] == n - 1


def test_lines_are_logged_at_once_and_a_bar_does_not_grow(tmp_path):
    log = execute._Log(tmp_path / "log.txt")
    stream = execute._Stream(log, quiet())
    stream.write("one\ntwo\nthr")
    assert (tmp_path / "log.txt").read_text() == "one\ntwo\n"
    for k in range(1000):
        stream.write(f"\r{k:3} %")
    assert len(stream.rest) < 10
    stream.write("\r\ndone\n")
    assert (tmp_path / "log.txt").read_text() == "one\ntwo\n999 %\ndone\n"


def test_many_lines_are_scrubbed_in_no_time():
    began = time.perf_counter()
    scrub.value([f"line {k}" for k in range(100_000)])
    assert time.perf_counter() - began < 5  # it was 30 s


@pytest.mark.parametrize(
    "source", [f"{RUN}shutil.rmtree(run)", f"{RUN}for one in run.iterdir():\n    if one.is_file(): one.unlink()"]
)
def test_a_record_that_was_taken_away_is_no_ok_run(notebook, runs, source):
    with pytest.raises(ProsodyError, match="its record was taken away while it ran — run it anew"):
        runner.run_notebook(notebook(source, "print('after')"), progress=quiet())
    run = record.read(only(runs))
    assert (run.state, run.status["exit"], run.status["id"], run.status["stage"]) == ("failed", 2, run.id, "segment")
    assert "taken away" in run.status["error"]["message"]


def test_a_cell_that_fails_after_it_took_its_status_away(notebook, runs):
    with pytest.raises(runner.RunFailed):
        runner.run_notebook(notebook(f"{RUN}(run / 'status.json').unlink()\n1 / 0"), progress=quiet())
    status = told(only(runs))
    assert (status["status"], status["error"]["name"], status["id"]) == ("failed", "ZeroDivisionError", only(runs).name)


@pytest.mark.parametrize(
    ("sources", "state", "code"),
    [
        (["import os\nos.chdir('/')\nos.environ.clear()", "print(os.getcwd())"], "ok", 0),
        (["import os, sys\nsys.stdout.close()\nos.close(1)\nos.close(2)", "print('after')"], "failed", 1),
        (["import os\nos._exit(0)"], "failed", 1),
        (["import sys\nsys.exit(3)", "print('after')"], "failed", 1),
        (["raise KeyboardInterrupt"], "interrupted", 130),
        (["import threading, time\nthreading.Thread(target=time.sleep, args=(9999,)).start()"], "ok", 0),
        (["import sys, os\nprint('\\x1b[31mred\\x00\\x07\\x9b')\nos.write(1, b'\\xff\\xfe\\n')"], "ok", 0),
        (["class E(Exception):\n    def __str__(self): raise RuntimeError('no')\nraise E()"], "failed", 1),
        (["raise ValueError('\\ud800')"], "failed", 1),
        ([f"{RUN}(run / 'notebook.ipynb').unlink()\n(run / 'notebook.ipynb').mkdir()"], "failed", 2),
    ],
)
def test_the_record_says_how_it_went(notebook, runs, monkeypatch, capsys, sources, state, code):
    monkeypatch.setenv("PROSODY_SETUP", "off")
    assert cli.main(["run", str(notebook(*sources))]) == code
    status = told(only(runs))
    assert (status["status"], status["exit"]) == (state, code)
    assert "runner.py" not in capsys.readouterr().err  # no traceback of ours
    assert not [one for one in only(runs).iterdir() if one.name.startswith((".alive", ".tmp-"))]


def test_an_error_of_megabytes_is_told_in_part(notebook, runs):
    with pytest.raises(runner.RunFailed) as caught:
        runner.run_notebook(notebook("raise ValueError('z' * 5_000_000)"), progress=quiet())
    assert len(str(caught.value)) < 2000 and "(5,000,012 characters)" in caught.value.tail
    assert all((only(runs) / name).stat().st_size < 100_000 for name in ("status.json", "log.txt"))


def test_what_no_message_can_hold_ends_the_run_in_good_order(notebook, runs, monkeypatch):
    """Jupyter loses such a message, and now and then with it the word that the cell has ended."""
    monkeypatch.setattr(execute, "_OUTPUT_COMES_WITHIN_S", 4.0)
    try:
        runner.run_notebook(notebook("print('\\ud800')"), progress=quiet())
    except runner.RunFailed as failed:
        assert "what it printed did not come within 4 s" in str(failed)
    assert told(only(runs))["status"] in ("ok", "failed")
