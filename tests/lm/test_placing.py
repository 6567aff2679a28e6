import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody.errors import ProsodyError
from prosody.lm import placing
from prosody.lm.placing import Rule, permitted, place, thresholds
from prosody.markers import BY_TOKEN, KINDS, TOKENS, MarkedWord

RATES = dict(zip(TOKENS, (0.06, 0.08, 0.05, 0.03, 0.03, 0.03, 0.05), strict=True))
levels = st.floats(0, 2)
sets = st.frozensets(st.sampled_from(TOKENS))


@st.composite
def tables(draw):
    """Probabilities of a text of up to 40 words, as a softmax of each kind gives them, ties and extremes included."""
    drawn = draw(st.lists(st.integers(0, 6 ** len(TOKENS) - 1), max_size=40))  # a digit a marker: quicker to draw
    digits = np.array(drawn, dtype=int).reshape(-1, 1) // 6 ** np.arange(len(TOKENS)) % 6
    odds = np.exp(np.array([-9.0, -3.0, -1.0, 0.0, 1.0, 5.0])[digits])
    kinds = [BY_TOKEN[t].kind for t in TOKENS]
    sums = {kind: 1 + odds[:, [k == kind for k in kinds]].sum(axis=1) for kind in KINDS}
    return {t: odds[:, i] / sums[kinds[i]] for i, t in enumerate(TOKENS)}


def rule(expressiveness=1.0, **how):
    return Rule(expressiveness, **({"sure": 0.4, "rates": RATES, "tokens": frozenset(TOKENS)} | how))


def placed(table, one, words=None):
    """Which markers are placed: a set of (word, marker)."""
    words = words or [MarkedWord(str(k)) for k in range(len(table["<emph>"]))]
    _, reasons = place(words, table, thresholds(table, one), one)
    return {(k, t) for k, why in enumerate(reasons) for t in TOKENS if why[t] == placing.PLACED}


@given(tables(), levels, levels, sets)
def test_more_expressive_places_all_that_less_does(table, one, other, tokens):
    less, more = (placed(table, rule(e, tokens=tokens)) for e in sorted((one, other)))
    assert less <= more


@given(tables())
def test_none_are_placed_at_0(table):
    assert placed(table, rule(0.0)) == set()


@given(tables(), levels)
def test_as_many_as_the_speaker_would_place_unless_the_text_is_against_it(table, level):
    n = len(table["<emph>"])
    found = placed(table, rule(level))
    is_likeliest = placing.likeliest(table, TOKENS)
    for token in TOKENS:
        slots = [k for k in range(n) if is_likeliest[token][k] and (k or BY_TOKEN[token].kind != "pause")]
        sure = sum(table[token][k] >= 0.4 for k in slots)
        wanted = math.floor(level * max(RATES[token] * n, sure) + 0.5)
        least = max(RATES[token], placing.LEAST) / 4 ** max(level - 1, 0)
        could = sum(table[token][k] >= least for k in slots)
        here = [table[token][k] for k, t in found if t == token]
        ties = sum(table[token][k] == min(here) for k in slots) - 1 if here else 0
        assert min(wanted, could) <= len(here) <= min(wanted, could) + ties


@given(tables())
def test_at_1_all_is_placed_that_the_adapter_is_sure_of(table):
    assert placed(table, rule(threshold=0.4)) <= placed(table, rule())


@given(tables(), levels)
def test_a_likelier_slot_is_never_passed_over(table, level):
    found, best = placed(table, rule(level)), placing.likeliest(table, TOKENS)
    for k, token in found:
        for other in range(1, len(table[token])):
            if best[token][other] and table[token][other] >= table[token][k]:
                assert (other, token) in found


@given(tables(), levels, sets, sets)
def test_only_what_is_permitted_is_placed_and_never_two_of_a_kind(table, level, allow, forbid):
    found = placed(table, rule(level, tokens=permitted(allow, forbid)))
    assert {t for _, t in found} <= allow - forbid
    kinds = [(k, BY_TOKEN[t].kind) for k, t in found]
    assert len(kinds) == len(set(kinds))
    assert (0, "pause") not in kinds


