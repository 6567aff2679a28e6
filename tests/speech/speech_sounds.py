"""Sounds made for the tests of `prosody.speech`, and readers of the real recordings."""

import re

import numpy as np


def tone(seconds, *, rate=24_000, hz=220.0, level=0.5):
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def silence(seconds, *, rate=24_000):
    return np.zeros(round(seconds * rate), dtype=np.float32)


def noise(seconds, *, rate=24_000, level=0.001, seed=0):
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * rate))).astype(np.float32)


def harmonic(f0_hz, *, rate=24_000, level=0.3, n_harmonics=12):
    """A buzz [n] that follows `f0_hz` [n], like a voice without formants."""
    phase = 2 * np.pi * np.cumsum(f0_hz) / rate
    wave = sum(np.sin(k * phase) / k for k in range(1, n_harmonics + 1))
    return (level * wave / np.abs(wave).max()).astype(np.float32)


def text_grid(path):
    """Tiers of a Praat TextGrid, long or short: name → [(start_s, end_s, label), ...]."""
    text = path.read_text(encoding="utf-8")
    values = [
        quoted if not number else float(number)
        for quoted, number in re.findall(r'"((?:[^"]|"")*)"|(?<![\w\[])(-?\d+\.?\d*)(?=\s|$)', text)
    ]
    tiers = {}
    for at in [i for i, value in enumerate(values) if value == "IntervalTier"]:
        name, (_, _, count), rest = values[at + 1], values[at + 2 : at + 5], values[at + 5 :]
        tiers[name] = [tuple(rest[3 * i : 3 * i + 3]) for i in range(int(count))]
    return tiers


def librivox(shared, gap_s=0.6):
    """The five read utterances joined into one recording (16 kHz), and their words."""
    import soundfile

    lines = (shared / "librivox" / "transcription").read_text(encoding="utf-8").splitlines()
    parts, words = [], []
    for line in lines:
        text, name = re.fullmatch(r"<s> (.*) </s> \((.*)\)", line.strip()).groups()
        samples, rate = soundfile.read(shared / "librivox" / f"{name}.wav", dtype="float32")
        parts += [samples - samples.mean(), silence(gap_s, rate=rate)]
        words += text.split()
    return np.concatenate(parts), rate, words
