"""Work on many tasks: by whatever executor, and by processes that end with the one they work for."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, InvalidStateError, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any, TypeVar

K, T, R = TypeVar("K"), TypeVar("T"), TypeVar("R")
_TICK_S = 1.0
_MOST = 61  # that Windows can wait for


class Lost(BrokenExecutor):
    """An executor on other machines is gone, by no fault of a task. str() is why, in a line."""


class WorkersDied(Exception):
    """A task that was tried again elsewhere has ended every worker that took it. n: how many."""

    def __init__(self, n: int) -> None:
        self.n = n
        super().__init__(n)


def outcomes(
    function: Callable[[T], R], tasks: Sequence[tuple[K, T]], executor: Executor | None
) -> Iterator[tuple[K, R | BaseException] | tuple[None, None]]:
    """What comes of each task, in the order in which they end: (its key, what was returned or raised).

    executor: any that keeps the promise of `submit`; without one the work is done here. (None, None) comes about every
    second in which nothing ends. What an executor has not begun when this is left is cancelled.
    """
    if executor is None:
        for key, task in tasks:
            try:
                yield key, function(task)
            except Exception as error:
                yield key, error
        return
    ended: queue.SimpleQueue[Future[R]] = queue.SimpleQueue()
    pending: dict[Future[R], K] = {}
    try:
        for number, (key, task) in enumerate(tasks):
            try:
                future = executor.submit(function, task)
            except BrokenExecutor as error:
                yield from ((other, error) for other, _ in tasks[number:])
                break
            pending[future] = key
            future.add_done_callback(ended.put)
        while pending:
            try:
                future = ended.get(timeout=_TICK_S)
            except queue.Empty:
                yield None, None
            else:
                yield pending.pop(future), _outcome(future)
    finally:
        for future in pending:
            future.cancel()


def _outcome(future: Future[R]) -> R | BaseException:
    try:
        return future.result()
    except (Exception, CancelledError) as error:
        return error


@contextmanager
def processes(n: int) -> Iterator[Executor]:
    """A pool of `n` new processes, the same on every system (spawned, not forked).

    When the block ends by an exception, as by Ctrl-C, what they are at is given up. They also end when this process is
    killed, which plain pools don't: their workers wait for ever.
    """
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = _Pool(min(n, _MOST), mp_context=context, initializer=_begin)
    try:
        yield pool
    except BaseException:
        with _without_complaints():
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            pool.shutdown(cancel_futures=True)
        raise
    else:
        pool.shutdown()


class _Pool(ProcessPoolExecutor):
    """A pool whose workers, which begin when tasks are submitted, never hear Ctrl-C, not even before `_begin`."""

    def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            return super().submit(*arguments, **options)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a new process inherits it
        try:
            return super().submit(*arguments, **options)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_complaints() -> Iterator[None]:
    """A pool that loses its workers stumbles over tasks that were cancelled, and tells stderr in many lines."""
    hook = threading.excepthook

    def quiet(told: threading.ExceptHookArgs) -> None:
        if told.exc_type is not InvalidStateError:
            hook(told)

    threading.excepthook = quiet
    try:
        yield
    finally:
        threading.excepthook = hook


def available() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin() -> None:
    """In a new worker: Ctrl-C is its parent's to answer, and without a parent there is nothing to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
