"""Commands about sound: the built-in corpus, checking, aligning, detecting, speaking, listening."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody.commands import bar, print_json, tell
from prosody.commands.text import is_file, marked_text, wav_name
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from prosody.dataset import Word
    from prosody.speech.audio import Audio


def sample(arguments: Namespace) -> None:
    """Write the built-in corpus."""
    from prosody.sample.build import write_sample

    started = time.monotonic()
    folder = Path(arguments.folder)
    files = write_sample(folder, seed=arguments.seed, answers=arguments.answers, overwrite=arguments.overwrite)
    tell(f"written in {time.monotonic() - started:.0f} s")
    for path in files:
        print(path)


def check(arguments: Namespace) -> int:
    """The data check of a recording and its transcript."""
    from prosody.speech.audio import read_transcript
    from prosody.speech.check import check

    marked = read_transcript(arguments.text)
    found = check(_read(arguments.audio), marked)
    print("\n".join(found.lines()))
    found.require(arguments.audio)
    return 0


def pauses(arguments: Namespace) -> None:
    """The segments and the pauses of a recording, told from its energy; it is never in memory whole."""
    from prosody.speech.segment import NOISY_DB, SegmentParameters, energy_of_file, pause_spans, segment_spans

    p = SegmentParameters()
    with bar("listening") as progress:
        energy = energy_of_file(arguments.audio, hop_s=p.hop_s, progress=progress)
    segments = segment_spans(energy, parameters=p)
    threshold = p.threshold_for(energy)
    silences = pause_spans(energy, hop_s=p.hop_s, threshold_db=threshold, min_pause_s=p.inner_pause_s)
    silences = [s for s in silences if segments[0].start <= s.start and s.end <= segments[-1].end]  # speech around it
    if threshold > NOISY_DB:
        why = f"the noise is so loud that silence is what lies below {threshold:.0f} dB"
        tell(f"{why}: pauses may be missed; with a transcript, `prosody detect` finds them between the words")
    token = {True: "<pause_long>", False: "<pause_short>"}
    told = [(span, token[span.duration >= p.split_pause_s]) for span in silences]
    if arguments.json:
        spans = [{**_times(span), "duration": round(span.duration, 4)} for span in segments]
        paused = [{**_times(s), "duration": round(s.duration, 4), "marker": marker} for s, marker in told]
        duration = round(len(energy) * p.hop_s, 2)
        print_json({"audio_file": str(arguments.audio), "duration": duration, "spans": spans, "pauses": paused})
        return
    tell(f"{len(segments):,} segments, {len(silences):,} pauses")
    lines = [*((span, "segment") for span in segments), *told]
    print(
        "\n".join(f"{s.start:9.2f} {s.end:9.2f}  {s.duration:7.2f} s  {name}" for s, name in sorted(lines, key=_start))
    )


def align(arguments: Namespace) -> None:
    """The time of every word."""
    from prosody.speech.align import align

    marked = marked_text(arguments.text)
    audio = _read(arguments.audio)
    with bar("aligning") as progress:
        found = align(audio, [word.text for word in marked.words], progress=progress)
    _tell_unsupported(found)
    if arguments.json:
        print_json({"words": [{"text": w.text, **_times(w), "confidence": round(w.confidence, 4)} for w in found]})
    else:
        print("\n".join(f"{w.start:9.3f} {w.end:9.3f}  {w.text}" for w in found))


def detect(arguments: Namespace) -> None:
    """The markers that the sound supports."""
    from prosody.dataset import text_of
    from prosody.notebook.show import marked_ansi
    from prosody.speech.compare import is_unvoiced, voice_line
    from prosody.speech.hear import hear
    from prosody.speech.thresholds import load_parameters

    parameters = load_parameters(arguments.parameters) if arguments.parameters else None
    marked = marked_text(arguments.text)
    audio = _read(arguments.audio)
    with bar("hearing") as progress:
        hearing = hear(audio, marked, parameters=parameters, progress=progress)
    words = [replace(w, markers=heard) for w, heard in zip(hearing.words, hearing.heard, strict=True)]
    _tell_unsupported(words)
    measured = [w.measured for w in words]
    if is_unvoiced(measured):
        tell(voice_line(measured))
    if arguments.json:
        told = [
            {**word(w), "confidence": w.confidence, "measured": dict(w.measured), "evidence": dict(w.evidence)}
            for w in words
        ]
        print_json({"text": text_of(words), "words": told})
    else:
        print(marked_ansi(text_of(words), color=sys.stdout.isatty()))


def listen(arguments: Namespace) -> int:
    """Which of the written markers are heard, and what they do. Exit code 1 if fewer survive than is asked for."""
    from prosody.commands.survival import least_share, lines
    from prosody.voice.listen import listen, listen_to_spoken, lost

    marked = marked_text(arguments.text)
    least = least_share(arguments.min_survival, marked)
    audio = _read(arguments.audio)
    plain = _read(arguments.against) if arguments.against else None
    with bar("listening") as progress:
        if arguments.engine:
            heard = listen_to_spoken(audio, marked, engine=arguments.engine, seed=arguments.seed, progress=progress)
        else:
            heard = listen(audio, marked, plain=plain, progress=progress)
    if arguments.json:
        print_json(heard)
    else:
        print("\n".join(lines(heard)))
    failed = lost(heard, least) if least is not None else []
    for line in failed:
        tell(f"{arguments.audio}: {line}")
    return 1 if failed else 0


def speak(arguments: Namespace) -> None:
    """Speak marked text into a WAV file, with the words' times beside it."""
    from prosody.voice.speak import speak

    out = wav_name(arguments.out)
    marked = marked_text(arguments.text)
    options = {name: getattr(arguments, name) for name in ("seed", "engine", "plain", "overwrite")}
    try:
        spoken = speak(marked, out=out, **options)
    except ProsodyError as error:
        if error.path is not None:
            raise
        source = {"-": "stdin"}.get(arguments.text, arguments.text if is_file(arguments.text) else None)
        raise ProsodyError(source, error.where, error.what, error.remedy) from None
    for note in spoken.notes:
        tell(note)
    if arguments.json:
        print_json(spoken.as_json(str(arguments.out)))
    else:
        tell(f"{arguments.out}: {spoken.duration:.1f} s, {len(spoken.words)} words")


def _tell_unsupported(words: Sequence[Word]) -> None:
    """Tell how many words the sound hardly supports, and the first of them, if there are any."""
    from prosody.speech.compare import support_lines, unsupported

    for line in support_lines(words) if unsupported(words) else ():
        tell(line)


def _read(path: str) -> Audio:
    from prosody.speech.audio import read

    audio = read(path)
    for note in audio.notes:
        tell(f"{path}: {note}")
    return audio


def _start(line: tuple[Any, str]) -> float:
    return line[0].start


def _times(word: Any) -> dict[str, float]:
    return {"start": round(word.start, 4), "end": round(word.end, 4)}


def word(word: Word) -> dict[str, Any]:
    """A spoken word as JSON."""
    return {"text": word.text, **_times(word), "markers": list(word.markers)}
