"""Whether a run made again gave the same: every output beside that of the first run.

Identical bytes come first. What must differ, a run's id, its times and memory, is named and taken out; then numbers,
samples and weights are the same within a named tolerance; or they are different, and what differs is told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError
from prosody.files import read_json, sha256
from prosody.workflow import record

IDENTICAL, EQUAL, DIFFERENT = "identical", "equal", "different"
NUMBERS = 1e-6  # relative, of numbers in JSON
SAMPLES = 2 / 32_768  # of full scale, in sound
WEIGHTS = 1e-5  # absolute, in safetensors
_CHANGING = ("seconds", "seconds_estimated", "seconds_to_first_sound", "tokens_per_s", "mfu", "at", "created", "date")
# (with the clock, or what else runs; other names in seconds, as duration_s, are what was measured or asked for)
_NOT_COMPARED = "artifacts/checkpoints/"  # when they are written goes by the clock
_TEXT = (".md", ".txt", ".csv", ".textgrid", ".html", ".xml", ".ssml")


@dataclass(frozen=True)
class Compared:
    """One output of both runs. verdict: identical, equal or different; how: within what, or what differs."""

    path: str
    verdict: str
    how: str = ""


def outputs(first: record.Run, second: record.Run, *, ids: Mapping[str, str] | None = None) -> list[Compared]:
    """Compare all outputs of two runs, and their metrics, in the order of their paths.

    ids: by a run's id in the first one the id in the second that takes its place, beside those of the two themselves.
    """
    swapped = {str(first.status.get("id", first.id)): second.id, first.id: second.id, **(ids or {})}
    then, now = _entries(first), _entries(second)
    compared = []
    for path in sorted(then.keys() | now.keys()):
        if path.startswith(_NOT_COMPARED):
            continue
        if path not in now:
            compared.append(Compared(path, DIFFERENT, "was not made again"))
        elif path not in then:
            compared.append(Compared(path, DIFFERENT, "was not made then"))
        elif then[path]["sha256"] == now[path]["sha256"]:
            compared.append(Compared(path, IDENTICAL))
        else:
            files = (record.located(path, run.folder) for run in (first, second))
            compared.append(_compared(path, *files, swapped, then[path]["sha256"]))
    return [*compared, _metrics(first, second, swapped)]


def verdict(compared: list[Compared]) -> str:
    """The worst of them."""
    found = {one.verdict for one in compared}
    return next((one for one in (DIFFERENT, EQUAL) if one in found), IDENTICAL)


def _entries(run: record.Run) -> dict[str, Mapping[str, Any]]:
    return {str(entry["path"]): entry for entry in read_json(run.folder / "outputs.json")}


def _metrics(first: record.Run, second: record.Run, ids: Mapping[str, str]) -> Compared:
    if dict(first.metrics) == dict(second.metrics):
        return Compared("metrics.json", IDENTICAL)
    return _judged("metrics.json", _data(first.metrics, second.metrics, ids), "but for times and memory")


def _compared(path: str, then: Path, now: Path, ids: Mapping[str, str], sha256_then: str) -> Compared:
    """Two files of other bytes. sha256_then: what the first one had when it was made."""
    from safetensors import SafetensorError
    from soundfile import LibsndfileError

    suffix = Path(path).suffix.lower()
    try:
        if not then.is_file():
            return Compared(path, DIFFERENT, "that of then is gone, and its bytes were others")
        if sha256(then) != sha256_then:
            return Compared(path, DIFFERENT, "that of then was changed since, and its bytes were others")
        if suffix == ".json":
            return _judged(path, _data(read_json(then), read_json(now), ids), "but for run ids, times and memory")
        if suffix == ".wav":
            return _sound(path, then, now)
        if suffix == ".safetensors":
            return _weights(path, then, now)
        if suffix in _TEXT:
            return _text(path, then, now, ids)
    except (ProsodyError, OSError, ValueError, LibsndfileError, SafetensorError) as error:
        return Compared(path, DIFFERENT, f"cannot be compared ({error})")
    sizes = then.stat().st_size, now.stat().st_size
    return Compared(path, DIFFERENT, f"other bytes ({sizes[0]:,} then, {sizes[1]:,} now)")


def _judged(path: str, different: Iterator[str], besides: str) -> Compared:
    found = next(different, None)
    if found is None:
        return Compared(path, EQUAL, f"numbers within {NUMBERS:g}, {besides}")
    return Compared(path, DIFFERENT, found)


def _data(then: Any, now: Any, ids: Mapping[str, str], at: str = "") -> Iterator[str]:
    """Where two values of JSON differ, a line each; times, memory and run ids are passed over."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for name in sorted(then.keys() | now.keys()):
            if not _is_changing(str(name)):
                yield from _data(then.get(name), now.get(name), ids, f"{at}.{name}" if at else str(name))
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for index, pair in enumerate(zip(then, now, strict=True)):
            yield from _data(*pair, ids, f"{at}[{index}]")
    elif type(then) in (int, float) and type(now) in (int, float):
        if not math.isclose(then, now, rel_tol=NUMBERS, abs_tol=1e-12):
            yield f"{at}: {then} then, {now} now"
    elif isinstance(then, str) and isinstance(now, str):
        if _swapped(then, ids) != now:
            yield f"{at}: {then[:40]!r} then, {now[:40]!r} now"
    elif then != now or type(then) is not type(now):
        yield f"{at}: {json.dumps(then)[:40]} then, {json.dumps(now)[:40]} now"


