"""Which words each step learns from, settled before the first step.

Step k holds the same windows of text whenever it is run: after a resumption, or spread over several processes. A window
is a range of words within one document; where the windows begin shifts from epoch to epoch.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

_POOL = 8  # batches whose windows are sorted by length together, so that little of a batch is padding

Window = tuple[int, int]  # first word, and the one after the last


@dataclass(frozen=True)
class Planned:
    """What a step learns from. step, epoch: from 1."""

    step: int
    epoch: int
    ends_epoch: bool
    windows: tuple[Window, ...]


def windows(n_words: int, *, size: int, offset: int = 0, documents: Sequence[int] = (0,)) -> list[Window]:
    """Cut text into windows of `size` words, the first of each document `offset` words shorter.

    documents: where each document begins, the first at 0. Every word is in exactly one window.
    """
    cut = []
    for start, stop in pairwise([*documents, n_words]):
        edges = [start, *range(start + size - offset % size, stop, size), stop]
        cut += [(a, b) for a, b in pairwise(edges) if b > a]
    return cut


def plan(
    n_tokens: Sequence[int],
    *,
    epochs: int,
    batch_size: int,
    size: int,
    seed: int,
    documents: Sequence[int] = (0,),
) -> list[Planned]:
    """All steps of a training.

    n_tokens: of each word. epochs: passes through the text; batch_size: windows a step; size: words a window.
    Windows of like length come into one batch, in an order drawn from `seed` and the epoch alone.
    """
    before = [0, *accumulate(n_tokens)]
    size = max(1, min(size, len(n_tokens)))
    steps: list[Planned] = []
    for epoch in range(1, epochs + 1):
        draw = random.Random(f"{seed}/{epoch}")
        offset = 0 if epoch == 1 else draw.randrange(size)
        cut = windows(len(n_tokens), size=size, offset=offset, documents=documents)
        draw.shuffle(cut)
        batches = []
        for k in range(0, len(cut), _POOL * batch_size):
            pool = sorted(cut[k : k + _POOL * batch_size], key=lambda w: before[w[1]] - before[w[0]])
            batches += [tuple(pool[i : i + batch_size]) for i in range(0, len(pool), batch_size)]
        draw.shuffle(batches)
        for batch in batches:
            steps.append(Planned(len(steps) + 1, epoch, batch is batches[-1], batch))
    return steps


def micro_batches(n_windows: int, *, most: int, rank: int = 0, world: int = 1) -> list[range]:
    """Which of a step's windows this process takes, in pieces of at most `most` that fit into memory.

    rank, world: this process among how many. Each takes a share that depends on nothing else, so that all together take
    each window once, also where their memories differ.
    """
    first, after = rank * n_windows // world, (rank + 1) * n_windows // world
    size = max(1, most)
    return [range(k, min(k + size, after)) for k in range(first, after, size)]
