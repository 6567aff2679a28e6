"""How fast markers are placed, and how well: beside token-by-token generation, beside one threshold, and at joins.

    .venv/bin/python tests/benchmarks/marking.py --adapter DIR [--dataset DIR] [--helsinki DIR] [--json OUT.json]
        [--text FILE] [--words 1000] [--rounds 3] [--joins 4] [--threads 2] [--only speed joins held_out text helsinki]

speed: words a second after loading, of marking, of marking with one window a pass, and of a model of the same size
that writes the marked text token by token (greedy, with a KV cache: each step's likeliest token is found, then the
true one is read, so that both write the same text). All take turns in each round; the table gives medians, and beside
them what the same cores reach in a plain matrix product. joins: how far probabilities near the join of two windows lie
from those of one window centred there, by overlap, beside what moving that one window by 20 words does. held_out:
--dataset's held-out words, placed at one threshold and by expressiveness. text: markers a hundred words on --text
(another's words: by default the corpus of --helsinki). helsinki: every sentence of the corpus there is marked, and the
words that come out changed are counted.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from prosody import dataset, files, markers
from prosody.lm import bench, evaluate, windows
from prosody.lm.checkpoint import Adapter, load_adapter
from prosody.lm.corpus import tokenized
from prosody.lm.mark import Marked, mark, mark_again, mark_all
from prosody.lm.speed import duration
from prosody.sample.script import read_script

OVERLAPS = (0, 10, 20, 30, 40)
NEAR_WORDS = 15  # of a join
MOVED_WORDS = 20
LEVELS = (0.5, 1.0, 1.5, 2.0)
_PARTS = ("speed", "joins", "held_out", "text", "helsinki")
_MARKER = re.compile("(?:" + "|".join(markers.TOKENS) + ") ")


def speed(adapter: Adapter, words: Sequence[str], *, rounds: int, n_written: int) -> dict[str, Any]:
    """Words a second of each way, round by round, and what batches change."""
    marked = mark(" ".join(words[:n_written]), adapter)
    ways: dict[str, Callable[[], tuple[float, float]]] = {
        "marked": lambda: _rate(len(words), lambda: windows.read([words], adapter, adapter.model)),
        "one window a pass": lambda: _rate(
            len(words), lambda: windows.read([words], adapter, adapter.model, tokens_at_once=1)
        ),
        "token by token": lambda: _rate(n_written, lambda: write(adapter, marked)),
    }
    found: dict[str, list[float]] = {name: [] for name in [*ways, "peak GFLOP/s"]}
    of_processor: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            rates = way()
            found[name].append(rates[0])
            of_processor[name].append(rates[1])
        found["peak GFLOP/s"].append(peak_flops() / 1e9)
    batched, alone = (
        windows.read([words], adapter, adapter.model, tokens_at_once=n)[0].probabilities for n in (None, 1)
    )
    n_tokens = sum(map(len, tokenized(words, adapter.tokenizer)))
    matrices = [w.numel() for n, w in adapter.model.named_parameters() if w.dim() == 2 and "embed" not in n]
    return {
        "words": len(words),
        "tokens": n_tokens,
        "gflop_a_word": 2e-9 * sum(matrices) * n_tokens / len(words),
        "words_per_s": found,
        "words_per_processor_s": of_processor,
        "batches_change": {
            "probability": float(np.abs(batched - alone).max()),
            "decisions": int((decided(batched) != decided(alone)).sum()),
        },
    }


def _rate(n_words: int, work: Callable[[], object]) -> tuple[float, float]:
    """Words a second, and words a second of one processor's time, which others on the machine change little."""
    begun, used = time.perf_counter(), time.process_time()
    work()
    return n_words / (time.perf_counter() - begun), n_words / (time.process_time() - used)


def write(adapter: Adapter, marked: Marked) -> None:
    """Read the plain words, then write them with their markers, a token at a time."""
    tokenizer, inner = adapter.tokenizer, adapter.model
    plain = [row for word in tokenized([w.text for w in marked.text.words], tokenizer) for row in word]
    told = [
        row
        for word, piece in zip(
            marked.text.words, tokenized([w.text for w in marked.text.words], tokenizer), strict=True
        )
        for row in [*(tokenizer.rows[t] for t in word.markers), *piece]
    ]
    with torch.inference_mode():
        out = inner(input_ids=torch.tensor([plain]), use_cache=True, logits_to_keep=1)
        for row in told:
            out.logits[0, -1].argmax()
            out = inner(input_ids=torch.tensor([[row]]), past_key_values=out.past_key_values, use_cache=True)


def peak_flops() -> float:
    """Operations a second of a matrix product of the model's kind, the best of a few."""
    a, b = torch.ones(512, 576), torch.ones(576, 1536)
    best = 1.0
    for _ in range(10):
        begun = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - begun)
    return 2 * 512 * 576 * 1536 / best


