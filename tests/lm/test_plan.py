from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody.lm.plan import micro_batches, plan, windows


@given(st.integers(0, 300), st.integers(1, 120), st.integers(0, 250), st.sets(st.integers(1, 299), max_size=4))
def test_windows_hold_every_word_exactly_once_and_in_order(n_words, size, offset, breaks):
    documents = [0, *sorted(b for b in breaks if b < n_words)]
    cut = windows(n_words, size=size, offset=offset, documents=documents)
    assert [k for a, b in cut for k in range(a, b)] == list(range(n_words))
    assert all(1 <= b - a <= size for a, b in cut)
    for start in documents:  # no window crosses from one document to the next
        assert all(not a < start < b for a, b in cut)


def test_the_offset_shortens_the_first_window_of_each_document():
    def lengths(*args, **options):
        return [b - a for a, b in windows(*args, **options)]

    assert lengths(10, size=4) == [4, 4, 2]
    assert lengths(10, size=4, offset=1) == [3, 4, 3]
    assert lengths(10, size=20) == [10]
    assert lengths(10, size=4, offset=1, documents=(0, 6)) == [3, 3, 3, 1]
    assert windows(0, size=4) == []


@given(st.integers(1, 200), st.integers(1, 4), st.integers(1, 9), st.integers(1, 80), st.integers(0, 5))
def test_every_epoch_reads_every_word_once(n_words, epochs, batch_size, size, seed):
    steps = plan([1 + k % 3 for k in range(n_words)], epochs=epochs, batch_size=batch_size, size=size, seed=seed)
    assert [s.step for s in steps] == list(range(1, len(steps) + 1))
    for epoch in range(1, epochs + 1):
        own = [s for s in steps if s.epoch == epoch]
        assert [s.ends_epoch for s in own] == [False] * (len(own) - 1) + [True]
        assert Counter(k for s in own for a, b in s.windows for k in range(a, b)) == Counter(range(n_words))
        assert all(1 <= len(s.windows) <= batch_size for s in own)


def test_a_plan_depends_on_its_seed_alone():
    one = plan([1] * 500, epochs=2, batch_size=2, size=50, seed=3)
    assert one == plan([1] * 500, epochs=2, batch_size=2, size=50, seed=3)
    assert one != plan([1] * 500, epochs=2, batch_size=2, size=50, seed=4)
    longer = plan([1] * 500, epochs=3, batch_size=2, size=50, seed=3)
    assert [s.windows for s in longer[: len(one)]] == [s.windows for s in one]
    epochs = [sorted(w for s in one if s.epoch == e for w in s.windows) for e in (1, 2)]
    assert epochs[0] != epochs[1]  # other edges


def test_windows_of_like_length_come_together():
    documents = [0]
    for k in range(63):
        documents.append(documents[-1] + 5 + 37 * k % 60)
    n_tokens = [1] * (documents[-1] + 5)
    steps = plan(n_tokens, epochs=1, batch_size=8, size=100, seed=0, documents=documents)
    padded = sum(len(s.windows) * max(b - a for a, b in s.windows) for s in steps)
    assert padded < 1.15 * len(n_tokens)


@given(st.integers(1, 40), st.lists(st.integers(1, 12), min_size=1, max_size=5))
def test_all_processes_together_take_each_window_once_whatever_fits_into_each(n_windows, most):
    taken = [micro_batches(n_windows, most=m, rank=rank, world=len(most)) for rank, m in enumerate(most)]
    assert sorted(k for pieces in taken for piece in pieces for k in piece) == list(range(n_windows))
    assert all(len(piece) <= m for pieces, m in zip(taken, most, strict=True) for piece in pieces)


@pytest.mark.parametrize("world", [2, 3])
def test_every_process_has_work_where_there_are_windows_enough(world):
    assert all(micro_batches(6, most=100, rank=rank, world=world) for rank in range(world))
