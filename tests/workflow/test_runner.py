import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from jupyter_client.connect import LocalPortCache

from prosody.errors import ProsodyError
from prosody.workflow import record, runner
from prosody.workflow.progress import Progress, elapsed

STAGE = """\
from prosody import workflow
run = workflow.stage("segment", {"epochs": epochs})
run.log(f"epochs {epochs}, interactive {interactive}")
"""
WORK = """\
import os, sys
(run.artifacts / "x.txt").write_text("x")
print("the same" if sys.executable == PYTHON else "another", "Python")
run.finish({"segments": epochs, "loss": float("nan")})
"""


def quiet() -> Progress:
    return Progress(stream=open(os.devnull, "w"))


def test_a_run_from_start_to_end(notebook, runs, capsys):
    run_id = runner.run_notebook(notebook(STAGE, f"PYTHON = {sys.executable!r}", WORK), {"epochs": "5"})
    folder = runs / "segment" / run_id
    run = record.read(folder)
    assert (run.state, run.status["exit"]) == ("ok", 0)
    assert run.status["peak_rss_mb"] > 20
    assert run.metrics == {"segments": 5, "loss": None}
    params = json.loads((folder / "params.json").read_text())
    assert params == {"epochs": 5, "rate": 0.1, "audio": None, "names": ["a"], "interactive": False}
    assert [entry["path"] for entry in json.loads((folder / "outputs.json").read_text())] == ["artifacts/x.txt"]
    log = (folder / "log.txt").read_text()
    assert "epochs 5, interactive False" in log
    assert "the same Python" in log  # the kernel is this one
    error = capsys.readouterr().err
    assert "First heading" in error
    assert "epochs 5" in error


def test_the_executed_notebook_holds_no_folder_of_this_machine(notebook, runs):
    source = 'import prosody, sys\nprint(prosody.__file__)\nprint(sys.prefix)\n"at " + prosody.__file__'
    run_id = runner.run_notebook(notebook(source), progress=quiet())
    text = (runs / "segment" / run_id / "notebook.ipynb").read_text()
    executed = json.loads(text)
    assert str(record.root()) not in text
    assert sys.prefix not in text
    assert "at ./prosody/__init__.py" in text
    assert executed["metadata"]["papermill"]["output_path"] == "notebook.ipynb"
    assert not os.path.isabs(executed["metadata"]["papermill"]["input_path"])


@pytest.mark.parametrize(
    ("given", "told"),
    [({"epochs": "three"}, "'three' is not a whole number"), ({"epoch": "3"}, "did you mean 'epochs'")],
)
def test_wrong_parameters_are_refused_before_anything_is_made(notebook, runs, given, told):
    with pytest.raises(ProsodyError, match=re.escape(told)):
        runner.run_notebook(notebook(STAGE), given)
    assert not runs.exists()


def test_a_missing_notebook_is_refused(runs, tmp_path):
    with pytest.raises(ProsodyError, match="not found"):
        runner.run_notebook(tmp_path / "none.ipynb")


def test_a_cell_that_fails_is_told_with_its_place(notebook, runs):
    with pytest.raises(runner.RunFailed) as caught:
        runner.run_notebook(notebook("x = 1\n1 / 0", "y = 2", name="bad one.ipynb"), progress=quiet())
    assert str(caught.value) == "bad_one: cell 3, line 2: ZeroDivisionError: division by zero"
    assert caught.value.code == 1
    assert "1 / 0" in caught.value.tail
    run = record.read(runs / "bad_one" / caught.value.run)
    assert run.state == "failed"
    assert run.status["error"] == {"cell": 3, "line": 2, "name": "ZeroDivisionError", "message": "division by zero"}
    assert "ZeroDivisionError" in (run.folder / "log.txt").read_text()
    assert (run.folder / "notebook.ipynb").exists()


def test_a_users_mistake_is_one_line_and_exit_2(notebook, runs):
    source = 'from prosody.errors import ProsodyError\nraise ProsodyError("a.wav", "line 3", "is bad", "mend it")'
    with pytest.raises(runner.RunFailed) as caught:
        runner.run_notebook(notebook(source), progress=quiet())
    assert (str(caught.value), caught.value.tail, caught.value.code) == ("a.wav: line 3: is bad — mend it", "", 2)


def test_a_kernel_that_dies_fails_the_run(notebook, runs):
    with pytest.raises(runner.RunFailed, match="process died"):
        runner.run_notebook(notebook("import os\nos._exit(9)"), progress=quiet())
    assert record.runs(runs)[0].state == "failed"


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(("number", "state"), [(signal.SIGINT, "interrupted"), (signal.SIGKILL, "killed")])
def test_a_run_that_is_ended_from_outside_says_so(notebook, runs, number, state):
    path = notebook('print("sleeping", flush=True)\nimport time\ntime.sleep(300)')
    code = f"import sys; sys.path.insert(0, {str(record.root())!r}); from prosody.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "run", str(path)],
        env={**os.environ, "PROSODY_SETUP": "off"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        for line in process.stderr:
            if line == "sleeping\n":
                break
        time.sleep(0.2)
        process.send_signal(number)
        rest = process.stderr.read()
        process.wait(30)
    finally:
        process.kill()
    (run,) = record.runs(runs)
    assert run.state == state
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert rest.strip().splitlines()[-1] == "prosody: interrupted"
        assert "KeyboardInterrupt" in (run.folder / "notebook.ipynb").read_text()


def test_a_kernel_whose_port_was_taken_meanwhile_is_started_again(notebook, runs, monkeypatch):
    find, given = LocalPortCache.find_available_port, []
    with socket.create_server(("127.0.0.1", 0)) as another:

        def taken_at_first(self, ip):
            given.append(find(self, ip) if given else another.getsockname()[1])
            return given[-1]

        monkeypatch.setattr(LocalPortCache, "find_available_port", taken_at_first)
        run = runner.run_notebook(notebook('print("done")'), progress=quiet())
    assert len(given) == 10  # five ports, twice
    assert record.read(runs / "segment" / run).state == "ok"
    assert "done" in (runs / "segment" / run / "log.txt").read_text()


def test_bars_that_redraw_themselves_are_logged_once(notebook, runs):
    run_id = runner.run_notebook(notebook('print("1%\\r50%\\r100%")\nprint("end", end="")'), progress=quiet())
    assert (runs / "segment" / run_id / "log.txt").read_text() == "100%\nend\n"


def test_elapsed():
    assert [elapsed(s) for s in (0, 59.9, 61, 3600, 90_000)] == ["0:00:00", "0:00:59", "0:01:01", "1:00:00", "25:00:00"]
