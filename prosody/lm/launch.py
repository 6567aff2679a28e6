"""Training from a file of parameters, in one process or as many as a launcher starts.

    python -m prosody.lm.train parameters.json
    accelerate launch --multi_gpu --num_processes 2 -m prosody.lm.train parameters.json    # the same without a GPU
    torchrun --standalone --nproc-per-node 2 -m prosody.lm.train parameters.json    # two GPUs, or one processor's cores

The file names the dataset's folder and where the adapter goes, and what else is not to be as usual:

    {"dataset": "dataset", "out": "artifacts", "base_model": "gpt2",
     "lora": {"r": 8}, "train": {"epochs": 5, "batch_size": 4}, "resume": "auto"}

Relative paths start at the file's folder; "resume" is "auto", "never", or a list of other folders of checkpoints to go
on from ("resume_strictly": true refuses to start anew). The result is the same as a notebook's: the adapter in
`out/janus_prosody_lora`, checkpoints in `out/checkpoints`, and `out/metrics.json`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody import files
from prosody.errors import ProsodyError
from prosody.lm import state
from prosody.program import COMPLAINT, Parser, exit_code

if TYPE_CHECKING:
    from prosody.lm.lora import LoraParameters
    from prosody.lm.parameters import TrainParameters

_STARTED_BY = "PROSODY_STARTED_BY"  # environment variable: the process that started the launcher
_LOOK_S = 0.5  # between two looks at whether they are there
_TEXTS = ("dataset", "out", "base_model", "card", "run")
_KNOWN = (*_TEXTS, "lora", "train", "resume", "resume_strictly")


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the file says; returns the exit code: 2 for a mistake in it, told in one line."""
    parser = Parser(
        prog="python -m prosody.lm.train",
        description=__doc__.partition("\n")[0],
        epilog="example: python -m prosody.lm.train parameters.json",
    )
    parser.add_argument("parameters", metavar="FILE.json", type=Path, help="dataset, out, and what is not as usual")
    parser.add_argument("--sha256", help=argparse.SUPPRESS)  # of the file that is meant

    def program() -> int:
        given = parser.parse_args(argv)
        _end_with_launcher()
        if given.sha256 and files.sha256(given.parameters) != given.sha256:
            raise ProsodyError(given.parameters, None, "is another training's by now", "wait for that, or end it")
        train_from(given.parameters)
        return 0

    return exit_code(program, interrupted="interrupted; the same command goes on from the last checkpoint")


def train_from(path: Path) -> None:
    """Train as a file of parameters says. Raises ProsodyError for what is wrong in it, and as `train` does."""
    from prosody import dataset
    from prosody.lm.base import BUILT_IN, load_base
    from prosody.lm.checkpoint import FOLDERS
    from prosody.lm.device import pick_device
    from prosody.lm.lora import LoraParameters
    from prosody.lm.parameters import TrainParameters
    from prosody.lm.several import team
    from prosody.lm.train import train

    told = _read(path)
    lora = _made(path, "lora", told.get("lora", {}), LoraParameters)
    parameters = _made(path, "train", told.get("train", {}), TrainParameters)
    data = dataset.load(path.parent / told["dataset"])
    out = path.parent / told["out"]
    files.check_new(out / "metrics.json", overwrite=True)
    with team(pick_device(parameters.device)) as own:
        trained = train(
            data,
            load_base(_base_of(path, told.get("base_model", BUILT_IN))),
            lora,
            parameters,
            folder=out / FOLDERS[lora.method],
            run=told.get("run", ""),
            resume_from=_resume_from(path, told.get("resume", "auto")),
            resume_strictly=told.get("resume_strictly", False),
            card=told.get("card", ""),
            team=own,
            on_line=(lambda line: print(line, flush=True)) if own.is_first else (lambda line: None),
        )
        if own.is_first:
            files.write_json(out / "metrics.json", trained.metrics | {"processes": own.world}, overwrite=True)


def in_processes(
    n_processes: int,
    dataset_folder: Path,
    base_model: str,
    lora: LoraParameters,
    parameters: TrainParameters,
    *,
    out: Path,
    run: str = "",
    resume_from: Sequence[Path] | None = (),
    resume_strictly: bool = False,
    card: str = "",
    on_line: Callable[[str], None] = print,
) -> None:
    """Train in several processes of this machine, through torchrun; see this module for what `out` gets.

    The parameters stay in `out/training.json`, with which machines that share the folder can join. `train`, told to go
    on from `out/checkpoints`, then has only the figures left to do. on_line gets all that the processes say. Raises
    ProsodyError if they fail; they end when the caller is interrupted.
    """
    base = str(Path(base_model).resolve()) if os.path.isdir(base_model) else base_model
    if parameters.batch_size < n_processes:
        what = f"{n_processes} would share {parameters.batch_size} window a step"
        raise ProsodyError(None, "processes", what, f"give batch_size={n_processes} or more")
    told = {
        "dataset": str(dataset_folder.resolve()),
        "out": ".",
        "base_model": base,
        "lora": asdict(lora),
        "train": asdict(parameters),
        "resume": "never" if resume_from is None else [str(one.resolve()) for one in resume_from],
        "resume_strictly": resume_strictly,
        "card": card,
        "run": run,
    }
    path = out / "training.json"
    with state.locked(out / state.FOLDER):  # of a training that is at work there the file stays as it is
        files.write_json(path, told, overwrite=True)
    _launch(n_processes, path, on_line)


