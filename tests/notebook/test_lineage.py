"""The picture of where a run comes from: what stands where, what is told of it, and that nothing in it is markup."""

from __future__ import annotations

import shutil

import pytest
from made_runs import change, make

from prosody.notebook import plots
from prosody.workflow import lineage_text


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A recording, cut, prepared, trained three times, once of them again."""
    runs = tmp_path / "runs"
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(runs))
    (tmp_path / "talk.wav").write_bytes(b"sound")
    cut = make(runs, "segment", 1, reads=[tmp_path / "talk.wav"])
    ready = make(runs, "prepare", 2, of=[cut])
    trained = [make(runs, "train", 3 + k, of=[ready], state=state) for k, state in enumerate(("ok", "failed", "ok"))]
    change(trained[2], "status", rerun_of=trained[0].name)
    return [cut, ready, *trained]


def draw(folder):
    figure = plots.lineage(lineage_text.of_run(folder))
    return figure, {trace.name: trace for trace in figure.data if trace.name}


def test_stages_stand_from_left_to_right(made):
    _, traces = draw(made[1])
    assert list(traces["source file"].x) == [0]
    assert list(traces["ok"].x) == [1, 2, 3, 3] and list(traces["failed"].x) == [3]
    assert len({*traces["ok"].y[2:], *traces["failed"].y}) == 3
    assert (traces["this run"].x, traces["this run"].y) == ((2,), (traces["ok"].y[1],))
    *again, end = traces["made again"].x
    assert (again[0], again[-1], end) == (3, 3, None) and 3.2 < max(again) < 3.5  # around what stands between


def test_states_differ_by_sign_too(made):
    _, traces = draw(made[1])
    signs = [traces[name].marker.symbol for name in ("ok", "failed", "source file")]
    assert len(set(signs)) == 3


def test_other_bytes_are_dashed_and_told(made, tmp_path):
    assert "read, other bytes now" not in draw(made[1])[1]
    (tmp_path / "talk.wav").write_bytes(b"another")
    figure, traces = draw(made[1])
    assert traces["read, other bytes now"].line.dash == "dash"
    assert any("talk.wav: was read as" in text for trace in figure.data for text in trace.hovertext or ())


def test_a_run_that_is_gone_and_a_circle(made):
    shutil.rmtree(made[0])
    change(made[1], "upstream", train=made[2].name)
    figure, traces = draw(made[1])
    assert "gone" in traces and "circle" in figure.layout.title.text
    change(made[1], "upstream", prepare=made[1].name)  # of itself
    draw(made[1])


def test_parameters_are_told_as_text(made):
    change(made[1], "params", question="<img src=x onerror=alert(1)>", **{f"p{k}": k for k in range(20)})
    (hover,) = [text for text in draw(made[1])[1]["ok"].hovertext if "question" in text]
    assert "&lt;img" in hover and "<img" not in hover and "more parameters" in hover


def test_a_damaged_record_is_drawn(made):
    (made[1] / "status.json").write_text("{")
    (hover,) = draw(made[0])[1]["unknown"].hovertext
    assert "damaged: status.json" in hover