@given(tables(), levels, st.data())
def test_what_is_written_stays_and_changes_nothing_elsewhere(table, level, data):
    n = len(table["<emph>"])
    written = {k: data.draw(st.sampled_from(TOKENS)) for k in data.draw(st.sets(st.integers(0, max(n - 1, 0))))}
    words = [MarkedWord(str(k), (written[k],) if k in written else ()) for k in range(n)]
    one = rule(level)
    marked, reasons = place(words, table, thresholds(table, one), one)
    free = placed(table, one)
    for k, word in enumerate(marked):
        kind = BY_TOKEN[written[k]].kind if k in written else None
        expected = {t for t in TOKENS if (k, t) in free and BY_TOKEN[t].kind != kind} | {written.get(k)} - {None}
        assert set(word.markers) == expected
        for token in TOKENS:
            assert (reasons[k][token] in (placing.PLACED, placing.WRITTEN)) == (token in word.markers)
            if k in written and BY_TOKEN[token].kind == kind and token != written[k]:
                first = k == 0 and kind == "pause"
                assert reasons[k][token] == (placing.FIRST if first else placing.TAKEN)


def test_every_reason_says_what_is_so():
    low = dict.fromkeys(TOKENS, 0.01)
    rows = [
        low | {"<pause_long>": 0.9},
        low | {"<pause_long>": 0.9, "<pitch_high>": 0.45, "<pitch_low>": 0.44},
        low | {"<pitch_high>": 0.3, "<pitch_low>": 0.29, "<emph>": 0.9},
    ]
    table = {t: np.array([row[t] for row in rows]) for t in TOKENS}
    one = rule(tokens=permitted(None, ["emph"]))
    limits = {"<pitch_low>": 0.2, "<pitch_high>": 0.4, "<pause_long>": 0.4}
    words = [MarkedWord("So"), MarkedWord("it", ("<pause_short>",)), MarkedWord("goes")]
    _, why = place(words, table, dict.fromkeys(TOKENS, 0.5) | limits, one)
    assert why[0]["<pause_long>"] == "first word"
    assert why[1] == {
        "<emph>": "forbidden",
        "<pause_short>": "written",
        "<pause_long>": "kind taken",
        "<pitch_high>": "placed",
        "<pitch_low>": "kind taken",
        "<pitch_rising>": "below",
        "<pitch_falling>": "below",
    }
    assert why[2]["<pitch_high>"] == "below"
    assert why[2]["<pitch_low>"] == "less likely"


def test_markers_are_given_by_name_or_token():
    assert permitted(["emph", "<pause_short>"]) == {"<emph>", "<pause_short>"}
    assert permitted("emph") == {"<emph>"}
    assert permitted(None, ["pitch_high"]) == set(TOKENS) - {"<pitch_high>"}
    assert permitted([]) == set()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("emf", "emph"), ("stress", "emph"), ("<PITCH_HIGH>", "pitch_high"), ("long pause", "pause_long"), ("", "emph")],
)
def test_a_name_that_is_no_marker_is_told_with_the_nearest(name, nearest):
    for how in ({"allow": [name]}, {"allow": None, "forbid": [name]}):
        with pytest.raises(ProsodyError, match=f"is no marker — the nearest is {nearest}$"):
            permitted(**how)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"expressiveness": 2.1}, "expressiveness: is 2.1 — give a number from 0 to 2"),
        ({"expressiveness": math.nan}, "expressiveness: is nan"),
        ({"expressiveness": "1"}, "expressiveness: is 1"),
        ({"threshold": -0.1}, "threshold: is -0.1 — give a number from 0 to 1"),
        ({"threshold": 0.5, "expressiveness": 0.5}, "threshold: is given with expressiveness — give one of the two"),
    ],
)
def test_numbers_out_of_their_bounds(how, told):
    with pytest.raises(ProsodyError, match=f"^{told}"):
        rule(**how)
