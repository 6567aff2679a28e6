import pytest

from prosody.speech.phones import _INHERENT_MS, expected_s
from prosody.speech.pronounce import _ARPABET, arpabet, lexicon, pronounce, spelled


def said(word):
    return [" ".join(phones) for phones in pronounce(word)]


@pytest.mark.parametrize("word", ["don't", "don’t", "“Don't,”", "DON'T!", "[don't", "don't—"])
def test_case_quotes_and_punctuation_do_not_matter(word):
    assert spelled(word) == "don't"
    assert said(word)[0] == "D OW N T"


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("well-known", "W EH L N OW N"),
        ("3rd", "TH ER D"),
        ("50%", "F IH F T IY P ER S EH N T"),
        ("$9.99", "N AY N D AA L ER Z AE N D N AY N D IY N AY N S EH N T S"),
        ("&", "AE N D"),
        ("and/or", "AE N D AO R"),
        ("GPT-2", "JH IY P IY T IY T UW"),
        ("naïve", "N AY IY V"),
        ("Kokoro's", "K AH K AO R OW Z"),
    ],
)
def test_words_that_no_dictionary_holds(word, phones):
    assert said(word) == [phones]


@pytest.mark.parametrize("word", ["—", "...", "-", "'", "“”", "🙂", "北京"])
def test_nothing_to_pronounce(word):
    assert pronounce(word) == ()


@pytest.mark.parametrize("word", ["1" * 40, "1" * 5000, "$" + ",".join(["123"] * 20)])
def test_a_number_too_long_to_have_a_name_is_read_digit_by_digit(word):
    digits = [c for c in word if c.isdigit()]
    assert pronounce(word)[0][:3] == pronounce("1")[0]
    assert len(pronounce(word)[0]) >= 2 * len(digits)


def test_a_word_may_be_said_in_more_than_one_way():
    assert said("the") == ["DH AH", "DH IY"]


def test_all_phones_are_known():
    assert set(_ARPABET.values()) <= set(_INHERENT_MS)
    assert arpabet("bˈɜɹd bˈʌTəɹ") == ("B", "ER", "D", "B", "AH", "D", "ER")


def test_lexicon(tmp_path):
    known = lexicon(["The", "cat", "—", "the", "cat."])
    assert known.tokens == ("w0", "w1", None, "w0", "w1")
    assert known.phones(1) == ("K", "AE", "T") and known.phones(2) == ()
    known.write(tmp_path / "d")
    assert (tmp_path / "d").read_text().splitlines() == ["w0 DH AH", "w0(2) DH IY", "w1 K AE T"]


def test_longer_words_take_longer():
    one, two = (expected_s(pronounce(word)[0]) for word in ("cat", "categorical"))
    assert 0.2 < one < 0.6 < two and expected_s(()) == 0
