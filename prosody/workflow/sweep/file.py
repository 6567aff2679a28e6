"""The file that describes a sweep: one notebook, run once for each point of a grid, of a list, or of both.

stage: train              # or notebook: my.ipynb
parameters: {epochs: 4}   # of all points
grid:                     # every combination, in this order
  learning_rate: [0.0005, 0.001]
  seed: [0, 1, 2]
list:                     # or point by point; with a grid, each of these with each of the grid's
  - {method: lora}
  - {method: full}
metric: macro_f1
goal: max
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from prosody.errors import ProsodyError
from prosody.files import read_text
from prosody.workflow import parameters as parameter_cells
from prosody.workflow import record
from prosody.workflow.notebooks import notebook_of, stage_of
from prosody.workflow.parameters import Parameter

MOST = 1000
"""Points of a sweep, unless more are asked for."""
_KEYS = ("stage", "notebook", "parameters", "grid", "list", "metric", "goal")
_METRICS = {"train": "macro_f1"}  # where the file names none
_GOALS = ("max", "min")

Named = dict[str, yaml.Node]


@dataclass(frozen=True)
class Sweep:
    """A sweep as its file describes it.

    notebook: that is run. common: parameters of all points. points: of each those that vary, in order. varied: their
    names. metric: the figure that the points are compared by ("" for none); goal: "max" or "min".
    """

    path: Path
    notebook: Path
    common: Mapping[str, Any]
    points: tuple[Mapping[str, Any], ...]
    varied: tuple[str, ...]
    metric: str
    goal: str

    @property
    def stage(self) -> str:
        return stage_of(self.notebook)


def read(path: Path, *, most: int | None = MOST) -> Sweep:
    """Read a sweep's file and check all of it against the notebook's parameters.

    most: points allowed; None: any number.

    Raises ProsodyError, with the line in the file, for whatever cannot be run as it stands there.
    """
    path = Path(path)
    keys = _mapping(path, _composed(path), "the file")
    for name, node in keys.items():
        if name not in _KEYS:
            near = difflib.get_close_matches(name, _KEYS, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(_KEYS)}"
            raise _wrong(path, node, f"{name!r} is no key of a sweep", remedy)
    reader = _Reader(path, _notebook(path, keys))
    common = reader.values(keys.get("parameters"), "parameters")
    axes = reader.axes(keys.get("grid"))
    entries = reader.entries(keys.get("list"))
    if not axes and not entries:
        raise ProsodyError(path, None, "names no points", "give a grid or a list, as the README shows")
    _refuse_twice(path, keys, common, axes, entries)
    n = math.prod(len(values) for values in axes.values()) * max(1, len(entries))
    if most is not None and n > most:
        raise ProsodyError(path, None, f"makes {n:,} points, more than {most:,}", "leave some out, or add --force")
    points = _points(axes, entries)
    _refuse_alike(path, reader.known, common, points)
    goal = _text(path, keys, "goal") or _GOALS[0]
    if goal not in _GOALS:
        raise _wrong(path, keys["goal"], f"the goal is {goal[:20]!r}", "write max or min")
    metric = _text(path, keys, "metric") or _METRICS.get(stage_of(reader.notebook), "")
    varied = tuple(dict.fromkeys(name for point in points for name in point))
    return Sweep(path, reader.notebook, common, points, varied, metric, goal)


def _composed(path: Path) -> yaml.Node:
    """The file's YAML as nodes, which know their lines."""
    try:
        node = yaml.compose(read_text(path), Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _no_yaml(path, error) from None
    except RecursionError:
        raise ProsodyError(path, None, "is nested too deeply", "write the file again") from None
    if node is None:
        raise ProsodyError(path, None, "holds nothing", "write a sweep, as the README shows")
    return node


def _no_yaml(path: Path, error: yaml.YAMLError) -> ProsodyError:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else None
    told = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    return ProsodyError(path, where, f"is not YAML ({told})", "mend that line; names and values are `name: value`")


def _wrong(path: Path, node: yaml.Node, what: str, remedy: str) -> ProsodyError:
    return ProsodyError(path, f"line {node.start_mark.line + 1}", what, remedy)


def _mapping(path: Path, node: yaml.Node | None, called: str) -> Named:
    """The values of a mapping's names, each of which may stand there once."""
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise _wrong(path, node, f"{called} is no mapping", "write `name: value`, a line each")
    found: Named = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _wrong(path, key, f"{called} has a name that is no text", "write `name: value`, a line each")
        if key.value in found:
            raise _wrong(path, key, f"{key.value!r} stands twice in one place", "give it once")
        found[key.value] = value
    return found


def _text(path: Path, keys: Named, name: str) -> str:
    """A key's text; "" if it is not there."""
    node = keys.get(name)
    if node is None:
        return ""
    if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
        raise _wrong(path, node, f"{name} is no text", f"write `{name}: …` with one word or name")
    return node.value


def _notebook(path: Path, keys: Named) -> Path:
    """The notebook that a sweep runs: a stage's, or one named, which is looked for beside the file, too."""
    stage, given = _text(path, keys, "stage"), _text(path, keys, "notebook")
    if bool(stage) == bool(given):
        raise ProsodyError(path, None, "names neither or both of stage and notebook", "give one, as `stage: train`")
    if given:
        beside = path.parent / Path(given).expanduser()
        return beside if beside.is_file() else Path(given)
    if stage not in record.STAGES:
        near = difflib.get_close_matches(stage, record.STAGES, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(record.STAGES)}"
        raise _wrong(path, keys["stage"], f"{stage[:40]!r} is no stage", remedy)
    return notebook_of(stage)


class _Reader:
    """Reads values of parameters as the notebook's types."""

    def __init__(self, path: Path, notebook: Path) -> None:
        self.path, self.notebook = path, notebook
        self.known: list[Parameter] = parameter_cells.of_notebook(notebook)

    def values(self, node: yaml.Node | None, called: str) -> dict[str, Any]:
        return {name: self._value(name, inner) for name, inner in _mapping(self.path, node, called).items()}

    def axes(self, node: yaml.Node | None) -> dict[str, list[Any]]:
        """The grid: of each name its values."""
        found = {}
        for name, values in _mapping(self.path, node, "grid").items():
            if not isinstance(values, yaml.SequenceNode) or not values.value:
                raise _wrong(self.path, values, f"the grid's {name!r} is no list of values", "write `name: [1, 2]`")
            found[name] = [self._value(name, one) for one in values.value]
        return found

    def entries(self, node: yaml.Node | None) -> list[dict[str, Any]]:
        """The list: of each entry its parameters."""
        if node is not None and not isinstance(node, yaml.SequenceNode):
            raise _wrong(self.path, node, "list is no list of points", "write `- name: value`, a line each")
        return [self.values(one, "an entry of the list") for one in (node.value if node else ())]

    def _value(self, name: str, node: yaml.Node) -> Any:
        """A parameter's value. What YAML takes for something else (`no`, `1:30`) is read as it is written, too."""
        try:
            values = [yaml.SafeLoader("").construct_object(node, deep=True)]
        except yaml.YAMLError as error:
            raise _no_yaml(self.path, error) from None
        except (ValueError, RecursionError):
            values = []
        if isinstance(node, yaml.ScalarNode):
            values.append(node.value)
        wrong: ProsodyError | None = None
        for value in values:
            try:
                found = parameter_cells.checked(self.notebook, self.known, {name: value})[name]
                json.dumps(found, allow_nan=False)  # a record holds it
                return found
            except ProsodyError as error:
                wrong = wrong or error
            except (ValueError, TypeError, RecursionError):
                continue
        if wrong is None:
            raise _wrong(self.path, node, f"the value of {name!r} cannot be kept as JSON", "write numbers and text")
        what = f"{wrong.where}: {wrong.what}"
        raise _wrong(self.path, node, what, str(wrong.remedy).replace("=", ": ")) from None


def _refuse_twice(
    path: Path,
    keys: Named,
    common: Mapping[str, Any],
    axes: Mapping[str, Any],
    entries: Sequence[Mapping[str, Any]],
) -> None:
    """Refuse a parameter that stands in two of parameters, grid and list: which one counts, nobody could know."""
    listed = {name for entry in entries for name in entry}
    parts = {"parameters": set(common), "grid": set(axes), "list": listed}
    for (first, names), (second, others) in itertools.combinations(parts.items(), 2):
        for name in sorted(names & others):
            what = f"{name!r} stands in {first} and in {second}"
            raise _wrong(path, keys[second], what, "give it in one of them")


def _points(axes: Mapping[str, list[Any]], entries: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Each entry of the list with each combination of the grid; the last name of the grid changes first."""
    grid = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    return tuple({**entry, **one} for entry in entries or [{}] for one in grid)


def _refuse_alike(
    path: Path, known: Sequence[Parameter], common: Mapping[str, Any], points: Sequence[Mapping[str, Any]]
) -> None:
    """Refuse two points that would be one run: equal in all parameters, what is left to the notebook as it is there."""
    defaults = {parameter.name: parameter.default for parameter in known}
    seen: dict[str, int] = {}
    for number, point in enumerate(points, 1):
        key = json.dumps(record.plain({**defaults, **common, **point}), sort_keys=True)
        if key in seen:
            what = f"points {seen[key]} and {number} are alike ({shown(point) or 'nothing varies'})"
            raise ProsodyError(path, None, what, "leave one of them out")
        seen[key] = number


def shown(values: Mapping[str, Any]) -> str:
    """Parameters on one line: `epochs=2 seed=1`."""
    return " ".join(f"{name}={one if isinstance(one, str) else json.dumps(one)}" for name, one in values.items())
