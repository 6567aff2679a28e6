"""A corpus on a cluster that loses a worker, its scheduler, or the run itself: what was done stays, nothing is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from prosody import markers
from prosody.voice.speak import speak

pytest.importorskip("distributed", reason="the extra cluster is not installed")
ROOT = Path(__file__).resolve().parents[2]
N = 8
SAID = (
    "This is recording {}. <pause_long> It was a long way home, and the rain came down all the same. "
    "Nobody had thought of an umbrella. <pause_short> When we got there the lights were out, "
    "and the cat was sitting on the stairs as if nothing had happened."
)
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven")
pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "talks"
    for k, name in enumerate(NAMES):
        path = folder / f"speaker{k % 2}" / f"{k}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = SAID.format(name)
        speak(markers.parse(text), out=path)
        path.with_suffix(".txt").write_text(text)
    return folder


@pytest.fixture(scope="module")
def whole(talks, tmp_path_factory):
    """What processes make of it."""
    out = tmp_path_factory.mktemp("whole") / "out"
    done = begin(talks, out, "--workers", "2")
    assert done.wait(timeout=300) == 0
    return bytes_of(out)


def begin(talks, out, *more):
    """A run at work."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    options["env"] = os.environ | {"PROSODY_SETUP": "off", "OMP_NUM_THREADS": "1"}
    if os.name != "nt":  # started in the background, these tests may have inherited a Ctrl-C that is ignored
        options["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen([sys.executable, "-m", "prosody", "corpus", str(talks), "-o", str(out), *more], **options)


def begun(talks, out, *more):
    """A run of which some results are there, and others still to come."""
    run = begin(talks, out, *more)
    until(lambda: len(results(out)) >= 2 or run.poll() is not None)
    assert run.poll() is None and len(results(out)) < N, run.communicate()
    return run


def until(true, seconds=90):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def results(out):
    return list((out / "recordings").glob("[!.]*.json"))


def bytes_of(out):
    """What is there, but for the index, which tells where the recordings lie as seen from it."""
    return {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != "corpus.json"}


def workers_of(pid):
    """The processes that work for one: those that a nanny, or a pool, has begun."""
    found = psutil.Process(pid).children(recursive=True)
    return [one for one in found if "spawn_main" in " ".join(one.cmdline())]


def ended(run, code):
    """What a run said that ended with a code."""
    out, err = run.communicate(timeout=300)
    assert run.returncode == code, err
    assert "Traceback" not in err and "distributed." not in err
    return out, [line for line in err.splitlines() if not line.startswith("[")]


@pytest.fixture
def scheduler(tmp_path):
    """A function that starts a scheduler, with two workers, at one address; all of it ends with the test."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    address, running = f"tcp://127.0.0.1:{port}", []

    def program(name, *words):
        log = (tmp_path / f"{name}{len(running)}.log").open("w")
        command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *words, "--no-dashboard"]
        running.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT))
        return running[-1]

    def start():
        first = program("scheduler", "--host", "127.0.0.1", "--port", str(port))
        program("worker", address, "--nthreads", "1", "--nworkers", "2")
        return address, first

    yield start
    for one in running:
        if one.poll() is None:
            family = [*psutil.Process(one.pid).children(recursive=True), psutil.Process(one.pid)]
            for member in family:
                member.kill()
            psutil.wait_procs(family, timeout=20)
        one.wait()


def test_a_killed_worker_costs_nothing(talks, whole, tmp_path):
    run = begun(talks, tmp_path, "--local-cluster", "2")
    workers_of(run.pid)[0].kill()
    ended(run, 0)
    assert bytes_of(tmp_path) == whole


def test_all_workers_killed_cost_nothing(talks, whole, tmp_path):
    run = begun(talks, tmp_path, "--local-cluster", "2")
    for one in workers_of(run.pid):
        one.kill()
    ended(run, 0)
    assert bytes_of(tmp_path) == whole


def test_a_killed_scheduler_is_one_line_and_the_same_command_goes_on(talks, whole, tmp_path, scheduler):
    address, first = scheduler()
    run = begun(talks, tmp_path / "out", "--scheduler", address)
    first.kill()
    _, told = ended(run, 2)
    assert len([line for line in told if "the scheduler of the cluster ended, or can't be reached" in line]) == 1
    kept = results(tmp_path / "out")
    assert len(json.loads((tmp_path / "out" / "corpus.json").read_text())["recordings"]) >= 1
    first.wait()
    address, _ = scheduler()
    out, _ = ended(begin(talks, tmp_path / "out", "--scheduler", address, "--json"), 0)
    assert json.loads(out)["heard_now"] <= N - 2
    assert set(results(tmp_path / "out")) >= set(kept)
    assert bytes_of(tmp_path / "out") == whole


@pytest.mark.skipif(os.name == "nt", reason="sends the signal of Ctrl-C to a process")
def test_an_interrupted_run_ends_its_cluster(talks, tmp_path):
    run = begun(talks, tmp_path, "--local-cluster", "2")
    family = psutil.Process(run.pid).children(recursive=True)
    began = time.monotonic()
    for one in (*family, psutil.Process(run.pid)):  # as a terminal does it
        one.send_signal(signal.SIGINT)
    _, told = ended(run, 130)
    assert told == ["prosody: interrupted"]
    assert time.monotonic() - began < 20
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
    ended(begin(talks, tmp_path, "--workers", "2"), 0)


def test_a_killed_run_ends_its_cluster(talks, tmp_path):
    run = begun(talks, tmp_path, "--local-cluster", "2")
    family = psutil.Process(run.pid).children(recursive=True)
    run.kill()
    run.communicate()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


@pytest.mark.skipif(os.name == "nt", reason="sends the signal of Ctrl-C to a process")
def test_an_interrupted_run_leaves_the_cluster_of_others_at_work(talks, whole, tmp_path, scheduler):
    address, _ = scheduler()
    run = begun(talks, tmp_path / "out", "--scheduler", address)
    run.send_signal(signal.SIGINT)
    _, told = ended(run, 130)
    assert told == ["prosody: interrupted"]
    ended(begin(talks, tmp_path / "out", "--scheduler", address), 0)
    assert bytes_of(tmp_path / "out") == whole
