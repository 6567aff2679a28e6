"""One marker on one word, heard and measured: the same sentence with the marker and without, and both pitch curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from prosody import markers
from prosody.dataset import Word
from prosody.errors import ProsodyError
from prosody.markers import BY_TOKEN, MarkedText, MarkedWord
from prosody.notebook import look, redrawn
from prosody.speech.audio import Audio
from prosody.speech.measure import Tracks, measure, track
from prosody.voice.speak import Spoken, speak

MOST_WORDS = 20  # of a sentence that is spoken anew at each change
_MEASURED = {  # name → (what people read, unit, decimals, factor)
    "f0_level_st": ("f0 level, against the words near it", "st", 1, 1),
    "f0_slope_st": ("f0 slope through the word", "st", 1, 1),
    "f0_excursion_st": ("f0 range in the word", "st", 1, 1),
    "energy_db": ("energy, against the median word", "dB", 1, 1),
    "duration_s": ("duration", "ms", 0, 1000),
    "pause_before_s": ("pause before it", "ms", 0, 1000),
}
_BREAK_S = 0.03  # voiced frames further apart are not joined by a line


@dataclass(frozen=True)
class Rendered:
    """A sentence as it was spoken: the sound, its f0 and energy over time, and each word measured."""

    spoken: Spoken
    tracks: Tracks
    measured: tuple[Mapping[str, float | None], ...]


@dataclass(frozen=True)
class Contrast:
    """A sentence without and with one marker before one word (number `word`, from 0)."""

    word: int
    token: str
    plain: Rendered
    marked: Rendered

    @property
    def text(self) -> str:
        """The word."""
        return self.marked.spoken.words[self.word].text

    def differences(self) -> dict[str, tuple[float | None, float | None, float | None]]:
        """What was measured of the word: without the marker, with it, and the difference, in the measurement's unit."""
        found = {}
        for name in _MEASURED:
            before, after = (one.measured[self.word][name] for one in (self.plain, self.marked))
            more = None if before is None or after is None else after - before
            found[name] = (before, after, more)
        return found


def words_of(sentence: str) -> tuple[str, ...]:
    """The words of a sentence, which may carry markers of its own: they are left out.

    Raises ProsodyError if it is not well marked, holds no words, or more than `MOST_WORDS`.
    """
    words = tuple(word.text for word in markers.parse(sentence).words)
    if not 1 <= len(words) <= MOST_WORDS:
        raise ProsodyError(None, "sentence", f"has {len(words)} words", f"give one of 1 to {MOST_WORDS}")
    return words


def contrast(sentence: str, word: int, token: str, *, seed: int = 0) -> Contrast:
    """Speak a sentence without markers, and with one before a word; follow and measure both. About a second.

    word: its number, from 0. token: the marker, as "<emph>". What was spoken last is kept and not spoken again.
    Raises ProsodyError as `words_of` and `speak` do, and if there is no such word or marker.
    """
    words = words_of(sentence)
    if token not in BY_TOKEN:
        raise ProsodyError(None, "marker", f"{token!r} is unknown", f"use one of {' '.join(BY_TOKEN)}")
    if not 0 <= word < len(words):
        raise ProsodyError(None, "word", f"{word} is none of the {len(words)} words", "count from 0")
    return Contrast(word, token, _rendered(words, None, "", seed), _rendered(words, word, token, seed))


@lru_cache(maxsize=64)
def _rendered(words: tuple[str, ...], at: int | None, token: str, seed: int) -> Rendered:
    text = MarkedText(tuple(MarkedWord(word, (token,) if i == at else ()) for i, word in enumerate(words)))
    spoken = speak(text, seed=seed)
    audio = Audio(spoken.samples, spoken.sample_rate, Path("sentence"), "", spoken.sample_rate, 1)
    tracks = track(audio)
    return Rendered(spoken, tracks, tuple(measure(audio, spoken.words, tracks=tracks)))


