import itertools
import re

import pytest

from prosody.errors import ProsodyError
from prosody.workflow import demo, listing, record

CELL = """\
from prosody import workflow
run = workflow.stage({name!r}, {{}})
{upstream}
{work}
run.finish({metrics})
"""
GENERATED = """\
(run.artifacts / "answer.wav").write_bytes(b"x")
answer = {"question": "Why?", "points": [{"text": "air"}, {"text": "a dog"}], "marked": "Because <emph> so."}
(run.artifacts / "answers.json").write_text(__import__("json").dumps([answer]))
"""


@pytest.fixture
def four(notebook, monkeypatch):
    """Four tiny notebooks in place of the real ones, chained as those are."""
    made = {}
    before = None
    for name in record.STAGES:
        parameters = "interactive: bool = True\n" + (f'{before}_run: str = "latest"\n' if before else "size: int = 2\n")
        upstream = f"source = run.upstream({before!r}, {before}_run)" if before else ""
        work = GENERATED if name == "generate" else ""
        metrics = '{"segments": size}' if name == "segment" else '{"loss_val": 1.25}' if name == "train" else "{}"
        source = CELL.format(name=name, upstream=upstream, work=work, metrics=metrics)
        made[name] = notebook(source, name=f"{name}.ipynb", parameters=parameters)
        before = name
    monkeypatch.setattr(demo, "notebook_of", made.__getitem__)
    return made


def test_the_four_stages_run_in_order_each_on_the_one_before(four, runs, capsys):
    done = demo.run_all({"size": "4"})
    assert [run.stage for run in done] == list(record.STAGES)
    assert [run.state for run in done] == ["ok"] * 4
    for earlier, later in itertools.pairwise(done):
        assert f'"{earlier.stage}": "{earlier.id}"' in (later.folder / "upstream.json").read_text()
        assert f'"{earlier.stage}_run": "{earlier.id}"' in (later.folder / "params.json").read_text()
    assert done[0].metrics == {"segments": 4}
    told = capsys.readouterr().out
    assert re.search(r"segment +0:00:\d\d +[\d,]+ MB   \S*segment/", told)
    assert re.search(r"together +0:0\d:\d\d", told)
    assert re.search(r"listen: +\S+answer\.wav", told)
    assert "\nasked:   Why?\npoints:  air, a dog\nanswer:  Because <emph> so.\n" in told

    table = listing.table(record.runs(runs)).splitlines()
    assert table[0].split() == ["run", "stage", "status", "time"]
    assert [line.split()[1:3] for line in table[1:]] == [[name, "ok"] for name in record.STAGES]
    assert "4 segments" in table[1]
    assert "loss 1.250" in table[3]


def test_a_parameter_that_no_stage_has_is_refused_before_anything_runs(four, runs):
    with pytest.raises(ProsodyError, match="did you mean 'size'"):
        demo.run_all({"sise": "4"})
    with pytest.raises(ProsodyError, match="'four' is not a whole number"):
        demo.run_all({"size": "four"})
    assert not runs.exists()


def test_the_list_without_runs_says_what_makes_them():
    assert "make demo" in listing.table([])


def test_a_failed_run_is_listed_with_its_error(runs):
    folder = record.start("train", {}, runs=runs, how="headless")
    record.end(folder, "failed", code=1, error={"name": "ValueError", "message": "no\nmore"})
    assert listing.table(record.runs(runs)).splitlines()[1].endswith("  no")
