"""The data check: what can be told of a recording and its transcript before any work is done on them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prosody import markers
from prosody.errors import ProsodyError
from prosody.speech.audio import BYTES_A_SAMPLE, Audio
from prosody.speech.blocks import flat_peaks
from prosody.speech.energy import HOP_S, THRESHOLD_DB, energy_db, noise_floor_db, pause_spans, threshold_above_noise
from prosody.speech.measure import follow_f0

SHORTEST_S = 10.0
SHORT_S = 300.0
LONG_S = 3 * 3600.0
SHARE_OF_TIME = 0.035  # what aligning, measuring and detecting take on two cores of a laptop
LONG_SILENCE_S = 30.0
SHORTEST_SOUND_S = 0.5
LOW_RATE = 16_000
QUIET_PEAK_DB = -30.0
CLIPPED_LEVEL = 0.985  # share of full scale, for sound that was not read from a file
CLIPPED_PEAKS = 3  # one or two may be flat by themselves
WORDS_A_MINUTE = (60.0, 300.0)
LETTERS_A_SECOND = (4.0, 24.0)  # of sound, not counting silence; usual English speech has 12 to 18 ...
USUAL_LETTERS_A_SECOND = 15.0  # ... and this in the middle
FEW_MARKERS = 30
VOICED_SHARE = 0.5  # of the sound; clear voices have f0 in 0.6 to 0.8 of it
VOICE_PIECES, VOICE_PIECE_S = 6, 10.0  # f0 is followed in a minute of a long recording


@dataclass(frozen=True)
class Finding:
    """One line of the check. level: "ok", "warning" or "error"."""

    level: str
    topic: str
    message: str


@dataclass(frozen=True)
class DataCheck:
    """What was found, in the order it was looked for."""

    findings: tuple[Finding, ...]

    @property
    def level(self) -> str:
        """The worst level of all findings."""
        return max((finding.level for finding in self.findings), key=("ok", "warning", "error").index, default="ok")

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Those for which no work should be begun."""
        return tuple(finding for finding in self.findings if finding.level == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Those that bode ill for the outcome."""
        return tuple(finding for finding in self.findings if finding.level == "warning")

    def lines(self) -> list[str]:
        """The check as text, one line a finding."""
        return [f"{finding.level:7s}  {finding.topic}: {finding.message}" for finding in self.findings]

    def require(self, path: str | os.PathLike[str] | None = None) -> None:
        """Raise ProsodyError with the first error, if there is one."""
        for finding in self.errors:
            raise ProsodyError(path, finding.topic, finding.message, None)


def check(audio: Audio, marked: markers.MarkedText) -> DataCheck:
    """Look a recording and its transcript over before they are worked on.

    Topics: format, length, level, clipping, noise, voice (but in silence), silence (where it is long), transcript,
    markers.
    """
    energy = energy_db(audio.samples, audio.sample_rate, hop_s=HOP_S)
    return DataCheck(
        (
            _format(audio),
            _length(audio),
            *_level(audio),
            _noise(energy),
            *_voice(audio, energy),
            *_silence(energy),
            _transcript(audio, marked, energy),
            *_markers(marked),
        )
    )


def _format(audio: Audio) -> Finding:
    said = "; ".join(audio.notes) or f"{audio.source_rate:,} Hz, mono"
    if audio.source_rate < LOW_RATE:
        return Finding("warning", "format", f"{said}: words and pitch are found less surely in so dull a recording")
    return Finding("ok", "format", said)


def _length(audio: Audio) -> Finding:
    told = _spoken_time(audio.duration)
    if audio.duration < SHORTEST_S:
        return Finding("error", "length", f"{told} is too short: give at least {SHORTEST_S:.0f} s, better 10 minutes")
    if audio.duration < SHORT_S:
        return Finding("warning", "length", f"{told} is little to learn from: 10 minutes or more are better")
    if audio.duration >= LONG_S:
        memory_gb = len(audio.samples) * BYTES_A_SAMPLE / 1e9
        takes = f"{audio.duration * SHARE_OF_TIME / 60:.0f} minutes and {memory_gb:.1f} GB"
        what = f"{told}: hearing it takes about {takes} of memory; `python -m prosody pauses` tells where it can be cut"
        return Finding("warning", "length", what)
    return Finding("ok", "length", told)


def _spoken_time(seconds: float) -> str:
    hours, minutes = divmod(int(seconds // 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds % 60:04.1f} s"


def _silence(energy: np.ndarray) -> Iterator[Finding]:
    """The longest silence, if nobody pauses for so long."""
    threshold = threshold_above_noise(energy)
    silences = pause_spans(energy, hop_s=HOP_S, threshold_db=threshold, min_pause_s=LONG_SILENCE_S)
    if silences:
        longest = max(silences, key=lambda span: span.duration)
        at = f"{int(longest.start // 60)}:{longest.start % 60:04.1f}"
        what = f"nothing is said for {_spoken_time(longest.duration)} from {at} on: cut it out if something is missing"
        yield Finding("warning", "silence", what)


def _level(audio: Audio) -> Iterator[Finding]:
    peak = max(float(audio.samples.max()), -float(audio.samples.min()))
    if audio.clipped is not None:  # counted in the file's own samples: resampling rounds off what was flat
        clipped = audio.clipped
    else:
        clipped = flat_peaks(audio.samples)[1] if peak >= CLIPPED_LEVEL else 0
    peak_db = 20 * np.log10(max(peak, 1e-9))
    level = "warning" if peak_db < QUIET_PEAK_DB else "ok"
    remedy = ": very quiet, so that noise weighs more; record closer to the microphone" if level == "warning" else ""
    yield Finding(level, "level", f"peak {peak_db:.1f} dB of full scale{remedy}")
    if clipped >= CLIPPED_PEAKS:
        yield Finding("warning", "clipping", f"{clipped:,} places where the peaks are cut off; lower the input level")
    else:
        yield Finding("ok", "clipping", "none")


def _noise(energy: np.ndarray) -> Finding:
    floor = noise_floor_db(energy)
    told = f"{-floor:.0f} dB below the peak"
    if floor > THRESHOLD_DB:
        return Finding("warning", "noise", f"{told}: short pauses may drown in it; record in a quieter room")
    return Finding("ok", "noise", told)


def _voice(audio: Audio, energy: np.ndarray) -> Iterator[Finding]:
    """How much of the sound has f0, told from pieces spread over the recording."""
    threshold = threshold_above_noise(energy)
    last = max(audio.duration - VOICE_PIECE_S, 0.0)
    n_pieces = min(VOICE_PIECES, int(np.ceil(audio.duration / VOICE_PIECE_S)))
    voiced, sounding = 0, 0
    for begin in np.linspace(0.0, last, n_pieces):
        first = round(begin * audio.sample_rate)
        piece = audio.samples[first : first + round(VOICE_PIECE_S * audio.sample_rate)]
        times, f0_hz = follow_f0(piece, audio.sample_rate)
        frames = ((times + begin) / HOP_S).astype(int).clip(0, len(energy) - 1)
        loud = energy[frames] >= threshold
        sounding += int(loud.sum())
        voiced += int(np.isfinite(f0_hz[loud]).sum())
    if not sounding:
        return
    told = f"{100 * voiced / sounding:.0f} % of the sound has f0"
    if voiced < VOICED_SHARE * sounding:
        what = "whispered, creaky or noisy; no pitch marker can be heard on words without it"
        yield Finding("warning", "voice", f"{told}: {what}")
    else:
        yield Finding("ok", "voice", told)


def _transcript(audio: Audio, marked: markers.MarkedText, energy: np.ndarray) -> Finding:
    """Whether so many words can be in so much sound."""
    n_words = len(marked.words)
    if not n_words:
        return Finding("error", "transcript", "there are no words in it")
    n_letters = sum(character.isalnum() for word in marked.words for character in word.text)
    threshold = threshold_above_noise(energy)
    sound_s = max(float((energy >= threshold).sum()) * HOP_S, HOP_S)
    a_minute, a_second = n_words / audio.duration * 60, n_letters / sound_s
    told = f"{n_words:,} words, {a_minute:.0f} a minute"
    if sound_s < SHORTEST_SOUND_S and audio.duration >= SHORTEST_S:
        what = f"only {sound_s:.2f} s of the recording are not far quieter than its loudest place"
        return Finding("error", "transcript", f"{what}: cut out the knocks, or export it again")
    if a_second > LETTERS_A_SECOND[1]:
        times = a_second / USUAL_LETTERS_A_SECOND
        what = f"{told}: about {times:.1f} times too long for the audio; give the words of this recording only"
        return Finding("error", "transcript", what)
    if a_second < LETTERS_A_SECOND[0]:
        return Finding("error", "transcript", f"{told}: far too short for the audio; give all of its words")
    if not WORDS_A_MINUTE[0] <= a_minute <= WORDS_A_MINUTE[1]:
        usual = f"{WORDS_A_MINUTE[0]:.0f} to {WORDS_A_MINUTE[1]:.0f}"
        return Finding("warning", "transcript", f"{told}, where {usual} are usual: is it of this recording?")
    return Finding("ok", "transcript", told)


def _markers(marked: markers.MarkedText) -> Iterator[Finding]:
    counts = markers.counts(marked)
    if not any(counts.values()):
        yield Finding("ok", "markers", "none in the transcript: 02_prepare takes them from what is heard in the audio")
        return
    few = {token: count for token, count in counts.items() if count < FEW_MARKERS}
    if few:
        told = ", ".join(f"{token} {count}" for token, count in few.items())
        yield Finding("warning", "markers", f"under {FEW_MARKERS} of {told}: what is rare is learned less surely")
    else:
        yield Finding("ok", "markers", ", ".join(f"{token} {count}" for token, count in counts.items()))
