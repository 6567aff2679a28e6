"""A review under way: its actions, undo, and what is left of it after a kill."""

import json
import multiprocessing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lm_data import rule_book, save_book

from prosody import dataset, markers
from prosody.errors import ProsodyError
from prosody.review import actions
from prosody.review.journal import Journal, opened
from prosody.review.session import Session, open_session

SHA = "0" * 64


def book():
    """Four segments with evidence: "never" is heard with a high pitch."""
    data = rule_book(4)
    heard = [
        replace(one, words=tuple(replace(w, evidence={"<pitch_high>": 0.9 * (w.text == "never")}) for w in one.words))
        for one in data.segments
    ]
    return replace(data, segments=tuple(heard))


BOOK = book()


@pytest.fixture
def session(tmp_path):
    one = Session(BOOK, opened(tmp_path / "review.jsonl", SHA), by="ann")
    yield one
    one.close()


def again(path):
    """What another process would find there."""
    journal = Journal(path, SHA)
    journal.read()
    return Session(BOOK, journal, by="ben")


def test_a_marker_takes_the_place_of_one_of_its_kind_and_takes_itself_out(session):
    word = next(k for k, w in enumerate(BOOK.segments[0].words) if w.text == "and")
    assert session.do("toggle", word=word, token="<pause_long>").words[word].markers == ("<pause_long>",)
    assert session.do("toggle", word=word, token="<emph>").words[word].markers == ("<pause_long>", "<emph>")
    segment = session.do("toggle", word=word, token="<pause_long>")
    assert segment.words[word].markers == ("<emph>",)
    assert markers.parse(segment.text).words[word].markers == ("<emph>",)
    assert session.counts == {"unreviewed": 4, "reviewed": 0, "rejected": 0}


def test_all_that_is_heard_clearly_is_taken_over_at_once(session):
    before = session.segments["1"]
    segment = session.do("accept heard", least=0.8)
    for was, now in zip(before.words, segment.words, strict=True):
        added = ("<pitch_high>",) if was.text == "never" else ()
        assert set(now.markers) == {*was.markers, *added}
    assert session.do("accept heard", least=0.95) == segment


def test_who_accepted_or_rejected_and_when(session):
    review = session.do("accept").review
    assert (review["status"], review["by"]) == ("reviewed", "ann") and review["at"].startswith("20")
    session.go("2")
    assert session.do("reject").review["status"] == "rejected"
    assert session.do("reopen").review == dataset.unreviewed()
    assert session.counts == {"unreviewed": 3, "reviewed": 1, "rejected": 0}


def test_a_mistyped_word(session):
    segment = session.do("retext", word=1, text=" painted ")
    assert segment.words[1].text == "painted" and " painted " in segment.text
    for text in ("two words", "<emph> x", "", "a <evil> b"):
        with pytest.raises(ProsodyError):
            session.do("retext", word=1, text=text)
    assert session.segments["1"] == segment


def test_an_edge_is_moved_and_the_neighbour_gives_way(session):
    one, other = BOOK.segments[0].words[1:3]
    segment = session.do("move", word=1, edge="end", time=one.end + 0.15)
    assert segment.words[1].end == segment.words[2].start == pytest.approx(one.end + 0.15)
    segment = session.do("move", word=2, edge="start", time=other.start + 0.2)
    assert segment.words[1].end == pytest.approx(one.end + 0.15)  # a gap may be
    for how in ({"edge": "end", "time": other.end + 1}, {"edge": "start", "time": -1.0}):
        with pytest.raises(ProsodyError, match=r"keep it between \d"):
            session.do("move", word=1, **how)


def test_split_and_merge_keep_words_and_markers(session):
    whole = session.segments["2"]
    session.go("2")
    first = session.do("split", word=9)
    assert list(session.segments) == ["1", "2.1", "2.2", "3", "4"] and session.at == "2.1"
    second = session.segments["2.2"]
    assert first.words + second.words == whole.words
    assert first.end == second.start and first.words[-1].end <= first.end <= second.words[0].start
    assert f"{first.text} {second.text}" == whole.text
    merged = session.do("merge")
    assert list(session.segments) == ["1", "2.1+2.2", "3", "4"]
    assert (merged.words, merged.text, merged.start, merged.end) == (whole.words, whole.text, whole.start, whole.end)
    with pytest.raises(ProsodyError, match="has no words before this one"):
        session.do("split", word=0)
    session.go("4")
    with pytest.raises(ProsodyError, match="is the last one"):
        session.do("merge")


