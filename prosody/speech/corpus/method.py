"""Which code made a result, told by the text of that code: what other code made is never taken for one's own.

A number that is raised by hand is forgotten. So the method of a result is a hash over the source of the module that
makes it and of all modules of this package that it imports, that these import, and so on.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

from prosody.errors import ProsodyError

_ROOT = __name__.partition(".")[0]
_FOLDER = Path(__file__).parents[__name__.count(".") - 1]
_IMPORT = re.compile(rf"^[ \t]*(?:from ({_ROOT}[\w.]*) import (\([^)]*\)|.*)|import ({_ROOT}[\w.]*))".encode(), re.M)


@cache
def of(module: str) -> str:
    """The hash of a module of this package and of what it depends on in it, 16 hex digits.

    Line ends don't count, so that it is the same on every system, in a clone and in an installed package.
    """
    found = hashlib.sha256()
    for name, text in sorted(sources(module).items()):
        found.update(b"%s %d\n%s" % (name.encode(), len(text), text))
    return found.hexdigest()[:16]


def sources(module: str) -> dict[str, bytes]:
    """The name and the text of a module and of all that it imports of this package, wherever the import stands.

    Raises ProsodyError if its text is not there: it was installed without, or in a zip file.
    """
    found: dict[str, bytes] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        text = None if name in found else _text(name)
        if text is None:  # known, or the name of something in a module
            continue
        found[name] = text
        for package, names, whole in _IMPORT.findall(text):
            waiting += [one.decode() for one in (package, whole) if one]
            waiting += [f"{package.decode()}.{one.decode()}" for one in re.findall(rb"\w+", names)]
    if not found:
        what = f"holds no source of {module}, by which results are known"
        raise ProsodyError(_FOLDER, None, what, "install the package with its .py files, not zipped")
    return found


@cache
def _text(module: str) -> bytes | None:
    """The text of a module, None if there is no such module."""
    path = os.path.join(_FOLDER, *module.split(".")[1:])
    for name in (f"{path}.py", os.path.join(path, "__init__.py")):
        with suppress(OSError), open(name, "rb") as file:
            return file.read().replace(b"\r\n", b"\n")
    return None
