import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lm_data import rule_book

from prosody.dataset import Word
from prosody.errors import ProsodyError
from prosody.lm import style
from prosody.lm.style import FEATURES, PLACES, Text

MARKED = (
    "Oh, <pause_short> we <emph> never saw the <pitch_rising> sea? "
    "<pause_long> And then, he said “it's <pitch_falling> over.”"
)


def places(*texts):
    return [PLACES[k] for k in style.table(texts).place]


def test_every_word_has_its_place():
    assert places(style.of_marked(MARKED)) == [
        "opening a sentence",
        "after a comma",
        "content word inside",
        "content word inside",
        "function word inside",
        "closing a question",
        "opening a sentence",
        "before a comma",
        "after a comma",
        "content word inside",
        "function word inside",
        "closing a statement",
    ]


def test_what_was_said_before_a_text_tells_its_first_place():
    def first(before):
        return style.table([Text(("it", "is"), ((), ()), (None, None), before)])

    assert [PLACES[first(b).place[0]] for b in (None, "so.", "so,", "so")] == [
        *["opening a sentence"] * 2,
        "after a comma",
        "function word inside",
    ]
    assert [bool(first(b).open[0]) for b in (None, "so.")] == [False, True]
    assert PLACES[first(None).place[1]] == "closing a statement"  # a text of its own ends here, point or no point
    assert PLACES[first("so.").place[1]] == "function word inside"  # a segment may go on


def test_features_and_outcomes_of_markers():
    of = style.table([style.of_marked(MARKED)])
    told = {
        token: {name for name, yes in zip(FEATURES, of.features[k], strict=True) if yes}
        for token, k in (("<pause_short>", 1), ("<emph>", 2), ("<pitch_rising>", 5), ("<pause_long>", 6))
    }
    assert told["<pause_short>"] == {"after punctuation"}
    assert told["<emph>"] == {"content word"}
    assert told["<pitch_rising>"] == {"sentence-final", "before punctuation", "content word"}
    assert told["<pause_long>"] == {"sentence-initial", "after punctuation"}
    assert of.tokens.sum() == 5
    assert of.outcome[[0, 1, 2, 6]].tolist() == [0, 10, 1, 20]
    assert of.sentence.tolist() == [0] * 6 + [1] * 6


@pytest.mark.parametrize("word", ["I'll", "don’t", "can't", "The", "“it's", "they’ve"])
def test_contracted_words_are_function_words(word):
    assert style.is_function_word(word)
    assert not style.is_function_word("clock's")


WORD = st.text(min_size=1, max_size=5) | st.sampled_from(["—", "“", "?!", "'", "a.", "b,”", "…"])


@settings(max_examples=40)
@given(st.lists(st.tuples(WORD, st.booleans()), max_size=8), st.none() | WORD)
def test_any_text_has_one_row_a_word(words, before):
    text = Text(tuple(w for w, _ in words), tuple(("<emph>",) * e for _, e in words), (None,) * len(words), before)
    of = style.table([text, text])
    assert len(of.place) == 2 * len(words) == len(of.silence_s)
    assert of.n_texts == (2 if words else 0)
    assert of.features.shape == (2 * len(words), len(FEATURES))
    assert ((of.place >= 0) & (of.place < len(PLACES))).all()
    assert of.tokens.sum() == 2 * sum(e for _, e in words)


def test_silences_lie_between_spoken_words():
    words = [Word("So", 0.1, 0.4), Word("it", 0.4, 0.5), Word("is.", 1.25, 1.5, ("<pause_short>",))]
    text = style.of_spoken(words)
    assert text.silences_s == (None, 0.0, 0.75)
    assert text.slots[2] == ("<pause_short>",)
    assert style.of_spoken([]) == Text((), (), ())


def test_a_datasets_splits_know_what_was_said_before():
    book = rule_book(10, measured=True)
    held_out, learned = (style.of_dataset(book, split=split) for split in ("val", "train"))
    assert len(held_out) + len(learned) == 10
    assert learned[0].before is None and learned[0].silences_s[0] is None
    assert held_out[0].before == learned[-1].words[-1]
    of = style.table(held_out)
    expected = [w.measured["pause_before_s"] for s in book.segments if s.split == "val" for w in s.words]
    assert np.array_equal(of.silence_s, expected)


def test_text_that_breaks_the_grammar_is_refused():
    with pytest.raises(ProsodyError, match="<loud>"):
        style.of_marked("a <loud> word")