def test_what_is_held_out_is_not_merged_with_what_is_learned(session):
    session.go("3")
    with pytest.raises(ProsodyError, match="merge segments of one part only"):
        session.do("merge")


deeds = st.sampled_from(["toggle", "accept", "split", "merge", "go", "undo", "redo", "retext"])
steps = st.lists(st.tuples(deeds, st.integers(0, 99)), max_size=25)


def do(session, what, n):
    """Something that may or may not be possible."""
    name = list(session.segments)[n % len(session.segments)]
    try:
        if what in ("undo", "redo"):
            getattr(session, what)()
        elif what == "go":
            session.go(name)
        else:
            how = {"word": n % 20, "token": markers.TOKENS[n % 7], "text": f"word{n}"}
            session.do(what, name, **how)
    except ProsodyError:
        pass


@given(steps)
def test_undo_leads_back_to_the_beginning_and_redo_forth_again(tmp_path_factory, taken):
    session = Session(BOOK, opened(tmp_path_factory.mktemp("review") / "review.jsonl", SHA), by="ann")
    for what, n in taken:
        do(session, what, n)
    there = session.segments, session.at
    undone = 0
    while session.can_undo:
        session.undo()
        undone += 1
    assert session.segments == {str(k): one for k, one in enumerate(BOOK.segments, 1)}
    for _ in range(undone):
        session.redo()
    assert (session.segments, session.at) == there
    session.close()


@given(steps, st.data())
def test_wherever_the_journal_is_cut_off_all_whole_lines_count(tmp_path_factory, taken, data):
    path = tmp_path_factory.mktemp("review") / "review.jsonl"
    session = Session(BOOK, opened(path, SHA), by="ann")
    states = {path.stat().st_size: (session.segments, session.at)}
    for what, n in taken:
        do(session, what, n)
        states[path.stat().st_size] = session.segments, session.at
    session.close()
    size = data.draw(st.integers(min(states), max(states)))
    path.write_bytes(path.read_bytes()[:size])
    there = again(path)
    assert (there.segments, there.at) == states[max(one for one in states if one <= size)]
    going_on = Session(BOOK, opened(path, SHA), by="ann")
    going_on.do("accept")
    going_on.close()
    last = again(path)
    assert last.segments[last.at].review["status"] == "reviewed"
    assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def test_it_is_written_down_before_it_counts(session, monkeypatch):
    before = session.segments

    def full(self, entry):
        raise ProsodyError(self.path, None, "the disk is full", "make room")

    monkeypatch.setattr(Journal, "append", full)
    with pytest.raises(ProsodyError, match="the disk is full"):
        session.do("accept")
    assert session.segments is before and not session.can_undo


def hold(folder, ready, done):
    session = open_session(dataset.load(folder), folder / "review.jsonl", by="ann")
    session.do("accept")
    ready.set()
    done.wait(60)


