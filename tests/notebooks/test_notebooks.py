"""The four notebooks, run by papermill one after the other on a short corpus, as `make demo` runs them."""

from __future__ import annotations

import json
import os
import wave
from pathlib import Path

import pytest
from lm_data import write_babbler

from prosody import dataset, markers
from prosody.errors import ProsodyError
from prosody.sample.build import write_sample
from prosody.speech.align import SUPPORTED
from prosody.speech.detect import DetectParameters
from prosody.speech.thresholds import of_dataset
from prosody.workflow import parameters, record, runner
from prosody.workflow.demo import run_all
from prosody.workflow.notebooks import NOTEBOOKS, notebook_of
from prosody.workflow.progress import Progress

ANSWERS = 4  # about a minute


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of runs, with one run of each stage in it, made from a one-minute corpus and a tiny base model."""
    folder = tmp_path_factory.mktemp("demo")
    sample = write_sample(folder / "corpus", answers=ANSWERS)
    babbler = write_babbler(folder / "base", words=(" I", " walk", " here", "."))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROSODY_RUNS_DIR", str(folder / "runs"))
        patch.delenv("PROSODY_RUN_DIR", raising=False)
        patch.setenv("OMP_NUM_THREADS", "1")  # a tiny model gains nothing from more, on a machine that may be shared
        run_all(
            {
                "audio": str(sample.audio),
                "transcript": str(sample.transcript),
                "base_model": str(babbler),
                "epochs": 2,
                "val_share": 0.2,
                "question": "What do you walk for?",
                "points": '["I walk here"]',
                "max_words": 20,
            }
        )
        yield folder / "runs"


@pytest.fixture(scope="module")
def stages(runs) -> dict[str, record.Run]:
    return {name: record.find(runs, name) for name in record.STAGES}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_run_is_ok_and_its_record_whole(stages, name):
    run = stages[name]
    assert run.state == "ok"
    assert run.status["how"] == "headless"
    for entry in json.loads((run.folder / "outputs.json").read_text(encoding="utf-8")):
        assert (run.folder / entry["path"]).stat().st_size == entry["bytes"]
    executed = json.loads((run.folder / "notebook.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in executed["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code)
    assert str(record.root()) not in (run.folder / "notebook.ipynb").read_text(encoding="utf-8")
    assert (run.folder / "notebook.ipynb").stat().st_size < 2e6


@pytest.mark.parametrize(("stage", "before"), record.UPSTREAM.items())
def test_each_stage_names_the_run_it_was_made_from(stages, stage, before):
    upstream = json.loads((stages[stage].folder / "upstream.json").read_text(encoding="utf-8"))
    assert upstream[before] == stages[before].id


def test_segment_keeps_every_word(stages):
    run = stages["segment"]
    assert {"seconds_audio", "segments", "words_in", "words_out", "unsupported_words"} <= set(run.metrics)
    assert run.metrics["words_in"] == run.metrics["words_out"] > 100
    inputs = json.loads((run.folder / "inputs.json").read_text(encoding="utf-8"))
    assert {os.path.basename(entry["path"]) for entry in inputs} == {"sample_audio.wav", "sample_transcript.txt"}


def test_prepare_writes_a_dataset_with_what_was_written(stages):
    run = stages["prepare"]
    data = dataset.load(run.artifacts / "dataset")
    assert run.metrics["examples"] == len(data.segments) == run.metrics["train"] + run.metrics["val"]
    assert [s.split for s in data.segments] == ["train"] * run.metrics["train"] + ["val"] * run.metrics["val"]
    text = (Path(run.folder).parents[2] / "corpus" / "sample_transcript.txt").read_text(encoding="utf-8")
    counts = markers.counts(markers.parse(text))
    assert run.metrics["markers"] == counts
    assert run.metrics["markers_from"] == data.info["markers_from"] == "transcript"
    assert set(run.metrics["agreement"]) == set(run.metrics["heard"]) == set(markers.TOKENS)
    for token, row in run.metrics["agreement"].items():
        assert {"precision", "recall", "f1", "kappa"} <= set(row)
        assert row["supported"] + row["not_heard"] == counts[token]
        assert row["supported"] + row["not_written"] == run.metrics["heard"][token]
    for segment in data.segments:
        with wave.open(str(data.folder / segment.audio_file)) as file:
            assert file.getnframes() / file.getframerate() == pytest.approx(segment.duration, abs=0.01)


def test_prepare_keeps_how_sure_words_are_and_the_thresholds(stages):
    run = stages["prepare"]
    data = dataset.load(run.artifacts / "dataset")
    sure = [word.confidence for segment in data.segments for word in segment.words]
    assert all(0 <= one <= 1 for one in sure)
    assert run.metrics["unsupported_words"] == stages["segment"].metrics["unsupported_words"]
    assert run.metrics["unsupported_words"] == sum(one < SUPPORTED for one in sure)
    assert data.info["parameters"]["prepare"]["detect"] == vars(DetectParameters())
    assert "Words with little support in the sound: " in (run.folder / "log.txt").read_text(encoding="utf-8")


def test_another_choice_of_markers_is_refused_before_a_run_begins(tmp_path, monkeypatch):
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path))
    monkeypatch.delenv("PROSODY_RUN_DIR", raising=False)
    cells = json.loads(notebook_of("prepare").read_text(encoding="utf-8"))["cells"]
    defaults, first = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"][:2]
    names = {}
    exec(defaults, names)
    assert names["markers"] == "transcript"
    with pytest.raises(ProsodyError, match="transcript, audio, or both"):
        exec(first, names | {"markers": "heard"})
    assert not list(tmp_path.iterdir())


def test_train_learns_and_leaves_an_adapter(stages):
    run = stages["train"]
    wanted = "loss_val loss_val_untuned f1 macro_f1 macro_f1_baselines steps tokens_per_s seconds seconds_estimated"
    assert {*wanted.split(), "peak_memory_mb", "trainable_parameters", "adapter_bytes"} <= set(run.metrics)
    # this base sees no difference between words: no more to learn than the speaker's rates, from which training starts
    assert run.metrics["loss_val"] == pytest.approx(run.metrics["loss_val_untuned"], rel=0.3)
    names = {path.name for path in (run.artifacts / "janus_prosody_lora").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "README.md"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    assert list((run.folder / "tb").rglob("*tfevents*"))
    log = (run.folder / "log.txt").read_text(encoding="utf-8")
    assert "Step 1 | Loss " in log
    assert " tok/s | " in log


def test_generate_speaks_a_marked_answer(stages):
    run = stages["generate"]
    assert run.metrics["answers"] == 1
    assert run.metrics["words_changed"] == 0
    assert {"points_covered", "survival", "seconds_to_first_sound"} <= set(run.metrics)
    (told,) = json.loads((run.artifacts / "answers.json").read_text(encoding="utf-8"))
    assert markers.strip(told["marked"]).split() == told["plain"].split()
    with wave.open(str(run.artifacts / told["audio_file"])) as file:
        assert file.getframerate() == 24_000
        assert file.getnframes() / 24_000 > told["words"][-1]["end"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_notebook_is_written_as_the_house_asks(name):
    path = notebook_of(name)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    known = parameters.of_notebook(path)
    assert all(p.annotation and p.comment for p in known)
    assert [p.default for p in known if p.name == "interactive"] == [True]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    to_read = [cell for cell in code if "parameters" not in cell["metadata"].get("tags", [])]
    assert len(to_read) == len(code) - 1  # parameters are a line each, however many there are
    assert all(len("".join(cell["source"]).splitlines()) <= 20 for cell in to_read)
    assert len(cells) - len(code) >= len(code) - 1  # prose between the code, nearly everywhere


def test_an_earlier_run_stays_as_it_was_when_a_later_one_fails(runs, stages, tmp_path):
    before = {path: path.read_bytes() for path in stages["segment"].folder.rglob("*") if path.is_file()}
    bad = tmp_path / "bad.wav"
    bad.write_text("this is no sound")
    with pytest.raises(runner.RunFailed) as caught:
        runner.run_notebook(
            notebook_of("segment"), {"audio": str(bad), "transcript": str(bad)}, progress=Progress(quiet=True)
        )
    assert caught.value.code == 2
    assert "bad.wav" in str(caught.value)
    assert {path: path.read_bytes() for path in before} == before
    assert record.find(runs, "segment").id == stages["segment"].id


def test_prepare_hears_with_the_thresholds_of_a_file(runs, stages, tmp_path, monkeypatch):
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(runs))
    monkeypatch.delenv("PROSODY_RUN_DIR", raising=False)
    path = tmp_path / "mine.json"
    path.write_text('{"pause_long_s": 59.0}')
    runner.run_notebook(notebook_of("prepare"), {"thresholds": str(path)}, progress=Progress(quiet=True))
    run = record.find(runs, "prepare")
    assert run.id != stages["prepare"].id
    assert run.metrics["heard"]["<pause_long>"] == 0 < stages["prepare"].metrics["heard"]["<pause_long>"]
    data = dataset.load(run.artifacts / "dataset")
    assert of_dataset(data) == DetectParameters(pause_long_s=59.0)
    inputs = json.loads((run.folder / "inputs.json").read_text(encoding="utf-8"))
    assert "mine.json" in {os.path.basename(entry["path"]) for entry in inputs}
    path.write_text('{"pause_longg_s": 59.0}')
    with pytest.raises(runner.RunFailed, match="did you mean 'pause_long_s'"):
        runner.run_notebook(notebook_of("prepare"), {"thresholds": str(path)}, progress=Progress(quiet=True))
