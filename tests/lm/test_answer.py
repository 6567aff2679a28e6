import copy
import math
import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prosody import markers
from prosody.errors import ProsodyError
from prosody.lm.answer import ComposeParameters, compose, prompt
from prosody.lm.mark import mark
from prosody.lm.phrase import covers

BRIEF = ComposeParameters(candidates=2, max_words=10)
QUESTION = "Why do you walk?"


def is_plain(text):
    """Words parted by single spaces, no markers, nothing that a voice or a parser would stumble over."""
    return (
        text == " ".join(text.split())
        and not re.search(r"[<>*_#`\[\]{}|]", text)
        and sum(markers.counts(markers.parse(text)).values()) == 0
    )


@pytest.mark.parametrize("seed", [-1, 1 << 63])
def test_a_seed_that_no_generator_takes_is_refused(seed):
    with pytest.raises(ProsodyError, match=f"seed: is {seed}"):
        ComposeParameters(seed=seed)


@pytest.mark.parametrize("seed", range(2))
def test_an_answer_is_plain_text_even_from_a_model_that_writes_nonsense(adapter, seed):
    parameters = ComposeParameters(candidates=2, max_words=20, temperature=1.5, top_p=1.0, seed=seed)
    answer = compose(QUESTION, ["the old bridge"], adapter, parameters)
    assert answer.text
    assert is_plain(answer.text)
    assert answer.covered == (covers(answer.text, "the old bridge"),)
    assert (answer.question, answer.points) == (QUESTION, ("the old bridge",))


def test_the_seed_decides_the_answer(adapter):
    def text(seed):
        return compose(QUESTION, [], adapter, ComposeParameters(candidates=2, max_words=10, seed=seed)).text

    one = text(1)
    torch.rand(3)
    assert text(1) == one
    assert text(2) != one


def test_nobody_else_s_random_numbers_are_touched(adapter):
    state = torch.random.get_rng_state()
    compose(QUESTION, [], adapter, BRIEF)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_base_writes_whatever_the_adapter_learned(adapter, tiny_folder, tmp_path):
    from lm_data import CARD

    from prosody.lm.base import load_base
    from prosody.lm.checkpoint import load_adapter, save_adapter
    from prosody.lm.lora import LoraParameters, attach

    base = load_base(str(tiny_folder))
    model, _, _ = attach(base, LoraParameters(r=2))
    save_adapter(model, base, tmp_path / "untrained", card=CARD)
    untrained = load_adapter(tmp_path / "untrained")
    assert compose(QUESTION, [], adapter, BRIEF).text == compose(QUESTION, [], untrained, BRIEF).text


def test_the_adapter_is_on_again_afterwards(adapter):
    text = "We crossed the garden, and never closed a window."
    before = mark(text, adapter)
    compose(QUESTION, [], adapter, BRIEF)
    assert mark(text, adapter) == before


def test_whole_sentences(babbler):
    answer = compose(QUESTION, [], babbler, ComposeParameters(max_words=40))
    assert answer.text.endswith(".")
    assert " ".join(sentence for sentence, _ in answer.sentences) == answer.text
    assert all(sentence.endswith(".") for sentence, _ in answer.sentences)
    assert answer.covered == ()


def test_sentences_are_told_as_soon_as_they_stand(babbler):
    told = []
    answer = compose(QUESTION, ["the old bridge"], babbler, BRIEF, on_sentence=lambda *one: told.append(one))
    assert tuple(told) == answer.sentences
    assert [point for _, point in told] == [None, 0, None]
    assert "old bridge" in told[1][0]


def test_left_free_a_missed_point_is_said(babbler):
    points = ["the old bridge", "I walk"]
    answer = compose(QUESTION, points, babbler, replace(BRIEF, mode="free", max_words=30))
    assert answer.covered == (False, covers(answer.text, "I walk"))
    assert all(point is None for _, point in answer.sentences)


def test_another_model_may_compose(adapter, babbler):
    theirs = compose(QUESTION, ["the bridge"], babbler.base, BRIEF)
    assert theirs.text != compose(QUESTION, ["the bridge"], adapter, BRIEF).text
    assert theirs == compose(QUESTION, ["the bridge"], babbler, BRIEF)


@pytest.mark.parametrize("seed", range(2))
def test_mark_up_brackets_and_lists_are_left_out(scribbler, seed):
    answer = compose(QUESTION, ["the old bridge"], scribbler, ComposeParameters(max_words=25, seed=seed))
    assert is_plain(answer.text)
    assert "walk" in answer.text


