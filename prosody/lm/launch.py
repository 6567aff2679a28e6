"""Training from a file of parameters, in one process or as many as a launcher starts.

    python -m prosody.lm.train parameters.json
    accelerate launch --num_processes 2 -m prosody.lm.train parameters.json

The file names the dataset's folder and where the adapter goes, and what else is not to be as usual:

    {"dataset": "dataset", "out": "artifacts", "base_model": "gpt2",
     "lora": {"r": 8}, "train": {"epochs": 5, "batch_size": 4}, "resume": "auto"}

Relative paths start at the file's folder. The result is the same as a notebook's: the adapter in
`out/janus_prosody_lora`, checkpoints in `out/checkpoints`, and `out/metrics.json`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from prosody import files
from prosody.errors import ProsodyError

_KNOWN = ("dataset", "out", "base_model", "lora", "train", "resume", "run")


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the file says; returns the exit code: 2 for a mistake in it, told in one line."""
    parser = argparse.ArgumentParser(prog="python -m prosody.lm.train", description=__doc__.partition("\n")[0])
    parser.add_argument("parameters", metavar="FILE.json", type=Path, help="dataset, out, and what is not as usual")
    try:
        train_from(parser.parse_args(argv).parameters)
    except ProsodyError as error:
        print(f"prosody: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("prosody: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def train_from(path: Path) -> None:
    """Train as a file of parameters says. Raises ProsodyError for what is wrong in it, and as `train` does."""
    from prosody import dataset
    from prosody.lm.base import BUILT_IN, load_base
    from prosody.lm.checkpoint import ADAPTER_FOLDER
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
    with team(pick_device(parameters.device)) as own:
        trained = train(
            data,
            load_base(told.get("base_model", BUILT_IN)),
            lora,
            parameters,
            folder=out / ADAPTER_FOLDER,
            run=told.get("run", ""),
            resume_from=() if told.get("resume", "auto") == "auto" else None,
            team=own,
            on_line=(lambda line: print(line, flush=True)) if own.is_first else (lambda line: None),
        )
        if own.is_first:
            files.write_json(out / "metrics.json", trained.metrics | {"processes": own.world}, overwrite=True)


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
    for name in told:
        if name not in _KNOWN:
            raise ProsodyError(path, name, "is unknown", f"use {', '.join(_KNOWN)}")
    if told.get("resume", "auto") not in ("auto", "never"):
        raise ProsodyError(path, "resume", f"is {told['resume']!r}", "use auto or never")
    return told


def _made(path: Path, part: str, values: Any, kind: type) -> Any:
    """A part of the file as its dataclass."""
    known = {field.name: field for field in fields(kind)}
    if not isinstance(values, dict):
        raise ProsodyError(path, part, "is no JSON object", f"give some of {', '.join(known)}")
    for name, value in values.items():
        if name not in known:
            raise ProsodyError(path, f"{part}.{name}", "is unknown", f"use {', '.join(known)}")
        usual = known[name].default
        if isinstance(value, bool) or not isinstance(value, _like(usual)):
            raise ProsodyError(path, f"{part}.{name}", f"is {value!r}", f"give one such as {usual!r}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def _like(usual: Any) -> tuple[type, ...]:
    """What JSON gives for a parameter whose default is `usual`."""
    return {float: (int, float), tuple: (list,)}.get(type(usual), (type(usual),))
