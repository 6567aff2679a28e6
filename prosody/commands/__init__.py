"""What the commands do: each is a function of the parsed command line that returns its exit code (None is 0)."""

from __future__ import annotations

import json
import sys
from typing import Any


def print_json(data: Any, *, lines: bool = False) -> None:
    """Data as strict JSON on stdout. lines: on one line, where others may follow."""
    print(json.dumps(data, ensure_ascii=False, allow_nan=False, indent=None if lines else 2), flush=lines)


def tell(line: str) -> None:
    """A message on stderr."""
    print(line, file=sys.stderr, flush=True)
