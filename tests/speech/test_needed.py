"""What it takes to hear a marker: the same limits as the detection's, told in units."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prosody.markers import TOKENS
from prosody.speech import detect
from prosody.speech.needed import DECIDES, needed, reason, spreads, told

SPREAD_ST = st.floats(0.3, 4.0)


def a_word(level=0.5, slope=0.5, pause=0.0, prominence=0.0, *, level_spread=1.0, slope_spread=1.0):
    return {
        "f0_level_st": level,
        "f0_level_z": None if level is None else level / level_spread,
        "f0_slope_st": slope,
        "f0_slope_z": None if slope is None else slope / slope_spread,
        "prominence": prominence,
        "pause_before_s": pause,
    }


def why(token, measured, spread_st=None):
    found = detect.evidence(measured)
    asked = needed(token, measured, spread_st or spreads([measured]))
    return reason(token, asked, found, detect.decide(found))


@given(
    st.sampled_from(TOKENS), st.floats(-9, 9), st.floats(-9, 9), st.floats(0, 2), st.floats(-3, 9), SPREAD_ST, SPREAD_ST
)
def test_a_marker_has_evidence_enough_exactly_within_the_range_that_is_needed(
    token, level, slope, pause, prominence, level_spread, slope_spread
):
    measured = a_word(level, slope, pause, prominence, level_spread=level_spread, slope_spread=slope_spread)
    asked = needed(token, measured, {"f0_level": level_spread, "f0_slope": slope_spread})
    assume(all(abs(asked.value - limit) > 0.01 for limit in (asked.low, asked.high) if limit is not None))
    inside = (asked.low is None or asked.value > asked.low) and (asked.high is None or asked.value < asked.high)
    assert inside == (detect.evidence(measured)[token] >= detect.HEARD)


@given(st.floats(0.5, 9), st.floats(-9, -0.5), SPREAD_ST, SPREAD_ST)
def test_the_spread_comes_back_from_the_words(level, slope, level_spread, slope_spread):
    words = [a_word(level, slope, level_spread=level_spread, slope_spread=slope_spread), a_word(None, None)]
    assert spreads(words) == pytest.approx({"f0_level": level_spread, "f0_slope": slope_spread})


@pytest.mark.parametrize(
    ("token", "measured", "line"),
    [
        ("<pitch_rising>", a_word(slope=1.1), "f0 rises by 1.1 st, 3.0 are needed"),
        ("<pitch_rising>", a_word(slope=-0.4), "f0 falls by 0.4 st, 3.0 the other way are needed"),
        ("<pitch_falling>", a_word(slope=-2.96), "f0 falls by 2.960 st, 3.000 are needed"),
        ("<pitch_high>", a_word(level=1.2), "f0 lies 1.2 st above the words around it, 2.0 are needed"),
        ("<pitch_low>", a_word(level=None), "too little of it is voiced to have a pitch"),
        ("<pause_short>", a_word(pause=0.12), "the silence is 120 ms, 200 are needed"),
        ("<pause_short>", a_word(pause=0.9), "the silence is 900 ms, less than 800 are needed"),
        ("<pause_long>", a_word(pause=0.6), "the silence is 600 ms, 800 are needed"),
        ("<emph>", a_word(prominence=-1.2), "prominence is −1.2, 5.5 is needed"),
        ("<pitch_high>", a_word(level=2.6, slope=8.0), "it sounds more like <pitch_rising> (1.00 against 0.82)"),
    ],
)
def test_the_reason_tells_what_is_measured_and_what_is_needed(token, measured, line):
    assert why(token, measured, {"f0_level": 1.0, "f0_slope": 1.0}).endswith(line)


def test_what_is_heard_needs_no_reason():
    assert why("<pitch_rising>", a_word(slope=6.0)) is None


def test_at_the_end_of_a_text_only_a_silence_is_measured():
    end = {**dict.fromkeys(a_word()), "pause_before_s": 1.0}
    assert needed("<pause_long>", end, {}).value == 1000.0
    assert {token: told(token, needed(token, a_word(), spreads([a_word()]))) for token in TOKENS}.keys() == set(DECIDES)
