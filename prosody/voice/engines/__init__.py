"""Speech engines, each behind the same small protocol: marked text in, samples and the truth about them out.

`hibari` is built in; it sets duration, pitch and energy of every word directly. `espeak` is an optional second one,
driven as its own process by what SSML can say.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from prosody.errors import ProsodyError

if TYPE_CHECKING:
    import numpy as np

    from prosody.dataset import Word
    from prosody.markers import MarkedText
    from prosody.voice.parameters import SpeakParameters

NAMES: tuple[str, ...] = ("hibari", "espeak")
Progress = Callable[[int, int], None]
Measured = Mapping[str, float | None]


@dataclass(frozen=True)
class Target:
    """What was asked of one word.

    f0_*_hz: pitch at the median, at its first and its last voiced frame, and at its highest; None without voiced sound,
    and from an engine that is asked for pitch only by how much it differs.
    duration_scale, energy_scale: against what the voice itself would do.
    pause_before_s: silence, 0 where none is asked for.
    """

    f0_level_hz: float | None = None
    f0_start_hz: float | None = None
    f0_end_hz: float | None = None
    f0_peak_hz: float | None = None
    duration_scale: float = 1.0
    energy_scale: float = 1.0
    pause_before_s: float = 0.0


@dataclass(frozen=True)
class Rendering:
    """What an engine makes of marked text, at the loudness it happens to have.

    samples: float32 mono [n] at the engine's SAMPLE_RATE. words: true times (s), in the order of the text; a word
    without sound (a lone dash) has start == end. targets: what was asked of each word. final_pause_s: silence asked for
    at the end. notes: one line for each thing worth telling (a word left silent, a marker only approximated).
    """

    samples: np.ndarray
    words: tuple[Word, ...]
    targets: tuple[Target, ...]
    final_pause_s: float
    notes: tuple[str, ...] = ()


class Engine(Protocol):
    """A speech engine: a module with these names.

    NAME: as in `NAMES`. VOICE: engine and voice, for records. SAMPLE_RATE: Hz.
    """

    NAME: str
    VOICE: str
    SAMPLE_RATE: int

    def is_installed(self) -> bool:
        """Whether the engine seems to be here."""
        ...

    def render(
        self,
        text: MarkedText,
        *,
        parameters: SpeakParameters,
        seed: int,
        shape: Sequence[Measured] | None = None,
        progress: Progress | None = None,
    ) -> Rendering:
        """Speak `text`, which has words.

        shape: of each word what its sound should measure, where it has no pitch marker and no <emph>: f0_level_st,
        f0_slope_st (semitones) and energy_db, each less the speaker's median word; what is missing or None is left to
        the voice. It is heeded as far as `parameters` let an unmarked word go. progress: called with (sentences done,
        sentences in all).
        Raises ProsodyError if the engine is not installed, or if a word cannot be read aloud.
        """
        ...


def get(name: str) -> Engine:
    """The engine of that name. Raises ProsodyError if there is none."""
    if name not in NAMES:
        raise ProsodyError(None, "engine", f"there is no engine “{name}”", f"use one of: {', '.join(NAMES)}")
    return cast(Engine, importlib.import_module(f"{__name__}.{name}"))


def available() -> tuple[str, ...]:
    """The names of the engines that can speak here: the built-in one, and espeak where it is installed."""
    return tuple(name for name in NAMES if get(name).is_installed())
