"""Three ways to learn marking: completing the marked text, deciding each slot of known words, and both at once.

    .venv/bin/python tests/benchmarks/tasks.py FILE [--words 10000] [--parts 1 2] [--epochs 1] [--json OUT.json]

FILE: of the Helsinki Prosody Corpus, split by speaker. (a) "completion" learns to go on after "Plain text: … As it is
spoken:" with the marked text, token by token, as any causal LM does; when it is tested, it is told the true markers of
all words before, which marking new text never is: its figures are an upper bound. (b) "slots" is what `prosody.lm`
does. (c) "mixture" adds both losses. All share the adapter's shape, windows, and schedule.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from prosody.lm import bench, slots
from prosody.lm.base import BUILT_IN, load_base
from prosody.lm.corpus import Corpus
from prosody.lm.device import pick_device
from prosody.lm.loop import Loop
from prosody.lm.lora import LoraParameters, attach
from prosody.lm.parameters import TrainParameters, rate_share
from prosody.lm.plan import Window, windows

WAYS = {
    "(a) completion": ("twice", 0.0, 1.0),
    "(b) slots, read twice": ("twice", 1.0, 0.0),
    "(b) slots, both ways": ("both ways", 1.0, 0.0),
    "(c) mixture": ("twice", 1.0, 1.0),
}


class Mixed(Loop):
    """A loop whose loss is that of the slots and that of the completion, each with its weight."""

    def __init__(self, *given: Any, of_slots: float, of_completion: float, **named: Any) -> None:
        super().__init__(*given, **named)
        self.of_slots, self.of_completion = of_slots, of_completion
        self.markers = slots.tokens_of(self.choices)

    def learn_from(self, corpus: Corpus) -> None:
        """All steps."""
        planned = self.plan(corpus)
        for one in planned:
            self.learned.set_rates(rate_share(one.step, len(planned), warmup=self.parameters.warmup))
            self.dropouts.draw(one.step, len(one.windows))
            self.dropouts.use(self.dropouts.of(range(len(one.windows)), self.device))
            self.learned.forget_gradients()
            with self.autocast():
                loss = torch.zeros((), device=self.device)
                if self.of_slots:
                    batch = self._batch(self._examples(corpus, one.windows))
                    loss = loss + self.of_slots * self._mean_of_slots(batch)
                if self.of_completion:
                    loss = loss + self.of_completion * self._mean_of_completion(corpus, one.windows)
            loss.backward()
            self.learned.step()
        self.dropouts.off()

    def _mean_of_slots(self, batch: slots.Batch) -> torch.Tensor:
        return slots.loss_sum(self._logits(self._states(batch)), batch.labels) / len(batch.at)

    def _mean_of_completion(self, corpus: Corpus, cut: tuple[Window, ...]) -> torch.Tensor:
        rows, targets, _ = self._completions(corpus, cut)
        found = self.model(input_ids=rows, attention_mask=(rows != self._pad()).long()).logits
        return cross_entropy(found[:, :-1].flatten(0, 1).float(), targets[:, 1:].flatten(), ignore_index=slots.MASKED)

    def told(self, corpus: Corpus) -> list[list[float]]:
        """Probabilities of 0, 1 and 2 for each word."""
        if self.of_slots:
            return bench.shares_of(self.measure(corpus))
        cut = windows(len(corpus.words), size=self.parameters.window_words, documents=corpus.documents)
        of_markers = [self.tokenizer.rows[token] for token in self.markers]
        shares = []
        for one in cut:
            rows, _, slots_at = self._completions(corpus, (one,))
            with torch.no_grad(), self.autocast():
                found = self.model(input_ids=rows).logits[0].float()
            for word, at in zip(range(*one), slots_at, strict=True):
                legal = [corpus.pieces[word][0], *of_markers]
                shares.append(found[at, legal].softmax(dim=0).tolist())
        return shares

    def _completions(self, corpus: Corpus, cut: tuple[Window, ...]) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
        """Rows, their targets, and the positions from which each slot is told, of the last window."""
        encode = self.tokenizer.encode_rows
        texts, slots_at = [], []
        for a, b in cut:
            rows = encode(slots.BEFORE) + [row for k in range(a, b) for row in corpus.pieces[k]] + encode(slots.BETWEEN)
            start, slots_at = len(rows), []
            for k in range(a, b):
                slots_at.append(len(rows) - 1)
                rows += [self.tokenizer.rows[m] for m in corpus.slots[k] or ()] + list(corpus.pieces[k])
            texts.append((rows, start))
        longest, pad = max(len(rows) for rows, _ in texts), self._pad()
        padded = torch.tensor([rows + [pad] * (longest - len(rows)) for rows, _ in texts])
        targets = torch.tensor(
            [[slots.MASKED] * s + rows[s:] + [slots.MASKED] * (longest - len(rows)) for rows, s in texts]
        )
        return padded.to(self.device), targets.to(self.device), slots_at

    def _pad(self) -> int:
        return self.tokenizer.base.pad_token_id


def run(
    learned: list[bench.Utterance],
    tested: list[bench.Utterance],
    way: str,
    how: TrainParameters,
    lora: LoraParameters,
    base_model: str,
) -> bench.Score:
    """Train one way, and score on other speakers."""
    reading, of_slots, of_completion = WAYS[way]
    model, tokenizer, _ = attach(load_base(base_model), lora, seed=how.seed)
    device = pick_device(how.device)
    model.to(device)
    loop = Mixed(
        model,
        tokenizer,
        replace(how, reading=reading),
        device,
        choices=bench.CHOICES,
        measured_names=bench.NAMES,
        of_slots=of_slots,
        of_completion=of_completion,
    )
    corpus, other = bench.corpus_of(learned, tokenizer), bench.corpus_of(tested, tokenizer)
    loop.fit_reference(corpus)
    loop.learn_from(corpus)
    return bench.score(loop.told(other), [label for one in tested for label in one.prominence])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--parts", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--base-model", default=BUILT_IN)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    utterances = bench.read(given.file)
    parts = bench.split_by_speaker(utterances, 5)
    how = TrainParameters(epochs=given.epochs, batch_size=2, learning_rate=given.rate)
    lora = LoraParameters(targets=("all-linear",))
    gains: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for k in given.parts:
        learned = bench.first_words([u for u in utterances if u.speaker not in parts[k - 1]], given.words)
        tested = bench.first_words([u for u in utterances if u.speaker in parts[k - 1]], given.words // 2)
        usual = bench.most_frequent(learned)
        labels = [label for one in tested for label in one.prominence]
        base = bench.score([usual(word) for one in tested for word in one.words], labels)
        print(f"part {k}  {'most frequent label':24}{100 * base.two_way:>8.2f}{100 * base.three_way:>8.2f}", flush=True)
        for way in WAYS:
            found = run(learned, tested, way, how, lora, given.base_model)
            gains[way].append((100 * (found.two_way - base.two_way), 100 * (found.three_way - base.three_way)))
            told = f"{100 * found.two_way:>8.2f}{100 * found.three_way:>8.2f}  F1 {found.f1:.3f}"
            print(f"part {k}  {way:24}{told}", flush=True)
    print(f"\n{'above the most frequent':32}{'two-way':>8}{'three-way':>11}   mean of {len(given.parts)} parts")
    for way, pairs in gains.items():
        print(f"{way:32}{statistics.fmean(a for a, _ in pairs):>+8.2f}{statistics.fmean(b for _, b in pairs):>+11.2f}")
    if given.json:
        given.json.write_text(json.dumps(gains, ensure_ascii=False, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
