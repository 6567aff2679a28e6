"""Two hours in one file, and twelve minutes heard: time and memory, each in a process of its own.

    .venv/bin/python tests/benchmarks/long_file.py [--hours 2] [--json OUT.json]

The long file is the built-in sample again and again with faint noise, 16 kHz, mono. Beside our segmenting stand just
reading it by blocks, and other tools with their silence detection on the same file, where they are installed:
pydub 0.25 (`detect_nonsilent`, 0.8 s, -35 dB below the peak), auditok 0.5 (`split`, its own defaults but for the
longest event), librosa 0.11 (`effects.split`, 35 dB below the peak, after reading it whole, as it needs). Every time
is the median of three runs with imports left out (cpu_s in the JSON: of the processor, which other work on the machine
hardly changes); memory is the largest resident set of the process, with imports.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

RATE = 16_000
BLOCK = 1 << 18
RUNS = 3
BARS = {"segmenting_s_above_reading": 3.0, "segmenting_rss_mb": 150.0, "hear_rtf": 0.05, "hear_rss_mb": 700.0}


def write_long(path: Path, hours: float) -> None:
    """The built-in sample, tiled, with noise 60 dB below full scale, as 16-bit WAV."""
    import numpy as np
    import soundfile
    import soxr

    samples, rate = soundfile.read(_sample().audio, dtype="float32")
    samples = soxr.resample(samples, rate, RATE)
    rng, left = np.random.default_rng(0), round(hours * 3600 * RATE)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        while left > 0:
            piece = samples[:left]
            file.write(piece + 1e-3 * rng.standard_normal(len(piece)).astype(np.float32))
            left -= len(piece)


def reading(path: Path) -> Callable[[], int]:
    """Reading by blocks, and nothing else."""
    import soundfile

    def work() -> int:
        n = 0
        with soundfile.SoundFile(path) as file:
            while len(block := file.read(BLOCK, dtype="float32")):
                n += len(block)
        return n

    return work


def segmenting(path: Path) -> Callable[[], int]:
    """Ours."""
    from prosody.speech.segment import segment_file

    return lambda: len(segment_file(path))


def pydub(path: Path) -> Callable[[], int]:
    warnings.simplefilter("ignore")
    from pydub import AudioSegment, silence

    def work() -> int:
        sound = AudioSegment.from_wav(path)
        return len(silence.detect_nonsilent(sound, 800, sound.max_dBFS - 35, seek_step=10))

    return work


def auditok(path: Path) -> Callable[[], int]:
    import auditok

    return lambda: sum(1 for _ in auditok.split(str(path), max_dur=15, max_silence=0.8, large_file=True))


def librosa(path: Path) -> Callable[[], int]:
    import librosa
    import numpy as np

    librosa.effects.split(np.ones(RATE, np.float32))  # its parts are imported, and compiled, at the first use

    def work() -> int:
        samples, _ = librosa.load(path, sr=None, mono=True)
        return len(librosa.effects.split(samples, top_db=35))

    return work


def hearing(path: Path) -> Callable[[], int]:
    """Aligning, measuring and detecting: the sample with its transcript."""
    from prosody.speech.audio import read, read_transcript
    from prosody.speech.hear import hear

    def work() -> int:
        return len(hear(read(path), read_transcript(path.with_name(_sample().transcript.name))).words)

    return work


METHODS = {one.__name__: one for one in (reading, segmenting, pydub, auditok, librosa)}
NEEDS = {"pydub": "pydub", "auditok": "auditok", "librosa": "librosa"}


def figures(*, hours: float = 2.0, runs: int = RUNS, peers: bool = True) -> dict[str, Any]:
    """Times (s) and memory (MB) of every method and of hearing twelve minutes, and whether the bars are met."""
    methods = [name for name in METHODS if peers or name not in NEEDS]
    table: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="prosody-") as folder:
        path = Path(folder, "long.wav")
        write_long(path, hours)
        for name in methods:
            missing = name in NEEDS and find_spec(NEEDS[name]) is None
            table[name] = "not installed" if missing else measured(name, path, runs)
    heard = measured("hearing", _sample().audio, 1)
    seconds = _duration(_sample().audio)
    heard |= {"audio_s": round(seconds, 1), "rtf": round(heard["seconds"] / seconds, 4)}
    above = table["segmenting"]["seconds"] - table["reading"]["seconds"]
    found = {
        "segmenting_s_above_reading": round(above, 2),
        "segmenting_rss_mb": table["segmenting"]["rss_mb"],
        "hear_rtf": heard["rtf"],
        "hear_rss_mb": heard["rss_mb"],
    }
    met = {name: found[name] <= bar for name, bar in BARS.items()}
    return {"hours": hours, "long_file": table, "hear": heard, "figures": found, "bars": BARS, "met": met}


def measured(name: str, path: Path, runs: int) -> dict[str, Any]:
    """Median time and largest memory of `runs` runs, each in a fresh process."""
    context = multiprocessing.get_context("spawn")
    results = []
    for _ in range(runs):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_measure, args=(name, path, theirs))
        process.start()
        theirs.close()
        try:
            results.append(ours.recv())
        except EOFError:
            process.join()
            raise SystemExit(f"{name}: ended with code {process.exitcode}") from None
        process.join()
    return {
        "seconds": round(statistics.median(r["seconds"] for r in results), 2),
        "rss_mb": round(statistics.median(r["rss_mb"] for r in results), 1),
        "cpu_s": round(statistics.median(r["cpu_s"] for r in results), 2),
        "import_s": round(statistics.median(r["import_s"] for r in results), 2),
        "found": results[0]["found"],
    }


def _measure(name: str, path: Path, pipe: Any) -> None:
    begun = time.perf_counter()
    work = (METHODS | {"hearing": hearing})[name](path)
    imported, cpu = time.perf_counter(), time.process_time()
    with _Peak() as peak:
        found = work()
        seconds = time.perf_counter() - imported
    told = {"seconds": seconds, "cpu_s": time.process_time() - cpu, "import_s": imported - begun}
    pipe.send({**told, "found": found, "rss_mb": peak.mb})
    pipe.close()


class _Peak:
    """The largest resident set of this process, MB: as the system keeps it, else looked up often."""

    def __enter__(self) -> _Peak:
        import psutil

        self.process, self.mb, self.ended = psutil.Process(), 0.0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while True:
            info = self.process.memory_info()
            self.mb = max(self.mb, getattr(info, "peak_wset", info.rss) / 1e6)  # peak_wset: Windows
            if self.ended.wait(0.02):
                return

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        self.mb = max(self.mb, _peak_so_far_mb())


def _peak_so_far_mb() -> float:
    """As the system keeps it. Linux's getrusage would count what the parent had when it started this process."""
    status = Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")), 0.0)
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return 0.0


