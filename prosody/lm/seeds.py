"""The same training with several seeds: how much of a figure is chance."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prosody import files
from prosody.dataset import Dataset
from prosody.errors import ProsodyError
from prosody.lm.base import Base, load_base
from prosody.lm.launch import in_processes
from prosody.lm.lora import LoraParameters
from prosody.lm.parameters import TrainParameters
from prosody.lm.train import Trained, train

FOLDER = "seeds"


def train_seeds(
    dataset: Dataset,
    base: Base,
    lora: LoraParameters,
    parameters: TrainParameters,
    *,
    seeds: int = 1,
    processes: int = 1,
    folder: Path,
    run: str = "",
    resume_from: Sequence[Path] | None = (),
    resume_strictly: bool = False,
    card: str = "",
    on_line: Callable[[str], None] = print,
    **options: Any,
) -> Trained:
    """Train with `seeds` seeds, the parameters' own first, and give that one's result with the spread of all.

    base: used up by the first; it is loaded anew, by its name, for each other. folder: of the first one's adapter; the
    others lie in `seeds/seed_N` beside it, each with its own checkpoints, so that what was cut short goes on.
    processes: so many train the first seed together (see `launch.in_processes`). options: as `train` has them, for the
    first. Its metrics get `seeds`: of macro F1, held-out loss and each marker's F1 the values, their mean, and their
    spread (standard deviation). Raises ProsodyError if `seeds` or `processes` is no number from 1, and as `train` does.
    """
    for name, given in (("seeds", seeds), ("processes", processes)):
        if not (isinstance(given, int) and given >= 1):
            raise ProsodyError(None, name, f"is {given}", "give a whole number from 1")
    how = {"run": run, "resume_from": resume_from, "on_line": on_line}
    how |= {"resume_strictly": resume_strictly, "card": card}
    if processes > 1:
        in_processes(processes, dataset.folder, base.name, lora, parameters, out=folder.parent, **how)
        how["resume_from"] = ()  # the processes have left a checkpoint of the last step in the training's own folder
    first = train(dataset, base, lora, parameters, folder=folder, **how, **options)
    if processes > 1:
        theirs = files.read_json(folder.parent / "metrics.json")
        first.metrics |= {name: theirs[name] for name in ("processes", "peak_memory_mb")}
    if seeds == 1:
        return first
    all_metrics = [first.metrics]
    for seed in range(parameters.seed + 1, parameters.seed + seeds):
        on_line(f"Seed {seed}")
        name = f"seed_{seed}"
        others = resume_from and [one.parent / FOLDER / name / one.name for one in resume_from]
        trained = train(
            dataset,
            load_base(base.name),
            lora,
            replace(parameters, seed=seed),
            folder=folder.parent / FOLDER / name / folder.name,
            resume_from=others,
            on_line=on_line,
        )
        all_metrics.append(trained.metrics)
    first.metrics["seeds"] = spread(all_metrics)
    return first


def spread(metrics: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Values, mean and standard deviation over trainings."""
    found = {name: _spread([one[name] for one in metrics]) for name in ("macro_f1", "loss_val")}
    return found | {"f1": {token: _spread([one["f1"][token] for one in metrics]) for token in metrics[0]["f1"]}}


def _spread(values: Sequence[float]) -> dict[str, Any]:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"values": list(values), "mean": statistics.fmean(values), "spread": deviation}
