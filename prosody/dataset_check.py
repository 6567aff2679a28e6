"""What a dataset must keep: its JSON Schemas, and what a schema cannot say.

Segments and words are counted from 1 in messages.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody import markers
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from prosody.dataset import Segment

EDGE_TOLERANCE_S = 0.05  # a word may reach this far out of its segment, and a duration differ from its span
OVERLAP_TOLERANCE_S = 0.01  # rounding of times may make neighbouring words overlap this much
_WRITE_AGAIN = "mend the file, or run the prepare stage again"
_AGREE = "make text, words and prosody_tokens agree"


@cache
def shipped_schema(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of "prosody_dataset" or "dataset_info"."""
    from importlib import resources

    return json.loads((resources.files("prosody") / "schemas" / f"{name}.json").read_text(encoding="utf-8"))


def schema(path: Path, data: Any, name: str, *, progress: Callable[[float], None] | None = None) -> None:
    """Check `data` against a shipped schema, and that each of its numbers is finite.

    progress: called with the share of a list that is checked.
    """
    try:
        is_finite = _is_finite(data)
    except RecursionError:
        raise ProsodyError(path, None, "is nested too deeply", "write the file again") from None
    if not is_finite:
        where, number = next((where, number) for where, number in _numbers(data, ()) if not _is_finite(number))
        shown = number if isinstance(number, float) else "too large"
        raise ProsodyError(path, _place(where, name), f"is {shown}, not a finite number", _WRITE_AGAIN)
    parts = [[one] for one in data] if isinstance(data, list) else [data]
    for number, part in enumerate(parts):
        error = None if _fits(part, name) else _error(part, name)
        if error is not None:
            where = tuple(error.absolute_path)
            what, remedy = _told(error)
            raise ProsodyError(path, _place((number, *where[1:]) if part is not data else where, name), what, remedy)
        if progress:
            progress((number + 1) / len(parts))


@cache
def _compiled(name: str) -> Callable[[Any], Any]:
    import fastjsonschema

    return fastjsonschema.compile(shipped_schema(name))


def _fits(data: Any, name: str) -> bool:
    """Whether data fit a schema: forty times as fast as to ask what does not."""
    from fastjsonschema import JsonSchemaValueException

    try:
        _compiled(name)(data)
    except JsonSchemaValueException:
        return False
    return True


def _error(data: Any, name: str) -> Any:
    """The first thing that does not fit, in jsonschema's words."""
    from jsonschema import Draft202012Validator

    return next(Draft202012Validator(shipped_schema(name)).iter_errors(data), None)


def _is_finite(data: Any) -> bool:
    """Whether every number in it is one that a float can hold."""
    if isinstance(data, (int, float)):
        return abs(data) <= sys.float_info.max  # NaN is not
    if isinstance(data, dict):
        return all(map(_is_finite, data.values()))
    return not isinstance(data, list) or all(map(_is_finite, data))


def _numbers(data: Any, where: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], float]]:
    if isinstance(data, (int, float)):
        yield where, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _numbers(value, (*where, key))
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from _numbers(value, (*where, i))


def _place(where: Sequence[str | int], name: str) -> str | None:
    """(2, "words", 4, "start") → "segment 3, word 5, field 'start'"."""
    parts, rest = [], list(where)
    if name == "prosody_dataset" and rest:
        parts.append(f"segment {rest.pop(0) + 1}")
        if len(rest) > 1 and rest[0] == "words":
            parts.append(f"word {rest[1] + 1}")
            rest = rest[2:]
    if rest:
        parts.append("field '{}'".format(".".join(str(part) for part in rest)))
    return ", ".join(parts) or None


def _told(error: Any) -> tuple[str, str]:
    """What a schema's error says and what to do, without the whole of the data in it."""
    value = _shown(error.instance)
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"the field '{missing}' is missing", _WRITE_AGAIN
    if error.validator == "type":
        wanted = error.validator_value
        wanted = wanted if isinstance(wanted, str) else " or ".join(wanted)
        return f"{value} is not of the type {wanted}", _WRITE_AGAIN
    if error.validator in ("enum", "const"):
        allowed = error.validator_value if error.validator == "enum" else [error.validator_value]
        return f"{value} is not allowed here", "write one of " + ", ".join(json.dumps(one) for one in allowed)
    limits = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}
    if error.validator in limits:
        return f"{value} must be {limits[error.validator]} {error.validator_value}", _WRITE_AGAIN
    return f"{value} does not fit {error.validator} {json.dumps(error.validator_value)}", _WRITE_AGAIN


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:79] + "…"


