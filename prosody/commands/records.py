"""The command `runs`: without an action it lists the recorded runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from prosody.commands import crates
from prosody.commands import runs as listed
from prosody.program import Parser

_ACTIONS = {"export": crates.export, "import": crates.import_}


def add_options(command: ArgumentParser) -> None:
    """The actions of `runs`."""
    actions = command.add_subparsers(dest="action", metavar="ACTION", title="actions", parser_class=Parser)
    crates.add_options(actions)


def runs(arguments: Namespace) -> None:
    """Do what was asked for with the runs; by default, list them."""
    _ACTIONS.get(arguments.action, listed.runs)(arguments)
