"""The command that makes a run again, and compares what came out."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from prosody.commands import print_json, tell

if TYPE_CHECKING:
    from prosody.workflow.record import Run
    from prosody.workflow.verify import Compared

_SHOWN = 20


def add_options(command: ArgumentParser) -> None:
    """The arguments of `rerun`."""
    add = command.add_argument
    add("run", metavar="RUN", help="a run's id or the start of it, its folder, a stage for its latest, or latest")
    add(
        "--verify",
        action="store_true",
        help="compare every output with that of the first time; exit with 1 if one differs",
    )
    add("--chain", action="store_true", help="first make again the runs that it was made from, and go on from these")


def rerun(arguments: Namespace) -> int:
    """Make a run again; the new run's id is the last line on stdout."""
    from prosody.commands.runs import tell_failed
    from prosody.workflow import record, rerun, runner

    run = record.read(record.locate(arguments.run))
    to_make = rerun.chain(run) if arguments.chain else [run]
    for one in to_make if arguments.chain else ():
        rerun.check(one, instead={before.id: "" for before in to_make})
    made: list[tuple[Run, Run]] = []
    try:
        for one in to_make:
            _tell_what(one)
            instead = {str(old.status.get("id", old.id)): new.id for old, new in made}
            made.append((one, rerun.rerun(one, instead=instead)))
    except runner.RunFailed as failed:
        return tell_failed(failed)
    return _told(made, arguments)


def _tell_what(run: Run) -> None:
    from prosody.workflow import rerun

    tell(f"making {run.stage} run {run.id} again")
    if run.status.get("how") == "lab":
        tell("it was made by hand in JupyterLab: its notebook is taken as it was last saved")
    others = rerun.other_packages(run)
    for line in others[:_SHOWN]:
        tell(f"another package than then: {line}")
    if len(others) > _SHOWN:
        tell(f"… and {len(others) - _SHOWN} more")


def _told(made: list[tuple[Run, Run]], arguments: Namespace) -> int:
    """Tell what was made and, if that is asked, how it compares; returns the exit code."""
    from prosody.workflow import verify

    ids = {str(old.status.get("id", old.id)): new.id for old, new in made}
    compared = [(old, new, verify.outputs(old, new, ids=ids)) for old, new in made] if arguments.verify else []
    worst = [verify.verdict(found) for _, _, found in compared]
    for (old, new, found), verdict in zip(compared, worst, strict=True):
        for line in _lines(old, new, found, verdict):
            tell(line)
    if arguments.json:
        told: list[dict[str, Any]] = [{"run": new.id, "stage": new.stage, "rerun_of": old.id} for old, new in made]
        for one, (_, _, found), verdict in zip(told, compared, worst, strict=False):
            one |= {"verdict": verdict, "outputs": [vars(output) for output in found]}
        print_json(told)
    else:
        print(made[-1][1].id)
    return int(verify.DIFFERENT in worst)


def _lines(old: Run, new: Run, found: list[Compared], verdict: str) -> list[str]:
    """How the outputs of a run and of its repetition compare, to read."""
    from prosody.workflow import verify

    counted = {word: sum(one.verdict == word for one in found) for word in (verify.IDENTICAL, verify.EQUAL)}
    different = len(found) - sum(counted.values())
    head = (
        f"{old.stage} {old.id} and {new.id}: {verdict}; of {len(found)} outputs {counted[verify.IDENTICAL]} identical"
    )
    lines = [f"{head}, {counted[verify.EQUAL]} equal, {different} different"]
    lines += [f"  {one.verdict:9}  {one.path}: {one.how}" for one in found if one.verdict != verify.IDENTICAL][:_SHOWN]
    return lines
