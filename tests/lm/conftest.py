"""One tiny base model and one adapter trained on it, shared by all tests of the text model."""

import copy
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from lm_data import CARD, rule_book, write_babbler, write_gpt2

from prosody.lm.base import load_base
from prosody.lm.checkpoint import load_adapter, save_adapter
from prosody.lm.lora import LoraParameters, attach
from prosody.lm.tokenizer import MarkerTokenizer
from prosody.lm.train import TrainParameters, train

torch.set_num_threads(1)  # tiny models gain nothing from more, and the machine may be shared


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A folder with a random GPT-2 of 2 layers and width 32."""
    return write_gpt2(tmp_path_factory.mktemp("tiny") / "tiny-gpt2")


@pytest.fixture(scope="session")
def new_base(tiny_folder):
    """A function that gives that model as if loaded anew, since what wraps it changes it; its tokenizer is shared."""
    loaded = load_base(str(tiny_folder))
    return lambda: replace(loaded, model=copy.deepcopy(loaded.model))


@pytest.fixture
def tiny(new_base):
    return new_base()


@pytest.fixture(scope="session")
def gpt2_tokenizer(new_base):
    base = new_base()
    return MarkerTokenizer(base.tokenizer, vocabulary=base.vocabulary)


@pytest.fixture(scope="session")
def smollm2():
    """The real built-in base, for tests that only look at it."""
    return load_base()


@pytest.fixture(scope="session")
def smollm2_tokenizer(smollm2):
    return MarkerTokenizer(smollm2.tokenizer, vocabulary=smollm2.vocabulary)


@pytest.fixture(scope="session", params=["gpt2", "smollm2"])
def tokenizer(request):
    """GPT-2's tokenizer with the markers, and SmolLM2's."""
    return request.getfixturevalue(f"{request.param}_tokenizer")


@pytest.fixture(scope="session")
def trained(tmp_path_factory, new_base):
    """An adapter trained on a rule book: `.result`, `.folder`, `.how`, and all that was told on the way."""
    folder = tmp_path_factory.mktemp("trained") / "janus_prosody_lora"
    how = TrainParameters(learning_rate=3e-3, window_words=45, precision="float32", device="cpu")
    (folder.parent / "prosody_dataset.json").write_text("[]")  # the card tells its hash
    lines, steps, epochs = [], [], []
    result = train(
        replace(rule_book(40), folder=folder.parent),
        new_base(),
        LoraParameters(dropout=0.0),
        how,
        folder=folder,
        run="20240101T000000Z-abcdef",
        on_line=lines.append,
        on_step=steps.append,
        on_epoch=epochs.append,
    )
    return SimpleNamespace(result=result, folder=folder, how=how, lines=lines, steps=steps, epochs=epochs)


@pytest.fixture(scope="session")
def adapter(trained):
    """The trained adapter, loaded from its folder."""
    return load_adapter(trained.folder)


@pytest.fixture(scope="session")
def babbler(tmp_path_factory):
    """An untrained adapter on a base that only says "I walk here." in any order."""
    return _untrained(tmp_path_factory.mktemp("babbler"), (" I", " walk", " here", "."))


@pytest.fixture(scope="session")
def scribbler(tmp_path_factory):
    """The same with mark-up, brackets and lists between the words."""
    words = (" I", " walk", " here", ".", " <", "\n", *'>*_#`[]{}|"-1)')
    return _untrained(tmp_path_factory.mktemp("scribbler"), words)


def _untrained(folder, words):
    base = load_base(str(write_babbler(folder / "base", words)))
    model, _, _ = attach(base, LoraParameters(r=2))
    save_adapter(model, base, folder / "adapter", card=CARD)
    return load_adapter(folder / "adapter")


@pytest.fixture
def ctrl_c_heard():
    """Ctrl-C as a terminal's programs take it: those started in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
