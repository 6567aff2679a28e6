"""Words and markers as tiers: nothing is lost, and what others wrote is read."""

import itertools
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody import markers
from prosody.dataset import Word
from prosody.errors import ProsodyError
from prosody.interchange import textgrid
from prosody.interchange.annotation import Annotation, Part
from prosody.interchange.textgrid import Interval, IntervalTier, Point, PointTier, TextGrid
from prosody.interchange.tiers import SILENCES, from_textgrid, to_textgrid

NEAR = 2e-6  # s: gaps shorter than a microsecond are closed


def annotated(text, *times, end=None):
    """Marked text and the start and end of each of its words."""
    marked = markers.parse(text)
    words = tuple(Word(w.text, a, b, w.markers) for w, (a, b) in zip(marked.words, times, strict=True))
    return Annotation(words, marked.final, times[-1][1] if end is None else end)


def tier(grid, name):
    found = next(one for one in grid.tiers if one.name == name)
    return [(i.start, i.end, i.text) for i in found.intervals] if hasattr(found, "intervals") else list(found.points)


def through_a_file(annotation, form="long"):
    return from_textgrid(textgrid.parse(textgrid.render(to_textgrid(annotation), form=form)))


# --- where things stand -----------------------------------------------------------------------------------------------


def test_markers_stand_on_their_word_and_pauses_in_the_gap_before_it():
    text = "<pause_short> We <pitch_high> <emph> really <pause_long> <pitch_low> meant it. <pause_short>"
    grid = to_textgrid(annotated(text, (0.5, 0.7), (0.7, 1.2), (2.0, 2.5), (2.5, 2.8), end=3.0))
    assert tier(grid, "words") == [(0.5, 0.7, "We"), (0.7, 1.2, "really"), (2.0, 2.5, "meant"), (2.5, 2.8, "it.")]
    assert tier(grid, "markers") == [
        (0.0, 0.5, "<pause_short>"),
        (0.7, 1.2, "<pitch_high> <emph>"),
        (1.2, 2.0, "<pause_long>"),
        (2.0, 2.5, "<pitch_low>"),
        (2.8, 3.0, "<pause_short>"),
    ]
    assert [one.name for one in grid.tiers] == ["words", "markers"]


def test_where_there_is_no_gap_the_pause_stands_on_the_word():
    grid = to_textgrid(annotated("<pause_short> a <pause_long> <emph> b <pause_short>", (0, 1), (1, 2)))
    assert tier(grid, "markers") == [(0, 1, "<pause_short>"), (1, 2, "<pause_long> <emph> b <pause_short>")]


def test_words_without_time_are_points():
    grid = to_textgrid(annotated("so <pause_short> — <emph> – yes", (0, 1), (1, 1), (1, 1), (1, 2)))
    assert tier(grid, "words") == [(0, 1, "so"), (1, 2, "yes")]
    assert tier(grid, "untimed") == [Point(1, "<pause_short> — <emph> –")]


def test_what_was_heard_pitch_and_segments_have_their_tiers():
    plain = annotated("a — b", (0.1, 0.5), (0.5, 0.5), (0.9, 1.4), end=2.0)
    heard = (("<emph>",), (), ("<pause_short>", "<pitch_low>"))
    parts = (Part("segments/a.wav", 0.0, 0.7), Part("segments/b.wav", 0.69, 2.01))
    grid = to_textgrid(replace(plain, heard=heard, f0=((0.2, 119.96), (0.3, 121.0)), parts=parts))
    assert tier(grid, "heard") == [(0.1, 0.5, "<emph>"), (0.5, 0.9, "<pause_short>"), (0.9, 1.4, "<pitch_low>")]
    assert tier(grid, "f0") == [Point(0.2, "120.0"), Point(0.3, "121.0")]
    assert tier(grid, "segments") == [(0.0, 0.7, "segments/a.wav"), (0.7, 2.0, "segments/b.wav")]
    assert from_textgrid(grid).words == plain.words  # none of it is taken for markers of the text


# --- lossless ---------------------------------------------------------------------------------------------------------

ODD = "\u00a0\u200b\ufeff\u200f\u202e\u0000\u0007\u001b\u0085אبé한🗣\"'\\/_.…"
slots = st.tuples(
    st.sampled_from(["", "<pause_short>", "<pause_long>"]),
    st.sampled_from(["", "<pitch_high>", "<pitch_low>", "<pitch_rising>", "<pitch_falling>"]),
    st.sampled_from(["", "<emph>"]),
).map(lambda slot: tuple(token for token in slot if token))
texts = st.sampled_from(['"so"', "—", "–", "…", "sil", "SP", "#", "_", "{sl}", "emph", "a<", ">b", "<3", "x<y"]) | (
    st.text(st.characters(codec="utf-8") | st.sampled_from(ODD), min_size=1, max_size=6)
    .map(lambda text: "".join(text.split()))
    .filter(lambda text: text and not set(text) & set("<>"))
)