def contrast_figure(shown: Contrast) -> go.Figure:
    """The f0 of both over one another, in semitones about the plain one's median, the word shaded in each.

    Both are shifted so that the word begins at 0 s: a marker may make what stands before it longer.
    """
    median_hz = shown.plain.tracks.f0_median_hz
    figure = go.Figure()
    color = BY_TOKEN[shown.token].color
    drawn = [
        ("without", shown.plain, look.TEXT, "dot"),
        (f"with {look.text(shown.token)}", shown.marked, color, "solid"),
    ]
    ends: list[float] = []
    for row, (name, one, shade, dash) in enumerate(drawn):
        zero = one.spoken.words[shown.word].start
        times, st = _f0(one.tracks, median_hz)
        figure.add_scatter(
            x=_rounded(times - zero, 3), y=_rounded(st, 2), name=name, mode="lines", connectgaps=False,
            line={"color": shade, "width": 3 if row else 2, "dash": dash},
            hovertemplate="%{x:.2f} s: %{y:.1f} st<extra>" + name + "</extra>",
        )  # fmt: skip
        _add_words(figure, one.spoken.words, zero, row, shade, shown.word)
        ends += [-zero, one.spoken.duration - zero]
    title = f"f0 of the sentence without and with {shown.token} before “{shown.text.strip('.,;:!?')}”"
    look.dress(figure, title=title, height=430, legend=True)
    figure.update_xaxes(title_text="time from the word's begin (s)", range=[round(min(ends), 2), round(max(ends), 2)])
    figure.update_yaxes(title_text="f0 (st about the plain median)", domain=[0.0, 0.8])
    figure.update_layout(yaxis2={"domain": [0.83, 1.0], "range": [-1.5, 0.5], "visible": False, "fixedrange": True})
    return figure


def _f0(tracks: Tracks, median_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Voiced frames as times (s) and semitones, with a gap wherever the voice stops."""
    voiced = np.isfinite(tracks.f0_hz)
    times, st = tracks.f0_times[voiced], 12 * np.log2(tracks.f0_hz[voiced] / median_hz)
    at = np.flatnonzero(np.diff(times) > _BREAK_S) + 1
    return np.insert(times, at, times[at]), np.insert(st, at, np.nan)


def _rounded(values: np.ndarray, places: int) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), places) for value in values]


def _add_words(figure: go.Figure, words: tuple[Word, ...], zero: float, row: int, color: str, chosen: int) -> None:
    """The words of one rendering, each at its middle, in a line of their own; the chosen one's time as a shade."""
    texts = [look.text(word.text) for word in words]
    texts[chosen] = f"<b>{texts[chosen]}</b>"
    figure.add_scatter(
        x=[round((word.start + word.end) / 2 - zero, 3) for word in words], y=[-row] * len(words), yaxis="y2",
        mode="text", text=texts,
        textfont={"color": look.TEXT, "size": 12}, hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    word = words[chosen]
    figure.add_shape(
        type="rect", yref="paper", y0=0, y1=1, x0=0, x1=round(word.end - word.start, 3), layer="below",
        fillcolor=color, opacity=0.13, line={"width": 0}, name=f"word {row}",
    )  # fmt: skip


def told(shown: Contrast) -> str:
    """What was measured of the word, without the marker, with it, and the difference, as a table."""
    rows = {}
    for name, values in shown.differences().items():
        label, unit, places, factor = _MEASURED[name]
        scaled = [None if value is None else value * factor for value in values]
        rows[label] = [_number(scaled[0], unit, places, name), _number(scaled[1], unit, places, name)]
        rows[label].append(redrawn.signed(scaled[2], unit, places))
    return redrawn.table_html([f"of “{shown.text}”", "without", f"with {shown.token}", "difference"], rows)


def _number(value: float | None, unit: str, places: int, name: str) -> str:
    if name in ("duration_s", "pause_before_s", "f0_excursion_st") and value is not None:
        return f"{value:.{places}f} {unit}"
    return redrawn.signed(value, unit, places)


def sounds(shown: Contrast) -> dict[str, tuple[Any, int]]:
    """Both renderings to be played: name → (samples, sample rate)."""
    named = {"without": shown.plain.spoken, f"with {shown.token}": shown.marked.spoken}
    return {name: (one.samples, one.sample_rate) for name, one in named.items()}
