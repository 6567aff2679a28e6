"""Where a sweep stands, on stderr: a line that is redrawn on a terminal, a line for each point's end elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from prosody.workflow.progress import elapsed

_REDRAWN_EVERY_S = 0.5


class Line:
    """Tells how many points are done and failed, and how long the rest is likely to take."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.redraws = self.stream.isatty()
        self.begin(0, [], workers=1)

    def begin(self, total: int, earlier: Sequence[float | None], *, workers: int) -> None:
        """A sweep of `total` points starts. earlier: how long those took that are there already, s."""
        self.total, self.ok, self.failed, self.workers = total, len(earlier), 0, workers
        self.seconds = [one for one in earlier if one is not None]
        self.started, self.drawn = time.monotonic(), float("-inf")

    def done(self, told: str, seconds: float | None, *, is_ok: bool) -> None:
        """A point has ended: a line about it, and how long it took, s."""
        self.ok, self.failed = self.ok + is_ok, self.failed + (not is_ok)
        if is_ok and seconds is not None:
            self.seconds.append(seconds)
        start = "\r\x1b[K" if self.redraws else f"{self.text()} "
        self.stream.write(f"{start}{told}\n")
        self.stream.flush()
        self.drawn = float("-inf")

    def left_s(self) -> float | None:
        """How long the points that are left are likely to take, s; None while no duration is known."""
        if not self.seconds:
            return None
        rounds = -(-(self.total - self.ok - self.failed) // self.workers)
        return rounds * sum(self.seconds) / len(self.seconds)

    def text(self) -> str:
        """How it stands: done, failed, of how many, time spent and left."""
        left, failed = self.left_s(), f", {self.failed} failed" if self.failed else ""
        times = elapsed(time.monotonic() - self.started) + (f" < {elapsed(left)}" if left is not None else "")
        return f"[sweep {self.ok} of {self.total} done{failed}  {times}]"

    def draw(self, running: Sequence[str]) -> None:
        """On a terminal, draw the line anew. running: the points that are at work."""
        if not self.redraws or time.monotonic() - self.drawn < _REDRAWN_EVERY_S:
            return
        self.drawn = time.monotonic()
        width = shutil.get_terminal_size((100, 24)).columns - 1
        shown = f"{self.text()} {' | '.join(running)}"
        self.stream.write(f"\r\x1b[K{shown[:width]}")
        self.stream.flush()

    def end(self) -> None:
        """The sweep is over."""
        if self.redraws:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
