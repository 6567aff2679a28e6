"""`export` and `import`, as typed."""

import errno
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from prosody import cli, dataset
from prosody.commands import interchange
from prosody.interchange import table, textgrid
from prosody.interchange.tiers import from_textgrid


@pytest.fixture(autouse=True)
def _as_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("PROSODY_SETUP", "off")
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)


def refused(capsys, *words):
    """What is told of a mistake: one line, exit code 2."""
    assert cli.main([str(word) for word in words]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    return err


def swap(path, old, new):
    path.write_text(path.read_text(encoding="utf-8-sig").replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("name", ["talk.TextGrid", "talk.csv"])
def test_out_and_in_again_is_the_same_dataset(made, tmp_path, name):
    assert cli.main(["export", str(made), "-o", name]) == 0
    assert cli.main(["import", str(made / "prosody_dataset.json"), name, "--by", "Anna", "--all-reviewed"]) == 0
    before, after = dataset.load(made), dataset.load(tmp_path / "talk_dataset")
    assert [one.words for one in after.segments] == [one.words for one in before.segments]
    assert [one.text for one in after.segments] == [one.text for one in before.segments]
    assert {one.review["by"] for one in after.segments} == {"Anna"}
    assert after.info["parameters"]["import"]["file"] == name
    for one in before.segments:
        assert (after.folder / one.audio_file).read_bytes() == (made / one.audio_file).read_bytes()


def test_only_what_was_edited_is_reviewed(made, tmp_path, capsys):
    assert cli.main(["export", str(made), "-o", "talk.csv"]) == 0
    assert cli.main(["import", str(made), "talk.csv", "-o", "same"]) == 0
    assert "0 edited, 0 of 2 segments reviewed" in capsys.readouterr().err
    assert [one.review["status"] for one in dataset.load(tmp_path / "same").segments] == ["unreviewed"] * 2
    swap(tmp_path / "talk.csv", "<pitch_low>", "<pitch_high>")
    assert cli.main(["import", str(made), "talk.csv", "-o", "one", "--by", "Anna"]) == 0
    assert "1 edited, 1 of 2 segments reviewed" in capsys.readouterr().err
    first, second = dataset.load(tmp_path / "one").segments
    assert (first.review["by"], second.review["by"], second.review["status"]) == (None, "Anna", "reviewed")
    swap(tmp_path / "talk.csv", "really", "truly")
    assert cli.main(["import", "one", "talk.csv", "-o", "both", "--by", "Ben"]) == 0
    assert [one.review["by"] for one in dataset.load(tmp_path / "both").segments] == ["Ben", "Anna"]
    assert cli.main(["import", "one", "talk.csv", "-o", "all", "--by", "Ben", "--all-reviewed"]) == 0
    assert [one.review["by"] for one in dataset.load(tmp_path / "all").segments] == ["Ben", "Ben"]


def test_a_pause_that_stood_at_the_end_of_a_segment_is_no_edit(made, tmp_path):
    data = dataset.load(made)
    first, second = data.segments
    words = (replace(second.words[0], markers=()), *second.words[1:])
    second = replace(second, words=words, text=dataset.text_of(words, "<pause_short>"))
    first = replace(first, text=f"{first.text} <pause_long>")
    dataset.save(made, (first, second), data.info, overwrite=True)
    assert cli.main(["export", str(made), "-o", "talk.TextGrid"]) == 0
    assert cli.main(["import", str(made), "talk.TextGrid", "-o", "mine"]) == 0
    after = dataset.load(tmp_path / "mine").segments
    assert "<pause_long>" in after[1].text
    assert [one.review["status"] for one in after] == ["unreviewed"] * 2


def test_forms_and_encodings(made, tmp_path):
    options = ["--form", "short", "--encoding", "utf-16"]
    assert cli.main(["export", str(made), "-o", "talk.TextGrid", *options]) == 0
    data = (tmp_path / "talk.TextGrid").read_bytes()
    assert data.startswith(b"\xff\xfe")
    assert "intervals" not in data.decode("utf-16")
    grid = textgrid.read(tmp_path / "talk.TextGrid")
    assert [tier.name for tier in grid.tiers] == ["words", "markers", "untimed", "heard", "segments"]
    assert len(from_textgrid(grid).words) == 6


def test_with_the_recording_the_grid_is_as_long_and_has_its_pitch(made, tmp_path):
    assert cli.main(["export", str(made), "--audio", "talk.wav", "-o", "talk.TextGrid"]) == 0
    grid = textgrid.read(tmp_path / "talk.TextGrid")
    assert grid.end == 6.0
    pitch = next(tier for tier in grid.tiers if tier.name == "f0").points
    assert np.median([float(point.text) for point in pitch]) == pytest.approx(150, abs=3)
    assert all(b.time - a.time >= 0.0099 for a, b in pairwise(pitch))


def test_what_was_edited_is_measured_and_cut_again(made, tmp_path):
    assert cli.main(["export", str(made), "-o", "talk.csv"]) == 0
    swap(tmp_path / "talk.csv", "meant,1.2,1.605", "meant,1.2,2.0")
    assert cli.main(["import", str(made), "talk.csv", "--audio", "talk.wav", "-o", "mine"]) == 0
    first = dataset.load(tmp_path / "mine").segments[0]
    assert first.end == 2.0
    assert soundfile.info(tmp_path / "mine" / first.audio_file).duration == pytest.approx(1.6)
    assert first.words[3].measured["duration_s"] == pytest.approx(0.8)
    assert "pause_before_s" in first.words[0].measured  # these had been measured in another way: all are again
    assert len({tuple(word.measured) for word in first.words}) == 1


def test_what_was_not_edited_keeps_what_was_measured(made, tmp_path):
    assert cli.main(["export", str(made), "-o", "talk.csv"]) == 0
    swap(tmp_path / "talk.csv", "“007”.,3.5,4", "“007”.,3.5,3.9")
    assert cli.main(["import", str(made), "talk.csv", "--audio", "talk.wav", "-o", "heard"]) == 0
    assert cli.main(["export", "heard", "-o", "heard.csv"]) == 0
    swap(tmp_path / "heard.csv", "“007”.,3.5,3.9", "“007”.,3.5,3.8")
    for name, audio in (("again", ["--audio", "talk.wav"]), ("from its segments", [])):
        assert cli.main(["import", "heard", "heard.csv", "-o", name, *audio]) == 0
        before, after = (dataset.load(tmp_path / folder).segments for folder in ("heard", name))
        assert after[0].words == before[0].words
        assert after[1].words[1].measured["duration_s"] == 0.3
        assert after[1].words[1].measured["energy_db"] is not None


def test_what_is_measured_again_is_held_against_the_datasets_own_thresholds(made, tmp_path, capsys):
    def imported(name, **thresholds):
        path = made / "dataset_info.json"
        info = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**info, "parameters": {"prepare": {"detect": thresholds}}}), encoding="utf-8")
        words = ["import", str(made), "talk.csv", "--audio", "talk.wav", "-o", name]
        assert cli.main(words) == (2 if "loud" in thresholds else 0)
        return name

    assert cli.main(["export", str(made), "-o", "talk.csv"]) == 0
    swap(tmp_path / "talk.csv", "“007”.,3.5,4", "“007”.,3.5,3.9")
    usual, other = (
        dataset.load(tmp_path / imported(name, **thresholds))
        for name, thresholds in (("usual", {}), ("other", {"pause_short_s": 0.1, "pause_long_s": 0.15}))
    )
    word, again = usual.segments[1].words[1], other.segments[1].words[1]
    assert word.measured == again.measured and word.measured["pause_before_s"] == pytest.approx(0.2, abs=0.01)
    assert word.evidence["<pause_long>"] < 0.1 and again.evidence["<pause_long>"] > 0.9
    assert other.info["parameters"]["prepare"]["detect"]["pause_long_s"] == 0.15
    capsys.readouterr()
    imported("none", loud=1.0)
    assert "prepare.detect.loud" in capsys.readouterr().err and not (tmp_path / "none").exists()


