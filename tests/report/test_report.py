"""A run's page: what stands on it, whatever is left of the run, and where it is written."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest

from prosody import cli
from prosody.errors import ProsodyError
from prosody.files import read_json
from prosody.markers import BY_TOKEN
from prosody.report import page, safe
from prosody.report.cells import Figures, outputs_html
from prosody.workflow import contents, record


def html_of(folder) -> str:
    return page.make(contents.read(folder)).html.decode("utf-8")


def bytes_in(folder) -> dict:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def body_of(html: str) -> str:
    return html[html.index("<body>") : html.index("</main>")]


@pytest.mark.parametrize(
    ("stage", "shown", "n_sounds"),
    [("segment", "Segment 3 of 3, 4.0–5.0 s", 4), ("prepare", "Segment 1 of 3", 4), ("generate", "(taken up)", 2)],
)
def test_a_stages_own_summary_stands_first_with_its_sounds(recorded, stage, shown, n_sounds):
    run = contents.read(recorded(stage))
    made = page.make(run)
    body = body_of(made.html.decode("utf-8"))
    assert shown in body and body.index(shown) < body.index('id="notebook"')
    assert (made.n_sounds, made.n_figures, made.trouble) == (n_sounds, 1, ())  # one sound is the notebook's
    assert body.count("data:audio/mpeg;base64,") == n_sounds
    assert f"background:{BY_TOKEN['<emph>'].color}" in body


def test_a_training_shows_its_figures_and_the_loss_from_its_events(recorded, write_events):
    folder = recorded("train")
    write_events(folder)
    made = page.make(contents.read(folder))
    body = body_of(made.html.decode("utf-8"))
    assert made.n_figures == 2 and "most frequent for word" in body and "0.587" in body
    drawn = json.loads(re.search(r'id="figures">(.*?)</script>', made.html.decode("utf-8"))[1])
    assert drawn[0]["data"][0]["name"] == "train, each step" and drawn[1]["layout"]["title"]["text"] == "A quiet day"


def test_a_training_that_was_killed_shows_the_loss_so_far(recorded, write_events):
    folder = recorded("train", state=None)
    write_events(folder)
    (folder / "metrics.json").write_text("{}", encoding="utf-8")
    record.write_status(folder, pid=2**22 + 1)
    made = page.make(contents.read(folder))
    assert made.n_figures == 2 and b"was killed: this page shows what there is" in made.html


def test_damaged_events_show_what_came_before_the_damage(recorded, write_events):
    folder = recorded("train")
    assert "tb: tells of no loss" in page.make(contents.read(folder)).trouble
    write_events(folder)
    (path,) = (folder / "tb").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + b"\xff" * 40 + whole[len(whole) // 2 :])
    run = contents.read(folder)
    made = page.make(run)
    drawn = json.loads(re.search(r'id="figures">(.*?)</script>', made.html.decode("utf-8"))[1])
    assert made.n_figures == 2 and drawn[0]["data"][0]["name"] == "train, each step"
    path.write_bytes(b"garbage that is no event at all" * 9)
    made = page.make(contents.read(folder))
    assert made.n_figures == 1 and "tb: tells of no loss" in made.trouble


def test_the_record_is_told_in_full(recorded):
    folder = recorded("generate")
    body = body_of(html_of(folder))
    digest = read_json(folder / "outputs.json")[0]["sha256"]
    for told in (digest, folder.name, "artifacts/answer_01.wav", "1,200", "Machine", "commit", "UTC", "packages"):
        assert told in body
    assert "<summary>Show the log</summary>" in body and "generate: A quiet day" in body


def test_the_page_is_whole_and_asks_for_nothing(recorded):
    html = html_of(recorded("generate"))
    outside = re.sub(r"<script>.*?</script>|data:[^\"']*", "", html, flags=re.DOTALL)
    assert re.findall(r"(?:src|href)=\"(?!#|https://example\.org/a)[^\"]+\"", outside) == []
    assert "default-src 'none'" in html and "unsafe-eval" not in html and "script-src 'unsafe-inline'" not in html
    assert html.count("/*!") and len(re.findall(r"<script>", html)) == 2  # plotly.js once, and ours


def test_headings_go_down_one_by_one(recorded):
    levels = [int(level) for level in re.findall(r"<h([1-6])\b", body_of(html_of(recorded("generate"))))]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (None, "is still running: this page shows what there is so far"),
        ("failed", "failed: this page shows what there is"),
        ("interrupted", "was interrupted: this page shows what there is"),
    ],
)
def test_a_run_that_did_not_end_well_says_so(recorded, state, told):
    body = body_of(html_of(recorded("segment", state=state)))
    assert told in body and ("cell 4, line 2, ValueError" in body) == (state == "failed")


def test_only_a_log_is_left(lone_log):
    made = page.make(contents.read(lone_log))
    assert b"Step 1" in made.html and b"unknown" in made.html and made.n_figures == 0
    assert b"plotly" not in made.html  # what is not needed is not put in
    names = [line.partition(":")[0] for line in made.trouble]
    assert {"status.json", "notebook.ipynb", "params.json", "metrics.json", "git.json"} <= set(names)


@pytest.mark.parametrize("text", ["{", "[]", '{"cells": 3}', '{"cells": [1, {"cell_type": "code", "outputs": [2]}]}'])
def test_a_damaged_notebook_leaves_the_rest(recorded, text):
    folder = recorded("generate")
    (folder / "notebook.ipynb").write_text(text, encoding="utf-8")
    made = page.make(contents.read(folder))
    assert made.n_sounds == 1 and b"Metrics" in made.html
    assert bool(made.trouble) == (not text.startswith('{"cells": ['))


def test_sounds_that_are_gone_or_changed_or_no_sound_are_named(recorded):
    folder = recorded("segment")
    segments = folder / "artifacts" / "segments"
    (segments / "segment_001.wav").unlink()
    (segments / "segment_002.wav").write_bytes(b"RIFF")
    made = page.make(contents.read(folder))
    assert made.n_sounds == 2
    assert "artifacts/segments/segment_001.wav: is no longer there" in made.trouble
    assert any("segment_002.wav: was changed since (4 bytes" in line for line in made.trouble)
    assert any(line.startswith("segments/segment_002.wav: cannot be read") for line in made.trouble)


def test_a_sound_outside_the_run_is_not_read(recorded, tmp_path):
    folder = recorded("generate")
    (folder / "artifacts" / "answer_01.wav").rename(tmp_path / "secret.wav")
    answers = read_json(folder / "artifacts" / "answers.json")
    answers[0]["audio_file"] = "../../../../secret.wav"
    (folder / "artifacts" / "answers.json").write_text(json.dumps(answers), encoding="utf-8")
    made = page.make(contents.read(folder))
    assert made.n_sounds == 1 and any("leads out of the run" in line for line in made.trouble)


def test_a_run_is_found_by_id_start_path_stage_and_latest(recorded, tmp_path):
    first, second = recorded("segment"), recorded("train", state="failed")
    assert record.locate(first.name) == first
    assert record.locate(second.name[:-1]) == second or first.name[:-1] == second.name[:-1]
    assert record.locate(str(first)) == first == record.locate(str(first / "status.json"))
    assert record.locate("segment") == first and record.locate("train") == second
    assert record.locate("latest") == second
    with pytest.raises(ProsodyError, match="is the start of several runs"):
        record.locate("20")
    for unknown in ("", "nothing", str(tmp_path)):
        with pytest.raises(ProsodyError, match="is no run"):
            record.locate(unknown)


def test_without_runs_the_way_to_the_first_is_told(runs):
    with pytest.raises(ProsodyError, match="holds no runs — `make demo`"):
        record.locate("latest")


def test_the_command_writes_beside_the_run_and_again_over_its_own_page(recorded, capsys):
    folder = recorded("generate")
    before = bytes_in(folder)
    assert cli.main(["report", folder.name, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["report"] == str(folder / "report.html") and told["bytes"] == (folder / "report.html").stat().st_size
    assert (told["run"], told["stage"], told["status"]) == (folder.name, "generate", "ok")
    assert (told["figures"], told["sounds"], told["missing"]) == (1, 2, [])
    first = (folder / "report.html").read_bytes()
    assert cli.main(["report", "latest"]) == 0
    assert (folder / "report.html").read_bytes() == first  # of the same record the same page
    assert {
        path: path.read_bytes() for path in folder.rglob("*") if path.name != "report.html" and path.is_file()
    } == before
    assert record.described(folder / "artifacts", folder) == read_json(folder / "outputs.json")


def test_what_is_no_page_of_this_run_is_never_overwritten(recorded, tmp_path, capsys):
    folder, other = recorded("generate"), recorded("segment")
    out = tmp_path / "mine.html"
    out.write_text("my own", encoding="utf-8")
    assert cli.main(["report", folder.name, "-o", str(out)]) == 2
    assert "already exists and is no report of this run" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == "my own"
    out.unlink()
    assert cli.main(["report", folder.name, "-o", str(out)]) == 0
    assert cli.main(["report", other.name, "-o", str(out)]) == 2
    assert cli.main(["report", folder.name, "-o", str(out)]) == 0


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ('<b onclick="x()">bold</b>', "<b>bold</b>"),
        ("<script>x()</script>", "&lt;script&gt;x()&lt;/script&gt;"),
        ('<img src="http://a.b/c.png">', "<img>"),
        ('<a href="javascript:x()">a</a>', "<a>a</a>"),
        ('<a href="data:text/html,x">a</a>', "<a>a</a>"),
        ('<audio controls src="https://a.b/c.mp3"></audio>', "<audio controls></audio>"),
        ('<p style="background:url(http://a.b/c);color:red">a</p>', "<p>a</p>"),
        ('<p style="color:red;position:fixed">a</p>', '<p style="color:red;">a</p>'),
        ("<style>body{display:none}</style>a", "a"),
        ("<svg onload=x()>", "&lt;svg onload=x()&gt;"),
    ],
)
def test_html_of_a_cell_keeps_its_look_and_loses_its_teeth(given, kept):
    assert safe.html(given, "Output").replace('controls=""', "controls") == kept


def test_of_a_bar_the_last_state_is_left_and_long_texts_are_folded():
    bar = "".join(f"Reading: {k:3d}%|###\n" for k in range(0, 101, 10))
    shown = outputs_html([{"output_type": "stream", "text": bar}], "", Figures())
    assert "100%|" in shown and "90%|" not in shown
    long = "".join(f"line {k}\n" for k in range(100))
    assert "<summary>All 100 lines</summary>" in outputs_html([{"output_type": "stream", "text": long}], "", Figures())


def test_a_figure_that_is_none_is_told_of():
    shown = outputs_html(
        [{"output_type": "display_data", "data": {"application/vnd.plotly.v1+json": {"data": "x"}}}], "", Figures()
    )
    assert "it is damaged" in shown


@pytest.mark.parametrize(
    "odd", [10**400, "x" * 5000, "\0", "\ud800", [[["x"]]], {"a": []}], ids=lambda odd: str(odd)[:5]
)
@pytest.mark.parametrize(
    "name", ["metrics.json", "outputs.json", "inputs.json", "artifacts/dataset/prosody_dataset.json"]
)
def test_odd_values_in_a_record_leave_the_page(recorded, name, odd):
    run = recorded("prepare")
    data = json.loads((run / name).read_text()) if (run / name).is_file() else []
    for entry in data if isinstance(data, list) else [data]:
        entry.update(dict.fromkeys(entry, odd))
    (run / name).write_text(json.dumps(data))
    assert page.make(contents.read(run)).html.startswith(b"<!doctype html>")


def test_a_name_too_long_for_a_file_is_no_run(recorded):
    recorded("prepare")
    with pytest.raises(ProsodyError, match="is no run"):
        record.locate("x" * 5000)
