import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prosody.errors import ProsodyError
from prosody.lm import slots
from prosody.lm.lora import LoraParameters, attach
from prosody.lm.slots import MASKED
from prosody.markers import BY_TOKEN, KINDS, TOKENS

SHORT = ["We", "saw", "it,", "and", "never", "painted."]
LONG = [
    "There",
    "was",
    "a",
    "bridge",
    "over",
    "the",
    "river,",
    "and",
    "never",
    "a",
    "house",
    "on",
    "the",
    "other",
    "side.",
]


@pytest.fixture(scope="module")
def fresh(new_base):
    """An untrained adapter: (model, tokenizer)."""
    model, tokenizer, _ = attach(new_base(), LoraParameters())
    return model.eval(), tokenizer


def logits(fresh, *texts, word_markers=None, longest=None):
    model, tokenizer = fresh
    examples = [slots.build(t, word_markers, tokenizer, longest=longest) for t in texts]
    batch = slots.collate(examples, pad_row=tokenizer.base.pad_token_id)
    with torch.no_grad():
        return batch, slots.slot_logits(model, batch, tokenizer)


def test_a_label_is_a_choice_of_each_kind():
    assert slots.label(()) == (0, 0, 0)
    assert slots.label(("<emph>",)) == (0, 0, 1)
    assert slots.label(("<pause_long>", "<pitch_low>")) == (2, 2, 0)
    assert slots.label(("<emph>", "<pitch_falling>", "<pause_short>")) == (1, 4, 1)


def test_every_marker_has_a_choice_of_its_kind():
    assert KINDS == ("pause", "pitch", "emph")
    found = [
        (slots.OF_KIND[kind][label - 1])
        for t in TOKENS
        for kind, label in zip(KINDS, slots.label([t]), strict=True)
        if label
    ]
    assert found == list(TOKENS)


@given(st.lists(st.text(min_size=1).filter(lambda w: w.split() == [w]), min_size=1, max_size=12))
def test_the_second_reading_is_the_first_again(gpt2_tokenizer, words):
    example = slots.build(words, None, gpt2_tokenizer)
    text = " ".join(words)
    assert gpt2_tokenizer.decode_rows(example.rows) == f"Plain text: {text}\nAs it is spoken: {text}"
    assert len(example.at) == len(example.following) == len(words)
    assert [example.rows[a + 1] for a in example.at[:-1]] == list(example.following[:-1])


@given(st.lists(st.text(min_size=1).filter(lambda w: w.split() == [w]), min_size=1, max_size=12))
def test_a_slot_is_decided_when_its_word_has_been_read_again(gpt2_tokenizer, words):
    example = slots.build(words, None, gpt2_tokenizer)
    for n, at in enumerate(example.at, 1):
        read = gpt2_tokenizer.decode_rows(example.rows[: at + 1])
        assert read.endswith(f"As it is spoken: {' '.join(words[:n])}")


def test_labels_are_masked_where_markers_are_to_be_found(gpt2_tokenizer):
    assert set(slots.build(SHORT, None, gpt2_tokenizer).labels) == {(MASKED,) * 3}
    given_ = [("<pause_long>",), (), (), ("<pause_short>",), ("<emph>",), ("<pitch_falling>",)]
    labels = slots.build(SHORT, given_, gpt2_tokenizer).labels
    assert labels == ((2, 0, 0), (0, 0, 0), (0, 0, 0), (1, 0, 0), (0, 0, 1), (0, 4, 0))


def test_written_markers_are_learned_from_but_not_read(gpt2_tokenizer):
    one = slots.build(SHORT, [("<emph>",)] * len(SHORT), gpt2_tokenizer)
    other = slots.build(SHORT, None, gpt2_tokenizer)
    assert (one.rows, one.at, one.following) == (other.rows, other.at, other.following)


def test_one_choice_of_each_kind_a_slot(fresh):
    batch, found = logits(fresh, SHORT, LONG)
    n_slots = len(SHORT) + len(LONG)
    assert {kind: tuple(x.shape) for kind, x in found.items()} == {
        "pause": (n_slots, 3),
        "pitch": (n_slots, 5),
        "emph": (n_slots, 2),
    }
    assert batch.n_tokens == sum(len(slots.build(t, None, fresh[1]).rows) for t in (SHORT, LONG))


