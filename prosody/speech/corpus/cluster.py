"""Many machines at work: an executor whose tasks run on the workers of a Dask cluster (optional package distributed).

A worker gets one task at a time. So of the tasks that a dying worker takes along just one can be to blame: it is tried
again elsewhere, and one that ends several workers, one after the other, is named. Files are seen by path: each machine
must see the recordings, and the folder of the results, under the same path. Each task tells the worker which code is
meant, and a worker of another version, which would hear otherwise, refuses it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from prosody import __version__
from prosody.errors import ProsodyError, one_line
from prosody.speech.corpus.result import METHOD, Task, versions
from prosody.speech.corpus.speaker import Speaker
from prosody.speech.corpus.workers import Lost, WorkersDied

if TYPE_CHECKING:
    import distributed

_GONE = "the scheduler of the cluster ended, or can't be reached"
_LOOK_S = 1.0  # between two looks at who is there
_PROBE_S = 60.0  # a new worker reads much before it can answer
_PATIENCE_S = 60.0  # without any worker

Told = Mapping[str, str]


@contextmanager
def executor(
    client: distributed.Client, *, more: Callable[[], Told] | None = None, patience_s: float = _PATIENCE_S
) -> Iterator[Executor]:
    """The workers of a cluster as an executor.

    more: what else must be the same everywhere, by name; a function of a module, which is called here and there.
    patience_s: how long to wait for a worker where there is none, in seconds.
    When the block ends, what has not begun is given up; what a worker of another machine is at, it ends by itself.
    Raises ProsodyError if there is no worker, or if one has other code, another Python, or works on many tasks at once.
    """
    expected = here(more)
    _compare_all(client, expected, more, patience_s)
    pool = _Pool(client, expected, more, patience_s)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class _Pool(Executor):
    """Hands tasks to a cluster as its workers become free: no more are there than can be at work."""

    def __init__(
        self, client: distributed.Client, expected: Told, more: Callable[[], Told] | None, patience_s: float
    ) -> None:
        self.client, self.expected, self.more, self.patience_s = client, expected, more, patience_s
        self.waiting: deque[tuple[Future[Any], Callable[..., Any], Any]] = deque()
        self.at_work: dict[str, tuple[distributed.Future, Future[Any]]] = {}  # by key
        self.lost: Lost | None = None
        self.lock = threading.RLock()
        self.ended = threading.Event()
        self.n_workers = len(client.nthreads())
        self.name, self.number = f"prosody-{uuid.uuid4().hex[:8]}", 0
        threading.Thread(target=self._watch, name="prosody-cluster", daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Have `fn(task)` done by a worker. Raises Lost if the cluster is."""
        (task,) = args
        future: Future[Any] = Future()
        with self.lock:
            if self.lost:
                raise self.lost
            self.waiting.append((future, fn, task))
        self._feed()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Give up what has not begun; `wait` is for executors whose workers end with them."""
        self.ended.set()
        with self.lock:
            waiting, self.waiting = self.waiting, deque()
            at_work, self.at_work = self.at_work, {}
        for future, *_ in waiting:
            future.cancel()
        if at_work and not self.lost:
            with suppress(Exception):  # the scheduler may be gone
                self.client.cancel([given for given, _ in at_work.values()], force=True)

    def _feed(self) -> None:
        """Hand out tasks while workers are free."""
        with self.lock:
            while self.waiting and len(self.at_work) < self.n_workers and not self.lost and not self.ended.is_set():
                future, function, task = self.waiting.popleft()
                if not future.set_running_or_notify_cancel():
                    continue
                self.number += 1
                key = f"{self.name}-{self.number}"
                arguments = (self.expected, self.more, function, task)
                try:
                    given = self.client.submit(_at_worker, *arguments, key=key, pure=False)
                except Exception as error:  # the client is closed, and whoever waits for this one would for ever
                    self._lose(_GONE)
                    future.set_exception(self.lost or error)
                    return
                self.at_work[key] = (given, future)
                given.add_done_callback(self._done)

    def _done(self, given: distributed.Future) -> None:
        """Pass on what came of a task. (Called in a thread of the client's.)"""
        with self.lock:
            _, future = self.at_work.pop(given.key, (None, None))
        if future is None:
            return
        try:
            result, error = given.result(), None
        except BaseException as raised:
            result, error = None, raised
        if given.status in ("cancelled", "lost"):
            error = self._lose(_GONE) or error
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(_plain(error))
        given.release()
        self._feed()

    def _watch(self) -> Lost | None:
        """See who is there: more workers get more tasks, and without any the work can't go on."""
        seen = time.monotonic()
        while not self.ended.wait(_LOOK_S):
            if self.client.status != "running":
                return self._lose(_GONE)
            with suppress(Exception):  # told by the client's status, in a moment
                self.n_workers = len(self.client.nthreads())
            if self.n_workers:
                seen = time.monotonic()
                self._feed()
            elif time.monotonic() - seen > self.patience_s:
                return self._lose(f"the cluster has had no worker for {self.patience_s:.0f} s")
        return None

    def _lose(self, why: str) -> Lost | None:
        """Nothing that was handed in can be done; the error that says why, unless nobody waits any more."""
        if self.ended.is_set():
            return None
        with self.lock:
            self.lost = self.lost or Lost(why)
            waiting, self.waiting = self.waiting, deque()
            at_work, self.at_work = self.at_work, {}
        begun = [future for _, future in at_work.values()]
        for future in [*begun, *(one for one, *_ in waiting if one.set_running_or_notify_cancel())]:
            future.set_exception(self.lost)
        return self.lost


def here(more: Callable[[], Told] | None = None) -> dict[str, str]:
    """What must be the same wherever results are made, by name."""
    import distributed

    return {
        "version of this package": __version__,
        "Python": ".".join(map(str, sys.version_info[:2])),
        "code that hears": METHOD,
        "tools that hear": ", ".join(versions()),
        "distributed": distributed.__version__,
        **(more() if more else {}),
    }


_here = cache(here)  # at a worker: which code it runs does not change


def _at_worker(expected: Told, more: Callable[[], Told] | None, function: Callable[[Any], Any], task: Any) -> Any:
    """Work on a task, at a worker, if that is as it must be."""
    from distributed import get_worker

    worker = get_worker()
    _compare(worker.address, _here(more), worker.state.nthreads, expected)
    for path in _needed(task):
        if not os.path.exists(path):
            remedy = "let every machine see the recordings and the results under the same path"
            raise ProsodyError(path, None, f"is not seen by the worker {worker.address}", remedy)
    return function(task)


def _needed(task: Any) -> tuple[str, ...]:
    """The paths that must be there before a task begins."""
    if isinstance(task, Task):
        return (task.audio, task.transcript, task.folder)
    if isinstance(task, Speaker):
        return tuple(path for one in task.recordings for path in (one.audio, one.result))
    return ()


def _probe(more: Callable[[], Told] | None) -> tuple[dict[str, str], int]:
    """At a worker: what it is, and how many tasks it takes at once."""
    from distributed import get_worker

    return _here(more), get_worker().state.nthreads


def _compare_all(
    client: distributed.Client, expected: Told, more: Callable[[], Told] | None, patience_s: float
) -> None:
    """Ask each worker what it is. Raises ProsodyError for the first that is not as it must be."""
    try:
        client.wait_for_workers(1, timeout=patience_s)
    except TimeoutError:
        what, remedy = f"has no worker, even after {patience_s:.0f} s", "start some with `dask worker ADDRESS`"
        raise ProsodyError(None, "the cluster", what, remedy) from None
    asked = {
        address: client.submit(_probe, more, workers=[address], pure=False, key=f"prosody-probe-{uuid.uuid4().hex}")
        for address in client.nthreads()
    }
    for address, future in asked.items():
        try:
            told, n_threads = future.result(timeout=_PROBE_S)
        except TimeoutError:
            what, remedy = f"does not answer within {_PROBE_S:.0f} s", "restart it, or wait until it is free"
            raise ProsodyError(None, f"worker {address}", what, remedy) from None
        except Exception as error:
            what = f"has no package like this one ({type(error).__name__}: {error})"
            remedy = "install the same version there, and restart the worker"
            raise ProsodyError(None, f"worker {address}", one_line(what), remedy) from None
        _compare(address, told, n_threads, expected)


def _compare(address: str, told: Told, n_threads: int, expected: Told) -> None:
    """Raises ProsodyError if a worker is not as it must be."""
    for name, value in expected.items():
        if told.get(name) != value:
            what = f"has another {name}: {told.get(name)}, not {value}"
            remedy = "install the same on every machine, and restart the worker"
            raise ProsodyError(None, f"worker {address}", what, remedy)
    if n_threads != 1:
        what = f"takes {n_threads} tasks at once"
        remedy = "start it with `dask worker --nthreads 1 --nworkers N`"
        raise ProsodyError(None, f"worker {address}", what, remedy)


def _plain(error: BaseException) -> BaseException:
    """An error of Dask's as one of ours."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return WorkersDied(error.allowed_failures + 1)
    return error
