"""Where a review is kept, that it is found again, and that what came of it is what is learned from."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from prosody import dataset, workflow
from prosody.dataset import Segment, Word, text_of
from prosody.errors import ProsodyError
from prosody.speech import sources
from prosody.speech.audio import read
from prosody.workflow import reviews, speaker

RATE = 16_000


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Two segments of a hum; the runs are recorded beside."""
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path / "runs"))
    hum = 0.3 * np.sin(2 * np.pi * 140 * np.arange(4 * RATE) / RATE)
    soundfile.write(tmp_path / "talk.wav", hum, RATE)
    made = tmp_path / "dataset"
    (made / "segments").mkdir(parents=True)
    segments = []
    for k in range(2):
        words = tuple(
            Word(text, 2 * k + at, 2 * k + at + 0.6, (), {}, {"<emph>": 0.9})
            for text, at in (("We", 0.2), ("go.", 0.9))
        )
        segments.append(Segment(f"segments/s{k}.wav", text_of(words), 1.6, 2 * k, 2 * k + 1.6, "train", words))
        soundfile.write(made / f"segments/s{k}.wav", hum[2 * k * RATE : round((2 * k + 1.6) * RATE)], RATE)
    info = {
        "source_file": "talk.wav",
        "source_sha256": "0" * 64,
        "sample_rate": RATE,
        "profile": None,
        "parameters": {},
    }
    dataset.save(made, segments, info)
    return dataset.load(made)


def begin(data, **how):
    return reviews.begin(
        data, sounds=sources.of_recording(read(data.folder.parent / "talk.wav", sample_rate=RATE)), **how
    )


def prepared_otherwise(data):
    """The same recording with other markers, in the same folder."""
    words = tuple(replace(word, markers=("<emph>",)) for word in data.segments[0].words)
    changed = replace(data.segments[0], words=words, text=text_of(words))
    dataset.save(data.folder, (changed, data.segments[1]), data.info, overwrite=True)
    return dataset.load(data.folder)


def test_what_was_reviewed_is_found_for_the_same_dataset_in_another_folder(data, tmp_path):
    one = begin(data, by="ann")
    one.session.do("accept")
    one.session.close()
    copy = tmp_path / "again"
    data.folder.rename(copy)
    again = reviews.begin(dataset.load(copy), sounds=[], by="ann")
    assert again.session.counts["reviewed"] == 1
    again.session.close()
    folder = reviews.folder_of(copy)
    assert folder.parent == tmp_path / "runs" / "review" and (folder / "ann.jsonl").is_file()


def test_two_reviewers_have_a_journal_each_and_see_each_other(data):
    ann = begin(data, by="ann")
    ann.session.do("toggle", word=0, token="<emph>")
    ben = begin(data, by="ben")
    assert ben.session.read_only == "" and ben.session.segments["1"].words[0].markers == ()
    assert ben.others()["ann"]["1"].words[0].markers == ("<emph>",)
    ben.session.path.with_name("bad.jsonl").write_text("no journal\n")
    assert set(begin(data, by="ann").others()) == {"ben"}
    for one in (ann, ben):
        one.session.close()


def test_who_gives_no_name_is_nobody_and_finds_what_was_reviewed_under_the_login_name(data, monkeypatch):
    monkeypatch.setattr("prosody.workflow.scrub.user", lambda: "anna b")
    first = begin(data)
    assert (first.session.path.name, first.session.by) == ("reviewer.jsonl", "reviewer")
    first.session.close()
    first.session.path.unlink()

    earlier = begin(data, by="anna b")
    earlier.session.do("accept")
    earlier.session.close()
    again = begin(data)
    assert (again.session.path.name, again.session.counts["reviewed"]) == ("anna b.jsonl", 1)
    again.session.do("accept", "2")
    made = dataset.load(again.write(again.session, print))
    again.session.close()
    assert made.info["parameters"]["import"]["by"] == "reviewer"
    assert [segment.review["by"] for segment in made.segments] == ["anna b", "reviewer"]


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "<img onerror=alert(1)>", "x" * 99, "a\nb"])
def test_a_name_that_could_lead_elsewhere_is_refused(data, name):
    with pytest.raises(ProsodyError, match="can't be a name"):
        begin(data, by=name)
    assert not reviews.folder_of(data.folder).exists()


