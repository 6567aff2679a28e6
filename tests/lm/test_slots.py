import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prosody.errors import ProsodyError
from prosody.lm import slots
from prosody.lm.corpus import tokenized
from prosody.lm.lora import LoraParameters, attach, row_vectors
from prosody.lm.slots import MASKED, READINGS, Reference
from prosody.markers import BY_TOKEN, KINDS, TOKENS

SHORT = ["We", "saw", "it,", "and", "never", "painted."]
LONG = ["There", "was", "a", "bridge", "over", "the", "river,", "and", "never", "a", "house", "on", "that", "side."]
WORDS = st.lists(st.text(min_size=1).filter(lambda w: w.split() == [w]), min_size=1, max_size=12)
EVEN = Reference(1.0, dict.fromkeys(TOKENS, 0.0))


@pytest.fixture(scope="module")
def fresh(new_base):
    """An untrained adapter: (model, tokenizer)."""
    model, tokenizer, _ = attach(new_base(), LoraParameters())
    return model.eval(), tokenizer


def build(words, tokenizer, word_markers=None, **options):
    return slots.build(tokenized(words, tokenizer), word_markers, tokenizer, **options)


def read(fresh, *texts, word_markers=None, longest=None, reading=READINGS[0]):
    """The batch of some texts, and the logits of their slots."""
    model, tokenizer = fresh
    examples = [build(t, tokenizer, word_markers, longest=longest, reading=reading) for t in texts]
    batch = slots.collate(examples, pad_row=tokenizer.base.pad_token_id)
    with torch.no_grad():
        states = slots.hidden(model, batch, reading=reading)
        vectors = row_vectors(model, tokenizer, slots.tokens_of())
        return batch, slots.logits(states, vectors, EVEN)


def test_a_label_is_a_choice_of_each_kind():
    assert slots.label(()) == (0, 0, 0)
    assert slots.label(("<emph>",)) == (0, 0, 1)
    assert slots.label(("<pause_long>", "<pitch_low>")) == (2, 2, 0)
    assert slots.label(("<emph>", "<pitch_falling>", "<pause_short>")) == (1, 4, 1)
    assert slots.label(("<pitch_high>",), {"prominence": ("<emph>", "<pitch_high>")}) == (2,)


def test_every_marker_has_a_choice_of_its_kind():
    assert KINDS == ("pause", "pitch", "emph")
    found = [
        (slots.OF_KIND[kind][label - 1])
        for t in TOKENS
        for kind, label in zip(KINDS, slots.label([t]), strict=True)
        if label
    ]
    assert found == list(TOKENS)
    assert sorted(slots.tokens_of()) == sorted(TOKENS)


@given(WORDS)
def test_a_text_is_read_once_or_twice(gpt2_tokenizer, words):
    text = " ".join(words)
    once = build(words, gpt2_tokenizer)
    assert gpt2_tokenizer.decode_rows(once.rows) == f"Plain text: {text}"
    twice = build(words, gpt2_tokenizer, reading="twice")
    assert gpt2_tokenizer.decode_rows(twice.rows) == f"Plain text: {text}\nAs it is spoken: {text}"
    assert len(once.at) == len(twice.at) == len(words)


@given(WORDS)
def test_a_slot_is_decided_where_its_word_ends(gpt2_tokenizer, words):
    for reading, head in (("both ways", "Plain text:"), ("twice", "As it is spoken:")):
        example = build(words, gpt2_tokenizer, reading=reading)
        for n, at in enumerate(example.at, 1):
            assert gpt2_tokenizer.decode_rows(example.rows[: at + 1]).endswith(f"{head} {' '.join(words[:n])}")


def test_labels_are_masked_where_markers_are_to_be_found(gpt2_tokenizer):
    assert set(build(SHORT, gpt2_tokenizer).labels) == {(MASKED,) * 3}
    given_ = [("<pause_long>",), (), (), ("<pause_short>",), ("<emph>",), ("<pitch_falling>",)]
    labels = build(SHORT, gpt2_tokenizer, given_).labels
    assert labels == ((2, 0, 0), (0, 0, 0), (0, 0, 0), (1, 0, 0), (0, 0, 1), (0, 4, 0))


def test_written_markers_are_learned_from_but_not_read(gpt2_tokenizer):
    one = build(SHORT, gpt2_tokenizer, [("<emph>",)] * len(SHORT))
    other = build(SHORT, gpt2_tokenizer)
    assert (one.rows, one.at) == (other.rows, other.at)


