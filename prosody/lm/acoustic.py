"""The loss that listens: from what the model knows of a word, a small head predicts how the audio sounds there.

The targets are the word's measurements in the real recording, each less the speaker's median word and in the spread of
the speaker's words, so that all weigh alike. What could not be measured, such as the f0 of an unvoiced word, is left
out. The loss is Huber's (1964), since some measurements are mistaken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from torch import Tensor

MEASUREMENTS = ("f0_level_st", "f0_slope_st", "energy_db", "duration_z", "pause_before_s")
HEAD_FILE = "acoustic_head.safetensors"
_HIDDEN = 128
_LEAST_SPREAD = 1e-3
_TOO_MUCH = 1e9  # is no measurement
_PAUSE_UNIT_S = 0.1  # pauses are taken in logarithms: 0.1 s more says much after none, little after a second


@dataclass(frozen=True)
class Scale:
    """The speaker's words: median and spread (interquartile range / 1.35) of each of `names`."""

    names: tuple[str, ...]
    medians: tuple[float, ...]
    spreads: tuple[float, ...]

    def as_json(self) -> dict[str, list[str] | list[float]]:
        """For the head's file."""
        return {name: list(value) for name, value in asdict(self).items()}


def table(measured: Sequence[Mapping[str, float | None]], names: Sequence[str] = MEASUREMENTS) -> np.ndarray:
    """Measurements of words as numbers [shape=(n_words, n_names)], NaN where there is none; pauses in logarithms."""
    found = np.full((len(measured), len(names)), np.nan, dtype=np.float32)
    for k, one in enumerate(measured):
        for column, name in enumerate(names):
            value = one.get(name)
            if value is not None and abs(value) < _TOO_MUCH:
                found[k, column] = np.log1p(max(value, 0) / _PAUSE_UNIT_S) if name == "pause_before_s" else value
    return found


def any_measured(values: np.ndarray) -> bool:
    """Whether there is a measurement at all."""
    return bool(np.isfinite(values).any())


def scale(values: np.ndarray, names: Sequence[str] = MEASUREMENTS) -> Scale:
    """Medians and spreads of words' measurements [shape=(n_words, n_names)]; 0 and 1 where nothing was measured."""
    medians, spreads = [], []
    for column in values.T:
        known = column[np.isfinite(column)].astype(float)
        low, middle, high = np.quantile(known, (0.25, 0.5, 0.75)) if len(known) else (0.0, 0.0, 1.35)
        spread = (high - low) / 1.35
        if spread < _LEAST_SPREAD:  # most words alike, as most have no pause before them
            spread = float(np.std(known)) if len(known) else 1.0
        medians.append(float(middle))
        spreads.append(max(float(spread), _LEAST_SPREAD))
    return Scale(tuple(names), tuple(medians), tuple(spreads))


def scaled(values: np.ndarray, by: Scale) -> np.ndarray:
    """Measurements in the speaker's own spreads [shape=(n_words, n_names)]."""
    return ((values - np.array(by.medians)) / np.array(by.spreads)).astype(np.float32)


class AcousticHead(nn.Module):
    """Hidden state of a word → its measurements, scaled."""

    def __init__(self, width: int, n_measurements: int, *, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(nn.Linear(width, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, n_measurements))

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden [shape=(n_words, width)] → measurements [shape=(n_words, n_measurements)]."""
        return self.layers(hidden.float())


def loss_sum(predicted: Tensor, targets: Tensor) -> Tensor:
    """Huber's loss added up over all that was measured. Both [shape=(n_words, n_measurements)]; NaN: not measured."""
    known = torch.isfinite(targets)  # not chosen by: the shape of what follows would depend on it
    errors = nn.functional.huber_loss(predicted, torch.where(known, targets, 0.0), reduction="none")
    return torch.where(known, errors, 0.0).sum()


def save_head(folder: Path, head: AcousticHead, by: Scale) -> None:
    """Write the head into an adapter's folder."""
    from safetensors.torch import save_file

    metadata = {"scale": json.dumps(by.as_json())}  # one entry: of several, the order would change from time to time
    tensors = {name: one.detach().cpu().contiguous() for name, one in head.state_dict().items()}
    save_file(tensors, folder / HEAD_FILE, metadata=metadata)


def load_head(folder: Path, *, width: int) -> tuple[AcousticHead, Scale] | None:
    """The head of an adapter, and the speaker's scale; None if it has none.

    width: of the base's hidden state. Raises ProsodyError if the file is damaged or of another base.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / HEAD_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as held:
            told = json.loads((held.metadata() or {})["scale"])
            names = tuple(map(str, told["names"]))
            medians, spreads = (tuple(map(float, told[name])) for name in ("medians", "spreads"))
            head = AcousticHead(width, len(names))
            head.load_state_dict({name: held.get_tensor(name) for name in held.keys()})  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0][:120]
        raise ProsodyError(path, None, f"is damaged, or of another base ({first})", "train it anew") from error
    return head.eval(), Scale(names, medians, spreads)


def head_bytes(folder: Path) -> int:
    """Size of the head's file, bytes; 0 if there is none."""
    path = folder / HEAD_FILE
    return path.stat().st_size if path.is_file() else 0
