"""One point of a sweep, in a process of its own: `python -m prosody.workflow.sweep.point`.

The first line on stdin is the job as JSON; a second one asks for the end in good order. The last line on stdout is the
answer: the run's id, and the line that tells why it failed. Whoever gave the job may die: then this ends, too.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import sys
import threading
from io import RawIOBase
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.program import exit_code

ANSWER = "sweep point: "


def main() -> int:
    """Do the job that stdin tells; returns the exit code."""
    from prosody.workflow import leash, runner
    from prosody.workflow.progress import Progress

    given = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 (a thread reads on; without a buffer it locks none)
    job = json.loads(given.readline())
    leash.load_ipython_extension(None)  # which watches whom PROSODY_RUNNER names
    threading.Thread(target=_wait_for_the_end, args=(given,), daemon=True).start()
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # what cells print is in the run's log
        progress = Progress(nowhere, quiet=True)
        try:
            run = runner.run_notebook(
                Path(job["notebook"]),
                job["parameters"],
                runs_dir=Path(job["runs"]),
                progress=progress,
                notes={name: job[name] for name in ("sweep", "contents") if job[name]},
            )
        except runner.RunFailed as failed:
            return _answer(failed.code, run=failed.run, error=str(failed))
        except ProsodyError as error:
            return _answer(2, run=None, error=str(error))
    return _answer(0, run=run, error=None)


def _wait_for_the_end(given: RawIOBase) -> None:
    """Do what Ctrl-C does when a second line comes; not when stdin ends, as it does with whoever gave the job."""
    if not given.read(1):
        return
    if os.name == "posix":
        os.kill(os.getpid(), signal.SIGINT)
    else:
        _thread.interrupt_main()


def _answer(code: int, **told: Any) -> int:
    print(ANSWER + json.dumps(told), flush=True)
    return code


if __name__ == "__main__":
    sys.exit(exit_code(main))
