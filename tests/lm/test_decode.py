"""Drawing continuations with keys and values kept: the same probabilities as reading everything anew."""

import pytest
import torch

from prosody.errors import ProsodyError
from prosody.lm.decode import Decoder

READ = "We crossed the garden,"
HOW = {"temperature": 0.9, "top_p": 0.95, "n_tokens": 12}


@pytest.fixture
def decoder(tiny):
    made = Decoder(tiny.model.eval(), tiny.tokenizer)
    made.read(READ)
    return made


def logprobs(base, text, after):
    """Log probability of each token of `text` after `after`, read in one go without a cache."""
    read = base.tokenizer(after)["input_ids"]
    ids = read + base.tokenizer(text)["input_ids"]
    with torch.no_grad():
        told = base.model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return [float(told[k - 1, ids[k]]) for k in range(len(read), len(ids))]


def test_scores_are_those_of_the_whole_text(decoder, tiny):
    texts = [" and never closed a window.", " but", " I walk here and there"]
    for text, found in zip(texts, decoder.score(texts), strict=True):
        assert found == pytest.approx(logprobs(tiny, text, READ), abs=1e-4)


def test_reading_on_is_reading_it_all(decoder, tiny):
    decoder.read(" and I walk")
    assert decoder.score([" here"])[0] == pytest.approx(logprobs(tiny, " here", READ + " and I walk"), abs=1e-4)


def test_what_comes_after_a_text(decoder, tiny):
    nothing, said = decoder.after(["", " and never"])
    assert nothing.logprob == 0
    assert nothing.following(decoder.first(" but")) == pytest.approx(logprobs(tiny, " but", READ)[0], abs=1e-4)
    assert said.logprob == pytest.approx(sum(logprobs(tiny, " and never", READ)), abs=1e-4)
    assert said.following(decoder.first(" I")) == pytest.approx(logprobs(tiny, " I", READ + " and never")[0], abs=1e-4)


def test_each_row_begins_as_it_must_and_is_as_likely_as_it_says(decoder, tiny):
    begun = [" and never", " I", " but we walk in the", " I"]
    drawn = decoder.draw(begun, generator=torch.Generator().manual_seed(1), **HOW)
    for start, one in zip(begun, drawn, strict=True):
        assert one.text.startswith(start)
        assert one.ended == (one.text[-1] in ".!?")
        ids = tiny.tokenizer(one.text)["input_ids"]
        if len(ids) == one.n_tokens:  # else the tokens drawn are not those that the text would be cut into
            assert one.logprob * one.n_tokens == pytest.approx(sum(logprobs(tiny, one.text, READ)), abs=1e-3)


def test_a_row_is_the_same_whoever_is_drawn_beside_it(decoder):
    """With one likeliest token there is no chance left, and others that end earlier must not disturb it."""
    greedy = {"temperature": 0.01, "top_p": 0.01, "n_tokens": 12}
    begun = [" and", " I", " never.", " but we"]
    beside = decoder.draw(begun, generator=torch.Generator(), **greedy)
    alone = [decoder.draw([one], generator=torch.Generator(), **greedy)[0] for one in begun]
    assert [one.text for one in beside] == [one.text for one in alone]


def test_only_speakable_tokens_are_drawn(tiny):
    decoder = Decoder(tiny.model.eval(), tiny.tokenizer, allowed=["Vienna"])
    decoder.read(READ)
    drawn = decoder.draw([""] * 8, generator=torch.Generator().manual_seed(0), temperature=5.0, top_p=1.0, n_tokens=30)
    for one in drawn:
        assert not set(one.text) & set("0123456789<>[]{}()*_#`|\"\n:;")
        assert not any(word[:1].isupper() and word[0] not in "IV" for word in one.text.split())


def test_a_vocabulary_without_words_is_refused(tiny, monkeypatch):
    monkeypatch.setattr("prosody.lm.decode._vocabulary", lambda *_: ({}, frozenset()))
    with pytest.raises(ProsodyError, match="the model that composes: has no tokens"):
        Decoder(tiny.model, tiny.tokenizer)


def test_a_tokenizer_that_parts_words_from_their_spaces_is_refused(tiny, monkeypatch):
    monkeypatch.setattr(Decoder, "_encode", lambda self, text: [220, *self.tokenizer(text.strip())["input_ids"]])
    with pytest.raises(ProsodyError, match="words with the space before them"):
        Decoder(tiny.model, tiny.tokenizer)
