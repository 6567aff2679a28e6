import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prosody import markers
from prosody.errors import ProsodyError
from prosody.lm import slots
from prosody.lm.corpus import tokenized
from prosody.lm.lora import LoraParameters, attach, row_vectors
from prosody.lm.mark import mark, mark_again
from prosody.markers import BY_TOKEN, KINDS, TOKENS

TEXT = "We crossed the garden, and never closed a window. We saw the road, and never found a story."


def is_readable(text):
    try:
        markers.parse(text)
    except ProsodyError:
        return False
    return True


chunks = st.one_of(
    st.text(min_size=1, max_size=12),
    st.sampled_from(
        ["never", "river,", "“and", "it.", "漢字かな交じり文", "🙂", "a<b", "3 < 4", "\n\n", "http://a.b/c?d=1"]
    ),
    st.sampled_from(TOKENS),
)
texts = st.lists(chunks, max_size=12).map(" ".join).filter(is_readable)


def long_text(n_words):
    return " ".join(f"{w}{k}" for k in range(n_words) for w in [("never", "river,", "and", "saw")[k % 4]])


def test_learned_markers_stand_before_their_words_on_unseen_text(adapter):
    text = str(mark(TEXT, adapter))
    assert text.count("<emph> never") == 2
    assert text.count("<pause_short> and") == 2


@given(texts)
def test_no_word_ever_changes(adapter, text):
    before = markers.parse(text)
    marked = mark(text, adapter)
    assert [w.text for w in marked.text.words] == [w.text for w in before.words]
    assert markers.strip(str(marked)) == markers.strip(text)


@given(texts)
def test_written_markers_stay_and_the_grammar_holds(adapter, text):
    before = markers.parse(text)
    marked = mark(text, adapter, threshold=0.0)  # as many as can be
    for old, new in zip(before.words, marked.text.words, strict=True):
        assert set(old.markers) <= set(new.markers)
    assert marked.text.final == before.final
    assert markers.parse(str(marked)) == marked.text


@given(texts)
def test_one_probability_of_each_marker_a_word(adapter, text):
    marked = mark(text, adapter)
    assert len(marked.probabilities) == len(marked.text.words)
    for shares in marked.probabilities:
        assert set(shares) == set(TOKENS)
        assert all(0 <= p <= 1 for p in shares.values())


@given(texts)
def test_no_pause_is_placed_before_the_first_word(adapter, text):
    words = mark(text, adapter, threshold=0.0).text.words
    for word in words[:1]:
        written = markers.parse(text).words[0].markers
        assert [t for t in word.markers if BY_TOKEN[t].kind == "pause"] == [
            t for t in written if BY_TOKEN[t].kind == "pause"
        ]
    assert all(len(w.markers) == 3 for w in words[1:])


def test_a_pause_written_before_the_first_word_stays(adapter):
    assert (
        str(mark("<pause_long> We saw it. <pause_short>", adapter, threshold=1.0))
        == "<pause_long> We saw it. <pause_short>"
    )


def test_a_written_marker_keeps_others_of_its_kind_away(adapter):
    text = "We crossed the garden, <pause_long> and <pitch_high> never closed it."
    marked = mark(text, adapter)
    words = {w.text: w.markers for w in marked.text.words}
    assert words["and"] == ("<pause_long>",)
    assert words["never"] == ("<pitch_high>", "<emph>")


def test_the_markers_placed_are_those_that_reach_the_threshold(adapter):
    for threshold in (0.2, 0.6, 0.95):
        marked = mark(TEXT, adapter, threshold=threshold)
        for k, (word, shares) in enumerate(zip(marked.text.words, marked.probabilities, strict=True)):
            for token in TOKENS:
                of_kind = [t for t in TOKENS if BY_TOKEN[t].kind == BY_TOKEN[token].kind]
                placed = shares[token] >= threshold and token == max(of_kind, key=shares.get)
                assert (token in word.markers) == (placed and not (k == 0 and BY_TOKEN[token].kind == "pause"))
    assert str(mark(TEXT, adapter, threshold=1.0)) == TEXT


def test_an_adapter_that_tells_no_rates_places_what_it_is_sure_of(adapter):
    silent = replace(adapter, card=adapter.card | {"rate_by_marker": None, "threshold": 0.6})
    assert str(mark(TEXT, silent)) == str(mark(TEXT, adapter, threshold=0.6))
    twice = mark(TEXT, silent, expressiveness=2.0)
    assert all(p[t] >= 0.6 for w, p in zip(twice.text.words, twice.probabilities, strict=True) for t in w.markers)


def test_the_same_text_is_marked_the_same(adapter):
    one = mark(TEXT, adapter)
    torch.rand(5)
    mark("Something else.", adapter)
    mark(TEXT, adapter, untuned=True)
    assert mark(TEXT, adapter) == one


options = st.fixed_dictionaries(
    {},
    optional={
        "expressiveness": st.floats(0, 2),
        "allow": st.lists(st.sampled_from(TOKENS)),
        "forbid": st.lists(st.sampled_from(TOKENS)),
    },
)


@settings(max_examples=20)
@given(texts, options)
def test_the_same_text_is_marked_anew_without_reading_it(adapter, text, how):
    assert mark_again(mark(text, adapter), adapter, **how) == mark(text, adapter, **how)


