"""Word-start errors of the aligner: the built-in sample against its truth, real clips against their TextGrids.

    .venv/bin/python tests/benchmarks/alignment.py [--json OUT.json]

Beside each figure stands the trivial baseline: the words spread evenly over the recording. The real clips (three
spontaneous, disfluent ones in `mfa`, four read ones in `wavelet`) lie in ../shared/data; without it they are left out.
Their times are the Montreal Forced Aligner's or hand-mended ones, not the truth. How far noise alone brings the aligner
off is told by the sample's first three minutes in pink noise, where the truth is known. On `mfa`, and there, the pauses
are compared, too: gaps of 0.2 s and more between two words.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from prosody import workflow
from prosody.dataset import Word
from prosody.interchange import textgrid
from prosody.interchange.tiers import from_textgrid
from prosody.sample.ready import ready_sample
from prosody.speech.align import align
from prosody.speech.audio import Audio, read
from prosody.speech.measure import measure

SHARED = workflow.root().parent / "shared" / "data"
PAUSE_S = 0.2
UNDECIDED_S = 0.05  # a gap this near to 0.2 s may be called a pause or not
NOISES_DB = (15, 8)  # power of the voice above that of the noise
IN_NOISE_S = 180.0


@dataclass(frozen=True)
class Clip:
    """A recording and the known times (s) of its words."""

    group: str
    name: str
    audio: Audio
    words: tuple[Word, ...]


def clips() -> Iterator[Clip]:
    """All recordings that are here."""
    sample = ready_sample(workflow.root() / "corpus")
    truth = json.loads(sample.truth.read_text(encoding="utf-8"))["words"]
    whole = Clip("sample", "sample", read(sample.audio), tuple(Word(w["text"], w["start"], w["end"]) for w in truth))
    yield whole
    for snr_db in NOISES_DB:
        yield in_noise(whole, snr_db)
    for group in ("mfa", "wavelet"):
        for grid in sorted((SHARED / group).glob("*.TextGrid")):
            found = from_textgrid(textgrid.read(grid), path=grid).words
            yield Clip(group, grid.stem, read(grid.with_suffix(".wav")), found)


def in_noise(clip: Clip, snr_db: float) -> Clip:
    """The first three minutes of a recording in pink noise."""
    words = tuple(word for word in clip.words if word.end < IN_NOISE_S)
    samples = clip.audio.samples[: round((words[-1].end + 0.5) * clip.audio.sample_rate)]
    white = np.fft.rfft(np.random.default_rng(1).standard_normal(len(samples)))
    pink = np.fft.irfft(white / np.sqrt(np.arange(len(white)) + 1.0), len(samples))
    pink *= np.sqrt(np.mean(samples**2) / np.mean(pink**2)) * 10 ** (-snr_db / 20)
    name = f"noise {snr_db} dB"
    return Clip(name, name, replace(clip.audio, samples=samples + pink), words)


@cache
def aligned() -> tuple[tuple[Clip, tuple[Word, ...], float], ...]:
    """Each recording, its words as they were aligned, and how long that took against its length."""
    done = []
    for clip in clips():
        begun = time.perf_counter()
        words = align(clip.audio, [word.text for word in clip.words])
        done.append((clip, tuple(words), (time.perf_counter() - begun) / clip.audio.duration))
    return tuple(done)


def start_errors() -> dict[str, Any]:
    """Group → method → median and mean of the absolute errors (ms), share within 50 ms, how many."""
    table: dict[str, Any] = {}
    for group in dict.fromkeys(clip.group for clip, _, _ in aligned()):
        ours, even, spent = [], [], []
        for clip, words, rtf in aligned():
            if clip.group != group:
                continue
            starts = np.array([word.start for word in clip.words])
            ours.append(np.array([word.start for word in words]) - starts)
            even.append(np.linspace(0, clip.audio.duration, len(starts), endpoint=False) - starts)
            spent.append(rtf)
        table[group] = {
            "aligned": _errors(ours), "spread evenly": _errors(even), "rtf": round(float(np.mean(spent)), 4)
        }  # fmt: skip
    return table


def _errors(errors_s: Sequence[np.ndarray]) -> dict[str, float]:
    errors = np.abs(np.concatenate(errors_s))
    return {
        "n": len(errors),
        "median_ms": round(1000 * float(np.median(errors)), 1),
        "mean_ms": round(1000 * float(errors.mean()), 1),
        "within_50_ms": round(float((errors <= 0.0501).mean()), 3),
    }


def pauses(group: str = "mfa") -> dict[str, Any]:
    """Gaps of 0.2 s and more between two words: F1 against the TextGrids', and how far the pauses' edges lie apart.

    f1_decided leaves out gaps within 50 ms of 0.2 s, in the one or the other.
    """
    written, heard, edges = [], [], []
    for clip, words, _ in aligned():
        if clip.group != group:
            continue
        measured = measure(clip.audio, words)
        for k in range(1, len(words)):
            before, after = clip.words[k - 1].end, clip.words[k].start
            written.append(after - before)
            heard.append(measured[k]["pause_before_s"] or 0.0)
            if min(written[-1], heard[-1]) >= PAUSE_S - 1e-6:
                edges += [abs(words[k - 1].end - before), abs(words[k].start - after)]
    ref, hyp = np.array(written), np.array(heard)
    sure = np.minimum(np.abs(ref - PAUSE_S), np.abs(hyp - PAUSE_S)) > UNDECIDED_S
    return {
        "pauses": int((ref >= PAUSE_S - 1e-6).sum()),
        "f1": _f1(ref, hyp),
        "f1_decided": _f1(ref[sure], hyp[sure]),
        "edges_median_ms": round(1000 * float(np.median(edges)), 1),
        "f1_every_gap": _f1(ref, np.ones(len(ref))),
        "f1_no_gap": 0.0,
    }


def _f1(ref: np.ndarray, hyp: np.ndarray) -> float:
    is_ref, is_hyp = ref >= PAUSE_S - 1e-6, hyp >= PAUSE_S - 1e-6
    return round(float(2 * (is_ref & is_hyp).sum() / max(is_ref.sum() + is_hyp.sum(), 1)), 3)


def lines(table: dict[str, Any]) -> Iterator[str]:
    """The word-start errors as text."""
    yield f"{'data':12}{'method':15}{'words':>6}{'median':>10}{'mean':>10}{'<= 50 ms':>10}{'rtf':>8}"
    for group, rows in table.items():
        for method in ("aligned", "spread evenly"):
            f = rows[method]
            rtf = f"{rows['rtf']:8.3f}" if method == "aligned" else ""
            numbers = f"{f['n']:6}{f['median_ms']:7.1f} ms{f['mean_ms']:7.1f} ms{100 * f['within_50_ms']:8.1f} %"
            yield f"{group:12}{method:15}{numbers}{rtf}"


def main() -> None:
    """Align everything, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("alignment.json"))
    arguments = parser.parse_args()
    table = start_errors()
    print("\n".join(lines(table)))
    found: dict[str, Any] = {"word_start": table}
    for group in (*(f"noise {snr_db} dB" for snr_db in NOISES_DB), "mfa"):
        if group in table:
            found.setdefault("pauses", {})[group] = told = pauses(group)
            print(f"pauses, {group}:", ", ".join(f"{name} {value}" for name, value in told.items()))
    arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
