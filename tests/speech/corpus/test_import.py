"""A dataset of several recordings, edited in Praat or a spreadsheet and imported again."""

import builtins
import io
import json
import os
import shutil
import sys

import numpy as np
import pytest

from prosody import cli, dataset, markers
from prosody.errors import ProsodyError
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


@pytest.mark.parametrize("kind", ["csv", "TextGrid"])
def test_what_was_edited_is_measured_in_the_recording_it_is_of(here, kind):
    """The recordings are found, named, or only the dataset is left: what is measured is the same."""
    edit(here / "a.csv", "end", "went", later(-0.05))
    assert cli.main(["import", "out/datasets/anna", "a.csv", "-o", "found"]) == 0
    if kind == "TextGrid":
        assert cli.main(["export", "found", "-o", "a.TextGrid"]) == 0
    shutil.move(here / "talks", here / "elsewhere")
    file = f"a.{kind}"
    assert cli.main(["import", "out/datasets/anna", file, "-o", "named", "--audio", "elsewhere"]) == 0
    shutil.copytree(here / "out" / "datasets" / "anna", here / "alone")
    assert cli.main(["import", "alone", file, "-o", "by itself"]) == 0
    before = words_of(here / "alone")
    at = next(k for k, word in enumerate(before) if word.text == "went")
    for folder in ("found", "named", "by itself"):
        after = words_of(here / folder)
        assert after[at].end == pytest.approx(before[at].end - 0.05)
        assert after[at].measured["duration_s"] == pytest.approx(before[at].measured["duration_s"] - 0.05, abs=1e-3)
        assert after[at].measured["energy_db"] == pytest.approx(before[at].measured["energy_db"], abs=2)
        assert all(value is not None for value in after[at].measured.values())
        assert after[at].evidence.keys() == before[at].evidence.keys()
        assert [*after[:at], *after[at + 2 :]] == [
            *before[:at],
            *before[at + 2 :],
        ]  # the next has another gap before it
    found, alone = words_of(here / "found")[at], words_of(here / "by itself")[at]
    for name, value in found.measured.items():
        assert alone.measured[name] == pytest.approx(value, abs=0.05), name


def test_a_segment_is_cut_again_from_its_recording(here, capsys):
    import soundfile

    segments = dataset.load(here / "out" / "datasets" / "anna").segments
    last = segments[-1]
    edit(here / "a.csv", "start", "Nobody", later(last.start - last.words[0].start - 0.3))
    assert cli.main(["import", "out/datasets/anna", "a.csv", "-o", "mine"]) == 0
    cut = dataset.load(here / "mine").segments[-1]
    assert cut.start == pytest.approx(last.start - 0.3)
    sound, rate = soundfile.read(here / "mine" / cut.audio_file, dtype="float32")
    talk, _ = soundfile.read(here / "talks" / "anna" / "tuesday.wav", dtype="float32")
    begin = dataset.load(here / "mine").info["sources"][1]["start"]
    at = round((cut.start - begin) * rate)
    assert np.abs(sound - talk[at : at + len(sound)]).max() < 1e-4
    (here / "talks" / "anna" / "tuesday.wav").unlink()
    capsys.readouterr()
    assert cli.main(["import", "out/datasets/anna", "a.csv", "-o", "none"]) == 2
    err = capsys.readouterr().err
    assert "“Nobody”" in err and "name the folder of the recordings with --audio" in err and err.count("\n") == 1


def test_segments_are_cut_again_from_a_recording_that_is_read_once(here, monkeypatch):
    from prosody.speech import audio

    *_, one, last = dataset.load(here / "out" / "datasets" / "anna").segments
    edit(here / "a.csv", "end", one.words[-1].text, later(one.end - one.words[-1].end + 0.2))
    edit(here / "a.csv", "start", last.words[0].text, later(last.start - last.words[0].start - 0.2))
    paths, read = [], audio.read
    monkeypatch.setattr(audio, "read", lambda path, **options: paths.append(path) or read(path, **options))
    assert cli.main(["import", "out/datasets/anna", "a.csv", "-o", "mine"]) == 0
    assert [path.name for path in paths] == ["tuesday.wav"] * 2  # to measure, to cut


