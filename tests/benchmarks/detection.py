"""Markers heard in the built-in sample as it is and after what recordings go through; prominence against `.prom` files.

    .venv/bin/python tests/benchmarks/detection.py [--json OUT.json] [--plot OUT.html]

The sample (a synthetic voice, whose truth is known for every word) is aligned and detected as recorded, 15 dB quieter,
with white noise 25 dB below it, at 16 kHz, and through MP3 of 64 kbit/s. Prominence is compared with that of the
wavelet method (Suni et al. 2017) on four read clips in ../shared/data, as a rank correlation over words.
Where the package `emphases` (Morrison et al. 2024; trained on listeners' judgements) is installed, its model runs
beside ours, on our word times.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from alignment import SHARED

from prosody import markers, workflow
from prosody.sample.ready import ready_sample
from prosody.speech.audio import Audio, read
from prosody.speech.detect import agreement
from prosody.speech.hear import Hearing, hear
from prosody.speech.prominence import stress

MP3_KBIT_S = 64


def conditions(folder: Path) -> Iterator[tuple[str, Audio]]:
    """The sample as it is, and as it comes out of four things that happen to recordings."""
    import soundfile
    import soxr

    audio = read(ready_sample(workflow.root() / "corpus").audio)
    samples, rate = audio.samples, audio.sample_rate
    yield "as recorded", audio

    def changed(name: str, now: np.ndarray, now_rate: int, **how: Any) -> tuple[str, Audio]:
        path = folder / f"{name.split()[0]}.{'mp3' if how else 'wav'}"
        soundfile.write(path, now, now_rate, **how)
        return name, read(path)

    yield changed("-15 dB", samples * 10 ** (-15 / 20), rate)
    noise = np.random.default_rng(0).standard_normal(len(samples)) * np.sqrt(np.mean(samples**2) / 10**2.5)
    yield changed("25 dB SNR", samples + noise, rate)
    yield changed("16 kHz", soxr.resample(samples, rate, 16_000), 16_000)
    for level in np.linspace(0, 1, 21):  # the library names no bit rate: the first level that gives it
        mp3 = changed("mp3 64 kbit/s", samples, rate, format="MP3", bitrate_mode="CONSTANT", compression_level=level)
        if (folder / "mp3.mp3").stat().st_size * 8 / audio.duration / 1000 < MP3_KBIT_S + 2:
            yield mp3
            return


def detection() -> dict[str, Any]:
    """Condition → marker → F1; and the F1 of marking always, never, and every content word."""
    sample = ready_sample(workflow.root() / "corpus")
    truth = json.loads(sample.truth.read_text(encoding="utf-8"))["words"]
    written = [tuple(word["markers"]) for word in truth]
    marked = markers.parse(sample.transcript.read_text(encoding="utf-8"))
    table: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="prosody-") as folder:
        for name, audio in conditions(Path(folder)):
            table[name] = _f1(written, hear(audio, marked).heard)
    content = [stress(word["text"]) == 1.0 for word in truth]
    for name, chosen in (("always", [True] * len(truth)), ("every content word", content)):
        table[name] = {
            token: _f1(written, [(token,) if c else () for c in chosen])[token] for token in markers.TOKENS
        }  # fmt: skip
    table["never"] = dict.fromkeys(markers.TOKENS, 0.0)
    table["places"] = {token: sum(token in word for word in written) for token in markers.TOKENS}
    return table


def _f1(written: Sequence[Sequence[str]], heard: Sequence[Sequence[str]]) -> dict[str, float]:
    return {token: round(row["f1"], 3) for token, row in agreement(written, heard).items()}


def prominence(plot: Path | None = None) -> dict[str, float] | None:
    """Rank correlation with the wavelet method's prominence: ours, a word's duration alone, the model of `emphases`."""
    from scipy.stats import spearmanr

    texts, theirs, hearings = [], [], []
    for path in sorted((SHARED / "wavelet").glob("*.prom")):
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        audio = read(path.with_suffix(".wav"))
        hearings.append((audio, hear(audio, markers.parse(" ".join(row[3] for row in rows)))))
        texts += [row[3] for row in rows]
        theirs += [float(row[4]) for row in rows]
    if not texts:
        return None
    words = [word for _, hearing in hearings for word in hearing.words]
    ours = [word.measured["prominence"] for word in words]
    found = {
        "words": len(words),
        "ours": spearmanr(ours, theirs)[0],
        "word duration alone": spearmanr([word.measured["duration_s"] for word in words], theirs)[0],
        "content words": spearmanr([stress(text) for text in texts], theirs)[0],
    }
    if find_spec("emphases"):
        found["emphases"] = spearmanr(np.concatenate([_emphases(*one) for one in hearings]), theirs)[0]
    if plot:
        _scatter(texts, theirs, ours, plot)
    return {name: value if name == "words" else round(float(value), 3) for name, value in found.items()}


def _scatter(texts: Sequence[str], theirs: Sequence[float], ours: Sequence[float], path: Path) -> None:
    import plotly.graph_objects as go

    figure = go.Figure(go.Scatter(x=theirs, y=ours, text=texts, mode="markers+text", textposition="top center"))
    figure.update_layout(
        title="Prominence of each word", xaxis_title="wavelet method (no unit)", yaxis_title="ours (no unit)"
    )
    figure.write_html(path)


def _emphases(audio: Audio, hearing: Hearing) -> np.ndarray:
    """The scores of the `emphases` model [shape=(n_words,)], from its checkpoint: its own code wants a network.

    Log-mel frames of 10 ms through six convolutions, summed over each word (silences are words, too), six more over
    the words, one output (as in its `model/core.py`, version 0.0.2).
    """
    import librosa
    import soxr
    import torch
    from torch.nn.functional import conv1d, pad

    root = Path(next(iter(find_spec("emphases").submodule_search_locations)))
    weights = torch.load(root / "assets/checkpoints/checkpoint.pt", map_location="cpu", weights_only=False)["model"]
    samples = torch.from_numpy(soxr.resample(audio.samples, audio.sample_rate, 16_000).astype(np.float32))
    padded = pad(pad(samples[None, None], (432, 432)), (432, 432), mode="reflect")[0]
    window = torch.hann_window(1024)
    spectrum = torch.stft(padded, 1024, hop_length=160, window=window, center=False, return_complex=True)[0]
    basis = torch.from_numpy(librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=80))
    mels = torch.log(torch.clamp(basis @ torch.sqrt(spectrum.abs() ** 2 + 1e-6), min=1e-5))[None]

    def layer(x: Any, name: str) -> Any:
        return conv1d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding="same")

    def layers(x: Any, name: str) -> Any:
        for k in range(0, 12, 2):
            x = torch.relu(layer(x, f"{name}.{k}"))
        return x

    frames = layers(layer(mels, "input_layer"), "frame_encoder")
    bounds, numbers, last = [], [], 0
    for word in hearing.words:
        start = int(word.start * 100)
        end = max(int(word.end * 100), start + 1)
        if start > last + 1:
            bounds.append((last, start))
        numbers.append(len(bounds))
        bounds.append((start, end))
        last = end
    summed = torch.stack([frames[0, :, a:b].sum(1) for a, b in bounds], 1)[None]
    return layer(layers(summed, "word_decoder"), "output_layer")[0, 0, numbers].numpy()


def lines(table: dict[str, Any]) -> Iterator[str]:
    """The F1 as text."""
    yield f"{'F1':20}" + "".join(f"{token[1:-1]:>15}" for token in markers.TOKENS)
    for name, row in table.items():
        yield f"{name:20}" + "".join(f"{value:15.3f}" if name != "places" else f"{value:15}" for value in row.values())


def main() -> None:
    """Detect everything, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("detection.json"))
    parser.add_argument("--plot", type=Path, default=Path("prominence.html"))
    arguments = parser.parse_args()
    found = {"detection": detection(), "prominence": prominence(arguments.plot)}
    print("\n".join(lines(found["detection"])))
    print("prominence:", found["prominence"])
    arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
