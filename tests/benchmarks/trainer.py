"""How fast training is beside `transformers.Trainer` with PEFT, and what both learn.

    .venv/bin/python tests/benchmarks/trainer.py FILE [--words 4000] [--batch 4] [--rounds 3] [--json OUT.json]

FILE: of the Helsinki Prosody Corpus. All rows train the same adapter on the same words, from the same plan of epochs,
rates and batch size; the held-out words are other speakers'. "ours" is `prosody.lm.loop`; "Trainer, same task" gives
the same loss to Trainer, with PEFT's own dropout and embedding, a random sampler, and padding to the longest window of
a batch; "Trainer, marked text" has Trainer learn the marked text as any causal LM does, as a tutorial would. Rows take
turns in each round, and the ratio is that of one round: the table gives medians. Tokens are those of the text, without
padding.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from prosody.lm import bench, slots
from prosody.lm.base import BUILT_IN, load_base
from prosody.lm.device import pick_device
from prosody.lm.loop import Loop
from prosody.lm.lora import LoraParameters, attach, trained_weights
from prosody.lm.parameters import TrainParameters, rate_share
from prosody.lm.speed import peak_memory_mb


@dataclass(frozen=True)
class Row:
    """One training. memory_mb: the most that PyTorch held on a GPU; None elsewhere, where rows share one process.
    accuracy: of three labels on held-out words; None where it was not learned as slots."""

    seconds: float
    tokens: int
    memory_mb: float | None
    loss: float | None
    accuracy: float | None

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.seconds


class Ready:
    """A fresh adapter and the data, as all rows begin."""

    def __init__(self, given: argparse.Namespace, learned: Any, tested: Any) -> None:
        self.given, self.data = given, (learned, tested)
        self.how = TrainParameters(
            epochs=given.epochs,
            batch_size=given.batch,
            window_words=given.window,
            learning_rate=given.rate,
            device=pick_device(given.device),
        )
        lora = LoraParameters(targets=("all-linear",), layers=given.layers)
        self.model, self.tokenizer, _ = attach(load_base(given.base_model), lora)
        self.device = self.how.device
        self.model.to(self.device)
        self.learned, self.tested = (bench.corpus_of(one, self.tokenizer) for one in (learned, tested))
        self.labels = [label for one in tested for label in one.prominence]

    def again(self) -> Ready:
        """All of this anew: a loop puts its own dropout, and on a GPU its precision, into the model."""
        return Ready(self.given, *self.data)

    def loop(self, **changes: Any) -> Loop:
        how = replace(self.how, **changes)
        return Loop(self.model, self.tokenizer, how, self.device, choices=bench.CHOICES, measured_names=bench.NAMES)

    def wait(self) -> float:
        """The time, when a GPU is done."""
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter()

    def memory_mb(self) -> float | None:
        """The most that was held since it was last reset."""
        return peak_memory_mb() if self.device.startswith("cuda") else None

    def scored(self, loop: Loop) -> tuple[float, float]:
        """Loss and three-way accuracy on held-out words."""
        said = loop.measure(self.tested)
        return said.loss, bench.score(bench.shares_of(said), self.labels).three_way


def ours(ready: Ready) -> Row:
    """Our loop."""
    loop = ready.loop()
    loop.fit_reference(ready.learned)
    planned = loop.plan(ready.learned)
    begun = ready.wait()
    tokens = sum(step.n_tokens for step in loop.steps(ready.learned, planned))
    seconds = ready.wait() - begun
    memory = ready.memory_mb()
    return Row(seconds, tokens, memory, *ready.scored(loop))


class _SameTask(nn.Module):
    """Our loss as Trainer takes it: from PEFT's model as it is."""

    def __init__(self, ready: Ready, reference: slots.Reference) -> None:
        super().__init__()
        self.peft, self.reference = ready.model, reference
        self.rows = [ready.tokenizer.rows[t] for t in slots.tokens_of(bench.CHOICES)]

    def forward(self, num_items_in_batch: Any = None, **given: Any) -> dict[str, Any]:
        batch = slots.Batch(measured=torch.empty(0), **given)
        inner = self.peft.get_base_model()
        backbone = getattr(inner, inner.base_model_prefix)
        embedding = self.peft.get_input_embeddings()
        length = batch.rows.shape[1]
        text = batch.mask[:, None, None, :]
        so_far = text & torch.ones(length, length, dtype=torch.bool, device=text.device).tril()
        with slots._upper_layers_see(backbone, text):
            out = backbone(
                inputs_embeds=embedding(batch.rows), attention_mask=so_far, use_cache=False
            ).last_hidden_state
        vectors = embedding(torch.tensor(self.rows, device=out.device))
        found = slots.logits(out[batch.example, batch.at], vectors, self.reference, bench.CHOICES)
        loss = slots.loss_sum(found, batch.labels) / len(batch.at)
        return {"loss": loss}


