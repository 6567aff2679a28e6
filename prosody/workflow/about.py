"""One run to read: how it ended, what it was asked, made of what, with which code, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from prosody.errors import ProsodyError, one_line
from prosody.workflow import parameters
from prosody.workflow.compare import text as compare_text
from prosody.workflow.contents import Contents
from prosody.workflow.progress import elapsed

_MOST = 12  # files that are named
_LOG_LINES = 12
_CUT = ("failed", "interrupted", "killed")


def changed_parameters(run: Contents) -> dict[str, tuple[Any, Any]] | None:
    """Parameters that are not the run's notebook's defaults: what was given, and the default.

    None where the notebook does not tell its defaults.
    """
    try:
        known = {one.name: one.default for one in parameters.of_notebook(run.folder / "notebook.ipynb")}
    except ProsodyError:
        return None
    if not known:
        return None
    return {name: (value, known.get(name)) for name, value in run.params.items() if value != known.get(name)}


def as_text(run: Contents) -> str:
    """The run, a part after the other; what is missing or damaged at the end."""
    lines = [f"{run.stage}/{one_line(run.id)}  {one_line(run.state)}"]
    lines += _aligned([(name, value) for name, value in _facts(run) if value])
    lines += ["", *_parameters(run)]
    for name, entries in (("inputs", run.inputs), ("outputs", run.outputs)):
        lines += ["", *_files(name, entries)]
    if run.state in _CUT and run.log.strip():
        lines += ["", "last lines of the log", *(f"  {one_line(one)}" for one in _last(run))]
    if run.trouble:
        lines += ["", "missing or damaged", *(f"  {one_line(one)}" for one in run.trouble)]
    return "\n".join(lines)


def as_json(run: Contents) -> dict[str, Any]:
    """The same as plain data, with all files and the hashes in full."""
    changed = changed_parameters(run)
    return {
        "stage": run.stage,
        "id": run.id,
        "status": {**run.status, "status": run.state},
        "parameters": dict(run.params),
        "changed_parameters": changed and {name: {"value": a, "default": b} for name, (a, b) in changed.items()},
        "metrics": dict(run.metrics),
        "code": dict(run.git),
        "upstream": dict(run.upstream),
        "inputs": list(run.inputs),
        "outputs": list(run.outputs),
        "log": _last(run) if run.state in _CUT else [],
        "trouble": list(run.trouble),
    }


def _facts(run: Contents) -> Iterator[tuple[str, str]]:
    status = run.status
    known = status.get("id")
    yield "id", str(known) if known not in (None, run.id) else ""  # the folder was renamed
    yield "begun", _time(status.get("started"))
    seconds = status.get("seconds")
    took = elapsed(seconds) if isinstance(seconds, (int, float)) and 0 <= seconds < 1e9 else ""
    yield "ended", ", ".join(one for one in (_time(status.get("ended")), took and f"took {took}") if one)
    yield "how", ", ".join(str(one) for one in (status.get("how"), _exit(status)) if one)
    error = status.get("error")
    if isinstance(error, Mapping):
        place = "".join(f"{name} {error[name]}, " for name in ("cell", "line") if error.get(name) is not None)
        yield "error", f"{place}{error.get('name')}: {error.get('message')}"
    yield "reason", str(status.get("reason") or "")
    yield "again", f"made again of {status['rerun_of']}" if status.get("rerun_of") else ""
    yield "from", ", ".join(f"{stage} {of}" for stage, of in run.upstream.items())
    yield "code", _code(run.git)
    yield "figures", compare_text.headline(run) if run.state != "failed" else ""


def _exit(status: Mapping[str, Any]) -> str:
    return f"exit code {status['exit']}" if status.get("exit") not in (None, 0) else ""


def _code(git: Mapping[str, Any]) -> str:
    if not git:
        return ""
    commit, branch = git.get("commit"), git.get("branch")
    told = [f"commit {str(commit)[:12]}" + (f" ({branch})" if branch else "") if commit else "no commit"]
    if "dirty" in git:
        told.append("with changes that were not committed" if git["dirty"] else "nothing uncommitted")
    elif commit:
        told.append("its changes are not known")
    if git.get("package_sha256"):
        told.append(f"package {str(git['package_sha256'])[:12]}")
    return ", ".join(told)


def _parameters(run: Contents) -> list[str]:
    changed, n = changed_parameters(run), len(run.params)
    if changed is None:
        rows = [(name, compare_text.shown(value)) for name, value in run.params.items()]
        return [f"parameters ({n}; the defaults are not known)", *_aligned(rows)]
    rows = [(name, f"{compare_text.shown(a)}  (default {compare_text.shown(b)})") for name, (a, b) in changed.items()]
    return [f"parameters that are not the notebook's defaults ({len(rows)} of {n})", *_aligned(rows)]


def _files(name: str, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    total = sum(one["bytes"] for one in entries if isinstance(one.get("bytes"), int))
    files = "1 file" if len(entries) == 1 else f"{len(entries)} files"
    head = f"{name} ({files}, {total:,} bytes)"
    rows = [(str(one.get("path")), compare_text.file((one.get("sha256"), one.get("bytes")))) for one in entries]
    more = [f"  … and {len(rows) - _MOST} more (--json has all)"] if len(rows) > _MOST else []
    return [head, *_aligned(rows[:_MOST]), *more]


def _aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max((len(one_line(name)) for name, _ in rows), default=0)
    return [f"  {one_line(name):{width}}  {one_line(value)}".rstrip() for name, value in rows]


def _last(run: Contents) -> list[str]:
    return [line for line in run.log.splitlines() if line.strip()][-_LOG_LINES:]


def _time(value: Any) -> str:
    with suppress(TypeError, ValueError, OverflowError):
        return f"{datetime.fromisoformat(value).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return ""