@st.composite
def annotations(draw, smallest=1e-5):
    """Any marked text, its words anywhere in order: some take no time, some touch, some stand apart."""
    pieces = draw(st.lists(st.tuples(slots, texts, st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
    final = draw(st.sampled_from([None, "<pause_short>", "<pause_long>"]))
    joined = " ".join(" ".join((*slot, text)) for slot, text, *_ in pieces)
    try:
        assert [w.text for w in markers.parse(joined).words] == [text for _, text, *_ in pieces]
    except ProsodyError:  # such as "a<" before ">b"
        pieces = [(slot, "word", *rest) for slot, _, *rest in pieces]
    step = draw(st.floats(smallest, 1.0))
    at, words = draw(st.sampled_from([0.0, step])), []
    for slot, text, gap, length in pieces:
        at += step * gap / 2
        words.append(Word(text, at, at + step * length / 2, slot))
        at = words[-1].end
    return Annotation(tuple(words), final, at + draw(st.sampled_from([0.0, step])))


@given(annotations(), st.sampled_from(textgrid.FORMS))
def test_every_marked_text_comes_back_with_its_times(annotation, form):
    read = through_a_file(annotation, form)
    assert read.marked == annotation.marked
    for before, after in zip(annotation.words, read.words, strict=True):
        assert abs(before.start - after.start) < NEAR
        assert abs(before.end - after.end) < NEAR


@given(annotations(), st.data())
def test_times_that_overlap_by_rounding_lose_no_word(annotation, data):
    shift = st.floats(0, 0.009)
    pushed = (replace(w, end=w.end + data.draw(shift)) for w in annotation.words)
    read = through_a_file(replace(annotation, words=tuple(pushed)))
    assert read.marked == annotation.marked


def test_a_text_that_only_takes_no_time():
    for text in ("—", "<emph> — <pause_long>", "a b <pause_short> c"):
        times = [(0.4, 0.4)] * len(markers.parse(text).words)
        assert through_a_file(annotated(text, *times, end=1.0)).marked == markers.parse(text)


# --- what others wrote ------------------------------------------------------------------------------------------------


def grid_of(words, marks=None, *more, name="words", marks_name="markers"):
    tiers = [IntervalTier(name, tuple(itertools.starmap(Interval, words)))]
    if marks is not None:
        tiers.append(IntervalTier(marks_name, tuple(itertools.starmap(Interval, marks))))
    return TextGrid(0.0, 9.0, (*tiers, *more))


def text_of(grid, **options):
    return markers.render(from_textgrid(grid, path="talk.TextGrid", **options).marked)


@pytest.mark.parametrize("name", ["words", "Words", "anna - words", "word", "ORT-MAU"])
def test_the_tier_of_words_is_found(name):
    phones = IntervalTier("phones", (Interval(0, 1, "f"),))
    assert text_of(TextGrid(0, 1, (phones, *grid_of([(0, 1, "yes")], name=name).tiers))) == "yes"


def test_a_tier_can_be_named():
    two = (*grid_of([(0, 1, "yes")], name="anna - words").tiers, *grid_of([(0, 1, "no")], name="ben - words").tiers)
    with pytest.raises(ProsodyError, match="several tiers of words: “anna - words”, “ben - words”"):
        text_of(TextGrid(0, 1, two))
    assert text_of(TextGrid(0, 1, two), tier="ben - words") == "no"
    with pytest.raises(ProsodyError, match="no interval tier “carl”, but “anna - words”, “ben - words”"):
        text_of(TextGrid(0, 1, two), tier="carl")


def test_the_markers_of_the_same_speaker_are_taken():
    mine = grid_of([(0, 1, "yes")], [(0, 1, "<emph>")], name="ben - words", marks_name="ben - markers").tiers
    other = IntervalTier("anna - markers", (Interval(0, 1, "<pitch_low>"),))
    assert text_of(TextGrid(0, 1, (other, *mine))) == "<emph> yes"


@pytest.mark.parametrize("label", sorted(SILENCES))
def test_silence_is_left_out(label):
    assert text_of(grid_of([(0, 1, "so"), (1, 2, label.upper()), (2, 3, "what")])) == "so what"


def test_labels_of_several_words_are_shared_by_letters_and_a_dash_takes_nothing():
    found = from_textgrid(grid_of([(1.0, 3.0, "<emph> oh — what\nnow <pause_long>"), (3.0, 4.0, "then?")]))
    assert markers.render(found.marked) == "<emph> oh — what now <pause_long> then?"
    times = [(w.start, w.end) for w in found.words]
    assert times == [(1.0, pytest.approx(1.444, abs=0.001)), *[pytest.approx(t, abs=0.001) for t in
                     [(1.444, 1.444), (1.444, 2.333), (2.333, 3.0), (3.0, 4.0)]]]  # fmt: skip


WORDS = [(0.0, 0.5, "we"), (0.5, 1.0, "really"), (2.0, 2.5, "meant"), (2.5, 3.0, "it")]


@pytest.mark.parametrize(
    ("mark", "text"),
    [
        ((0.4, 1.1, "<emph>"), "we <emph> really meant it"),  # on the word it covers most
        ((0.6, 0.9, "emph pitch_low"), "we <pitch_low> <emph> really meant it"),  # brackets forgotten
        ((0.6, 0.9, "<emph><pitch_low>"), "we <pitch_low> <emph> really meant it"),
        ((1.2, 1.8, "<emph>"), "we really <emph> meant it"),  # in a gap: the next word's
        ((0.9, 2.2, "<pause_long>"), "we really <pause_long> meant it"),
        ((1.0, 2.5, "<pause_long> <emph>"), "we really <pause_long> <emph> meant it"),
        ((2.45, 2.55, "<pause_short>"), "we really <pause_short> meant it"),  # on the words: the one covered first
        ((3.0, 4.0, "<pause_long>"), "we really meant it <pause_long>"),
        ((2.9, 9.0, "pause_long"), "we really meant it <pause_long>"),
        ((2.4, 3.0, "<emph> it <pause_short>"), "we really meant <emph> it <pause_short>"),
        ((0.0, 9.0, ""), "we really meant it"),
    ],
)
def test_markers_drawn_by_hand_find_their_word(mark, text):
    assert text_of(grid_of(WORDS, [mark])) == text


@pytest.mark.parametrize(("at", "text"), [(0.0, "— we really"), (0.49, "we — really"), (0.6, "we — really")])
def test_points_find_the_boundary_nearest_to_them(at, text):
    assert text_of(grid_of(WORDS[:2], None, PointTier("untimed", (Point(at, "—"),)))) == text


def test_elan_makes_intervals_of_points():
    lone = IntervalTier("untimed", (Interval(0.5, 0.54, "<pause_short> —"),))
    assert text_of(grid_of(WORDS[:2], None, lone)) == "we <pause_short> — really"


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        (TextGrid(0, 1, ()), "has no interval tier “words”, but no tiers at all"),
        (grid_of(WORDS, name="phones"), "has no interval tier “words”, but “phones”"),
        (TextGrid(0, 1, (PointTier("words", ()),)), "has no interval tier “words”, but “words” (points)"),
        (grid_of([(0, 1, "sp")]), "tier “words”: holds no words"),
        (grid_of([(0, 1, "<loud> we")]), "tier “words”, interval 1 (0.000 s): unknown marker <loud>"),
        (grid_of([(0, 1, "we"), (1, 2, "<emph>")]), "interval 2 (1.000 s): <emph> after the last word"),
        (grid_of([(0, 1, "<pause_long>")]), "<pause_long> stands alone"),
        (grid_of(WORDS, [(0, 0.5, ""), (0.5, 1, "<lowd>")]), "tier “markers”, interval 2 (0.500 s): unknown marker"),
        (grid_of(WORDS, [(0.5, 1, "<EMPH>")]), "markers are lower-case: <emph>"),
        (grid_of(WORDS, [(0.5, 1, "<pitch_low> <pitch_high>")]), "two pitch markers"),
        (
            grid_of(WORDS, [(0.5, 0.7, "<pitch_low>"), (0.7, 1, "<pitch_high>")]),
            "exclude each other in one slot, before",
        ),
        (grid_of(WORDS, [(1, 2, "<pause_short>"), (2, 2.5, "<pause_long>")]), "before “meant”"),
        (grid_of(WORDS, [(3, 4, "<emph>")]), "<emph> lies after the last word"),
        (grid_of(WORDS, [(0.5, 1, "really?")]), "holds “really?”, the tier of words “really”"),
        (grid_of(WORDS, [(0.5, 1, "loud")]), "holds “loud”"),
        (grid_of(WORDS, [(1, 2, "loud")]), "holds “loud”, the tier of words nothing there"),
        (grid_of(WORDS, None, PointTier("untimed", (Point(1, "<emph>"),))), "tier “untimed”, at 1.000 s: <emph> after"),
        (grid_of([(0, 1, "<a"), (1, 2, "b>")]), "tier “words”: unknown marker <a b>"),
        (grid_of([(-1, 1, "we")]), "starts at -1 s"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(grid, told):
    with pytest.raises(ProsodyError) as caught:
        text_of(grid)
    assert str(caught.value).startswith("talk.TextGrid: ")
    assert told in str(caught.value), str(caught.value)
    assert caught.value.remedy


def test_a_whole_text_in_one_label_takes_no_more_than_its_length():
    words = "so it goes " * 10_000
    grid = TextGrid(0.0, 9e3, (IntervalTier("words", (Interval(0.0, 9e3, words),)),))
    begun = time.perf_counter()
    assert len(from_textgrid(grid).words) == 30_000
    assert time.perf_counter() - begun < 5.0
