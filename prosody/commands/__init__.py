"""What the commands do: each is a function of the parsed command line that returns its exit code (None is 0)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def print_json(data: Any, *, lines: bool = False) -> None:
    """Data as strict JSON on stdout. lines: on one line, where others may follow."""
    print(json.dumps(data, ensure_ascii=False, allow_nan=False, indent=None if lines else 2), flush=lines)


def tell(line: str) -> None:
    """A message on stderr."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def bar(label: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr while something long is at work, where stderr is a terminal; a function of the share done."""
    from tqdm import tqdm

    shape = "{desc} {percentage:3.0f} %|{bar}| {remaining} left"
    with tqdm(total=1.0, desc=label, file=sys.stderr, bar_format=shape, miniters=0, disable=None, leave=False) as shown:
        yield lambda share: shown.update(share - shown.n)
