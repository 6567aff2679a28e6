"""Marked text → speech in which the markers can be heard, with the true time of every word.

An engine (`prosody.voice.engines`) renders the text; the result is levelled (`level`) and, if asked for, written as a
WAV with the words' times beside it.
"""

from __future__ import annotations

import os
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prosody import files, markers
from prosody.dataset import Word
from prosody.errors import ProsodyError
from prosody.markers import MarkedText, MarkedWord
from prosody.voice import engines, level
from prosody.voice.engines import Measured, Progress, Target
from prosody.voice.parameters import SpeakParameters

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Spoken:
    """Speech with the truth about it.

    samples: float32 mono [n] in -1..1. words: true times (s), in the order of the text; a word without sound
    (a lone dash) has start == end. targets: what was asked of each word. final_pause_s: silence asked for at the end.
    voice: engine and voice. notes: one line for each thing worth telling (a word that was left silent, a marker that
    the engine can only approximate).
    """

    samples: np.ndarray
    sample_rate: int
    words: tuple[Word, ...]
    targets: tuple[Target, ...]
    final_pause_s: float
    seed: int
    voice: str
    notes: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    def as_json(self, audio_file: str) -> dict[str, Any]:
        """The words with their times (s), as `speak --json` tells them; audio_file: where the sound is said to lie."""
        words = [
            {"text": w.text, "start": round(w.start, 4), "end": round(w.end, 4), "markers": list(w.markers)}
            for w in self.words
        ]
        return {"audio_file": audio_file, "duration": round(self.duration, 3), "words": words}


def speak(
    marked: str | MarkedText,
    *,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    engine: str = "hibari",
    plain: bool = False,
    parameters: SpeakParameters | None = None,
    shape: Sequence[Measured] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Spoken:
    """Speak marked text; with `out`, also write it there as a 16-bit WAV, and the words' times beside (`words_path`).

    engine: one of `engines.NAMES`. plain: leave the markers unspoken. shape: of each word, how it is to sound where no
    marker says it (see `engines.Engine`). progress: called with (sentences done, sentences in all).
    With hibari, the same text, parameters and seed give the same samples; espeak promises that only of the lengths of
    the pauses.
    Raises ProsodyError if the text is not well marked or holds no words, if a word cannot be read aloud, if there is
    no such engine or it is not installed, if the seed is negative, if `shape` is of another number of words, or, before
    any work, if one of the two files exists and `overwrite` is false or cannot be written.
    """
    parameters = parameters or SpeakParameters()
    if seed < 0:
        raise ProsodyError(None, "seed", f"is {seed}", "give a whole number from 0")
    module = engines.get(engine)
    text = markers.parse(marked) if isinstance(marked, str) else marked
    if not text.words:
        raise ProsodyError(None, "text", "there are no words in it", "give at least one word to speak")
    if plain:
        text = MarkedText(tuple(MarkedWord(word.text, (), word.line, word.column) for word in text.words))
    if shape is not None and len(shape) != len(text.words):
        what = f"tells of {len(shape)} words, but the text has {len(text.words)}"
        raise ProsodyError(None, "shape", what, "give one entry a word")
    if out is not None:
        check_out(out, overwrite=overwrite)
    found = module.render(text, parameters=parameters, seed=seed, shape=shape, progress=progress)
    rate = module.SAMPLE_RATE
    loudness = {"loudness_lufs": parameters.loudness_lufs, "true_peak_dbtp": parameters.true_peak_dbtp}
    samples = level.normalise(found.samples, rate, **loudness)
    spoken = Spoken(samples, rate, found.words, found.targets, found.final_pause_s, seed, module.VOICE, found.notes)
    if out is not None:
        write(out, spoken, overwrite=overwrite)
    return spoken


def words_path(out: str | os.PathLike[str]) -> Path:
    """Where the times of the words lie that are spoken into `out`: `answer.words.json` beside `answer.wav`.

    Not `answer.json`, which is where people send what the commands print.
    """
    path = Path(out)
    return path.parent / f"{path.stem}.words.json"


def check_out(out: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Raise the ProsodyError that `write` would raise, as far as can be told without writing anything."""
    for path in (out, words_path(out)):
        files.check_new(path, overwrite=overwrite)


def write(out: str | os.PathLike[str], spoken: Spoken, *, overwrite: bool = False) -> None:
    """Write speech as a WAV and the words' times beside it: both or neither, and what was there stays if it fails.

    Raises ProsodyError as `files.new_paths` does.
    """
    with files.new_paths((out, words_path(out)), overwrite=overwrite) as (sound, words):
        _fill_wav(sound, out, spoken.samples, spoken.sample_rate)
        with files.telling(words_path(out)):
            words.write_bytes(files.json_bytes(spoken.as_json(Path(out).name)))


def write_wav(path: str | os.PathLike[str], samples: np.ndarray, sample_rate: int, *, overwrite: bool = False) -> None:
    """Write mono samples (-1..1) as a 16-bit WAV, whole or not at all. Raises ProsodyError as `files.new_path` does."""
    with files.new_path(path, overwrite=overwrite) as temporary:
        _fill_wav(temporary, path, samples, sample_rate)


def _fill_wav(temporary: Path, path: str | os.PathLike[str], samples: np.ndarray, sample_rate: int) -> None:
    """Write the WAV `temporary`, which is to become `path`."""
    try:
        with open(temporary, "wb") as file, wave.open(file, "wb") as sink:
            sink.setnchannels(1)
            sink.setsampwidth(2)
            sink.setframerate(sample_rate)
            for start in range(0, len(samples), _BLOCK):
                block = np.clip(samples[start : start + _BLOCK], -1.0, 1.0)
                sink.writeframes(np.round(block * 32767).astype("<i2").tobytes())
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        raise ProsodyError(path, None, what, "check the folder and the disk") from error
