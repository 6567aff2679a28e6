"""A marker on a word, spoken by the real voice and measured: it does what it is to do, and the figure shows it."""

import plotly.graph_objects as go
import pytest

from prosody.errors import ProsodyError
from prosody.notebook import contrast
from prosody.notebook.hear_marker import hear_marker

SENTENCE = "We walk along the old river."


@pytest.mark.parametrize(
    ("token", "name", "least"),
    [
        ("<emph>", "energy_db", 1.0),
        ("<pause_short>", "pause_before_s", 0.2),
        ("<pause_long>", "pause_before_s", 0.8),
        ("<pitch_high>", "f0_level_st", 2.0),
        ("<pitch_rising>", "f0_slope_st", 2.0),
    ],
)
def test_a_marker_moves_what_it_names(token, name, least):
    before, after, more = contrast.contrast(SENTENCE, 2, token).differences()[name]
    assert more == pytest.approx(after - before)
    assert more >= least


@pytest.mark.parametrize(("token", "name"), [("<pitch_low>", "f0_level_st"), ("<pitch_falling>", "f0_slope_st")])
def test_low_and_falling_go_down(token, name):
    assert contrast.contrast(SENTENCE, 2, token).differences()[name][2] <= -2.0


def test_the_plain_sentence_is_spoken_once():
    one, other = (contrast.contrast(SENTENCE, k, "<emph>") for k in (1, 2))
    assert one.plain is other.plain
    assert (one.text, other.text) == ("walk", "along")


def test_the_figure_shades_the_word_in_both(assert_dressed):
    shown = contrast.contrast(SENTENCE, 2, "<emph>")
    figure = contrast.contrast_figure(shown)
    assert_dressed(figure)
    lengths = [one.spoken.words[2].end - one.spoken.words[2].start for one in (shown.plain, shown.marked)]
    assert [shape.x0 for shape in figure.layout.shapes] == [0, 0]
    assert [shape.x1 for shape in figure.layout.shapes] == pytest.approx(lengths, abs=1e-3)
    assert lengths[1] > lengths[0]
    f0 = [trace for trace in figure.data if trace.mode == "lines"]
    assert [trace.name for trace in f0] == ["without", "with &lt;emph&gt;"]
    assert all(len(trace.x) == len(trace.y) > 20 for trace in f0)


def test_markers_of_the_sentence_itself_are_left_out():
    assert contrast.words_of("We <emph> walk.") == ("We", "walk.")


@pytest.mark.parametrize(
    ("sentence", "word", "token", "what"),
    [
        ("", 0, "<emph>", "0 words"),
        ("one " * 21, 0, "<emph>", "21 words"),
        ("We <emhp> walk.", 0, "<emph>", "unknown marker"),
        ("We walk.", 2, "<emph>", "none of the 2 words"),
        ("We walk.", 0, "<loud>", "'<loud>' is unknown"),
    ],
)
def test_mistakes_are_told(sentence, word, token, what):
    with pytest.raises(ProsodyError, match=what):
        contrast.contrast(sentence, word, token)


def test_headless_it_is_a_figure():
    assert isinstance(hear_marker(SENTENCE, word=1, interactive=False), go.Figure)


def test_word_and_marker_change_sound_picture_and_table():
    panel = hear_marker(SENTENCE, word=1)
    first = panel.sounds.value
    assert first.count("<audio") == 2
    panel.word.value = 2
    assert "“along”" in panel.told.value
    panel.marker.value = "<pause_long>"
    assert "pause_long" in panel.picture.figure.layout.title.text
    assert panel.sounds.value != first


def test_another_sentence_keeps_a_word_and_a_mistake_keeps_what_is_shown():
    panel = hear_marker(SENTENCE, word=5)
    panel.sentence.value = "Go home."
    assert [name for name, _ in panel.word.options] == ["Go", "home."]
    assert panel.shown.text == "home."
    table = panel.told.value
    panel.sentence.value = "Go <hoem> now."
    assert "unknown marker &lt;hoem&gt;" in panel.status.value
    assert panel.told.value == table
