"""Recorded kernels do what kernels started one by one do: on a GPU where there is one, and with a recorder of ours."""

import gc
import weakref
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from lm_data import rule_book
from torch.utils._python_dispatch import TorchDispatchMode

from prosody.lm import estimate, graphs
from prosody.lm.corpus import of_dataset
from prosody.lm.loop import Loop
from prosody.lm.lora import LoraParameters, attach
from prosody.lm.train import TrainParameters, train

HOW = TrainParameters(
    epochs=3, batch_size=4, window_words=30, learning_rate=3e-3, acoustic=0.5, precision="float32", device="cpu"
)


class Recorder(TorchDispatchMode):
    """A CUDA graph for the CPU: keeps each operation that runs inside, with its tensors, and runs them again."""

    def __init__(self):
        super().__init__()
        self.kernels, self.replays, self.changed = [], 0, {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._schema.is_mutable:
            self.changed.setdefault(id(args[0]), (args[0], args[0].clone()))
        out = func(*args, **(kwargs or {}))
        self.kernels.append((func, args, kwargs or {}, out))
        return out

    def undo(self):
        """A GPU runs nothing while it records."""
        for tensor, before in self.changed.values():
            tensor.copy_(before)

    def pool(self):
        return None

    def replay(self):
        self.replays += 1
        with torch.no_grad():
            for func, args, kwargs, out in self.kernels:
                again = func(*args, **kwargs)
                for old, new in zip(*(one if isinstance(one, tuple) else (one,) for one in (out, again)), strict=True):
                    if isinstance(old, torch.Tensor) and old is not new and not func.is_view:
                        old.copy_(new)


class Stream:
    def wait_stream(self, other):
        pass


@pytest.fixture
def recorded(monkeypatch):
    """All recordings made, with torch's own of a GPU replaced by the recorder."""
    made = []

    class Graph(Recorder):
        def __init__(self):
            super().__init__()
            made.append(self)

    @contextmanager
    def graph(into, *, pool, stream):
        with into:
            yield
        with torch.no_grad():
            into.undo()

    @contextmanager
    def stream(of):
        yield

    for name, one in (("CUDAGraph", Graph), ("graph", graph), ("stream", stream), ("Stream", Stream)):
        monkeypatch.setattr(torch.cuda, name, one)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(
        graphs, "of", lambda device, learn, weights, *, on_line: graphs.Graphs(learn, weights, on_line=on_line)
    )
    return made


def steps(new_base, folder, **settings):
    """Train; returns the losses of all steps, and what was told."""
    lines = []
    result = train(
        rule_book(24, measured=True),
        new_base(),
        LoraParameters(r=4, dropout=0.3),
        replace(HOW, **settings),
        folder=folder / "janus_prosody_lora",
        on_line=lines.append,
    )
    return [one.loss for one in result.steps], [one.loss_acoustic for one in result.steps], lines


def test_steps_are_those_of_kernels_started_one_by_one(new_base, tmp_path, recorded, monkeypatch):
    text, heard, lines = steps(new_base, tmp_path / "recorded")
    assert 1 < len(recorded) < 20  # one for each shape
    assert sum(one.replays for one in recorded) > 2 * len(recorded)
    assert not any("without CUDA graphs" in line for line in lines)
    monkeypatch.undo()
    plain_text, plain_heard, _ = steps(new_base, tmp_path / "plain")
    assert len(text) == len(plain_text) == 12
    assert text == pytest.approx(plain_text, abs=1e-4)
    assert heard == pytest.approx(plain_heard, abs=1e-4)


def test_where_nothing_can_be_recorded_it_goes_on_without(new_base, tmp_path, recorded, monkeypatch):
    @contextmanager
    def graph(into, *, pool, stream):
        raise RuntimeError("operation not permitted when stream is capturing")
        yield

    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: None)
    text, _, lines = steps(new_base, tmp_path / "without", epochs=1)
    told = "Going on without CUDA graphs (operation not permitted when stream is capturing)"
    assert lines.count(told) == 1
    monkeypatch.undo()
    assert text == pytest.approx(steps(new_base, tmp_path / "plain", epochs=1)[0], abs=1e-4)


def test_a_full_memory_forgets_the_recordings_and_goes_on_in_smaller_pieces(new_base, tmp_path, recorded, monkeypatch):
    replay, forget, forgotten = Recorder.replay, graphs.Graphs.forget, []

    def scarce(self):
        replay(self)
        read = [one for _, args, *_ in self.kernels for one in args if isinstance(one, torch.Tensor)]
        if any(one.shape[:-1] == (4,) and one.dtype == torch.long for one in read):  # four windows of tokens
            raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Recorder, "replay", scarce)
    monkeypatch.setattr(graphs.Graphs, "forget", lambda self: forgotten.append(len(self._recorded)) or forget(self))
    text, _, lines = steps(new_base, tmp_path / "scarce", epochs=1)
    assert lines.count("The GPU's memory is full: learning from 2 windows at once from now on") == 1
    assert forgotten and forgotten[0] > 0
    monkeypatch.undo()
    assert text == pytest.approx(steps(new_base, tmp_path / "plain", epochs=1)[0], abs=1e-4)


def test_a_loop_that_is_over_gives_its_memory_back(new_base, recorded):
    model, tokenizer, _ = attach(new_base(), LoraParameters(r=4))
    corpus = of_dataset(rule_book(24), tokenizer, split="train")
    loop = Loop(model, tokenizer, HOW, "cpu", on_line=lambda line: None)
    loop.fit_reference(corpus)
    gc.disable()
    try:
        estimate.foresee(loop, corpus, loop.plan(corpus), held_out=corpus)
        gone = weakref.ref(loop)
        del loop
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_s_own_graphs(new_base, tmp_path, monkeypatch):
    text, heard, lines = steps(new_base, tmp_path / "recorded", device="cuda")
    assert not any("without CUDA graphs" in line for line in lines)
    monkeypatch.setattr(graphs, "of", lambda *_, **__: None)
    plain_text, plain_heard, _ = steps(new_base, tmp_path / "plain", device="cuda")
    assert text == pytest.approx(plain_text, abs=1e-3)
    assert heard == pytest.approx(plain_heard, abs=1e-3)
