"""The error lines that a package can print, read from its source: what `test_troubleshooting` looks for in the guide.

A line is told by its fixed words, with … for what varies: `f"holds {n} words"` is “holds … words”. Its place is put
before it where that is fixed, too: `ProsodyError(None, "seed", f"is {seed}", …)` is “seed: is …”. Names are followed to
what they were set to just before, functions to what they return, and parameters of a helper that raises to what its
callers give, all within one module. Remedies are left out: the guide tells more than they do.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

VARIES = "…"
# what makes a line, and which of its arguments are the place and the text
MAKERS = {"ProsodyError": (1, 2), "RunFailed": (None, 0), "PipFailed": (None, 0), "Finding": (1, 2)}
OWN_ERRORS = {"canonical"}  # functions whose ValueError is shown as it is, inside other lines
OTHERS = {"what", "message", "strerror", "stderr"}  # words of another error, of the system, of another program
_DEPTH = 8

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, order=True)
class Line:
    """One error line: where it is made, and its fixed words."""

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number}: {self.text}"


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: the function, and what its parameters were given (None: not told)."""

    function: Function | None
    given: Mapping[str, tuple[ast.expr | Item, Scope]] | None = None


@dataclass(frozen=True)
class Item:
    """One of the values of an expression that gives several."""

    of: ast.expr
    index: int


def lines_of(source: str, file: str) -> list[Line]:
    """Every error line that a module makes. Raises ValueError for one whose words cannot be read from the source."""
    module = _Module(ast.parse(source), file)
    return sorted(set(module.lines()))


def package_lines(package: Path) -> list[Line]:
    """The error lines of all modules of a package."""
    found: list[Line] = []
    for path in sorted(package.rglob("*.py")):
        found += lines_of(path.read_text(encoding="utf-8"), path.relative_to(package.parent).as_posix())
    return found


def normal(text: str) -> str:
    """A line as it is compared: one … where several follow each other, no remedy, single spaces."""
    told = re.sub(r"…(?:\s*…)+", VARIES, " ".join(text.partition(" — ")[0].split()))
    return told.removeprefix("prosody: ").strip()


