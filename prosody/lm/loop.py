"""The mechanics of training: micro-batches, precision, the schedule, and the steps, one process or several.

A step is a function of its number: which windows it learns from (`plan`), what is dropped (`dropout`) and the learning
rate depend on nothing else, so a training that is resumed does what the uninterrupted one does, bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from prosody.errors import ProsodyError
from prosody.lm import acoustic, estimate, graphs, several, slots
from prosody.lm.device import fast_bfloat16
from prosody.lm.dropout import Dropouts
from prosody.lm.learned import Learned
from prosody.lm.lora import hold_in_bfloat16, row_vectors
from prosody.lm.parameters import TrainParameters, rate_share
from prosody.lm.plan import Planned, Window, micro_batches, plan, windows
from prosody.lm.speed import Progress, clock, flops_per_token, peak_flops, seconds_for, unseen
from prosody.lm.tokenizer import MarkerTokenizer

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor

    from prosody.lm.acoustic import AcousticHead
    from prosody.lm.corpus import Corpus

_READS_AT_ONCE = 32  # windows, where only reading is to be done, and by a GPU
_REFERENCE_WINDOWS = 32  # of which the markers' average logits are taken


@dataclass(frozen=True)
class Step:
    """One step done.

    loss: of the text, nats a slot. loss_acoustic: of the head, Huber's, a measurement; None without one. tokens_per_s:
    of this step. utilisation: model FLOPs utilisation (MFU, Chowdhery et al. 2022), the share of the multiplications
    that this machine could have done in the step. seconds: since training began, without what lay between an
    interruption and the resumption; remaining_s: as the steps so far predict.
    """

    step: int
    n_steps: int
    epoch: int
    ends_epoch: bool
    loss: float
    loss_acoustic: float | None
    learning_rate: float
    n_tokens: int
    tokens_per_s: float
    utilisation: float
    seconds: float
    remaining_s: float

    def __str__(self) -> str:
        heard = "" if self.loss_acoustic is None else f" | Heard {self.loss_acoustic:.3f}"
        return (
            f"Step {self.step} | Loss {self.loss:.4f} | LR {self.learning_rate:.2e} | {self.tokens_per_s:.0f} tok/s | "
            f"{clock(self.seconds)} < {clock(self.remaining_s)}{heard} | MFU {100 * self.utilisation:.0f} %"
        )


@dataclass(frozen=True)
class Said:
    """What the model says of a text. loss: nats a slot. loss_acoustic: a measurement, None without a head.

    probabilities: marker → of each slot. predicted [shape=(n_words, n_measurements)]: by the head, scaled.
    """

    loss: float
    loss_acoustic: float | None
    probabilities: dict[str, list[float]]
    predicted: np.ndarray | None


@dataclass(frozen=True)
class _Part:
    """Of what is said, one window's."""

    probabilities: dict[str, list[float]] = field(default_factory=dict)
    predicted: np.ndarray | None = None


