"""Voicing the built-in corpus: audio, marked transcript, questions, and the truth about every word.

The script's answers are spoken one after the other as one recording, by `prosody.voice`. What was asked of each word
and where it really lies stands in `sample_truth.json`; `check_truth` listens whether the audio does what was asked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from prosody import files, markers
from prosody.errors import ProsodyError
from prosody.sample.script import Answer, read_script, transcript

FORMAT_VERSION = 1
RATE = 0.86  # of the voice's own: about 155 words a minute with the pauses
Progress = Callable[[int, int], None]


class SampleFiles(NamedTuple):
    """The four files of the corpus."""

    audio: Path
    transcript: Path
    truth: Path
    questions: Path


def sample_files(folder: str | Path) -> SampleFiles:
    """Where the corpus lies in a folder."""
    names = ("sample_audio.wav", "sample_transcript.txt", "sample_truth.json", "sample_questions.json")
    return SampleFiles(*(Path(folder) / name for name in names))


def write_sample(
    folder: str | Path,
    *,
    seed: int = 0,
    answers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> SampleFiles:
    """Voice the built-in corpus into `folder`: either all four files are written, or none.

    seed: the same seed gives the same bytes. answers: only the first of them. progress: called with (done, in all),
    in sentences; without it a bar is drawn on a terminal's stderr.
    Raises ProsodyError if one of the files exists and `overwrite` is false, or if there are not so many answers.
    """
    script = _first(read_script(), answers)
    paths = sample_files(folder)
    with ExitStack() as stack:
        new = SampleFiles(*(stack.enter_context(files.new_path(path, overwrite=overwrite)) for path in paths))
        _write(new, script, seed, progress or stack.enter_context(_Bar()))
    return paths


def check_truth(folder: str | Path) -> dict[str, Any]:
    """Whether the audio does what its markers say: see `prosody.sample.check.check_truth`."""
    from prosody.sample import check

    return check.check_truth(sample_files(folder))


def _first(script: Sequence[Answer], answers: int | None) -> Sequence[Answer]:
    if answers is None:
        return script
    if isinstance(answers, bool) or not isinstance(answers, int) or not 1 <= answers <= len(script):
        raise ProsodyError(None, "answers", f"is {answers!r}", f"give a number from 1 to {len(script)}")
    return script[:answers]


def _write(new: SampleFiles, script: Sequence[Answer], seed: int, progress: Progress) -> None:
    """Voice the answers and write the four files under their temporary names."""
    from prosody.voice.parameters import SpeakParameters
    from prosody.voice.speak import speak, write_wav

    text = transcript(script)
    parameters = SpeakParameters(rate=RATE)
    spoken = speak(markers.parse(text), seed=seed, parameters=parameters, progress=progress)
    questions = [{"question": one.question, "points": list(one.points), "text": one.text} for one in script]
    write_wav(new.audio, spoken.samples, spoken.sample_rate)
    files.write_text(new.transcript, text)
    files.write_json(new.truth, _truth(spoken, script, parameters))
    files.write_json(new.questions, questions)


def _truth(spoken: Any, script: Sequence[Answer], parameters: Any) -> dict[str, Any]:
    """What `sample_truth.json` holds."""
    answer_of = [n for n, one in enumerate(script) for _ in markers.parse(one.text).words]
    words = [
        {
            "text": word.text,
            "start": round(word.start, 6),
            "end": round(word.end, 6),
            "markers": list(word.markers),
            "answer": answer,
            "f0_asked_hz": {
                name: None if hz is None else round(hz, 2)
                for name, hz in (
                    ("level", target.f0_level_hz),
                    ("start", target.f0_start_hz),
                    ("end", target.f0_end_hz),
                    ("peak", target.f0_peak_hz),
                )
            },
            "pause_before_asked_s": round(target.pause_before_s, 6),
            "duration_scale": round(target.duration_scale, 6),
            "energy_scale": target.energy_scale,
        }
        for word, target, answer in zip(spoken.words, spoken.targets, answer_of, strict=True)
    ]
    return {
        "format_version": FORMAT_VERSION,
        "voice": spoken.voice,
        "seed": spoken.seed,
        "sample_rate": spoken.sample_rate,
        "duration": round(spoken.duration, 6),
        "answers": len(script),
        "parameters": dataclasses.asdict(parameters),
        "words": words,
        "final_pause_asked_s": round(spoken.final_pause_s, 6),
    }


class _Bar:
    """A progress bar on stderr, drawn only on a terminal."""

    def __enter__(self) -> Progress:
        from tqdm import tqdm

        self._bar = tqdm(unit="sentence", desc="voicing the corpus", disable=None, leave=False)
        return self._show

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def _show(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)
