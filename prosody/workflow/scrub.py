"""Taking this machine's folders and its name, and the user's name, out of what a record keeps.

The clone's folder becomes `.`, the environment's `<python>`, home `~`, from which the files are found again. A name
that can't be a word (`anna_b`, `lab-pc7`) is taken out wherever it stands; one that may be (`anna`) where it is part of
a path or an address; one that says nothing of anybody (`root`) stays.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from prosody.workflow.install import repository

_SAYS_NOTHING = re.compile(
    "root|admin|administrator|users?|guest|nobody|home|jovyan|ubuntu|debian|runner|docker|vscode|localhost", re.I
)
_IN_BASE64 = 8  # characters from which on a path does not stand in base64 data by chance


def value(found: Any) -> Any:
    """The same data with those folders and names taken out of every text in it."""
    return _each(found, _without_names())


def parameters(given: Any) -> Any:
    """The same values with those folders as a later run finds them again; names stay, since somebody gave them."""
    return _each(given, _without_folders())


def text(found: str) -> str:
    """The same text without those folders and names."""
    return _without_names()(found)


def folders(found: str) -> str:
    """The same text without those folders."""
    return _without_folders()(found)


def _without_names() -> Callable[[str], str]:
    """What takes folders and names out of a text. Which, is looked up once: a notebook may hold 100,000 lines."""
    out, known = _without_folders(), _names(user(), platform.node())

    def change(found: str) -> str:
        found = out(found)
        for pattern, name, short in known:
            if name in found or os.name == "nt":
                found = pattern.sub(short, found)
        return found

    return change


def _without_folders() -> Callable[[str], str]:
    known = _folders(str(repository() or Path.cwd()), str(Path.home()))

    def change(found: str) -> str:
        for pattern, name, short in known:
            if name in found:
                found = pattern.sub(lambda match, short=short: match[1] + short, found)
        return found

    return change


def user() -> str:
    """The login name; empty where there is none."""
    with suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return ""


def _each(found: Any, change: Callable[[str], str]) -> Any:
    if isinstance(found, Mapping):
        return {key: _each(inner, change) for key, inner in found.items()}
    if isinstance(found, (list, tuple)):
        return [_each(inner, change) for inner in found]
    return change(found) if isinstance(found, str) else found


@cache
def _folders(clone: str, home: str) -> list[tuple[re.Pattern[str], str, str]]:
    """What to look for, the longest first: as it stands, resolved, and as JSON or Python writes it on Windows."""
    names = {home: "~", sys.base_prefix: "<python>", sys.prefix: "<python>", clone: "."}
    names |= {os.path.realpath(name): short for name, short in names.items()}
    names |= {name.replace("\\", "\\\\"): short for name, short in names.items()}
    names |= {name.replace("\\", "/"): short for name, short in names.items()}
    return [
        # after a colour code, or anything that cannot be the inside of base64 data; not where the name goes on
        (
            re.compile(rf"(^|\x1b\[[0-9;]*m|{_before(name)})" + re.escape(name) + r"(?![\w-]|\.\w)"),
            name,
            short,
        )
        for name, short in sorted(names.items(), key=lambda item: -len(item[0]))
        if len(name) > 1
    ]


def _before(name: str) -> str:
    return r"[^A-Za-z0-9_.-]" if len(name) >= _IN_BASE64 else r"[^A-Za-z0-9+/=_.-]"


def is_no_word(name: str) -> bool:
    """Whether a name can't be taken for a word of somebody's text."""
    return len(name) > 3 and not _SAYS_NOTHING.fullmatch(name) and re.search(r"[0-9._-]", name[1:]) is not None


@cache
def _names(login: str, host: str) -> list[tuple[re.Pattern[str], str, str]]:
    found = []
    for name, short in ((login, "<user>"), (host, "<host>"), (host.partition(".")[0], "<host>")):
        if len(name) < 3 or _SAYS_NOTHING.fullmatch(name):
            continue
        escaped, how = re.escape(name), re.IGNORECASE if os.name == "nt" else 0
        if is_no_word(name):
            pattern = rf"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])"
        else:  # perhaps a word
            pattern = rf"(?<=[/\\@]){escaped}(?![A-Za-z0-9])|(?<![A-Za-z0-9]){escaped}(?=@)"
        found.append((re.compile(pattern, how), name, short))
    return found
