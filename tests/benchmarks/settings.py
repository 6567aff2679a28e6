"""What each setting of training is worth: the default beside one change at a time, the same seeds for all.

    .venv/bin/python tests/benchmarks/settings.py DATASET [--seeds 3] [--only "rank 8" …] [--json OUT.json]

DATASET: a folder that 02_prepare made. Figures of its held-out part: macro F1 of the epoch that would be kept, the
held-out loss after the last epoch, and what is gained over the default with a 95 % interval of the paired differences
(Student's t). Trainings that OUT.json holds already are not done again.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from listening import gains

from prosody import dataset, files
from prosody.dataset import Dataset
from prosody.lm import slots
from prosody.lm.base import BUILT_IN, load_base
from prosody.lm.lora import LoraParameters
from prosody.lm.parameters import TrainParameters
from prosody.lm.train import train

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT = "default"
CLASS_WEIGHTS = "class_weights"  # the power of a class's inverse frequency that its loss is weighed with
SETTINGS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "class weights, fourth root": {CLASS_WEIGHTS: 0.25},
    "class weights, square root": {CLASS_WEIGHTS: 0.5},
    "rank 4": {"r": 4, "alpha": 8},
    "rank 8": {"r": 8, "alpha": 16},
    "rank 64": {"r": 64, "alpha": 128},
    "LoRA in the upper half": {"layers": "upper half"},
    "LoRA in the upper half, all matrices": {"layers": "upper half", "targets": ("all-linear",)},
    "learning rate 5e-4": {"learning_rate": 5e-4},
    "learning rate 2e-3": {"learning_rate": 2e-3},
    "rows at 1e-3": {"learning_rate_rows": 1e-3},
    "rows at 3e-3": {"learning_rate_rows": 3e-3},
    "rows at 3e-2": {"learning_rate_rows": 3e-2},
    "rows at 1e-1": {"learning_rate_rows": 1e-1},
    "no dropout": {"dropout": 0.0},
    "batch of 2": {"batch_size": 2},
    "16 epochs": {"epochs": 16},
}
_OF_LORA = ("r", "alpha", "dropout", "targets", "layers")


def once(data: Dataset, setting: Mapping[str, Any], usual: TrainParameters, *, base_model: str) -> dict[str, float]:
    """Held-out figures of one training."""
    lora = LoraParameters(**{name: value for name, value in setting.items() if name in _OF_LORA})
    how = {name: value for name, value in setting.items() if name not in (*_OF_LORA, CLASS_WEIGHTS)}
    with tempfile.TemporaryDirectory() as folder, weighing(data, setting.get(CLASS_WEIGHTS, 0.0)):
        out = Path(folder) / "adapter"
        found = train(data, load_base(base_model), lora, replace(usual, **how), folder=out, on_line=lambda line: None)
    return {"macro_f1": found.best.macro_f1, "loss": found.epochs[-1].loss_val, "seconds": found.metrics["seconds"]}


def weighing(data: Dataset, power: float) -> AbstractContextManager[Any]:
    """Training's loss, not the held-out one, with classes weighed by their inverse frequency to a power; mean 1."""
    import torch

    if not power:
        return nullcontext()
    learned = [word.markers for one in data.segments if one.split != "val" for word in one.words]
    labels = zip(*(slots.label(markers) for markers in learned), strict=True)
    counts = {kind: Counter(column) for kind, column in zip(slots.OF_KIND, labels, strict=True)}
    plain = slots.loss_sum

    def loss_sum(found: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return plain(found, labels)
        total = torch.zeros((), device=labels.device)
        for column, kind in enumerate(found):
            n = torch.tensor([float(counts[kind][k] or 1) for k in range(found[kind].shape[1])])
            weight = n**-power
            weight = (weight * n.sum() / (weight * n).sum()).to(found[kind])
            of_kind = {"weight": weight, "ignore_index": slots.MASKED, "reduction": "sum"}
            total = total + torch.nn.functional.cross_entropy(found[kind], labels[:, column], **of_kind)
        return total

    return mock.patch.object(slots, "loss_sum", loss_sum)


def show(table: Mapping[str, Mapping[str, dict[str, float]]]) -> None:
    """Mean figures of each setting, and what it gains over the default with the same seeds."""
    print(f"\n{'setting':38}{'seeds':>6}{'macro F1':>10}{'loss':>8}  gained over the default")
    for name, of_seed in table.items():
        if not of_seed:
            continue
        f1, loss = (statistics.fmean(one[key] for one in of_seed.values()) for key in ("macro_f1", "loss"))
        seeds = [seed for seed in of_seed if seed in table[DEFAULT]]
        told = []
        for key in ("macro_f1", "loss") if name != DEFAULT and seeds else ():
            mean, wide = gains([of_seed[seed][key] for seed in seeds], [table[DEFAULT][seed][key] for seed in seeds])
            told.append(f"{key} {mean:+.3f}" + ("" if math.isnan(wide) else f" ± {wide:.3f}"))
        print(f"{name:38}{len(of_seed):>6}{f1:>10.3f}{loss:>8.3f}  {', '.join(told)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=list(SETTINGS), metavar="SETTING")
    parser.add_argument("--epochs", type=int, default=TrainParameters.epochs)
    parser.add_argument("--base-model", default=BUILT_IN)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    data = dataset.load(asked.dataset)
    of = {"data": files.sha256(asked.dataset / dataset.DATASET_FILE), "epochs": asked.epochs, "base": asked.base_model}
    table: dict[str, dict[str, dict[str, float]]] = {DEFAULT: {}} | {name: {} for name in asked.only}
    if asked.json and asked.json.is_file():
        held = json.loads(asked.json.read_text(encoding="utf-8"))
        if held["of"] != of:
            parser.error(f"{asked.json} is of {held['of']}, this is {of}: name another file")
        table |= held["found"]
    for seed in range(asked.seeds):
        for name in dict.fromkeys((DEFAULT, *asked.only)):
            if str(seed) in table[name]:
                continue
            usual = TrainParameters(seed=seed, epochs=asked.epochs)
            found = table[name][str(seed)] = once(data, SETTINGS[name], usual, base_model=asked.base_model)
            print(f"seed {seed}  {name:38}  " + "  ".join(f"{k} {v:.4f}" for k, v in found.items()), flush=True)
            if asked.json:
                told = json.dumps({"of": of, "found": table}, ensure_ascii=False, indent=2)
                asked.json.write_text(told, encoding="utf-8")
    show(table)


if __name__ == "__main__":
    main()
