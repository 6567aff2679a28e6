import json

import pytest

from prosody import markers
from prosody.errors import ProsodyError
from prosody.sample.build import write_sample
from prosody.speech.align import align
from prosody.speech.audio import read
from prosody.speech.detect import DetectParameters, agreement, decide, detect, evidence
from prosody.speech.measure import measure

CALM = {
    "f0_level_st": 0.0, "f0_level_z": 0.0, "f0_slope_st": 0.0, "f0_slope_z": 0.0, "f0_excursion_st": 1.0,
    "f0_peak_st": 0.5, "energy_db": 0.0, "duration_s": 0.3, "duration_z": 0.0, "prominence": 0.0,
    "pause_before_s": 0.0, "voiced": 0.8,
}  # fmt: skip
STRESSED = {"prominence": 7.0}


def moved(*, spread=1.2, **measured):
    """A calm word but for `measured`, its pitch in the spread of a speaker whose words differ by `spread` semitones."""
    z = {f"{name[:-3]}_z": value / spread for name, value in measured.items() if name.endswith("_st")}
    return {**CALM, **z, **measured}


@pytest.mark.parametrize(
    ("measured", "heard"),
    [
        ({}, ()),
        ({"pause_before_s": 0.15}, ()),
        ({"pause_before_s": 0.3}, ("<pause_short>",)),
        ({"pause_before_s": 0.75}, ("<pause_short>",)),
        ({"pause_before_s": 0.9}, ("<pause_long>",)),
        ({"f0_level_st": 4.0}, ("<pitch_high>",)),
        ({"f0_level_st": -4.0}, ("<pitch_low>",)),
        ({"f0_slope_st": 5.0}, ("<pitch_rising>",)),
        ({"f0_slope_st": -5.0}, ("<pitch_falling>",)),
        ({"f0_level_st": 1.5, "f0_slope_st": -1.5}, ()),
        (STRESSED, ("<emph>",)),
        ({"prominence": 5.0}, ()),
        ({**STRESSED, "f0_slope_st": -4.0}, ("<emph>",)),  # its own accent's fall
        ({**STRESSED, "f0_slope_st": -7.0}, ("<pitch_falling>", "<emph>")),
        ({"pause_before_s": 1.0, "f0_slope_st": 6.0}, ("<pause_long>", "<pitch_rising>")),
    ],
)
def test_what_is_heard(measured, heard):
    assert decide(evidence(moved(**measured))) == heard


def test_a_lively_voice_must_move_more_than_a_flat_one():
    assert decide(evidence(moved(f0_level_st=3.5, spread=1.2))) == ("<pitch_high>",)
    assert decide(evidence(moved(f0_level_st=3.5, spread=3.5))) == ()
    assert decide(evidence(moved(f0_slope_st=-4.0, spread=1.2))) == ("<pitch_falling>",)
    assert decide(evidence(moved(f0_slope_st=-4.0, spread=3.5))) == ()


def test_evidence_grows_with_the_measurement():
    for name, token in (("f0_level_st", "<pitch_high>"), ("f0_slope_st", "<pitch_rising>")):
        values = [evidence(moved(**{name: x / 4}))[token] for x in range(-40, 41)]
        assert values == sorted(values) and values[0] == 0 and values[-1] > 0.99
    assert set(evidence(CALM)) == set(markers.TOKENS)


def test_what_could_not_be_measured_supports_nothing():
    nothing = dict.fromkeys(CALM) | {"pause_before_s": 0.0}
    assert max(evidence(nothing).values()) < 0.01


def test_evidence_that_is_missing_is_none():
    assert decide({}) == ()
    assert decide({"<pause_long>": 0.9, "<emph>": 0.4}) == ("<pause_long>",)


def test_emphasis_ranks_words_far_below_its_threshold():
    values = [evidence({**CALM, "prominence": x / 2})["<emph>"] for x in range(-8, 18)]
    assert len(set(values)) == len(values) and values == sorted(values)


def test_parameters():
    assert decide(evidence(moved(f0_level_st=1.9))) == ()
    assert decide(evidence(moved(f0_level_st=1.9), DetectParameters(level_st=1.0, level_z=1.0))) == ("<pitch_high>",)
    for bad in ({"level_width_st": 0.0}, {"slope_st": float("nan")}, {"pause_short_s": 0.9}):
        with pytest.raises(ProsodyError):
            DetectParameters(**bad)


def test_agreement_by_hand():
    written = [("<emph>",), ("<emph>",), (), ()]
    heard = [("<emph>",), (), ("<emph>",), ()]
    row = agreement(written, heard)["<emph>"]
    assert (row["precision"], row["recall"], row["f1"], row["kappa"]) == (0.5, 0.5, 0.5, 0.0)
    assert agreement(written, written)["<emph>"]["kappa"] == 1.0
    assert agreement([], [])["<emph>"]["f1"] == 0.0


def test_the_built_in_corpus_does_what_it_says(tmp_path):
    """From the sound and the plain words to the markers that were asked of the voice."""
    files = write_sample(tmp_path, answers=8)
    truth = json.loads(files.truth.read_text(encoding="utf-8"))["words"]
    audio = read(files.audio)
    heard = detect(measure(audio, align(audio, [word["text"] for word in truth])))
    table = agreement([tuple(word["markers"]) for word in truth], heard)
    assert table["<pause_short>"]["f1"] > 0.9 and table["<pause_long>"]["f1"] > 0.9, table
    for token in ("<pitch_high>", "<pitch_low>", "<pitch_rising>", "<pitch_falling>"):
        assert table[token]["recall"] > 0.6 and table[token]["precision"] > 0.5, (token, table[token])
