"""What a reviewer asks of the panel, and where that leads: the queue, the decisions, the parts of a segment."""

from dataclasses import replace

import pytest

from prosody import dataset
from prosody.review.panel import Panel, Review
from prosody.review.session import open_session
from prosody.review.sounds import Sounds


@pytest.fixture
def data(folder):
    """The second segment is the most doubtful, then the third: something is heard there that isn't written."""
    loaded = dataset.load(folder)
    evidence = ({"<emph>": 0.9}, {"<emph>": 0.9, "<pitch_high>": 0.99}, {"<emph>": 0.9, "<pitch_high>": 0.7})
    segments = tuple(
        replace(one, words=(replace(one.words[0], evidence=found), replace(one.words[1], evidence={})))
        for one, found in zip(loaded.segments, evidence, strict=True)
    )
    dataset.save(folder, segments, loaded.info, overwrite=True)
    return dataset.load(folder)


def opened(data, by="ann", **more):
    session = open_session(data, data.folder.parent / f"{by}.jsonl", by=by)
    return Panel(Review(data, session, **more), Sounds(data))


@pytest.fixture
def panel(data):
    one = opened(data)
    yield one
    one.session.close()


def test_the_most_doubtful_comes_first_and_its_word_is_pointed_at(panel):
    assert panel.order == ["2", "3", "1"]
    assert (panel.session.at, panel.position, panel.word) == ("2", 1, 0)
    assert [place.token for place in panel.places] == ["<pitch_high>"]
    assert panel.following == "3"


def test_accept_and_reject_lead_on_to_what_is_left(panel):
    panel.ask("accept")
    assert panel.session.at == "3" and panel.said == "Accepted: segment 2."
    panel.ask("next")
    panel.ask("accept")
    assert panel.session.at == "3"  # it was passed over before
    assert str(panel.progress).startswith("2 of 3")
    panel.ask("reject")
    assert panel.said == "Rejected. Nothing in this queue is left to review." and panel.following is None
    assert panel.session.counts == {"unreviewed": 0, "reviewed": 2, "rejected": 1}
    panel.ask("undo")
    assert panel.session.counts["rejected"] == 0 and panel.session.at == "3"


def test_next_and_back_end_where_the_queue_does(panel):
    panel.ask("back")
    assert panel.session.at == "2" and "first one" in panel.said
    panel.ask("next")
    panel.ask("next")
    panel.ask("next")
    assert panel.session.at == "1" and "last one" in panel.said
    panel.ask("back")
    assert panel.session.at == "3"


def test_markers_words_and_edges(panel):
    panel.ask("marker", word=1, number=6)
    assert panel.segment.words[1].markers == ("<pitch_rising>",) and panel.word == 1
    panel.ask("clear", word=1)
    assert panel.segment.words[1].markers == ()
    panel.ask("retext", word=1, text="run.")
    assert panel.segment.words[1].text == "run."
    panel.ask("move", word=1, edge="start", time=0.55)
    assert panel.segment.words[1].start == pytest.approx(panel.segment.start + 0.55)
    assert not panel.wrong
    panel.word = 0
    panel.ask("undo")
    assert panel.word == 0 and panel.said == "Undone."  # the word before gave way, and is the first that is another
    panel.ask("undo")
    assert panel.segment.words[1].text == "walk." and panel.word == 1
    panel.ask("redo")
    assert panel.segment.words[1].text == "run."


def test_all_that_is_heard_clearly_at_once(panel):
    panel.ask("least", least=0.95)
    panel.ask("hear")
    assert panel.segment.words[0].markers == ("<pitch_high>", "<emph>")
    assert panel.said == "Taken over from 0.95 of evidence: 1 of 2 words changed."
    panel.ask("least", least=0)
    assert panel.wrong and panel.least == 0.95


def test_the_parts_of_a_segment_stand_in_its_place_in_the_queue(panel):
    panel.ask("split", word=1)
    assert panel.order == ["2.1", "2.2", "3", "1"] and panel.session.at == "2.1"
    panel.ask("accept")
    assert panel.session.at == "2.2" and panel.said == "Accepted: segment 2.1."
    panel.ask("merge")
    assert panel.order == ["2.1", "2.2+3", "1"]
    for _ in range(3):
        panel.ask("undo")
    assert panel.order == ["2", "3", "1"] and panel.session.at == "2"