def _launch(n_processes: int, path: Path, on_line: Callable[[str], None]) -> None:
    """Run this module's command in several processes, and pass on what they say."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n_processes}"]
    threads = str(max(1, (os.cpu_count() or 1) // n_processes))
    # Windows' torch is built without libuv, and its pipes are not UTF-8
    environment = {"OMP_NUM_THREADS": threads, "USE_LIBUV": "0", "PYTHONUTF8": "1"} | os.environ
    environment[_STARTED_BY] = str(os.getpid())
    with subprocess.Popen(
        [sys.executable, *launcher, "-m", "prosody.lm.train", str(path), "--sha256", files.sha256(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
    ) as running:
        why = ""
        try:
            for line in running.stdout or ():
                if line.startswith(COMPLAINT) and not why:
                    why = line.strip()
                on_line(line.rstrip())
        except BaseException:
            _end(running.pid)
            raise
    if running.returncode:
        what = f"ended with code {running.returncode}" + (f" ({why.removeprefix(COMPLAINT)})" if why else "")
        raise ProsodyError(path, f"{n_processes} processes", what, "read the lines above, or train with processes=1")


def _end_with_launcher() -> None:
    """Where a launcher started this process, end when the launcher, or what started that one, is gone.

    However they died: alone, this process would wait for the others of the team, or train on unseen.
    """
    import threading
    import time

    import psutil

    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    started_by = os.environ.get(_STARTED_BY, "")
    numbers = [os.getppid(), *([int(started_by)] if started_by.isdecimal() else [])]
    try:
        others = [psutil.Process(number) for number in numbers]
    except psutil.NoSuchProcess:
        os._exit(1)

    def look() -> None:
        with suppress(psutil.NoSuchProcess):
            while all(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in others):
                time.sleep(_LOOK_S)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


def _end(pid: int) -> None:
    """End a process and all that it has started: on Windows they would go on without it."""
    import psutil

    try:
        one = psutil.Process(pid)
        family = [*one.children(recursive=True), one]
    except psutil.NoSuchProcess:
        return
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.terminate()
    _, left = psutil.wait_procs(family, timeout=5)
    for member in left:
        with suppress(psutil.NoSuchProcess):
            member.kill()


def _read(path: Path) -> Mapping[str, Any]:
    """The file, with the names in it known and of the right kind."""
    told = files.read_json(path)
    if not isinstance(told, dict):
        raise ProsodyError(
            path, None, "is no JSON object", 'give one such as {"dataset": "dataset", "out": "artifacts"}'
        )
    for name in ("dataset", "out"):
        if not isinstance(told.get(name), str) or not told[name]:
            raise ProsodyError(path, name, "is missing, or no text", "name a folder")
    for name, value in told.items():
        if name not in _KNOWN:
            raise ProsodyError(path, name, "is unknown", f"use {', '.join(_KNOWN)}")
        if name in _TEXTS and not (files.is_text(value) and (value or name != "base_model")):
            raise ProsodyError(path, name, f"is {value!r:.40}", "give a text")
    if not isinstance(told.get("resume_strictly", False), bool):
        raise ProsodyError(path, "resume_strictly", f"is {told['resume_strictly']!r:.40}", "give true or false")
    _resume_from(path, told.get("resume", "auto"))
    return told


def _base_of(path: Path, name: str) -> str:
    """A base's name as `load_base` takes it: a folder of that name beside the file comes before one anywhere else."""
    from prosody.lm.base import BUILT_IN

    beside = path.parent / name
    return str(beside) if name != BUILT_IN and os.path.exists(beside) else name


def _resume_from(path: Path, told: Any) -> list[Path] | None:
    """Folders of checkpoints beside the training's own; None: start anew."""
    if told in ("auto", "never"):
        return [] if told == "auto" else None
    if not (isinstance(told, list) and all(isinstance(one, str) for one in told)):
        raise ProsodyError(path, "resume", f"is {told!r:.40}", "use auto or never, or a list of folders")
    return [path.parent / one for one in told]


def _made(path: Path, part: str, values: Any, kind: type) -> Any:
    """A part of the file as its dataclass."""
    known = {field.name: field for field in fields(kind)}
    if not isinstance(values, dict):
        raise ProsodyError(path, part, "is no JSON object", f"give some of {', '.join(known)}")
    for name, value in values.items():
        if name not in known:
            raise ProsodyError(path, f"{part}.{name}", "is unknown", f"use {', '.join(known)}")
        usual = known[name].default
        fits = isinstance(value, _like(usual)) and not isinstance(value, bool)
        if isinstance(value, int):  # JSON knows numbers of any length
            fits = fits and abs(value) < 1 << 63
        if isinstance(value, list):
            fits = fits and all(isinstance(one, str) for one in value)
        if not fits:
            raise ProsodyError(path, f"{part}.{name}", f"is {value!r:.40}", f"give one such as {usual!r}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def _like(usual: Any) -> tuple[type, ...]:
    """What JSON gives for a parameter whose default is `usual`."""
    return {float: (int, float), tuple: (list,)}.get(type(usual), (type(usual),))
