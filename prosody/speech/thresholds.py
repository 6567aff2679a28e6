"""The thresholds of detection in a file, as `calibrate` writes them and `detect`, `corpus` and 02_prepare take them.

A dataset keeps those that it was made with, so that what is added to it is judged by the same.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from typing import Any

from prosody import files
from prosody.dataset import INFO_FILE, Dataset
from prosody.errors import ProsodyError
from prosody.speech.detect import DetectParameters


def load_parameters(path: str | os.PathLike[str]) -> DetectParameters:
    """The thresholds in a JSON file, name → number; those not in it are the defaults.

    Raises ProsodyError if the file is missing or no JSON object, names a threshold that there is not, or gives a value
    that is no usable number.
    """
    return _parameters(files.read_json(path), path)


def of_dataset(data: Dataset) -> DetectParameters:
    """The thresholds by which the evidence in a dataset was found: the defaults where it names none.

    Raises ProsodyError as `load_parameters` does.
    """
    prepare = data.info["parameters"].get("prepare")
    raw = prepare.get("detect", {}) if isinstance(prepare, dict) else {}
    return _parameters(raw, data.folder / INFO_FILE, inside="parameters.prepare.detect")


def save_parameters(path: str | os.PathLike[str], parameters: DetectParameters, *, overwrite: bool = False) -> None:
    """Write thresholds for `load_parameters`. Raises ProsodyError if the file exists and `overwrite` is false."""
    files.write_json(path, dataclasses.asdict(parameters), overwrite=overwrite)


def _parameters(raw: Any, path: str | os.PathLike[str], *, inside: str = "") -> DetectParameters:
    """Thresholds from what a file holds. inside: the field of the file that it is, for messages."""
    before = f"{inside}." if inside else ""
    if not isinstance(raw, dict):
        remedy = 'write {"name": number, ...}, as `calibrate -o` does'
        raise ProsodyError(path, inside or None, "is no JSON object", remedy)
    known = [one.name for one in dataclasses.fields(DetectParameters)]
    for name, value in raw.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise ProsodyError(path, f"field '{before}{name}'", "is no threshold of detection", remedy)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ProsodyError(path, f"field '{before}{name}'", f"is {value!r}", "give a number")
    try:
        return DetectParameters(**{name: float(value) for name, value in raw.items()})
    except ProsodyError as error:
        raise ProsodyError(path, f"field '{before}{error.where}'", error.what, error.remedy) from None
    except OverflowError:
        raise ProsodyError(path, inside or None, "holds a number that is too large", "give smaller ones") from None
