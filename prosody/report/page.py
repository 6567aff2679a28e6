"""A run as one page that holds everything: its summary, its notebook, its figures and sounds, its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import new_path, telling
from prosody.markers import MARKERS
from prosody.report.cells import Figures, notebook_html
from prosody.report.document import document, has_mark, sections, trouble_html
from prosody.report.highlights import highlights
from prosody.report.lineage import lineage_html
from prosody.report.tables import escaped, metrics_tables, shown, table
from prosody.workflow import listing
from prosody.workflow.contents import Contents
from prosody.workflow.progress import elapsed
from prosody.workflow.record import Run

FILE = "report.html"
_SAID = {
    "ok": "ended well",
    "running": "is still running: this page shows what there is so far",
    "failed": "failed: this page shows what there is",
    "interrupted": "was interrupted: this page shows what there is",
    "killed": "was killed: this page shows what there is",
}
_TITLES = {"segment": "Listen", "prepare": "Listen", "train": "In short", "generate": "The answers"}


@dataclass(frozen=True)
class Page:
    """A page, how many figures and sounds are in it, and what was missing for it."""

    html: bytes
    n_figures: int
    n_sounds: int
    trouble: tuple[str, ...]


def make(run: Contents) -> Page:
    """The page of a run."""
    figures = Figures()
    told = highlights(run, figures)
    cells = notebook_html(run.notebook, figures) if run.notebook else ""
    nav, body = sections(
        [
            ("in-short", _TITLES.get(run.stage, "In short"), told),
            ("notebook", "The notebook", cells),
            ("metrics", "Metrics", metrics_tables(run.metrics)),
            ("lineage", "Where it comes from, what came of it", lineage_html(run.folder)),
            ("record", "The record", _record(run)),
            ("log", "The log", _folded("Show the log", run.log)),
        ]
    )
    text = _document(run, nav, trouble_html(run.trouble) + body, figures)
    html = text.encode("utf-8", "replace")
    return Page(html, len(figures.data), html.count(b"<audio "), tuple(run.trouble))


def write(run: Contents, page: Page, out: Path | None = None) -> Path:
    """Write a run's page, by default beside its record; an earlier page of the same run is replaced, nothing else.

    Raises ProsodyError if something else has that name, or it cannot be written.
    """
    path = out or run.folder / FILE
    with new_path(path, overwrite=_is_ours(path, run)) as temporary, telling(path):
        temporary.write_bytes(page.html)
    return path


def _is_ours(path: Path, run: Contents) -> bool:
    """Is this file an earlier page of that run?"""
    return has_mark(path, _mark(run))


def _mark(run: Contents) -> str:
    return f"run {run.stage}/{run.id}"


def _document(run: Contents, nav: str, main: str, figures: Figures) -> str:
    labels = "".join(  # notebooks that ran before labels could be black on light colours
        f'.output span[style*="background:{marker.color}"] {{ color: {marker.ink} !important; }}\n'
        for marker in MARKERS
    )
    return document(
        title=f"{run.stage} {run.id}",
        mark=_mark(run),
        style=labels,
        header=_head(run) + nav,
        main=main,
        footer="Made from the run's record",
        figures=figures,
    )


def _head(run: Contents) -> str:
    known = run.state if run.state in _SAID else "unknown"
    said = _SAID.get(run.state, "says nothing that can be read of how it ended")
    headline = listing.headline(Run(folder=run.folder, status={**run.status, "status": run.state}, metrics=run.metrics))
    times = [_time(run.status.get("started"))]
    seconds = run.status.get("seconds")
    if isinstance(seconds, (int, float)) and 0 <= seconds < 1e9:
        times.append(f"took {elapsed(seconds)}")
    if run.state == "running":
        times.append(f"as of {_time(datetime.now(UTC).isoformat())}")
    return (
        f'<p class="kicker">Janus Prosody · a recorded run</p>'
        f"<h1>{escaped(run.stage)} <small>{escaped(run.id)}</small></h1>"
        f'<p><span class="state state-{known}">{escaped(run.state)}</span> This run {said}.</p>'
        f"{f'<p>{escaped(headline)}</p>' if headline else ''}"
        f'<p class="kicker">{escaped(" · ".join(filter(None, times)))}</p>{_failure(run)}'
    )


def _failure(run: Contents) -> str:
    """What ended a run that failed, with its place."""
    error = run.status.get("error")
    if not isinstance(error, Mapping):
        return ""
    place = "".join(f"{name} {error[name]}, " for name in ("cell", "line") if error.get(name) is not None)
    return f'<p class="error">{escaped(place)}{escaped(error.get("name"))}: {escaped(error.get("message"))}</p>'


def _record(run: Contents) -> str:
    status = run.status
    times = [("started", _time(status.get("started"))), ("ended", _time(status.get("ended")))]
    more = ("seconds", "exit", "how", "peak_rss_mb")
    facts = [("stage", run.stage), ("id", run.id), ("status", run.state), *times]
    facts += [(name, status.get(name)) for name in more if name in status]
    git = dict(run.git)
    if isinstance(git.get("untracked"), list):
        git["untracked"] = f"{len(git['untracked'])} files"
    upstream = run.upstream.items()
    tables = [
        table("Parameters", (), [(name, value) for name, value in run.params.items()]),
        "<div>" + table("Run", (), [(name.replace("_", " "), value) for name, value in facts]),
        table("Made from", (), upstream) + table("Code", (), git.items()),
        table("Machine", (), [(name.replace("_", " "), value) for name, value in run.machine.items()]) + "</div>",
    ]
    files = _files("Inputs", run.inputs) + _files("Outputs", run.outputs)
    packages = _folded(f"{len(run.packages.splitlines())} packages", run.packages)
    return f'<div class="columns">{"".join(tables)}</div>\n{files}\n{packages}'


def _files(title: str, entries: list[Mapping[str, Any]]) -> str:
    """Files with size and hash; a long list folded."""
    rows = [(entry.get("path"), entry.get("bytes"), str(entry.get("sha256", ""))) for entry in entries]
    made = table(title, ("path", "bytes", "SHA-256"), rows)
    if len(rows) <= 12:
        return made
    total = sum(row[1] for row in rows if isinstance(row[1], int))
    return f"<details><summary>{title}: {len(rows)} files, {shown(total)} bytes</summary>{made}</details>"


def _folded(summary: str, text: str) -> str:
    if not text.strip():
        return ""
    return f'<details><summary>{escaped(summary)}</summary><pre tabindex="0">{escaped(text.strip())}</pre></details>'


def _time(value: Any) -> str:
    """A time of the record as people read it, in UTC; as it is if it is none."""
    try:
        return f"{datetime.fromisoformat(value).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (TypeError, ValueError, OverflowError):
        return str(value) if value else ""


def check_out(out: Path | None, run: Contents) -> None:
    """Raise the ProsodyError that `write` would raise, before the work is done."""
    from prosody.files import check_new

    path = out or run.folder / FILE
    try:
        check_new(path, overwrite=_is_ours(path, run))
    except ProsodyError as error:
        if error.what != "already exists":
            raise
        raise ProsodyError(path, None, "already exists and is no report of this run", "give another name") from None