def test_a_second_reviewer_may_look_but_not_touch(tmp_path):
    save_book(tmp_path, BOOK)
    spawn = multiprocessing.get_context("spawn")
    ready, done = spawn.Event(), spawn.Event()
    process = spawn.Process(target=hold, args=(tmp_path, ready, done))
    process.start()
    try:
        assert ready.wait(60)
        session = open_session(dataset.load(tmp_path), tmp_path / "review.jsonl", by="ben")
        assert session.read_only == "it is being reviewed elsewhere"
        assert session.counts["reviewed"] == 1
        with pytest.raises(ProsodyError, match=r"review\.jsonl: is open for reading only: it is being reviewed"):
            session.do("reject")
    finally:
        process.kill()  # and what it did is not lost, nor does it keep others out
        process.join()
    session = open_session(dataset.load(tmp_path), tmp_path / "review.jsonl", by="ben")
    assert session.read_only == "" and session.counts["reviewed"] == 1 and session.can_undo
    session.close()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hello\n", "line 1: is not the journal of a review"),
        ('{"prosody_review": 2}\n', "line 1: is not the journal of a review"),
        ('{"prosody_review": 1, "dataset_sha256": "2"}\n', "is the review of another dataset"),
        ('{"prosody_review": 1, "dataset_sha256": "SHA"}\n7\n', "line 2: is no action of a review"),
        ('{"prosody_review": 1, "dataset_sha256": "SHA"}\n' + "[" * 10**5 + "\n", "line 2: is no action of a review"),
        ('{"prosody_review": 1, "dataset_sha256": "SHA"}\n{"do": "dance"}\n', "holds an action that can't be done"),
        ('{"prosody_review": 1, "dataset_sha256": "SHA"}\n{"segment": 3}\n', "holds an action that can't be done"),
        ('{"prosody_review": 1, "dataset_sha256": "SHA"}\n{"do": "undo"}\n', "holds an action that can't be done"),
    ],
)
def test_what_is_no_journal_of_this_dataset_is_refused_and_left_as_it_is(tmp_path, text, told):
    from prosody import files

    save_book(tmp_path, BOOK)
    written = text.replace("SHA", files.sha256(tmp_path / dataset.DATASET_FILE))
    (tmp_path / "review.jsonl").write_text(written)
    for _ in range(2):  # the first leaves no lock
        with pytest.raises(ProsodyError, match=told) as caught:
            open_session(dataset.load(tmp_path), tmp_path / "review.jsonl", by="ann")
        assert "\n" not in str(caught.value)
    assert (tmp_path / "review.jsonl").read_text() == written
    (tmp_path / "review.jsonl").unlink()
    anew = open_session(dataset.load(tmp_path), tmp_path / "review.jsonl", by="ann")
    assert anew.read_only == ""
    anew.close()


def test_an_action_that_is_none(session):
    for how in ({"action": "dance"}, {"action": "accept", "segment": "100"}):
        with pytest.raises(ProsodyError):
            session.do(**how)
    with pytest.raises(ProsodyError, match="has no word 99"):
        session.do("toggle", word=99, token="<emph>")
    with pytest.raises(ProsodyError, match="'<evil>' is no marker"):
        session.do("toggle", word=0, token="<evil>")
    for act in (session.undo, session.redo):
        with pytest.raises(ProsodyError, match="there is nothing to"):
            act()
    assert actions.final_pause(session.segments["1"]) is None


