"""A recording heard with its text: when each word is said, how, and which markers the sound supports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from prosody.dataset import Word
from prosody.markers import MarkedText
from prosody.speech.align import align
from prosody.speech.audio import Audio
from prosody.speech.detect import DetectParameters, decide, evidence
from prosody.speech.measure import Tracks, measure, track
from prosody.speech.profile import Profile, profile

_ALIGNING = 0.6  # share of the time


@dataclass(frozen=True)
class Hearing:
    """What is heard in a recording.

    words: with the markers that are written, measurements, evidence, and the confidence that each is said where it was
    placed. heard: the markers that the sound supports before each word.
    """

    words: tuple[Word, ...]
    heard: tuple[tuple[str, ...], ...]
    tracks: Tracks
    profile: Profile


def hear(
    audio: Audio,
    marked: MarkedText,
    *,
    parameters: DetectParameters | None = None,
    progress: Callable[[float], None] | None = None,
) -> Hearing:
    """Align, measure and detect.

    progress: called with the share that is done. Raises ProsodyError as `align` does.
    """
    told = progress or (lambda share: None)
    timed = align(audio, [word.text for word in marked.words], progress=lambda share: told(_ALIGNING * share))
    tracks = track(audio, progress=lambda share: told(_ALIGNING + (1 - _ALIGNING) * share))
    measured = measure(audio, timed, tracks=tracks)
    found = [evidence(one, parameters) for one in measured]
    written = [word.markers for word in marked.words]
    words = tuple(
        replace(word, markers=w, measured=m, evidence=f, confidence=round(word.confidence, 4))
        for word, w, m, f in zip(timed, written, measured, found, strict=True)
    )
    speaker = profile(tracks, measured, written, duration_s=audio.duration)
    return Hearing(words, tuple(decide(f) for f in found), tracks, speaker)
