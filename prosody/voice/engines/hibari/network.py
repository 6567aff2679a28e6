"""The network of the built-in voice, `hibari-tts` 0.2.1, cut open where durations, pitch and energy pass through.

The network is one ONNX graph. It is cut at three tensors into three stages that run one after the other:

1. `encode`: phones → how long each phone lasts, in units of 25 ms;
2. `predict`: durations → f0 and log energy, one value per frame of 12.5 ms;
3. `render`: durations, f0 and energy → samples, 24 kHz.

What comes out of one stage may be changed before it goes into the next. Unchanged, the samples are those of
`hibari.Hibari`, bit for bit. The tensors' names belong to this version of the package and are checked at loading.

Phones come from hibari's own text front end (numbers, dates, units and abbreviations are read out by it), one string
for each word that was given, so that every sample belongs to a word.
"""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prosody.errors import ProsodyError

VOICE = "hibari-tts 0.2.1, af_heart"
VERSION = "0.2.1"
SAMPLE_RATE = 24_000
FRAME_S = 0.0125
FRAMES_PER_UNIT = 2
HOP = 300  # samples per frame
MAX_PHONES = 300  # a call of the network; it was trained on sentences of up to 400
BOUNDARY_LEAD_S = 0.045
"""How much earlier a word is heard to end than its durations say: measured at 121 places where a word boundary shows in
the signal because a stop or sibilant meets a vowel there (medians 37 to 50 ms by kind of sound, spread about 7 ms)."""

DURATIONS = "/Cast_32_output_0"
LENGTHS = "/Div_40_output_0"  # the same before they are rounded
F0 = "f0"
ENERGY = "/Gather_37_output_0"
HIDDEN_SOUND = "/Transpose_22_output_0"
HIDDEN_PROSODY = "/Transpose_55_output_0"
SPECTRA = ("lh", "theta", "ln", "lr", "phi")
STAGES = {
    "encode": (("ids", "speed"), (DURATIONS, LENGTHS, HIDDEN_SOUND, HIDDEN_PROSODY)),
    "predict": ((DURATIONS, HIDDEN_PROSODY), (F0, ENERGY)),
    "render": ((DURATIONS, HIDDEN_SOUND, F0, ENERGY), SPECTRA),
}
BREAKS = frozenset(",.;:!?—…")  # phones at which the network breathes
VOWELS = frozenset("AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻᵊɐɚ")
NO_WORD = -1
_SONORANTS = frozenset("lmnŋɹwjː")
_CREAK_BINS = 200  # of 20 Hz
_CREAK_GAIN = 0.92  # in log amplitude: 8 dB
_CREAK_CUT = 4.0


@dataclass(frozen=True)
class Voice:
    """The loaded voice: a session for each stage, the text front end, and the phones' numbers."""

    sessions: dict[str, Any]
    g2p: Any
    normalize: Callable[[str], str]
    vocabulary: dict[str, int]


@dataclass(frozen=True)
class Encoded:
    """Phones on their way through the network.

    phones [n_phones], owner [n_phones]: the word each belongs to, or NO_WORD for pads, spaces and punctuation.
    units [n_phones]: durations in units of 25 ms; lengths [n_phones]: the same before they were rounded to whole ones.
    hidden: what the later stages need.
    """

    phones: tuple[str, ...]
    owner: np.ndarray
    units: np.ndarray
    lengths: np.ndarray
    hidden: dict[str, np.ndarray]


@functools.lru_cache(maxsize=2)
def load(*, threads: int = 1) -> Voice:
    """The voice, read once a process. One thread is the fastest here: the network is small.

    Raises ProsodyError if hibari-tts is not installed or is not the version whose graph is known.
    """
    try:
        import hibari
        from hibari.g2p import G2P, normalize
    except ImportError:
        raise _not_installed("is not installed") from None
    assets = Path(hibari.__file__).parent / "assets"
    sessions = _sessions(assets / "hibari.onnx", threads)
    vocabulary = json.loads((assets / "vocab.json").read_text(encoding="utf-8"))
    return Voice(sessions, G2P(), normalize, vocabulary)


