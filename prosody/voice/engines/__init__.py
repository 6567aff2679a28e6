"""Speech engines: what turns phones, durations, pitch and energy into samples. `hibari` is built in."""

from __future__ import annotations

import importlib
from types import ModuleType

from prosody.errors import ProsodyError

NAMES: tuple[str, ...] = ("hibari",)


def get(name: str) -> ModuleType:
    """The engine's module. Raises ProsodyError if there is none of that name."""
    if name not in NAMES:
        raise ProsodyError(None, "engine", f"there is no engine “{name}”", f"use one of: {', '.join(NAMES)}")
    return importlib.import_module(f"{__name__}.{name}")
