"""What a finished review leaves: a dataset that loads, with the markers as they were set and the sounds cut anew."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from prosody import dataset
from prosody.errors import ProsodyError
from prosody.review import finish
from prosody.review.session import open_session
from prosody.speech import sources
from prosody.speech.audio import read

RATE = 16_000


def finished(folder, session, *, whole=True):
    data = dataset.load(folder)
    recording = read(folder.parent / "talk.wav", sample_rate=RATE)
    sounds = sources.of_recording(recording) if whole else sources.of_segments(data)
    return finish.save(folder.parent / "new", data, session, sounds=sounds, at="2026-01-01T10:00:00+00:00")


def test_markers_and_verdicts_are_in_the_new_dataset_and_the_old_one_is_as_it_was(folder):
    before = (folder / dataset.DATASET_FILE).read_bytes()
    session = open_session(dataset.load(folder), folder.parent / "review.jsonl", by="ann")
    session.do("toggle", word=1, token="<pitch_falling>")
    session.do("accept")
    session.do("reject", "2")
    assert finish.revision_of(session).stale == ()
    finished(folder, session)
    session.close()
    new = dataset.load(folder.parent / "new")
    assert [one.audio_file for one in new.segments] == ["segments/s0.wav", "segments/s2.wav"]
    assert new.segments[0].text == "<emph> We <pitch_falling> walk."
    assert [one.review["status"] for one in new.segments] == ["reviewed", "unreviewed"]
    assert new.segments[0].review["by"] == "ann"
    assert new.info["parameters"]["import"]["review"] == {"unreviewed": 1, "reviewed": 1, "rejected": 1}
    assert (folder / dataset.DATASET_FILE).read_bytes() == before


def test_what_was_moved_or_cut_otherwise_is_measured_and_cut_again(folder):
    session = open_session(dataset.load(folder), folder.parent / "review.jsonl", by="ann")
    session.do("move", word=0, edge="end", time=0.6)
    session.do("retext", "2", word=1, text="talk.")
    session.do("split", "3", word=1)
    found = finish.revision_of(session)
    assert found.stale == (0, 1, 3)  # the word, the one after it, and the one with other letters
    assert found.recut == ("segments/s2-1.wav", "segments/s2-2.wav")
    finished(folder, session)
    session.close()
    new = dataset.load(folder.parent / "new")
    assert [len(one.words) for one in new.segments] == [2, 2, 1, 1]
    words = [word for one in new.segments for word in one.words]
    assert words[0].end == 0.6 and words[3].text == "talk."
    assert words[0].measured["f0_level_st"] is not None
    lengths = [soundfile.info(new.folder / one.audio_file).duration for one in new.segments]
    assert lengths == pytest.approx([one.duration for one in new.segments], abs=1e-3)
    joined = np.concatenate([soundfile.read(new.folder / one.audio_file)[0] for one in new.segments[2:]])
    whole = soundfile.read(folder / "segments" / "s2.wav")[0]
    assert np.abs(joined - whole[: len(joined)]).max() < 1e-3


def test_undone_is_as_if_it_had_never_been(folder):
    session = open_session(dataset.load(folder), folder.parent / "review.jsonl", by="ann")
    session.do("split", "1", word=1)
    session.do("merge", "1.1")
    found = finish.revision_of(session)
    assert (found.stale, found.recut) == ((), ("segments/s0-1-s0-2.wav",))
    session.undo()
    session.undo()
    found = finish.revision_of(session)
    assert (found.stale, found.recut, found.changed) == ((), (), 0)
    session.close()


def test_what_cannot_be_finished(folder):
    session = open_session(dataset.load(folder), folder.parent / "review.jsonl", by="ann")
    session.do("split", "1", word=1)
    with pytest.raises(ProsodyError, match="2 segments were split or merged, and their recording is not there"):
        finished(folder, session, whole=False)
    session.undo()
    for name in session.segments:
        session.do("reject", name)
    with pytest.raises(ProsodyError, match="has no segment that is not rejected"):
        finished(folder, session)
    session.close()
    assert not (folder.parent / "new").exists()
    assert replace(session.segments["1"], review=dataset.unreviewed()) == session.first["1"]


def test_a_part_never_gets_the_sound_of_a_segment_that_had_its_name(folder):
    """The first's first half would be "s0-1.wav", which another, rejected one is: it has to be cut, not copied."""
    data = dataset.load(folder)
    (folder / "segments/s1.wav").rename(folder / "segments/s0-1.wav")
    renamed = replace(data.segments[1], audio_file="segments/s0-1.wav")
    dataset.save(folder, (data.segments[0], renamed, data.segments[2]), data.info, overwrite=True)
    session = open_session(dataset.load(folder), folder.parent / "review.jsonl", by="ann")
    session.do("split", "2", word=1)
    session.do("split", "1", word=1)
    found = finish.revision_of(session)
    assert len(found.recut) == len(found.segments) - 1 == 4 and len(set(found.recut)) == 4
    finished(folder, session)
    session.close()
    new = dataset.load(folder.parent / "new")
    lengths = [soundfile.info(new.folder / one.audio_file).duration for one in new.segments]
    assert lengths == pytest.approx([one.duration for one in new.segments], abs=1e-3)
