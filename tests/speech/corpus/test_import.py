"""A dataset of several recordings, edited in Praat or a spreadsheet and imported again."""

import json
import shutil

import numpy as np
import pytest

from prosody import cli, dataset, markers
from prosody.speech.corpus.process import process
from prosody.voice.speak import speak

SAID = {
    "anna/monday": "I walked home in the rain, <pause_short> and it was <emph>cold.",
    "anna/tuesday": "We had soup. <pause_long> Then we went back to work for the day. <pause_long> Nobody asked why.",
}


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """The folder of two recordings, `talks`, and beside it that of their results, `out`."""
    folder = tmp_path_factory.mktemp("heard")
    for name, text in SAID.items():
        path = folder / "talks" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        speak(markers.parse(text), out=path)
        path.with_suffix(".txt").write_text(text, encoding="utf-8")
    assert process(folder / "talks", folder / "out", datasets=True).failures == ()
    return folder


@pytest.fixture
def here(heard, tmp_path, monkeypatch):
    """A copy of both in the working folder, and the dataset exported to `a.csv`."""
    monkeypatch.setenv("PROSODY_SETUP", "off")
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "runs"))
    shutil.copytree(heard, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    assert cli.main(["export", "out/datasets/anna", "-o", "a.csv"]) == 0
    return tmp_path / "here"


def edit(path, column, text, change):
    """Change one column of the rows with this text; None takes the row out."""
    import csv

    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [row for row in rows if change is not None or row["text"] != text]
    for row in kept:
        if row["text"] == text:
            row[column] = change(row[column])
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(kept)


def later(by_s):
    return lambda time: str(round(float(time) + by_s, 6))


def words_of(folder):
    return [word for segment in dataset.load(folder).segments for word in segment.words]


def profile_of(folder):
    return json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))["profile"]


def test_the_profile_is_of_the_words_and_markers_that_are_there_now(here):
    before = profile_of(here / "out" / "datasets" / "anna")
    assert cli.main(["import", "out/datasets/anna", "a.csv", "-o", "same"]) == 0
    assert profile_of(here / "same") == before
    edit(here / "a.csv", "markers", "soup.", lambda _: "<emph>")
    assert cli.main(["import", "out/datasets/anna", "a.csv", "-o", "marked"]) == 0
    n = len(words_of(here / "marked"))
    rates = {**before["markers_per_100_words"], "<emph>": pytest.approx(200 / n, abs=1e-3)}
    assert profile_of(here / "marked") == {**before, "markers_per_100_words": rates}
    edit(here / "a.csv", "text", "Nobody", None)
    assert cli.main(["import", "out/datasets/anna", "a.csv", "-o", "fewer"]) == 0
    after = profile_of(here / "fewer")
    assert after["words_per_minute"] == pytest.approx(before["words_per_minute"] * (n - 1) / n, abs=2e-3)
    assert after["markers_per_100_words"]["<emph>"] == pytest.approx(200 / (n - 1), abs=1e-3)
    energy = [w.measured["energy_db"] for w in words_of(here / "fewer") if w.measured["energy_db"] is not None]
    low, high = np.percentile(energy, [25, 75])
    assert after["energy_spread_db"] == pytest.approx((high - low) / 1.35, abs=1e-3)
    assert [after[name] for name in ("f0_median_hz", "f0_spread_st")] == [
        before["f0_median_hz"],
        before["f0_spread_st"],
    ]
