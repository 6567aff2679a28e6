"""How fast the engines speak, how loud it comes out, and which markers survive: a table, and JSON.

    .venv/bin/python tests/benchmarks/speaking.py [--words 300] [--times 5] [--engine NAME…] [--listen] [--json FILE]

What is spoken are the built-in corpus's answers, joined up to so many words. Loading the voice and what it imports is
timed apart, in a fresh process. Seconds are medians; so that other work on the machine shows, the processor's time is
told beside the clock's. Loudness and true peak are measured of the written WAV, by pyloudnorm and by SciPy's resampler.
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
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyloudnorm
import soundfile
from scipy.signal import resample_poly

from prosody import markers
from prosody.errors import ProsodyError
from prosody.markers import MarkedText
from prosody.sample.script import read_script, transcript
from prosody.voice import engines
from prosody.voice.listen import listen
from prosody.voice.speak import speak

_FRESH = (
    "import json, sys, time; wall = time.perf_counter(); cpu = time.process_time()\n"
    "from prosody.voice.speak import speak; speak('One.', engine=sys.argv[1])\n"
    "print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]))"
)


def text_of(n_words: int) -> MarkedText:
    """The first `n_words` words of the corpus with their markers."""
    words = markers.parse(transcript(read_script())).words
    return MarkedText(words[:n_words])


def loading(engine: str, times: int) -> dict[str, float]:
    """Seconds until a fresh process has spoken one word."""
    runs = []
    for _ in range(times):
        done = subprocess.run([sys.executable, "-c", _FRESH, engine], capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))
    wall, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
    return {"first_word_s": wall, "first_word_cpu_s": cpu}


def speaking(engine: str, text: MarkedText, times: int, folder: Path) -> dict[str, float]:
    """Seconds to speak and write `text`, with the voice loaded; loudness and peak of what is written."""
    speak("One.", engine=engine)
    walls, cpus = [], []
    for n in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        spoken = speak(text, engine=engine, seed=n, out=folder / f"{engine}{n}.wav")
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    heard = [soundfile.read(folder / f"{engine}{n}.wav") for n in range(times)]
    lufs = [float(pyloudnorm.Meter(rate).integrated_loudness(samples)) for samples, rate in heard]
    peaks = [float(20 * np.log10(np.abs(resample_poly(samples, 8, 1)).max())) for samples, _ in heard]
    seconds = statistics.median(walls)
    return {
        "words": len(text.words),
        "audio_s": spoken.duration,
        "seconds": seconds,
        "cpu_s": statistics.median(cpus),
        "rtf": seconds / spoken.duration,
        "lufs_lowest": min(lufs),
        "lufs_highest": max(lufs),
        "true_peak_dbtp_highest": max(peaks),
    }


def survival(engine: str, n_words: int, folder: Path) -> dict[str, Any]:
    """Markers written, heard again, and heard where none is written, answer by answer, with the engine's word times."""
    written, heard, unwritten, slots = Counter(), Counter(), Counter(), 0
    for n, answer in enumerate(read_script()):
        if slots >= n_words:
            break
        out = folder / f"{engine}-answer{n}.wav"
        spoken = speak(answer.text, engine=engine, seed=n, out=out)
        found = listen(out, answer.text, words=spoken.words)
        slots += len(spoken.words)
        for token in markers.TOKENS:
            written[token] += found["survival"][token]["written"]
            heard[token] += found["survival"][token]["heard"]
            unwritten[token] += found["unwritten"][token]
    table = {t: {"written": written[t], "heard": heard[t], "unwritten": unwritten[t]} for t in markers.TOKENS}
    return {"slots": slots, "markers": table}


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=300)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--engine", nargs="+", default=list(engines.NAMES))
    parser.add_argument("--listen", action="store_true", help="also tell which markers survive")
    parser.add_argument("--json", metavar="OUT.json")
    arguments = parser.parse_args()
    text, told = text_of(arguments.words), {}
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "")
    with tempfile.TemporaryDirectory() as folder:
        for engine in arguments.engine:
            try:
                one = loading(engine, min(3, arguments.times))
                one |= speaking(engine, text, arguments.times, Path(folder))
                one |= survival(engine, arguments.words, Path(folder)) if arguments.listen else {}
            except (ProsodyError, subprocess.CalledProcessError) as error:
                print(f"{engine}: {error}")
                continue
            told[engine] = one
            for name, value in one.items():
                if name != "markers":
                    print(f"{engine:8}{name:24}{value:10.3f}")
            for token, counts in one.get("markers", {}).items():
                print(f"{engine:8}{token:24}" + "  ".join(f"{name} {n}" for name, n in counts.items()))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(told, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
