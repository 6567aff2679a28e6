"""Answers from a desk's answers.json, which anybody may have edited: what is not whole is left as it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody import files, markers
from prosody.dataset import Word
from prosody.errors import ProsodyError
from prosody.workflow.sheet import RECORD, Sheet

if TYPE_CHECKING:
    from prosody.lm.answer import Answer
    from prosody.lm.mark import Marked
    from prosody.markers import MarkedText
    from prosody.voice.speak import Spoken

_LONGEST_NAME = 100
_SLACK_S = 0.01  # by which a word's end, rounded, may lie behind the sound's
_MOST = 1 << 53  # of whole numbers: what every reader of JSON knows exactly


def _whole(x: Any) -> bool:
    return type(x) is int and 0 <= x < _MOST


def _named(x: Any) -> bool:
    return x is None or (isinstance(x, list) and all(files.is_text(one) for one in x))


_ASKED: dict[str, Callable[[Any], bool]] = {
    "seed": _whole,
    "voice_seed": _whole,
    "max_words": _whole,
    "expressiveness": lambda x: type(x) in (int, float) and 0 <= x <= 2,
    "given": lambda x: x is None or files.is_text(x),
    "engine": files.is_text,
    "contour": lambda x: type(x) is bool,
    "allow": _named,
    "forbid": lambda x: _named(x) and x is not None,
}


def read_record(folder: Path) -> tuple[list[Sheet], list[Any]]:
    """The answers that are kept in a desk's folder, and the entries that are none.

    Raises ProsodyError if answers.json cannot be read or is no list.
    """
    found: list[tuple[Any, Sheet | None]] = []
    names: set[str] = set()
    for entry in read_entries(folder):
        sheet = _sheet(entry, folder)
        if sheet is not None and sheet.name in names:  # of two that share their files one is enough
            sheet = None
        names |= {sheet.name} if sheet else set()
        found.append((entry, sheet))
    return [sheet for _, sheet in found if sheet], [entry for entry, sheet in found if not sheet]


def read_entries(folder: Path) -> list[Any]:
    """What answers.json holds. Raises ProsodyError if it cannot be read or is no list."""
    path = folder / RECORD
    with files.telling(path):
        is_there, is_file = path.exists(), path.is_file()
    if is_there and not is_file:
        raise ProsodyError(path, None, "is no file", "move it away")
    entries = files.read_json(path) if is_there else []
    if not isinstance(entries, list):
        raise ProsodyError(path, None, "is not a list of answers", "move it away")
    return entries


def is_name(x: Any) -> bool:
    """Whether it is the name of a file that lies in the folder itself."""
    return files.is_text(x) and 0 < len(x) <= _LONGEST_NAME and Path(x).name == x and "\\" not in x and x != ".."


def _sheet(entry: Any, folder: Path) -> Sheet | None:
    """A kept answer, with its sound if that is still there; None for anything else."""
    from prosody.workflow.answers import MarkedAnswer

    try:
        _check(entry)
        asked, file, plain_file = dict(entry["asked"]), entry["audio_file"], entry["plain_audio_file"]
        marked = _marked(markers.parse(entry["marked"]), entry["own_markers"])
        spoken, plain = (_sound(folder / one, marked.text, asked) if one else None for one in (file, plain_file))
        written = MarkedAnswer(_answer(entry), marked, entry["adapter"], asked, spoken, None, file)
        more = {"plain": plain if spoken else None, "plain_file": plain_file}
        return Sheet(entry["name"], written, at=entry["at"], entry=entry, **more)
    except (ProsodyError, KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _check(entry: Any) -> None:
    """Raise ValueError for an entry whose texts, names or inputs are none."""
    texts = [entry[key] for key in ("question", "plain", "marked", "adapter", "at")]
    texts += [one["text"] for key in ("points", "sentences") for one in entry[key]]
    sounds = [entry[key] for key in ("audio_file", "plain_audio_file") if entry[key] is not None]
    inputs = [check(entry["asked"][key]) for key, check in _ASKED.items() if key in entry["asked"]]
    inside = [is_name(entry["name"]), *(is_name(one.removeprefix("../")) for one in sounds)]  # 04's lie one above
    if not all([*map(files.is_text, texts), *inside, *inputs]):
        raise ValueError("not as a desk writes it")


def _answer(entry: Mapping[str, Any]) -> Answer:
    from prosody.lm.answer import Answer

    points, sentences = entry["points"], tuple((one["text"], one["point"]) for one in entry["sentences"])
    covered = tuple(bool(one["covered"]) for one in points)
    return Answer(entry["question"], tuple(one["text"] for one in points), entry["plain"], covered, sentences)


def _marked(text: MarkedText, own: Sequence[Mapping[str, str]]) -> Marked:
    """A text whose markers stand, and of which the model has said nothing yet. own: the user's, of each word."""
    from prosody.lm import placing
    from prosody.lm.mark import Marked

    reasons = tuple(
        {token: placing.PLACED if token in word.markers else placing.BELOW for token in markers.TOKENS}
        | {token: why for token, why in given.items() if token in markers.BY_TOKEN and why in placing.BY_USER}
        for word, given in zip(text.words, own, strict=True)
    )
    return Marked(text, (), reasons=reasons)


def _sound(path: Path, text: MarkedText, asked: Mapping[str, Any]) -> Spoken | None:
    """What was spoken into `path`; None if that, or the words' times beside it, can't be read or are of other words.

    What was asked of each word is not known any more: there are no targets.
    """
    from prosody.speech.audio import read
    from prosody.voice import engines
    from prosody.voice.speak import Spoken, words_path

    try:
        audio, told = read(path), files.read_json(words_path(path))["words"]
        words = tuple(Word(w["text"], w["start"], w["end"], tuple(w["markers"])) for w in told)
        voice = engines.get(asked["engine"]).VOICE
        duration_s = len(audio.samples) / audio.sample_rate + _SLACK_S
        fits = [word.text for word in words] == [word.text for word in text.words]
        timed = all(_time(w.start) and _time(w.end) and 0 <= w.start <= w.end <= duration_s for w in words)
        marked = all(set(w.markers) <= set(markers.TOKENS) for w in words)
    except (ProsodyError, KeyError, TypeError, ValueError):
        return None
    if not (fits and timed and marked):
        return None
    return Spoken(audio.samples, audio.sample_rate, words, (), 0.0, int(asked.get("voice_seed", 0)), voice)


def _time(x: Any) -> bool:
    return type(x) in (int, float) and math.isfinite(x)
