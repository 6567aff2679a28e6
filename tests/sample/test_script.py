"""The packaged script holds what the corpus promises, and the reader says where a script is wrong."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from prosody import markers
from prosody.errors import ProsodyError
from prosody.sample.script import Answer, read_script, transcript

FUNCTION_WORDS = re.compile(r"an?|the|of|in|on|and|to|my|its|her|for|by|that|was|with|it|is|or|but|not|from|where")


@pytest.fixture(scope="module")
def answers() -> tuple[Answer, ...]:
    return read_script()


def plain_words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", markers.strip(text).lower())


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?]) ", markers.strip(text))


def marked_words(text: str, token: str) -> list[str]:
    return [word.text for word in markers.parse(text).words if token in word.markers]


def test_enough_answers_words_and_markers(answers):
    counts = markers.counts(markers.parse(transcript(answers)))
    assert len(answers) >= 45
    assert 1740 <= sum(len(plain_words(answer.text)) for answer in answers) <= 1860
    assert min(counts.values()) >= 40, counts


def test_every_tenth_holds_every_marker(answers):
    """The held-out part is the last tenth; what is measured there must be there, and have been learnt before."""
    size = len(answers) // 10
    for start in range(0, len(answers), size):
        counts = markers.counts(markers.parse(transcript(answers[start : start + size])))
        assert min(counts.values()) >= 4, (start, counts)
    last = markers.counts(markers.parse(transcript(answers[-size:])))
    assert min(last.values()) >= 5, last


def test_content_words_of_points_occur_in_the_answer(answers):
    for answer in answers:
        assert 2 <= len(answer.points) <= 3
        for point in answer.points:
            content = {word for word in plain_words(point) if not FUNCTION_WORDS.fullmatch(word)}
            assert content and content <= set(plain_words(answer.text)), (point, answer.text)


def test_words_can_be_spoken_and_aligned(answers):
    for answer in answers:
        assert re.fullmatch(r"[A-Za-z',.:!? ]+", markers.strip(answer.text)), answer.text
        assert answer.text == markers.render(markers.parse(answer.text))


def test_nothing_is_said_or_asked_twice(answers):
    said = [sentence for answer in answers for sentence in sentences(answer.text)]
    asked = [answer.question for answer in answers]
    assert len(set(said)) == len(said)
    assert len(set(asked)) == len(asked)


def test_pauses_stand_where_this_speaker_makes_them(answers):
    turn = re.compile(r"So |And then |But then |One day |Years later ")
    for number, answer in enumerate(answers):
        words = markers.parse(answer.text).words
        assert ("<pause_long>" in words[0].markers) == (number > 0)
        for i, word in enumerate(words[1:], start=1):
            if words[i - 1].text[-1] not in ".!?":
                assert "<pause_long>" not in word.markers
                continue
            rest = " ".join(w.text for w in words[i:])
            assert ("<pause_long>" if turn.match(rest) else "<pause_short>") in word.markers, rest


def test_pitch_moves_where_this_speaker_moves_it(answers):
    for answer in answers:
        words = markers.parse(answer.text).words
        assert "<pitch_falling>" in words[-1].markers
        for word in words:
            assert ("?" not in word.text) or "<pitch_rising>" in word.markers, answer.text
        for before, word in pairwise(words):
            pair = {*before.markers, *word.markers}
            assert not {"<pitch_rising>", "<pitch_falling>"} <= pair, (before, word)
            assert not {"<pitch_high>", "<pitch_low>"} <= pair, (before, word)


@pytest.mark.parametrize(
    ("token", "cues"),
    [
        ("<emph>", "never always really every only nothing exactly all"),
        ("<pitch_high>", "oh imagine look listen suddenly wonderful goodness hooray laughing"),
        ("<pitch_low>", "frankly honestly secretly sadly quietly alone admit confess fair mind"),
    ],
)
def test_cue_words_always_carry_their_marker(answers, token, cues):
    text = transcript(answers)
    marked = [plain_words(word)[0] for word in marked_words(text, token)]
    for cue in cues.split():
        assert marked.count(cue) == plain_words(text).count(cue) >= 3, cue


def test_transcript_is_a_paragraph_an_answer(answers):
    text = transcript(answers)
    assert text.split("\n\n") == [answer.text for answer in answers[:-1]] + [answers[-1].text + "\n"]
    assert transcript(()) == ""


def test_transcript_has_no_pause_before_its_first_word(answers):
    assert answers[3].text.startswith("<pause_long> It was")
    assert transcript(answers[3:4]).startswith("It was a sailor")


def test_reads_comments_and_canonical_form(tmp_path):
    path = tmp_path / "script.txt"
    text = "# about\r\n\r\nQ: Why?\r\n# aside\r\nP: one ; two\r\nA:  <emph><pitch_low>so   it goes \r\n\r\n\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_script(path) == (Answer("Why?", ("one", "two"), "<pitch_low> <emph> so it goes"),)


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", None, "holds no answer"),
        ("# only this\n", None, "holds no answer"),
        ("Q: a\nP: b\n\n", "line 2", "without its A: line"),
        ("\n\nQ: a\n", "line 3", "without its P: line"),
        ("Q: a\nA: b\nP: c\n", "line 2", "A: where P: was expected"),
        ("Q: a\nP: b\nA: c\nQ: d\n", "line 4", "goes on after its answer"),
        ("# c\nQ: a\nP: b\nc\n", "line 4", "begins with none of"),
        ("Q: a\nP:  \nA: c\n", "line 2", "nothing after P:"),
        ("Q: a\nP: b;; c\nA: d\n", "line 2", "an empty talking point"),
        ("Q: a\nP: b\nA: <pause_long>\n", "line 3", "without words"),
        ("Q: a\nP: b\nA: it is <pause_medium> c\n", "line 3, column 10", "<pause_medium>"),
    ],
)
def test_a_malformed_script_is_refused_with_its_line(tmp_path, text, where, what):
    path = tmp_path / "script.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProsodyError) as caught:
        read_script(path)
    assert caught.value.path == str(path)
    assert caught.value.where == where
    assert what in caught.value.what


def test_unreadable_scripts_are_refused(tmp_path):
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"Q: caf\xe9")
    with pytest.raises(ProsodyError, match="byte 6: not UTF-8"):
        read_script(latin)
    with pytest.raises(ProsodyError, match=r"missing\.txt"):
        read_script(tmp_path / "missing.txt")
