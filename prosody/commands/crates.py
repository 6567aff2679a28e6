"""Commands that hand a run on, and take one in: `runs export` and `runs import`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from prosody.commands import tell
from prosody.errors import ProsodyError


def export_options(action: ArgumentParser) -> None:
    """The options of `runs export`."""
    add = action.add_argument
    add("run", metavar="RUN", help="a run's id or the start of it, its folder, a stage for its latest, or latest")
    add("-o", "--out", metavar="FILE.zip|FOLDER", required=True)
    add("--crate", action="store_true", help="describe it as an RO-Crate (Process Run Crate), for archives")
    add("--without-audio", action="store_true", help="no sound, neither in files nor in the notebook")
    add("--with-inputs", action="store_true", help="what it read, too")
    add("--agent", metavar="NAME", default="", help="with --crate: who ran it (by default nobody is named)")
    add("--licence", "--license", metavar="SPDX|URL", default="", help="with --crate: of all that is in it")


def import_options(action: ArgumentParser) -> None:
    """The options of `runs import`."""
    action.add_argument("source", metavar="FILE.zip|FOLDER")


def runs_export(arguments: Namespace) -> None:
    """Write a run as a zip or a folder."""
    from prosody import files
    from prosody.workflow import record
    from prosody.workflow.exchange import crate, parcel

    if (arguments.agent or arguments.licence) and not arguments.crate:
        raise ProsodyError(None, None, "--agent and --licence are told in an RO-Crate alone", "add --crate")
    out = Path(arguments.out)
    files.check_new(out) if out.suffix.lower() == ".zip" else files.check_new_folder(out)
    found = parcel.gather(
        record.locate(arguments.run), without_audio=arguments.without_audio, with_inputs=arguments.with_inputs
    )
    more = {}
    if arguments.crate:
        more[crate.METADATA] = crate.metadata(found, agent=arguments.agent, licence=arguments.licence)
    parcel.write(found, out, more)
    if lost := parcel.lost(found):
        more = f", and {len(lost) - 3} more" if len(lost) > 3 else ""
        tell(f"incomplete: no longer there, though the run made it: {', '.join(lost[:3])}{more}")
    for one in found.left_out[:5]:
        tell(f"left out: {one['path']} ({one['why']})")
    if len(found.left_out) > 5:
        tell(f"and {len(found.left_out) - 5} more, which {parcel.MANIFEST} tells")
    for name in parcel.telltale(found):
        tell(f"look at it before you hand it on: {name} holds your home folder's path, or your user name")
    tell(f"{len(found.entries)} files, {sum(one['bytes'] for one in found.entries):,} bytes of run {found.id}")
    print(out)


def runs_import(arguments: Namespace) -> None:
    """Take an exported run in."""
    from prosody.workflow import record
    from prosody.workflow.exchange import unpack

    folder, is_new = unpack.take_in(Path(arguments.source), record.runs_folder())
    tell(f"{'taken in as' if is_new else 'is here already, and is the same run:'} {record.shown(folder)}")
    print(folder.name)
