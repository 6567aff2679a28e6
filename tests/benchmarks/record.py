"""What the record of a run costs: an empty notebook run by plain papermill, and by `python -m prosody run`, in turn.

    .venv/bin/python tests/benchmarks/record.py [--times 7] [--json OUT.json]

Each is a process of its own, from its start to its end, with a parameters cell and one trivial cell. The record is made
in two throw-away clones of this one's last commit: one as committed, one with changes to modules and files of no
commit. Each is run once before anything is measured. Its size is that of all files but the artifacts. Seconds of the
processor are told, too, where the system counts them: they hardly depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[2]
MOST_S, MOST_BYTES = 1.5, 1_000_000
"""The bars: how much longer than papermill alone, and how large a record."""
NOTEBOOK = "empty.ipynb"
CLONES = ("clean", "changed")
PLAIN = "papermill alone"
_PAPERMILL = "import sys, papermill; papermill.execute_notebook(sys.argv[1], sys.argv[2])"
_CHANGED_MODULES, _NEW_FILES, _LINES = 20, 5, 400


def write_notebook(path: Path) -> None:
    """A notebook with a parameters cell and a trivial one."""
    new = nbformat.v4
    cells = [new.new_code_cell("steps: int = 1", metadata={"tags": ["parameters"]}), new.new_code_cell("print(steps)")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new.new_notebook(cells=cells, metadata=kernel), path)


def make_clone(folder: Path, *, changed: bool) -> None:
    """A clone of this repository's last commit. changed: with changes to some modules, and files of no commit."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    if changed:
        for path in sorted((folder / "prosody").rglob("*.py"))[:_CHANGED_MODULES]:
            path.write_text(path.read_text(encoding="utf-8") + "\n# a change\n", encoding="utf-8")
        for k in range(_NEW_FILES):
            lines = [f"line {n} of what no commit has yet\n" for n in range(_LINES)]
            (folder / f"note_{k}.txt").write_text("".join(lines), encoding="utf-8")


def seconds(command: Sequence[str], clone: Path, runs: Path) -> tuple[float, float]:
    """How long a command takes in a clone, with the package that lies there, and how long it keeps a processor."""
    environment = {**os.environ, "PYTHONPATH": str(clone), "PROSODY_SETUP": "off", "PROSODY_RUNS_DIR": str(runs)}
    begun, before = time.perf_counter(), _processor_s()
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, encoding="utf-8")
    taken = time.perf_counter() - begun, _processor_s() - before
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return taken


def _processor_s() -> float:
    """Seconds of a processor that processes started here have had; 0 where that is not counted."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(folder: Path, times: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds of each way, and of a processor, by its name, one after the other and so on, `times` times."""
    notebook, found = folder / NOTEBOOK, {name: [] for name in (PLAIN, *CLONES)}
    write_notebook(notebook)
    for name in CLONES:
        make_clone(folder / name, changed=name == "changed")
    plain = [sys.executable, "-c", _PAPERMILL, str(notebook), str(folder / "executed.ipynb")]
    recorded = [sys.executable, "-m", "prosody", "run", str(notebook), "--force"]
    for round_ in range(times + 1):
        for name, taken in found.items():
            is_plain = name == PLAIN
            clone = folder / (CLONES[0] if is_plain else name)
            one = seconds(plain if is_plain else recorded, clone, folder / f"runs_{name}")
            if round_:  # the first fills caches
                taken.append(one)
            print(f"{round_}/{times} {name}: {one[0]:.2f} s", file=sys.stderr)
    return found


def record_files(runs: Path) -> dict[str, int]:
    """Bytes of each file of the last record in a folder of runs, without its artifacts."""
    last = sorted((runs / Path(NOTEBOOK).stem).iterdir())[-1]
    files = {file.relative_to(last).as_posix(): file for file in last.rglob("*") if file.is_file()}
    return {name: file.stat().st_size for name, file in sorted(files.items()) if not name.startswith("artifacts/")}


def summary(found: dict[str, list[tuple[float, float]]], files: dict[str, dict[str, int]]) -> dict[str, Any]:
    """The medians, what the record adds to them, and its size, by the clone."""
    load = [round(one, 1) for one in os.getloadavg()] if hasattr(os, "getloadavg") else None
    told: dict[str, Any] = {"load": load}
    for name, taken in found.items():
        wall, processor = (statistics.median(each) for each in zip(*taken, strict=True))
        told[name] = {"s": wall, "processor_s": processor, "all": taken}
    for name in CLONES:
        for unit in ("s", "processor_s"):
            told[name][f"added_{unit}"] = told[name][unit] - told[PLAIN][unit]
        told[name] |= {"bytes": sum(files[name].values()), "files": files[name]}
    return told


def table(told: dict[str, Any], times: int) -> str:
    """The figures, a line for each way, and whether they are within the bars."""
    lines = [f"{f'medians of {times}':26}{'s':>8}{'added':>8}{'processor s':>13}{'added':>8}{'KB':>8}"]
    lines.append(f"{PLAIN:26}{told[PLAIN]['s']:8.2f}{'':8}{told[PLAIN]['processor_s']:13.2f}")
    for name in CLONES:
        one = told[name]
        way = f"recorded, {name} clone"
        line = f"{way:26}{one['s']:8.2f}{one['added_s']:8.2f}{one['processor_s']:13.2f}{one['added_processor_s']:8.2f}"
        lines.append(f"{line}{one['bytes'] / 1000:8.0f}")
    lines.append(f"bars: {MOST_S} s added, {MOST_BYTES / 1000:.0f} KB: {'within' if is_within(told) else 'MISSED'}")
    if told["load"]:
        lines.append("the machine's load at the end: " + ", ".join(map(str, told["load"])))
    return "\n".join(lines)


def is_within(told: dict[str, Any]) -> bool:
    """Whether both clones' figures are within the bars."""
    return all(told[name]["added_s"] <= MOST_S and told[name]["bytes"] <= MOST_BYTES for name in CLONES)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7, metavar="N", help="so many of each, in turn (7)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="prosody-record-", ignore_cleanup_errors=True) as folder:
        found = measure(Path(folder), given.times)
        files = {name: record_files(Path(folder) / f"runs_{name}") for name in CLONES}
    told = summary(found, files)
    print(table(told, given.times))
    if given.json:
        text = json.dumps({"times": given.times, **told}, indent=2)
        given.json.write_text(text + "\n", encoding="utf-8")
    return int(not is_within(told))


if __name__ == "__main__":
    sys.exit(main())
