"""A real run of somebody with a name: nothing of what goes out tells it, in any byte, packed or not."""

import base64
import binascii
import gzip
import io
import json
import os
import platform
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from prosody.workflow import record

# in parts: the record holds what is uncommitted in the clone, and so maybe this file
USER = "anna_" + "testperson"
SECRET = "s3cret-" + "b7f1c99e"
HOST = "annas-" + "laptop-7.local"
NAMED = (
    f"import platform, socket\nplatform.node = socket.gethostname = lambda: {HOST!r}\n"  # what this machine is called
)
BASE64 = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")

BEGIN = """\
import platform
from pathlib import Path
from prosody import workflow
run = workflow.stage("segment", globals())
assert platform.node() == HOST, "the name is part of the test"
print("on", platform.node())
home = Path.home()
print(f"home is {home}, and audio={audio}")
print("as an address:", (home / "talk.wav").as_uri(), flush=True)
text = run.input(audio).read_text()
run.log(f"read {run.input(home / 'more' / 'notes.txt')}")
{"where": str(home / "talk.wav"), "list": [str(home)]}
"""
EVENTS = """\
from prosody.lm.board import board
with board(run.tb) as events:
    events.parameters({"epochs": 3})
run.output("result.txt").write_text(text)
run.output(home / "copy.txt").write_text(text)
"""
FAIL = "raise ValueError(f'{home}/talk.wav is no good')"
MISSING = "open(home / 'gone.wav')"
REFUSE = """\
import getpass
from prosody.errors import ProsodyError
raise ProsodyError(home / 'gone.wav', None, f"is of {getpass.getuser()} on {platform.node()}", "x")
"""
FINISH = "run.finish({'segments': 1, 'source': str(home / 'talk.wav')})"
RUN = """\
import sys
from pathlib import Path
from prosody.workflow import runner
try:
    print(runner.run_notebook(Path(sys.argv[1]), {"audio": sys.argv[2]}))
except runner.RunFailed as failed:
    print(failed.run)
"""
LAB = """\
import os
from pathlib import Path
from prosody import workflow
audio = str(Path.home() / "talk.wav")
run = workflow.stage("segment", {"audio": audio})
run.log(f"reading {run.input(audio)}", show=False)
run.output("result.txt").write_text("x")
run.finish({"segments": 1, "source": audio})
print(run.id)
"""


@pytest.fixture
def person(tmp_path, runs):
    """The environment of one who has a name, a home with files, and a secret."""
    home = tmp_path / "users" / USER
    (home / "more").mkdir(parents=True)
    for name in ("talk.wav", "more/notes.txt"):
        (home / name).write_text("said")
    names = dict.fromkeys(("USER", "LOGNAME", "USERNAME"), USER)
    homes = dict.fromkeys(("HOME", "USERPROFILE"), str(home))
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "sitecustomize.py").write_text(NAMED)
    path = os.pathsep.join([str(tmp_path / "first"), str(record.root()), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **names, **homes, "SECRET_TOKEN": SECRET, "PYTHONPATH": path, "PROSODY_SETUP": "off"}


def python(environment, *command) -> str:
    """Run Python; returns the last line that it printed."""
    whole = [sys.executable, *command]
    done = subprocess.run(whole, env=environment, capture_output=True, text=True, cwd=record.root())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def export(environment, run: str, out: Path) -> bytes:
    """Export by the command line, as a zip and a crate."""
    python(environment, "-m", "prosody", "runs", "export", run, "-o", str(out), "--crate", "--with-inputs")
    return out.read_bytes()


def layers(data: bytes, depth: int = 0) -> Iterator[bytes]:
    """The data, and whatever is packed in it: members of zips, gzip, zlib, base64."""
    yield data
    if depth > 3:
        return
    inner = []
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            inner += [name.encode() for name in packed.namelist()] + [packed.read(name) for name in packed.namelist()]
    if data[:2] == b"\x1f\x8b":
        with suppress(OSError, EOFError, zlib.error):
            inner.append(gzip.decompress(data))
    if data[:1] == b"\x78":
        with suppress(zlib.error):
            inner.append(zlib.decompress(data))
    for match in BASE64.findall(data):
        for skipped in range(4):  # it may begin anywhere
            whole = match[skipped:].rstrip(b"=")
            with suppress(binascii.Error):
                inner.append(base64.b64decode(whole + b"=" * (-len(whole) % 4)))
    for one in inner:
        yield from layers(one, depth + 1)


def told(data: bytes, home: str) -> set[str]:
    """Which of the words that nobody should read are in it."""
    here = platform.node()
    words = {USER, home, SECRET, HOST, *([here] if len(here) > 3 and here != "localhost" else [])}
    return {word for layer in layers(data) for word in words if word.lower().encode() in layer.lower()}


def test_what_is_packed_is_found():
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.json", json.dumps({"image": base64.b64encode(gzip.compress(USER.encode() * 9)).decode()}))
    assert told(inner.getvalue(), "/nowhere") == {USER}
    assert told(base64.b64encode(b"xyz" + SECRET.encode()), "/nowhere") == {SECRET}
    assert told(b"nothing of the kind", "/nowhere") == set()


@pytest.mark.parametrize("last", [FINISH, FAIL, MISSING, REFUSE], ids=["ok", "error", "missing file", "refusal"])
def test_nothing_of_a_real_run_tells_who_ran_it(notebook, runs, person, tmp_path, last):
    parameters = 'audio: str = ""  # a recording\ninteractive: bool = True\n'
    path = notebook(f"HOST = {HOST!r}", BEGIN, EVENTS, last, parameters=parameters)
    run = python(person, "-c", RUN, str(path), person["HOME"] + "/talk.wav")
    folder = runs / "segment" / run
    assert record.read(folder).state == ("ok" if last == FINISH else "failed")
    assert list((folder / "tb").glob("*tfevents*")), "the events are part of the test"
    for part in folder.rglob("*"):
        assert told(part.name.encode(), person["HOME"]) == set(), part
        assert not part.is_file() or told(part.read_bytes(), person["HOME"]) == set(), part
    params = json.loads((folder / "params.json").read_text())
    assert params["audio"] == "~/talk.wav"
    inputs = json.loads((folder / "inputs.json").read_text())
    assert [entry["path"] for entry in inputs] == ["~/talk.wav", "~/more/notes.txt"]
    data = export(person, run, tmp_path / "out.zip")
    assert told(data, person["HOME"]) == set()
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        assert {"inputs/talk.wav", "inputs/more/notes.txt", "notebook.ipynb"} <= set(packed.namelist())


def test_a_run_with_the_parameters_of_the_record_finds_its_input_again(notebook, runs, person):
    path = notebook(f"HOST = {HOST!r}", BEGIN, parameters='audio: str = ""\ninteractive: bool = True\n')
    run = python(person, "-c", RUN, str(path), "~/talk.wav")
    assert record.read(runs / "segment" / run).state == "ok"


def test_nothing_of_a_run_in_lab_tells_who_ran_it(runs, person, tmp_path):
    run = python(person, "-c", LAB)
    assert record.read(runs / "segment" / run).status["how"] == "lab"
    assert json.loads((runs / "segment" / run / "params.json").read_text()) == {"audio": "~/talk.wav"}
    assert told(export(person, run, tmp_path / "out.zip"), person["HOME"]) == set()
