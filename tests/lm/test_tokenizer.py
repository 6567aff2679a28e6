import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody.errors import ProsodyError
from prosody.lm.tokenizer import MarkerTokenizer
from prosody.markers import TOKENS, WIRE_ID_BASE


def texts_of(characters):
    """Texts with markers, pieces of markers, and the special tokens of several bases in them."""
    pieces = st.one_of(
        st.text(characters, max_size=8),
        st.sampled_from(TOKENS),
        st.sampled_from([" ", "\n", "\t ", "don't", "naïve", "漢字", "🙂‍↔️", "e\u0301", "<", "<emp", "|>"]),
        st.sampled_from(["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "<unk>"]),
    )
    return st.lists(pieces, max_size=12).map("".join)


texts = texts_of(st.characters(codec="utf-8"))
texts_of_unicode = texts_of(st.characters(codec="utf-8", exclude_categories=("Cc", "Cn")))

EVERY_MARKER = (
    "a <emph> b <pause_short> c <pause_long> d <pitch_high> e <pitch_low> f <pitch_rising> g <pitch_falling> h"
)


def chunks(text):
    """Words and markers of a text, white space aside."""
    for token in TOKENS:
        text = text.replace(token, f" {token} ")
    return text.split()


@given(texts)
def test_what_is_encoded_decodes_up_to_white_space(gpt2_tokenizer, text):
    assert chunks(gpt2_tokenizer.decode(gpt2_tokenizer.encode(text))) == chunks(text)


@given(texts_of_unicode)
def test_so_does_every_character_of_unicode_on_a_base_that_lacks_some_bytes(smollm2_tokenizer, text):
    assert chunks(smollm2_tokenizer.decode(smollm2_tokenizer.encode(text))) == chunks(text)


@given(texts)
def test_no_marker_is_lost_or_made_up(tokenizer, text):
    found = [i for i in tokenizer.encode(text) if i >= WIRE_ID_BASE]
    assert found == [WIRE_ID_BASE + TOKENS.index(c) for c in chunks(text) if c in TOKENS]


@given(texts)
def test_rows_and_wire_ids_are_two_names_of_the_same(tokenizer, text):
    rows = tokenizer.encode_rows(text)
    assert tokenizer.to_rows(tokenizer.to_wire(rows)) == rows
    assert all(0 <= row < tokenizer.vocabulary + 7 for row in rows)
    assert tokenizer.decode_rows(rows) == tokenizer.decode(tokenizer.to_wire(rows))


def test_the_seven_wire_ids_are_the_same_on_every_base(gpt2_tokenizer, smollm2_tokenizer):
    assert gpt2_tokenizer.vocabulary == 50_257
    assert smollm2_tokenizer.vocabulary == 49_152
    for tokenizer in (gpt2_tokenizer, smollm2_tokenizer):
        found = [i for i in tokenizer.encode(EVERY_MARKER) if i >= tokenizer.vocabulary]
        assert found == [5_000_000, 5_000_001, 5_000_002, 5_000_003, 5_000_004, 5_000_005, 5_000_006]
        assert list(tokenizer.rows.values()) == [tokenizer.vocabulary + k for k in range(7)]


def test_a_marker_brings_no_token_beside_its_own(tokenizer):
    with_marker, plain = tokenizer.encode("I <emph> really mean it"), tokenizer.encode("I really mean it")
    assert [i for i in with_marker if i < WIRE_ID_BASE] == plain
    assert len(with_marker) == len(plain) + 1


@pytest.mark.parametrize("text", ["<emph>word", "<emph> word", "  <emph>   word", "<emph>\nword"])
def test_a_marker_is_one_token_however_it_is_spaced(tokenizer, text):
    assert tokenizer.encode(text)[0] == 5_000_000
    assert chunks(tokenizer.decode(tokenizer.encode(text))) == ["<emph>", "word"]


def test_a_decoded_marker_stands_between_spaces(tokenizer):
    assert tokenizer.decode(tokenizer.encode("one,<pause_short><emph>two")) == "one, <pause_short> <emph> two"


def test_markers_do_not_vanish_with_the_special_tokens(tokenizer):
    ids = tokenizer.base.encode("so <emph> it<pause_long> ends")
    assert chunks(tokenizer.base.decode(ids, skip_special_tokens=True)) == [
        "so",
        "<emph>",
        "it",
        "<pause_long>",
        "ends",
    ]


def test_nothing_is_nothing(tokenizer):
    assert tokenizer.encode("") == []
    assert tokenizer.decode([]) == ""


@pytest.mark.parametrize("wrong", [-1, 50_257, 50_258, 50_263, 4_999_999, 5_000_007, 10**12])
def test_an_id_of_no_token_is_refused(gpt2_tokenizer, wrong):
    good = gpt2_tokenizer.encode("two words")
    with pytest.raises(ProsodyError, match=rf"^token 2: {wrong} is no wire id") as caught:
        gpt2_tokenizer.decode([*good, wrong])
    assert "\n" not in str(caught.value)


def test_rows_that_only_pad_the_table_are_no_tokens(tiny):
    padded = MarkerTokenizer(tiny.tokenizer, vocabulary=50_304)
    assert padded.rows["<emph>"] == 50_304
    assert padded.encode("<pitch_falling> end")[0] == 5_000_006
    assert padded.decode(padded.encode("so <emph> it ends")) == "so <emph> it ends"
    with pytest.raises(ProsodyError, match="50257 is no wire id"):
        padded.decode([50_257])


def test_a_tokenizer_of_another_base_is_refused(tiny):
    with pytest.raises(ProsodyError, match="50257 tokens for a base of 49152 rows — use the tokenizer that belongs"):
        MarkerTokenizer(tiny.tokenizer, vocabulary=49_152)


def test_the_base_s_own_tokenizer_stays_as_it_was(tiny):
    before = len(tiny.tokenizer)
    MarkerTokenizer(tiny.tokenizer, vocabulary=tiny.vocabulary)
    assert len(tiny.tokenizer) == before
    assert len(tiny.tokenizer.encode("<emph>")) > 1