def test_the_latest_run_and_the_recording_it_was_cut_from(made, tmp_path, monkeypatch, capsys):
    from prosody import files
    from prosody.workflow import record

    assert "no ok run of prepare" in refused(capsys, "export", "latest", "-o", "x.csv")
    runs = record.runs_folder()
    cut = record.start("segment", {}, runs=runs, how="headless")
    run = record.start("prepare", {}, runs=runs, how="headless")
    for folder in (cut, run):
        record.end(folder, "ok", code=0)
    (cut / "artifacts").mkdir(exist_ok=True)
    sound, rate = soundfile.read(tmp_path / "talk.wav")
    soundfile.write(cut / "artifacts" / "recording.flac", sound, rate)
    (run / "artifacts").mkdir(exist_ok=True)
    made.rename(run / "artifacts" / "dataset")
    files.write_json(run / "upstream.json", {"segment": cut.name}, overwrite=True)
    for source in ("latest", run.name, run):
        assert cli.main(["export", str(source), "-o", "talk.TextGrid", "--overwrite"]) == 0
        assert textgrid.read(tmp_path / "talk.TextGrid").end == 6.0


def test_mistakes_when_exporting(made, tmp_path, capsys):
    assert "ends in .TextGrid or .csv" in refused(capsys, "export", made, "-o", "talk.eaf")
    assert "not found" in refused(capsys, "export", "nowhere", "-o", "talk.csv")
    assert "to export a recording, put its TEXT after it" in refused(capsys, "export", "talk.wav", "-o", "talk.csv")
    (tmp_path / "talk.csv").write_text("mine")
    assert "already exists" in refused(capsys, "export", made, "-o", "talk.csv")
    (tmp_path / "empty").mkdir()
    assert "prosody_dataset.json: not found" in refused(capsys, "export", tmp_path / "empty", "-o", "x.csv")
    soundfile.write("other.wav", np.full(48_000, 0.1), 24_000)
    told = refused(capsys, "export", made, "--audio", "other.wav", "-o", "x.csv")
    assert "is not the recording of the dataset, which is talk.wav" in told
    assert not (tmp_path / "x.csv").exists()


