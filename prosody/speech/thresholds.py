"""The thresholds of detection in a file, as `calibrate` writes them and `detect` and `corpus` take them."""

from __future__ import annotations

import dataclasses
import difflib
import os

from prosody import files
from prosody.errors import ProsodyError
from prosody.speech.detect import DetectParameters


def load_parameters(path: str | os.PathLike[str]) -> DetectParameters:
    """The thresholds in a JSON file, name → number; those not in it are the defaults.

    Raises ProsodyError if the file is missing or no JSON object, names a threshold that there is not, or gives a value
    that is no usable number.
    """
    raw = files.read_json(path)
    if not isinstance(raw, dict):
        raise ProsodyError(path, None, "is no JSON object", 'write {"name": number, ...}, as `calibrate -o` does')
    known = [one.name for one in dataclasses.fields(DetectParameters)]
    for name, value in raw.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise ProsodyError(path, f"field {name!r}", "is no threshold of detection", remedy)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ProsodyError(path, f"field {name!r}", f"is {value!r}", "give a number")
    try:
        return DetectParameters(**{name: float(value) for name, value in raw.items()})
    except ProsodyError as error:
        raise ProsodyError(path, f"field {error.where!r}", error.what, error.remedy) from None
    except OverflowError:
        raise ProsodyError(path, None, "holds a number that is too large", "give smaller ones") from None


def save_parameters(path: str | os.PathLike[str], parameters: DetectParameters, *, overwrite: bool = False) -> None:
    """Write thresholds for `load_parameters`. Raises ProsodyError if the file exists and `overwrite` is false."""
    files.write_json(path, dataclasses.asdict(parameters), overwrite=overwrite)
