"""What a page asks, or a journal tells, read: both are data from outside, and may hold anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import is_text

_LONGEST = 60  # of what a message shows of a value


def whole(how: Mapping[str, Any], name: str) -> int:
    """A whole number of what is asked. Raises ProsodyError if it is none, or not there."""
    value = how.get(name)
    if type(value) is not int:
        raise _refused(name, value, "whole number")
    return value


def number(how: Mapping[str, Any], name: str) -> float:
    """A finite number of what is asked. Raises ProsodyError if it is none, or not there."""
    value = how.get(name)
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:  # an integer that no float can hold
        pass
    raise _refused(name, value, "number")


def text(how: Mapping[str, Any], name: str) -> str:
    """A text of what is asked, one that a file can hold. Raises ProsodyError if it is none, or not there."""
    value = how.get(name)
    if not is_text(value):
        raise _refused(name, value, "text")
    return value


def moment(how: Mapping[str, Any], name: str) -> str:
    """A time of day with its zone, as ISO 8601 has it. Raises ProsodyError if it is none, or not there."""
    value = text(how, name)
    try:
        if datetime.fromisoformat(value).tzinfo is not None:
            return value
    except ValueError:
        pass
    raise _refused(name, value, "time in ISO 8601 with its zone")


def _refused(name: str, value: Any, wanted: str) -> ProsodyError:
    try:
        shown = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        shown = "a number too large"
    shown = shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
    return ProsodyError(None, name, f"{shown} is no {wanted}", "try again, or run this cell again")