def segments(path: Path, folder: Path, dataset: Sequence[Segment], *, audio: bool = True) -> None:
    """Check what a schema cannot say: audio inside `folder`, times in order, words and text alike, unmixed splits.

    audio: whether it must be there.
    """
    root = folder.resolve()
    seen: dict[str, int] = {}
    end = 0.0
    for number, segment in enumerate(dataset, 1):
        place = f"segment {number}"
        problem = _audio_problem(root, segment.audio_file, must_exist=audio)
        if problem is None and segment.audio_file in seen:
            problem = f"is also the audio of segment {seen[segment.audio_file]}", "give each segment its own file"
        if problem is not None:
            what = f"{_shown(segment.audio_file)} {problem[0]}"
            raise ProsodyError(path, f"{place}, field 'audio_file'", what, problem[1])
        seen[segment.audio_file] = number
        _check_times(path, place, segment, end)
        _check_text(path, place, segment)
        end = segment.end
    _check_splits(path, dataset)


def tokens(path: Path, dataset: Sequence[Segment], written: Sequence[Sequence[str]]) -> None:
    """Check the `prosody_tokens` written for each segment against its text."""
    for number, (segment, in_file) in enumerate(zip(dataset, written, strict=True), 1):
        if tuple(in_file) != segment.prosody_tokens:
            where = f"segment {number}, field 'prosody_tokens'"
            raise ProsodyError(path, where, "are not the markers of the text", _AGREE)


def _audio_problem(root: Path, audio_file: str, *, must_exist: bool) -> tuple[str, str] | None:
    """Why a path may not be followed, and the remedy: it must name a file inside the dataset's folder on any system."""
    inside = "give a path inside the dataset's folder, like segments/segment_001.wav"
    if re.match(r"[/\\]|[A-Za-z]:", audio_file):
        return "is an absolute path", inside
    if re.search(r"[\\:\0]", audio_file):
        return "holds a character that not every system allows in a path", f"{inside}, parted by /"
    if ".." in audio_file.split("/"):
        return "leaves the dataset's folder", inside
    try:
        target = (root / audio_file).resolve()
        is_file = target.is_file()
    except (OSError, RuntimeError, ValueError):  # a name too long or no text, or a link that leads to itself
        return "cannot be followed", inside
    if not target.is_relative_to(root):
        return "leaves the dataset's folder through a link", "put the file itself into the folder"
    if must_exist and not is_file:
        return "is not there", "put the file into the dataset's folder, or run the prepare stage again"
    return None


def _check_splits(path: Path, dataset: Sequence[Segment]) -> None:
    seen: list[str] = []
    for number, segment in enumerate(dataset, 1):
        if segment.split in seen[:-1]:
            what = f"returns to {json.dumps(segment.split)}; each split must be one stretch of time"
            raise ProsodyError(path, f"segment {number}, field 'split'", what, "split with dataset.split_by_time")
        if segment.split not in seen:
            seen.append(segment.split)


def _check_times(path: Path, place: str, segment: Segment, earlier_end: float) -> None:
    def refuse(where: str, what: str) -> ProsodyError:
        return ProsodyError(path, f"{place}, {where}", what, _WRITE_AGAIN)

    start, end = segment.start, segment.end
    if end <= start:
        raise refuse("field 'end'", f"{end} is not after start {start}")
    if start < earlier_end - EDGE_TOLERANCE_S:
        raise refuse("field 'start'", f"{start} lies before the end {earlier_end} of the segment before")
    if abs(segment.duration - (end - start)) > EDGE_TOLERANCE_S:
        raise refuse("field 'duration'", f"{segment.duration} is not end - start, {end - start:.3f}")
    at = start - EDGE_TOLERANCE_S
    for number, word in enumerate(segment.words, 1):
        if word.end < word.start:
            raise refuse(f"word {number}, field 'end'", f"{word.end} lies before its start {word.start}")
        if word.start < at - OVERLAP_TOLERANCE_S:
            what = f"{word.start} lies before the " + ("segment" if number == 1 else "end of the word before")
            raise refuse(f"word {number}, field 'start'", what)
        if word.end > end + EDGE_TOLERANCE_S:
            raise refuse(f"word {number}, field 'end'", f"{word.end} lies after the segment's end {end}")
        at = word.end


def _check_text(path: Path, place: str, segment: Segment) -> None:
    """The text is one, parses, and says the same as the words."""
    if any("\ud800" <= c <= "\udfff" for c in segment.text):
        what = "holds half a pair of surrogates, which is no character"
        raise ProsodyError(path, f"{place}, field 'text'", what, "write the word anew")
    try:
        marked = markers.parse(segment.text)
    except ProsodyError as error:
        where = f"{place}, field 'text', {error.where}"
        raise ProsodyError(path, where, error.what, error.remedy) from None
    if len(marked.words) != len(segment.words):
        what = f"holds {len(segment.words)} words, the text {len(marked.words)}"
        raise ProsodyError(path, f"{place}, field 'words'", what, _AGREE)
    for number, (in_text, word) in enumerate(zip(marked.words, segment.words, strict=True), 1):
        for name, here, there in (("text", word.text, in_text.text), ("markers", word.markers, in_text.markers)):
            if here != there:
                what = f"is {_shown(here)}, in the text {_shown(there)}"
                raise ProsodyError(path, f"{place}, word {number}, field '{name}'", what, _AGREE)