class Loop:
    """The mechanics of one training. Its state is what the next step needs, and its clock.

    reference: see `slots.Reference`; choices: the markers that compete in a slot.
    """

    def __init__(
        self,
        model: PeftModel,
        tokenizer: MarkerTokenizer,
        parameters: TrainParameters,
        device: str,
        *,
        reference: slots.Reference | None = None,
        head: AcousticHead | None = None,
        measured_names: Sequence[str] = acoustic.MEASUREMENTS,
        team: several.Team | None = None,
        choices: slots.Choices = slots.OF_KIND,
        on_line: Callable[[str], None] = print,
    ) -> None:
        self.on_line = on_line
        self.model, self.tokenizer, self.parameters, self.device = model.eval(), tokenizer, parameters, device
        self.reference, self.head, self.team, self.choices = reference, head, team or several.Team(), choices
        self.measured_names = measured_names
        self.precision = parameters.precision
        if self.precision == "auto":
            self.precision = "bfloat16" if fast_bfloat16(device) else "float32"
        self.micro_batch = parameters.micro_batch or parameters.batch_size
        reads_more = device.startswith("cuda") and not parameters.micro_batch
        self.reads_at_once = max(self.micro_batch, _READS_AT_ONCE) if reads_more else self.micro_batch
        self.dropouts = Dropouts(model, seed=parameters.seed)
        self.learned = Learned(model, head, parameters)
        if self.precision == "bfloat16":
            hold_in_bfloat16(model)
        self.graphs = graphs.of(device, self._learn, list(self.learned.weights.values()), on_line=on_line)
        self.durations: list[float] = []  # of the steps of this process
        self.seconds = 0.0  # of all steps, also those before an interruption
        self.foreseen: estimate.Estimate | None = None
        self.peak_flops = peak_flops(device, self.precision)
        self.flops_per_token = flops_per_token(model)

    def plan(self, corpus: Corpus) -> list[Planned]:
        """All steps of learning from a corpus."""
        p = self.parameters
        settings = {"epochs": p.epochs, "batch_size": p.batch_size, "size": p.window_words, "seed": p.seed}
        return plan(corpus.n_tokens, documents=corpus.documents, **settings)

    def fit_reference(self, corpus: Corpus, *, progress: Progress = unseen) -> None:
        """Set the markers' logits against what the untuned model says of the first windows of the training text."""
        import torch

        cut = windows(len(corpus.words), size=self.parameters.window_words, documents=corpus.documents)
        examples = self._examples(corpus, cut[:_REFERENCE_WINDOWS])
        with torch.no_grad():
            states = []
            for one in examples:
                with self.autocast():
                    states.append(self._states(self._batch([one])).float())
                progress(len(states) / len(examples))
            tokens = slots.tokens_of(self.choices)
            vectors = row_vectors(self.model, self.tokenizer, tokens).float()
        labels = [slots.label(markers, self.choices) for markers in corpus.slots if markers is not None]
        self.reference = slots.fit_reference(torch.cat(states), vectors, labels, self.choices)

    def measure(self, corpus: Corpus) -> Said:
        """What the model says of held-out text. Raises ProsodyError if training has driven it out of bounds."""
        import torch

        begun = time.perf_counter()
        cut = windows(len(corpus.words), size=self.parameters.window_words, documents=corpus.documents)
        examples = self._examples(corpus, cut)
        order, at = sorted(range(len(examples)), key=lambda k: len(examples[k].rows)), 0
        parts: list[_Part] = [_Part()] * len(examples)
        total = np.zeros(3)
        while at < len(order):
            numbers = order[at : at + self.reads_at_once]
            try:
                sums, read = self._read([examples[n] for n in numbers])
            except torch.OutOfMemoryError:
                read = []
            if not read:  # here, where the error holds no tensors any more
                self.reads_at_once = self._fewer(len(numbers), "reading")
                continue
            for n, part in zip(numbers, read, strict=True):
                parts[n] = part
            total, at = total + sums, at + len(numbers)
        text, heard, n_heard = total.tolist()
        loss, loss_acoustic = text / max(slots.n_labelled(examples), 1), heard / n_heard if n_heard else None
        if not math.isfinite(loss):
            raise ProsodyError(None, "training", f"the held-out loss became {loss}", "lower learning_rate")
        if loss_acoustic is not None and not math.isfinite(loss_acoustic):
            what = f"the held-out loss of the measurements became {loss_acoustic}"
            raise ProsodyError(None, "training", what, "lower learning_rate_head")
        self.seconds += time.perf_counter() - begun
        tokens = slots.tokens_of(self.choices)
        return Said(
            loss=loss,
            loss_acoustic=loss_acoustic,
            probabilities={t: [p for part in parts for p in part.probabilities[t]] for t in tokens},
            predicted=np.concatenate([part.predicted for part in parts]) if self.head and parts else None,
        )

    def _read(self, examples: Sequence[slots.SlotExample]) -> tuple[np.ndarray, list[_Part]]:
        """What is said of some windows: sums of both losses, the number of measurements, and each window's part."""
        import torch

        batch = self._batch(examples)
        with torch.no_grad():
            with self.autocast():
                states = self._states(batch)
                of_slots = self._logits(states)
                predicted = self.head(states) if self.head else None
            shares = slots.probabilities(of_slots, self.choices)
            sums = [float(slots.loss_sum(of_slots, batch.labels)), 0.0, 0.0]
            if predicted is not None:
                sums[1:] = float(acoustic.loss_sum(predicted, batch.measured)), float(batch.measured.isfinite().sum())
        own = [batch.example == k for k in range(len(examples))]
        return np.array(sums), [
            _Part(
                {token: share[one].tolist() for token, share in shares.items()},
                predicted[one].float().cpu().numpy() if predicted is not None else None,
            )
            for one in own
        ]

    def _fewer(self, n_windows: int, doing: str) -> int:
        """Half as many windows at once, where a GPU's memory is full. Raises ProsodyError if it was one already."""
        import torch

        if n_windows == 1:
            what = "one window alone is too much for the GPU"
            raise ProsodyError(None, "memory", what, "give a smaller window_words, or device=cpu")
        if self.graphs:
            self.graphs.forget()
        torch.cuda.empty_cache()
        fewer = -(-n_windows // 2)
        self.on_line(f"The GPU's memory is full: {doing} {fewer} windows at once from now on")
        return fewer

    def steps(self, corpus: Corpus, planned: Sequence[Planned], *, done: int = 0) -> Iterator[Step]:
        """Run the planned steps that are not `done` yet, one at a time."""
        for one in planned[done:]:
            begun = time.perf_counter()
            share = rate_share(one.step, len(planned), warmup=self.parameters.warmup)
            self.learned.set_rates(share)
            examples = self._examples(corpus, one.windows)
            loss, heard = self._step(one, examples)
            self.durations.append(time.perf_counter() - begun)
            self.seconds += self.durations[-1]
            n_tokens = sum(len(example.rows) for example in examples)
            yield self._told(one, len(planned), loss, heard, self.parameters.learning_rate * share, n_tokens)

    def rehearse(self, corpus: Corpus, planned: Planned, *, alone: bool = False) -> None:
        """A step forward and back that moves nothing. alone: all of its windows, without a GPU's recordings."""
        examples = self._examples(corpus, planned.windows)
        self.dropouts.draw(planned.step, len(examples))
        kept = self.graphs, self.team
        if alone:
            self.graphs, self.team = None, several.Team()
        try:
            losses, _ = self._gradients(examples)
            losses.tolist()  # waits for a GPU to be done
        finally:
            self.graphs, self.team = kept
            self.learned.forget_gradients()
            self.dropouts.off()

    def autocast(self) -> AbstractContextManager[Any]:
        """bfloat16 where it is asked for or fast, else nothing."""
        import torch

        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16)

    def _examples(self, corpus: Corpus, cut: Sequence[Window]) -> list[slots.SlotExample]:
        longest, reading = slots.longest_text(self.model), self.parameters.reading
        return [
            slots.of_corpus(corpus, window, self.tokenizer, reading=reading, longest=longest, choices=self.choices)
            for window in cut
        ]

    def _batch(self, examples: Sequence[slots.SlotExample], steps: tuple[int, int] = (1, 1)) -> slots.Batch:
        return slots.collate(examples, pad_row=self.tokenizer.base.pad_token_id, steps=steps).to(self.device)

    def _states(self, batch: slots.Batch) -> Tensor:
        return slots.hidden(self.model, batch, reading=self.parameters.reading)

    def _logits(self, states: Tensor) -> dict[str, Tensor]:
        vectors = row_vectors(self.model, self.tokenizer, slots.tokens_of(self.choices))
        return slots.logits(states, vectors, self.reference, self.choices)

    def _step(self, planned: Planned, examples: Sequence[slots.SlotExample]) -> tuple[float, float | None]:
        """One step of the optimizer over all micro-batches; returns both losses."""
        self.dropouts.draw(planned.step, len(examples))
        losses, n_heard = self._gradients(examples)
        self.team.add_up([losses, *self.learned.gradients()])
        text, heard = losses.tolist()
        if not (math.isfinite(text) and math.isfinite(heard)):
            words = ", ".join(f"{a + 1} to {b}" for a, b in planned.windows[:3])
            more = f" and {len(planned.windows) - 3} windows more" if len(planned.windows) > 3 else ""
            is_text = not math.isfinite(text)
            which = f"loss became {text}" if is_text else f"loss of the measurements became {heard}"
            what = f"the {which} at step {planned.step}, words {words}{more}"
            raise ProsodyError(None, "training", what, f"lower learning_rate{'' if is_text else '_head'}")
        self.learned.step()
        self.dropouts.off()
        return text, heard if n_heard else None

    def _gradients(self, examples: Sequence[slots.SlotExample]) -> tuple[Tensor, int]:
        """Gradients of this process's windows, its share of both losses, and how many measurements all windows have.

        Where a GPU's memory runs out, the pieces are halved from then on. Raises ProsodyError if one window is too
        much.
        """
        import torch

        n_slots = max(slots.n_labelled(examples), 1)
        n_heard = sum(int(np.isfinite(example.measured).sum()) for example in examples) if self.head else 0
        while True:
            self.learned.forget_gradients()
            with suppress(torch.OutOfMemoryError):
                return self._added_up(examples, n_slots, n_heard), n_heard
            self.micro_batch = self._fewer(self.micro_batch, "learning from")

    def _added_up(self, examples: Sequence[slots.SlotExample], n_slots: int, n_heard: int) -> Tensor:
        """Gradients piece by piece, and this process's share of both losses [shape=(2,)]."""
        import torch

        shares = torch.tensor([1 / n_slots, 1 / max(n_heard, 1)], device=self.device)
        total = torch.zeros(2, device=self.device)
        for numbers in micro_batches(len(examples), most=self.micro_batch, rank=self.team.rank, world=self.team.world):
            batch = self._batch([examples[n] for n in numbers], steps=graphs.STEPS if self.graphs else (1, 1))
            dropped = self.dropouts.of(numbers, self.device)
            total += (self.graphs or self._learn)(batch, dropped, shares)
        return total

    def _learn(self, batch: slots.Batch, dropped: Tensor | None, shares: Tensor) -> Tensor:
        """Add the gradients of a piece to those there are; returns both of its losses times `shares` [shape=(2,)]."""
        import torch

        self.dropouts.use(dropped)
        with self.autocast():
            states = self._states(batch)
            text = slots.loss_sum(self._logits(states), batch.labels) * shares[0]
        heard = torch.zeros_like(text)
        weight = self.parameters.acoustic
        if self.head:
            predicted = self.head(states if weight else states.detach())
            heard = acoustic.loss_sum(predicted, batch.measured) * shares[1]
        (text + (weight or 1.0) * heard).backward()
        return torch.stack([text.detach(), heard.detach()])

    def _told(
        self, planned: Planned, n_steps: int, loss: float, heard: float | None, rate: float, n_tokens: int
    ) -> Step:
        tokens_per_s = n_tokens / self.durations[-1]
        n_devices = self.team.world if self.device.startswith("cuda") else 1
        return Step(
            step=planned.step,
            n_steps=n_steps,
            epoch=planned.epoch,
            ends_epoch=planned.ends_epoch,
            loss=loss,
            loss_acoustic=heard,
            learning_rate=rate,
            n_tokens=n_tokens,
            tokens_per_s=tokens_per_s,
            utilisation=tokens_per_s / n_devices * self.flops_per_token / self.peak_flops,
            seconds=self.seconds,
            remaining_s=seconds_for(self.durations, n_steps - planned.step),
        )