def test_a_disk_that_is_full_takes_nothing_from_the_journal(tmp_path):
    """Half a line may have been written when the disk says no; after room was made, all goes on."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "review.jsonl"
    session = Session(BOOK, opened(path, SHA), by="ann")
    session.do("accept")
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
    try:
        for _ in range(2):
            with pytest.raises(ProsodyError, match="is larger than a file may be here"):
                session.do("reject")
            assert path.read_bytes() == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert session.counts["rejected"] == 0
    session.do("reject")
    session.close()
    assert again(path).counts["rejected"] == 1


def test_a_journal_that_was_removed_is_written_anew_with_all_that_was_done(session):
    session.do("accept")
    session.path.unlink()
    session.do("toggle", "2", word=0, token="<emph>")
    there = again(session.path)
    assert there.segments == session.segments and there.counts["reviewed"] == 1


def test_a_journal_that_another_program_wrote_to_is_left_as_it_is(session):
    session.do("accept")
    session.path.write_bytes(session.path.read_bytes() + b"conflict")
    with pytest.raises(ProsodyError, match="was changed by another program since it was opened"):
        session.do("reject")
    assert session.path.read_bytes().endswith(b"conflict") and session.counts["rejected"] == 0


def test_a_journal_that_may_not_be_written_is_read(tmp_path, monkeypatch):
    path = tmp_path / "review.jsonl"
    session = Session(BOOK, opened(path, SHA), by="ann")
    session.do("accept")
    session.close()
    written = path.read_bytes()

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.truncate", refused)
    session = Session(BOOK, opened(path, SHA), by="ann")
    assert session.read_only == "may not be read or written" and session.counts["reviewed"] == 1
    with pytest.raises(ProsodyError, match="is open for reading only: may not"):
        session.do("reject")
    assert path.read_bytes() == written
    monkeypatch.undo()
    assert opened(path, SHA).writable  # and no lock was left


WHEN = "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    "entry",
    [
        {"do": "go", "segment": "99"},
        {"do": "go", "segment": 1},
        {"do": "go", "segment": []},
        {"do": "move", "segment": "1", "word": 1, "edge": "end", "time": 10**400},
        {"do": "move", "segment": "1", "word": 1, "edge": "text", "time": 1.0},
        {"do": "move", "segment": "1", "word": "1", "edge": "end", "time": 1.0},
        {"do": "accept heard", "segment": "1", "least": 10**400},
        {"do": "accept heard", "segment": "1", "least": float("nan")},
        {"do": "retext", "segment": "1", "word": 0, "text": "\ud800"},
        {"do": "toggle", "segment": "1", "word": 0, "token": ["<emph>"]},
        {"do": "accept", "segment": "1", "by": "ann", "at": "yesterday"},
        {"do": "accept", "segment": "1", "by": "ann", "at": "2026-01-01T00:00:00"},
        {"do": "accept", "segment": "1", "by": 7, "at": WHEN},
        {"do": "redo"},
    ],
    ids=str,
)
def test_an_action_in_the_journal_that_cannot_be_is_named_by_its_line(tmp_path, entry):
    path = tmp_path / "review.jsonl"
    session = Session(BOOK, opened(path, SHA), by="ann")
    session.do("accept", "2")
    session.close()
    with path.open("a") as sink:
        sink.write(json.dumps(entry) + "\n")
    with pytest.raises(ProsodyError, match=r"review\.jsonl: line 3: holds an action that can't be done"):
        again(path)


def test_of_a_dataset_without_segments_there_is_nothing_to_review(tmp_path):
    with pytest.raises(ProsodyError, match="has no segments"):
        Session(replace(BOOK, segments=()), opened(tmp_path / "review.jsonl", SHA), by="ann")


def test_what_was_not_decided_as_one_is_not_decided_when_it_is_merged(session):
    session.do("reject", "1")
    session.do("accept", "2")
    assert session.do("merge", "1").review == dataset.unreviewed()
    session.undo()
    session.do("accept", "1")
    assert session.do("merge", "1").review["status"] == "reviewed"


def test_each_part_has_a_file_of_its_own_under_a_name_that_is_not_too_long(tmp_path):
    names = ("a.wav", "a-1.wav", "A-2.wav", "é" * 60 + ".wav")
    segments = tuple(replace(one, audio_file=name) for one, name in zip(BOOK.segments, names, strict=True))
    data = replace(BOOK, segments=tuple(replace(one, split="train") for one in segments))
    session = Session(data, opened(tmp_path / "review.jsonl", SHA), by="ann")
    session.do("split", "1", word=3)
    session.do("merge", "3")
    for _ in range(9):
        session.do("split", list(session.segments)[-1], word=1)
    files = [one.audio_file for one in session.segments.values()]
    assert len({name.casefold() for name in files}) == len(files) == 13
    assert all(len(name.encode()) <= 124 for name in files)
    assert again_of(data, session.path).segments == session.segments
    session.close()


def again_of(data, path):
    journal = Journal(path, SHA)
    journal.read()
    return Session(data, journal, by="ben")


def test_a_part_that_would_last_no_time_is_not_made(tmp_path):
    first = BOOK.segments[0]
    words = (replace(first.words[0], start=first.start, end=first.start), *first.words[1:])
    words = (words[0], replace(words[1], start=first.start), *words[2:])
    data = replace(BOOK, segments=(replace(first, words=words), *BOOK.segments[1:]))
    session = Session(data, opened(tmp_path / "review.jsonl", SHA), by="ann")
    with pytest.raises(ProsodyError, match="one of its parts would last no time"):
        session.do("split", word=1)
    assert session.do("move", word=0, edge="end", time=first.start + 0.05).words[0].end > first.start
    session.close()


def test_a_segment_without_words_can_be_joined_and_left(tmp_path):
    silent = replace(BOOK.segments[1], words=(), text="", split=BOOK.segments[0].split)
    data = replace(BOOK, segments=(BOOK.segments[0], silent, *BOOK.segments[2:]))
    session = Session(data, opened(tmp_path / "review.jsonl", SHA), by="ann")
    merged = session.do("merge", "1")
    assert merged.words == BOOK.segments[0].words and merged.text == BOOK.segments[0].text
    session.close()
