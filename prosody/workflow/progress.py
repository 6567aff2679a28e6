"""Where a run stands, on stderr: one line that is redrawn on a terminal, a line per heading anywhere else."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO


class Progress:
    """Tells of a run's cells. quiet: say nothing but what the cells print."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self.stream = stream or sys.stderr
        self.redraws = self.stream.isatty()
        self.quiet = quiet
        self.stage, self.total, self.started, self.shown = "", 0, time.monotonic(), ""

    def begin(self, stage: str, total: int) -> None:
        """A run of `stage` starts, with `total` code cells."""
        self.stage, self.total, self.started, self.shown = stage, total, time.monotonic(), ""

    def cell(self, number: int, heading: str) -> None:
        """The cell with this number starts, under this heading."""
        if self.quiet:
            return
        text = f"[{self.stage} {number}/{self.total}  {elapsed(time.monotonic() - self.started)}] {heading}"
        if self.redraws:
            self.stream.write(f"\r\x1b[K{text[:100]}")
        elif heading != self.shown.partition("] ")[2]:
            self.stream.write(text + "\n")
        self.shown = text
        self.stream.flush()

    def line(self, text: str) -> None:
        """A line that a cell printed."""
        redrawn = self.redraws and self.shown
        self.stream.write(f"\r\x1b[K{text}\n{self.shown[:100]}" if redrawn else text + "\n")
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
