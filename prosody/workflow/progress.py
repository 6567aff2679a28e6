"""Where a run stands, on stderr: one line that is redrawn on a terminal, a line per heading anywhere else."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

_REDRAWN_EVERY_S = 0.2


class Progress:
    """Tells of a run's cells. quiet: say nothing but what the cells print."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self.stream = stream or sys.stderr
        self.redraws = self.stream.isatty()
        self.quiet = quiet
        self.begin("", 0)

    def begin(self, stage: str, total: int, *, expected: Sequence[float] = ()) -> None:
        """A run of `stage` starts, with `total` code cells. expected: how long each is likely to take, s, if known."""
        self.stage, self.total, self.started, self.shown = stage, total, time.monotonic(), ""
        self.expected = list(expected) if len(expected) == total else []
        self.number, self.heading, self.cell_started, self.drawn = 0, "", self.started, 0.0

    def cell(self, number: int, heading: str) -> None:
        """The cell with this number starts, under this heading."""
        before, self.heading = self.heading, heading
        self.number, self.cell_started = number, time.monotonic()
        if self.quiet:
            return
        if self.redraws:
            self._draw(heading)
        elif heading != before or number == 1:
            self.stream.write(self._text(heading) + "\n")
            self.stream.flush()

    def step(self, text: str) -> None:
        """How far the cell is, as it tells in a line that it redraws; shown on a terminal."""
        if self.redraws and not self.quiet and text.strip() and time.monotonic() - self.drawn > _REDRAWN_EVERY_S:
            self._draw(f"{self.heading} · {text.strip()}")

    def left_s(self) -> float | None:
        """How long the rest is likely to take, s; None where it is not known."""
        if not self.expected or not self.number:
            return None
        in_cell = time.monotonic() - self.cell_started
        return max(0.0, self.expected[self.number - 1] - in_cell) + sum(self.expected[self.number :])

    def _text(self, what: str) -> str:
        left = self.left_s()
        times = elapsed(time.monotonic() - self.started) + (f" < {elapsed(left)}" if left is not None else "")
        return f"[{self.stage} {self.number}/{self.total}  {times}] {what}"

    def _draw(self, what: str) -> None:
        self.shown, self.drawn = self._text(what), time.monotonic()
        width = shutil.get_terminal_size((100, 24)).columns - 1
        self.stream.write(f"\r\x1b[K{self.shown[:width]}")
        self.stream.flush()

    def line(self, text: str) -> None:
        """A line that a cell printed."""
        if self.redraws and self.shown:
            self.stream.write(f"\r\x1b[K{text}\n")
            self._draw(self.heading)
        else:
            self.stream.write(text + "\n")
            self.stream.flush()

    def end(self) -> None:
        """The run is over."""
        if self.redraws and self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
        self.shown = ""


def heading_before(notebook: Any, cell: Any) -> str:
    """The last markdown heading above a cell."""
    heading = ""
    for other in notebook.cells:
        if other is cell:
            break
        if other.cell_type == "markdown":
            heads = [line.lstrip("# ") for line in other.source.splitlines() if line.startswith("#")]
            heading = heads[-1] if heads else heading
    return heading


def elapsed(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
