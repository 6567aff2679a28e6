"""Who is at work is known by what no change of the clock touches."""

import os
import subprocess
import sys
import threading
import time

import psutil
import pytest

from prosody.workflow import alive, leash, record


@pytest.fixture
def clock_is_set(monkeypatch):
    """The clock is put on by an hour: with it goes what psutil tells of when a process was born."""
    born, booted = psutil.Process.create_time, psutil.boot_time

    def put_on():
        monkeypatch.setattr(psutil.Process, "create_time", lambda process: born(process) + 3600)
        monkeypatch.setattr(psutil, "boot_time", lambda: booted() + 3600)

    return put_on


@pytest.mark.skipif(not psutil.LINUX, reason="elsewhere it tells what it told when the process was born")
def test_a_run_is_at_work_whatever_the_clock_is_set_to(runs, clock_is_set):
    folder = record.start("train", {}, runs=runs, how="headless")
    clock_is_set()
    assert record.read(folder).state == "running"
    record.end(folder, "ok", code=0)
    assert record.read(folder).state == "ok"


def test_a_lock_that_a_child_kept_does_not_keep_a_dead_run_at_work(runs):
    folder = record.start("train", {}, runs=runs, how="headless")
    record.write_status(folder, pid=2**22 + 1)  # no process has this number
    assert record.read(folder).state == "killed"
    alive.end(folder)


def test_a_notebook_ends_with_its_runner_not_because_the_clock_is_set(monkeypatch, clock_is_set):
    ended = threading.Event()
    monkeypatch.setattr(leash, "_EVERY_S", 0.01)
    monkeypatch.setattr(leash, "end", lambda processes: None)
    monkeypatch.setattr(leash.os, "_exit", lambda code: ended.set())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as runner:
        born = psutil.Process(runner.pid).create_time()
        watching = threading.Thread(target=leash._watch, args=(runner.pid, born), daemon=True)
        watching.start()
        time.sleep(0.2)
        clock_is_set()
        was_ended = ended.wait(0.3)
        runner.kill()
        watching.join(10)
    assert not was_ended and ended.is_set()


def test_a_notebook_is_ended_when_its_runner_was_gone_already(monkeypatch):
    codes = []
    monkeypatch.setattr(leash, "end", lambda processes: None)
    monkeypatch.setattr(leash.os, "_exit", codes.append)
    leash._watch(os.getpid(), psutil.Process().create_time() - 3600)  # another process had this number
    leash._watch(2**22 + 1, 0.0)
    assert codes == [1, 1]