def test_mistakes_when_importing_leave_nothing_behind(made, tmp_path, capsys):
    assert cli.main(["export", str(made), "-o", "talk.csv"]) == 0
    capsys.readouterr()
    before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    swap(tmp_path / "talk.csv", "meant,1.2,1.605", "meant,1.2,2.0")
    assert "reaches out of segments/a.wav" in refused(capsys, "import", made, "talk.csv")
    swap(tmp_path / "talk.csv", "1.2,2.0", "1.2,7.5")
    swap(tmp_path / "talk.csv", 'it",",3,', 'it",",8,')
    told = refused(capsys, "import", made, "talk.csv", "--audio", "talk.wav")
    assert "talk.csv: row " in told
    assert "already exists" in refused(capsys, "import", made, "talk.csv", "-o", made)
    assert ".TextGrid or .csv" in refused(capsys, "import", made, "talk.txt", "-o", "mine")
    assert "not found" in refused(capsys, "import", made, "talk.TextGrid", "-o", "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset", "talk.csv", "talk.wav"]
    assert before == {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}


def test_a_word_beyond_the_recording(made, tmp_path, capsys):
    assert cli.main(["export", str(made), "-o", "talk.csv"]) == 0
    capsys.readouterr()
    found = table.read(tmp_path / "talk.csv")
    swap(tmp_path / "talk.csv", "“007”.,3.5,4", "“007”.,3.5,6.5")
    assert found.words[5].end == 4.0
    told = refused(capsys, "import", made, "talk.csv", "--audio", "talk.wav")
    assert "row 7: ““007”.” ends at 6.500 s, the recording at 6.000 s" in told


def test_the_recording_of_a_dataset_of_several(made, capsys):
    path = made / "dataset_info.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    source = {"name": "talk", "sha256": info["source_sha256"], "start": 0.0, "duration": 6.0}
    path.write_text(json.dumps({**info, "sources": [source]}), encoding="utf-8")
    told = refused(capsys, "export", made, "--audio", "talk.wav", "-o", "x.csv")
    assert "made of 1 recordings" in told and "name the folder" in told
    (made.parent / "talks").mkdir()
    (made.parent / "talk.wav").rename(made.parent / "talks" / "talk.wav")
    assert cli.main(["export", str(made), "--audio", "talks", "-o", "talk.TextGrid"]) == 0
    path.write_text(json.dumps({**info, "sources": []}), encoding="utf-8")
    capsys.readouterr()
    assert "field 'sources'" in refused(capsys, "export", made, "-o", "x.csv")


def test_a_disk_that_is_full_when_importing(made, tmp_path, capsys, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", source, None, target)

    assert cli.main(["export", str(made), "-o", "talk.csv"]) == 0
    capsys.readouterr()
    monkeypatch.setattr("shutil.copyfile", full)
    assert "the disk is full" in refused(capsys, "import", made, "talk.csv", "-o", "mine")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(("mine", ".tmp"))]


def test_a_dataset_that_lies_right_below_the_root_has_no_run():
    assert interchange._upstream_recording(Path(Path.cwd().anchor, "nowhere")) is None
