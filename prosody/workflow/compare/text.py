"""A comparison of two runs as people read it on a terminal, and as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prosody.errors import one_line
from prosody.workflow import listing
from prosody.workflow.columns import is_number, text
from prosody.workflow.compare import Comparison, Facts, Figure, counted
from prosody.workflow.contents import Contents
from prosody.workflow.progress import elapsed
from prosody.workflow.record import Run

_WIDEST = 40  # characters of a value
_MOST = 12  # rows of files, packages or lines of a cell; the others are counted
_COLORS = {"head": "1", "A": "36", "B": "33", "soft": "2"}
FIGURES_HEAD = ("", "A", "B", "B − A", "of A", "more than chance?")
_COST = {"seconds": "duration", "peak_rss_mb": "peak memory"}


def as_text(found: Comparison, *, colors: bool = False) -> str:
    """The whole comparison: what is the same in one line, then what differs, section by section."""
    paint = _paint if colors else lambda of, line: line
    lines = [*(_run_line(paint(side, side), run) for side, run in (("A", found.a), ("B", found.b))), ""]
    if found.a.stage != found.b.stage:
        lines += [f"runs of two stages, {one_line(found.a.stage)} and {one_line(found.b.stage)}: few things match", ""]
    same = ", ".join(same_parts(found))
    lines += [f"{paint('head', 'the same')}  {same or 'nothing'}"]
    for title, rows in _sections(found):
        lines += ["", paint("head", title), *_aligned(rows, paint)]
    if found.trouble:
        lines += ["", paint("head", "missing or damaged"), *(f"  {line}" for line in found.trouble)]
    return "\n".join(lines)


def same_parts(found: Comparison) -> list[str]:
    """What is the same in both runs, in words."""
    parts = [_count(found.parameters.same, "parameter")]
    parts.append("code" if found.code.same else "")
    parts.append("" if found.packages.differ else _count(found.packages.same, "package"))
    parts.append("machine" if found.machine.same and not found.machine.differ else "")
    parts.append(_count(found.inputs.same, "input"))
    parts.append(_count(found.outputs.same, "output"))
    parts.append(_count(found.same_figures, "figure"))
    parts.append(_count(found.same_cells, "notebook cell"))
    return [part for part in parts if part]


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}" if n else ""


def _sections(found: Comparison) -> Iterable[tuple[str, list[tuple[str, ...]]]]:
    """Each section that has something to show: its title, and rows of which the first is the head."""
    head = ("", "A", "B")
    for title, facts in (("parameters", found.parameters), ("made from", found.upstream), ("machine", found.machine)):
        if facts.differ:
            yield title, [head, *_rows(facts)]
    code = code_rows(found)
    if code:
        yield "code", [head, *code]
    if found.packages.differ:
        yield "packages", [head, *_some(list(_rows(found.packages)))]
    for title, facts in (("data, by hash", found.inputs), ("outputs, by hash", found.outputs)):
        if facts.differ:
            yield (
                f"{title} ({tally(facts)})",
                [head, *_some([(one_line(name), *map(file, pair)) for name, *pair in pairs(facts)])],
            )
    if found.figures or found.others.differ:
        rows = [figure_row(one) for one in found.figures]
        more = [(*row, "", "", "") for row in _rows(found.others)]
        yield "figures", [FIGURES_HEAD, *rows, *more, *((line,) for line in notes(found))]
    if found.cost.differ:
        yield "cost", [("", "A", "B", "B − A", "of A"), *cost_rows(found.cost)]
    if found.notebook:
        yield f"notebook ({counted(found.notebook)} cells)", _cell_rows(found)


def figure_row(one: Figure) -> tuple[str, ...]:
    """A figure that differs: name, both values (with spread and number of seeds), difference, share, chance."""
    values = [shown(value) for value in one.compared]
    return (one_line(one.name), *values, signed(one.difference), share(one.relative), verdict(one))


def notes(found: Comparison) -> list[str]:
    """What is to be known of the figures that differ: whether chance is known, and other data."""
    if not found.figures:
        return []
    known = [one for one in found.figures if one.chance.within is not None]
    lines = ["one seed each: whether a difference is more than chance is not known; `seeds=3` would tell"]
    if known:
        lines = ["where no word stands, the seeds' values were not kept: what chance does there is not known"]
        lines = lines if len(known) < len(found.figures) else []
    if found.inputs.differ:
        lines.append("the data differ, too: these are figures of different data")
    return lines


def tally(facts: Facts) -> str:
    """How many are changed, and only in one, in words."""
    counts = ((len(facts.changed), "changed"), (len(facts.only_a), "only in A"), (len(facts.only_b), "only in B"))
    return ", ".join(f"{n} {what}" for n, what in counts if n)


def verdict(one: Figure) -> str:
    """Whether a difference is more than the seeds' spread, in words; "" where that cannot be known."""
    if one.chance.within is None or one.chance.margin is None:
        return ""
    n = "+".join(map(str, one.seeds))
    words = "within the seeds' spread" if one.chance.within else "more than the seeds' spread"
    return f"{words} (±{shown(one.chance.margin)}, {n} seeds)"