def test_mistakes_about_the_recordings(here, capsys):
    edit(here / "a.csv", "end", "went", later(-0.05))
    words = ["import", "out/datasets/anna", "a.csv", "-o", "mine", "--audio"]
    (here / "empty").mkdir()
    for given, told in (
        ("talks/anna/monday.wav", "is no folder; the dataset was made of 2 recordings"),
        ("empty", "does not hold the dataset's recording anna/monday"),
    ):
        capsys.readouterr()
        assert cli.main([*words, given]) == 2
        err = capsys.readouterr().err
        assert told in err and err.count("\n") == 1
    speak(markers.parse("Something else."), out=here / "talks" / "anna" / "monday.wav", overwrite=True)
    assert cli.main([*words, "talks"]) == 2
    assert "monday.wav: is not the dataset's recording anna/monday, or has changed" in capsys.readouterr().err
    assert cli.main(words[:-1]) == 0  # then from its own segments


def test_a_word_between_two_recordings(here, capsys):
    data = dataset.load(here / "out" / "datasets" / "anna")
    end = data.info["sources"][1]["start"]
    edit(here / "a.csv", "end", "cold.", lambda _: str(end + 0.08))
    assert cli.main(["import", "out/datasets/anna", "a.csv", "-o", "mine"]) == 2
    err = capsys.readouterr().err
    assert "“cold.”" in err and "reaches out of the recording anna/monday" in err and not (here / "mine").exists()


def test_an_export_has_the_pitch_of_all_recordings(here):
    from prosody.interchange import textgrid

    assert cli.main(["export", "out/datasets/anna", "-o", "a.TextGrid"]) == 0
    grid = textgrid.read(here / "a.TextGrid")
    times = [point.time for point in next(tier for tier in grid.tiers if tier.name == "f0").points]
    second = dataset.load(here / "out" / "datasets" / "anna").info["sources"][1]
    assert min(times) < second["start"] - 1 and max(times) > second["start"] + 1
    assert grid.end == pytest.approx(second["start"] + second["duration"])


@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_shows_how_long_it_takes(here, is_terminal, stale, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return is_terminal

    if stale:
        edit(here / "a.csv", "end", "went", later(-0.05))
    monkeypatch.setenv("COLUMNS", "80")
    for words in (
        ["import", "out/datasets/anna", "a.csv", "-o", "mine"],
        ["export", "out/datasets/anna", "-o", "b.csv"],
    ):
        monkeypatch.setattr("sys.stderr", Terminal())
        assert cli.main(words) == 0
        assert (" left" in sys.stderr.getvalue()) == is_terminal
        assert is_terminal or sys.stderr.getvalue().count("\n") == 1


@pytest.fixture
def full(monkeypatch):
    """A disk on which no sound and no table finds room."""
    import errno
    from pathlib import Path

    def refuse(path, *_):
        raise OSError(errno.ENOSPC, "No space left on device", os.fspath(path))

    write_bytes, real_open = Path.write_bytes, builtins.open
    sounds = (".wav", ".flac")
    monkeypatch.setattr(Path, "write_bytes", lambda p, d: refuse(p) if p.suffix in sounds else write_bytes(p, d))
    monkeypatch.setattr("shutil.copyfile", lambda source, target: refuse(target))

    def opened(path, mode="r", *rest, **options):
        if "w" in mode and str(path).endswith(".csv"):
            refuse(path)
        return real_open(path, mode, *rest, **options)

    monkeypatch.setattr(builtins, "open", opened)


def test_a_full_disk_is_told_of_the_place_that_was_asked_for(here, full, capsys):
    assert cli.main(["import", "out/datasets/anna", "a.csv", "-o", "mine"]) == 2
    err = capsys.readouterr().err
    assert err == "prosody: mine/segments/0001_segment_001.wav: the disk is full — make room, then run it again\n"
    shutil.rmtree(here / "out" / "datasets")
    made = process("talks", "out", datasets=True)
    told = "out/datasets/anna/segments/0001_segment_001.wav: the disk is full — make room, then run it again"
    assert [str(one) for one in made.failures] == [told]
    (here / "out" / "words.csv").unlink()
    with pytest.raises(ProsodyError, match=r"^out/words.csv: the disk is full"):
        process("talks", "out")
    assert not [path.name for path in here.rglob("*") if path.name.startswith((".tmp-", "mine"))]
