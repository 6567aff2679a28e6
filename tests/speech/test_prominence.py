"""prominence: how much a word stands out."""

import numpy as np
import pytest

from prosody.speech.prominence import prominence, stress
from prosody.speech.pronounce import lexicon

CALM = ["green", "tables", "stand", "near", "open", "windows", "every", "summer", "morning", "quietly"]


def scores(texts, **changed):
    """Prominence of words that are all alike but for `changed`: name → (number of the word, value)."""
    n = len(texts)
    rng = np.random.default_rng(0)
    values = {
        "duration_z": rng.normal(0, 0.5, n), "excursion_st": 3 + rng.normal(0, 0.7, n),
        "peak_st": rng.normal(0, 0.7, n), "energy_db": rng.normal(0, 1.5, n),
    }  # fmt: skip
    for name, (k, value) in changed.items():
        values[name][k] = value
    return prominence(lexicon(texts), texts, **values)


@pytest.mark.parametrize(
    "change", [{"duration_z": (4, 3.0)}, {"excursion_st": (4, 9.0)}, {"peak_st": (4, 6.0)}, {"energy_db": (4, 9.0)}]
)
def test_each_correlate_counts(change):
    assert scores(CALM, **change)[4] > scores(CALM)[4] + 0.3


def test_a_word_that_does_all_of_it_stands_out():
    found = scores(CALM, duration_z=(4, 2.0), excursion_st=(4, 8.0), peak_st=(4, 4.0), energy_db=(4, 5.0))
    assert found[4] > 5.5
    assert np.delete(found, 4).max() < 4.5


def test_nothing_outweighs_everything_else():
    assert scores(CALM, energy_db=(4, 1000.0))[4] == pytest.approx(scores(CALM, energy_db=(4, 100.0))[4])


def test_content_words_are_likelier_than_function_words():
    assert [stress(word) for word in ("the", "The,", "this", "river", "“Never!”")] == [0.0, 0.0, 0.5, 1.0, 1.0]
    texts = ["the", "river", "of", "mountains", "and", "of", "water", "to", "valleys", "for"]
    found = scores(texts)
    assert found[[1, 3, 6, 8]].mean() > found[[0, 2, 4, 5, 7, 9]].mean() + 1


def test_how_long_the_other_words_are_says_nothing_of_a_word():
    long = ["it", "undoubtedly", "demonstrates", "extraordinary", "circumstances", "internationally"]
    values = {name: np.zeros(6) for name in ("duration_z", "excursion_st", "peak_st", "energy_db")}
    among = [prominence(lexicon(texts), texts, **values)[0] for texts in (long, ["it", "was", "in", "on", "at", "by"])]
    assert among[0] == pytest.approx(among[1])


def test_quiet_function_words_do_not_hide_how_loud_a_word_is():
    """In a short sentence half the words may be 9 dB below the other half: no speaker's own spread."""
    texts = ["the", "boy", "of", "ball", "to", "red", "his", "sister"]
    still = {name: np.zeros(8) for name in ("duration_z", "excursion_st", "peak_st")}

    def red(energy_db):
        energies = np.array([-9.0, 0, -9, 0, -9, energy_db, -9, 0])
        return prominence(lexicon(texts), texts, energy_db=energies, **still)[5]

    assert red(7.0) - red(0.0) > 1.35


def test_an_emphasised_function_word_stands_out_all_the_same():
    texts = ["was", "it", "he", "who", "saw", "the", "river", "of", "stones", "here"]
    assert scores(texts, duration_z=(2, 3.0), excursion_st=(2, 9.0), peak_st=(2, 5.0), energy_db=(2, 6.0))[2] > 5.5


def test_a_filler_is_not_emphasised_by_being_drawn_out_and_loud():
    drawn_out = {"duration_z": (3, 4.0), "energy_db": (3, 9.0)}
    for filler in ("uh", "Um,", "er", "erm"):
        texts = ["i", "bought", "some", filler, "green", "apples", "and", "they", "were", "good"]
        assert scores(texts, **drawn_out)[3] < 4.5
        assert scores(texts, duration_z=(3, 4.0))[3] == pytest.approx(scores(texts, duration_z=(3, 0.0))[3])


def test_a_filler_that_is_loud_and_leaps_in_pitch_is_emphasised():
    """“<emph> Um, no!”"""
    texts = ["i", "bought", "some", "um", "green", "apples", "and", "they", "were", "good"]
    assert scores(texts, excursion_st=(3, 10.0), peak_st=(3, 6.0), energy_db=(3, 9.0))[3] > 5.5


def test_what_could_not_be_measured_counts_as_usual():
    nothing = np.full(3, np.nan)
    found = prominence(
        lexicon(["a", "b", "c"]), ["a", "b", "c"],
        duration_z=nothing, excursion_st=nothing, peak_st=nothing, energy_db=nothing,
    )  # fmt: skip
    assert np.isfinite(found).all() and np.abs(found).max() < 2
    empty = np.zeros(0)
    assert len(prominence(lexicon([]), [], duration_z=empty, excursion_st=empty, peak_st=empty, energy_db=empty)) == 0


def test_against_wavelet_prominence(shared):
    """Spearman correlation with the prominence of the wavelet method, above that of duration alone."""
    from scipy.stats import spearmanr

    from prosody import markers
    from prosody.speech.audio import read
    from prosody.speech.hear import hear

    ours, theirs, duration = [], [], []
    for path in sorted((shared / "wavelet").glob("*.prom")):
        rows = [line.split("\t") for line in path.read_text().splitlines() if line.strip()]
        hearing = hear(read(path.with_suffix(".wav")), markers.parse(" ".join(row[3] for row in rows)))
        ours += [word.measured["prominence"] for word in hearing.words]
        duration += [word.measured["duration_s"] for word in hearing.words]
        theirs += [float(row[4]) for row in rows]
    assert spearmanr(ours, theirs)[0] > max(0.78, spearmanr(duration, theirs)[0] + 0.05)


def test_no_filler_of_spontaneous_speech_is_emphasised(shared):
    from prosody import markers
    from prosody.speech.audio import read
    from prosody.speech.hear import hear
    from prosody.speech.prominence import FILLERS
    from prosody.speech.pronounce import spelled

    fillers = 0
    for path in sorted((shared / "mfa").glob("c*.lab")):
        text = path.read_text(encoding="utf-8").replace("<VOCNOISE>", "").replace("[adif]", "adif")
        hearing = hear(read(path.with_suffix(".wav")), markers.parse(text))
        for word, heard in zip(hearing.words, hearing.heard, strict=True):
            fillers += spelled(word.text) in FILLERS
            assert spelled(word.text) not in FILLERS or "<emph>" not in heard
    assert fillers >= 10
