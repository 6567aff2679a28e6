"""The mechanics of training: windows of text, batches, precision, the schedule and the steps."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from prosody.errors import ProsodyError
from prosody.lm import evaluate, slots
from prosody.lm.estimate import clock, seconds_for
from prosody.lm.tokenizer import MarkerTokenizer

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor

Line = tuple[str, tuple[str, ...]]  # one word and its markers


@dataclass(frozen=True)
class TrainParameters:
    """How to train. Learning rates rise over `warmup` of the steps, then follow a cosine down to a tenth."""

    epochs: int = 8
    batch_size: int = 1
    learning_rate: float = 1e-3
    learning_rate_rows: float = 1e-2
    weight_decay: float = 0.0
    warmup: float = 0.05
    clip: float = 1.0
    window_words: int = 60
    threshold: float = 0.4
    precision: str = "auto"
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "window_words"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1):
                raise ProsodyError(None, name, f"is {value}", "give a whole number from 1")
        for name in ("learning_rate", "learning_rate_rows", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ProsodyError(None, name, f"is {getattr(self, name)}", "give a number above 0, such as 1e-3")
        for name in ("warmup", "threshold", "weight_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ProsodyError(None, name, f"is {getattr(self, name)}", "give a number from 0 to 1")
        if not 0 <= self.seed < 1 << 63:
            raise ProsodyError(None, "seed", f"is {self.seed}", "give a whole number from 0, of 18 digits at most")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ProsodyError(None, "precision", f"{self.precision!r} is unknown", "use auto, float32 or bfloat16")


@dataclass(frozen=True)
class Step:
    """One step done. seconds: since training began; remaining_s: as the steps so far predict."""

    step: int
    n_steps: int
    epoch: int
    ends_epoch: bool
    loss: float
    learning_rate: float
    tokens_per_s: float
    seconds: float
    remaining_s: float

    def __str__(self) -> str:
        return (
            f"Step {self.step} | Loss {self.loss:.4f} | LR {self.learning_rate:.2e} | {self.tokens_per_s:.0f} tok/s | "
            f"{clock(self.seconds)} < {clock(self.remaining_s)}"
        )


def windows(lines: Sequence[Line], *, n_words: int, offset: int = 0) -> list[list[Line]]:
    """Cut text into windows of `n_words`, the first one `offset` words shorter. Every word is in exactly one window."""
    edges = [0, *range(n_words - offset % n_words, len(lines), n_words), len(lines)]
    return [list(lines[a:b]) for a, b in pairwise(edges) if b > a]


class Loop:
    """The mechanics of training: batches, steps, precision. Its state is what a step needs, and its clock."""

    def __init__(self, model: PeftModel, tokenizer: MarkerTokenizer, parameters: TrainParameters, device: str) -> None:
        self.model, self.tokenizer, self.parameters, self.device = model, tokenizer, parameters, device
        self.precision = parameters.precision
        if self.precision == "auto":
            self.precision = "bfloat16" if _fast_bfloat16(device) else "float32"
        self.durations: list[float] = []
        self.n_tokens = 0
        self.seconds_estimated = 0.0
        self.started = time.perf_counter()

    def batches(self, texts: Sequence[Sequence[Line]]) -> list[slots.Batch]:
        """Windows as padded batches on the device."""
        longest = slots.longest_text(self.model)
        examples = [slots.build([w for w, _ in t], [m for _, m in t], self.tokenizer, longest=longest) for t in texts]
        size = self.parameters.batch_size
        pad = self.tokenizer.base.pad_token_id
        return [
            slots.collate(examples[k : k + size], pad_row=pad).to(self.device) for k in range(0, len(examples), size)
        ]

    def autocast(self) -> AbstractContextManager[Any]:
        """bfloat16 where it is asked for or fast, else nothing."""
        import torch

        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16)

    def measure(self, batches: Sequence[slots.Batch]) -> tuple[float, list[tuple[str, ...]]]:
        """Held-out loss and the markers placed. Raises ProsodyError if training has driven the model out of bounds."""
        with self.autocast():
            loss, placed = evaluate.held_out(self.model, batches, self.tokenizer, threshold=self.parameters.threshold)
        if not math.isfinite(loss):
            raise ProsodyError(None, "training", f"the held-out loss became {loss}", "lower learning_rate")
        return loss, placed

    def steps(self, lines: Sequence[Line]) -> Iterator[Step]:
        """Run all steps, one at a time."""
        p = self.parameters
        order = random.Random(p.seed)
        plan = [self._epoch(lines, order, first=e == 0) for e in range(p.epochs)]
        n_steps = sum(math.ceil(len(texts) / p.batch_size) for texts in plan)
        optimizer, schedule = self._optimizer(n_steps)
        self.started = time.perf_counter()
        for epoch, texts in enumerate(plan, 1):
            batches = self.batches(texts)
            for k, batch in enumerate(batches, 1):
                begun = time.perf_counter()
                rate = schedule.get_last_lr()[0]
                loss = self._step(batch, optimizer)
                schedule.step()
                self.durations.append(time.perf_counter() - begun)
                self.n_tokens += batch.n_tokens
                yield self._told(batch, n_steps, epoch, loss, rate, ends_epoch=k == len(batches))

    def _epoch(self, lines: Sequence[Line], order: random.Random, *, first: bool) -> list[list[Line]]:
        """One epoch's windows in their order."""
        n_words = min(self.parameters.window_words, len(lines))
        texts = windows(lines, n_words=n_words, offset=0 if first else order.randrange(n_words))
        order.shuffle(texts)
        return texts

    def _told(
        self, batch: slots.Batch, n_steps: int, epoch: int, loss: float, rate: float, *, ends_epoch: bool
    ) -> Step:
        done = len(self.durations)
        if done == min(5, n_steps):
            self.seconds_estimated = seconds_for(self.durations, n_steps)
        return Step(
            step=done,
            n_steps=n_steps,
            epoch=epoch,
            ends_epoch=ends_epoch,
            loss=loss,
            learning_rate=rate,
            tokens_per_s=batch.n_tokens / self.durations[-1],
            seconds=time.perf_counter() - self.started,
            remaining_s=seconds_for(self.durations, n_steps - done),
        )

    def _optimizer(self, n_steps: int) -> tuple[Any, Any]:
        import torch

        p = self.parameters
        named = [(n, w) for n, w in self.model.named_parameters() if w.requires_grad]
        groups = [
            {"params": [w for n, w in named if "lora_" in n], "lr": p.learning_rate},
            {"params": [w for n, w in named if "lora_" not in n], "lr": p.learning_rate_rows},
        ]
        optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=p.weight_decay)
        warm = max(1, round(p.warmup * n_steps))

        def share(step: int) -> float:
            after = (step - warm) / max(1, n_steps - warm)
            return (step + 1) / (warm + 1) if step < warm else 0.55 + 0.45 * math.cos(math.pi * min(1.0, after))

        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, share)

    def _step(self, batch: slots.Batch, optimizer: Any) -> float:
        import torch

        self.model.train()
        with self.autocast():
            loss: Tensor = slots.slot_loss(slots.slot_logits(self.model, batch, self.tokenizer), batch.labels)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ProsodyError(None, "training", f"the loss became {value}", "lower learning_rate")
        loss.backward()
        torch.nn.utils.clip_grad_norm_([w for w in self.model.parameters() if w.requires_grad], self.parameters.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return value


def _fast_bfloat16(device: str) -> bool:
    """Whether this processor multiplies bfloat16 faster than float32."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    names = torch.backends.cpu.get_cpu_capability() if hasattr(torch.backends, "cpu") else ""
    return "AVX512" in names and bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def pick_device(wanted: str) -> str:
    """The device to train on: `wanted`, or for "auto" the GPU where there is one.

    Raises ProsodyError if this machine has no such device.
    """
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ProsodyError(None, "device", f"there is no {wanted!r} here", "use auto, cpu or cuda") from error
    return wanted
