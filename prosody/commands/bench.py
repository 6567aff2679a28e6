"""Commands that measure the product on public data."""

from __future__ import annotations

import statistics
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from prosody.commands import bar, print_json, tell
from prosody.commands.training import changed
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from prosody.lm.bench import Result
    from prosody.lm.lora import LoraParameters
    from prosody.lm.parameters import TrainParameters

_LORA = {"r": 16, "alpha": 32, "dropout": 0.05, "targets": ("all-linear",), "layers": "upper half"}
_TRAIN = {"epochs": 1, "batch_size": 2, "learning_rate": 2e-3, "acoustic": 1.0}


def bench(arguments: Namespace) -> None:
    """Train on one file of the corpus, score on another or on held-out speakers, and print both beside the baseline."""
    from prosody.lm import bench as yardstick

    lora, parameters = _parameters(arguments)
    learned = yardstick.read(Path(arguments.train))
    if arguments.test:
        tasks = [("", learned, yardstick.read(Path(arguments.test)))]
    else:
        parts = yardstick.split_by_speaker(learned, arguments.splits)
        numbers = range(1, len(parts) + 1)
        if arguments.only is not None and arguments.only not in numbers:
            raise ProsodyError(None, "--only", f"there is no part {arguments.only}", f"give 1 to {len(parts)}")
        tasks = [
            (
                f"part {k} of {len(parts)}: ",
                [one for one in learned if one.speaker not in part],
                [one for one in learned if one.speaker in part],
            )
            for k, part in zip(numbers, parts, strict=True)
            if arguments.only in (None, k)
        ]
    for _, known, _ in tasks:
        yardstick.check_classes(known, Path(arguments.train))
    results = []
    for name, known, unknown in tasks:
        with bar(f"{name}training") as progress:
            result = yardstick.run(
                known,
                unknown,
                base_model=arguments.base_model,
                lora=lora,
                parameters=parameters,
                on_step=lambda step: progress(step.step / step.n_steps),
            )
        results.append(result)
        if not arguments.json:
            _print(name, result)
    if len(results) > 1 and not arguments.json:
        _print_mean(results)
    if arguments.json:
        told = {"seed": parameters.seed, "lora": asdict(lora), "parameters": asdict(parameters)}
        print_json(told | {"results": [asdict(result) for result in results]})


def _parameters(arguments: Namespace) -> tuple[LoraParameters, TrainParameters]:
    """The bench's own defaults, with what the command line changes. Raises ProsodyError for an unknown name."""
    from prosody.lm.lora import LoraParameters
    from prosody.lm.parameters import TrainParameters

    return changed(LoraParameters(**_LORA), TrainParameters(**_TRAIN, seed=arguments.seed), arguments.pairs)


def _print(name: str, result: Result) -> None:
    """One training's figures, as a table."""
    tell(
        f"{name}{result.words_learned:,} words learned in {result.seconds:,.0f} s ({result.tokens_per_s:,.0f} tokens/s)"
    )
    heads = [f"{head:>{width}}{'usual':>8}{'more':>7}" for head, width in (("two-way", 8), ("three-way", 9))]
    print("  ".join([f"{'':24}{'words':>8}", *heads, f"{'F1':>6}"]))
    rows = {f"speaker {one}": pair for one, pair in result.by_speaker.items()} if len(result.by_speaker) > 1 else {}
    for told, (ours, usual) in (rows | {f"{name or 'all'}": (result.ours, result.baseline)}).items():
        print(_row(told.rstrip(": "), asdict(ours), asdict(usual)))
    for measurement, errors in result.measurements.items():
        print(f"{measurement}: error {errors['error']:.3f}, of the median {errors['error_of_median']:.3f}")


def _print_mean(results: Sequence[Result]) -> None:
    """The mean over parts, with the standard deviation of what is gained."""
    ours, usual = (
        {
            name: statistics.fmean(asdict(getattr(one, which))[name] for one in results)
            for name in asdict(results[0].ours)
        }
        for which in ("ours", "baseline")
    )
    print(_row(f"mean of {len(results)} parts", ours, usual))
    for name in ("two_way", "three_way"):
        gained = [100 * (getattr(one.ours, name) - getattr(one.baseline, name)) for one in results]
        told = f"{statistics.fmean(gained):+.2f} points above the most frequent label"
        print(f"{name.replace('_', '-')}: {told} (± {statistics.stdev(gained):.2f})")


def _row(name: str, ours: Mapping[str, float], usual: Mapping[str, float]) -> str:
    columns = [f"{name:24}{ours['words']:>8,.0f}"]
    for key, width in (("two_way", 8), ("three_way", 9)):
        more = 100 * (ours[key] - usual[key])
        columns.append(f"{100 * ours[key]:>{width}.2f}{100 * usual[key]:>8.2f}{more:>+7.2f}")
    return "  ".join([*columns, f"{ours['f1']:>6.3f}"])