def _sample() -> Any:
    from prosody import workflow
    from prosody.sample.ready import ready_sample

    return ready_sample(workflow.root() / "corpus")


def _duration(path: Path) -> float:
    import soundfile

    return soundfile.info(path).duration


def table(found: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [f"{found['hours']:g} hours, {RATE:,} Hz{'time':>14}{'above reading':>15}{'memory':>11}{'found':>12}"]
    read_s = found["long_file"]["reading"]["seconds"]
    for name, row in found["long_file"].items():
        if isinstance(row, str):
            lines.append(f"{name:20}{row:>14}")
            continue
        told = f"{row['seconds']:12.2f} s{row['seconds'] - read_s:13.2f} s{row['rss_mb']:8.0f} MB{row['found']:12,}"
        lines.append(f"{name:18}{told}")
    heard = found["hear"]
    lines.append(
        f"hearing {heard['audio_s']:.0f} s: {heard['seconds']:.1f} s, RTF {heard['rtf']:.3f}, {heard['rss_mb']:.0f} MB"
    )
    for name, bar in found["bars"].items():
        told = "met" if found["met"][name] else "NOT met"
        lines.append(f"{name:30}{found['figures'][name]:9.2f}  bar {bar:g}: {told}")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", type=Path, default=Path("long_file.json"))
    arguments = parser.parse_args()
    found = figures(hours=arguments.hours, runs=arguments.runs)
    print(table(found))
    arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
