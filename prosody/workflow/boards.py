"""TensorBoard over the events of many runs, on this machine alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from prosody.errors import ProsodyError
from prosody.workflow import record

HOST = "127.0.0.1"  # of this machine only: nobody else can look
_HIGHEST = 65535


def folders(given: Sequence[str]) -> dict[str, Path]:
    """The folders with events to show, by `stage/id`: of the given runs, or of all runs of train that have any.

    given: each as `record.locate` finds it. A run that goes on has its place before its first event.
    Raises ProsodyError if there is no such run, it has no events, or its path has a comma.
    """
    found = {}
    for path in [record.locate(one) for one in given] or [
        run.folder for run in record.runs(record.runs_folder(), "train")
    ]:
        if not _has_events(path):
            if given:
                raise ProsodyError(path / "tb", None, "holds no events of a training", "choose a run of train")
            continue
        if "," in str(path):
            what = "has a comma in its path, where TensorBoard parts folders"
            raise ProsodyError(path, None, what, "move the runs, or set PROSODY_RUNS_DIR to another folder")
        found[f"{path.parent.name}/{path.name}".replace(":", "_").replace(",", "_")] = path / "tb"
    if not found:
        raise ProsodyError(record.runs_folder() / "train", None, "no run has events to show", "`make train` makes some")
    return found


def _has_events(folder: Path) -> bool:
    if any((folder / "tb").glob("*tfevents*")):
        return True
    try:
        return (folder / "tb").is_dir() and record.read(folder).state == "running"
    except ProsodyError:
        return False


def launch(shown: dict[str, Path], *, port: int | None = None) -> str:
    """Serve these folders, by the name each is shown under, until this process ends; returns the address.

    port: by default 6006, or the next that is free. What is added to the folders later is shown, too.
    Raises ProsodyError if the port is taken or none.
    """
    from tensorboard import program

    if port is not None and not 0 <= port <= _HIGHEST:
        raise ProsodyError(None, "--port", f"is {port}", f"give a number from 1 to {_HIGHEST}, or 0 for any")
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # or each request is a line
    board = _board_of(program.TensorBoard)()
    spec = ",".join(f"{name}:{path}" for name, path in shown.items())
    board.configure(argv=["tensorboard"], logdir_spec=spec, host=HOST, port=port, load_fast="false")
    try:
        return board.launch()
    except program.TensorBoardServerException as error:
        told = ProsodyError(
            None, "--port", f"{port or 6006} cannot be had ({error.msg})", "leave --port out, or another"
        )
        raise told from None


def _board_of(base: type) -> type:
    """TensorBoard that calls each folder by its name alone: by itself it would put "/." behind it."""
    from tensorboard.backend.event_processing.data_ingester import LocalDataIngester

    class Board(base):
        def _make_data_ingester(self) -> LocalDataIngester:
            ingester = LocalDataIngester(self.flags)
            runs = ingester.deprecated_multiplexer
            runs.AddRunsFromDirectory = lambda path, name: runs.AddRun(path, name)
            ingester.start()
            return ingester

    return Board
