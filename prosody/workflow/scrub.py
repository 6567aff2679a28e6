"""Taking this machine's folders and the user's name out of what a record keeps."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from prosody.files import write_json
from prosody.workflow import record
from prosody.workflow.install import repository


def notebook(executed: Path, source: Path) -> None:
    """Take them out of a notebook's file: the clone's folder becomes `.`, the environment's `<python>`, home `~`."""
    if not executed.is_file():
        return
    found = json.loads(executed.read_text(encoding="utf-8"))
    if papermill := found.get("metadata", {}).get("papermill"):
        papermill.update(input_path=value(record.shown(source)), output_path=executed.name)
    write_json(executed, value(found), overwrite=True, indent=1)


def value(found: Any) -> Any:
    """The same data with those folders taken out of every text in it."""
    if isinstance(found, Mapping):
        return {key: value(inner) for key, inner in found.items()}
    if isinstance(found, (list, tuple)):
        return [value(inner) for inner in found]
    return text(found) if isinstance(found, str) else found


def text(found: str) -> str:
    """The same text without those folders."""
    for pattern, name, short in _patterns(str(repository() or Path.cwd()), str(Path.home())):
        if name in found:
            found = pattern.sub(lambda match, short=short: match[1] + short, found)
    return found


@cache
def _patterns(clone: str, home: str) -> list[tuple[re.Pattern[str], str, str]]:
    """What to look for, the longest first: as it stands, and as JSON or Python writes it on Windows."""
    names = {clone: ".", sys.prefix: "<python>", sys.base_prefix: "<python>", home: "~"}
    names |= {name.replace("\\", "\\\\"): short for name, short in names.items()}
    names |= {name.replace("\\", "/"): short for name, short in names.items()}
    return [
        # after a colour code, or anything that cannot be the inside of base64 data
        (re.compile(r"(^|\x1b\[[0-9;]*m|[^A-Za-z0-9+/=_.-])" + re.escape(name) + r"(?![A-Za-z0-9_.-])"), name, short)
        for name, short in sorted(names.items(), key=lambda item: -len(item[0]))
        if len(name) > 1
    ]
