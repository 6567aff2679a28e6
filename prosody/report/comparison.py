"""Two runs compared, as one page: what differs as tables, the curves overlaid, the cells line by line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from prosody.errors import ProsodyError
from prosody.files import check_new, new_path, telling
from prosody.report.cells import Figures
from prosody.report.document import document, has_mark, sections, trouble_html
from prosody.report.tables import beside, escaped, table
from prosody.workflow.compare import Comparison, Facts, counted
from prosody.workflow.compare import text as compare_text
from prosody.workflow.compare.notebooks import Cell
from prosody.workflow.contents import Contents

_MARK = "two runs compared"
_MOST_FILES = 200
_STYLE = """
pre.diff .plus { color: var(--good); } pre.diff .minus { color: var(--bad); } pre.diff .at { color: var(--soft); }
.versus td { overflow-wrap: anywhere; min-width: 6rem; }
"""


def check_out(path: Path) -> None:
    """Raise the ProsodyError that `write` would raise, before the work is done."""
    try:
        check_new(path, overwrite=has_mark(path, _MARK))
    except ProsodyError as error:
        if error.what != "already exists":
            raise
        raise ProsodyError(path, None, "already exists and is no comparison of runs", "give another name") from None


def write(found: Comparison, path: Path) -> None:
    """Write the page of a comparison; an earlier comparison of that name is replaced, nothing else.

    Raises ProsodyError if something else has that name, or it cannot be written.
    """
    page = html(found)
    check_out(path)
    with new_path(path, overwrite=has_mark(path, _MARK)) as temporary, telling(path):
        temporary.write_bytes(page)


def html(found: Comparison) -> bytes:
    """The page of a comparison."""
    figures = Figures()
    nav, body = sections(
        [
            ("curves", "The curves", _curves(found, figures)),
            ("numbers", "Figures", _figures(found)),
            ("conditions", "What they were made with", _conditions(found)),
            ("files", "Data and outputs", _files("Data", found.inputs) + _files("Outputs", found.outputs)),
            ("notebook", "The notebooks", _notebook(found)),
        ]
    )
    text = document(
        title=f"{found.a.id} and {found.b.id}",
        mark=_MARK,
        style=_STYLE,
        header=_head(found) + nav,
        main=trouble_html(found.trouble) + (body or "<p>Nothing differs.</p>"),
        footer="Made from the records of two runs",
        figures=figures,
    )
    return text.encode("utf-8", "replace")


def _head(found: Comparison) -> str:
    same = ", ".join(compare_text.same_parts(found)) or "nothing"
    runs = "".join(f"<p><strong>{side}</strong> {_run(run)}</p>" for side, run in (("A", found.a), ("B", found.b)))
    title = '<p class="kicker">Janus Prosody · two runs compared</p><h1>A and B</h1>'
    return f"{title}{runs}<p>The same: {escaped(same)}.</p>"


def _run(run: Contents) -> str:
    known = run.state if run.state in ("ok", "running", "failed", "interrupted", "killed") else "unknown"
    state = f'<span class="state state-{known}">{escaped(run.state)}</span>'
    return f"{escaped(run.stage)} <code>{escaped(run.id)}</code> {state} {escaped(compare_text.headline(run))}"


def _curves(found: Comparison, figures: Figures) -> str:
    """Loss, held-out loss and macro F1 of both over each other, where their events tell of any."""
    from prosody.lm.board import curves
    from prosody.notebook.overlay import overlaid

    runs = {"A": found.a, "B": found.b}
    told = {side: curves(run.folder / "tb", ("train/loss", "val/loss", "val/macro_f1")) for side, run in runs.items()}
    step, held_out, f1 = ({side: one[k] for side, one in told.items()} for k in range(3))
    made = []
    if any(map(len, [*step.values(), *held_out.values()])):
        made.append(overlaid(held_out, faint=step, title="Loss", unit="loss (nats a slot)"))
    if any(map(len, f1.values())):
        made.append(overlaid(f1, title="Macro F1 on the held-out part", unit="macro F1"))
    return "\n".join(figures.place(json.loads(one.to_json()), "Curves") for one in made)


def _figures(found: Comparison) -> str:
    rows = [compare_text.figure_row(one) for one in found.figures]
    head = ("figure", *compare_text.FIGURES_HEAD[1:])
    notes = "".join(f'<p class="note">{escaped(line)}.</p>' for line in compare_text.notes(found))
    cost = table("Cost", ("", "A", "B", "B − A", "of A"), compare_text.cost_rows(found.cost))
    numbers = table("Figures that differ", head, rows)
    return "\n".join(filter(None, (numbers, notes, versus("Other figures", found.others), cost)))


def _conditions(found: Comparison) -> str:
    code = table("Code", ("", "A", "B"), compare_text.code_rows(found, most=_MOST_FILES))
    parts = [versus("Parameters", found.parameters), versus("Made from", found.upstream)]
    return beside([*parts, code, versus("Packages", found.packages), versus("Machine", found.machine)])


def versus(title: str, facts: Facts) -> str:
    """What differs, with the values of both in full."""
    rows = [(name, *map(compare_text.in_full, pair)) for name, *pair in compare_text.pairs(facts)]
    made = table(title, ("", "A", "B"), rows)
    return f'<div class="versus">{made}</div>' if made else ""


def _files(title: str, facts: Facts) -> str:
    """Files that differ, with hash and size; a long list folded."""
    all_rows = [(name, *map(compare_text.file, pair)) for name, *pair in compare_text.pairs(facts)]
    rows = all_rows[:_MOST_FILES]
    if len(all_rows) > len(rows):
        rows.append((f"… and {len(all_rows) - len(rows)} more", "", ""))
    made = table(title, ("", "A", "B"), rows)
    if len(rows) <= 12:
        return made
    return f"<details><summary>{title}: {escaped(compare_text.tally(facts))}</summary>{made}</details>"


def _notebook(found: Comparison) -> str:
    if not found.notebook:
        return ""
    cells = "\n".join(_cell(cell) for cell in found.notebook)
    return f"<p>{counted(found.notebook)}, {found.same_cells} the same.</p>\n{cells}"


def _cell(cell: Cell) -> str:
    where = " of A" if cell.change == "removed" else ""
    summary = f"{cell.kind} cell {cell.number}{where} {cell.change}"
    inner = "\n".join(_lines(cell.lines))
    opened = " open" if cell.kind == "code" else ""
    shown = f'<pre class="diff" tabindex="0">{inner}</pre>'
    return f"<details{opened}><summary>{escaped(summary)}</summary>{shown}</details>"


def _lines(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        kind = {"+": "plus", "-": "minus", "@": "at"}.get(line[:1])
        yield f'<span class="{kind}">{escaped(line)}</span>' if kind else escaped(line)