@settings(max_examples=20)
@given(texts, options)
def test_what_the_options_place_keeps_words_and_written_markers(adapter, text, how):
    before, after = markers.parse(text), mark(text, adapter, **how).text
    permitted = set(how.get("allow", TOKENS)) - set(how.get("forbid", ()))
    for old, new in zip(before.words, after.words, strict=True):
        assert new.text == old.text
        assert set(old.markers) <= set(new.markers) <= set(old.markers) | permitted
    assert markers.parse(markers.render(after)) == after


@settings(max_examples=30)
@given(texts, st.floats(0, 2), st.floats(0, 2))
def test_more_expressive_marks_all_that_less_does(adapter, text, one, other):
    less, more = (mark(text, adapter, expressiveness=e).text for e in sorted((one, other)))
    assert all(set(a.markers) <= set(b.markers) for a, b in zip(less.words, more.words, strict=True))


def test_with_no_expressiveness_only_what_is_written_stands(adapter):
    text = "We <emph> crossed the garden, and never closed it."
    assert str(mark(text, adapter, expressiveness=0)) == text


def test_everything_is_told_as_json(adapter):
    marked = mark(f"<emph> {TEXT}", adapter, forbid=["pause_long"])
    told = json.loads(json.dumps(marked.as_json(), allow_nan=False))
    assert told["marked"] == str(marked)
    assert told["plain"] == TEXT
    assert told["thresholds"]["<pause_long>"] is None
    for word, found in zip(told["words"], marked.text.words, strict=True):
        assert (word["text"], tuple(word["markers"])) == (found.text, found.markers)
        for kind in KINDS:
            of_kind = [p for t, p in word["probabilities"].items() if BY_TOKEN[t].kind == kind]
            assert word["nothing"][kind] + sum(of_kind) == pytest.approx(1, abs=1e-5)
        for token, reason in word["reasons"].items():
            if reason == "placed":
                assert word["probabilities"][token] >= told["thresholds"][token]
    assert told["words"][0]["reasons"]["<emph>"] == "written"


def test_marked_text_is_as_good_as_its_writing(adapter):
    assert mark(markers.parse(TEXT), adapter) == mark(TEXT, adapter)


def test_marking_again_changes_nothing(adapter):
    once = str(mark(TEXT, adapter))
    assert str(mark(once, adapter)) == once


def test_untuned_is_the_base_with_its_first_rows(adapter, new_base):
    untuned = mark(TEXT, adapter, untuned=True)
    model, tokenizer, _ = attach(new_base(), LoraParameters())
    batch = slots.collate([slots.build(tokenized(TEXT.split(), tokenizer), None, tokenizer)], pad_row=0)
    with torch.no_grad():
        states = slots.hidden(model.eval(), batch, reading="both ways")
        vectors = row_vectors(model, tokenizer, slots.tokens_of())
        found = slots.probabilities(slots.logits(states, vectors, adapter.reference))
    for k, shares in enumerate(untuned.probabilities):
        assert shares == pytest.approx({t: float(found[t][k]) for t in TOKENS}, abs=1e-6)
    assert untuned != mark(TEXT, adapter)
    assert untuned == mark(TEXT, adapter, untuned=True, threshold=adapter.card["threshold"])
    assert set(untuned.thresholds.values()) == {adapter.card["threshold"]}


@pytest.mark.parametrize("n_words", [1, 44, 45, 46, 67, 68, 90, 400])
def test_a_long_text_gets_one_probability_a_word(adapter, n_words):
    told = []
    marked = mark(long_text(n_words), adapter, progress=lambda done, of: told.append((done, of)))
    assert len(marked.probabilities) == len(marked.text.words) == n_words
    assert told[-1] == (n_words, n_words)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert len(told) >= n_words / 400


@settings(max_examples=30)
@given(n_words=st.integers(0, 50), window=st.integers(1, 20))
def test_windows_of_any_size_cover_every_word(adapter, n_words, window):
    small = replace(adapter, card=adapter.card | {"window_words": window})
    marked = mark(long_text(n_words), small)
    assert len(marked.probabilities) == n_words
    assert [w.text for w in marked.text.words] == long_text(n_words).split()


def test_a_word_far_from_a_window_s_edge_is_read_in_its_place(adapter):
    text = f"{TEXT} {long_text(60)} {TEXT}"
    assert str(mark(text, adapter)).count("<emph> never closed") == 2


def test_no_word_is_decided_at_the_edge_of_a_window(adapter):
    words = long_text(100).split()
    before = mark(" ".join(words), adapter).probabilities
    for k in range(30, 60):  # the first window ends at 45
        nearby = [*words[: k + 3], "window", *words[k + 4 :]]
        assert mark(" ".join(nearby), adapter).probabilities[k] != before[k]


def test_a_text_without_words(adapter):
    for text in ("", " \n", "<pause_long>"):
        marked = mark(text, adapter)
        assert marked.probabilities == ()
        assert str(marked) == text.strip()


@pytest.mark.parametrize("word", ["xqzj" * 700, "漢字かな交じりの文章" * 300, "🙂" * 900])
def test_a_word_longer_than_the_base_can_read(adapter, word):
    marked = mark(f"We never {word} saw {word} it.", adapter)
    assert [w.text for w in marked.text.words] == ["We", "never", word, "saw", word, "it."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("We <EMPH> mean it.", "line 1, column 4: unknown marker <EMPH>"),
        ("We\n<pitch_low> <pitch_high> mean it.", "line 2, column 13: two pitch markers"),
        ("We mean it. <emph>", "line 1, column 13: <emph> after the last word"),
    ],
)
def test_text_that_breaks_the_grammar_is_refused(adapter, text, message):
    with pytest.raises(ProsodyError, match=f"^{message}"):
        mark(text, adapter)
