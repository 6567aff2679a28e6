"""A recording read block by block, in mono and at its own rate: however long it is, little of it is held at once.

What cannot be a recording is refused here, in one line, whichever way it is read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from prosody import files
from prosody.errors import ProsodyError
from prosody.speech import container

if TYPE_CHECKING:
    import soundfile

LOWEST_RATE = 8_000
SILENT_PEAK = 1e-4  # -80 dB of full scale: below the last bits of a 16-bit file
_BLOCK = 1 << 18  # samples a channel read at once
_CANCELS = 0.03  # power of the mix against the loudest channel's below which the channels cancel each other
_DEAD = 1e-4  # power of all other channels against the loudest below which they hold nothing
_SHORT_BY = 0.02  # share of the promised frames that compressed formats may lack (their count is an estimate)
_LONGEST_PROMISE = 1 << 40  # frames; more is what a streaming program writes for "not known"
_SIDE_S = 0.1  # grid on which two channels are compared
_SIDE_DB = 12.0  # a channel this much above the other is alone in holding the sound ...
_SIDE_SHARE = 0.1  # ... and where each is so for this share of the sounding time, they hold different voices
_SOUNDING_DB = -35.0
_CUT_OFF = 0.999  # of a channel's highest level: where this many samples in a row are above it, a peak was cut off
_CUT_OFF_RUN = 3

Progress = Callable[[float], None]
Made = TypeVar("Made")


@dataclass(frozen=True)
class Told:
    """What is to be told of a recording that was read: of its channels, and how many of its peaks are cut off."""

    channels: str | None
    clipped: int


@dataclass
class Levels:
    """What the channels of a recording hold, summed up while it is read.

    mix, channels [shape=(n_channels,)]: summed power of the mean of all channels, and of each. peak: of the mix.
    sides [each shape=(n, n_channels)]: power of each channel every 0.1 s or so. flat: highest level of a channel in a
    block, and how often it stays there for some samples.
    """

    n_channels: int
    mix: float = 0.0
    peak: float = 0.0
    channels: np.ndarray = field(init=False)
    sides: list[np.ndarray] = field(default_factory=list)
    flat: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.channels = np.zeros(self.n_channels)

    def add(self, block: np.ndarray, mono: np.ndarray, sample_rate: int) -> None:
        """Count in a block [shape=(n, n_channels)] and its mix [shape=(n,)]."""
        self.peak = max(self.peak, float(mono.max()), -float(mono.min()))
        self.flat += [flat_peaks(channel) for channel in block.T]
        if self.n_channels == 1:
            return
        self.mix += float(np.square(mono, dtype=np.float64).sum())
        edges = np.arange(0, len(block), round(_SIDE_S * sample_rate))
        self.sides.append(np.add.reduceat(np.square(block, dtype=np.float64), edges))
        self.channels += self.sides[-1].sum(axis=0)

    def choice(self) -> tuple[int | None, str | None]:
        """The channel that must be used alone (None: the mean of all), and what is to be told of the channels."""
        if self.n_channels == 1:
            return None, None
        count = "stereo" if self.n_channels == 2 else f"{self.n_channels} channels"
        loudest = int(np.argmax(self.channels))
        most = self.channels[loudest]
        if self.channels.sum() - most < _DEAD * most:
            return loudest, f"{count}: only one of them holds sound: used that one"
        if self.mix < _CANCELS * most:
            return loudest, f"{count}: the channels cancel each other: used the loudest one"
        if self.n_channels == 2 and self._two_voices():
            told = (
                "each channel holds what the other does not, as of two speakers; give one channel to hear one of them"
            )
            return None, f"{count}: mixed down to mono, but {told}"
        return None, f"{count}: mixed down to mono"

    def clipped(self) -> int:
        """Places where peaks are cut off at the highest level of the recording."""
        highest = max(level for level, _ in self.flat)
        return sum(n for level, n in self.flat if level >= _CUT_OFF * highest)

    def _two_voices(self) -> bool:
        """Whether each of two channels is often far louder than the other."""
        sides = np.concatenate(self.sides)
        loudest = sides.max(axis=1)
        sounding = sides[loudest > np.percentile(loudest, 99) * 10 ** (_SOUNDING_DB / 10)]
        ratio = 10 ** (_SIDE_DB / 10)
        left, right = (sounding > ratio * sounding[:, ::-1]).mean(axis=0) if len(sounding) else (0.0, 0.0)
        return min(left, right) >= _SIDE_SHARE


def flat_peaks(samples: np.ndarray) -> tuple[float, int]:
    """The highest level [0..] in `samples` [shape=(n,)], and how often they stay at it for three in a row."""
    top, bottom = float(samples.max()), float(samples.min())
    level = max(top, -bottom)
    n = 0
    for extreme, beyond in ((top, samples >= _CUT_OFF * level), (-bottom, samples <= -_CUT_OFF * level)):
        if extreme < _CUT_OFF * level or level <= 0:
            continue
        at = np.flatnonzero(beyond)
        ends = np.flatnonzero(np.diff(at, append=at[-1] + 2) > 1)
        n += int((np.diff(ends, prepend=-1) >= _CUT_OFF_RUN).sum())
    return level, n


@contextmanager
def opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """A recording open for reading.

    Raises ProsodyError if the file is missing, a folder, empty, in a format that is not read, cut short, or of too low
    a sample rate.
    """
    import soundfile

    with files.telling(path):
        container.refuse_unread(path)
        raw = open(path, "rb")  # noqa: SIM115 - closed right below
    with raw:
        with _decoding(path):
            file = soundfile.SoundFile(raw)
        try:
            if file.samplerate < LOWEST_RATE:
                what = f"has a sample rate of {file.samplerate:,} Hz"
                raise ProsodyError(path, None, what, f"record at {LOWEST_RATE:,} Hz or more; 24,000 Hz is best")
            yield file
        finally:
            with _decoding(path):
                file.close()


def promised_frames(file: soundfile.SoundFile) -> int | None:
    """How many frames the header tells of; None if it does not know."""
    return file.frames if 0 < file.frames < _LONGEST_PROMISE else None


def in_mono(
    file: soundfile.SoundFile,
    path: Path,
    work: Callable[[Iterator[np.ndarray]], Made],
    progress: Progress | None = None,
) -> tuple[Made, Told]:
    """What `work` makes of all blocks of an open recording, and what is to be told of it.

    work: called with blocks [each shape=(n,)] of float32, the mean of all channels. Where these turn out to cancel each
    other, or all but one hold nothing, `work` is called again, with the blocks of the loudest. progress: called with
    the share that is done. Raises ProsodyError if the recording is shorter than its header promises, silent, or holds
    samples that are not numbers.
    """
    levels = Levels(file.channels)
    made = work(_mixed(file, path, levels, None, progress))
    channel, note = levels.choice()
    told = Told(note, levels.clipped())
    if channel is not None:
        del made
        with _decoding(path):
            file.seek(0)
        levels = Levels(1)
        made = work(_mixed(file, path, levels, channel, progress))
    if levels.peak < SILENT_PEAK:
        raise ProsodyError(path, None, "holds only silence", "check the microphone, or export the recording again")
    return made, told


def _mixed(
    file: soundfile.SoundFile, path: Path, levels: Levels, channel: int | None, progress: Progress | None
) -> Iterator[np.ndarray]:
    """Blocks of one channel, or of the mean of all; counted into `levels`."""
    promised, n_read = promised_frames(file), 0
    while len(block := _next(file, path)):
        _refuse_not_finite(block, path, n_read, file.samplerate)
        n_read += len(block)
        if channel is None:
            mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        else:
            mono = np.ascontiguousarray(block[:, channel])
        levels.add(block, mono, file.samplerate)
        yield mono
        if progress and promised:
            progress(min(n_read / promised, 1.0))
    _refuse_short(path, n_read, promised, file.samplerate)


def _next(file: soundfile.SoundFile, path: Path) -> np.ndarray:
    # not `file.blocks`: where a file ends before its header says, that goes on with whatever is in memory
    with _decoding(path):
        return file.read(_BLOCK, dtype="float32", always_2d=True)


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """What libsndfile says against the file told as a ProsodyError."""
    import soundfile

    try:
        with _quiet_decoder():
            yield
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


def _refuse_not_finite(block: np.ndarray, path: Path, n_before: int, rate: int) -> None:
    if np.isfinite(block.sum(dtype=np.float64)):  # one number tells; only then look for the place
        return
    finite = np.isfinite(block).all(axis=1)
    at = (n_before + int(np.argmin(finite))) / rate
    what = "holds samples that are not numbers (NaN or infinity)"
    raise ProsodyError(path, f"{at:.3f} s", what, "export the recording again")


def _refuse_short(path: Path, n_read: int, promised: int | None, rate: int) -> None:
    remedy = "copy or export the recording again"
    if n_read == 0:
        raise ProsodyError(path, None, "holds no samples", remedy)
    if promised and n_read < promised * (1 - _SHORT_BY):
        what = f"promises {promised / rate:.1f} s of audio and holds {n_read / rate:.1f} s"
        raise ProsodyError(path, None, what, remedy)