def _is_changing(name: str) -> bool:
    return name in _CHANGING or "memory" in name


def _swapped(text: str, ids: Mapping[str, str]) -> str:
    for old, new in ids.items():
        text = text.replace(old, new)
    return text


def _sound(path: str, then: Path, now: Path) -> Compared:
    import numpy as np
    import soundfile

    (a, rate_a), (b, rate_b) = (soundfile.read(one, always_2d=True) for one in (then, now))
    if rate_a != rate_b or a.shape != b.shape:
        sizes = f"{len(a) / rate_a:.3f} s then, {len(b) / rate_b:.3f} s now"
        return Compared(path, DIFFERENT, f"other lengths or rates ({sizes})")
    most = float(np.abs(a - b).max(initial=0.0))
    told = f"samples differ by up to {most:.2g} of full scale"
    return (
        Compared(path, EQUAL, f"samples within {SAMPLES:.2g}") if most <= SAMPLES else Compared(path, DIFFERENT, told)
    )


def _weights(path: str, then: Path, now: Path) -> Compared:
    import numpy as np
    from safetensors.numpy import load_file

    a, b = load_file(then), load_file(now)
    kinds = ({name: (value.shape, value.dtype) for name, value in one.items()} for one in (a, b))
    if next(kinds) != next(kinds):
        return Compared(path, DIFFERENT, "other tensors, or of other shapes or types")
    pairs = ((name, a[name].astype(np.float64), b[name].astype(np.float64)) for name in a)  # yes and no subtract, too
    apart = {name: float(np.nan_to_num(np.abs(x - y), nan=np.inf).max(initial=0.0)) for name, x, y in pairs}
    most, name = max(((value, name) for name, value in apart.items()), default=(0.0, ""))
    if most <= WEIGHTS:
        return Compared(path, EQUAL, f"weights within {WEIGHTS:g}")
    how = f"differ by up to {most:.2g}" if math.isfinite(most) else "that are not a number"
    return Compared(path, DIFFERENT, f"weights {how}, most in {name}")


def _text(path: str, then: Path, now: Path, ids: Mapping[str, str]) -> Compared:
    before, after = (one.read_text(encoding="utf-8", errors="replace").splitlines() for one in (then, now))
    before = [_swapped(line, ids) for line in before]
    for number, (a, b) in enumerate(zip(before, after, strict=False), 1):
        if a != b:
            return Compared(path, DIFFERENT, f"line {number}: {a[:60]!r} then, {b[:60]!r} now")
    if len(before) != len(after):
        return Compared(path, DIFFERENT, f"{len(before)} lines then, {len(after)} now")
    return Compared(path, EQUAL, "the same text, but for run ids")
