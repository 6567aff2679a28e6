"""Commands that run notebooks, recorded."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from prosody.commands import tell
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from prosody.workflow.runner import RunFailed

_LONGEST_S = 7 * 24 * 3600


def stage(arguments: Namespace) -> int:
    """Run a stage's notebook; the stage is the command's name."""
    from prosody.workflow.notebooks import notebook_of

    return _run_notebook(notebook_of(arguments.command), arguments)


segment = prepare = train = generate = stage


def run(arguments: Namespace) -> int:
    """Run any notebook."""
    return _run_notebook(Path(arguments.notebook), arguments)


def _run_notebook(path: Path, arguments: Namespace) -> int:
    from prosody.workflow import parameters, record, reuse, runner
    from prosody.workflow.notebooks import stage_of

    given, limit_s = parameters.from_words(arguments.words, arguments.pairs), _seconds(arguments.time_limit)
    same = None if arguments.force else reuse.find(path, given, runs=record.runs_folder())
    if same is not None:
        tell(f"{same.stage}: {reuse.TOLD}: {record.shown(same.folder)} (--force runs it anew)")
        print(same.id)
        return 0
    try:
        run_id = runner.run_notebook(path, given, time_limit_s=limit_s)
    except runner.RunFailed as failed:
        return tell_failed(failed)
    tell(f"recorded in {record.shown(record.runs_folder() / stage_of(path) / run_id)}")
    print(run_id)
    return 0


def _seconds(given: str | None) -> float | None:
    """A length of time as it is given on a command line: `90`, `90s`, `45m`, `2h`."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?) ?([smh]?)", given or "0")
    seconds = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]] if match else 0
    if given is not None and not 0 < seconds <= _LONGEST_S:
        what = f"{given[:20]!r} is no length of time"
        raise ProsodyError(None, "--time-limit", what, "give seconds, or as 45m or 2h; a week at most")
    return seconds or None


def demo(arguments: Namespace) -> int:
    """The four stages in order, each on the run before it."""
    from prosody.workflow import demo, parameters, runner

    try:
        demo.run_all(parameters.from_words(arguments.words, arguments.pairs), force=arguments.force)
    except runner.RunFailed as failed:
        return tell_failed(failed)
    return 0


def lesson(arguments: Namespace) -> int:
    """The four stages on a part of the corpus, told as they go; their runs in a folder of their own."""
    from prosody.workflow import lesson, parameters, runner

    try:
        lesson.run_lesson(parameters.from_words(arguments.words, arguments.pairs), corpus=_first_answers)
    except runner.RunFailed as failed:
        return tell_failed(failed)
    return 0


def _first_answers(n: int) -> dict[str, str]:
    """The first answers of the built-in corpus, voiced once and then kept, as parameters of the first stage."""
    from prosody.sample.ready import ready_sample
    from prosody.workflow import record

    tell(f"the first {n} answers of the built-in speaker")
    found = ready_sample(record.root() / "corpus" / f"first_{n}", answers=n)
    return {"audio": str(found.audio), "transcript": str(found.transcript)}


def tell_failed(failed: RunFailed) -> int:
    """Tell of a cell that failed; returns the exit code."""
    if failed.tail:
        sys.stderr.write(failed.tail + "\n")
    sys.stderr.write(f"prosody: {failed}\n")
    return failed.code
