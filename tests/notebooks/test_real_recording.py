"""01 and 02 on real speech: five read utterances of one speaker, joined into one file with its plain transcription."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from prosody import dataset, markers
from prosody.workflow import record, runner
from prosody.workflow.notebooks import notebook_of
from prosody.workflow.progress import Progress

LIBRIVOX = Path(__file__).resolve().parents[3] / "shared" / "data" / "librivox"
PAUSE_S = 1.2


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    """(WAV, transcript, times at which each utterance's file begins and ends, its number of words)."""
    if not LIBRIVOX.is_dir():
        pytest.skip("../shared/data/librivox, the real recordings, is not there")
    lines = (LIBRIVOX / "transcription").read_text(encoding="utf-8").splitlines()
    said = dict(reversed(re.fullmatch(r"<s> (.*) </s> \((.*)\)", line).groups()) for line in lines)
    parts, truth, at = [], [], 0.0
    folder = tmp_path_factory.mktemp("joined")
    for name, text in said.items():
        samples, rate = soundfile.read(LIBRIVOX / f"{name}.wav", dtype="float32")
        parts += [samples, np.zeros(round(PAUSE_S * rate), dtype=np.float32)]
        truth.append((at, at + len(samples) / rate, len(text.split())))
        at += len(samples) / rate + PAUSE_S
    soundfile.write(folder / "joined.wav", np.concatenate(parts), rate)
    (folder / "joined.txt").write_text("\n".join(said.values()) + "\n", encoding="utf-8")
    return folder / "joined.wav", folder / "joined.txt", truth


@pytest.fixture(scope="module")
def runs(joined, tmp_path_factory):
    """The folder of runs, with 01 and 02 run on the recording."""
    folder = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROSODY_RUNS_DIR", str(folder))
        patch.delenv("PROSODY_RUN_DIR", raising=False)
        patch.setenv("OMP_NUM_THREADS", "1")
        given = {"audio": str(joined[0]), "transcript": str(joined[1])}
        runner.run_notebook(notebook_of("segment"), given, progress=Progress())
        runner.run_notebook(notebook_of("prepare"), {"show_segment": 2}, progress=Progress())
        yield folder


def test_every_word_of_real_speech_is_in_the_utterance_that_says_it(joined, runs):
    _, transcript, truth = joined
    run = record.find(runs, "segment")
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


def test_a_transcript_without_markers_gets_those_that_are_heard(runs):
    run = record.find(runs, "prepare")
    data = dataset.load(run.artifacts / "dataset")
    assert run.metrics["markers_from"] == data.info["markers_from"] == "audio"
    assert run.metrics["agreement"] == run.metrics["supported"] == {}
    assert run.metrics["heard"] == run.metrics["markers"] == data.info["counts"]
    assert data.info["counts"]["<pause_long>"] == len(data.segments) - 1  # at each joint, before the later segment
    assert all(segment.words[0].markers[0] == "<pause_long>" for segment in data.segments[1:])
    assert all(segment.review["status"] == "unreviewed" for segment in data.segments)
    rates = data.info["profile"]["markers_per_100_words"]
    assert rates["<pause_long>"] == pytest.approx(100 * (len(data.segments) - 1) / 71, abs=0.001)
    assert any(rates[marker.token] > 0 for marker in markers.MARKERS if marker.kind == "pitch")
    log = (run.folder / "log.txt").read_text(encoding="utf-8")
    assert log.count("The transcript has no markers") == 1
    assert "nothing to compare with" in (run.folder / "notebook.ipynb").read_text(encoding="utf-8")
