from dataclasses import replace

import pytest
from lm_data import rule_book

from prosody.lm import corpus

WORDS = ["We", "never", "painted", "<", "漢字", "river,"] * 9


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """The cache in a folder of its own, used for short texts, too."""
    monkeypatch.setenv("PROSODY_CACHE", str(tmp_path))
    monkeypatch.setattr(corpus, "_CACHED_FROM", 10)
    return tmp_path / "tokens"


def test_a_long_text_is_tokenized_once(cached, gpt2_tokenizer, monkeypatch):
    plain = tuple(tuple(gpt2_tokenizer.encode_rows(" " + word)) for word in WORDS)
    assert corpus.tokenized(WORDS, gpt2_tokenizer) == plain
    assert [p.suffix for p in cached.iterdir()] == [".safetensors"]
    monkeypatch.setattr(type(gpt2_tokenizer), "encode_rows", None)  # never asked again
    assert corpus.tokenized(WORDS, gpt2_tokenizer) == plain


def test_another_text_or_tokenizer_has_its_own(cached, gpt2_tokenizer, smollm2_tokenizer):
    found = [corpus.tokenized(words, of) for words in (WORDS, WORDS[1:]) for of in (gpt2_tokenizer, smollm2_tokenizer)]
    assert len({*found}) == 4
    assert len(list(cached.iterdir())) == 4


@pytest.mark.parametrize("damage", [b"", b"no safetensors at all", b"\x10" * 400])
def test_a_damaged_cache_is_made_anew(cached, gpt2_tokenizer, damage):
    plain = corpus.tokenized(WORDS, gpt2_tokenizer)
    (path,) = cached.iterdir()
    path.write_bytes(damage)
    assert corpus.tokenized(WORDS, gpt2_tokenizer) == plain
    assert path.read_bytes() != damage


def test_each_recording_of_a_dataset_is_a_document(gpt2_tokenizer):
    data = rule_book(4)
    second = data.segments[2].start
    several = replace(data, info={"sources": [{"start": 0.0}, {"start": second}]})
    found = corpus.of_dataset(several, gpt2_tokenizer, split="train")
    assert found.documents == (0, 36)
    assert corpus.of_dataset(data, gpt2_tokenizer, split="train").documents == (0,)