class _Module:
    def __init__(self, tree: ast.Module, file: str) -> None:
        self.tree, self.file = tree, file
        self.parent = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def functions(self) -> dict[str, list[Function]]:
        found: dict[str, list[Function]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                found.setdefault(node.name, []).append(node)
        return found

    @cached_property
    def calls(self) -> dict[str, list[ast.Call]]:
        found: dict[str, list[ast.Call]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                found.setdefault(_name(node), []).append(node)
        return found

    def lines(self) -> Iterator[Line]:
        for name, calls in self.calls.items():
            for call in calls:
                arguments = self._arguments(name, call)
                if arguments is not None:
                    scope = Scope(self._function(call))
                    yield from (Line(self.file, call.lineno, text) for text in self._told(call, *arguments, scope))

    def _arguments(self, name: str, call: ast.Call) -> tuple[ast.expr | None, ast.expr | Item] | None:
        """The place and the text of an error that is made by a call, or None if it makes none."""
        function = self._function(call)
        if name == "ValueError" and function is not None and function.name in OWN_ERRORS and call.args:
            return None, call.args[0]
        if name == "error" and ast.unparse(call.func) == "parser.error":
            return None, call.args[0]
        if ast.unparse(call.func) == "sys.stderr.write" and "'prosody: this" in ast.unparse(call):
            return None, call.args[0]
        if name not in MAKERS or (name == "Finding" and ast.unparse(call.args[0]) == "'ok'"):
            return None
        at, what = MAKERS[name]
        named = {one.arg: one.value for one in call.keywords}
        last = call.args[-1] if call.args else None
        if isinstance(last, ast.Starred):
            text = Item(last.value, what - len(call.args) + 1)
        else:
            text = named.get("what") or (call.args[what] if len(call.args) > what else None)
        place = named.get("where") or (call.args[at] if at is not None and len(call.args) > at else None)
        return None if text is None else (place, text)

    def _told(self, call: ast.Call, place: ast.expr | None, text: ast.expr | Item, scope: Scope) -> Iterator[str]:
        """The texts of one error; of a helper that is told what to say, those that its callers give."""
        own = _parameters(scope.function)
        passed_on = [one for one in (place, text) if isinstance(one, ast.Name) and one.id in own]
        callers = self._callers(scope.function) if passed_on else []
        for given in callers or [None]:
            inside = Scope(scope.function, given)
            wheres = self._fixed(place, inside)
            for what in self._texts(text, inside, call):
                told = normal(what)
                if re.search(r"[^\W\d_]", told):
                    yield from (normal(f"{where}: {told}") if where else told for where in wheres)
                elif not self._is_anothers(text, inside, call):
                    raise ValueError(f"{self.file}:{call.lineno}: its words cannot be read from the source")

    def _fixed(self, place: ast.expr | None, scope: Scope) -> list[str]:
        """The places of an error where they are plain texts; [""] where they vary."""
        if place is None:
            return [""]
        leaves = [leaf for leaf, _ in self._leaves(place, scope, place)]
        if not all(isinstance(leaf, ast.Constant) for leaf in leaves):
            return [""]
        return sorted({leaf.value or "" for leaf in leaves}) or [""]

    def _is_anothers(self, text: ast.expr | Item, scope: Scope, at: ast.AST) -> bool:
        """Whether the words are those of an error that was raised elsewhere, and only passed on."""
        for leaf, _ in self._leaves(text, scope, at):
            is_text = isinstance(leaf, ast.Call) and _name(leaf) in ("str", "one_line")
            passes = any(getattr(part, "attr", "") in OTHERS for part in ast.walk(leaf))
            if not (is_text or passes or isinstance(leaf, (ast.Constant, ast.JoinedStr))):
                return False
        return True

    # --- what an expression can be ---

    def _texts(self, expression: ast.expr | Item, scope: Scope, at: ast.AST, depth: int = 0) -> list[str]:
        found: list[str] = []
        for leaf, where in self._leaves(expression, scope, at, depth):
            if isinstance(leaf, ast.Constant):
                found += [leaf.value] if isinstance(leaf.value, str) else [VARIES] * (leaf.value is not None)
            elif isinstance(leaf, ast.JoinedStr):
                found += self._joined(leaf, where, depth)
            elif isinstance(leaf, ast.BinOp) and isinstance(leaf.op, ast.Add):
                sides = [self._texts(side, where, leaf, depth + 1) for side in (leaf.left, leaf.right)]
                found += ["".join(pair) for pair in itertools.product(*sides)]
            elif isinstance(leaf, ast.Call) and _name(leaf) == "format":
                found += [re.sub(r"\{.*?\}", VARIES, one) for one in self._texts(leaf.func.value, where, leaf)]
            else:
                found.append(VARIES)
        return list(dict.fromkeys(found))

    def _joined(self, text: ast.JoinedStr, scope: Scope, depth: int) -> list[str]:
        """An f-string: each of its parts may be one of several texts, the same part the same text throughout."""
        choices: dict[str, list[str]] = {}
        parts = [(ast.dump(part), part) for part in text.values]
        for key, part in parts:
            if isinstance(part, ast.Constant):
                choices[key] = [part.value]
            elif part.conversion != -1 or part.format_spec or self._varies(part.value, scope, text):
                choices[key] = [VARIES]
            else:
                texts = self._texts(part.value, scope, text, depth + 1)
                choices[key] = [one for one in texts if one] or [VARIES]  # the longer line holds the shorter one
        found = (dict(zip(choices, one, strict=True)) for one in itertools.product(*choices.values()))
        return ["".join(one[key] for key, _ in parts) for one in found]

    def _varies(self, node: ast.expr, scope: Scope, at: ast.AST) -> bool:
        """Whether a part of a text is given, or worked out: then it is not looked into."""
        is_given = isinstance(node, ast.Name) and node.id in _parameters(scope.function)
        values = [node, *(value for value, _, _ in self._follow(node, scope, at))] if not is_given else []
        return is_given or any(isinstance(value, ast.Call) for value in values)

    def _leaves(
        self, expression: ast.expr | Item, scope: Scope, at: ast.AST, depth: int = 0
    ) -> list[tuple[ast.expr, Scope]]:
        """All that an expression can come to; what cannot be followed stands for itself. at: the node it is used at."""
        if isinstance(expression, Item):
            found = self._leaves(expression.of, scope, at, depth + 1)
            parts = ((leaf.elts[expression.index], s) for leaf, s in found if isinstance(leaf, ast.Tuple))
            others = [(leaf, s) for leaf, s in found if not isinstance(leaf, (ast.Tuple, ast.Constant))]
            return [one for part, s in parts for one in self._leaves(part, s, part, depth + 1)] + others
        follows = [] if depth > _DEPTH else self._follow(expression, scope, at)
        if not follows:
            return [(expression, scope)]
        return [one for part, s, use in follows for one in self._leaves(part, s, use, depth + 1)]

    def _follow(self, node: ast.expr, scope: Scope, at: ast.AST) -> list[tuple[ast.expr | Item, Scope, ast.AST]]:
        """One step from an expression to those that it can be; none where it is what it is."""
        if isinstance(node, ast.IfExp):
            return [(node.body, scope, at), (node.orelse, scope, at)]
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            return [(value, scope, at) for value in node.values]
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and type(node.slice.value) is int:
            return [(Item(node.value, node.slice.value), scope, at)]
        if isinstance(node, ast.Name):
            return self._named(node, scope, at)
        if not isinstance(node, ast.Call):
            return []
        if _name(node) == "one_line":
            return [(node.args[0], scope, at)]
        if _name(node) == "get" and isinstance(node.func.value, ast.Name):
            tables = [t for t, _ in self._leaves(node.func.value, scope, at, _DEPTH - 1) if isinstance(t, ast.Dict)]
            values = [value for table in tables for value in table.values]
            return [(value, Scope(None), value) for value in values] + [(one, scope, at) for one in node.args[1:]]
        found = []
        for function in self.functions.get(_name(node), []):
            inside = Scope(function, _bound(function, node, scope))
            for one in ast.walk(function):
                if isinstance(one, ast.Return) and one.value is not None and self._function(one) is function:
                    found.append((one.value, inside, one))
        return found

    def _named(self, name: ast.Name, scope: Scope, at: ast.AST) -> list[tuple[ast.expr | Item, Scope, ast.AST]]:
        """What a name was set to, or given as a parameter."""
        if scope.given is not None and name.id in scope.given:
            value, where = scope.given[name.id]
            return [(value, where, value.of if isinstance(value, Item) else value)]
        function = scope.function
        while True:
            found = self._assigned(name.id, function, at)
            if found or function is None:
                return [(value, scope if function else Scope(None), use) for value, use in found]
            function = self._function(function)

    def _assigned(self, name: str, function: Function | None, at: ast.AST) -> list[tuple[ast.expr | Item, ast.AST]]:
        """The last values a name got before a place; those of several branches, up to one that surely came before."""
        found: list[tuple[ast.expr | Item, ast.AST]] = []
        assignments = [one for one in ast.walk(function or self.tree) if isinstance(one, (ast.Assign, ast.AnnAssign))]
        for one in sorted(assignments, key=lambda a: -a.lineno):
            inside = self._function(one) is function and (function is None or one.lineno < at.lineno)
            value = _value_for(name, one) if inside else None
            if value is not None:
                found.append((value, one))
                if function is None or self._surely_before(one, at):
                    break
        return found

    def _surely_before(self, one: ast.stmt, at: ast.AST) -> bool:
        """Whether an assignment stands in a block that the place is in, too."""
        block = self.parent[one]
        while isinstance(block, ast.With):
            block = self.parent[block]
        node = at
        while node in self.parent:
            if self.parent[node] is block:
                same = [body for _, body in ast.iter_fields(block) if isinstance(body, list) and node in body]
                return any(one in body or any(one in ast.walk(x) for x in body) for body in same)
            node = self.parent[node]
        return False

    def _function(self, node: ast.AST) -> Function | None:
        """The function that a node stands in."""
        node = self.parent.get(node)
        while node is not None and not isinstance(node, Function):
            node = self.parent.get(node)
        return node

    def _callers(self, function: Function | None) -> list[Mapping[str, tuple[ast.expr | Item, Scope]]]:
        """What each call in this module gives a function."""
        calls = self.calls.get(function.name, []) if function else []
        return [_bound(function, call, Scope(self._function(call))) for call in calls]


def _name(call: ast.Call) -> str:
    return getattr(call.func, "id", None) or getattr(call.func, "attr", "")


def _parameters(function: Function | None) -> list[str]:
    if function is None:
        return []
    return [one.arg for one in (*function.args.args, *function.args.kwonlyargs) if one.arg != "self"]


def _bound(function: Function, call: ast.Call, scope: Scope) -> dict[str, tuple[ast.expr | Item, Scope]]:
    """The parameters of a function as a call gives them."""
    values: list[ast.expr | Item] = []
    names = _parameters(function)
    for value in call.args:
        several = isinstance(value, ast.Starred)
        values += [Item(value.value, k) for k in range(len(names) - len(values))] if several else [value]
    given = dict(zip(names, values, strict=False))
    given |= {one.arg: one.value for one in call.keywords if one.arg}
    return {name: (value, scope) for name, value in given.items()}


def _value_for(name: str, one: ast.Assign | ast.AnnAssign) -> ast.expr | Item | None:
    """What an assignment sets a name to; None if it doesn't."""
    for target in one.targets if isinstance(one, ast.Assign) else [one.target]:
        if isinstance(target, ast.Name) and target.id == name:
            return one.value
        if isinstance(target, ast.Tuple):
            for k, part in enumerate(target.elts):
                if isinstance(part, ast.Name) and part.id == name:
                    return Item(one.value, k)
    return None