def code_rows(found: Comparison, *, most: int = _MOST) -> list[tuple[str, ...]]:
    """Where the code differs: commits, then file by file, `most` of each kind."""
    code = found.code
    if code.same:
        return []
    rows = [(name.replace("_", " "), *(_short(one) for one in pair)) for name, pair in code.facts.items()]
    rows = [row for row in rows if row[1] != row[2]]
    for name, (added, gone) in _firsts(code.between or {}, most):
        rows.append((one_line(name), "", f"+{added} −{gone} between the commits" if added is not None else "binary"))
    rows += _rest(code.between or {}, most)
    for name, where in _firsts(code.patched, most):
        sides = ["uncommitted changes" if where in (side, "both") else "" for side in ("A", "B")]
        rows.append((one_line(name), *(["other changes"] * 2 if where == "both" else sides)))
    rows += _rest(code.patched, most)
    if code.between is None and code.why:
        rows.append((f"files between the commits: not known, {one_line(code.why)}", "", ""))
    if code.same is None:
        rows.append(("whether the code is the same is not recorded", "", ""))
    return rows


def _firsts(of: Mapping[str, Any], most: int) -> list[tuple[str, Any]]:
    return list(of.items())[:most]


def _rest(of: Mapping[str, Any], most: int) -> list[tuple[str, ...]]:
    return [(f"… and {len(of) - most} files more", "", "")] if len(of) > most else []


def cost_rows(facts: Facts) -> list[tuple[str, ...]]:
    """Duration and memory where they differ: both, the difference, its share."""
    rows = []
    for name, a, b in pairs(facts):
        row = [_COST.get(name, name), *(_cost(name, one) for one in (a, b))]
        if is_number(a) and is_number(b):
            row += [signed(b - a), share((b - a) / a if a else None)]
        rows.append(tuple([*row, "", ""][:5]))
    return rows


def _cost(name: str, value: Any) -> str:
    if not is_number(value):
        return "-"
    return f"{value:,.0f} MB" if name == "peak_rss_mb" else elapsed(value) if 0 <= value < 1e9 else shown(value)


def _cell_rows(found: Comparison) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [()]
    for cell in found.notebook:
        where = " of A" if cell.change == "removed" else ""
        rows.append((f"{cell.kind} cell {cell.number}{where} {cell.change}",))
        rows += [(f"  {one_line(line)[:110]}",) for line in cell.lines[:_MOST]]
        if len(cell.lines) > _MOST:
            rows.append((f"  … and {len(cell.lines) - _MOST} lines more",))
    return rows


def _rows(facts: Facts) -> Iterable[tuple[str, ...]]:
    for name, a, b in pairs(facts):
        yield one_line(name), shown(a), shown(b)


def pairs(facts: Facts) -> Iterable[tuple[str, Any, Any]]:
    """Everything that differs, with both values; GONE where one has none."""
    yield from ((name, *pair) for name, pair in facts.changed.items())
    yield from ((name, value, GONE) for name, value in facts.only_a.items())
    yield from ((name, GONE, value) for name, value in facts.only_b.items())


class _Gone:
    """What a run does not have."""


GONE = _Gone()


def file(value: Any) -> str:
    """A file by the start of its hash, and its size."""
    if value is GONE:
        return "-"
    digest, size = value
    return f"{text(digest)[:12]}  {size:,} bytes" if isinstance(size, int) else shown(digest)


def _short(value: Any) -> str:
    is_hash = isinstance(value, str) and re.fullmatch("[0-9a-f]{40,64}", value)
    return value[:12] if is_hash else shown(value)


