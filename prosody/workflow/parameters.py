"""A notebook's parameters: read from its cell tagged `parameters`, and checked before anything runs.

Only the standard library. Each parameter is one line of that cell, annotated and commented:
`epochs: int = 3  # passes over the training segments`.
"""

from __future__ import annotations

import ast
import difflib
import io
import json
import math
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import is_deep, read_json

_YES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_KINDS = {"int": int, "float": float, "bool": bool, "str": str, "list": list, "tuple": list, "dict": dict}
_LONGEST = 100  # characters of a name or value that are told
_LARGEST = 10**300  # what every reader of a record takes for a number
_CALLED = {int: "a whole number", float: "a number", bool: "true or false", list: "a list", dict: "a JSON object"}


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name, annotation as written ("" if none), default value and comment."""

    name: str
    annotation: str
    default: Any
    comment: str


def of_notebook(path: Path) -> list[Parameter]:
    """The parameters of a notebook, in order.

    Raises ProsodyError if it is no notebook, or its parameters cell is not plain assignments of literal values.
    """
    notebook = read_json(path)
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise ProsodyError(path, None, "is no notebook", "give a .ipynb file")
    _check_format(path, notebook)
    found: list[Parameter] | None = None
    for number, cell in enumerate(notebook["cells"], 1):  # all of them: one that is no cell would end the run midway
        source, tags = _source_and_tags(path, number, cell)
        if "parameters" not in tags:
            continue
        if found is not None:  # what is given would be set before it, and undone by it
            what, remedy = "is a second one tagged `parameters`", "make one cell of them, or take the tag away"
            raise ProsodyError(path, f"cell {number}", what, remedy)
        try:
            found = _of_source(path, source)
        except (SyntaxError, tokenize.TokenError, RecursionError, MemoryError) as error:
            what = f"is not Python ({error.args[0] if error.args else 'it is nested too deeply'})"
            raise ProsodyError(path, "parameters cell", what, "run the notebook in Jupyter, and mend it") from None
    return found or []


def _check_format(path: Path, notebook: Mapping[str, Any]) -> None:
    """Raise ProsodyError for what papermill would stumble over once the run is at work."""
    form, minor, metadata = (notebook.get(name) for name in ("nbformat", "nbformat_minor", "metadata"))
    if type(form) is not int or form != 4 or type(minor) is not int:
        what = f"is of notebook format {_told(form)}.{_told(minor)}, not 4"
        raise ProsodyError(path, None, what, "open it in Jupyter, and save it again")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("papermill", {}), dict):
        raise ProsodyError(path, "metadata", "is not what a notebook has there", "save it again in Jupyter")


def _source_and_tags(path: Path, number: int, cell: Any) -> tuple[str, list[Any]]:
    """A cell's text and its tags. Raises ProsodyError if it is no cell, or its text is none."""
    try:
        source, tags = "".join(cell["source"]), cell["metadata"].get("tags") or []
        outputs = cell.get("outputs", []) if cell["cell_type"] == "code" else []
        shapes = isinstance(tags, list) and isinstance(outputs, list) and all(isinstance(one, dict) for one in outputs)
        if cell["cell_type"] not in ("code", "markdown", "raw") or not shapes:
            raise KeyError(cell["cell_type"])
    except (KeyError, TypeError, AttributeError):
        raise ProsodyError(path, f"cell {number}", "is no cell of a notebook", "save it again in Jupyter") from None
    if any("\ud800" <= c <= "\udfff" for c in source):
        what, remedy = "holds half a character (a lone surrogate)", "write it as an escape, such as '\\ud800'"
        raise ProsodyError(path, f"cell {number}", what, remedy)
    return source, tags


