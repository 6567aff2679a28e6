"""The tables of agreement and of doubtful places: whole, escaped, and with a sound to each place."""

import re

import numpy as np

from prosody.dataset import Segment, Word
from prosody.markers import TOKENS
from prosody.notebook import plots
from prosody.speech.audio import Audio
from prosody.speech.choose import counts
from prosody.speech.compare import Place, compare

WRITTEN = [("<emph>",), ("<emph>",), (), ()]
HEARD = [("<emph>",), (), ("<emph>",), ("<pitch_low>",)]


def rows(html):
    """The cells' text, row by row."""
    found = re.findall(r"<tr>(.*?)</tr>", html)
    return [[re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)] for row in found]


def test_agreement_has_a_row_a_marker_and_dashes_for_what_has_no_figure():
    head, *body = rows(plots.agreement_table(compare(WRITTEN, HEARD), counts(HEARD)).data)
    assert [row[0] for row in body] == [token.replace("<", "&lt;").replace(">", "&gt;") for token in TOKENS]
    by_marker = {row[0][4:-4]: dict(zip(head[1:], row[1:], strict=True)) for row in body}
    emph = {"written": "2", "heard": "2", "supported": "1", "not heard": "1", "heard, not written": "1"}
    assert by_marker["emph"] == emph | {"precision": "0.50", "recall": "0.50", "F1": "0.50", "kappa": "0.00"}
    low = by_marker["pitch_low"]
    assert (low["precision"], low["recall"], low["F1"]) == ("0.00", "–", "0.00")
    assert [by_marker["pitch_high"][name] for name in ("precision", "recall", "F1", "kappa")] == ["–"] * 4


def test_with_nothing_written_the_table_says_so_and_shows_what_is_heard():
    html = plots.agreement_table(compare([(), ()], HEARD[:2]), counts(HEARD[:2])).data
    assert "nothing to compare with" in html and "nan" not in html.lower()
    head, *body = rows(html)
    assert head == ["marker", "heard"] and len(body) == len(TOKENS) and body[0][1] == "1"


def test_a_doubtful_place_can_be_looked_at_and_listened_to(tmp_path):
    evidence = dict.fromkeys(TOKENS, 0.0) | {"<pitch_rising>": 0.07, "<pitch_low>": 0.93}
    measured = {"f0_slope_st": -0.4, "f0_level_st": -3.8}
    words = [Word(text, i, i + 0.5, (), measured, evidence, 0.2) for i, text in enumerate(("a", "b", "<img", *"cdef"))]
    segments = [
        Segment("segments/1.wav", "", 2.5, 0.0, 2.5, words=tuple(words[:2])),
        Segment("segments/2.wav", "", 5.0, 2.5, 7.5, words=tuple(words[2:])),
    ]
    audio = Audio(np.zeros(8 * 8000, dtype=np.float32), 8000, tmp_path / "a.wav", "0" * 64, 8000, 1)
    places = [Place(2, "<pitch_rising>", "<pitch_low>", "<pitch_low>", 0.93), Place(6, None, None, "<emph>", 0.4)]
    places += [Place(0, None, None, None, 0.8), Place(1, None, None, None, 0.9, 4)]
    html = plots.doubtful_table(places, segments, audio).data
    assert "<img" not in html and "<script" not in html
    assert len(re.findall(r'<audio [^>]*src="data:audio/mpeg;base64,[\w/]', html)) == 4
    _, first, second, third, fourth = rows(html)
    assert first[:3] == ["2.00", "2", "a b &lt;img c d e"]
    assert first[3:5] == ["&lt;pitch_rising&gt;", "&lt;pitch_low&gt;"]
    assert first[5] == "0.07 pitch_rising: f0 slope −0.4 st0.93 pitch_low: f0 level −3.8 st"
    assert second[2:6] == ["c d e f", "–", "–", "0.00 emph"]
    assert third[2:6] == ["a b &lt;img c", "–", "–", "confidence 0.20 that this word is said here"]
    assert fourth[2:6] == ["a b &lt;img c d e f", "–", "–", "confidence 0.10 in the least sure of 4 words"]
    assert "a <b>b &lt;img c d</b> e" in html


def test_of_many_words_in_a_row_the_first_and_the_last_are_shown(tmp_path):
    words = tuple(Word(f"w{i}", i, i + 1, confidence=0.0) for i in range(40))
    audio = Audio(np.zeros(40 * 8000, dtype=np.float32), 8000, tmp_path / "a.wav", "0" * 64, 8000, 1)
    place = Place(2, None, None, None, 1.0, 30)
    html = plots.doubtful_table([place], [Segment("a.wav", "", 40, 0, 40, words=words)], audio).data
    assert "w0 w1 <b>w2 w3 w4 w5 w6 w7 … w31</b> w32 w33 w34<" in html
    assert len(html) < 120_000  # the sound is cut, too


def test_without_doubtful_places_there_is_a_line(tmp_path):
    audio = Audio(np.zeros(10, dtype=np.float32), 8000, tmp_path / "a.wav", "0" * 64, 8000, 1)
    assert "no doubtful place" in plots.doubtful_table([], [], audio).data


METRICS = {
    "f1": dict.fromkeys(TOKENS, 0.5) | {"<pitch_low>": 0.0},
    "precision_recall": {token: {"precision": 0.25, "recall": 1.0, "written": 8} for token in TOKENS}
    | {"<pitch_low>": {"precision": 0.0, "recall": None, "written": 0}}
    | {"<pitch_high>": {"precision": None, "recall": 0.0, "written": 3}},
    "macro_f1": 0.5,
    "macro_f1_baselines": {"no_markers": 0.0, "most_frequent_for_word": 0.4},
    "calibration_error": 0.031,
    "best_epoch": 5,
}


def test_scores_stand_above_those_of_trivial_rules():
    html = plots.scores_table(METRICS).data
    head, *body = rows(html)
    assert head == ["marker", "written", "precision", "recall", "F1"]
    assert len(body) == len(TOKENS) + 3
    assert body[0] == ["&lt;emph&gt;", "8", "0.25", "1.00", "0.50"]
    assert body[TOKENS.index("<pitch_low>")][1:] == ["0", "0.00", "–", "–"]
    assert body[TOKENS.index("<pitch_high>")][1:] == ["3", "–", "0.00", "0.50"]
    assert body[len(TOKENS)] == ["macro F1, tuned (epoch 5)", "", "", "", "0.50"]
    assert body[-1] == ["most frequent for word", "", "", "", "0.40"]
    assert "3.1 points" in html


def test_several_seeds_show_their_spread():
    seeds = {"macro_f1": {"values": [0.4, 0.5, 0.6], "mean": 0.5, "spread": 0.1}}
    assert "(of 3 seeds 0.50 ± 0.10)" in plots.scores_table(METRICS | {"seeds": seeds}).data


def test_measurements_stand_beside_the_median_word():
    of = {"f0_level_st": {"error": 0.7, "error_of_median": 1.17, "words": 180}}
    row = rows(plots.measurements_table({"measurements": of}).data)[1]
    assert row == ["how high (f0, semitones)", "0.70", "1.17", "180"]
    assert "holds no measurements" in plots.measurements_table({}).data
