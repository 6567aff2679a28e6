"""Word-start errors of the aligner: the built-in sample against its truth, real clips against their TextGrids.

    .venv/bin/python tests/benchmarks/alignment.py [--json OUT.json]

Beside each figure stands the trivial baseline: the words spread evenly over the recording. The real clips (three
spontaneous, disfluent ones in `mfa`, four read ones in `wavelet`) lie in ../shared/data; without it they are left out.
Their times are the Montreal Forced Aligner's or hand-mended ones, not the truth.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prosody import workflow
from prosody.interchange import textgrid
from prosody.interchange.tiers import from_textgrid
from prosody.sample.ready import ready_sample
from prosody.speech.align import align
from prosody.speech.audio import Audio, read

SHARED = workflow.root().parent / "shared" / "data"


@dataclass(frozen=True)
class Clip:
    """A recording and the known times (s) of its words."""

    group: str
    audio: Audio
    words: tuple[str, ...]
    starts: tuple[float, ...]


def clips() -> Iterator[Clip]:
    """All recordings that are here."""
    sample = ready_sample(workflow.root() / "corpus")
    truth = json.loads(sample.truth.read_text(encoding="utf-8"))["words"]
    words, starts = zip(*((w["text"], w["start"]) for w in truth), strict=True)
    yield Clip("sample", read(sample.audio), words, starts)
    for group in ("mfa", "wavelet"):
        for grid in sorted((SHARED / group).glob("*.TextGrid")):
            found = from_textgrid(textgrid.read(grid), path=grid).words
            words, starts = zip(*((word.text, word.start) for word in found), strict=True)
            yield Clip(group, read(grid.with_suffix(".wav")), words, starts)


def figures(errors_s: Sequence[np.ndarray]) -> dict[str, float]:
    """Median and mean (ms) of absolute errors, share within 50 ms, and how many."""
    errors = np.abs(np.concatenate(errors_s))
    return {
        "n": len(errors),
        "median_ms": round(1000 * float(np.median(errors)), 1),
        "mean_ms": round(1000 * float(errors.mean()), 1),
        "within_50_ms": round(float((errors <= 0.05).mean()), 3),
    }


def main() -> None:
    """Align everything, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("alignment.json"))
    arguments = parser.parse_args()
    errors: dict[str, list[np.ndarray]] = {}
    even: dict[str, list[np.ndarray]] = {}
    spent: dict[str, list[float]] = {}
    for clip in clips():
        begun = time.perf_counter()
        found = align(clip.audio, clip.words)
        spent.setdefault(clip.group, []).append((time.perf_counter() - begun) / clip.audio.duration)
        starts = np.array(clip.starts)
        errors.setdefault(clip.group, []).append(np.array([w.start for w in found]) - starts)
        spread = np.linspace(0, clip.audio.duration, len(starts), endpoint=False)
        even.setdefault(clip.group, []).append(spread - starts)
    table = {
        group: {"aligned": figures(errors[group]), "spread evenly": figures(even[group]), "rtf": round(np.mean(r), 4)}
        for group, r in spent.items()
    }
    print(f"{'data':9}{'method':15}{'words':>6}{'median':>10}{'mean':>10}{'<= 50 ms':>10}{'rtf':>8}")
    for group, rows in table.items():
        for method in ("aligned", "spread evenly"):
            f = rows[method]
            rtf = f"{rows['rtf']:8.3f}" if method == "aligned" else ""
            numbers = f"{f['n']:6}{f['median_ms']:7.1f} ms{f['mean_ms']:7.1f} ms{100 * f['within_50_ms']:8.1f} %"
            print(f"{group:9}{method:15}{numbers}{rtf}")
    arguments.json.write_text(json.dumps(table, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
