"""Whether listening helps: training without the audio's say, with it, and with its measurements shuffled among words.

    .venv/bin/python tests/benchmarks/listening.py DATASET [--seeds 5] [--weight 0.5] [--epochs 8] [--json OUT.json]
    .venv/bin/python tests/benchmarks/listening.py --helsinki FILE [--words 10000] …

DATASET: a folder that 02_prepare made. With --helsinki, parts of a file of the Helsinki Prosody Corpus, split by
speaker, one part a seed, and so many words of the rest to learn from. Each variant is trained with each seed on the
same words; what is gained over λ = 0 is told with a 95 % interval of the paired differences (Student's t). If shuffled
measurements help as much, it is not the listening that does.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from prosody import dataset
from prosody.dataset import Dataset
from prosody.lm import bench
from prosody.lm.base import BUILT_IN, load_base
from prosody.lm.lora import LoraParameters
from prosody.lm.parameters import TrainParameters
from prosody.lm.train import train

LORA = LoraParameters(targets=("all-linear",), layers="upper half")


def shuffled(data: Dataset, seed: int) -> Dataset:
    """The dataset with the measurements of its training words dealt anew among them."""
    known = [word.measured for segment in data.segments if segment.split != "val" for word in segment.words]
    order = iter(np.random.default_rng(seed).permutation(len(known)))
    return replace(
        data,
        segments=tuple(
            segment
            if segment.split == "val"
            else replace(segment, words=tuple(replace(w, measured=known[next(order)]) for w in segment.words))
            for segment in data.segments
        ),
    )


def on_dataset(data: Dataset, how: TrainParameters, base_model: str, *, shuffle: bool) -> dict[str, float]:
    """Held-out figures of one training on a dataset."""
    with tempfile.TemporaryDirectory() as folder:
        used = shuffled(data, how.seed) if shuffle else data
        out = Path(folder) / "adapter"
        metrics = train(used, load_base(base_model), LORA, how, folder=out, on_line=lambda line: None).metrics
    errors = [one["error"] for one in metrics["measurements"].values()]
    return {"macro_f1": metrics["macro_f1"], "loss": metrics["loss_val"], "error": statistics.fmean(errors)}


def on_helsinki(
    utterances: Sequence[bench.Utterance], how: TrainParameters, base_model: str, *, n_words: int, shuffle: bool
) -> dict[str, float]:
    """Figures of other speakers, of one training on `n_words` words; the seed chooses the part that is held out."""
    parts = bench.split_by_speaker(utterances, 5)
    part = parts[how.seed % 5]
    learned = _some([u for u in utterances if u.speaker not in part], n_words, how.seed)
    tested = _some([u for u in utterances if u.speaker in part], n_words // 2, how.seed)
    if shuffle:
        values = np.concatenate([u.values for u in learned])
        values = values[np.random.default_rng(how.seed).permutation(len(values))]
        ends = np.cumsum([len(u.words) for u in learned])
        learned = [replace(u, values=values[end - len(u.words) : end]) for u, end in zip(learned, ends, strict=True)]
    found = bench.run(learned, tested, base_model=base_model, lora=LORA, parameters=how)
    error = statistics.fmean(one["error"] for one in found.measurements.values())
    return {"two_way": found.ours.two_way, "three_way": found.ours.three_way, "error": error}


def _some(utterances: Sequence[bench.Utterance], n_words: int, seed: int) -> list[bench.Utterance]:
    """Whole chapters, drawn at random, until there are `n_words` words."""
    chapters: dict[tuple[str, ...], list[bench.Utterance]] = {}
    for one in utterances:
        chapters.setdefault(one.chapter, []).append(one)
    drawn, n = [], 0
    for k in np.random.default_rng(seed).permutation(len(chapters)):
        for one in list(chapters.values())[k]:
            if n < n_words:
                drawn.append(one)
                n += len(one.words)
    return drawn


def compared(
    once: Callable[..., dict[str, float]], how: TrainParameters, *, seeds: int, weight: float
) -> dict[str, Any]:
    """Each variant's figures, seed by seed."""
    variants = {"λ = 0": (0.0, False), f"λ = {weight:g}": (weight, False), f"λ = {weight:g}, shuffled": (weight, True)}
    table: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    for seed in range(seeds):
        for name, (acoustic, shuffle) in variants.items():
            found = once(replace(how, seed=seed, acoustic=acoustic), shuffle=shuffle)
            table[name].append(found)
            told = "  ".join(f"{key} {value:.4f}" for key, value in found.items())
            print(f"seed {seed}  {name:22}  {told}", flush=True)
    return table


def gains(after: Sequence[float], before: Sequence[float]) -> tuple[float, float]:
    """Mean of the paired differences, and half their 95 % interval (Student's t); nan of one pair."""
    differences = [a - b for a, b in zip(after, before, strict=True)]
    n = len(differences)
    wide = t.ppf(0.975, n - 1) * statistics.stdev(differences) / math.sqrt(n) if n > 1 else math.nan
    return statistics.fmean(differences), wide


def show(table: dict[str, list[dict[str, float]]]) -> None:
    """Mean of each figure, and what is gained over the first variant with its interval."""
    first, *others = table
    keys = list(table[first][0])
    print(f"\n{'mean':22}" + "".join(f"{key:>12}" for key in keys))
    for name, found in table.items():
        print(f"{name:22}" + "".join(f"{statistics.fmean(one[key] for one in found):>12.4f}" for key in keys))
    for name in others:
        cells = []
        for key in keys:
            mean, wide = gains([one[key] for one in table[name]], [one[key] for one in table[first]])
            cells.append(f"{key} {mean:+.4f} ± {wide:.4f}")
        print(f"{name} over {first}: {', '.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", nargs="?", type=Path)
    parser.add_argument("--helsinki", type=Path)
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--weight", type=float, default=0.5)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--base-model", default=BUILT_IN)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.helsinki:
        utterances = bench.read(arguments.helsinki)
        how = TrainParameters(epochs=arguments.epochs or 1, batch_size=2, learning_rate=2e-3)

        def once(how: TrainParameters, *, shuffle: bool) -> dict[str, float]:
            return on_helsinki(utterances, how, arguments.base_model, n_words=arguments.words, shuffle=shuffle)
    elif arguments.dataset:
        data = dataset.load(arguments.dataset)
        how = TrainParameters(epochs=arguments.epochs or 8)

        def once(how: TrainParameters, *, shuffle: bool) -> dict[str, float]:
            return on_dataset(data, how, arguments.base_model, shuffle=shuffle)
    else:
        parser.error("give a dataset, or --helsinki FILE")
    table = compared(once, how, seeds=arguments.seeds, weight=arguments.weight)
    show(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, ensure_ascii=False, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
