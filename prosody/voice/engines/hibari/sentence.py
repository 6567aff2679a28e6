"""One sentence spoken by the engine, with its words' markers put into durations, pitch and energy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from prosody.markers import MarkedWord
from prosody.voice import pieces
from prosody.voice.engines import Measured, Target
from prosody.voice.engines.hibari import contour, network
from prosody.voice.parameters import SpeakParameters

_MOVING = frozenset(("<pitch_rising>", "<pitch_falling>", "<emph>"))
_SPACES = frozenset(("", " "))
_USUAL_ENERGY = 1.4  # log energy of a vowel
_NEPER_PER_DB = 0.1151
_AUDIBLE = 0.4  # log energy above which a vowel is voiced even if the voice itself would let it die away


Said = tuple[list[pieces.Piece], dict[int, Target]]


@dataclass(frozen=True)
class Sentence:
    """Words that the engine speaks in one go.

    words: with their markers. numbers: each word's place in the whole text. phones: its sounds, "" if it has none.
    """

    words: tuple[MarkedWord, ...]
    numbers: tuple[int, ...]
    phones: tuple[str, ...]

    @property
    def sounding(self) -> list[int]:
        """The numbers of the words that have a sound."""
        return [k for k, sounds in zip(self.numbers, self.phones, strict=True) if network.sounds(sounds)]


def say(
    voice: network.Voice,
    sentence: Sentence,
    *,
    pauses: Mapping[int, float],
    parameters: SpeakParameters,
    rng: np.random.Generator,
    shape: Sequence[Measured] | None = None,
) -> Said:
    """Speak a sentence: its pieces between silences, and what was asked of each word that sounds.

    pauses: silence (s) before words, by number in the whole text. shape: see `engines.Engine`.
    """
    sounding = sentence.sounding
    if not sounding:
        return [], {}
    local = [sentence.numbers.index(k) for k in sounding]
    breaks = [i for i, k in zip(local, sounding, strict=True) if k in pauses]
    encoded = network.encode(voice, sentence.phones, breaks=breaks)
    words = [sentence.words[i] for i in local]
    scales = _duration_scales(voice, encoded, local, words, parameters)
    units = stretched(encoded.lengths, encoded.owner, dict(zip(local, scales, strict=True)), rate=parameters.rate)
    f0_hz, energy = network.predict(voice, encoded, units)
    slots = _slots(encoded, units, local, breaks)
    wanted: Sequence[Measured] = [shape[k] for k in sounding] if shape else [{}] * len(sounding)
    shapes = _shapes(encoded, units, local, words, slots, wanted)
    sonorant = network.sonorant(encoded, units)
    voiced = (f0_hz > contour.VOICED_HZ) | (sonorant & (energy > _AUDIBLE))
    f0_hz, pitches = contour.plan(f0_hz, voiced, shapes, parameters)
    gains = [_gain(word, one, parameters) for word, one in zip(words, wanted, strict=True)]
    energy = raised(energy, shapes, gains)
    shaped = np.zeros(len(voiced), dtype=bool)
    for one in shapes:
        shaped[one.start : one.end] = contour.has_shape(one.markers)
    samples = network.render(voice, encoded, units, f0_hz, energy, rng, steady=voiced & (sonorant | shaped))
    targets = {
        k: Target(*(dataclasses.astuple(pitch) if pitch else (None,) * 4), scale, gain)
        for k, pitch, scale, gain in zip(sounding, pitches, scales, gains, strict=True)
    }
    return pieces.cut(samples, sounding, dict(zip(sounding[1:], slots, strict=True))), targets


def _duration_scales(
    voice: network.Voice,
    encoded: network.Encoded,
    local: Sequence[int],
    words: Sequence[MarkedWord],
    parameters: SpeakParameters,
) -> list[float]:
    """How much longer each word is made: the emphasised, those too short for their pitch to be heard, and short ones
    before a pause, where speech slows down and a lone “a” would go unheard.
    """
    if not any(word.markers for word in words):
        return [1.0] * len(words)
    units = stretched(encoded.lengths, encoded.owner, {}, rate=parameters.rate)
    f0_hz, _ = network.predict(voice, encoded, units)
    scales = []
    for n, (start_s, end_s) in enumerate(_bounds(encoded, units, local)):
        frames = f0_hz[round(start_s / network.FRAME_S) : round(end_s / network.FRAME_S)]
        voiced_s = max(1, int((frames > contour.VOICED_HZ).sum())) * network.FRAME_S
        tokens, following = words[n].markers, words[n + 1].markers if n + 1 < len(words) else ()
        scale = max(1.0, _needed_s(tokens, following, parameters) / voiced_s)
        scale *= parameters.emph_duration if "<emph>" in tokens else 1.0
        scales.append(min(scale, max(parameters.stretch, parameters.emph_duration)))
    return scales


def _needed_s(tokens: Sequence[str], following: Sequence[str], parameters: SpeakParameters) -> float:
    """How much of a word must be voiced, s. tokens, following: its markers, and those of the word after it."""
    if _MOVING & set(tokens):
        return parameters.slope_voiced_s
    before_pause = any(token.startswith("<pause_") for token in following)
    return parameters.level_voiced_s if before_pause or contour.has_shape(tokens) else 0.0


def stretched(lengths: np.ndarray, owner: np.ndarray, scales: Mapping[int, float], *, rate: float) -> np.ndarray:
    """Durations in whole units [n_phones] from lengths [n_phones], each word's multiplied by its scale.

    What is lost in rounding one phone is carried on to the next, so that words keep the length asked for.
    """
    factors = np.array([scales.get(word, 1.0) for word in owner.tolist()]) / rate
    units, carried = [], 0.0
    for length in lengths * factors:
        carried += float(length)
        units.append(max(1, round(carried)))
        carried -= units[-1]
    return np.array(units, dtype=np.int64)


def _bounds(encoded: network.Encoded, units: np.ndarray, local: Sequence[int]) -> list[tuple[float, float]]:
    """(start, end) of each word in s: each begins where the one before it ends, but with its own sounds after a pause.

    (The network says a pitch for silences, too: a word that began in one would do half of its movement unheard.)
    """
    unit_s = network.FRAME_S * network.FRAMES_PER_UNIT
    at_s = np.concatenate([[0], np.cumsum(units)]) * unit_s - network.BOUNDARY_LEAD_S
    bounds: list[tuple[float, float]] = []
    after = 0
    for word in local:
        own = np.flatnonzero(encoded.owner == word)
        apart = not bounds or any(c not in _SPACES for c in encoded.phones[after : own[0]])
        start_s = max(0.0, float(at_s[own[0]])) if apart else bounds[-1][1]
        bounds.append((start_s, float(at_s[own[-1] + 1])))
        after = own[-1] + 1
    return bounds


def _slots(
    encoded: network.Encoded, units: np.ndarray, local: Sequence[int], breaks: Sequence[int]
) -> list[pieces.Slot]:
    """The place before each word but the first."""
    unit_s = network.FRAME_S * network.FRAMES_PER_UNIT
    at_s = np.concatenate([[0.0], np.cumsum(units) * unit_s])
    slots = []
    for before, word in pairwise(local):
        last = np.flatnonzero(encoded.owner == before)[-1]
        first = np.flatnonzero(encoded.owner == word)[0]
        seconds = at_s[last] - network.BOUNDARY_LEAD_S, at_s[first + 1], at_s[last + 1] - network.BOUNDARY_LEAD_S
        start, end, boundary = (max(0, round(s * network.SAMPLE_RATE)) for s in seconds)
        punctuated = any(c not in _SPACES for c in encoded.phones[last + 1 : first])
        slots.append(pieces.Slot((start, end), boundary, word in breaks, punctuated))
    return slots


def _shapes(
    encoded: network.Encoded,
    units: np.ndarray,
    local: Sequence[int],
    words: Sequence[MarkedWord],
    slots: Sequence[pieces.Slot],
    wanted: Sequence[Measured],
) -> list[contour.Shape]:
    """The words on the frame grid."""
    meets = [True, *(slot.pause or slot.punctuated for slot in slots), True]  # phrases meet before these words
    ends = np.cumsum(units) * network.FRAMES_PER_UNIT - round(network.BOUNDARY_LEAD_S / network.FRAME_S)
    shapes = []
    bounds = _bounds(encoded, units, local)
    for n, (word, (start_s, end_s), marked) in enumerate(zip(local, bounds, words, strict=True)):
        vowel = _stressed_vowel(encoded, word)
        stress = int(ends[vowel]) - int(units[vowel])  # its middle: a unit is two frames
        frames = max(0, round(start_s / network.FRAME_S)), round(end_s / network.FRAME_S)
        asked = (wanted[n].get(name) for name in ("f0_level_st", "f0_slope_st"))
        shapes.append(contour.Shape(*frames, stress, marked.markers, meets[n], meets[n + 1], *asked))
    return shapes


def _gain(word: MarkedWord, wanted: Measured, parameters: SpeakParameters) -> float:
    """What a vowel's log energy is multiplied by, in an unmarked word as far as it may be."""
    energy_db = wanted.get("energy_db")
    if contour.has_shape(word.markers) or energy_db is None:
        return parameters.emph_energy if "<emph>" in word.markers else 1.0
    bounded = min(max(energy_db, -parameters.energy_limit_db), parameters.energy_limit_db)
    return 1.0 + bounded * _NEPER_PER_DB / _USUAL_ENERGY


def _stressed_vowel(encoded: network.Encoded, word: int) -> int:
    """The phone with the word's main stress, else its first vowel, else its first phone."""
    at = np.flatnonzero(encoded.owner == word)
    stressed = [k + 1 for k in at[:-1] if encoded.phones[k] == "ˈ"]
    vowels = [k for k in at if encoded.phones[k] in network.VOWELS]
    return int((stressed or vowels or [at[0]])[0])


def raised(energy: np.ndarray, shapes: Sequence[contour.Shape], gains: Sequence[float]) -> np.ndarray:
    """Log energy [n_frames] with the louder frames of each word raised, eased in and out.

    All of a word is raised by what its gain adds to a vowel of usual energy, so that its weak sounds keep up.
    """
    factor = np.ones(len(energy))
    for shape, gain in zip(shapes, gains, strict=True):
        factor[max(0, shape.start) : shape.end] = gain
    eased = np.convolve(np.pad(factor, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    return np.where(energy > 0, energy + (eased - 1) * _USUAL_ENERGY, energy).astype(np.float32)