def trainer_same_task(ready: Ready) -> Row:
    """Trainer with our loss."""
    loop = ready.again().loop()
    loop.fit_reference(ready.learned)
    examples = loop._examples(ready.learned, _windows(ready, loop))
    fields = ("rows", "mask", "example", "at", "labels")

    def together(few: Sequence[slots.SlotExample]) -> dict[str, Any]:
        batch = slots.collate(few, pad_row=ready.tokenizer.base.pad_token_id)
        return {name: getattr(batch, name) for name in fields}

    model = _SameTask(ready, loop.reference)
    seconds = _with_trainer(ready, model, examples, together)
    memory = ready.memory_mb()
    tokens = sum(len(one.rows) for one in examples) * ready.how.epochs
    scored = ready.loop(precision="float32")
    scored.reference = loop.reference
    return Row(seconds, tokens, memory, *ready.scored(scored))


def trainer_marked_text(ready: Ready) -> Row:
    """Trainer on the marked text, a causal LM as in a tutorial: every token of the text is learned."""
    loop = ready.again().loop()
    pieces = [[row for k in range(a, b) for row in _marked(ready, k)] for a, b in _windows(ready, loop)]
    pad = ready.tokenizer.base.pad_token_id

    def together(few: Sequence[list[int]]) -> dict[str, Any]:
        longest = max(map(len, few))
        rows = torch.tensor([one + [pad] * (longest - len(one)) for one in few])
        mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in few])
        return {"input_ids": rows, "attention_mask": mask, "labels": rows.masked_fill(mask == 0, -100)}

    seconds = _with_trainer(ready, ready.model, pieces, together)
    return Row(seconds, sum(map(len, pieces)) * ready.how.epochs, ready.memory_mb(), None, None)


def _windows(ready: Ready, loop: Loop) -> list[slots.Any]:
    planned = [step for step in loop.plan(ready.learned) if step.epoch == 1]
    return [window for step in planned for window in step.windows]


def _marked(ready: Ready, word: int) -> list[int]:
    return [ready.tokenizer.rows[m] for m in ready.learned.slots[word] or ()] + list(ready.learned.pieces[word])


def _with_trainer(ready: Ready, model: nn.Module, data: Sequence[Any], together: Callable[..., Any]) -> float:
    from transformers import Trainer, TrainingArguments

    how = ready.how
    n_steps = how.epochs * math.ceil(len(data) / how.batch_size)
    trained = trained_weights(ready.model)
    groups = [
        {"params": [w for n, w in trained.items() if ("trainable_tokens" in n) == rows], "lr": rate}
        for rows, rate in ((False, how.learning_rate), (True, how.learning_rate_rows))
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: rate_share(step + 1, n_steps, warmup=how.warmup)
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=how.batch_size,
            num_train_epochs=how.epochs,
            max_grad_norm=how.clip,
            bf16=ready.device.startswith("cuda"),
            use_cpu=ready.device == "cpu",
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        trainer = Trainer(
            model, arguments, train_dataset=list(data), data_collator=together, optimizers=(optimizer, schedule)
        )
        begun = ready.wait()
        trainer.train()
        seconds = ready.wait() - begun
    model.eval()
    return seconds


ROWS = {"ours": ours, "Trainer, same task": trainer_same_task, "Trainer, marked text": trainer_marked_text}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--words", type=int, default=4000)
    parser.add_argument("--base-model", default=BUILT_IN)
    parser.add_argument("--layers", default="upper half", choices=("all", "upper half"))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--window", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    utterances = bench.read(given.file)
    part = bench.split_by_speaker(utterances, 5)[0]
    learned = bench.first_words([u for u in utterances if u.speaker not in part], given.words)
    tested = bench.first_words([u for u in utterances if u.speaker in part], given.words // 2)
    for train in ROWS.values():  # starts libraries
        train(Ready(given, bench.first_words(learned, 200), bench.first_words(tested, 50)))
    found: dict[str, list[Row]] = {name: [] for name in ROWS}
    for number in range(given.rounds):
        for name, train in ROWS.items():
            if torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
            row = train(Ready(given, learned, tested))
            found[name].append(row)
            print(f"round {number + 1}  {name:22}{row.tokens_per_s:>10,.0f} tokens/s", flush=True)
    show(found, given)
    if given.json:
        told = {name: [one.__dict__ for one in rows] for name, rows in found.items()}
        given.json.write_text(json.dumps(told, ensure_ascii=False, indent=2), encoding="utf-8")


def show(found: dict[str, list[Row]], given: argparse.Namespace) -> None:
    """A table of medians."""
    where = torch.cuda.get_device_name() if torch.cuda.is_available() and given.device != "cpu" else "CPU"
    print(f"\n{where}, {given.base_model}, LoRA on {given.layers}, {given.batch} windows of {given.window} words")
    print(f"{'':22}{'tokens/s':>10}{'ours is':>9}{'MB':>8}{'loss':>8}{'three-way':>11}")
    for name, rows in found.items():
        ratio = statistics.median(
            mine.tokens_per_s / one.tokens_per_s for mine, one in zip(found["ours"], rows, strict=True)
        )
        first = rows[0]
        learned = "" if first.loss is None else f"{first.loss:>8.4f}{100 * first.accuracy:>11.2f}"
        speed = statistics.median(one.tokens_per_s for one in rows)
        memory = f"{max(one.memory_mb for one in rows):>8,.0f}" if first.memory_mb else f"{'–':>8}"
        print(f"{name:22}{speed:>10,.0f}{ratio:>8.2f}×{memory}{learned}")


if __name__ == "__main__":
    main()
