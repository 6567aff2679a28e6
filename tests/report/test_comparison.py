"""The page of two runs compared: its curves and tables, hostile names as text, and what it may replace."""

from __future__ import annotations

import json
import re

import pytest

from prosody import cli
from prosody.errors import ProsodyError
from prosody.report import comparison
from prosody.workflow import compare, contents

EVIL = '</script><script>window.evil=1</script><img src=x onerror="window.evil=1">'


def compared(a, b) -> compare.Comparison:
    return compare.compare(contents.read(a), contents.read(b))


def drawn(html: str) -> list:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html)
    return json.loads(found[1]) if found else []


def test_curves_lie_over_each_other_and_all_that_differs_is_a_table(recorded, write_events):
    a, b = recorded("train"), recorded("train", said="Another day")
    write_events(a)
    write_events(b)
    html = comparison.html(compared(a, b)).decode("utf-8")
    (loss,) = drawn(html)
    assert [trace["name"] for trace in loss["data"]] == ["A: each step", "B: each step"]
    assert loss["layout"]["xaxis"]["title"]["text"] == "step" and "nats" in loss["layout"]["yaxis"]["title"]["text"]
    looks = [(trace["line"]["color"], trace["line"]["dash"]) for trace in loss["data"]]
    assert looks[0][0] != looks[1][0] and looks[0][1] != looks[1][1]  # told apart by two channels
    for told in (a.name, b.name, "Another day", '<h2 id="notebook-head">The notebooks', "The same: "):
        assert told in html
    assert len(re.findall(r'\bid="figures"', html)) == 1  # that of the data, and no section's


def test_without_events_there_are_no_curves_and_no_script(recorded):
    html = comparison.html(compared(recorded("segment"), recorded("generate"))).decode("utf-8")
    assert drawn(html) == [] and "plotly" not in html and "script-src 'none'" in html


def test_held_out_curves_and_macro_f1(recorded):
    from prosody.lm.board import board

    folders = [recorded("train"), recorded("train")]
    for k, folder in enumerate(folders):
        with board(folder / "tb") as events:
            for step in (1, 2):
                events._scalars("val", {"loss": 1 / step, "macro_f1": 0.4 + k / 10}, step)
    loss, f1 = drawn(comparison.html(compared(*folders)).decode("utf-8"))
    assert [trace["name"] for trace in loss["data"]] == ["A: held out", "B: held out"]
    assert f1["layout"]["yaxis"]["title"]["text"] == "macro F1" and [t["name"] for t in f1["data"]] == ["A", "B"]


def test_hostile_names_are_shown_as_text(recorded):
    a, b = recorded("train"), recorded("train", said=EVIL, state="failed")
    html = comparison.html(compared(a, b)).decode("utf-8")
    assert "<script>window.evil" not in html and "<img" not in html
    assert "&lt;script&gt;window.evil=1" in html


def test_two_runs_that_are_one(recorded):
    folder = recorded("generate")
    assert "<p>Nothing differs.</p>" in comparison.html(compared(folder, folder)).decode("utf-8")


def test_what_is_damaged_is_named_on_the_page(recorded, lone_log):
    html = comparison.html(compared(recorded("train"), lone_log)).decode("utf-8")
    assert "Missing or damaged" in html and "B status.json: not found" in html


def test_only_an_earlier_comparison_is_replaced(recorded, tmp_path):
    found, out = compared(recorded("train"), recorded("train", said="x")), tmp_path / "diff.html"
    comparison.write(found, out)
    comparison.write(found, out)
    out.write_text("mine")
    with pytest.raises(ProsodyError, match="already exists and is no comparison of runs — give another name"):
        comparison.write(found, out)
    assert out.read_text() == "mine"


def test_the_command_prints_writes_and_tells_where(recorded, tmp_path, capsys):
    a, b, out = recorded("train"), recorded("train", said="Another day"), tmp_path / "diff.html"
    assert cli.main(["diff", a.name, str(b), "--html", str(out)]) == 0
    told, err = capsys.readouterr()
    (line,) = (line for line in told.splitlines() if line.startswith("  question"))
    assert line.split() == ["question", "A", "quiet", "day", "Another", "day"] and "\x1b" not in told
    assert err == f"written to {out}\n" and out.read_bytes().startswith(b"<!doctype html>")
    assert cli.main(["diff", a.name, b.name, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"]["changed"]["question"] == {"a": "A quiet day", "b": "Another day"}
    assert (found["a"]["id"], found["b"]["id"], found["trouble"]) == (a.name, b.name, [])


def test_a_run_that_is_not_there_or_a_page_that_is_no_page_ends_before_any_work(recorded, tmp_path, capsys):
    folder = recorded("train")
    assert cli.main(["diff", folder.name, "nope"]) == 2
    assert capsys.readouterr().err.startswith("prosody: 'nope' is no run")
    (tmp_path / "mine.txt").write_text("mine")
    assert cli.main(["diff", folder.name, "latest", "-o", str(tmp_path / "mine.txt")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "already exists and is no comparison of runs" in err
