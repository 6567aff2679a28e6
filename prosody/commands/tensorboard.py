"""The command `tensorboard`: the curves of many trainings, live, in the browser."""

from __future__ import annotations

import argparse
import time
from argparse import Namespace

from prosody.commands import tell


def add_options(command: argparse.ArgumentParser) -> None:
    """Which runs, and the port."""
    add = command.add_argument
    add("runs", metavar="RUN", nargs="*", help="ids or the start of them, folders, latest (default: all runs of train)")
    add("--port", type=int, metavar="N", help="this port (default: 6006, or the next that is free)")


def tensorboard(arguments: Namespace) -> None:
    """Serve TensorBoard until Ctrl-C; its address on stdout."""
    from prosody.workflow import boards

    shown = boards.folders(arguments.runs)
    address = boards.launch(shown, port=arguments.port)
    tell(f"{len(shown)} run{'' if len(shown) == 1 else 's'}; open this address in a browser, end with Ctrl-C:")
    print(address, flush=True)
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        tell("ended")
