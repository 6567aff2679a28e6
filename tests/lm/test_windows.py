from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lm_data import rule_book

from prosody import markers
from prosody.lm import windows
from prosody.lm.acoustic import AcousticHead, Scale
from prosody.lm.base import load_base
from prosody.lm.checkpoint import load_adapter
from prosody.lm.mark import mark, mark_all
from prosody.lm.train import TrainParameters, train
from prosody.lm.windows import blend_weights, layout, read
from prosody.sample.script import read_script

NOUNS = ("river", "bridge", "letter", "garden", "window", "morning", "city", "story")


def text_of(n_words, *, start=0):
    """A text in which hardly a stretch is like another."""
    words = []
    for k in range(start, start + n_words):
        words.append(("We", "saw", "the", NOUNS[k * k % 8] + ",", "and", "never", "found", "it.")[k % 8])
    return words


def probabilities(texts, adapter, **how):
    return [one.probabilities for one in read(texts, adapter, adapter.model, **how)]


@given(st.integers(0, 400), st.integers(1, 60), st.data())
def test_windows_cover_a_text_evenly(n_words, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    found = layout(n_words, size=size, overlap=overlap)
    assert [k for k in range(n_words) if not any(a <= k < b for a, b in found)] == []
    assert all(b - a == min(size, n_words) for a, b in found)
    assert all(one[1] - other[0] >= overlap for one, other in pairwise(found))
    steps = [other[0] - one[0] for one, other in pairwise(found)]
    assert not steps or max(steps) - min(steps) <= 1


@given(st.integers(1, 400), st.integers(3, 60))
def test_one_window_fades_into_the_next(n_words, size):
    found = layout(n_words, size=size, overlap=size // 3)
    weights = [np.zeros(n_words) for _ in found]
    for row, (a, b) in zip(weights, found, strict=True):
        row[a:b] = blend_weights(a, b, n_words)
    shares = np.array(weights) / np.sum(weights, axis=0)
    assert np.isfinite(shares).all()
    assert np.abs(np.diff(shares, axis=1)).max(initial=0) <= 1 / (size // 3) + 1e-9


def test_windows_are_twice_as_long_as_in_training_where_there_is_room(adapter):
    assert windows.window_size(adapter, adapter.model) == 90
    for learned, size in ((100, 200), (200, 256), (300, 300)):  # GPT-2 reads 1,024 tokens
        other = replace(adapter, card=adapter.card | {"window_words": learned})
        assert windows.window_size(other, other.model) == size
    twice = replace(adapter, card=adapter.card | {"window_words": 100, "reading": "twice"})
    assert windows.window_size(twice, twice.model) == 128


@settings(max_examples=8)
@given(st.lists(st.integers(0, 150), min_size=1, max_size=5), st.sampled_from((1, 300, 100_000)))
def test_what_is_read_together_changes_nothing(adapter, lengths, at_once):
    texts = [text_of(n, start=7 * n) for n in lengths]
    together = probabilities(texts, adapter, tokens_at_once=at_once)
    for words, table in zip(texts, together, strict=True):
        (alone,) = probabilities([words], adapter, tokens_at_once=1)
        assert table.shape == (len(words), 7)
        np.testing.assert_allclose(table, alone, atol=1e-5)


def test_many_texts_are_marked_as_each_alone(adapter):
    texts = [" ".join(text_of(n, start=n)) for n in (3, 120, 8, 40, 0)]
    assert [str(one) for one in mark_all(texts, adapter)] == [str(mark(text, adapter)) for text in texts]


def test_two_windows_are_blended_where_both_know_a_word(adapter):
    words = text_of(120)
    whole = probabilities([words], adapter)[0]
    first, second = (probabilities([words[a:b]], adapter)[0] for a, b in ((0, 90), (30, 120)))
    np.testing.assert_allclose(whole[:30], first[:30], atol=1e-5)
    np.testing.assert_allclose(whole[90:], second[60:], atol=1e-5)
    share = (np.arange(60) + 0.5)[:, None] / 60
    np.testing.assert_allclose(whole[30:90], (1 - share) * first[30:] + share * second[:60], atol=1e-5)


@pytest.mark.slow
def test_near_a_join_the_real_base_tells_what_it_tells_in_one_window(tmp_path):
    """Hardly further off than where the one window is moved by as many words as two share."""
    how = TrainParameters(epochs=1, window_words=30, precision="float32", device="cpu")
    train(rule_book(16), load_base(), None, how, folder=tmp_path / "adapter", on_line=lambda line: None)
    adapter = load_adapter(tmp_path / "adapter")
    words = [w.text for one in read_script()[:12] for w in markers.parse(one.text).words]
    size, shared = windows.window_size(adapter, adapter.model), 20
    joined, moved = [], []
    for join in (size, size + 40, size + 80):
        begin = join + shared // 2 - size

        def near(a, b, at=join):
            (table,) = probabilities([words[a:b]], adapter)
            return table[at - 10 - a : at + 10 - a]

        true = near(join - size // 2, join + size // 2)
        joined.append(np.abs(near(begin, begin + 2 * size - shared) - true).max(axis=1))
        moved.append(np.abs(near(join - size // 2 - shared, join + size // 2 - shared) - true).max(axis=1))
    assert 0 < np.mean(moved) < 0.1
    assert np.mean(joined) <= 1.5 * np.mean(moved)


def test_what_words_should_measure_is_read_with_the_markers(adapter):
    names, (words, short) = ("f0_level_st", "energy_db"), (text_of(120), text_of(5))

    def measured(spreads, texts):
        own = replace(adapter, head=(AcousticHead(32, 2, seed=1), Scale(names, (7.0, -9.0), spreads)))
        found = read(texts, own, own.model)
        for one, without in zip(found, read(texts, adapter, adapter.model), strict=True):
            assert np.allclose(one.probabilities, without.probabilities, atol=1e-6) and without.measured.shape[1] == 0
        return [one.measured for one in found]

    once, twice = (measured((spread, 1.0), [words, short]) for spread in (1.0, 2.0))
    assert [one.shape for one in once] == [(120, 2), (5, 2)]
    assert np.allclose(twice[0], once[0] * [2.0, 1.0], atol=1e-5)
    assert np.ptp(once[0], axis=0).min() > 0.01  # no two words alike


def test_of_a_word_that_is_none_no_more_is_read_than_of_the_longest_real_one(adapter):
    shorter, longer = (probabilities([["We", "saw", "ab" * n, "here."]], adapter)[0] for n in (400, 10_000))
    assert np.array_equal(shorter, longer)
