"""The sound of what is reviewed, from the dataset's own files, each held against its hash.

A segment that was split or merged lies in the files of those that it was made of; between files there is silence.
"""

from __future__ import annotations

import hashlib
import io
import os
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prosody.dataset import Dataset
from prosody.errors import ProsodyError
from prosody.files import sha256

if TYPE_CHECKING:
    import numpy as np

    from prosody.speech.measure import Tracks

_KEPT = 3  # clips: the one shown, the next, the one before
_LONGEST_S = 3600.0
_MOST_FILES = 20_000  # that are looked at to find those that were moved


@dataclass(frozen=True)
class Clip:
    """A stretch of sound.

    samples [shape=(n,)]: mono, -1..1. f0_times [shape=(m,)]: s from its start. f0_hz [shape=(m,)]: NaN where unvoiced.
    """

    samples: np.ndarray
    sample_rate: int
    f0_times: np.ndarray
    f0_hz: np.ndarray


class Sounds:
    """The sound of a dataset.

    tracks: f0 of the whole recording, if it is known; otherwise a clip's f0 is followed when it is asked for.
    """

    def __init__(self, data: Dataset, tracks: Tracks | None = None) -> None:
        self.sample_rate = int(data.info["sample_rate"])  # JSON may say 16000.0
        self._data, self._tracks = data, tracks
        self._starts = [segment.start for segment in data.segments]
        self._ends = [segment.end for segment in data.segments]
        self._sha256: dict[str, str] = data.info.get("audio_sha256", {})
        self._moved: dict[str, Path] = {}
        self._clips: OrderedDict[tuple[float, float], Clip] = OrderedDict()

    def clip(self, start: float, end: float) -> Clip:
        """The sound from `start` to `end` (s in the dataset's time).

        Raises ProsodyError if a file that it lies in is missing or damaged, or is another than when the data were made.
        """
        key = start, end
        if key not in self._clips:
            samples = self._samples(start, end)
            self._clips[key] = Clip(samples, self.sample_rate, *self._f0(samples, start, end))
            while len(self._clips) > _KEPT:
                self._clips.popitem(last=False)
        self._clips.move_to_end(key)
        return self._clips[key]

    def relocate(self, folder: str | os.PathLike[str]) -> tuple[int, int]:
        """Look below a folder for the files that are not where they were; returns how many are found, and how many not.

        A file is the right one by its hash, whatever its name; by its name where the dataset tells no hashes.
        Raises ProsodyError if the folder is none.
        """
        folder = Path(folder)
        with suppress(RuntimeError):  # "~nobody": there is no such home
            folder = folder.expanduser()
        if not os.path.isdir(folder):  # False, too, for a name that is too long
            raise ProsodyError(folder, None, "is no folder", "name the folder where the audio lies now")
        lost = {segment.audio_file: self._sha256.get(segment.audio_file) for segment in self._data.segments}
        lost = {name: known for name, known in lost.items() if not self._is_right(self._path(name), known)}
        for path in _sounds_below(folder) if lost else ():
            try:
                same = sha256(path)
            except ProsodyError:  # it may not be read, or has gone
                continue
            for name in [
                name for name, known in lost.items() if known == same or (not known and Path(name).name == path.name)
            ]:
                self._moved[name] = path
                del lost[name]
        self._clips.clear()
        return len(self._moved), len(lost)

    def _path(self, name: str) -> Path:
        return self._moved.get(name, self._data.folder / name)

    @staticmethod
    def _is_right(path: Path, known: str | None) -> bool:
        return path.is_file() and known in (None, sha256(path))

    def _samples(self, start: float, end: float) -> np.ndarray:
        import numpy as np

        rate = self.sample_rate
        if end - start > _LONGEST_S:
            what = f"lasts {end - start:,.0f} s, too long to be played at once"
            raise ProsodyError(self._data.folder, "the segment", what, "split it")
        samples = np.zeros(max(round((end - start) * rate), 1), dtype=np.float32)
        for k in range(bisect_right(self._ends, start), bisect_left(self._starts, end)):
            sound = self._read(self._data.segments[k].audio_file)
            shift = round((self._starts[k] - start) * rate)
            sound = sound[max(0, -shift) :]
            at = max(0, shift)
            sound = sound[: len(samples) - at]
            samples[at : at + len(sound)] = sound
        return samples

    def _read(self, name: str) -> np.ndarray:
        import soundfile

        path = self._path(name)
        remedy = "name the folder where the audio lies now"
        try:
            if path.exists() and not path.is_file():  # a pipe or a device would be read for ever
                raise ProsodyError(path, None, "is no sound that can be read", remedy)
            data = path.read_bytes()
        except FileNotFoundError:
            raise ProsodyError(path, None, "is not there", remedy) from None
        except OSError as error:
            raise ProsodyError(path, None, f"cannot be read ({error.strerror or error})", remedy) from None
        known = self._sha256.get(name)
        if known and hashlib.sha256(data).hexdigest() != known:
            raise ProsodyError(path, None, "has changed since the dataset was made", remedy)
        try:
            samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            raise ProsodyError(path, None, "is no sound that can be read", remedy) from None
        if rate != self.sample_rate:
            what = f"has {rate:,} samples a second, the dataset {self.sample_rate:,}"
            raise ProsodyError(path, None, what, remedy)
        return samples.mean(axis=1)

    def _f0(self, samples: np.ndarray, start: float, end: float) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        if self._tracks is not None:
            inside = slice(*np.searchsorted(self._tracks.f0_times, (start, end)))
            return self._tracks.f0_times[inside] - start, self._tracks.f0_hz[inside]
        from prosody.speech.measure import follow_f0
        from prosody.speech.octave import without_octave_errors

        times, f0_hz = follow_f0(samples, self.sample_rate)
        return times, without_octave_errors(times, f0_hz)


def _sounds_below(folder: Path) -> list[Path]:
    from prosody.speech.corpus.recordings import AUDIO

    found = []
    for here, _, names in os.walk(folder):
        sounds = (Path(here) / name for name in names if Path(name).suffix.lower() in AUDIO)
        found += [path for path in sounds if path.is_file()]  # a pipe would be read for ever
        if len(found) > _MOST_FILES:
            what = f"holds more than {_MOST_FILES:,} sounds"
            raise ProsodyError(folder, None, what, "name a folder nearer to those of the dataset")
    return sorted(found)
