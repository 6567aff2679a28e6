"""Markers heard in single sentences of the built-in voice, where few words tell what is usual."""

import pytest

from prosody import markers
from prosody.speech.audio import read
from prosody.speech.hear import hear
from prosody.speech.prominence import stress
from prosody.voice.speak import speak

SENTENCES = (
    "I never said she stole my money.",
    "We could meet at the station on Monday.",
    "She wants to buy the little house.",
)
QUESTIONS = ("You are going home", "They will be here tomorrow", "He left his coat in the car")


def heard_in(text, folder):
    """The words of marked text, spoken and heard; and the markers heard before each."""
    speak(text, out=folder / "one.wav", overwrite=True)
    hearing = hear(read(folder / "one.wav"), markers.parse(text))
    return hearing.words, hearing.heard


@pytest.mark.parametrize("sentence", SENTENCES)
def test_emphasis_on_each_content_word_in_turn(sentence, tmp_path):
    texts = sentence.split()
    for k in [k for k, text in enumerate(texts) if stress(text) == 1.0]:
        words, heard = heard_in(" ".join([*texts[:k], "<emph>", *texts[k:]]), tmp_path)
        assert [i for i, slot in enumerate(heard) if "<emph>" in slot] == [k]
        assert max(range(len(words)), key=lambda i: words[i].measured["prominence"]) == k


@pytest.mark.parametrize("sentence", SENTENCES)
def test_nothing_is_heard_in_a_plain_sentence(sentence, tmp_path):
    assert not any(heard_in(sentence, tmp_path)[1])


@pytest.mark.parametrize("text", QUESTIONS)
def test_only_the_last_word_of_only_the_question_rises(text, tmp_path):
    before, last = text.rsplit(" ", 1)
    assert not any(heard_in(f"{text}.", tmp_path)[1])
    *others, rising = heard_in(f"{before} <pitch_rising> {last}?", tmp_path)[1]
    assert rising == ("<pitch_rising>",) and not any(others)


def test_a_loud_function_word_in_a_short_sentence_is_emphasised(tmp_path):
    """Few words, half of them quiet by nature, do not tell how much this voice varies in loudness."""
    assert "<emph>" in heard_in("We <emph> could meet at the station on Monday.", tmp_path)[1][1]
