"""The queue: what comes first, what a filter leaves, how far one is, and how far two agree."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lm_data import rule_book

from prosody.errors import ProsodyError
from prosody.review import actions
from prosody.review.queue import Filter, as_heard, kappa, progress, ranked


def heard_as_written(segment, **other):
    """A segment whose sound says what its text says, but for `other`: word number → its evidence, or a confidence."""
    words = []
    for k, word in enumerate(segment.words):
        found = other.get(f"w{k}", {})
        evidence = found if isinstance(found, dict) and found else dict.fromkeys(word.markers, 1.0)
        words.append(replace(word, evidence=evidence, confidence=found if isinstance(found, float) else 0.95))
    return replace(segment, words=tuple(words))


FOUR = rule_book(4).segments
SEGMENTS = {
    "0": heard_as_written(FOUR[0]),
    "1": heard_as_written(FOUR[1], w2={"<pitch_high>": 0.6}),  # heard, not written
    "2": heard_as_written(FOUR[2], w2=0.1),  # a word that nobody says
    "3": heard_as_written(FOUR[3], w2={"<pitch_high>": 0.6}, w3={"<pitch_low>": 0.7}),
}


def test_the_most_doubtful_comes_first_and_says_where():
    queue = ranked(SEGMENTS)
    assert [item.segment for item in queue] == ["2", "3", "1", "0"]
    assert [item.doubt for item in queue] == pytest.approx([0.9, 1 - 0.4 * 0.3, 0.6, 0.0])
    assert [place.index for place in queue[1].places] == [3, 2]
    assert queue[0].places[0].token is None and queue[-1].places == ()


def test_a_segment_without_markers_in_a_marked_text_is_asked_for_what_is_heard():
    bare = tuple(replace(w, markers=(), evidence={"<emph>": 0.45}) for w in FOUR[0].words)
    silent = {"0": replace(FOUR[0], words=bare), "1": SEGMENTS["0"]}
    assert [item.doubt for item in ranked(silent)] == [0.0, 0.0]  # nothing is heard clearly, nothing is written
    assert ranked({"0": silent["0"]})[0].doubt > 0.9  # a text without any markers: close calls count


@pytest.mark.parametrize(
    ("how", "left"),
    [
        ({}, "0123"),
        ({"marker": "<pitch_low>"}, "3"),
        ({"marker": "<emph>"}, "0123"),
        ({"word": "NEVER"}, "0123"),
        ({"word": "unheard of"}, ""),
        ({"disagreement": True}, "13"),
        ({"status": "reviewed"}, "0"),
        ({"status": "unreviewed", "disagreement": True}, "13"),
    ],
)
def test_filters(how, left):
    done = actions.apply(SEGMENTS, {"do": "accept", "segment": "0"})
    assert "".join(name for name, segment in done.items() if Filter(**how).fits(segment)) == left


@pytest.mark.parametrize("how", [{"marker": "<evil>"}, {"status": "well"}])
def test_a_filter_that_is_none(how):
    with pytest.raises(ProsodyError, match=r"filter: '.*' is no"):
        Filter(**how)


def test_how_far_and_how_long():
    now, entries = SEGMENTS, []
    assert str(progress(now, entries)) == "0 of 4"
    for name, at in (("0", "10:00:00"), ("1", "10:01:30"), ("2", "12:00:00")):  # a break counts for nothing
        entries.append({"do": "accept", "segment": name, "by": "ann", "at": f"2026-01-01T{at}+00:00"})
        now = actions.apply(now, entries[-1])
    assert str(progress(now, entries)) == "3 of 4, 1:30 left"
    now = actions.apply(now, {"do": "reject", "segment": "3"})
    assert str(progress(now, entries)) == "4 of 4"


def test_agreement():
    assert kappa(SEGMENTS, SEGMENTS)["<emph>"] == 1.0
    merged = actions.apply(SEGMENTS, {"do": "merge", "segment": "0"})
    assert kappa(SEGMENTS, merged)["<emph>"] == 1.0
    assert kappa(SEGMENTS, as_heard(SEGMENTS))["<pitch_high>"] == 0.0
    other = actions.apply(SEGMENTS, {"do": "toggle", "segment": "0", "word": 5, "token": "<emph>"})
    n, written = sum(len(s.words) for s in SEGMENTS.values()), 8
    chance = (written * (written - 1) + (n - written) * (n - written + 1)) / n**2
    assert kappa(SEGMENTS, other)["<emph>"] == pytest.approx(((n - 1) / n - chance) / (1 - chance))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=18))
def test_doubt_is_a_share_that_every_place_adds_to(values):
    evidence = {f"w{k}": {"<pitch_high>": value} for k, value in enumerate(values)}
    (item,) = ranked({"0": heard_as_written(FOUR[0], **evidence)})
    assert max((place.doubt for place in item.places), default=0.0) <= item.doubt <= 1
    assert list(item.places) == sorted(item.places, key=lambda place: -place.doubt)
