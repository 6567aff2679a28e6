"""How well speech is aligned, measured and heard, and at what cost: one table, each figure beside its bar and baseline.

    .venv/bin/python tests/benchmarks/speech.py [--json OUT.json] [--plot OUT.html] [--hours 2]

The parts run alone too: `alignment.py`, `detection.py`, `long_file.py` say how each is measured. Times want a quiet
machine. What lies in ../shared/data, and other tools to compare with, are left out where they are not there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import alignment
import detection
import long_file

MARKER_BAR, HARD_BAR = 0.95, 0.90


def rows(found: dict[str, Any]) -> Iterator[tuple[str, str, str, str, bool]]:
    """Figure, value, bar, trivial baseline, whether the bar is met."""
    for group, mean_bar, share_bar in (("sample", 20, 0.95), ("mfa", 22, 0.0), ("wavelet", 22, 0.0)):
        if group in found["word_start"]:
            ours, even = (found["word_start"][group][name] for name in ("aligned", "spread evenly"))
            share = f" / {100 * share_bar:.0f} %" if share_bar else ""
            yield (
                f"word start, {group} ({ours['n']} words): mean / share <= 50 ms",
                f"{ours['mean_ms']:.1f} ms / {100 * ours['within_50_ms']:.1f} %",
                f"{mean_bar} ms{share}",
                f"{even['mean_ms']:.0f} ms / {100 * even['within_50_ms']:.1f} % spread evenly",
                ours["mean_ms"] <= mean_bar and ours["within_50_ms"] >= share_bar,
            )
    table = found["detection"]
    baseline = ", ".join(f"{name} {max(table[name].values()):.2f}" for name in ("always", "every content word"))
    for name in ("as recorded", "-15 dB", "25 dB SNR", "16 kHz", "mp3 64 kbit/s"):
        bar = MARKER_BAR if name == "as recorded" else HARD_BAR
        worst = min(table[name], key=lambda token: table[name][token])
        least = table[name][worst]
        yield (
            f"F1 of the worst marker, {name}",
            f"{least:.3f} ({worst})",
            f"{bar:.2f}",
            f"best of {baseline}",
            least >= bar,
        )
    if found["prominence"]:
        p = found["prominence"]
        peer = f", emphases {p['emphases']:.3f}" if "emphases" in p else ""
        yield (
            f"prominence, wavelet ({p['words']} words): Spearman",
            f"{p['ours']:.3f}",
            "0.75",
            f"word class {p['content words']:.3f}, duration {p['word duration alone']:.3f}{peer}",
            p["ours"] >= 0.75,
        )
    if found["pauses"]:
        p = found["pauses"]
        yield (
            f"pauses, mfa ({p['pauses']}): F1 / edges",
            f"{p['f1']:.3f} / {p['edges_median_ms']:.0f} ms",
            "0.95 / 30 ms",
            f"{p['f1_every_gap']:.3f} every gap; ours, {p['f1_decided']:.3f} without gaps of 0.15-0.25 s",
            p["f1"] >= 0.95 and p["edges_median_ms"] <= 30,
        )
    yield from _costs(found["cost"])


def _costs(cost: dict[str, Any]) -> Iterator[tuple[str, str, str, str, bool]]:
    figures, met, files = cost["figures"], cost["met"], cost["long_file"]
    yield (
        f"{cost['hear']['audio_s'] / 60:.0f} minutes heard: RTF / memory",
        f"{figures['hear_rtf']:.3f} / {figures['hear_rss_mb']:.0f} MB",
        "0.05 / 700 MB",
        "",
        met["hear_rtf"] and met["hear_rss_mb"],
    )
    read_s = files["reading"]["seconds"]
    peers = {name: row for name, row in files.items() if name not in ("reading", "segmenting")}
    told = ", ".join(
        f"{name} {row}" if isinstance(row, str) else f"{name} {row['seconds'] - read_s:.1f} s"
        for name, row in peers.items()
    )
    yield (
        f"{cost['hours']:g} hours segmented: above reading ({read_s:.1f} s) / memory",
        f"{figures['segmenting_s_above_reading']:.1f} s / {figures['segmenting_rss_mb']:.0f} MB",
        "3 s / 150 MB",
        told,
        met["segmenting_s_above_reading"] and met["segmenting_rss_mb"],
    )


def main() -> None:
    """Measure everything, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("speech.json"))
    parser.add_argument("--plot", type=Path, default=Path("prominence.html"))
    parser.add_argument("--hours", type=float, default=2.0)
    arguments = parser.parse_args()
    found: dict[str, Any] = {
        "cost": long_file.figures(hours=arguments.hours),
        "word_start": alignment.start_errors(),
        "pauses": alignment.pauses() if (alignment.SHARED / "mfa").is_dir() else None,
        "detection": detection.detection(),
        "prominence": detection.prominence(arguments.plot),
    }
    print("\n".join(detection.lines(found["detection"])), end="\n\n")
    print(f"{'figure':72}{'ours':28}{'bar':16}{'met':5}beside it")
    for name, value, bar, beside, is_met in rows(found):
        print(f"{name:72}{value:28}{bar:16}{'yes' if is_met else 'NO':5}{beside}")
    arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
