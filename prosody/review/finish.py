"""What a review makes of a dataset: a new one, its rejected segments left out, what has changed measured again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from prosody.dataset import Dataset, Segment, Word
from prosody.errors import ProsodyError
from prosody.interchange.revise import Revision
from prosody.review.actions import REJECTED
from prosody.review.session import Session
from prosody.speech import revision

if TYPE_CHECKING:
    from prosody.speech.sources import Source


def revision_of(session: Session) -> Revision:
    """The segments as they are now, but for the rejected ones, and what of them is to be cut and measured again.

    A word is measured again if its times or its letters are others, or if the word before it ends elsewhere.
    """
    everything = list(session.segments.values())
    kept = [one for one in everything if one.review["status"] != REJECTED]
    before, first = _ends(session.first.values()), {one.audio_file: one for one in session.first.values()}
    now = _ends(everything)
    flat = [_key(word) for segment in kept for word in segment.words]
    return Revision(
        segments=tuple(kept),
        recut=tuple(one.audio_file for one in kept if _span(first.get(one.audio_file)) != _span(one)),
        stale=tuple(k for k, key in enumerate(flat) if before.get(key) != now[key]),
        changed=sum(one != first.get(one.audio_file) for one in kept),
        left_out=tuple(one.audio_file for one in everything if one.review["status"] == REJECTED),
        moved_cuts=False,
    )


def save(
    folder: str | os.PathLike[str],
    data: Dataset,
    session: Session,
    *,
    sounds: Sequence[Source],
    at: str,
    progress: Callable[[float], None] | None = None,
) -> Dataset:
    """Write the reviewed dataset as a new folder, all of it or nothing. Returns it.

    sounds: the recordings; without a whole one, segments cannot be split or merged. at: when it was finished, as ISO
    8601 has it. Raises ProsodyError if all segments are rejected, if a recording is needed that there is not, and as
    `speech.revision.save` does.
    """
    found = revision_of(session)
    if not found.segments:
        raise ProsodyError(data.folder, None, "has no segment that is not rejected", "accept at least one")
    if found.recut and not all(sound.is_whole for sound in sounds):
        what = f"{len(found.recut)} segments were split or merged, and their recording is not there to cut them from"
        raise ProsodyError(data.folder, None, what, "name the recording, or undo these")
    source: dict[str, Any] = {"review": session.counts, "by": session.by, "at": at}
    return revision.save(folder, data, found, source=source, sounds=sounds, progress=progress)


def _span(segment: Segment | None) -> tuple[float, float] | None:
    return segment and (segment.start, segment.end)


def _ends(segments: Iterable[Segment]) -> dict[tuple[float, float, str], float]:
    """For each word the end (s) of the one before it, 0 for the first."""
    words = [word for segment in segments for word in segment.words]
    return {_key(word): words[k - 1].end if k else 0.0 for k, word in enumerate(words)}


def _key(word: Word) -> tuple[float, float, str]:
    """What a word is known by: its times and its letters."""
    return word.start, word.end, "".join(c for c in word.text.lower() if c.isalnum())