def checked(path: Path, known: list[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given parameters with their values made the type of the notebook's own.

    given: name → value; text (from a command line) is read as the parameter's type.
    Raises ProsodyError for a name that the notebook does not have, or a value of another type.
    """
    by_name = {parameter.name: parameter for parameter in known}
    values = {}
    for name, value in given.items():
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(by_name) or 'none'}"
            raise ProsodyError(path, f"parameter {_told(name)}", "the notebook has no such parameter", remedy)
        if is_deep(value):
            raise ProsodyError(path, f"parameter {name!r}", "is nested too deeply", "write it as a file, and name that")
        values[name] = _converted(path, by_name[name], value)
        if is_deep(values[name]) or not _is_plain(values[name]):
            what = "holds what no record can hold: NaN, infinity, a number of more than 300 digits, or deep nesting"
            raise ProsodyError(path, f"parameter {name!r}", what, f"e.g. {name}={_example(by_name[name].default)}")
    return values


def _is_plain(value: Any) -> bool:
    """Whether JSON can hold it, as every reader of a record takes it."""
    if isinstance(value, dict):
        return all(isinstance(key, (str, int)) and _is_plain(inner) for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return abs(value) < _LARGEST  # which a NaN and an infinity are not
    return value is None or isinstance(value, (str, bool))


def _told(value: Any) -> str:
    """A name or value as it is told, of a long one the beginning."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"


def from_words(words: list[str], pairs: list[list[str]] | None = None) -> dict[str, str]:
    """Parameters from a command line: words like `epochs=5`, and (name, value) pairs.

    Raises ProsodyError for a word without an equals sign, or a parameter given twice.
    """
    split = [word.split("=", 1) for word in words] + [list(pair) for pair in pairs or []]
    given: dict[str, str] = {}
    for pair in split:
        if len(pair) != 2 or not pair[0]:
            raise ProsodyError(None, None, f"{_told(pair[0])} is no parameter", "write it as name=value")
        if pair[0] in given:
            raise ProsodyError(None, f"parameter {_told(pair[0])}", "given twice", "give it once")
        given[pair[0]] = pair[1]
    return given


def _of_source(path: Path, source: str) -> list[Parameter]:
    comments = {
        token.start[0]: token.string.lstrip("#").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found = []
    for node in ast.parse(source).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            try:
                default = ast.literal_eval(node.value)
                if not _is_plain(default):
                    raise ValueError(default)
            except (ValueError, TypeError):
                what = f"{target.id} is not set to a plain value"
                raise ProsodyError(path, "parameters cell", what, "write a number, text, list or None") from None
            annotation = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else ""
            found.append(Parameter(target.id, annotation, default, comments.get(node.end_lineno, "")))
    return found


def _converted(path: Path, parameter: Parameter, value: Any) -> Any:
    """The value as one of the types that the annotation allows (or, without one, the default's type)."""
    kinds, choices = _allowed(parameter)
    if choices:
        if value in choices:
            return value
        expected = " or ".join(repr(choice) for choice in choices)
    else:
        for kind in sorted(kinds, key=lambda kind: kind is str):  # text is what anything could be: try it last
            try:
                return _each(parameter, _as(kind, value))
            except (ValueError, TypeError, RecursionError):
                continue
        expected = " or ".join(_CALLED.get(kind, "none" if kind is type(None) else "text") for kind in kinds)
    remedy = f"e.g. {parameter.name}={_example(parameter.default)}"
    raise ProsodyError(path, f"parameter {parameter.name!r}", f"{_told(value)} is not {expected}", remedy)


def _each(parameter: Parameter, value: Any) -> Any:
    """A list with its items as the annotation has them, `list[str]` and the like; anything else as it is."""
    inner = re.fullmatch(r"(?:list|tuple)\[(\w+)(?:, \.\.\.)?\]", parameter.annotation)
    if inner and isinstance(value, list) and inner[1] in _KINDS:
        return [_as(_KINDS[inner[1]], item) for item in value]
    return value


def _example(default: Any) -> str:
    return default if isinstance(default, str) else json.dumps(default)


def _allowed(parameter: Parameter) -> tuple[list[type], list[Any]]:
    """The types a parameter may have, and the choices if its annotation is a Literal."""
    if not parameter.annotation:
        return [type(parameter.default)] if parameter.default is not None else [str], []
    kinds: list[type] = []
    nodes = [ast.parse(parameter.annotation, mode="eval").body]
    while nodes:
        node = nodes.pop(0)
        if isinstance(node, ast.BinOp):
            nodes += [node.left, node.right]
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Literal"):
            try:
                inner = ast.literal_eval(node.slice)
            except ValueError:  # names, whose values nobody knows here
                return [type(parameter.default)], []
            return [], list(inner) if isinstance(inner, tuple) else [inner]
        elif isinstance(node, ast.Subscript):
            nodes.append(node.value)
        elif isinstance(node, ast.Constant) and node.value is None:
            kinds.append(type(None))
        else:
            kinds.append(_KINDS.get(ast.unparse(node), str))
    return kinds, []


def _as(kind: type, value: Any) -> Any:
    """`value` as `kind`; text is read, a value of another type is refused. Raises ValueError or TypeError."""
    if kind is type(None):
        if value is None or (isinstance(value, str) and value.lower() in ("none", "null", "")):
            return None
        raise ValueError(value)
    if isinstance(value, str) and kind is not str:
        return _read(kind, value.strip())
    if kind is float and isinstance(value, float) and not math.isfinite(value):
        raise ValueError(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is list and isinstance(value, tuple):
        return list(value)
    if kind is str and isinstance(value, Path):
        return str(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(value)
    return value


def _read(kind: type, text: str) -> Any:
    if kind is bool:
        if text.lower() not in _YES:
            raise ValueError(text)
        return _YES[text.lower()]
    if kind is list and not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind in (list, dict):
        value = json.loads(text)
        if not isinstance(value, kind):
            raise ValueError(text)
        return value
    value = kind(text)
    if kind is float and not math.isfinite(value):  # a notebook and a record are JSON, which has no infinity
        raise ValueError(text)
    return value
