"""Made-up datasets to review in a browser: a voice that hums words at their times, as large and as odd as asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from prosody import dataset
from prosody.dataset import Segment, Word, text_of

RATE = 16_000
WORD_S, STEP_S = 0.3, 0.4
PROFILE = {"f0_median_hz": 140.0, "f0_spread_st": 2.0}

CODE = """
import sys
from pathlib import Path
sys.path.append("BROWSER_TESTS")
from prosody import dataset
from prosody.notebook.review import review
from prosody.speech import sources
from prosody.workflow import reviews
from review_data import tracks_of
data = dataset.load(Path("FOLDER"), audio=False)
under_review = reviews.begin(data, sounds=sources.of_segments(data), by="REVIEWER")
review(under_review, tracks=tracks_of(data))
"""


def code(folder: Path, *, by: str = "ann") -> str:
    """What a cell says that opens the review of a dataset."""
    here = Path(__file__).parent.as_posix()
    return CODE.replace("BROWSER_TESTS", here).replace("FOLDER", folder.as_posix()).replace("REVIEWER", by)


def write(folder: Path, texts: Sequence[Sequence[str]]) -> None:
    """A dataset with a segment for each list of words; in the first word of each an emphasis is heard, least surely in
    the first segment.

    Each word takes 0.3 s, 0.4 s with the gap behind it; a second of silence parts two segments.
    """
    (folder / "segments").mkdir(parents=True)
    segments, at = [], 0.0
    for k, words_of in enumerate(texts):
        supported = 0.5 + 0.4 * k / len(texts)  # the nearer to 0.5, the more doubtful
        words = []
        for n, text in enumerate(words_of):
            heard = {"<emph>": supported if n == 0 else 0.1, "<pitch_high>": 0.2}
            measured = {"pause_before_s": 0.1, "f0_level_st": 1.0, "f0_level_z": 0.5, "prominence": 6.0}
            start = at + 0.1 + n * STEP_S
            words.append(Word(text, start, start + WORD_S, (), measured, heard, 0.9))
        end = words[-1].end + 0.1
        name = f"segments/segment_{k + 1:03d}.wav"
        segments.append(Segment(name, text_of(words), end - at, at, end, "train", tuple(words)))
        soundfile.write(folder / name, _hum(words, at, end), RATE)
        at = end + 1.0
    info = {
        "source_file": "talk.wav",
        "source_sha256": "0" * 64,
        "sample_rate": RATE,
        "profile": PROFILE,
        "parameters": {},
    }
    dataset.save(folder, segments, info)


def _hum(words: Sequence[Word], start: float, end: float) -> np.ndarray:
    times = start + np.arange(round((end - start) * RATE)) / RATE
    said = np.zeros(len(times), dtype=np.float32)
    for k, word in enumerate(words):
        inside = slice(round((word.start - start) * RATE), round((word.end - start) * RATE))
        hz = 130 + 20 * (k % 3)
        said[inside] = 0.3 * np.hanning(inside.stop - inside.start) * np.sin(2 * np.pi * hz * times[inside])
    return said


def tracks_of(data: dataset.Dataset):
    """f0 as it was hummed, so that none has to be followed."""
    from prosody.speech.measure import Tracks

    times = np.arange(0, data.segments[-1].end, 0.016)
    f0_hz = np.full(len(times), np.nan)
    for segment in data.segments:
        for k, word in enumerate(segment.words):
            f0_hz[slice(*np.searchsorted(times, (word.start, word.end)))] = 130 + 20 * (k % 3)
    return Tracks(times, f0_hz, np.zeros(1), 0.01, -35.0)
