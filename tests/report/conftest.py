"""Runs of every stage as they are recorded, small, with figures and sounds; their words can be made hostile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pytest
import soundfile

from prosody.files import write_json, write_text
from prosody.notebook import live, plots
from prosody.workflow import record

LINK = "[read on](javascript:window.evil=1) <a href='javascript:window.evil=1'>here</a>"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of runs, which every part of the package then uses."""
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("PROSODY_SETUP", "off")
    monkeypatch.delenv("PROSODY_RUN_DIR", raising=False)
    return tmp_path / "runs"


@pytest.fixture
def recorded(runs: Path) -> Callable[..., Path]:
    """Record a run; gives its folder. said: text that stands wherever text can. state: None leaves it running."""

    def make(stage: str = "generate", *, said: str = "A quiet day", state: str | None = "ok") -> Path:
        folder = record.start(stage, {"question": said, said: 0.25, "steps": 1200}, runs=runs, how="headless")
        _artifacts(folder, stage, said)
        write_json(folder / "outputs.json", record.described(folder / "artifacts", folder), overwrite=True)
        write_json(folder / "metrics.json", _METRICS[stage] | {said: 3}, overwrite=True)
        (folder / "log.txt").write_text(f"{stage}: {said}\n", encoding="utf-8")
        nbformat.write(_notebook(said), folder / "notebook.ipynb")
        if state is not None:
            error = {"cell": 4, "line": 2, "name": "ValueError", "message": said} if state == "failed" else None
            record.end(folder, state, code=0 if state == "ok" else 1, **({"error": error} if error else {}))
        return folder

    return make


_METRICS = {
    "segment": {"seconds_audio": 9.5, "segments": 3, "words_in": 7, "words_out": 7},
    "prepare": {"examples": 3, "agreement": {"<emph>": {"precision": 0.75, "recall": 0.5}}},
    "train": {
        "loss_val": 0.243, "loss_val_untuned": 1.754, "macro_f1": 0.91, "f1": {"<emph>": 0.87},
        "macro_f1_baselines": {"no_markers": 0.0, "most_frequent_for_word": 0.587}, "steps": 230,
    },
    "generate": {"answers": 1, "points_covered": 1, "survival": {"<emph>": 1.0}},
}  # fmt: skip


def _artifacts(folder: Path, stage: str, said: str) -> None:
    artifacts = folder / "artifacts"
    if stage == "generate":
        _tone(artifacts / "answer_01.wav")
        points = [{"text": said, "covered": True}]
        marked = "I <emph> never said <pitch_rising> that."
        answer = {"question": said, "points": points, "marked": marked, "audio_file": "answer_01.wav"}
        write_json(artifacts / "answers.json", [answer, {"question": "Unparsed", "marked": said, "audio_file": None}])
    elif stage in ("segment", "prepare"):
        data = artifacts / "dataset" if stage == "prepare" else artifacts
        entries = []
        for k in range(3):
            _tone(data / "segments" / f"segment_{k + 1:03d}.wav")
            text = "Oh, <pause_short> I <emph> never."
            entries.append({"audio_file": f"segments/segment_{k + 1:03d}.wav", "text": text, "start": 2.0 * k})
            entries[-1]["end"] = entries[-1]["start"] + 1.0
        write_json(data / "prosody_dataset.json", entries)


def _tone(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 220 * np.arange(24_000) / 24_000), 24_000)


def _notebook(said: str) -> nbformat.NotebookNode:
    """A heading, links, a table, a sound, a figure, a bar, a failure, and `said` in each of them."""
    new = nbformat.v4
    figure = json.loads(plots.loss_curve([(1, 1.5), (2, 1.2)], [(2, 1.3)]).to_json())
    figure["layout"]["title"]["text"] = said
    figure["layout"]["images"] = [{"source": "http://example.invalid/spy.png", "x": 0, "y": 1, "sizex": 1, "sizey": 1}]
    table = f"<table><thead><tr><th>word</th></tr></thead><tbody><tr><td>cell</td></tr></tbody></table>{said}"
    sound = live.player(np.sin(np.arange(12_000) / 20), 24_000, said).data
    data = [{"text/html": table}, {"text/html": sound}, {"application/vnd.plotly.v1+json": figure}]
    outputs = [
        new.new_output("stream", text=f"\x1b[31m{said}\x1b[0m\nReading:  10%|#  \nReading: 100%|###\n"),
        *(new.new_output("display_data", data=each) for each in data),
        new.new_output("error", ename="ValueError", evalue=said, traceback=[said]),
    ]
    cells = [
        new.new_markdown_cell(
            f"# One\n\n{said}\n\n{LINK} and [a page](https://example.org/a)\n\n![{said}](http://x.invalid/p.png)"
        ),
        new.new_code_cell(f"x = {said!r}", metadata={"tags": ["parameters"]}),
        new.new_markdown_cell("### Three after one\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"),
        new.new_code_cell("show()", outputs=outputs),
    ]
    return new.new_notebook(cells=cells)


@pytest.fixture
def write_events() -> Callable[[Path], None]:
    """Write the events of eight steps and one epoch's loss into a run's tb/."""

    def write(folder: Path) -> None:
        from prosody.lm.board import board
        from prosody.lm.loop import Step

        with board(folder / "tb") as events:
            for k in range(1, 9):
                events.step(Step(k, 8, 1, k == 8, 1 / k, None, 1e-3, 60, 50.0, 0.5, 1.0, 2.0))

    return write


@pytest.fixture
def lone_log(runs: Path) -> Path:
    """A folder of a run of which only the log is left."""
    folder = runs / "train" / "20260101T000000Z-abcdef"
    write_text(folder / "log.txt", "Step 1\n")
    return folder
