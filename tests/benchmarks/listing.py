"""How long a thousand recorded runs take to be listed, chosen and sorted, inside the process.

    .venv/bin/python tests/benchmarks/listing.py [--runs 1000] [--repeats 5] [--json OUT.json]

The records are made from one training's real figures, each with status, parameters, metrics, commit and an (empty)
log; each measure reads all of them from the disk anew and is the median of its repeats. "profile" names where the time
of one listing goes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prosody.workflow import columns, listing, query, record

MARKERS = ("emph", "pause_short", "pause_long", "pitch_high", "pitch_low", "pitch_rising", "pitch_falling")


def make_records(folder: Path, n: int) -> None:
    """Write n ended runs of train, a second apart, with as many figures as a real one has."""
    for k in range(n):
        stamp = f"20260101T{k // 3600:02}{k // 60 % 60:02}{k % 60:02}Z"
        run = folder / "train" / f"{stamp}-{k:06x}"
        (run / "artifacts").mkdir(parents=True)
        (run / "tb").mkdir()
        begun = f"2026-01-01T{k // 3600:02}:{k // 60 % 60:02}:{k % 60:02}+00:00"
        status = {"status": "ok", "stage": "train", "id": run.name, "how": "headless", "started": begun}
        status |= {"ended": begun, "seconds": 300.0 + k, "exit": 0, "pid": 1, "peak_rss_mb": 1300, "locked": True}
        f1 = {f"<{name}>": 0.5 + (k * 7 + len(name)) % 500 / 1000 for name in MARKERS}
        scores = {name: {"precision": value, "recall": value, "written": 12} for name, value in f1.items()}
        metrics = {"loss_val": 0.24 + k / 1e5, "loss_val_untuned": 1.75, "f1": f1, "precision_recall": scores}
        metrics |= {"macro_f1": statistics.fmean(f1.values()), "steps": 230, "epochs": 8}
        params = {"epochs": 8, "learning_rate": 2e-4, "r": 16, "seed": k, "prepare_run": "latest"}
        git = {"commit": f"{k:040x}", "branch": "main", "dirty": False, "untracked": []}
        for name, data in {"status": status, "metrics": metrics, "params": params, "git": git}.items():
            (run / f"{name}.json").write_text(json.dumps(data, indent=2), encoding="utf-8")
        (run / "log.txt").touch()


def measured(repeats: int, what: Callable[[], Any]) -> dict[str, float]:
    """Seconds that a call takes: median, least and most."""
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        what()
        taken.append(time.perf_counter() - begun)
    return {"median_s": statistics.median(taken), "least_s": min(taken), "most_s": max(taken)}


def measure(folder: Path, repeats: int) -> dict[str, dict[str, float]]:
    """The measures, by name."""

    def choose() -> str:
        table = columns.table(record.runs(folder))
        rows = query.chosen(table, [query.condition("macro_f1>0.7", table), query.condition("stage=train", table)])
        return str(query.ordered(table, rows, "-macro_f1"))

    return {
        "list (`runs`)": measured(repeats, lambda: listing.table(record.look(folder)[0])),
        "the latest ok run of a stage": measured(repeats, lambda: record.find(folder, "train")),
        "choose and sort (`runs table`)": measured(repeats, choose),
    }


def profiled(folder: Path) -> list[str]:
    """Where the time of one listing goes: the functions that take most, with their seconds."""
    import cProfile
    import pstats

    with cProfile.Profile() as profile:
        record.look(folder)
    stats = pstats.Stats(profile).stats
    slowest = sorted(stats.items(), key=lambda item: -item[1][2])[:8]
    return [f"{own:.3f} s  {Path(file).name}:{line} {name}" for (file, line, name), (_, _, own, *_) in slowest]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="prosody-listing-") as folder:
        make_records(Path(folder), given.runs)
        found = measure(Path(folder), given.repeats)
        where = profiled(Path(folder))
    print(f"{given.runs} runs, {given.repeats} repeats, seconds\n{'':32}{'median':>8}{'least':>8}{'most':>8}")
    for name, one in found.items():
        print(f"{name:32}{one['median_s']:8.3f}{one['least_s']:8.3f}{one['most_s']:8.3f}")
    print("profile of one listing, under the profiler:", *where, sep="\n  ")
    if given.json:
        given.json.write_text(json.dumps({"runs": given.runs, "measures": found, "profile": where}, indent=2) + "\n")


if __name__ == "__main__":
    main()
