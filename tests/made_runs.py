"""Records of runs made without running anything, for what is told of many of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

BEGUN = datetime(2026, 11, 1, tzinfo=UTC)
NOTEBOOK = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}


def name_of(k: int) -> str:
    """The id of the k-th run."""
    return f"{BEGUN + timedelta(minutes=k):%Y%m%dT%H%M%SZ}-{k:06x}"


def make(
    runs: Path,
    stage: str,
    k: int,
    *,
    state: str = "ok",
    of: Sequence[Path] = (),
    writes: str | None = None,
    reads: Sequence[Path] = (),
    params: Mapping[str, object] | None = None,
    **status: object,
) -> Path:
    """The folder of a run that read all that the runs `of` wrote, and the files `reads`, and wrote `out.txt`."""
    folder = runs / stage / name_of(k)
    (folder / "artifacts").mkdir(parents=True)
    (folder / "artifacts" / "out.txt").write_text(writes or f"{stage} {k}")
    files = [one / "artifacts" / "out.txt" for one in of] + list(reads)
    begun = (BEGUN + timedelta(minutes=k)).isoformat()
    data = {
        "status": {"status": state, "stage": stage, "id": folder.name, "started": begun, "ended": begun, **status},
        "upstream": {one.parent.name: one.name for one in of},
        "inputs": [entry(path, path.as_posix()) for path in files],
        "outputs": [entry(folder / "artifacts" / "out.txt", "artifacts/out.txt")] if state == "ok" else [],
        "params": {f"{one.parent.name}_run": one.name for one in of} | dict(params or {}),
        "metrics": {},
        "git": {"commit": "c" * 40, "dirty": False, "package_sha256": "p" * 64},
        "notebook": NOTEBOOK,
    }
    for name, value in data.items():
        (folder / (f"{name}.ipynb" if name == "notebook" else f"{name}.json")).write_text(json.dumps(value))
    (folder / "log.txt").touch()
    return folder


def entry(path: Path, shown: str) -> dict[str, object]:
    """A file as records describe it."""
    data = path.read_bytes()
    return {"path": shown, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def change(folder: Path, name: str, **values: object) -> None:
    """Edit one file of a record by hand."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
