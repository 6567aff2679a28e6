"""Which markers a dataset gets: those that are written in the transcript, those that are heard, or both.

What is heard in the gap at a cut stands before the first word of the later segment, as what is written there does.
After the last word nothing is heard: whether the speaker paused or the recording was stopped cannot be told.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from prosody import markers
from prosody.dataset import Segment, text_of, unreviewed
from prosody.errors import ProsodyError

CHOICES = ("transcript", "audio", "both")


def check(choice: str) -> None:
    """Raise ProsodyError if `choice` is not one of `CHOICES`."""
    if choice not in CHOICES:
        raise ProsodyError(None, "markers", f"is {choice!r}", "give transcript, audio, or both")


def settle(choice: str, segments: Sequence[Segment]) -> tuple[str, str | None]:
    """Where the markers come from in the end, and a line to tell if that is not what was chosen.

    A transcript without any markers leaves the audio alone to take them from.
    Raises ProsodyError if `choice` is not one of `CHOICES`.
    """
    check(choice)
    if choice == settled(choice, any(segment.prosody_tokens for segment in segments)):
        return choice, None
    return "audio", "The transcript has no markers: the dataset is marked with what is heard in the audio."


def settled(choice: str, is_marked: bool) -> str:
    """Where the markers come from in the end. is_marked: whether the transcript has any."""
    return choice if is_marked else "audio"


def slot(written: Sequence[str], heard: Sequence[str], source: str) -> tuple[str, ...]:
    """The markers of one slot, in canonical order. With `source` "both", what is written wins over a like kind heard.

    written, heard: tokens. source: one of `CHOICES`.
    """
    if source == "transcript":
        return markers.canonical(written)
    if source == "audio":
        return markers.canonical(heard)
    taken = {markers.BY_TOKEN[token].kind for token in written}
    return markers.canonical((*written, *(token for token in heard if markers.BY_TOKEN[token].kind not in taken)))


def with_markers(segments: Sequence[Segment], heard: Sequence[Sequence[str]], source: str) -> tuple[Segment, ...]:
    """The segments with the markers of `source`; whatever was said in review of a segment that changes is taken back.

    heard: the markers heard before each word, in the order of all words. source: "audio" drops the pause after a
    segment's last word, too; the others keep it.
    Raises ProsodyError if `source` is not one of `CHOICES`, ValueError if `heard` is not one slot a word.
    """
    check(source)
    if len(heard) != sum(len(segment.words) for segment in segments):
        raise ValueError(f"{len(heard)} slots heard, {sum(len(segment.words) for segment in segments)} words")
    following = iter(heard)
    done = []
    for segment in segments:
        words = tuple(
            dataclasses.replace(word, markers=slot(word.markers, next(following), source)) for word in segment.words
        )
        final = None if source == "audio" else markers.parse(segment.text).final
        text = text_of(words, final)
        if text == segment.text:
            done.append(segment)
        else:
            done.append(dataclasses.replace(segment, words=words, text=text, review=unreviewed()))
    return tuple(done)


def counts(slots: Sequence[Sequence[str]]) -> dict[str, int]:
    """How often each of the seven markers stands in `slots`, in wire order, zeros included."""
    return {token: sum(token in one for one in slots) for token in markers.TOKENS}