def shown(value: Any) -> str:
    """A value in a cell: "-" for none, four digits of a fraction, texts cut where they are long."""
    if value is GONE or value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"
    if is_number(value):
        return f"{value:,}" if abs(value) < 10**15 else f"{float(value):.4g}"
    told = one_line(in_full(value))
    return told if len(told) <= _WIDEST else told[: _WIDEST - 1] + "…"


def share(relative: float | None) -> str:
    """A difference as a share of A, in percent; "" where A is 0."""
    return "" if relative is None else f"{relative:+.1%}".replace("-", "−")


def in_full(value: Any) -> str:
    """A value with nothing cut off it."""
    return "-" if value is GONE or value is None else text(value) or '""'


def signed(value: float) -> str:
    """A difference, with its sign."""
    return ("+" if value > 0 else "−" if value < 0 else "±") + shown(abs(value))


def _some(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return rows if len(rows) <= _MOST else [*rows[:_MOST], (f"… and {len(rows) - _MOST} more (--json has all)",)]


def _aligned(rows: Sequence[tuple[str, ...]], paint: Any) -> list[str]:
    """Rows with their columns aligned; the first is the head. A row of one cell takes the whole line."""
    full = [row for row in rows if len(row) > 1 and any(row[1:])]
    n = max((len(row) for row in full), default=0)
    widths = [max((len(row[k]) for row in full if k < len(row)), default=0) for k in range(n)]
    lines = []
    for number, row in enumerate(rows):
        if not row:
            continue
        if row not in full:
            lines.append(f"  {row[0]}")
            continue
        cells = [one.ljust(width) for one, width in zip(row, widths, strict=False)]
        line = "  " + "  ".join(cells).rstrip()
        lines.append(paint("soft", line) if number == 0 else line)
    return lines


def _paint(of: str, line: str) -> str:
    return f"\x1b[{_COLORS[of]}m{line}\x1b[0m"


def _run_line(side: str, run: Contents) -> str:
    parts = [f"{run.stage}/{run.id}", run.state, headline(run)]
    return f"{side}  " + "  ".join(one_line(part) for part in parts if part)


def headline(run: Contents) -> str:
    """A run's most telling figures, or the error that ended it."""
    status = {**run.status, "status": run.state}
    return listing.headline(Run(folder=run.folder, status=status, metrics=run.metrics))


def as_json(found: Comparison) -> dict[str, Any]:
    """The whole comparison as plain data."""
    code = found.code
    parts = ("parameters", "packages", "machine", "upstream", "cost", "others")
    return {
        "a": _who(found.a),
        "b": _who(found.b),
        **{name: _facts_json(getattr(found, name)) for name in parts if name != "others"},
        "code": {
            "same": code.same,
            **{name: {"a": a, "b": b} for name, (a, b) in code.facts.items()},
            "uncommitted": dict(code.patched),
            "between_commits": None
            if code.between is None
            else {name: {"added": plus, "gone": minus} for name, (plus, minus) in code.between.items()},
            "why_not": code.why,
        },
        "inputs": _facts_json(found.inputs, _file_json),
        "outputs": _facts_json(found.outputs, _file_json),
        "metrics": {
            "same": found.same_figures,
            "differ": {one.name: _figure_json(one) for one in found.figures},
            "others": _facts_json(found.others),
        },
        "notebook": {"same": found.same_cells, "differ": [vars(cell) for cell in found.notebook]},
        "trouble": list(found.trouble),
    }


def _who(run: Contents) -> dict[str, Any]:
    return {"id": run.id, "stage": run.stage, "status": run.state, "started": run.status.get("started")}


def _facts_json(facts: Facts, value: Any = lambda value: value) -> dict[str, Any]:
    changed = {name: {"a": value(a), "b": value(b)} for name, (a, b) in facts.changed.items()}
    only = {f"only_{side}": {name: value(one) for name, one in of.items()} for side, of in
            (("a", facts.only_a), ("b", facts.only_b))}  # fmt: skip
    return {"same": facts.same, "changed": changed, **only}


def _file_json(value: tuple[Any, Any]) -> dict[str, Any]:
    return {"sha256": value[0], "bytes": value[1]}


def _figure_json(one: Figure) -> dict[str, Any]:
    told = {
        "a": one.a,
        "b": one.b,
        "compared": list(one.compared),
        "difference": one.difference,
        "relative": one.relative,
    }
    judged = {"within_seeds_spread": one.chance.within, "margin": one.chance.margin, "why_not": one.chance.why}
    return told | {"seeds": {"a": one.seeds[0], "b": one.seeds[1]}} | judged