def test_a_filter_leaves_some_and_tells_where_none_is_left(panel):
    panel.ask("filter", marker="<pitch_high>")
    assert panel.order == ["2", "3"]
    panel.ask("accept")
    panel.ask("filter", marker="", status="unreviewed")
    assert panel.order == ["3", "1"]
    panel.ask("filter", word="unheard-of")
    assert panel.order == [] and panel.said == "No segment has all of that." and panel.position == 0
    panel.ask("next")
    panel.ask("accept")
    assert "Nothing in this queue is left" in panel.said
    panel.ask("filter", word="", status="", disagreement=True)
    assert set(panel.order) == {"2", "3"}


@pytest.mark.parametrize(
    ("what", "how", "told"),
    [
        ("dance", {}, "can't be asked"),
        ("marker", {"word": 7, "number": 1}, "has no word 7"),
        ("retext", {"word": 0, "text": "two words"}, "is not one word"),
        ("move", {"word": 0, "edge": "end", "time": 99}, "can't be at"),
        ("split", {"word": 0}, "has no words before this one"),
        ("undo", {}, "nothing to undo"),
        ("redo", {}, "nothing to redo"),
        ("go", {"segment": "100"}, "is not there"),
        ("filter", {"marker": "<evil>"}, "is no marker"),
        ("relocate", {"folder": "/no/such/place"}, "is no folder"),
        ("finish", {}, "can't be finished"),
    ],
)
def test_a_mistake_is_said_and_changes_nothing(panel, what, how, told):
    before = panel.session.segments, panel.session.at, list(panel.order)
    panel.ask(what, **how)
    assert panel.wrong and told in panel.said and "\n" not in panel.said
    assert (panel.session.segments, panel.session.at, panel.order) == before
    panel.ask("look")
    assert told in panel.said  # it stays until something else is asked
    panel.ask("next")
    assert not panel.wrong


def test_opened_again_it_is_where_it_was_left(data, panel):
    panel.ask("accept")
    panel.ask("marker", word=1, number=1)
    panel.session.close()
    again = opened(data)
    assert again.session.at == "3" and again.segment.words[1].markers == ("<emph>",)
    again.ask("undo")
    again.ask("undo")
    assert again.session.at == "2" and again.session.counts["reviewed"] == 0
    again.session.close()


def test_opened_again_the_queue_of_a_text_without_markers_stays_ranked_by_close_calls(data):
    bare = tuple(
        replace(one, text="We walk.", words=tuple(replace(w, markers=()) for w in one.words)) for one in data.segments
    )
    dataset.save(data.folder, bare, data.info, overwrite=True)
    bare_data = dataset.load(data.folder)
    panel = opened(bare_data, by="ben")
    before = panel.order
    panel.ask("marker", word=0, number=1)
    panel.ask("accept")
    panel.session.close()
    again = opened(bare_data, by="ben")
    assert again.order[1:] == before[1:] and again.session.at == before[1]
    again.session.close()


def test_a_second_panel_in_one_kernel_takes_over_and_the_first_says_why(data, panel):
    second = opened(data)
    second.ask("accept")
    panel.ask("accept")
    assert panel.wrong and "opened again by another cell" in panel.said
    assert panel.session.read_only and not second.session.read_only
    panel.ask("next")  # it can still be looked through
    assert panel.session.at == "3" and not panel.wrong
    second.session.close()


def test_agreement_of_transcript_detector_and_two_reviewers(data, panel):
    pairs, table, n = panel.agreement()
    assert pairs == ["transcript and detector"] and n == 0
    assert table["<emph>"] == [pytest.approx(1.0)] and table["<pitch_high>"] == [0.0]
    ben = opened(data, by="ben")
    for _ in range(3):
        ben.ask("accept")
    panel._others = lambda: {"ben": ben.session.segments}
    panel.ask("hear")
    for _ in range(3):
        panel.ask("accept")
    pairs, table, n = panel.agreement()
    assert pairs == ["transcript and detector", "transcript and you", "detector and you", "you and ben"] and n == 3
    assert table["<emph>"] == [pytest.approx(1.0)] * 4
    assert table["<pitch_high>"][3] == 0.0  # ann took one over, ben none
    ben.session.close()