def test_only_to_look_at_nothing_is_written(data):
    looked = begin(data, by="ann", to_read=True)
    assert looked.session.read_only and not reviews.folder_of(data.folder).exists()


def test_each_finished_review_is_a_dataset_of_its_own_and_the_last_is_learned_from(data):
    assert reviews.reviewed(data.folder) is None
    one = begin(data, by="ann")
    one.session.do("toggle", word=0, token="<emph>")
    one.session.do("accept")
    first = one.write(one.session, print)
    one.session.do("reject", "2")
    second = one.write(one.session, print)
    one.session.close()
    assert (first.name, second.name) == ("reviewed-1", "reviewed-2") and reviews.reviewed(data.folder) == second
    kept = dataset.load(second)
    assert len(dataset.load(first).segments) == 2 and len(kept.segments) == 1
    assert kept.segments[0].text == "<emph> We go."
    assert (kept.segments[0].review["status"], kept.segments[0].review["by"]) == ("reviewed", "ann")

    run = workflow.stage("train", {})
    assert reviews.to_learn_from(run, data.folder, which="no").segments == data.segments
    assert reviews.to_learn_from(run, data.folder, which="latest").segments == kept.segments
    assert reviews.to_learn_from(run, data.folder, which="reviewed-1").segments == dataset.load(first).segments
    assert json.loads((run.folder / "upstream.json").read_text())["review"].endswith("reviewed-1")
    with pytest.raises(ProsodyError, match="'reviewed-9' is no finished review") as caught:
        reviews.to_learn_from(run, data.folder, which="reviewed-9")
    assert "reviewed-1, reviewed-2" in str(caught.value)
    hashed = json.loads((run.folder / "inputs.json").read_text())
    assert any(Path(entry["path"]).name == dataset.DATASET_FILE for entry in hashed)


def test_the_dataset_of_an_adapter_is_found_among_what_was_reviewed(data):
    from prosody.files import sha256

    one = begin(data, by="ann")
    one.session.do("toggle", word=0, token="<emph>")
    made = one.write(one.session, print)
    one.session.close()
    assert speaker.dataset_of({"data_sha256": sha256(made / dataset.DATASET_FILE)}) == made
    assert speaker.dataset_of({"data_sha256": "1" * 64}) is None


def test_a_review_of_a_dataset_that_has_changed_since_is_another(data):
    one = begin(data, by="ann")
    one.session.do("accept")
    one.session.close()
    again = begin(prepared_otherwise(data), by="ann")
    assert again.session.counts["reviewed"] == 0
    again.session.close()


def test_one_who_reviews_another_dataset_of_the_same_recording_is_told_so(data):
    one = begin(data, by="ann")
    assert one.note == ""
    one.session.do("accept")
    one.session.close()
    again = begin(prepared_otherwise(data), by="ann")
    assert "was reviewed before" in again.note and again.session.counts["reviewed"] == 0
    again.session.close()


@pytest.mark.parametrize("name", ["con", "NUL", "aux.x", "COM1", "lpt9 .b", "\u0301a", "y" * 62, "अ" * 61 + "ा" * 10])
def test_a_name_that_some_system_cannot_store_is_refused(data, name):
    with pytest.raises(ProsodyError, match="can't be a name"):
        begin(data, by=name)


def test_a_name_may_carry_marks_and_is_the_same_however_they_are_typed(data):
    one = begin(data, by="Jose\u0301")
    one.session.do("accept")
    one.session.close()
    again = begin(data, by="Jos\u00e9")
    assert again.session.counts["reviewed"] == 1
    again.session.close()
    hindi = begin(data, by="अनीता शर्मा")
    assert set(hindi.others()) == {"Jos\u00e9"}
    hindi.session.close()


def test_a_folder_that_is_half_there_is_neither_learned_from_nor_in_the_way(data):
    one = begin(data, by="ann")
    one.session.do("accept")
    first = one.write(one.session, print)
    first.with_name("reviewed-3").mkdir()
    first.with_name("reviewed-4").write_text("a file\n")
    assert reviews.reviewed(data.folder) == first
    assert one.write(one.session, print).name == "reviewed-5"
    one.session.close()
