"""01_segment on real speech: five read utterances of one speaker, joined into one file with its transcription."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from prosody import dataset
from prosody.workflow import record, runner
from prosody.workflow.notebooks import notebook_of
from prosody.workflow.progress import Progress

LIBRIVOX = Path(__file__).resolve().parents[3] / "shared" / "data" / "librivox"
PAUSE_S = 1.2


@pytest.fixture
def joined(tmp_path):
    """(WAV, transcript, times at which each utterance's file begins and ends, its number of words)."""
    if not LIBRIVOX.is_dir():
        pytest.skip("../shared/data/librivox, the real recordings, is not there")
    lines = (LIBRIVOX / "transcription").read_text(encoding="utf-8").splitlines()
    said = dict(reversed(re.fullmatch(r"<s> (.*) </s> \((.*)\)", line).groups()) for line in lines)
    parts, truth, at = [], [], 0.0
    for name, text in said.items():
        samples, rate = soundfile.read(LIBRIVOX / f"{name}.wav", dtype="float32")
        parts += [samples, np.zeros(round(PAUSE_S * rate), dtype=np.float32)]
        truth.append((at, at + len(samples) / rate, len(text.split())))
        at += len(samples) / rate + PAUSE_S
    soundfile.write(tmp_path / "joined.wav", np.concatenate(parts), rate)
    (tmp_path / "joined.txt").write_text("\n".join(said.values()) + "\n", encoding="utf-8")
    return tmp_path / "joined.wav", tmp_path / "joined.txt", truth


def test_every_word_of_real_speech_is_in_the_utterance_that_says_it(joined, tmp_path, monkeypatch):
    audio, transcript, truth = joined
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.delenv("PROSODY_RUN_DIR", raising=False)
    given = {"audio": str(audio), "transcript": str(transcript)}
    runner.run_notebook(notebook_of("segment"), given, progress=Progress())

    run = record.find(tmp_path / "runs", "segment")
    metrics = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    segments = dataset.load(run.artifacts).segments
    words = [word for segment in segments for word in segment.words]
    written = transcript.read_text(encoding="utf-8").split()
    assert [word.text for word in words] == written
    assert metrics["words_in"] == metrics["words_out"] == len(written) == 71
    assert len(segments) >= len(truth)
    assert all(segment.duration <= 15.0 for segment in segments)
    first = 0
    for begin, end, n_words in truth:
        inside = words[first : first + n_words]
        assert begin - 0.05 <= inside[0].start and inside[-1].end <= end + 0.05
        first += n_words
    for segment in segments:
        sound = soundfile.info(run.artifacts / segment.audio_file)
        assert sound.samplerate == 24_000 and abs(sound.duration - segment.duration) < 0.01
