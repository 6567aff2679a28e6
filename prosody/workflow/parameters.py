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
from prosody.files import read_json

_YES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_KINDS = {"int": int, "float": float, "bool": bool, "str": str, "list": list, "tuple": list, "dict": dict}
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
    found: list[Parameter] | None = None
    for number, cell in enumerate(notebook["cells"], 1):  # all of them: one that is no cell would end the run midway
        try:
            source, tags = "".join(cell["source"]), cell["metadata"].get("tags") or []
            if cell["cell_type"] not in ("code", "markdown", "raw"):
                raise KeyError(cell["cell_type"])
            if found is None and "parameters" in tags:
                found = _of_source(path, source)
        except (KeyError, TypeError, AttributeError):
            raise ProsodyError(path, f"cell {number}", "is no cell of a notebook", "save it again in Jupyter") from None
        except (SyntaxError, tokenize.TokenError) as error:
            what = f"is not Python ({error.args[0]})"
            raise ProsodyError(path, "parameters cell", what, "run the notebook in Jupyter, and mend it") from None
    return found or []


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
            raise ProsodyError(path, f"parameter {name!r}", "the notebook has no such parameter", remedy)
        values[name] = _converted(path, by_name[name], value)
    return values


def from_words(words: list[str], pairs: list[list[str]] | None = None) -> dict[str, str]:
    """Parameters from a command line: words like `epochs=5`, and (name, value) pairs.

    Raises ProsodyError for a word without an equals sign, or a parameter given twice.
    """
    split = [word.split("=", 1) for word in words] + [list(pair) for pair in pairs or []]
    given: dict[str, str] = {}
    for pair in split:
        if len(pair) != 2 or not pair[0]:
            raise ProsodyError(None, None, f"{pair[0]!r} is no parameter", "write it as name=value")
        if pair[0] in given:
            raise ProsodyError(None, f"parameter {pair[0]!r}", "given twice", "give it once")
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
            except ValueError:
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
            except (ValueError, TypeError):
                continue
        expected = " or ".join(_CALLED.get(kind, "none" if kind is type(None) else "text") for kind in kinds)
    remedy = f"e.g. {parameter.name}={_example(parameter.default)}"
    raise ProsodyError(path, f"parameter {parameter.name!r}", f"{value!r} is not {expected}", remedy)


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
            inner = ast.literal_eval(node.slice)
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
