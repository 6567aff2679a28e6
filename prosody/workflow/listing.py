"""The list of runs as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prosody.errors import one_line
from prosody.workflow.progress import elapsed
from prosody.workflow.record import Run

_LONGEST_S = 1e9  # more is a mistake in the record

# The metrics shown of each stage, and how.
_HEADLINES: dict[str, tuple[tuple[str, str], ...]] = {
    "segment": (("seconds_audio", "{:.0f} s of audio"), ("segments", "{} segments"), ("words_out", "{} words")),
    "prepare": (("examples", "{} examples"), ("train", "{} train"), ("val", "{} val")),
    "train": (
        ("loss_val", "loss {:.3f}"),
        ("loss_val_untuned", "untuned {:.3f}"),
        ("macro_f1", "macro F1 {:.2f}"),
        ("steps", "{} steps"),
    ),
    "generate": (
        ("answers", "{} answers"),
        ("points_covered", "{} points covered"),
        ("words_changed", "{} words changed"),
    ),
}


def table(runs: list[Run]) -> str:
    """One line a run: id, stage, status, duration, headline metrics."""
    if not runs:
        return "no runs yet: `make demo` makes the first ones"
    rows = [("run", "stage", "status", "time", "")]
    for run in runs:
        seconds = run.status.get("seconds")
        time = elapsed(seconds) if isinstance(seconds, (int, float)) and 0 <= seconds < _LONGEST_S else "-"
        rows.append((run.id, run.stage, one_line(run.state), time, one_line(headline(run))))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join([*(row[c].ljust(widths[c]) for c in range(4)), row[4]]).rstrip() for row in rows]
    return "\n".join(lines)


def headline(run: Run) -> str:
    """A run's most telling metrics, or the error that ended it."""
    error = run.status.get("error")
    if run.state == "failed" and isinstance(error, Mapping):
        return str(error.get("message", "")).splitlines()[0][:100] if error.get("message") else str(error.get("name"))
    shown = [_formatted(run.metrics.get(name), pattern) for name, pattern in _HEADLINES.get(run.stage, ())]
    return ", ".join(text for text in shown if text)


def _formatted(value: Any, pattern: str) -> str:
    return pattern.format(value) if isinstance(value, (int, float)) else ""
