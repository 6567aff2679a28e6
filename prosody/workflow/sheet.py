"""An answer as it lies on a desk, and as the desk's answers.json keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody import files, markers
from prosody.dataset import Word
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from prosody.lm.mark import Marked
    from prosody.markers import MarkedText
    from prosody.voice.speak import Spoken
    from prosody.workflow.answers import MarkedAnswer

RECORD = "answers.json"


@dataclass(frozen=True)
class Sheet:
    """An answer as it lies on the desk.

    name: of its files, without a suffix. written: the answer with its inputs. plain: the same words spoken without
    markers, once they have been. at: when it got so, UTC. before: what it was before its last change. entry: what the
    record says of it, where it comes from there and nothing has changed since.
    """

    name: str
    written: MarkedAnswer
    plain: Spoken | None = None
    at: str = ""
    before: Sheet | None = None
    entry: Mapping[str, Any] | None = None

    @property
    def question(self) -> str:
        """What was asked."""
        return self.written.answer.question

    @property
    def points(self) -> tuple[tuple[str, bool], ...]:
        """Each point, and whether the answer takes it up."""
        return tuple(zip(self.written.answer.points, self.written.answer.covered, strict=True))

    @property
    def text(self) -> MarkedText:
        """The answer's words with their markers."""
        return self.written.marked.text

    @property
    def probabilities(self) -> tuple[dict[str, float], ...]:
        """For each word that of each marker, {token: 0..1}; none of an answer from the record until it is read anew."""
        return self.written.marked.probabilities

    @property
    def by_hand(self) -> frozenset[int]:
        """The slots that are the user's: they survive re-marking."""
        from prosody.lm.mark import by_hand

        return by_hand(self.written.marked)

    @property
    def asked(self) -> Mapping[str, Any]:
        """How it was composed, marked and spoken."""
        return self.written.asked

    @property
    def spoken(self) -> Spoken | None:
        """Its sound, once it has been spoken."""
        return self.written.spoken

    @property
    def heard(self) -> Mapping[str, Any] | None:
        """What `voice.listen` says of the sound."""
        return self.written.heard

    def as_json(self) -> dict[str, Any]:
        """The entry in the record: the answer with its inputs, which markers are the user's, the files of its sound."""
        if self.entry is not None:
            return dict(self.entry)
        plain = f"{self.name}_plain.wav" if self.plain else None
        return {
            "name": self.name,
            "at": self.at,
            **self.written.as_json(),
            "by_hand": sorted(self.by_hand),
            "own_markers": [_own(why) for why in self.written.marked.reasons],
            "plain_audio_file": plain,
        }


def read_record(folder: Path) -> tuple[list[Sheet], list[Any]]:
    """The answers that are kept in a desk's folder, and the entries that are none.

    Raises ProsodyError if answers.json cannot be read or is no list.
    """
    path = folder / RECORD
    entries = files.read_json(path) if path.exists() else []
    if not isinstance(entries, list):
        raise ProsodyError(path, None, "is not a list of answers", "move it away")
    found = [(entry, _sheet(entry, folder)) for entry in entries]
    return [sheet for _, sheet in found if sheet], [entry for entry, sheet in found if not sheet]


def _sheet(entry: Any, folder: Path) -> Sheet | None:
    """A kept answer, with its sound if that is still there; None for anything else."""
    from prosody.lm.answer import Answer
    from prosody.workflow.answers import MarkedAnswer

    try:
        points = tuple((str(one["text"]), bool(one["covered"])) for one in entry["points"])
        answer = Answer(
            str(entry["question"]),
            tuple(text for text, _ in points),
            str(entry["plain"]),
            tuple(covered for _, covered in points),
            tuple((str(one["text"]), one["point"]) for one in entry["sentences"]),
        )
        asked, file = dict(entry["asked"]), entry["audio_file"]
        marked = _marked(markers.parse(entry["marked"]), entry["own_markers"])
        spoken = _sound(folder / file, asked) if file else None
        plain = _sound(folder / entry["plain_audio_file"], asked) if entry["plain_audio_file"] else None
        written = MarkedAnswer(answer, marked, str(entry["adapter"]), asked, spoken, None, file)
        return Sheet(str(entry["name"]), written, plain if spoken else None, str(entry["at"]), entry=entry)
    except (ProsodyError, KeyError, TypeError, ValueError):
        return None


def _own(why: Mapping[str, str]) -> dict[str, str]:
    """Of a slot's reasons those that are the user's."""
    from prosody.lm import placing

    return {token: reason for token, reason in why.items() if reason in (placing.WRITTEN, placing.REMOVED)}


def _marked(text: MarkedText, own: Sequence[Mapping[str, str]]) -> Marked:
    """A text whose markers stand, and of which the model has said nothing yet. own: see `_own`, of each word."""
    from prosody.lm import placing
    from prosody.lm.mark import Marked

    reasons = tuple(
        {token: placing.PLACED if token in word.markers else placing.BELOW for token in markers.TOKENS} | _own(why)
        for word, why in zip(text.words, own, strict=True)
    )
    return Marked(text, (), reasons=reasons)


def _sound(path: Path, asked: Mapping[str, Any]) -> Spoken | None:
    """What was spoken into `path`; None if the file, or the words' times beside it, can't be read any more.

    What was asked of each word is not known any more: there are no targets.
    """
    from prosody.speech.audio import read
    from prosody.voice import engines
    from prosody.voice.speak import Spoken, words_path

    try:
        audio, told = read(path), files.read_json(words_path(path))
        words = tuple(Word(w["text"], w["start"], w["end"], tuple(w["markers"])) for w in told["words"])
        seed, voice = int(asked.get("voice_seed", 0)), engines.get(str(asked["engine"])).VOICE
    except (ProsodyError, KeyError, TypeError, ValueError):
        return None
    return Spoken(audio.samples, audio.sample_rate, words, (), 0.0, seed, voice)
