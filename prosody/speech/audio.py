"""Recordings and transcripts in, WAV and FLAC files out.

Whatever is read becomes mono float samples at one rate (24 kHz unless told otherwise); what was changed on the way
stands in `Audio.notes`. A file that cannot be a recording is a `ProsodyError` in one line; what merely bodes ill is
found by `check`.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prosody import files, markers
from prosody.errors import ProsodyError
from prosody.speech.blocks import in_mono, opened, promised_frames

if TYPE_CHECKING:
    import soundfile

SAMPLE_RATE = 24_000
_LOUDEST = 2.0  # of full scale: less is overshoot, as of a decoder; more would be cut off where it is written again
_UNTOLD = 1 << 20  # samples to make room for where a file does not tell how many it holds
BYTES_A_SAMPLE = 8  # what hearing a recording takes: the samples, a copy at 16 kHz, and tracks of them


@dataclass(frozen=True, eq=False)
class Audio:
    """A recording.

    samples [shape=(n,)]: float32, mono, at `sample_rate` Hz. sha256: of the file's bytes. source_rate, channels: as in
    the file. notes: what was changed on reading, a line each.
    """

    samples: np.ndarray
    sample_rate: int
    path: Path
    sha256: str
    source_rate: int
    channels: int
    notes: tuple[str, ...] = ()
    clipped: int | None = None

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate


def read(path: str | os.PathLike[str], *, sample_rate: int = SAMPLE_RATE) -> Audio:
    """Read WAV, FLAC, OGG or MP3 at any rate and with any number of channels.

    Channels are averaged, unless they cancel each other or all but one are dead: then the loudest is taken. Resampling
    is soxr's. Raises ProsodyError if the file is missing, a folder, empty, in a format that is not read, shorter than
    its header promises, silent, too long for the memory that is free, or holds samples that are not numbers.
    """
    path = Path(path)
    with opened(path) as file:
        digest = files.sha256(path)
        source_rate, channels = file.samplerate, file.channels
        _refuse_no_room(path, file, sample_rate)
        samples, told = in_mono(file, path, partial(_gathered, file, sample_rate))
    notes = [told.channels] if told.channels else []
    if source_rate != sample_rate:
        above = f"; nothing above {source_rate // 2:,} Hz in it" if source_rate < sample_rate else ""
        notes.append(f"{source_rate:,} Hz: resampled to {sample_rate:,} Hz{above}")
    peak = max(float(samples.max()), -float(samples.min()))
    if peak > _LOUDEST:
        samples /= np.float32(peak)
        notes.append(f"up to {peak:,.0f} times full scale: made quieter, to fit")
    return Audio(samples, sample_rate, path, digest, source_rate, channels, tuple(notes), told.clipped)


def read_transcript(path: str | os.PathLike[str], *, repair: bool = False) -> markers.MarkedText:
    """Read a transcript with markers: a text, or a TextGrid, whose times are not used. repair: as for `markers.parse`.

    Raises ProsodyError if the file is missing, empty, not UTF-8 text, holds no words, or breaks the marker grammar
    (with line and column, or tier and interval).
    """
    if Path(path).suffix.lower() == ".textgrid":
        from prosody.interchange import textgrid, tiers

        return tiers.from_textgrid(textgrid.read(path), path=path).marked
    text = files.read_text(path)
    remedy = "write the words of the recording into it, with their markers"
    if not text.strip():
        raise ProsodyError(path, None, "is empty", remedy)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ProsodyError(path, f"line {line}", "holds a null character: this is no text", "save it as UTF-8 text")
    marked = markers.parse(text, path=path, repair=repair)
    if not marked.words:
        raise ProsodyError(path, None, "holds no words", remedy)
    return marked


def write_wav(path: str | os.PathLike[str], samples: np.ndarray, sample_rate: int, *, overwrite: bool = False) -> None:
    """Write `samples` [shape=(n,)], -1..1, as a 16-bit mono WAV file, all of it or nothing.

    Raises ProsodyError if the file exists and `overwrite` is false, or cannot be written.
    """
    files.write_bytes(path, _encoded(samples, sample_rate, "WAV"), overwrite=overwrite)


def write_flac(path: str | os.PathLike[str], samples: np.ndarray, sample_rate: int, *, overwrite: bool = False) -> None:
    """As `write_wav`, a FLAC file: smaller, and the same samples."""
    files.write_bytes(path, _encoded(samples, sample_rate, "FLAC"), overwrite=overwrite)


def _encoded(samples: np.ndarray, sample_rate: int, format: str) -> bytes:
    """The bytes of a 16-bit file; libsndfile itself would not tell why a disk takes no more."""
    import soundfile

    whole = io.BytesIO()
    soundfile.write(whole, samples, sample_rate, subtype="PCM_16", format=format)
    return whole.getvalue()


def _gathered(file: soundfile.SoundFile, sample_rate: int, blocks: Iterator[np.ndarray]) -> np.ndarray:
    """Blocks joined at `sample_rate`. Only the result is ever held whole, and that once."""
    promised = promised_frames(file)
    expected = 0 if promised is None else math.ceil(promised * sample_rate / file.samplerate)
    samples, n = np.empty(expected or _UNTOLD, dtype=np.float32), 0
    for piece in blocks if file.samplerate == sample_rate else _resampled(blocks, file.samplerate, sample_rate):
        if n + len(piece) > len(samples):
            samples.resize(max(n + len(piece), len(samples) * 9 // 8), refcheck=False)
        samples[n : n + len(piece)] = piece
        n += len(piece)
    samples.resize(n, refcheck=False)
    return samples


def _resampled(blocks: Iterator[np.ndarray], rate: int, to_rate: int) -> Iterator[np.ndarray]:
    import soxr

    resampler = soxr.ResampleStream(rate, to_rate, 1, dtype="float32")
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


def _refuse_no_room(path: Path, file: soundfile.SoundFile, sample_rate: int) -> None:
    """Refuse a recording that would not go into memory, before any of it is read."""
    promised = promised_frames(file)
    if promised is None:
        return
    import psutil

    seconds = promised / file.samplerate
    needed, there = seconds * sample_rate * BYTES_A_SAMPLE, psutil.virtual_memory().available
    if needed > there:
        told = f"is {seconds / 3600:.1f} hours long"
        what = f"{told}: hearing it takes {needed / 1e9:.1f} GB of memory, {there / 1e9:.1f} GB are free"
        raise ProsodyError(path, None, what, "cut it; `python -m prosody pauses` tells where it pauses")
