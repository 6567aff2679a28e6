"""Talking points as parts of sentences."""

import pytest

from prosody.lm.phrase import LEAD_INS, content, covers, forms, led, speakable


@pytest.mark.parametrize(
    ("text", "point", "covered"),
    [
        ("The bridge was repaired.", "repairs to the bridge", True),
        ("We walked.", "walking", True),
        ("My father's boots", "father boots", True),
        ("The bridge.", "the old bridge", False),
        ("the bridge", "THE BRIDGE!", True),
        ("Cats.", "cat", True),
        ("I don't know that road.", "I don’t know that road", True),
        ("anything", "and the", True),  # nothing but function words
        ("", "bridge", False),
    ],
)
def test_covers(text, point, covered):
    assert covers(text, point) is covered


def test_content_words_without_endings():
    assert content("He stopped the clocks, and she was making one.") == {"stop", "clock", "mak", "one"}
    assert content("and the") == frozenset()


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ("make mistakes", "making mistakes"),
        ("stop dumping waste", "stopping dumping waste"),
        ("lie still", "lying still"),
        ("see the sea", "seeing the sea"),
        ("clear air", "clearing air"),  # no dictionary here: the model finds this form unlikely
    ],
)
def test_a_point_that_may_begin_with_a_verb_has_a_second_form(point, said):
    assert forms(point, is_word=lambda _: True) == (point, said)
    assert forms(point, is_word=lambda word: not word.endswith("ing")) == (point,)


@pytest.mark.parametrize("point", ["an old dog", "the rent went up", "singing", "I wrote", "Vienna", "10 years", "é"])
def test_others_have_one(point):
    assert forms(point, is_word=lambda _: True) == (point,)


def test_a_point_written_as_a_sentence_loses_its_capital_behind_a_lead_in():
    ways = set(led("It clears the head", is_word=str.islower))
    assert ("", " It clears the head") in ways
    assert (" I think", " it clears the head") in ways
    assert not any(said.startswith(" It") for lead, said in ways if lead)
    assert (" I think", " I wrote it") in set(led("I wrote it", is_word=lambda _: True))
    assert (" I remember", " Vienna") in set(led("Vienna", is_word=lambda _: False))


def test_nobody_is_an_old_dog():
    assert not {" I am", " I was"} & {lead for lead, _ in led("an old dog", is_word=lambda _: True)}
    assert {" I am", " I was"} <= {lead for lead, _ in led("walking", is_word=lambda _: True)}


def test_a_clause_is_no_complement():
    leads = {lead for lead, _ in led("the rent was high", is_word=lambda _: True)}
    assert {" I think", " But", ""} <= leads
    assert not {" It was", " There is", " I had", " I love", " I started with"} & leads
    assert " I love" in {lead for lead, _ in led("people who are kind", is_word=lambda _: True)}
    assert " It was" in {lead for lead, _ in led("the rent", is_word=lambda _: True)}


def test_lead_ins_are_words_with_a_space_in_front():
    assert LEAD_INS[0] == ""
    assert all(lead == " " + " ".join(lead.split()) for lead in LEAD_INS[1:])
    assert len(set(LEAD_INS)) == len(LEAD_INS)


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ("3. be brief", "be brief"), ("- be brief", "be brief"), ("*two* of the_best [here]", "two of thebest here"),
        ("it clears (really) the head", "it clears really the head"), ("30 years", "30 years"),
    ],
)  # fmt: skip
def test_speakable(point, said):
    assert speakable(point) == said
