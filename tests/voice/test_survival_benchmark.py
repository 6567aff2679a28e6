"""The benchmark of survival: its answers, its intervals, its sums; and one run of it."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from prosody import markers

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
RATES = dict.fromkeys(markers.TOKENS, 10.0)


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def test_answers_are_whole_sentences_of_forty_to_eighty_words(load, tmp_path):
    lines = [f"<file>\t1_2_{k:06}.txt\n" + "Books\t0\t0\t0.1\t0.1\n" * 13 + ",\t0\tNA\t0.1\t0.1\n" for k in range(9)]
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("".join(lines), encoding="utf-8")
    answers = load("survival_answers").plain_answers(6, corpus)
    assert len(answers) == 6
    assert all(40 <= len(answer.split()) <= 80 and answer[-1] in ".!?,'\"" for answer in answers)
    assert [answer.startswith("Books") for answer in answers] == [False, True, False, True, False, False]
    assert answers[1].split()[12] == "Books,"
    assert all("<" not in answer for answer in answers)


def test_random_markers_keep_the_words_and_come_as_often_as_the_rates_say(load):
    plain = " ".join(["word"] * 4000 + ["–"])
    marked = markers.parse(load("survival_answers").at_random(plain, RATES, np.random.default_rng(0)))
    assert markers.plain(marked) == plain
    counts = markers.counts(marked)
    assert all(abs(count - 400) < 80 for count in counts.values())
    assert set(marked.words[-1].markers) <= {"<pause_short>", "<pause_long>"}  # a dash has no pitch
    assert not set(marked.words[0].markers) & {"<pause_short>", "<pause_long>"}


@pytest.mark.parametrize(
    ("k", "n", "interval"), [(0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (8, 10, (0.4902, 0.9433)), (0, 0, None)]
)
def test_the_interval_is_wilsons(load, k, n, interval):
    assert load("survival").wilson(k, n) == (None if interval is None else pytest.approx(interval, abs=1e-4))


def test_several_answers_are_summed(load):
    survival = load("survival")
    one = {"marker": "<emph>", "effect": 3.0, "unit": "st", "survives": True}
    heard = {
        "duration": 10.0,
        "occurrences": [one, {**one, "survives": False, "effect": None}],
        "unwritten": dict.fromkeys(markers.TOKENS, 1),
        "slots": {"unmarked": 50, "heard_as_marked": 1},
    }
    table = survival.figures([heard, heard])
    assert (table["<emph>"]["written"], table["<emph>"]["heard"], table["<emph>"]["survival"]) == (4, 2, 0.5)
    assert (table["<emph>"]["effect"], table["<emph>"]["unwritten"]) == (3.0, 2)
    assert table["<pause_long>"]["interval"] is None
    assert table["slots"]["share"] == 0.02
    told = "\n".join(survival.lines("hibari, marked", table))
    assert "50.0% (15.0% to 85.0%)" in told and "of 100 slots without a marker, 2 heard as marked" in told


@pytest.mark.slow
def test_it_runs_and_goes_on_where_it_was(tmp_path):
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps(["We <emph> never wanted to live in town, <pause_long> you know."]), encoding="utf-8")
    command = [sys.executable, BENCHMARKS / "survival.py", "--answers", answers, "--engines", "hibari"]
    command += ["--out", tmp_path / "kept", "--json", tmp_path / "out.json"]
    for _ in range(2):
        subprocess.run(command, check=True, capture_output=True, cwd=BENCHMARKS.parents[1])
        table = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["hibari, given"]
        assert table["<pause_long>"]["heard"] == 1
        (kept,) = (tmp_path / "kept").glob("*.json")
        stamp = kept.stat().st_mtime_ns
    assert kept.stat().st_mtime_ns == stamp
