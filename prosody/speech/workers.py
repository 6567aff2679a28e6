"""Processes that work for this one, and end with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, InvalidStateError, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait

_MOST = 61  # that Windows can wait for


@contextmanager
def processes(n: int) -> Iterator[Executor]:
    """A pool of `n` new processes, the same on every system (spawned, not forked).

    When the block ends by an exception, as by Ctrl-C, what they are at is given up. They also end when this process is
    killed, which plain pools don't: their workers wait for ever.
    """
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(n, _MOST), mp_context=context, initializer=_begin)
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