def test_one_choice_of_each_kind_a_slot(fresh):
    batch, found = read(fresh, SHORT, LONG)
    n_slots = len(SHORT) + len(LONG)
    shapes = {"pause": (n_slots, 3), "pitch": (n_slots, 5), "emph": (n_slots, 2)}
    assert {kind: tuple(x.shape) for kind, x in found.items()} == shapes
    assert batch.n_tokens == sum(len(build(t, fresh[1]).rows) for t in (SHORT, LONG))


def test_a_marker_s_logit_is_the_base_s_own_against_the_reference(fresh):
    model, tokenizer = fresh
    example = build(SHORT, tokenizer, reading="twice")  # left to right, as the base reads
    with torch.no_grad():
        own = model(torch.tensor([example.rows])).logits[0, list(example.at)]
    rows = [tokenizer.rows[t] for t in slots.OF_KIND["pitch"]]
    _, found = read(fresh, SHORT, reading="twice")
    assert torch.allclose(found["pitch"][:, 1:], own[:, rows], atol=1e-4)
    assert (found["pitch"][:, 0] == 0).all()
    states = torch.randn(4, 8)
    vectors = torch.randn(len(TOKENS), 8)
    set_against = Reference(0.5, {t: float(k) for k, t in enumerate(slots.tokens_of())})
    even, moved = (slots.logits(states, vectors, one)["pitch"] for one in (EVEN, set_against))
    assert torch.allclose(moved[:, 1:], 0.5 * even[:, 1:] + torch.tensor([2.0, 3.0, 4.0, 5.0]), atol=1e-6)


@pytest.mark.parametrize("reading", READINGS)
def test_padding_changes_no_logit(fresh, reading):
    _, together = read(fresh, SHORT, LONG, SHORT[:1], reading=reading)
    alone = [read(fresh, text, reading=reading)[1] for text in (SHORT, LONG, SHORT[:1])]
    for kind in KINDS:
        assert torch.allclose(together[kind], torch.cat([one[kind] for one in alone]), atol=1e-4)


@pytest.mark.parametrize("reading", READINGS)
def test_every_slot_is_decided_with_the_whole_text_in_view(fresh, reading):
    _, one = read(fresh, [*SHORT[:-1], "painted."], reading=reading)
    _, other = read(fresh, [*SHORT[:-1], "window."], reading=reading)
    for slot in range(len(SHORT) - 1):  # the words up to the last are the same
        assert (one["pitch"][slot] - other["pitch"][slot]).abs().max() > 1e-4


def test_under_the_reference_the_untuned_base_gives_each_marker_its_share():
    draw = torch.Generator().manual_seed(0)
    states, vectors = torch.randn(400, 16, generator=draw), torch.randn(len(TOKENS), 16, generator=draw)
    states = states + 3 * vectors[2]  # the base finds one marker likely everywhere
    labels = [(k % 4 == 0, 0, 0) for k in range(400)]
    reference = slots.fit_reference(states, vectors, labels)
    found = slots.logits(states, vectors, reference)
    short = found["pause"][:, 1]
    assert float(short.mean()) == pytest.approx(math.log(0.25 / 0.75), abs=1e-4)
    spreads = [found[kind][:, 1:].std(dim=0) for kind in KINDS]
    assert float(torch.cat(spreads).mean()) == pytest.approx(1.0, abs=1e-4)
    small = slots.fit_reference(states / 1000, vectors, labels)  # hardly differs: that is not blown up
    assert small.scale == 1
    never = slots.probabilities(found)["<emph>"].mean()
    assert 0 < float(never) < 0.01


def test_masked_slots_count_for_nothing(fresh):
    all_markers = [("<emph>",), (), ("<pitch_low>",), ("<pause_short>",), (), ()]
    batch, found = read(fresh, SHORT, word_markers=all_markers)
    labels = batch.labels.clone()
    labels[3:] = MASKED
    only = {kind: x[:3] for kind, x in found.items()}
    assert torch.allclose(slots.loss_sum(found, labels), slots.loss_sum(only, batch.labels[:3]))


def test_masked_slots_send_no_gradient():
    found = {kind: torch.randn(4, 1 + len(slots.OF_KIND[kind]), requires_grad=True) for kind in KINDS}
    labels = torch.tensor([[0, 1, 1], [MASKED] * 3, [2, 0, 0], [MASKED] * 3])
    slots.loss_sum(found, labels).backward()
    for one in found.values():
        assert one.grad[[1, 3]].abs().max() == 0
        assert (one.grad[[0, 2]].abs().sum(dim=1) > 0).all()


