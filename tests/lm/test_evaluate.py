import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody import markers
from prosody.lm import evaluate
from prosody.markers import BY_TOKEN, TOKENS

E, PS, PL, H, L, R, F = TOKENS
SLOTS = st.lists(
    st.sampled_from([(), (E,), (PS,), (PL, H), (PS, L, E), (R,), (F, E)]),
    min_size=1,
    max_size=20,
)


def test_f1_against_figures_made_by_hand():
    written = [(E,), (), (PS, E), (PL,), (H,), (E,)]
    placed = [(E,), (E,), (PS,), (PS,), (L,), (E,)]
    found = evaluate.f1_by_marker(written, placed)
    assert found == pytest.approx(
        {
            E: 2 * 2 / (3 + 3),  # 2 hits, 1 too many, 1 missed
            PS: 2 * 1 / (1 + 2),
            PL: 0.0,
            H: 0.0,
            L: 0.0,
            R: 0.0,
            F: 0.0,
        }
    )
    assert evaluate.macro_f1(written, placed) == pytest.approx((2 / 3 + 2 / 3 + 0 + 0) / 4)  # E, PS, PL, H are written


def test_macro_f1_at_its_ends():
    assert evaluate.macro_f1([(E,), (PL,)], [(E,), (PL,)]) == 1
    assert evaluate.macro_f1([(E,), (PL,)], [(), ()]) == 0
    assert evaluate.macro_f1([(), ()], [(E,), ()]) == 0  # nothing is written: nothing to find
    assert evaluate.macro_f1([], []) == 0


@given(SLOTS)
def test_what_is_written_found_again_is_perfect(slots):
    found = evaluate.f1_by_marker(slots, slots)
    assert all(score == (1 if any(t in s for s in slots) else 0) for t, score in found.items())


@given(SLOTS, SLOTS)
def test_f1_does_not_care_which_is_which(one, other):
    n = min(len(one), len(other))
    assert evaluate.f1_by_marker(one[:n], other[:n]) == evaluate.f1_by_marker(other[:n], one[:n])


def test_lists_of_different_lengths_are_a_mistake():
    with pytest.raises(ValueError, match="shorter"):
        evaluate.f1_by_marker([(E,)], [])


def test_rates():
    slots = [(PS, E), (), (F,), (E,)]
    assert evaluate.per_100_words(slots) == 100
    assert evaluate.per_100_words([]) == 0
    by_marker = evaluate.by_marker_per_100_words(slots)
    assert (by_marker[E], by_marker[PS], by_marker[H]) == (50, 25, 0)
    assert list(by_marker) == list(TOKENS)
    assert set(evaluate.by_marker_per_100_words([]).values()) == {0}


def test_render_puts_markers_before_their_words():
    shown = evaluate.render(["We", "never", "go."], [(), (E, PS), (F,)])
    assert markers.render(shown) == "We <pause_short> <emph> never <pitch_falling> go."


def columns(**given_):
    n_slots = len(next(iter(given_.values())))
    return {t: given_.get(BY_TOKEN[t].name, [0.0] * n_slots) for t in TOKENS}


def test_the_likeliest_of_a_kind_is_placed_if_it_reaches_the_threshold():
    given_ = columns(
        emph=[0.4, 0.39, 0.9], pause_short=[0.1, 0.5, 0.41], pause_long=[0.2, 0.45, 0.42], pitch_low=[0, 0, 1]
    )
    assert evaluate.decide(given_, threshold=0.4) == [(E,), (PS,), (PL, L, E)]
    assert evaluate.decide(given_, threshold=1.0) == [(), (), (L,)]
    assert evaluate.decide(columns(emph=[]), threshold=0.4) == []


@given(st.lists(st.lists(st.floats(0, 1), min_size=7, max_size=7), max_size=8), st.floats(0, 1))
def test_a_slot_always_keeps_the_grammar(rows, threshold):
    slots = evaluate.decide({t: [r[k] for r in rows] for k, t in enumerate(TOKENS)}, threshold=threshold)
    assert len(slots) == len(rows)
    for slot, row in zip(slots, rows, strict=True):
        assert slot == markers.canonical(slot)
        assert all(row[TOKENS.index(t)] >= threshold for t in slot)


def test_the_empty_guess_and_the_content_words():
    words = ["We", "never", "crossed", "the", "river,", "did", "we?"]
    assert evaluate.no_markers(words) == [()] * 7
    assert evaluate.every_content_word(words) == [(), (E,), (E,), (), (E,), (), ()]
    assert evaluate.every_content_word(["—", "..."]) == [(), ()]


def test_what_punctuation_suggests():
    words = ["Well,", "we", "went.", "Did", "you?", "Yes;", "no"]
    assert evaluate.by_punctuation(words) == [(), (PS,), (F,), (PL,), (R,), (PL,), (PS,)]
    assert evaluate.by_punctuation([]) == []


def test_the_most_frequent_choice_of_a_word():
    words = ["never", "Never,", "never", "the", "the", "a"]
    slots = [(E,), (E, PS), (PL,), (), (L,), ()]
    place = evaluate.most_frequent_for_word(words, slots)
    assert place(["Never", "a", "new"]) == [(E,), (), ()]
    assert place([]) == []


def test_baselines_stand_beside_each_other():
    words = ["We", "never", "go,", "we", "stay."]
    slots = [(), (E,), (), (PS,), (F,)]
    found = evaluate.baselines(words, slots, words, slots)
    # <emph> on never, go and stay: F1 2/(1+3); the two others 0. Punctuation finds the short pause and the fall.
    assert found == pytest.approx(
        {
            "no_markers": 0,
            "every_content_word": 0.5 / 3,
            "punctuation": 2 / 3,
            "most_frequent_for_word": found["most_frequent_for_word"],
        }
    )
    assert found["most_frequent_for_word"] >= 2 / 3  # "we" has a marker in one of two places


def test_precision_and_recall_count_exact_slots():
    written = [(E,), (E, PS), (), (L,)]
    placed = [(E,), (PS,), (E,), ()]
    found = evaluate.precision_recall(written, placed)
    assert found[E] == {"precision": 0.5, "recall": 0.5, "written": 2}
    assert found[PS] == {"precision": 1.0, "recall": 1.0, "written": 1}
    assert found[L] == {"precision": None, "recall": 0.0, "written": 1}
    assert found[R] == {"precision": None, "recall": None, "written": 0}


def test_probabilities_that_are_shares_are_calibrated():
    written = [(E,)] * 3 + [()] * 7
    assert evaluate.calibration_error(written, {E: [0.3] * 10}) == pytest.approx(0)
    assert evaluate.calibration_error(written, {E: [0.8] * 10}) == pytest.approx(0.5)
    assert evaluate.calibration_error(written, {E: [1.0] * 3 + [0.0] * 7}) == pytest.approx(0)
    assert evaluate.calibration_error(written, {E: [0.3] * 10, L: [1.0] * 10}) == pytest.approx(0.5)
    assert evaluate.calibration_error([], {E: []}) == 0


def test_bare_words():
    assert [evaluate.bare(w) for w in ("“Don't,”", "U.S.", "—", "Café?")] == ["don't", "us", "", "café"]
