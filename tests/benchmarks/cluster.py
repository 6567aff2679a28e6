"""The same corpus heard by processes and by a local Dask cluster of as many workers, in turn.

    .venv/bin/python tests/benchmarks/cluster.py [--copies 6] [--workers 2] [--runs 3] [--json OUT.json]

The corpus is real speech (../shared/data, MFA's and the wavelet toolkit's clips), or without that folder the built-in
recording, cut at its pauses: each copy with noise of its own at the last bit, since what is the same is heard once.
`start` is until each worker has ended a task that does nothing, `hear` the corpus after that; both the median of all
runs. What a task costs beside its work is told by 200 tasks that do nothing, and the bytes by what Dask writes into and
reads from its connections in this process, which holds the scheduler, too. Results are compared byte by byte.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NOTHING = 200  # tasks that do nothing
KINDS = ("workers", "local_cluster")


def write_corpus(folder: Path, copies: int) -> tuple[int, float]:
    """The corpus; how many files, and hours of sound."""
    import numpy as np
    import soundfile

    rng, n, seconds = np.random.default_rng(0), 0, 0.0
    for name, samples, rate, suffix, text in clips():
        for copy in range(copies):
            path = folder / f"copy{copy}" / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = rng.integers(-1, 2, len(samples)) / 32768
            soundfile.write(path, samples + noise, rate, "PCM_16")
            path.with_suffix(suffix).write_bytes(text)
            n, seconds = n + 1, seconds + len(samples) / rate
    return n, seconds / 3600


def clips() -> Iterator[tuple[str, Any, int, str, bytes]]:
    """Name, samples, rate (Hz), the transcript's suffix and bytes of each clip."""
    import soundfile

    if DATA.is_dir():
        for path in sorted([*(DATA / "mfa").glob("*.wav"), *(DATA / "wavelet").glob("*.wav")]):
            text = next(one for one in (path.with_suffix(".lab"), path.with_suffix(".TextGrid")) if one.is_file())
            words = text.read_bytes()
            if text.suffix == ".lab":
                words = re.sub(rb"<\w+>", b"", words)  # "<VOCNOISE>"
            yield path.stem, *soundfile.read(path), text.suffix, words
        return
    from prosody import workflow
    from prosody.sample.ready import ready_sample

    sample = ready_sample(workflow.root() / "corpus")
    samples, rate = soundfile.read(sample.audio)
    yield "sample", samples, rate, ".txt", sample.transcript.read_bytes()


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """What Dask's connections of this process write and read while the block lasts, in bytes."""
    from distributed.comm import tcp

    count: Counter[str] = Counter()
    write, read = tcp.TCP.write, tcp.read_bytes_rw

    async def write_counted(self: Any, *given: Any, **options: Any) -> int:
        n = await write(self, *given, **options)
        count["written"] += n
        return n

    async def read_counted(stream: Any, n: int) -> Any:
        count["read"] += n
        return await read(stream, n)

    tcp.TCP.write, tcp.read_bytes_rw = write_counted, read_counted
    try:
        yield count
    finally:
        tcp.TCP.write, tcp.read_bytes_rw = write, read


def once(kind: str, n_workers: int, corpus: Path, out: Path) -> dict[str, float]:
    """One run: seconds until the workers are there, of the corpus, and what a task that does nothing costs."""
    from prosody.commands import cluster
    from prosody.speech.corpus.process import process

    parser = argparse.ArgumentParser()
    cluster.add_options(parser)
    began = time.monotonic()
    with (
        counted() as count,
        cluster.workers(parser.parse_args([f"--{kind.replace('_', '-')}", str(n_workers)])) as pool,
    ):
        _all(pool, time.sleep, [0.5] * n_workers)  # long enough that each gets one
        ready = time.monotonic()
        count.clear()
        made = process(corpus, out, executor=pool)
        heard = time.monotonic()
        sent = dict(count)
        _all(pool, abs, range(NOTHING))
        ended = time.monotonic()
    assert not made.failures, made.failures[0]
    n = made.n_new
    found = {"start_s": ready - began - 0.5, "hear_s": heard - ready, "nothing_ms": 1000 * (ended - heard) / NOTHING}
    return found | {f"{name}_bytes": sent.get(name, 0) / n for name in ("written", "read")}


def _all(pool: Any, function: Any, tasks: Any) -> None:
    for future in [pool.submit(function, task) for task in tasks]:
        future.result()


def same_bytes(one: Path, other: Path) -> bool:
    """Whether two folders of results hold the same."""
    found = [{p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()} for out in (one, other)]
    return found[0] == found[1]


def measured(copies: int, n_workers: int, runs: int) -> dict[str, Any]:
    """Medians of all runs, the kinds in turn."""
    rounds: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        n, hours = write_corpus(corpus, copies)
        for number in range(runs):
            outs = [Path(folder, f"{kind}{number}") for kind in KINDS]
            for kind, out in zip(KINDS, outs, strict=True):
                rounds[kind].append(once(kind, n_workers, corpus, out))
                print(f"run {number + 1}, {kind}: {rounds[kind][-1]}", file=sys.stderr, flush=True)
            assert same_bytes(*outs), "the results differ"
    medians = {k: {name: statistics.median(one[name] for one in v) for name in v[0]} for k, v in rounds.items()}
    ratios = [b["hear_s"] / a["hear_s"] for a, b in zip(*rounds.values(), strict=True)]
    about = {"files": n, "hours": hours, "workers": n_workers, "runs": runs, "ratio": statistics.median(ratios)}
    return about | {"ratios": ratios, "medians": medians, "rounds": rounds}


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, usual in (("--copies", 6), ("--workers", 2), ("--runs", 3)):
        parser.add_argument(name, type=int, default=usual)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = measured(given.copies, given.workers, given.runs)
    print(f"{found['files']} files, {found['hours']:.2f} hours, {given.workers} workers, median of {given.runs} runs")
    print(f"{'':15}{'start, s':>10}{'hear, s':>10}{'a task, ms':>12}{'bytes written a task':>22}{'read':>8}")
    for kind, one in found["medians"].items():
        cost = f"{one['start_s']:10.1f}{one['hear_s']:10.1f}{one['nothing_ms']:12.2f}"
        print(f"{kind:15}{cost}{one['written_bytes']:22.0f}{one['read_bytes']:8.0f}")
    print(f"hear, cluster : processes = {found['ratio']:.2f} ({', '.join(f'{one:.2f}' for one in found['ratios'])})")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