def test_the_loss_is_the_three_choices_cross_entropies_added_up():
    found = {
        "pause": torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, -1.0]]),
        "pitch": torch.tensor([[0.0] * 5, [0.0, 0.0, 2.0, 0.0, 0.0]]),
        "emph": torch.tensor([[0.0, 0.0], [3.0, -3.0]]),
    }
    labels = torch.tensor([[1, 0, 1], [0, 2, 0]])
    first = math.log(3) + math.log(5) + math.log(2)
    second = math.log(math.e + 1 + 1 / math.e) - 1
    second += math.log(math.e**2 + 4) - 2
    second += math.log(math.e**3 + math.e**-3) - 3
    assert float(slots.loss_sum(found, labels)) == pytest.approx(first + second, abs=1e-5)


def test_probabilities_of_a_kind_share_one_with_nothing(fresh):
    _, found = read(fresh, LONG)
    shares = slots.probabilities(found)
    assert list(shares) == [t for kind in KINDS for t in TOKENS if BY_TOKEN[t].kind == kind]
    for kind in KINDS:
        total = sum(shares[t] for t in slots.OF_KIND[kind])
        assert torch.allclose(total + found[kind].softmax(dim=1)[:, 0], torch.ones(len(LONG)))
    assert all((x >= 0).all() and (x <= 1).all() for x in shares.values())


def test_measurements_stay_with_their_words(gpt2_tokenizer):
    texts = [SHORT, LONG]
    measured = [np.arange(len(t) * 2, dtype=np.float32).reshape(-1, 2) + 100 * k for k, t in enumerate(texts)]
    examples = [build(t, gpt2_tokenizer, measured=m) for t, m in zip(texts, measured, strict=True)]
    batch = slots.collate(examples, pad_row=0)
    assert batch.measured.tolist() == np.concatenate(measured).tolist()
    assert batch.example.tolist() == [0] * len(SHORT) + [1] * len(LONG)


@pytest.mark.parametrize("reading", READINGS)
def test_a_text_longer_than_the_base_reads_is_cut_in_its_longest_words(fresh, reading):
    _, tokenizer = fresh
    words = [*SHORT, "xqzj" * 900, *SHORT]
    assert len(build(words, tokenizer, reading=reading).rows) > 1024
    cut = build(words, tokenizer, longest=1024, reading=reading)
    assert 900 < len(cut.rows) <= 1024
    assert len(cut.at) == len(words)
    text = tokenizer.decode_rows(cut.rows)
    assert text.count(" ".join(SHORT[1:])) == 2 * (1 + (reading == "twice"))
    _, found = read(fresh, words, longest=1024, reading=reading)
    assert all(torch.isfinite(x).all() for x in found.values())


@given(n_words=st.integers(1, 60), n_letters=st.integers(1, 40), longest=st.integers(140, 400))
def test_cut_texts_always_fit(gpt2_tokenizer, n_words, n_letters, longest):
    words = ["q" + "zj" * (n_letters * k % 41) for k in range(n_words)]
    example = build(words, gpt2_tokenizer, longest=longest, reading="twice")
    assert len(example.rows) <= longest
    assert len(example.at) == n_words
    whole = build(words, gpt2_tokenizer, reading="twice")
    if len(whole.rows) + len(words[-1]) <= longest:  # room enough: nothing is cut
        assert example == whole


def test_more_words_than_the_base_reads_are_refused(gpt2_tokenizer):
    with pytest.raises(ProsodyError, match=r"^window_words: 1200 words at once are too many"):
        build(["word"] * 1200, gpt2_tokenizer, longest=1024)


def test_a_batch_of_a_rounder_shape_gives_the_same_loss_and_gradients(fresh):
    model, tokenizer = fresh
    markers = [["<emph>"] if word == "never" else [] for word in LONG]
    examples = [build(LONG, tokenizer, markers), build(SHORT, tokenizer, [[] for _ in SHORT])]
    found = []
    for steps in ((1, 1), (32, 16)):
        batch = slots.collate(examples, pad_row=tokenizer.base.pad_token_id, steps=steps)
        assert batch.rows.shape[1] % steps[0] == len(batch.at) % steps[1] == 0
        states = slots.hidden(model, batch, reading=READINGS[0])
        logits = slots.logits(states, row_vectors(model, tokenizer, slots.tokens_of()), EVEN)
        model.zero_grad()
        loss = slots.loss_sum(logits, batch.labels)
        loss.backward()
        found.append((loss.item(), [w.grad.clone() for w in model.parameters() if w.grad is not None]))
    (loss, gradients), (other_loss, others) = found
    assert other_loss == pytest.approx(loss, rel=1e-6)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(gradients, others, strict=True))
