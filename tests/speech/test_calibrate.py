"""calibrate: thresholds found again for annotators that are known, and left alone where nothing can be learnt."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from prosody import cli, dataset, markers
from prosody.dataset import Segment, Word, text_of
from prosody.errors import ProsodyError
from prosody.sample.build import write_sample
from prosody.speech.audio import read, read_transcript, write_wav
from prosody.speech.calibrate import ENOUGH, _kappa, calibrate, searched
from prosody.speech.detect import DetectParameters, agreement, detect
from prosody.speech.hear import hear
from prosody.voice.speak import speak

DEFAULT = DetectParameters()
ABOVE = 1.6  # by how much somebody's thresholds differ
OTHER = {name: round(ABOVE * getattr(DEFAULT, name), 3) for search in searched() for name in search.names}
PROMINENCE = getattr(DEFAULT, "emph_prominence", 2.0)


def measured(n, seed=0):
    """Measurements of `n` words, as broad as in lively speech."""
    rng = np.random.default_rng(seed)
    level, slope = rng.normal(0, 3, n), rng.normal(0, 3.5, n)
    columns = {
        "f0_level_st": level,
        "f0_level_z": level,
        "f0_slope_st": slope,
        "f0_slope_z": slope,
        "f0_excursion_st": rng.gamma(2, 1, n),
        "f0_peak_st": rng.normal(1, 3, n),
        "energy_db": rng.normal(0, 3, n),
        "duration_s": rng.gamma(4, 0.08, n),
        "duration_z": rng.normal(0, 1, n),
        "pause_before_s": np.where(rng.random(n) < 0.35, rng.gamma(2.0, 0.4, n), 0.0),
        "voiced": rng.random(n),
        "prominence": PROMINENCE * rng.normal(1, 0.8, n),
    }
    return [{name: float(values[k]) for name, values in columns.items()} for k in range(n)]


def words_of(measurements, marked):
    pairs = enumerate(zip(measurements, marked, strict=True))
    return [Word(f"w{k}", 0.4 * k, 0.4 * k + 0.3, tuple(own), one) for k, (one, own) in pairs]


def annotated(n, seed=0, **thresholds):
    """Words marked by somebody with thresholds of their own."""
    found = measured(n, seed)
    return words_of(found, detect(found, DetectParameters(**thresholds)))


def slopes(factor):
    """The thresholds of rise and fall, moved."""
    search = next(one for one in searched() if "<pitch_rising>" in one.markers)
    return {name: factor * getattr(DEFAULT, name) for name in search.names}


def figures(found):
    return {one.marker: one for one in found.scores}


def test_an_annotators_thresholds_are_found_again():
    found = calibrate(annotated(1600, **OTHER))
    for name, value in OTHER.items():
        assert getattr(found.parameters, name) == pytest.approx(value, rel=0.12), name
    for search in searched():
        for token in search.markers:
            row = figures(found)[token]
            assert row.f1_after > 0.93 > row.f1_before, row
    assert all(one.why == "" for one in found.fitted)


def test_a_noisy_annotator_is_followed_too():
    words = annotated(1600, **OTHER)
    rng = np.random.default_rng(1)
    words = [dataclasses.replace(w, markers=()) if rng.random() < 0.2 else w for w in words]  # one in five overlooked
    found = calibrate(words)
    assert found.parameters.slope_st == pytest.approx(OTHER["slope_st"], rel=0.2)
    assert figures(found)["<pitch_rising>"].f1_after > figures(found)["<pitch_rising>"].f1_before + 0.1


def test_one_who_hears_as_the_defaults_changes_nothing_much():
    found = calibrate(annotated(800))
    assert found.parameters == DEFAULT
    assert {row.f1_after for row in found.scores} == {1.0}


@pytest.mark.parametrize("seed", range(3))
def test_markers_without_rhyme_or_reason_give_no_gain(seed):
    words = annotated(800, **OTHER)
    shuffled = np.random.default_rng(seed).permutation(len(words))
    words = [dataclasses.replace(w, markers=words[k].markers) for w, k in zip(words, shuffled, strict=True)]
    for row in calibrate(words).scores:
        assert abs(row.f1_after - row.f1_before) < 0.06, row


def test_the_figures_come_from_words_that_were_not_fitted_on():
    """Somebody who changes halfway: what fits one half does not fit the other, and the figures say so."""
    early, late = annotated(800, 0, **slopes(0.5)), annotated(800, 1, **slopes(2.0))
    found = calibrate([*early, *late], folds=2)
    own = [calibrate(half).scores for half in (early, late)]
    k = markers.TOKENS.index("<pitch_rising>")
    assert found.scores[k].f1_after < min(one[k].f1_after for one in own) - 0.2


def test_too_few_examples_move_nothing():
    words = annotated(400, **OTHER)
    seen = 0
    few = []
    for word in words:  # all but a handful of the rises and falls are taken away
        slope = {"<pitch_rising>", "<pitch_falling>"} & set(word.markers)
        seen += len(slope)
        kept = tuple(t for t in word.markers if t not in slope or seen < ENOUGH)
        few.append(dataclasses.replace(word, markers=kept))
    found = calibrate(few)
    assert found.parameters.slope_st == DEFAULT.slope_st
    fitted = next(one for one in found.fitted if one.name == "slope_st")
    assert fitted.n == ENOUGH - 1 and "only 7 examples" in fitted.why


@pytest.mark.parametrize("seed", range(4))
def test_a_dozen_examples_move_no_threshold_far(seed):
    found = calibrate(annotated(60, seed, **OTHER))
    for one in found.fitted:
        assert 0.5 <= one.after / one.before <= 2, one


def test_only_searched_thresholds_move():
    start = DetectParameters(pause_width_s=0.05)
    found = calibrate(annotated(600, **OTHER), parameters=start)
    names = {name for search in searched() for name in search.names}
    moved = {name for name, value in vars(found.parameters).items() if value != getattr(start, name)}
    assert moved <= names and moved
    assert {"pause_short_s", "pause_long_s", "level_st", "slope_st"} <= names


def test_what_is_compared_is_f1_beyond_chance():
    rng = np.random.default_rng(0)
    written, heard = (rng.random(200) < 0.3)[:, None], (rng.random(200) < 0.2)[:, None]
    slots = [[("<emph>",) if here else () for here in table[:, 0]] for table in (written, heard)]
    row, w, h = agreement(*slots)["<emph>"], written.mean(), heard.mean()
    by_chance = 2 * w * h / (w + h)
    assert _kappa(written, heard) == pytest.approx((row["f1"] - by_chance) / (1 - by_chance))
    assert _kappa(written, heard) == pytest.approx(row["kappa"])


def test_what_cannot_be_calibrated_is_told():
    with pytest.raises(ProsodyError, match="only 20 words"):
        calibrate(annotated(20))
    with pytest.raises(ProsodyError, match="folds"):
        calibrate(annotated(200), folds=1)
    with pytest.raises(ProsodyError, match="no measurement"):
        calibrate([dataclasses.replace(word, measured={}) for word in annotated(200)])
    words = annotated(200)
    before = {name: value for name, value in words[150].measured.items() if name != "prominence"}
    words[150] = dataclasses.replace(words[150], measured=before)  # as an earlier version did
    with pytest.raises(ProsodyError, match="no measurement 'prominence'"):
        calibrate(words)


@pytest.fixture(scope="module")
def heard_sample(tmp_path_factory):
    """The first answers of the built-in corpus, heard with the markers they were written with."""
    files = write_sample(tmp_path_factory.mktemp("sample"), answers=5)
    return hear(read(files.audio), read_transcript(files.transcript)).words


def test_the_built_in_corpus(heard_sample):
    found = calibrate(heard_sample)
    for row in found.scores:
        assert row.f1_after >= row.f1_before - 0.02, row
    for one in found.fitted:
        assert 0.5 <= one.after / one.before <= 2, one


def saved(folder, words, review="unreviewed"):
    """A dataset of one segment with these words."""
    (folder / "segments").mkdir(parents=True)
    end = words[-1].end
    write_wav(folder / "segments" / "a.wav", np.full(2400, 0.1, dtype=np.float32), 24_000)
    segment = Segment("segments/a.wav", text_of(words), end, 0.0, end, "train", tuple(words))
    segment = dataclasses.replace(segment, review={"status": review, "by": None, "at": None})
    info = {"source_file": "a.wav", "source_sha256": "0" * 64, "sample_rate": 24_000, "profile": None, "parameters": {}}
    dataset.save(folder, [segment], info)
    return folder


def test_the_commands(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PROSODY_SETUP", "off")
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "runs"))
    folder = saved(tmp_path / "data", annotated(600, **OTHER), review="accepted")
    out = tmp_path / "mine.json"
    assert cli.main(["calibrate", str(folder), "-o", str(out), "--json"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert told["parameters"] == json.loads(out.read_text())
    assert set(told["markers"]) == set(markers.TOKENS)
    assert "1 of 1 segments are reviewed" in captured.err
    assert " left" not in captured.err
    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr.isatty", lambda: True)
        assert cli.main(["calibrate", str(folder)]) == 0
    captured = capsys.readouterr()
    assert "<pitch_rising>" in captured.out
    shown = [line for line in captured.err.splitlines() if " left" in line]
    assert any("reading" in line for line in shown) and any("fitting" in line for line in shown)
    info = folder / "dataset_info.json"
    made = {"markers_from": "audio", "parameters": {"prepare": {"detect": told["parameters"]}}}
    info.write_text(json.dumps(json.loads(info.read_text()) | made))
    assert cli.main(["calibrate", str(folder), "--json"]) == 0  # it was reviewed
    again = json.loads(capsys.readouterr().out)
    assert {one["name"]: one["before"] for one in again["thresholds"]} == {
        one["name"]: one["after"] for one in told["thresholds"]
    }
    assert all(row["f1_before"] >= told["markers"][token]["f1_before"] for token, row in again["markers"].items())
    heard = shutil.copytree(folder, tmp_path / "heard")
    path = heard / dataset.DATASET_FILE
    path.write_text(path.read_text().replace('"accepted"', '"unreviewed"'))
    wrongs = (["calibrate", str(folder), "-o", str(out)], ["calibrate", str(tmp_path / "none")])
    for wrong in (*wrongs, ["calibrate", str(heard)]):
        assert cli.main(wrong) == 2
        assert capsys.readouterr().err.count("\n") == 1
    out.write_text('{"pause_long_s": 60, "pause_short_s": 50}')
    text = "We had soup. <pause_long> Then we went back to work."
    speak(markers.parse(text), out=tmp_path / "a.wav")
    words = ["detect", str(tmp_path / "a.wav"), text, "--json"]
    assert cli.main(words) == 0
    assert "<pause_long>" in json.loads(capsys.readouterr().out)["text"]
    assert cli.main([*words, "--parameters", str(out)]) == 0
    assert "<pause" not in json.loads(capsys.readouterr().out)["text"]
