"""Recordings and transcripts in, WAV files out.

Whatever is read becomes mono float samples at one rate (24 kHz unless told otherwise); what was changed on the way
stands in `Audio.notes`. A file that cannot be a recording is a `ProsodyError` in one line; what merely bodes ill is
found by `check`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prosody import files, markers
from prosody.errors import ProsodyError
from prosody.speech import container

if TYPE_CHECKING:
    import soundfile

SAMPLE_RATE = 24_000
LOWEST_RATE = 8_000
_LOUDEST = 2.0  # of full scale: less is overshoot, as of a decoder; more would be cut off where it is written again
SILENT_PEAK = 1e-4  # -80 dB of full scale: below the last bits of a 16-bit file
_BLOCK = 1 << 18  # samples a channel read at once
_CANCELS = 0.03  # power of the mix against the loudest channel's below which the channels cancel each other
_SHORT_BY = 0.02  # share of the promised frames that compressed formats may lack (their count is an estimate)


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

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate


def read(path: str | os.PathLike[str], *, sample_rate: int = SAMPLE_RATE) -> Audio:
    """Read WAV, FLAC, OGG or MP3 at any rate and with any number of channels.

    Channels are averaged, unless they cancel each other: then the loudest is taken. Resampling is soxr's.
    Raises ProsodyError if the file is missing, a folder, empty, in a format that is not read, shorter than its header
    promises, silent, or holds samples that are not numbers.
    """
    path = Path(path)
    digest = files.sha256(path)
    container.refuse_unread(path)
    with _opened(path) as file:
        source_rate, channels = file.samplerate, file.channels
        if source_rate < LOWEST_RATE:
            what = f"has a sample rate of {source_rate:,} Hz"
            raise ProsodyError(path, None, what, f"record at {LOWEST_RATE:,} Hz or more; 24,000 Hz is best")
        notes = []
        samples, cancelled = _mono(file, path, sample_rate)
        if channels > 1:
            count = "stereo" if channels == 2 else f"{channels} channels"
            how = "the channels cancel each other: used the loudest one" if cancelled else "mixed down to mono"
            notes.append(f"{count}: {how}")
    if source_rate != sample_rate:
        above = f"; nothing above {source_rate // 2:,} Hz in it" if source_rate < sample_rate else ""
        notes.append(f"{source_rate:,} Hz: resampled to {sample_rate:,} Hz{above}")
    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    if peak < SILENT_PEAK:
        raise ProsodyError(path, None, "holds only silence", "check the microphone, or export the recording again")
    if peak > _LOUDEST:
        samples = samples / np.float32(peak)
        notes.append(f"up to {peak:,.0f} times full scale: made quieter, to fit")
    return Audio(samples, sample_rate, path, digest, source_rate, channels, tuple(notes))


def read_transcript(path: str | os.PathLike[str], *, repair: bool = False) -> markers.MarkedText:
    """Read a transcript with markers. repair: as for `markers.parse`.

    Raises ProsodyError if the file is missing, empty, not UTF-8 text, holds no words, or breaks the marker grammar
    (with line and column).
    """
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
    import soundfile

    with files.new_path(path, overwrite=overwrite) as temporary:
        try:
            soundfile.write(temporary, samples, sample_rate, subtype="PCM_16", format="WAV")
        except (OSError, soundfile.SoundFileError) as error:
            raise ProsodyError(path, None, f"cannot be written ({error})", "check the folder and the disk") from error


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """The file open for reading; what libsndfile says against it as a ProsodyError."""
    import soundfile

    try:
        with _quiet_decoder(), open(path, "rb") as raw, soundfile.SoundFile(raw) as file:
            yield file
    except (soundfile.SoundFileError, TypeError, OSError) as error:
        what = f"cannot be read as audio ({str(error).split(': ')[-1].rstrip('.')})"
        raise ProsodyError(path, None, what, "export it again as a WAV file") from error


@contextmanager
def _quiet_decoder() -> Iterator[None]:
    """What the MP3 decoder writes to stderr by itself, left out: it also says "error" of files that are well."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _mono(file: soundfile.SoundFile, path: Path, sample_rate: int) -> tuple[np.ndarray, bool]:
    """All samples of `file` in mono at `sample_rate`, and whether the channels cancelled each other.

    Works block by block, so that only the result is ever held whole.
    """
    samples, power, loudness = _mixed(file, path, sample_rate, None)
    loudest = int(np.argmax(loudness))
    if file.channels == 1 or power >= _CANCELS * loudness[loudest]:
        return samples, False
    file.seek(0)
    return _mixed(file, path, sample_rate, loudest)[0], True


def _mixed(
    file: soundfile.SoundFile, path: Path, sample_rate: int, channel: int | None
) -> tuple[np.ndarray, float, np.ndarray]:
    """Samples of one channel, or of the mean of all; their summed power before resampling; each channel's."""
    import soxr

    resampler = soxr.ResampleStream(file.samplerate, sample_rate, 1, dtype="float32")
    same = file.samplerate == sample_rate
    parts: list[np.ndarray] = []
    power, loudness, n_read = 0.0, np.zeros(file.channels), 0
    # not `file.blocks`: where a file ends before its header says, that goes on with whatever is in memory
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
        _refuse_not_finite(block, path, n_read, file.samplerate)
        n_read += len(block)
        mono = block.mean(axis=1) if channel is None else np.ascontiguousarray(block[:, channel])
        power += float(np.square(mono, dtype=np.float64).sum())
        loudness += np.square(block, dtype=np.float64).sum(axis=0)
        parts.append(mono if same else resampler.resample_chunk(mono))
    _refuse_short(path, n_read, file)
    if not same:
        parts.append(resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
    return np.concatenate(parts), power, loudness


def _refuse_not_finite(block: np.ndarray, path: Path, n_before: int, rate: int) -> None:
    finite = np.isfinite(block).all(axis=1)
    if not finite.all():
        at = (n_before + int(np.argmin(finite))) / rate
        what = "holds samples that are not numbers (NaN or infinity)"
        raise ProsodyError(path, f"{at:.3f} s", what, "export the recording again")


def _refuse_short(path: Path, n_read: int, file: soundfile.SoundFile) -> None:
    remedy = "copy or export the recording again"
    if n_read == 0:
        raise ProsodyError(path, None, "holds no samples", remedy)
    promised = file.frames
    if 0 < promised < 1 << 40 and n_read < promised * (1 - _SHORT_BY):
        what = f"promises {promised / file.samplerate:.1f} s of audio and holds {n_read / file.samplerate:.1f} s"
        raise ProsodyError(path, None, what, remedy)
