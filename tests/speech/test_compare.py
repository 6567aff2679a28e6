"""Written against heard: the counts, and which places come first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody.dataset import Word
from prosody.markers import TOKENS
from prosody.speech.compare import Place, compare, doubtful, support_lines, unsupported, voice_line
from prosody.speech.profile import without_f0

QUIET = dict.fromkeys(TOKENS, 0.0)


def found(**values):
    return QUIET | {f"<{name}>": value for name, value in values.items()}


def test_the_three_counts_and_the_figures_agree():
    written = [("<emph>",), ("<emph>",), (), ("<pause_short>",), ()]
    heard = [("<emph>",), (), ("<emph>",), ("<pause_long>",), ("<emph>",)]
    table = compare(written, heard)
    row = table["<emph>"]
    assert (row["supported"], row["not_heard"], row["not_written"]) == (1, 1, 2)
    assert row["precision"] == pytest.approx(1 / 3) and row["recall"] == 0.5 and row["f1"] == pytest.approx(0.4)
    assert row["kappa"] == pytest.approx((2 / 5 - 12 / 25) / (1 - 12 / 25))  # 2 x 3 + 3 x 2 of 25 agree by chance
    assert table["<pause_short>"]["not_heard"] == table["<pause_long>"]["not_written"] == 1
    assert list(table) == list(TOKENS)


def test_with_nothing_written_there_is_nothing_to_compare():
    assert compare([(), ()], [("<emph>",), ()]) == {}
    assert compare([], []) == {}


@given(st.lists(st.tuples(st.sets(st.sampled_from(TOKENS)), st.sets(st.sampled_from(TOKENS))), max_size=30))
def test_every_written_and_every_heard_marker_is_counted_once(slots):
    table = compare([tuple(w) for w, _ in slots], [tuple(h) for _, h in slots])
    for token, row in table.items():
        assert row["supported"] + row["not_heard"] == row["written"] == sum(token in w for w, _ in slots)
        assert row["supported"] + row["not_written"] == row["heard"] == sum(token in h for _, h in slots)


def test_the_places_that_differ_most_come_first():
    written = [("<emph>",), ("<pitch_rising>",), (), ("<pause_short>",)]
    heard = [("<emph>",), ("<pitch_falling>",), ("<emph>",), ()]
    evidence = [
        found(emph=0.9),
        found(pitch_rising=0.05, pitch_falling=0.8),
        found(emph=0.55),
        found(pause_short=0.3),
    ]
    assert doubtful(written, heard, evidence) == (
        Place(1, "<pitch_rising>", "<pitch_falling>", "<pitch_falling>", 0.95),
        Place(3, "<pause_short>", None, "<pause_short>", 0.7),
        Place(2, None, "<emph>", "<emph>", 0.55),
    )
    assert len(doubtful(written, heard, evidence, n=2)) == 2


def test_one_sort_does_not_crowd_out_the_others():
    written = [("<pitch_low>",)] + [()] * 30
    heard = [()] + [("<pause_short>",)] * 30
    evidence = [found(pitch_low=0.4)] + [found(pause_short=1.0)] * 30
    places = doubtful(written, heard, evidence)
    assert [place.index for place in places] == [1, 2, 3, 0, 4, 5, 6, 7, 8, 9]


def test_with_nothing_written_the_closest_calls_come_first():
    heard = [("<emph>",), (), ("<pause_short>",), ()]
    evidence = [found(emph=0.8), found(pitch_low=0.45), found(pause_short=0.97), QUIET]
    places = doubtful([()] * 4, heard, evidence)
    assert [(p.index, p.heard, p.token) for p in places] == [(1, None, "<pitch_low>"), (0, "<emph>", "<emph>")]
    assert places[0].doubt == pytest.approx(0.9)
    assert doubtful([], [], []) == ()


def test_words_with_little_support_come_first_and_their_markers_are_not_asked_about():
    written = [("<emph>",), ("<pitch_rising>",), (), ()]
    heard = [("<emph>",), (), ("<emph>",), ("<pitch_low>",)]
    evidence = [found(emph=0.9), QUIET, found(emph=0.99), found(pitch_low=0.6)]
    sure = [0.9, 0.3, 0.05, None]
    assert doubtful(written, heard, evidence, confidence=sure) == (
        Place(1, None, None, None, 0.95, 2),
        Place(3, None, "<pitch_low>", "<pitch_low>", 0.6),
    )
    unwritten = doubtful([()] * 4, heard, evidence, confidence=sure)
    assert [(place.index, place.token) for place in unwritten] == [
        (1, None),
        (3, "<pitch_low>"),
    ]


def test_words_with_little_support_leave_room_for_markers():
    written = [("<emph>",)] + [()] * 30
    places = doubtful(written, [()] * 31, [QUIET] * 31, confidence=[0.9] + [0.1, 0.9] * 15)
    assert [place.index for place in places] == [1, 3, 5, 0, 7, 9, 11, 13, 15, 17]


def test_missing_evidence_counts_as_none():
    assert doubtful([("<emph>",)], [()], [{}]) == (Place(0, "<emph>", None, "<emph>", 1.0),)
    assert doubtful([()], [()], [{"<emph>": 0.45}])[0].token == "<emph>"


def test_words_with_little_support_are_counted_and_listed():
    words = [Word("so", 0.5 * i, 0.5 * i + 0.4, confidence=sure) for i, sure in enumerate([0.9, 0.5, 0.49, None, 0.0])]
    assert [word.start for word in unsupported(words)] == [1.0, 2.0]
    assert support_lines(words) == [
        "Words with little support in the sound: 2 of 5:",
        "      1.00 s  so  (confidence 0.49)",
        "      2.00 s  so  (confidence 0.00)",
    ]
    assert support_lines(words, n=1)[1:] == ["      1.00 s  so  (confidence 0.49)", "  and 1 more"]
    assert support_lines(words, n=0) == ["Words with little support in the sound: 2 of 5."]
    assert support_lines(words[:2]) == ["Words with little support in the sound: none of 2."]
    assert support_lines([]) == ["Words with little support in the sound: none of 0."]
    (line,) = support_lines([Word("so", 0.0, 0.4)])
    assert "not known" in line


def test_how_many_words_have_no_f0():
    def word(level, duration=0.3):
        return {"f0_level_st": level, "duration_s": duration}

    measured = [word(1.0), word(None), word(0.0), word(None, duration=0.0), word(2.0)]  # a dash has no time
    assert without_f0(measured)[0] == 1
    assert voice_line(measured) == "Words without f0, where no pitch marker can be heard: 1 of 4 (25 %)."
    many = [word(None)] * 43 + [word(0.0)] * 20
    assert voice_line(many) == (
        "Words without f0, where no pitch marker can be heard: 43 of 63 (68 %): whispered, creaky or noisy."
    )
    assert voice_line([word(1.0)] * 3) == "Words without f0, where no pitch marker can be heard: none of 3."
    assert voice_line([]) == "Words without f0, where no pitch marker can be heard: none of 0."
