"""The command that writes a run as a page of its own."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from prosody.commands import print_json, tell


def report(arguments: Namespace) -> None:
    """One HTML page of a run, which holds its figures and sounds; its path on stdout."""
    from prosody.report import page
    from prosody.workflow import contents, record

    run = contents.read(record.locate(arguments.run))
    out = Path(arguments.out) if arguments.out else None
    page.check_out(out, run)
    made = page.make(run)
    path = page.write(run, made, out)
    for line in made.trouble:
        tell(f"missing or damaged: {line}")
    if arguments.json:
        told = {"report": str(path), "run": run.id, "stage": run.stage, "status": run.state, "bytes": len(made.html)}
        print_json(told | {"figures": made.n_figures, "sounds": made.n_sounds, "missing": list(made.trouble)})
    else:
        tell(f"{made.n_figures} figures and {made.n_sounds} sounds in {len(made.html) / 1e6:.1f} MB")
        print(record.shown(path) if out is None else path)
