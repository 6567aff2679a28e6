"""The sound behind a dataset: the recordings that it was cut from or, where these are not at hand, its own segments.

The segments, each put where it was, with the background of their quietest moment between them, are as good for
measuring: what was left out between them is silence, or holds no words. Silence that is quieter than the recording's
own would not do: in noise other pauses would be found. Only what lies beyond a segment's edges cannot be cut from them.
"""

from __future__ import annotations

import os
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody import files
from prosody.dataset import Dataset
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    import numpy as np

    from prosody.speech.audio import Audio

_QUIET_S = 0.1
_REMEDY = "name the folder that was given to `corpus`"


@dataclass(frozen=True)
class Source:
    """A recording of a dataset. start, end: its time in the dataset's, s. read: gives its sound.

    is_whole: it is the recording itself, not put together of segments.
    """

    name: str
    start: float
    end: float
    is_whole: bool
    read: Callable[[], Audio]


def of_recording(audio: Audio) -> list[Source]:
    """The one recording of a dataset."""
    return [Source(audio.path.name, 0.0, audio.duration, True, lambda: audio)]


def of_folder(data: Dataset, folder: str | os.PathLike[str]) -> list[Source]:
    """The recordings of a dataset of several, anywhere below a folder; links are followed, as `corpus` does.

    Raises ProsodyError if one of them is not there, or is another than when the dataset was made.
    """
    from prosody.speech.audio import read
    from prosody.speech.corpus.recordings import AUDIO, folders

    folder, rate = Path(folder), data.info["sample_rate"]
    there: dict[str, list[Path]] = {}
    for path in (here / name for here, names in folders(folder, set(), []) for name in names):
        if path.suffix.lower() in AUDIO and path.is_file():
            there.setdefault(unicodedata.normalize("NFC", path.stem), []).append(path)
    found = []
    for told in data.info["sources"]:
        candidates = there.get(told["name"].rpartition("/")[2], [])
        if not candidates:
            raise ProsodyError(folder, None, f"does not hold the dataset's recording {told['name']}", _REMEDY)
        path = next((one for one in candidates if files.sha256(one) == told["sha256"]), None)
        if path is None:
            what = f"is not the dataset's recording {told['name']}, or has changed since"
            raise ProsodyError(candidates[0], None, what, _REMEDY)
        start = told["start"]
        sound = _later(read, path, sample_rate=rate)
        found.append(Source(told["name"], start, start + told["duration"], True, sound))
    return found


def of_corpus(data: Dataset) -> list[Source] | None:
    """The recordings of a dataset that lies where `corpus` put it; None unless all of them are as they were."""
    from prosody.speech.corpus.contents import INDEX

    out = data.folder.resolve().parent.parent  # of a folder at the top of a disk: that top
    try:
        index = files.read_json(out / INDEX)
        return of_folder(data, out / index["folder"])
    except (ProsodyError, KeyError, TypeError, OSError):
        return None


def of_segments(data: Dataset) -> list[Source]:
    """Every recording of a dataset, put together of its segments."""
    end = max((segment.end for segment in data.segments), default=0.0)
    told = data.info.get("sources") or [{"name": data.info["source_file"], "start": 0.0, "duration": end}]
    spans = [(one["name"], one["start"], one["start"] + one["duration"]) for one in told]
    return [Source(*span, False, _later(_joined, data, *span[1:])) for span in spans]


def owner(sources: Sequence[Source], time_s: float) -> int:
    """The number of the recording in which a time of the dataset lies."""
    return max(0, bisect_right([one.start for one in sources], time_s) - 1)


def _later(function: Callable[..., Audio], *arguments: Any, **options: Any) -> Callable[[], Audio]:
    return lambda: function(*arguments, **options)


def _joined(data: Dataset, start: float, end: float) -> Audio:
    """The segments of a stretch of the dataset, each at its time, background between."""
    import numpy as np

    from prosody.speech.audio import Audio, read

    rate = data.info["sample_rate"]
    samples = np.zeros(round((end - start) * rate), dtype=np.float32)
    is_known = np.zeros(len(samples), dtype=bool)
    for segment in data.segments:
        if start <= (segment.start + segment.end) / 2 < end:
            at = max(0, round((segment.start - start) * rate))
            sound = read(data.folder / segment.audio_file, sample_rate=rate).samples[: len(samples) - at]
            samples[at : at + len(sound)] = sound
            is_known[at : at + len(sound)] = True
    samples[~is_known] = np.resize(_background(samples, is_known, rate), np.count_nonzero(~is_known))
    return Audio(samples, rate, data.folder, "", rate, 1)


def _background(samples: np.ndarray, is_known: np.ndarray, rate: int) -> np.ndarray:
    """The quietest 0.1 s that is known, forth and back, so that it can be repeated."""
    import numpy as np

    from prosody.speech.energy import coarser, energy_db

    energy = coarser(energy_db(samples, rate), to_s=_QUIET_S)
    edges = np.minimum(np.round(np.arange(len(energy) + 1) * _QUIET_S * rate).astype(int), len(samples))
    whole = [k for k in range(len(energy)) if edges[k] < edges[k + 1] and is_known[edges[k] : edges[k + 1]].all()]
    if not whole:
        return np.zeros(1, dtype=samples.dtype)
    quietest = min(whole, key=lambda k: energy[k])
    piece = samples[edges[quietest] : edges[quietest + 1]]
    return np.concatenate([piece, piece[::-1]])
