"""An answer as it lies on a desk, and as the desk's answers.json keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prosody.markers import MarkedText
    from prosody.voice.speak import Spoken
    from prosody.workflow.answers import MarkedAnswer

RECORD = "answers.json"


@dataclass(frozen=True)
class Sheet:
    """An answer as it lies on the desk.

    name: of its files, without a suffix. written: the answer with its inputs. plain: the same words spoken without
    markers, once they have been; plain_file: into which file. at: when it got so, UTC. before: what it was before its
    last change. entry: what the record says of it, where it comes from there and nothing has changed since.
    """

    name: str
    written: MarkedAnswer
    plain: Spoken | None = None
    plain_file: str | None = None
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
        return {
            "name": self.name,
            "at": self.at,
            **self.written.as_json(),
            "by_hand": sorted(self.by_hand),
            "own_markers": [_own(why) for why in self.written.marked.reasons],
            "plain_audio_file": self.plain_file,
        }


def _own(why: Mapping[str, str]) -> dict[str, str]:
    """Of a slot's reasons those that are the user's."""
    from prosody.lm import placing

    return {token: reason for token, reason in why.items() if reason in placing.BY_USER}
