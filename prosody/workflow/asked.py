"""How a run ends early: by a cell that fails, or asked to, by Ctrl-C, a signal, a closed terminal or a time limit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prosody.workflow.kernel import Kernel

GRACE_S = 20.0
"""How long a cell has to end, once a request to end the run (SIGTERM, a time limit) has interrupted it."""
_SIGNALS = {"SIGINT": ("Ctrl-C", 130), "SIGTERM": ("SIGTERM", 143), "SIGHUP": ("the terminal was closed", 129)}
_TIME_LIMIT = 124  # the exit code that `timeout` gives


class RunFailed(Exception):
    """A cell failed. str() is one line; tail: the end of the traceback; code: the exit code that this deserves."""

    def __init__(self, line: str, *, run: str, tail: str, code: int) -> None:
        super().__init__(line)
        self.run, self.tail, self.code = run, tail, code


class RunInterrupted(KeyboardInterrupt):
    """A run was asked to end. str() is by what; code: the exit code."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


class Asked:
    """Whether, and by what, a run was asked to end."""

    def __init__(self) -> None:
        self.kernel: type[Kernel] | None = None
        self.by, self.code, self.last = "", 130, None

    def ask(self, by: str, code: int, *, grace_s: float | None = None) -> bool:
        """Interrupt the cell that runs; after `grace_s` its process ends. Returns False if there was none."""
        if not self.by:
            self.by, self.code = by, code
        if self.kernel is None:
            return False
        from prosody.workflow.kernel import end, interrupt  # not before: this may come in the middle of its import

        if grace_s is not None and self.last is None:
            self.last = threading.Timer(grace_s, end, args=(self.kernel,))
            self.last.daemon = True
            self.last.start()
        return interrupt(self.kernel)

    def interrupted(self) -> RunInterrupted:
        return RunInterrupted(self.by or "interrupted", self.code)


@contextmanager
def asked_to_end(time_limit_s: float | None = None) -> Iterator[Asked]:
    """While the block lasts, Ctrl-C, SIGTERM, a closed terminal or a time limit ends the run in good order.

    The cell that runs is interrupted, so that notebook and record are written; where none runs, RunInterrupted is
    raised. Ctrl-C gives a cell the time that it takes to end; asked again, it is not waited for.
    """
    asked, times = Asked(), []

    def handle(number: int, _frame: FrameType | None) -> None:
        times.append(number)
        by, code = _SIGNALS[signal.Signals(number).name]
        grace_s = None if number == signal.SIGINT else GRACE_S
        if not asked.ask(by, code, grace_s=grace_s) or len(times) > 1:
            raise asked.interrupted()

    in_main = threading.current_thread() is threading.main_thread()
    handled = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)] if in_main else []
    before = {number: signal.signal(number, handle) for number in handled}
    limit = _limit(asked, time_limit_s)
    try:
        yield asked
    finally:
        for timer in filter(None, (limit, asked.last)):
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _limit(asked: Asked, time_limit_s: float | None) -> threading.Timer | None:
    if not time_limit_s:
        return None
    by = f"the time limit of {time_limit_s:g} s"
    timer = threading.Timer(time_limit_s, asked.ask, args=(by, _TIME_LIMIT), kwargs={"grace_s": GRACE_S})
    timer.daemon = True
    timer.start()
    return timer
