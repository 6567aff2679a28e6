"""The built-in voice: its network cut in three is the same network, and its sounds belong to words."""

import numpy as np
import pytest

from prosody.errors import ProsodyError
from prosody.voice.engines.hibari import network

SENTENCES = (
    "Hello there, this is a longer sentence; isn't it?",
    "We waited for 1,250 people.",
    "Yes.",
    "“Nobody knew,” she said (in a low voice) — then 3.5 km of silence…",
)


@pytest.fixture(scope="module")
def voice():
    return network.load()


@pytest.fixture(scope="module")
def package():
    import hibari as package

    return package.Hibari()


@pytest.mark.parametrize("text", SENTENCES)
def test_unchanged_stages_give_the_packages_own_samples_bit_for_bit(voice, package, text):
    phones = network.pronounce(voice, text.split())
    encoded = network.encode(voice, phones)
    f0_hz, energy = network.predict(voice, encoded, encoded.units)
    samples = network.render(voice, encoded, encoded.units, f0_hz, energy, np.random.default_rng(7))
    assert np.array_equal(samples, package.from_phonemes(" ".join(phones), seed=7))


@pytest.mark.parametrize("text", SENTENCES)
def test_phones_are_those_of_the_package_parted_by_words(voice, package, text):
    assert " ".join(network.pronounce(voice, text.split())) == package.phonemize(text)[0]


def test_every_phone_but_spaces_and_punctuation_belongs_to_a_word(voice):
    words = ["Yes,", "we", "can;", "can't", "we?"]
    encoded = network.encode(voice, network.pronounce(voice, words))
    assert sorted(set(encoded.owner) - {network.NO_WORD}) == list(range(len(words)))
    assert {c for c, k in zip(encoded.phones, encoded.owner, strict=True) if k == network.NO_WORD} <= set(" ,;?") | {""}
    assert len(encoded.phones) == len(encoded.units) == len(encoded.lengths)


def test_a_break_puts_a_comma_where_no_punctuation_stands(voice):
    phones = network.pronounce(voice, ["we", "waited,", "alone"])
    encoded = network.encode(voice, phones, breaks=[1, 2])
    assert "".join(encoded.phones).count(",") == 2


def test_sentences_cover_all_words_and_know_titles():
    words = ["Dr.", "Smith", "came.", "He", "left!", "Why?", "No", "one", "knew"]
    spans = network.sentences(words)
    assert [k for span in spans for k in span] == list(range(len(words)))
    assert [len(span) for span in spans] == [3, 2, 1, 3]


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("$5 million for 5 km on May 3, 2024", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("50% - no.", [0, 2]),
        ("… hello 🙂", [1]),
        ("this , that", [0, 2]),
    ],
)
def test_words_that_sound_keep_their_own_sounds(voice, words, numbers):
    phones = network.pronounce(voice, words.split())
    assert len(phones) == len(words.split())
    assert [k for k, sounds in enumerate(phones) if network.sounds(sounds)] == numbers


def test_no_at_the_end_of_a_sentence_is_not_read_as_number(voice):
    assert network.pronounce(voice, ["Say", "no."])[1] == "nˈO."
    assert network.pronounce(voice, ["see", "no.", "5"])[1].startswith("nˈʌmbəɹ")


@pytest.mark.parametrize("word", ["9" * 60, "A" * 500])
def test_a_word_that_cannot_be_read_is_refused_by_name(voice, word):
    with pytest.raises(ProsodyError, match=word[:30]):
        network.pronounce(voice, ["good", word])


def test_steady_frames_change_nothing_elsewhere(voice):
    phones = network.pronounce(voice, ["I", "have", "never", "heard", "the", "sun."])
    encoded = network.encode(voice, phones)
    f0_hz, energy = network.predict(voice, encoded, encoded.units)
    nowhere, late = np.zeros(len(f0_hz), dtype=bool), np.arange(len(f0_hz)) > len(f0_hz) // 2
    renders = [
        network.render(voice, encoded, encoded.units, f0_hz, energy, np.random.default_rng(0), steady=steady)
        for steady in (None, nowhere, late)
    ]
    assert np.array_equal(renders[0], renders[1])
    early = network.HOP * (len(f0_hz) // 2 - 4)
    assert np.allclose(renders[0][:early], renders[2][:early], atol=1e-6)
    assert not np.array_equal(renders[0], renders[2])


def test_another_version_of_the_network_is_told_in_one_line(monkeypatch):
    from pathlib import Path

    import hibari as package

    monkeypatch.setitem(network.STAGES, "predict", (("/Cast_32_output_0",), ("/Gone_output_0",)))
    with pytest.raises(ProsodyError, match=r"no /Gone_output_0 — .*hibari-tts==0\.2\.1"):
        network._sessions(Path(package.__file__).parent / "assets" / "hibari.onnx", 1)
    with pytest.raises(ProsodyError, match="hibari-tts"):
        network._sessions(Path("nowhere.onnx"), 1)