@pytest.mark.parametrize(
    "points",
    [
        ["the old bridge"],
        ["rivets from nineteen-twelve", "My father's boots.", "Is it far?"],
        ["it clears (really) the head"],
        ["*two* of the_best [here] {now} “said” `so`"],
        ["1 < 2 apples", "3 > 2"],
        ["é", "漢字"],
        ["3. be brief"],
        ["I walk here"],
    ],
    ids=str,
)
def test_every_point_is_taken_up(babbler, points):
    answer = compose(QUESTION, points, babbler, ComposeParameters(candidates=2, max_words=10))
    assert answer.covered == (True,) * len(points)
    assert all(covers(answer.text, point) for point in points)
    assert is_plain(answer.text)
    assert answer.text.endswith((".", "!", "?"))


@pytest.mark.parametrize("point", ["Is it far?", "“Is it far?”", "(is it far?)"])
def test_a_question_among_the_points_stays_one(babbler, point):
    answer = compose(QUESTION, [point], babbler, BRIEF)
    sentence = answer.sentences[1][0]
    assert re.search(r"[Ii]s it far\?$", sentence)


def test_a_chat_template_without_a_system_s_turn(babbler):
    tokenizer = copy.copy(babbler.base.tokenizer)
    tokenizer.chat_template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "<user>{{ messages[0].content }}<model>"
    )
    asked = prompt(QUESTION, (), replace(babbler.base, tokenizer=tokenizer), BRIEF)
    assert asked.startswith("<user>You are a person")
    assert asked.endswith(f"{QUESTION}<model>")


def test_a_name_that_was_given_may_be_said_and_no_other(smollm2):
    how = ComposeParameters(candidates=1, max_words=5, temperature=2.0, top_p=1.0)
    answer = compose("Why Vienna?", ["a train to Vienna"], smollm2, how)
    inside = [word.strip(".,!?") for sentence, _ in answer.sentences for word in sentence.split()[1:]]
    assert {word for word in inside if word[:1].isupper()} <= {"I", "I'm", "I'd", "I've", "I'll", "Vienna"}
    assert not any(c.isdigit() for c in answer.text)


@settings(max_examples=10)
@given(st.text(min_size=1, max_size=30).filter(lambda t: any(c.isalnum() for c in t)))
def test_any_point_that_is_accepted_gives_a_plain_answer(babbler, point):
    try:
        answer = compose(QUESTION, [point], babbler, ComposeParameters(candidates=2, max_words=8))
    except ProsodyError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert is_plain(answer.text)
        assert answer.covered == (covers(answer.text, answer.points[0]),)


def test_white_space_is_put_in_order(babbler):
    answer = compose("  Why do\n you walk? ", [" the  old\tbridge "], babbler, BRIEF)
    assert (answer.question, answer.points) == (QUESTION, ("the old bridge",))


@pytest.mark.parametrize("question", ["", "  \n", "?!", "—"])
def test_an_empty_question_is_refused(adapter, question):
    with pytest.raises(ProsodyError, match=r"^question: is empty — ask something"):
        compose(question, [], adapter, BRIEF)


@pytest.mark.parametrize("point", ["", " \t", "...", "()", "1. ...", "* []"])
def test_an_empty_point_is_refused(adapter, point):
    with pytest.raises(ProsodyError, match=r"^point 2: is empty — leave it out or give it words"):
        compose(QUESTION, ["the bridge", point], adapter, BRIEF)


def test_a_point_is_no_essay(adapter):
    with pytest.raises(ProsodyError, match=r"^point 1: has 301 characters — shorten it to 300"):
        compose(QUESTION, ["x" * 301], adapter, BRIEF)


def test_a_question_that_the_base_cannot_read_is_refused(adapter):
    with pytest.raises(
        ProsodyError, match=r"^question: is with its points and the answer too long .* writes 1024"
    ):
        compose("Why do you walk? " * 400, [], adapter, BRIEF)


@pytest.mark.parametrize(
    ("question", "points", "message"),
    [
        ("Why do you <emph> walk?", [], "holds markers — give plain words"),
        (QUESTION, ["the <pause_short> bridge"], "holds markers — give plain words"),
        (QUESTION, ["the bridge <pause_long>"], "holds markers — give plain words"),
        (QUESTION, ["the <EMPH> bridge"], "unknown marker <EMPH>"),
        ("Why <b>do</b> you walk?", [], "unknown marker <b>"),
    ],
)
def test_markers_inside_are_refused(adapter, question, points, message):
    with pytest.raises(ProsodyError, match=re.escape(message)):
        compose(question, points, adapter, BRIEF)


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": 0}, {"candidates": 1.5}, {"max_words": 0}, {"max_words": -3},
        {"temperature": 0}, {"temperature": math.nan}, {"top_p": 0}, {"top_p": 1.5},
        {"mode": "both"},
    ],
    ids=str,
)  # fmt: skip
def test_ways_of_writing_that_cannot_be_are_refused(wrong):
    with pytest.raises(ProsodyError, match=f"^{next(iter(wrong))}: "):
        ComposeParameters(**wrong)
