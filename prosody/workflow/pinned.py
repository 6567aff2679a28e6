"""Which runs and reviews a run's parameters mean: "latest" is another one each day."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from prosody.workflow import record

REVIEW = "reviewed"  # the parameter, and …
_UPSTREAM_REVIEW = "review"  # … its name in upstream.json
_SUFFIX = "_run"


def recorded(parameters: Mapping[str, Any], upstream: Mapping[str, Any]) -> dict[str, Any]:
    """A run's parameters with what it took in place of "latest", so that they mean the same for ever.

    upstream: its upstream.json. A training begins anew, whatever was cut short then or since.
    """
    values = dict(parameters)
    for stage, run in upstream.items():
        if f"{stage}{_SUFFIX}" in values and isinstance(run, str):
            values[f"{stage}{_SUFFIX}"] = run
    if REVIEW in values:
        review = upstream.get(_UPSTREAM_REVIEW)
        values[REVIEW] = PurePosixPath(str(review)).name if review else "no"
    if values.get("resume") in ("auto", None) and "resume" in values:
        values["resume"] = "never"
    return values


def now(parameters: Mapping[str, Any], *, runs: Path) -> dict[str, Any]:
    """Parameters with the runs and the review that "latest" means now; where there is none it stays "latest".

    Raises ProsodyError if a run or review that is named is not there.
    """
    values, upstream = dict(parameters), {}
    for stage in record.STAGES:
        name = f"{stage}{_SUFFIX}"
        if name in values:
            found = record.find(runs, stage, str(values[name]))
            if found is not None:
                upstream[stage] = str(found.status.get("id", found.id))
    if REVIEW in values and "prepare" in upstream:
        from prosody.workflow import reviews

        data = record.find(runs, "prepare", upstream["prepare"]).artifacts / "dataset"
        chosen = reviews.chosen(data, str(values[REVIEW]), runs=runs)
        upstream[_UPSTREAM_REVIEW] = chosen.name if chosen else None
    return recorded(values, upstream)
