"""How fast a review goes in a real JupyterLab: a scripted session by keyboard, and a large dataset.

    .venv/bin/python tests/benchmarks/review.py DATASET [--segments 50] [--large 500] [--rounds 3] [--json OUT.json]

DATASET is the folder of a prepared dataset (`runs/prepare/ID/artifacts/dataset`). The session works through the first
segments of the queue as a quick reviewer would: it plays, goes to the word in doubt, takes over what is heard there or
leaves it, and accepts; each wait for the next segment is measured in the page, from the key to the finished picture.
The large dataset is the same over and over, opened and paged through to its end: how long until the first segment
stands there (with the dataset's reading and without), and the memory of kernel and page, before and after.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

sys.path.append(str(Path(__file__).parents[1] / "browser"))

from lab_page import chromium, code_cells, jupyterlab, open_notebook, run_code

from prosody import dataset, files

PANEL = ".prosody-review"
CODE = """
import json, os, time
from pathlib import Path
begun = time.perf_counter()
from prosody import dataset
from prosody.notebook.review import review
from prosody.speech import measure
from prosody.workflow import reviews
imported = time.perf_counter()
data = dataset.load(Path("FOLDER"))
read = time.perf_counter()
import numpy as np
times = np.arange(0, data.segments[-1].end, 0.016)
tracks = measure.Tracks(times, 150 + 20 * np.sin(times), np.zeros(1), 0.01, -35.0)  # as 02 has them at hand
ready = time.perf_counter()
panel = review(reviews.begin(data, sounds=[], by="REVIEWER"), tracks=tracks)
Path("TOLD").write_text(json.dumps({"pid": os.getpid(), "import": imported - begun, "read": read - imported,
    "open": time.perf_counter() - ready}))
panel
"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--segments", type=int, default=50)
    parser.add_argument("--large", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as own:
        made = large_dataset(given.dataset, Path(own) / "large", given.large)
        with jupyterlab(Path(own)) as (address, _), chromium() as page:
            rounds = [session(page, address, given.dataset, given.segments, f"r{k}") for k in range(given.rounds)]
            opened = [large(page, address, made, given.large, f"l{k}") for k in range(given.rounds)]
    found = {"session": median_of(rounds), "large": median_of(opened), "rounds": given.rounds}
    found |= {"segments": given.segments, "large_segments": given.large}
    print(table(found))
    if given.json:
        files.write_json(given.json, found, overwrite=True)


def large_dataset(source: Path, folder: Path, n: int) -> Path:
    """`n` segments: those of a dataset over and over, one after the other in time."""
    data = dataset.load(source)
    (folder / "segments").mkdir(parents=True)
    segments, at = [], 0.0
    for k in range(n):
        one = data.segments[k % len(data.segments)]
        by = at - one.start
        words = tuple(replace(word, start=word.start + by, end=word.end + by) for word in one.words)
        name = f"segments/segment_{k + 1:03d}.wav"
        (folder / name).write_bytes((source / one.audio_file).read_bytes())
        split = "train" if k < 0.9 * n else "val"
        segments.append(replace(one, audio_file=name, start=at, end=one.end + by, words=words, split=split))
        at = segments[-1].end + 0.8
    dataset.save(folder, segments, data.info)
    return folder


def begin(page: Any, address: str, folder: Path, by: str) -> dict[str, float]:
    """Open the review; what the cell told, and the seconds until the first segment is drawn."""
    open_notebook(page, address, "03_train_lora.ipynb")
    told = Path(tempfile.mkdtemp()) / "told.json"
    code = CODE.replace("FOLDER", folder.resolve().as_posix()).replace("REVIEWER", by).replace("TOLD", told.as_posix())
    start = time.perf_counter()
    run_code(page, code)
    page.wait_for_selector(f"{PANEL} [role=option]", timeout=120_000)
    drawn = time.perf_counter() - start
    page.locator(".pr-lanes").focus()
    return json.loads(told.read_text()) | {"drawn": drawn}


def onward(page: Any, key: str) -> float:
    """Press a key that leads to another segment; the milliseconds until it is drawn, as the page measured them."""
    before = page.locator(PANEL).get_attribute("data-segment")
    page.keyboard.press(key)
    page.wait_for_function(f"before => document.querySelector('{PANEL}').dataset.segment !== before", arg=before)
    return float(page.locator(PANEL).get_attribute("data-waited"))


def session(page: Any, address: str, folder: Path, n: int, by: str) -> dict[str, float]:
    """A quick reviewer's session over `n` segments."""
    begin(page, address, folder, by)
    waited, keys, start = [], 0, time.perf_counter()
    for _ in range(n):
        in_doubt = page.locator(".pr-place").first
        told = in_doubt.inner_text() if in_doubt.count() else ""
        page.keyboard.press("p")
        keys += 1
        if "heard, not written" in told:  # set what is heard there
            names = page.locator(".pr-row .pr-name").all_inner_texts()
            number = next(k for k, name in enumerate(names, 1) if f": {name} heard" in told)
            page.keyboard.press(str(number))
            keys += 1
        waited.append(onward(page, "Enter"))
        keys += 1
    seconds = time.perf_counter() - start
    return {
        "actions a segment": keys / n,
        "wait for the next, median ms": statistics.median(waited),
        "wait for the next, 95 % ms": sorted(waited)[round(0.95 * (n - 1))],
        "waiting in all, s": sum(waited) / 1000,
        "the script's session, s": seconds,
        "notebook grown by, kB": saved_bytes(page) / 1000,
    }


def saved_bytes(page: Any) -> int:
    """What the panel's cell adds to a saved notebook: its outputs."""
    return sum(len(json.dumps(cell["outputs"])) for cell in code_cells(page))


def large(page: Any, address: str, folder: Path, n: int, by: str) -> dict[str, float]:
    """A large dataset, opened and paged through."""
    told = begin(page, address, folder, by)
    memory = [memory_mb(page, told["pid"])]
    waited = []
    for k in range(1, n):
        waited.append(onward(page, "n"))
        if k in (n // 10, n - 1):
            memory.append(memory_mb(page, told["pid"]))
    _, (kernel, shown), (kernel_end, shown_end) = memory
    return {
        "read and checked, s": told["read"],
        "opened, s": told["open"],
        "cell run to first segment drawn, s": told["drawn"],
        "wait for the next, median ms": statistics.median(waited),
        "kernel after a tenth, MB": kernel,
        "kernel at the end, MB": kernel_end,
        "page after a tenth, MB": shown,
        "page at the end, MB": shown_end,
    }


def memory_mb(page: Any, pid: int) -> tuple[float, float]:
    """The kernel's resident memory, and the page's JavaScript heap after a collection."""
    client = page.context.new_cdp_session(page)
    client.send("HeapProfiler.collectGarbage")
    used = client.send("Runtime.getHeapUsage")["usedSize"]
    client.detach()
    return psutil.Process(pid).memory_info().rss / 1e6, used / 1e6


def median_of(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def table(found: Mapping[str, Any]) -> str:
    lines = []
    for title, n in (("session", found["segments"]), ("large", found["large_segments"])):
        lines.append(f"{title}, {n} segments, median of {found['rounds']} rounds")
        lines += [f"  {name:40s} {value:10.1f}" for name, value in found[title].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