def _sessions(model_path: Path, threads: int) -> dict[str, Any]:
    """A session for each stage of the graph in `model_path`."""
    import onnx
    import onnxruntime
    from onnx.utils import Extractor

    if not model_path.is_file():
        raise _not_installed(f"has no {model_path.name}")
    model = onnx.load(model_path)
    known = {name for node in model.graph.node for name in node.output} | {one.name for one in model.graph.input}
    for name in {name for stage in STAGES.values() for names in stage for name in names}:
        if name not in known:
            raise _not_installed(f"is another version: its network has no {name}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    extractor = Extractor(model)
    return {
        stage: onnxruntime.InferenceSession(
            extractor.extract_model(list(inputs), list(outputs)).SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
        )
        for stage, (inputs, outputs) in STAGES.items()
    }


def _not_installed(what: str) -> ProsodyError:
    return ProsodyError(None, "the voice hibari-tts", what, f"install it with: pip install hibari-tts=={VERSION}")


def sentences(words: Sequence[str]) -> list[range]:
    """Where the sentences of a text lie: ranges of word numbers, in order, covering all words."""
    from hibari import Hibari

    spans, start = [], 0
    for sentence in Hibari.split_sentences(" ".join(words)):
        n_words = len(sentence.split())
        spans.append(range(start, start + n_words))
        start += n_words
    return spans


def pronounce(voice: Voice, words: Sequence[str]) -> list[str]:
    """The phones of each word of a sentence, with their punctuation; "" for a word that has no sound.

    Raises ProsodyError if a word cannot be read or is too long.
    """
    try:
        phones = _phones(voice, _spoken_forms(voice, words))
    except Exception as error:  # the front end fails in many ways on odd input: find the word that it fails on
        if len(words) == 1:
            raise ProsodyError(None, f"word “{words[0][:40]}”", "cannot be read aloud", "write it as words") from error
        return [pronounce(voice, [word])[0] for word in words]
    for word, sounds in zip(words, phones, strict=True):
        if len(sounds) > MAX_PHONES:
            what = f"is too long to be spoken ({len(sounds)} sounds)"
            raise ProsodyError(None, f"word “{word[:40]}…”", what, "write it as several words")
    return phones


def _spoken_forms(voice: Voice, words: Sequence[str]) -> list[str]:
    """Each word as it is read out ("Dr." → "Doctor", "5 km" → "5", "kilometers"); "" if it vanishes."""
    asked = [word[:-1] if _is_no_abbreviation(words, k) else word for k, word in enumerate(words)]
    read = voice.normalize(" ".join(asked)).split()
    forms = [""] * len(words)
    for kind, a, b, c, d in difflib.SequenceMatcher(None, asked, read, autojunk=False).get_opcodes():
        if kind == "insert":
            forms[a - 1 if a else 0] += " " + " ".join(read[c:d])
        elif b - a == d - c:
            forms[a:b] = read[c:d]
        elif b - a == 1:
            forms[a] = " ".join(read[c:d])
        else:  # words were joined or reordered: read each of them alone
            forms[a:b] = [voice.normalize(word) for word in words[a:b]]
    return [form.strip() + "." * (asked[k] != words[k]) for k, form in enumerate(forms)]


def _is_no_abbreviation(words: Sequence[str], k: int) -> bool:
    """Whether the front end would read a plain word with its full stop as an abbreviation ("no." as "number")."""
    before_number = k + 1 < len(words) and words[k + 1][:1].isdigit()
    return words[k].lower() in ("no.", "fig.", "ed.") and not before_number


def _phones(voice: Voice, forms: Sequence[str]) -> list[str]:
    """Phones of each form, found with all of them in sight ("the" before a vowel, "read" after "have")."""
    chunks = [(k, chunk) for k, form in enumerate(forms) for chunk in form.split()]
    phones = [""] * len(forms)
    if not chunks:
        return phones
    tokens = voice.g2p.phonemize_tokens(voice.g2p._tokens(" ".join(chunk for _, chunk in chunks)))
    heard = [""]
    for token in tokens:
        heard[-1] += token.phonemes or ""
        if token.whitespace:
            heard.append("")
    if len(heard) != len(chunks):
        raise ValueError("the front end joined words")
    for (k, _), sounds in zip(chunks, heard, strict=True):
        sounds = "".join(c for c in sounds.strip() if c in voice.vocabulary)
        phones[k] = f"{phones[k]} {sounds}".strip()
    return phones


def encode(voice: Voice, phones: Sequence[str], *, breaks: Collection[int] = ()) -> Encoded:
    """Stage 1: the durations of the phones of a sentence's words.

    breaks: words before which a phrase ends; a comma is put there if there is no punctuation.
    """
    line: list[tuple[str, int]] = [("", NO_WORD)]
    for k, sounds in enumerate(phones):
        if k in breaks and len(line) > 1 and not BREAKS & set(_tail(line)):
            line.append((",", NO_WORD))
        if sounds and len(line) > 1:
            line.append((" ", NO_WORD))
        letters = [i for i, c in enumerate(sounds) if _is_sound(c)]
        inside = range(letters[0], letters[-1] + 1) if letters else range(0)
        line += [(c, k if i in inside else NO_WORD) for i, c in enumerate(sounds)]
    if not BREAKS & set(_tail(line)):
        line.append((".", NO_WORD))
    line.append(("", NO_WORD))
    ids = np.array([[voice.vocabulary.get(c, 0) for c, _ in line]], dtype=np.int64)
    feed = {"ids": ids, "speed": np.ones(1, dtype=np.float32)}
    units, lengths, sound, prosody = voice.sessions["encode"].run(None, feed)
    owner = np.array([k for _, k in line])
    hidden = {HIDDEN_SOUND: sound, HIDDEN_PROSODY: prosody}
    return Encoded(tuple(c for c, _ in line), owner, units, lengths, hidden)


def _tail(line: Sequence[tuple[str, int]]) -> list[str]:
    """The last few phones, back to the last one that sounds."""
    tail = []
    for c, _ in reversed(line):
        if c and _is_sound(c):
            break
        tail.append(c)
    return tail


def _is_sound(phone: str) -> bool:
    return phone.isalpha() or phone in "ˈˌː̃"


def sounds(phones: str) -> bool:
    """Whether there is anything to hear in a word's phones."""
    return any(_is_sound(c) for c in phones)


def predict(voice: Voice, encoded: Encoded, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stage 2: f0 (Hz, near 0 where unvoiced) and log energy, both [n_frames], for these durations [n_phones]."""
    feed = {DURATIONS: units, HIDDEN_PROSODY: encoded.hidden[HIDDEN_PROSODY]}
    f0_hz, energy = voice.sessions["predict"].run(None, feed)
    return f0_hz[0], energy[0]


def render(
    voice: Voice,
    encoded: Encoded,
    units: np.ndarray,
    f0_hz: np.ndarray,
    energy: np.ndarray,
    rng: np.random.Generator,
    steady: np.ndarray | None = None,
) -> np.ndarray:
    """Stage 3: samples float32 [n_frames * HOP] from durations [n_phones], f0 and log energy [n_frames].

    steady: frames [n_frames, bool] that are to be voiced evenly. At the end of a phrase this voice likes to creak, and
    a creak has no pitch that could rise or fall.
    """
    from hibari import dsp

    feed = {
        DURATIONS: units,
        HIDDEN_SOUND: encoded.hidden[HIDDEN_SOUND],
        F0: np.ascontiguousarray(f0_hz[None], dtype=np.float32),
        ENERGY: np.ascontiguousarray(energy[None], dtype=np.float32),
    }
    spectra = [one[0] for one in voice.sessions["render"].run(None, feed)]
    if steady is not None and steady.any():
        spectra = _without_creak(spectra, steady)
    return dsp.synth(*spectra, f0_hz.astype(np.float32), rng)


def _without_creak(spectra: list[np.ndarray], steady: np.ndarray) -> list[np.ndarray]:
    """The spectra [n_bins, n_frames] with what the creaking part says in the steady frames said by the harmonic part.

    The network writes a sound as harmonics of f0 (lh, with phase theta), noise (ln) and a part of free phase (lr, phi).
    Modal voice lives in the first, creak in the third. Below 4 kHz the third is moved to the first: its power, averaged
    over 3 frames, is spread over harmonics about 9 bins apart, hence the gain of 8 dB.
    """
    harmonic, theta, noise, free, phi = (one.copy() for one in spectra)
    low = slice(0, _CREAK_BINS)
    power = np.pad(np.exp(2 * free[low]), ((0, 0), (1, 1)), mode="edge")
    power = (power[:, :-2] + power[:, 1:-1] + power[:, 2:]) / 3
    moved = np.where(steady, 0.5 * np.log(power + 1e-9) + _CREAK_GAIN, -np.inf)
    theta[low][moved > harmonic[low]] = 0.0  # the phase of a harmonic that was not to be heard means nothing
    harmonic[low] = np.logaddexp(harmonic[low], moved)
    free[low] -= np.where(steady, _CREAK_CUT, 0.0)
    return [one.astype(np.float32) for one in (harmonic, theta, noise, free, phi)]


def sonorant(encoded: Encoded, units: np.ndarray) -> np.ndarray:
    """The frames [n_frames, bool] that belong to a vowel or another sound that is voiced throughout."""
    kinds = np.array([c in VOWELS or c in _SONORANTS for c in encoded.phones])
    frames = np.repeat(kinds, units * FRAMES_PER_UNIT)
    lead = round(BOUNDARY_LEAD_S / FRAME_S)
    return np.concatenate([frames[lead:], np.zeros(min(lead, len(frames)), dtype=bool)])
