"""A corpus whose run is killed, interrupted, or loses a worker: what was done stays, and nothing stays running."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from prosody import markers
from prosody.voice.speak import speak

ROOT = Path(__file__).resolve().parents[2]
N = 10
SAID = (
    "This is recording {}. <pause_long> It was a long way home, and the rain came down all the same. "
    "Nobody had thought of an umbrella. <pause_short> When we got there the lights were out, "
    "and the cat was sitting on the stairs as if nothing had happened."
)
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "talks"
    for k in range(N):
        path = folder / f"speaker{k % 2}" / f"{k}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = SAID.format(NAMES[k])
        speak(markers.parse(text), out=path)
        path.with_suffix(".txt").write_text(text)
    return folder


def command(talks, out, *more):
    return [sys.executable, "-m", "prosody", "corpus", str(talks), "-o", str(out), "--workers", "2", "--json", *more]


def environment():
    return {**os.environ, "PROSODY_SETUP": "off", "OMP_NUM_THREADS": "1"}


def begin(talks, out):
    """A run at work, with some results there and others still to come."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT, "env": environment()}
    if os.name != "nt":  # started in the background, these tests may have inherited a Ctrl-C that is ignored
        options["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    run = subprocess.Popen(command(talks, out), **options)
    until(lambda: len(results(out)) >= 2 or run.poll() is not None)
    assert run.poll() is None and len(results(out)) < N
    return run


def results(out):
    return {path: path.read_bytes() for path in (out / "recordings").glob("[!.]*.json")}


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def again(talks, out):
    """The next run: what it says, and which results were there before it."""
    before = results(out)
    done = subprocess.run(command(talks, out), capture_output=True, text=True, cwd=ROOT, env=environment(), timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["heard_now"] == N - len(before)
    assert len(told["recordings"]) == N and told["stale"] == []
    assert results(out).items() >= before.items()
    return told


def test_a_killed_run_goes_on_where_it_was(talks, tmp_path):
    run = begin(talks, tmp_path)
    workers = psutil.Process(run.pid).children(recursive=True)
    run.kill()
    run.communicate()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
    for data in results(tmp_path).values():
        json.loads(data)
    killed = again(talks, tmp_path)
    whole = again(talks, tmp_path)
    assert whole["recordings"] == killed["recordings"] and whole["heard_now"] == 0


def test_a_worker_that_is_killed_is_one_line(talks, tmp_path):
    run = begin(talks, tmp_path)
    workers = [p for p in psutil.Process(run.pid).children() if "spawn_main" in " ".join(p.cmdline())]
    workers[0].kill()
    out, err = run.communicate(timeout=60)
    assert run.returncode == 2
    assert "Traceback" not in err
    assert sum("a worker ended by itself" in line for line in err.splitlines()) == 1
    told = json.loads(out)
    assert 2 <= len(told["recordings"]) < N and told["worker_died"]
    again(talks, tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="sends the signal of Ctrl-C to a process")
def test_an_interrupted_run_ends_its_workers(talks, tmp_path):
    for attempt in range(3):  # on a busy machine Ctrl-C can come too late
        out = tmp_path / str(attempt)
        run = begin(talks, out)
        workers = psutil.Process(run.pid).children(recursive=True)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=30)
        if run.returncode:
            break
        assert len(results(out)) == N
    assert run.returncode == 130
    assert err.strip().splitlines()[-1] == "prosody: interrupted"
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
    again(talks, out)


def test_a_full_disk_is_one_line(talks, tmp_path):
    """/dev/full stands for it: the folder of the results cannot be made there."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = subprocess.run(
        command(talks, "/dev/full/out"), capture_output=True, text=True, cwd=ROOT, env=environment(), timeout=120
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
