"""What a run's page tells of where it comes from: both directions, changed bytes, sweeps, damage, hostile names."""

from __future__ import annotations

import hashlib
import json
import re
import shutil

import pytest
from made_runs import change, make

from prosody.report import page
from prosody.report.lineage import lineage_html
from prosody.workflow import contents

SOUND = hashlib.sha256(b"sound").hexdigest()


@pytest.fixture
def made(runs, tmp_path):
    """A recording, cut, prepared, and trained six times by a sweep with its summary; one of them answered."""
    (tmp_path / "talk.wav").write_bytes(b"sound")
    cut = make(runs, "segment", 1, reads=[tmp_path / "talk.wav"])
    ready = make(runs, "prepare", 2, of=[cut])
    points = [(rate, seed) for rate in (0.0005, 0.001) for seed in range(3)]
    given = [{"learning_rate": rate, "seed": seed, "epochs": 4} for rate, seed in points]
    trained = [make(runs, "train", 3 + k, of=[ready], params=one) for k, one in enumerate(given)]
    change(trained[5], "status", status="failed")
    summary = make(runs, "sweep", 10)
    change(summary, "upstream", train=[one.name for one in trained])
    return {"cut": cut, "ready": ready, "trained": trained, "summary": summary}


def items(html: str) -> list[str]:
    """The text of each entry, without what stands below it."""
    return [re.sub(r"<[^>]+>", "", one).strip() for one in re.split(r"<li[^>]*>", html)[1:]]


def test_both_directions_stand_on_the_page_with_what_the_points_of_a_sweep_differ_in(made):
    html = page.make(contents.read(made["ready"])).html.decode("utf-8")
    section = html[html.index('<section id="lineage"') : html.index('<section id="record"')]
    up, down = section.split("<h3>Went into</h3>")
    assert '<a href="#lineage">' in html and "Made from" in up
    assert [made["cut"].name in items(up)[0], "talk.wav" in items(up)[1]] == [True, True]
    assert up.index("<ul>", up.index(made["cut"].name)) < up.index("talk.wav")  # the file stands below the run
    told = items(down)
    trainings = [line for line in told if line.startswith("train")]
    assert [next(k for k in range(6) if made["trained"][k].name in line) for line in trainings] == [*range(6)]
    assert "learning rate 0.0005 · seed 0" in trainings[0] and "learning rate 0.001 · seed 2" in trainings[5]
    assert "epochs" not in down  # in which they do not differ
    assert "failed" in trainings[5] and "as it was" in trainings[0]
    summaries = [line for line in told if line.startswith("sweep")]
    assert len(summaries) == 6 and sum("(see above)" in line for line in summaries) == 5


def test_the_summary_of_a_sweep_is_made_from_its_points(made):
    up = lineage_html(made["summary"]).split("<h3>Went into</h3>")
    assert sum(line.startswith("train") for line in items(up[0])) == 6 and "Nothing so far." in up[1]


def test_changed_bytes_and_what_is_gone_are_told(made, tmp_path):
    assert 'class="wrong"' not in lineage_html(made["ready"])
    (tmp_path / "talk.wav").write_bytes(b"another")
    html = lineage_html(made["ready"])
    assert "1 of 1 file not as it was" in html and f"was read as {SOUND[:12]}, is " in html
    shutil.rmtree(made["cut"])
    assert '<span class="state state-killed">gone</span>' in lineage_html(made["ready"])


def test_a_circle_is_told_once_and_ends(made):
    change(made["cut"], "upstream", train=made["trained"][0].name)
    html = lineage_html(made["ready"])
    assert html.count("go in a circle") == 1 and "(see above)" in html


def test_names_are_shown_as_text(made):
    evil = "<img src=x onerror='window.evil=1'>"
    for one in made["trained"]:
        change(one, "params", **{evil: one.name})
    change(made["trained"][0], "status", status=evil)
    html = lineage_html(made["ready"])
    assert "<img" not in html and "&lt;img" in html


def test_long_chains_and_many_runs_are_cut_and_end(runs):
    first = make(runs, "prepare", 0)
    for k in range(1, 100):
        make(runs, "train", k, of=[first])
    html = lineage_html(first)
    assert html.count("<li") == 41 and "… and 59 more" in html
    before = make(runs, "train", 200)
    for k in range(201, 240):
        before = make(runs, "train", k, rerun_of=before.name)
    html = lineage_html(before)
    assert "… and what is beyond" in html and html.count("<ul>") < 20


def test_a_run_alone_has_no_lineage(runs, tmp_path):
    alone = make(runs, "train", 1)
    assert lineage_html(alone) == ""
    assert 'id="lineage"' not in page.make(contents.read(alone)).html.decode("utf-8")
    copied = tmp_path / "elsewhere" / "deep" / "run"
    shutil.copytree(alone, copied)
    assert lineage_html(copied) == ""


@pytest.mark.parametrize("odd", [[], {"path": 3}, [None, {"path": "\0", "sha256": "x", "bytes": 1}]])
def test_damaged_records_leave_the_rest(made, odd):
    (made["cut"] / "inputs.json").write_text(json.dumps(odd))
    (made["trained"][0] / "status.json").write_text("[]")
    html = lineage_html(made["ready"])
    assert made["trained"][1].name in html and "damaged: status.json" in html
