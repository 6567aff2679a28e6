"""A Dask cluster as an executor: it does what processes do, and tells what they can't get wrong."""

import os
import time
from concurrent.futures import wait
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile

from prosody.errors import ProsodyError
from prosody.speech.corpus import cluster
from prosody.speech.corpus.process import process
from prosody.speech.corpus.result import Task
from prosody.speech.corpus.workers import Lost, WorkersDied
from prosody.speech.detect import DetectParameters

distributed = pytest.importorskip("distributed", reason="the extra cluster is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:Port 8787 is already in use")


@contextmanager
def started(n, **options):
    """A client of a cluster of `n` workers."""
    usual = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None, "silence_logs": 60}
    limits = {"memory_limit": 0, "scheduler_kwargs": {"allowed_failures": 1}}
    with (
        distributed.LocalCluster(n_workers=n, **usual | limits | options) as made,
        distributed.Client(made, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client():
    with started(2) as one:
        yield one


@pytest.fixture
def pool(client):
    with cluster.executor(client) as one:
        yield one


def test_results_and_errors_come_back(pool):
    done = [pool.submit(abs, -n) for n in range(20)]
    wrong = pool.submit(int, "no number")
    assert [one.result(timeout=60) for one in done] == list(range(20))
    with pytest.raises(ValueError, match="no number"):
        wrong.result(timeout=60)


def test_a_task_that_ends_its_workers_is_blamed_and_no_other(pool):
    others = [pool.submit(abs, -n) for n in range(3)]
    killer = pool.submit(os._exit, 1)
    others += [pool.submit(abs, -n) for n in range(3, 20)]
    assert [one.result(timeout=120) for one in others] == list(range(20))
    with pytest.raises(WorkersDied) as caught:
        killer.result(timeout=120)
    assert caught.value.n == 2


def test_what_has_not_begun_can_be_cancelled(pool):
    futures = [pool.submit(time.sleep, 1.0) for _ in range(6)]
    assert futures[-1].cancel()
    assert not futures[0].cancel()  # at work already
    wait(futures, timeout=60)
    assert [one.cancelled() for one in futures] == [False] * 5 + [True]


def test_leaving_gives_up_what_has_not_begun(client):
    with cluster.executor(client) as pool:
        futures = [pool.submit(time.sleep, 1.0) for _ in range(6)]
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert all(one.cancelled() for one in futures[2:])


def test_a_recording_that_ends_its_workers_is_named(client, tmp_path, monkeypatch):
    from prosody.speech.corpus import process as module

    for name in ("one", "two"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(16_000), 16_000)
        (tmp_path / f"{name}.txt").write_text("hello")
    monkeypatch.setattr(module, "hear_recording", os._exit)
    monkeypatch.setattr(module._Run, "task", lambda run, one: 1)  # the exit code
    with cluster.executor(client) as pool:
        made = process(tmp_path, tmp_path / "out", executor=pool)
    told = sorted(str(one) for one in made.failures)
    assert len(told) == 2
    assert "one.wav: ended 2 workers, one after the other (too little memory?)" in told[0]
    assert not made.index["worker_died"]


def test_a_file_that_a_worker_does_not_see_is_named(pool, tmp_path):
    task = Task(str(tmp_path / "a.wav"), str(tmp_path / "a.txt"), str(tmp_path / "recordings"), DetectParameters())
    (tmp_path / "a.wav").touch()
    with pytest.raises(ProsodyError, match=r"a\.txt: is not seen by the worker tcp://127\.0\.0\.1:\d+"):
        pool.submit(len, task).result(timeout=60)
    (tmp_path / "a.txt").touch()
    with pytest.raises(ProsodyError, match="recordings: is not seen by the worker"):
        pool.submit(len, task).result(timeout=60)


@pytest.mark.parametrize("name", ["version of this package", "Python", "code that hears", "distributed"])
def test_a_worker_of_another_version_is_refused(client, monkeypatch, name):
    other = cluster.here() | {name: "0.0.9"}
    monkeypatch.setattr(cluster, "here", lambda more: other)
    with (
        pytest.raises(ProsodyError, match=rf"worker tcp://127\S+: has another {name}: .*, not 0\.0\.9"),
        cluster.executor(client),
    ):
        pass


def test_a_worker_that_comes_later_is_asked_too(client, monkeypatch):
    with cluster.executor(client) as pool:
        monkeypatch.setitem(pool.expected, "Python", "2.7")
        with pytest.raises(ProsodyError, match=r"has another Python: 3\.\d+, not 2\.7"):
            pool.submit(abs, -1).result(timeout=60)


def test_a_worker_of_many_threads_is_refused():
    with (
        started(1, threads_per_worker=3) as client,
        pytest.raises(ProsodyError, match="takes 3 tasks at once"),
        cluster.executor(client),
    ):
        pass


def test_a_cluster_without_workers_is_one_line():
    with (
        started(0) as client,
        pytest.raises(ProsodyError, match="the cluster: has no worker, even after 1 s"),
        cluster.executor(client, patience_s=1),
    ):
        pass


def test_when_the_last_worker_goes_the_work_is_over():
    with started(1) as client, cluster.executor(client, patience_s=2) as pool:
        futures = [pool.submit(time.sleep, 60) for _ in range(3)]
        client.cluster.scale(0)
        for one in futures:
            with pytest.raises(Lost, match="the cluster has had no worker for 2 s"):
                one.result(timeout=30)
        with pytest.raises(Lost):
            pool.submit(abs, -1)
