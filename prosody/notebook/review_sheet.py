"""What the page shows of a review, as plain JSON: the segment, its words with evidence for and against, its sound."""

from __future__ import annotations

import html
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prosody import markers
from prosody.dataset import Segment, Word
from prosody.notebook.behind import numbers
from prosody.notebook.show import marked_html, table
from prosody.review import queue
from prosody.review.queue import Place
from prosody.speech.detect import decide

if TYPE_CHECKING:
    import numpy as np
    from IPython.display import HTML

    from prosody.review.panel import Panel
    from prosody.review.session import Session
    from prosody.review.sounds import Clip

_LEAST_RANGE_ST = 6.0  # of f0, to either side of the median
_MOST_RANGE_ST = 24.0


def sheet(panel: Panel, *, agreement: bool = False) -> dict[str, Any]:
    """All that is shown but for the sound. Times of words are seconds from the segment's start.

    agreement: with the table of Cohen's kappa.
    """
    session, segment, progress = panel.session, panel.segment, panel.progress
    counts = session.counts
    found = None
    if agreement:
        pairs, table, n = panel.agreement()
        found = {"pairs": pairs, "rows": [[token, *row] for token, row in table.items()], "n": n}
    return {
        "markers": [
            {name: getattr(marker, name) for name in ("token", "name", "color", "ink", "meaning")}
            for marker in markers.MARKERS
        ],
        "segment": {
            "id": session.at,
            "number": panel.position or "–",
            "file": segment.audio_file.rpartition("/")[2],
            "start": segment.start,
            "duration": segment.end - segment.start,
            "status": segment.review["status"],
            "by": segment.review["by"],
        },
        "words": [_word(word, segment) | {"stale": panel.is_stale(word)} for word in segment.words],
        "word": panel.word,
        "places": [_place(place, segment.words) for place in panel.places],
        "total": len(panel.order),
        "done": progress.done,
        "progress": str(progress),
        "counts": ", ".join(f"{n} {status}" for status, n in counts.items()),
        "filter": vars(panel.filter),
        "least": panel.least,
        "said": panel.said,
        "wrong": panel.wrong,
        "read_only": session.read_only,
        "can_undo": session.can_undo,
        "can_redo": session.can_redo,
        "can_finish": panel.can_finish,
        "agreement": found,
        "written": panel.written,
    }


def _word(word: Word, segment: Segment) -> dict[str, Any]:
    heard = decide(word.evidence)
    return {
        "text": word.text,
        "start": round(word.start - segment.start, 4),
        "end": round(word.end - segment.start, 4),
        "markers": list(word.markers),
        "heard": list(heard),
        "confidence": word.confidence,
        "evidence": {token: [value, numbers(token, word.measured)] for token, value in word.evidence.items()},
    }


def _place(place: Place, words: Sequence[Word]) -> dict[str, Any]:
    """A doubtful place as people read it."""
    text = f"\u2068{words[place.index].text}\u2069"  # isolated: it may run from right to left
    if place.token is None:
        told = (
            f"“{text}” is hardly heard"
            if place.n_words == 1
            else f"{place.n_words} words from “{text}” are hardly heard"
        )
    elif place.written and place.heard:
        told = f"“{text}”: {_name(place.written)} written, {_name(place.heard)} heard"
    elif place.written:
        told = f"“{text}”: {_name(place.written)} written, not heard"
    elif place.heard:
        told = f"“{text}”: {_name(place.heard)} heard, not written"
    else:
        told = f"“{text}”: {_name(place.token)} nearly heard"
    return {"word": place.index, "n_words": place.n_words, "told": told}


def _name(token: str) -> str:
    return markers.BY_TOKEN[token].name


def queue_table(session: Session, *, n: int = 10) -> HTML:
    """The `n` most doubtful segments: where to look in them, and their text."""
    items = queue.ranked(session.segments)[:n]
    rows = []
    for item in items:
        segment = session.segments[item.segment]
        told = "; ".join(_place(place, segment.words)["told"] for place in item.places[:3])
        cells = [
            segment.audio_file.rpartition("/")[2],
            f"{item.doubt:.2f}",
            told or "nothing",
            str(segment.review["status"]),
        ]
        rows.append([*map(html.escape, cells), marked_html(segment.text)])
    return table(["segment", "doubt", "in doubt", "review", "text"], rows)


def f0_of(clip: Clip, speaker: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A clip's f0 for the page: the first frame's time and the step (s), each frame's Hz or None where it is unvoiced.

    speaker: the profile, for the median and the spread; otherwise the clip's own median. None if nothing is voiced.
    """
    import numpy as np

    voiced = clip.f0_hz[np.isfinite(clip.f0_hz)]
    known = _positive(speaker, "f0_median_hz")
    median = known or (float(np.median(voiced)) if len(voiced) else 0.0)
    if not median or len(clip.f0_times) < 2:
        return None
    spread = _positive(speaker, "f0_spread_st")
    return {
        "first": float(clip.f0_times[0]),
        "step": float(np.median(np.diff(clip.f0_times))),
        "hz": [round(float(hz), 1) if np.isfinite(hz) else None for hz in clip.f0_hz],
        "median": median,
        "spread": spread,
        "range": _range(voiced, median, spread),
    }


def _positive(speaker: Mapping[str, Any] | None, name: str) -> float:
    """A number of the profile, whose schema says nothing of what is in it; 0 where it is none above 0."""
    value = (speaker or {}).get(name)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < 1e6 else 0.0


def _range(voiced: np.ndarray, median: float, spread: float) -> list[float]:
    """What is shown of f0, Hz: all but a few stray frames, and always the speaker's usual range."""
    import numpy as np

    st = 12 * np.log2(voiced / median) if len(voiced) else np.zeros(1)
    low, high = np.percentile(st, [2, 98])
    edge = max(_LEAST_RANGE_ST, spread + 1)
    low, high = max(-_MOST_RANGE_ST, min(-edge, low - 1)), min(_MOST_RANGE_ST, max(edge, high + 1))
    return [float(median * 2 ** (low / 12)), float(median * 2 ** (high / 12))]


def wav(samples: np.ndarray, sample_rate: int) -> bytes:
    """Sound as a WAV file of 16 bits with a header of 44 bytes: what a page plays with the least delay.

    samples [shape=(n,)]: mono, -1..1.
    """
    import numpy as np

    data = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    sizes = len(data) + 36, 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16, len(data)
    size, *form, n_bytes = sizes
    head = struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", size, b"WAVEfmt ", *form, b"data", n_bytes)
    return head + data