def test_nothing_competes_as_the_word_itself(fresh):
    _, found = logits(fresh, SHORT)
    nothing = [found[kind][:, 0] for kind in KINDS]
    assert torch.equal(nothing[0], nothing[1])
    assert torch.equal(nothing[0], nothing[2])
    model, tokenizer = fresh
    example = slots.build(SHORT, None, tokenizer)
    with torch.no_grad():
        plain = model(torch.tensor([example.rows])).logits[0]
    expected = torch.stack([plain[a, f] for a, f in zip(example.at, example.following, strict=True)])
    assert torch.allclose(nothing[0], expected, atol=1e-5)


def test_padding_changes_no_logit(fresh):
    _, together = logits(fresh, SHORT, LONG, SHORT[:1])
    alone = [logits(fresh, text)[1] for text in (SHORT, LONG, SHORT[:1])]
    for kind in KINDS:
        assert torch.allclose(together[kind], torch.cat([one[kind] for one in alone]), atol=1e-4)


def test_every_slot_is_decided_with_the_whole_text_in_view(fresh):
    _, one = logits(fresh, [*SHORT[:-1], "painted."])
    _, other = logits(fresh, [*SHORT[:-1], "window."])
    for slot in range(len(SHORT) - 1):  # the words up to the last are the same
        assert (one["pitch"][slot] - other["pitch"][slot]).abs().max() > 1e-4


def test_masked_slots_count_for_nothing(fresh):
    all_markers = [("<emph>",), (), ("<pitch_low>",), ("<pause_short>",), (), ()]
    batch, found = logits(fresh, SHORT, word_markers=all_markers)
    labels = batch.labels.clone()
    labels[3:] = MASKED
    only = {kind: x[:3] for kind, x in found.items()}
    assert torch.equal(slots.slot_loss(found, labels), slots.slot_loss(only, batch.labels[:3]))


def test_masked_slots_send_no_gradient():
    found = {kind: torch.randn(4, 1 + len(slots.OF_KIND[kind]), requires_grad=True) for kind in KINDS}
    labels = torch.tensor([[0, 1, 1], [MASKED] * 3, [2, 0, 0], [MASKED] * 3])
    slots.slot_loss(found, labels).backward()
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
    assert float(slots.slot_loss(found, labels)) == pytest.approx((first + second) / 2, abs=1e-6)


def test_probabilities_of_a_kind_share_one_with_nothing(fresh):
    _, found = logits(fresh, LONG)
    shares = slots.probabilities(found)
    assert list(shares) == [t for kind in KINDS for t in TOKENS if BY_TOKEN[t].kind == kind]
    for kind in KINDS:
        total = sum(shares[t] for t in slots.OF_KIND[kind])
        assert torch.allclose(total + found[kind].softmax(dim=1)[:, 0], torch.ones(len(LONG)))
    assert all((x >= 0).all() and (x <= 1).all() for x in shares.values())


def test_a_text_longer_than_the_base_reads_is_cut_in_its_longest_words(fresh):
    _, tokenizer = fresh
    words = [*SHORT, "xqzj" * 900, *SHORT]
    assert len(slots.build(words, None, tokenizer).rows) > 1024
    cut = slots.build(words, None, tokenizer, longest=1024)
    assert 900 < len(cut.rows) <= 1024
    assert len(cut.at) == len(words)
    assert cut.following == slots.build(words, None, tokenizer).following
    text = tokenizer.decode_rows(cut.rows)
    assert text.count(" ".join(SHORT[1:])) == 4  # twice in each reading
    _, found = logits(fresh, words, longest=1024)
    assert all(torch.isfinite(x).all() for x in found.values())


@given(n_words=st.integers(1, 60), n_letters=st.integers(1, 40), longest=st.integers(140, 400))
def test_cut_texts_always_fit(gpt2_tokenizer, n_words, n_letters, longest):
    words = ["q" + "zj" * (n_letters * k % 41) for k in range(n_words)]
    example = slots.build(words, None, gpt2_tokenizer, longest=longest)
    assert len(example.rows) <= longest
    assert len(example.at) == n_words
    whole = slots.build(words, None, gpt2_tokenizer)
    if len(whole.rows) + len(words[-1]) <= longest:  # room enough: nothing is cut
        assert example == whole


def test_more_words_than_the_base_reads_are_refused(gpt2_tokenizer):
    with pytest.raises(ProsodyError, match=r"^window_words: 600 words at once are too many"):
        slots.build(["word"] * 600, None, gpt2_tokenizer, longest=1024)
