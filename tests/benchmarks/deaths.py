"""How often a run's record tells the truth after a death at a random moment, and how long what it started lives on.

    python tests/benchmarks/deaths.py --each 100 --json deaths.json

Each death is a run of its own: its runner is started, and it, its kernel or both are killed, interrupted or run out of
time at a random moment between its start and its end. The witness is the runner's exit code.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "faults"))
from deaths import KINDS, Death, die


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=100, metavar="N", help="deaths of each kind (100)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="so many runs at a time (2)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE")
    given = parser.parse_args(arguments)
    tasks = [(kind, n) for n in range(given.each) for kind in given.kinds]
    with tempfile.TemporaryDirectory(prefix="deaths-") as folder, ThreadPoolExecutor(given.at_once) as pool:

        def one(task: tuple[str, int]) -> Death:
            kind, n = task
            return die(Path(folder) / kind.replace(" ", "_") / str(n), kind, random.Random(f"{given.seed} {task}"))

        deaths = list(tqdm(pool.map(one, tasks), total=len(tasks), unit="deaths", file=sys.stderr))
    print(table(deaths))
    for death in deaths:
        if not death.is_true or death.orphans:
            print(f"{death.kind} after {death.at_s:.2f} s: {death.why or f'{death.orphans} processes live on'}")
    if given.json:
        Path(given.json).write_text(json.dumps([vars(death) for death in deaths], indent=1), encoding="utf-8")
    return int(any(not death.is_true or death.orphans for death in deaths))


def table(deaths: list[Death]) -> str:
    """A line for each kind: how many, how many true, orphans, how long one lived, and what the records say."""
    lines = [f"{'kind':20}{'deaths':>8}{'true':>6}{'orphans':>9}{'gone after, s':>15}  status"]
    for kind in dict.fromkeys(death.kind for death in deaths):
        of_kind = [death for death in deaths if death.kind == kind]
        said = [str(death.told.get("status", "no record")) for death in of_kind]
        counted = ", ".join(f"{said.count(word)} {word}" for word in sorted(set(said)))
        gone = [death.gone_after_s for death in of_kind]
        times = f"{statistics.median(gone):.1f} – {max(gone):.1f}"
        n_true, orphans = sum(death.is_true for death in of_kind), sum(death.orphans for death in of_kind)
        lines.append(f"{kind:20}{len(of_kind):>8}{n_true:>6}{orphans:>9}{times:>15}  {counted}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
