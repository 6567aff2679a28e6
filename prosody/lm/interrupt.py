"""Ctrl-C while training: not in the middle of a step, but after it, when a checkpoint can be written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def held_back(*, alone: bool = True) -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C is only noted: gives a function that tells whether there was one. A second one counts.

    Outside the main thread, where Ctrl-C is ignored, and in one process of several (not `alone`: the others would wait
    for a step that it does not take), it stays as it is.
    """
    asked: list[bool] = []
    before = signal.getsignal(signal.SIGINT)
    if not alone or threading.current_thread() is not threading.main_thread() or not callable(before):
        yield lambda: False
        return

    def handle(number: int, frame: Any) -> None:
        if asked:
            before(number, frame)
        asked.append(True)

    signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)