def decided(table: np.ndarray, *, threshold: float = 0.4) -> np.ndarray:
    """Which markers one threshold places [shape=(n_words, n_markers), bool]."""
    columns = dict(zip(markers.TOKENS, table.T, strict=True))
    placed = evaluate.decide(columns, threshold=threshold)
    return np.array([[token in slot for token in markers.TOKENS] for slot in placed])


def joins(adapter: Adapter, words: Sequence[str], *, n_joins: int) -> dict[str, dict[str, float]]:
    """By overlap: how far words near a join are from where they are in one window around it."""
    size = windows.window_size(adapter, adapter.model)
    pieces = tokenized(words, adapter.tokenizer)
    half = size // 2
    rows = {f"moved by {MOVED_WORDS}": [], **{str(o): [] for o in OVERLAPS if o <= half}}
    room = len(words) - 2 * size - MOVED_WORDS
    for join in [size + k * room // max(n_joins - 1, 1) for k in range(n_joins)]:

        def read(begin: int, at: int = join) -> np.ndarray:
            table = windows._read([pieces[begin : begin + size]], adapter, adapter.model)[0]
            return _near(table, begin, at)

        true = read(join - half)
        for name, found in rows.items():
            if name.startswith("moved"):
                pairs = [read(join - half - MOVED_WORDS), read(join - half + MOVED_WORDS)]
            else:
                pairs = [_blend(adapter, pieces, join, size, int(name))]
            found += [(np.abs(p - true), decided(p) != decided(true)) for p in pairs]
    return {name: _distance(found) for name, found in rows.items()}


def _near(table: np.ndarray, begin: int, join: int) -> np.ndarray:
    return table[join - NEAR_WORDS - begin : join + NEAR_WORDS - begin]


def _blend(adapter: Adapter, pieces: Sequence[Sequence[int]], join: int, size: int, overlap: int) -> np.ndarray:
    """Two windows that share `overlap` words around the join, blended as `windows.read` does."""
    before, after = join + overlap // 2 - size, join - overlap // 2
    sums, weights = np.zeros((2 * size, len(markers.TOKENS))), np.zeros((2 * size, 1))
    for begin in (before, after):
        table = windows._read([pieces[begin : begin + size]], adapter, adapter.model)[0]
        weight = windows.blend_weights(begin - before, begin - before + size, 2 * size - overlap)[:, None]
        sums[begin - before : begin - before + size] += weight * table
        weights[begin - before : begin - before + size] += weight
    return _near(sums / np.maximum(weights, 1e-9), before, join)


def _distance(found: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    apart, changed = (np.concatenate(column) for column in zip(*found, strict=True))
    return {
        "words": len(apart),
        "mean": float(apart.max(axis=1).mean()),
        "max": float(apart.max()),
        "decisions_changed": int(changed.sum()),
    }


def placings(adapter: Adapter) -> dict[str, dict[str, float]]:
    """The ways of placing that are set side by side."""
    told = {f"threshold {adapter.card['threshold']:g}": {"threshold": adapter.card["threshold"]}}
    return told | {f"expressiveness {level:g}": {"expressiveness": level} for level in LEVELS}


def rates(adapter: Adapter, texts: Sequence[str], written: Sequence[tuple[str, ...]] | None = None) -> dict[str, Any]:
    """Markers a hundred words of each way of placing, and macro F1 where it is known what was written."""
    marked, found = mark_all(texts, adapter), {}
    for name, how in placings(adapter).items():
        slots = [w.markers for one in marked for w in mark_again(one, adapter, **how).text.words]
        found[name] = {
            "per_100_words": evaluate.per_100_words(slots),
            "by_marker": evaluate.by_marker_per_100_words(slots),
        }
        if written is not None:
            found[name] |= {"macro_f1": evaluate.macro_f1(written, slots), "f1": evaluate.f1_by_marker(written, slots)}
    return found


def helsinki(adapter: Adapter, sentences: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Every sentence marked: how many words come out changed."""
    texts, told = [" ".join(words) for words in sentences], time.monotonic()

    def progress(done: int, of: int, begun: float = told) -> None:
        nonlocal told
        if time.monotonic() - told > 20:
            told = time.monotonic()
            left = (told - begun) / max(done, 1) * (of - done)
            print(f"{done:,} of {of:,} words, {duration(left)} left", flush=True)

    begun = time.perf_counter()
    marked = mark_all(texts, adapter, progress=progress)
    seconds = time.perf_counter() - begun
    changed = 0
    for before, one in zip(texts, marked, strict=True):
        after = _MARKER.sub("", str(one) + " ").removesuffix(" ")  # not by our own parser
        changed += sum(a != b for a, b in zip(before.split(" "), after.split(" "), strict=True))
        changed += before != after and before.split(" ") == after.split(" ")
    slots = [w.markers for one in marked for w in one.text.words]
    return {
        "sentences": len(texts),
        "words": len(slots),
        "words_changed": changed,
        "per_100_words": evaluate.per_100_words(slots),
        "seconds": seconds,
        "words_per_s": len(slots) / seconds,
    }


def lines(found: dict[str, Any]) -> Iterable[str]:
    """What was found, as tables."""
    if "speed" in found:
        told = found["speed"]
        middle = {name: statistics.median(values) for name, values in told["words_per_s"].items()}
        yield f"{told['words']:,} words, {told['tokens']:,} tokens; {told['gflop_a_word']:.2f} GFLOP a word"
        pairs = zip(told["words_per_s"]["marked"], told["words_per_s"]["token by token"], strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        for name in ("marked", "one window a pass", "token by token"):
            used = statistics.median(told["words_per_processor_s"][name])
            yield f"  {name:20}{middle[name]:8.1f} words/s{used:8.1f} words/s of processor time"
        yield f"  marked / token by token: {ratio:.1f}"
        share = middle["marked"] * told["gflop_a_word"] / middle["peak GFLOP/s"]
        yield f"  a matrix product reaches {middle['peak GFLOP/s']:.0f} GFLOP/s; marking {100 * share:.0f} % of it"
        change = told["batches_change"]
        yield f"  batches change a probability by {change['probability']:.1e}, {change['decisions']} decisions"
    if "joins" in found:
        yield f"\n{'overlap':16}{'words':>7}{'mean':>8}{'max':>8}{'decisions changed':>19}"
        for name, row in found["joins"].items():
            yield f"{name:16}{row['words']:7}{row['mean']:8.4f}{row['max']:8.3f}{row['decisions_changed']:19}"
    for part in ("held_out", "text"):
        if part in found:
            told = found[part]
            yield f"\n{part} ({told['words']:,} words): markers a hundred words; written {told['written']}"
            for name, row in told["ways"].items():
                figure = f"   macro F1 {row['macro_f1']:.3f}" if "macro_f1" in row else ""
                yield f"  {name:20}{row['per_100_words']:7.1f}{figure}"
    if "helsinki" in found:
        told = found["helsinki"]
        yield f"\nhelsinki: {told['sentences']:,} sentences, {told['words']:,} words, {told['words_changed']} changed"
        yield f"  {told['words_per_s']:.0f} words/s, {told['per_100_words']:.1f} markers a hundred words"


def main() -> None:
    """Measure what is asked for, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--base-model", help="in place of the adapter's")
    parser.add_argument("--dataset", type=Path)
    parser.add_argument("--helsinki", type=Path, help="a file of that corpus, or the folder of dev.txt")
    parser.add_argument("--text", type=Path)
    parser.add_argument("--words", type=int, default=1000)
    parser.add_argument("--written", type=int, default=100, help="words of token-by-token generation")
    parser.add_argument("--sentences", type=int, help="only so many of --helsinki, spread over it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--joins", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=_PARTS)
    parser.add_argument("--json", type=Path, default=Path("marking.json"))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found = measured(load_adapter(given.adapter, base=given.base_model), given)
    print("\n".join(lines(found)))
    given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def measured(adapter: Adapter, given: argparse.Namespace) -> dict[str, Any]:
    """The parts that are asked for, as far as there is data for them."""
    own = [w.text for one in read_script() for w in markers.parse(one.text).words]
    path = given.helsinki / "dev.txt" if given.helsinki and given.helsinki.is_dir() else given.helsinki
    read = [one.words for one in bench.read(path)] if path else []
    step = max(len(read) // given.sentences, 1) if given.sentences else 1
    read = read[::step][: given.sentences]
    others = [word for words in read for word in words] or own
    if given.text:
        others = [w.text for w in markers.parse(files.read_text(given.text), path=given.text).words]
    found: dict[str, Any] = {"threads": torch.get_num_threads()}
    if "speed" in given.only:
        found["speed"] = speed(adapter, own[: given.words], rounds=given.rounds, n_written=given.written)
    if "joins" in given.only:
        found["joins"] = joins(adapter, others if len(others) > 400 else own, n_joins=given.joins)
    if "held_out" in given.only and given.dataset:
        held = [w for s in dataset.load(given.dataset).segments if s.split == "val" for w in s.words]
        written = [tuple(w.markers) for w in held]
        ways = rates(adapter, [" ".join(w.text for w in held)], written)
        found["held_out"] = {"words": len(held), "written": f"{evaluate.per_100_words(written):.1f}", "ways": ways}
    if "text" in given.only and others is not own:
        few = others[: given.words]
        told = f"unknown, the speaker's own words have {adapter.card['markers_per_100_words']:.1f}"
        found["text"] = {"words": len(few), "written": told, "ways": rates(adapter, [" ".join(few)])}
    if "helsinki" in given.only and read:
        found["helsinki"] = helsinki(adapter, read)
    return found


if __name__ == "__main__":
    main()
