"""The desk: one answer after another composed, re-marked, set by hand, spoken, heard and kept. Without any widget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from prosody import files, markers
from prosody.errors import ProsodyError
from prosody.workflow import export
from prosody.workflow.kept import is_name, read_entries, read_record
from prosody.workflow.sheet import RECORD, Sheet

if TYPE_CHECKING:
    from prosody.lm.answer import OnSentence
    from prosody.lm.base import Base
    from prosody.lm.checkpoint import Adapter
    from prosody.workflow.answers import MarkedAnswer


class Desk:
    """Answers of one adapter, in a folder: `history`, of which `current` lies on top, and what can be done to it.

    What has been spoken never changes: a change to a spoken answer puts a new one on the desk. Every change is kept at
    once in the folder's answers.json, and what that holds lies on the desk from the start.
    adapter: places the markers, and composes through its base. answers: lie on the desk, too. composer: another model
    to compose with. Raises ProsodyError if answers.json cannot be read or is no list.
    """

    def __init__(
        self, adapter: Adapter, folder: Path, *, answers: Sequence[MarkedAnswer] = (), composer: Base | None = None
    ) -> None:
        self.folder = Path(folder)
        sheets, self._others = read_record(self.folder)
        self._on_disk = [*self._others, *(sheet.entry for sheet in sheets)]
        self.history: tuple[Sheet, ...] = tuple(sheets)
        self._adapter, self._composer, self._at = adapter, composer, len(sheets) - 1
        for written in map(self._near, answers):
            there = [k for k, one in enumerate(self.history) if _is_of(one, written)]
            for k in there:  # what is given knows more than the record
                self.history = (*self.history[:k], replace(self.history[k], written=written), *self.history[k + 1 :])
            if not there:
                self._lay(Sheet(self._new_name(), written, at=_now()))

    @property
    def current(self) -> Sheet | None:
        """The answer on top; None where there is none yet."""
        return self.history[self._at] if self.history else None

    @property
    def at(self) -> int:
        """Its number in the history, from 0; -1 where there is none."""
        return self._at

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that can speak here."""
        from prosody.voice import engines

        return engines.available()

    def compose(
        self,
        question: str,
        points: Sequence[str],
        *,
        max_words: int = 70,
        seed: int = 0,
        expressiveness: float = 1.0,
        on_sentence: OnSentence | None = None,
    ) -> Sheet:
        """Write and mark a new answer. The options, and what is raised, are those of `answers.write_answer`."""
        from prosody.lm.answer import ComposeParameters
        from prosody.workflow.answers import write_answer

        for given in (question, *points):
            _check_text("question and points", given)
        how = ComposeParameters(max_words=max_words, seed=seed)
        marking = {"expressiveness": expressiveness}
        more = {"composer": self._composer, "marking": marking, "on_sentence": on_sentence}
        written = write_answer(question, points, self._adapter, how, **more)
        return self._recorded(self._lay(Sheet(self._new_name(), written, at=_now())))

    def mark_own(
        self, text: str, *, question: str = "", points: Sequence[str] = (), expressiveness: float = 1.0
    ) -> Sheet:
        """Mark words that somebody wrote, as a new answer; markers in them stay.

        question, points: what they answer, if they do. Raises ProsodyError if there are no words, and as `lm.mark.mark`
        does.
        """
        from prosody.workflow.answers import mark_own

        _check_text("your words", text)
        words = markers.parse(text)
        if not words.words:
            raise ProsodyError(None, "your words", "there are none", "write what is to be spoken")
        marking = {"expressiveness": expressiveness}
        written = mark_own(words, self._adapter, marking, question=question.strip(), points=points)
        return self._recorded(self._lay(Sheet(self._new_name(), written, at=_now())))

    def mark_again(self, expressiveness: float) -> Sheet:
        """More markers or fewer (0 to 2) on the same words; slots that the user has set stay as they are.

        Raises ProsodyError if there is no answer, or for a number out of its bounds.
        """
        from prosody.workflow.answers import mark_again

        written = self._with_reading(self._latest()).written
        permitted = {name: written.asked[name] for name in ("allow", "forbid") if name in written.asked}
        marking = {"expressiveness": float(expressiveness), **permitted}
        return self._changed(mark_again(written, self._adapter, marking))

    def set_slot(self, slot: int, tokens: Iterable[str]) -> Sheet:
        """Exactly these markers in one slot, by hand; no word changes. slot, and what is raised: as `lm.mark.set_slot`.

        Raises ProsodyError if there is no answer, too.
        """
        from prosody.lm.mark import set_slot
        from prosody.workflow.answers import with_marking

        written = self._latest().written
        return self._changed(with_marking(written, set_slot(written.marked, slot, tokens)))

    def toggle(self, slot: int, token: str) -> Sheet:
        """Put a marker into a slot, in place of one of its kind, or take it out if it stands there."""
        if token not in markers.BY_TOKEN:
            raise ProsodyError(None, f"slot {slot}", f"{token!r} is no marker", "choose one of the seven")
        return self.set_slot(slot, markers.toggled(self.slot(slot), token))

    def slot(self, slot: int) -> tuple[str, ...]:
        """The markers of a slot of the current answer."""
        text = self._latest().text
        if slot == len(text.words):
            return (text.final,) if text.final else ()
        return text.words[slot].markers if 0 <= slot < len(text.words) else ()

    def undo(self) -> Sheet:
        """The answer as it was before its last change. Raises ProsodyError if nothing was changed."""
        now = self._latest()
        before = now.before
        if before is None:
            raise ProsodyError(None, None, "there is nothing to undo", "change a marker first")
        known = [k for k, one in enumerate(self.history) if before.spoken and one.spoken and one.name == before.name]
        if now.spoken is None:
            rest = self.history[: self._at] + self.history[self._at + 1 :]
            known = [k - (k > self._at) for k in known]
            self.history = rest if known else (*rest[: self._at], before, *rest[self._at :])
        elif not known:
            self.history = (*self.history, replace(before, name=self._new_name(), at=_now(), entry=None))
        if known or now.spoken is not None:
            self._at = known[0] if known else len(self.history) - 1
        return self._recorded(self.history[self._at])

    def speak(self, engine: str = "hibari", *, contour: bool = False) -> Sheet:
        """Speak the current answer with its markers into a WAV of the folder. Otherwise than before, anew.

        contour: as for `answers.speak_answer`. Raises ProsodyError if there is no answer, as that and `voice.speak` do,
        or if the folder cannot be written.
        """
        from prosody.voice.speak import words_path
        from prosody.workflow.answers import speak_answer

        now = self._latest()
        if now.spoken is not None and (now.asked.get("engine"), now.asked.get("contour", False)) == (engine, contour):
            return now
        now, put = self._with_reading(now), self._put
        out = self.folder / f"{now.name}.wav"
        if now.spoken is not None or out.exists() or words_path(out).exists():
            bare = replace(now.written, spoken=None, heard=None, audio_file=None)
            now, put = Sheet(self._new_name(), bare, before=now.before), self._lay
            out = self.folder / f"{now.name}.wav"
        written = speak_answer(now.written, out, engine=engine, contour=contour, seed=_seed(now), listen_back=False)
        return self._recorded(put(replace(now, written=written, plain=None, plain_file=None, at=_now())))

    def listen(self) -> Sheet:
        """Speak the same words without markers, too, and tell which markers can be heard against that.

        Raises ProsodyError if the current answer has not been spoken, as `voice.listen` does, or if the folder cannot
        be written.
        """
        from prosody.speech.audio import Audio
        from prosody.voice.listen import listen
        from prosody.voice.speak import speak
        from prosody.workflow.answers import shape_of

        now = self._spoken()
        if now.plain is None:
            how = {"engine": now.asked.get("engine", "hibari"), "seed": now.spoken.seed, "plain": True}
            if now.asked.get("contour"):
                now = self._with_reading(now)
                how["shape"] = shape_of(now.written)
            out = self._free(f"{now.name}_plain")
            now = replace(now, plain=speak(now.text, out=out, **how), plain_file=out.name)
        if now.heard is None:
            sounds = [
                Audio(sound.samples, sound.sample_rate, Path(name), "", sound.sample_rate, 1)
                for sound, name in ((now.spoken, f"{now.name}.wav"), (now.plain, f"{now.name}_plain.wav"))
            ]
            heard = listen(sounds[0], now.text, plain=sounds[1])
            now = replace(now, written=replace(now.written, heard=heard))
        return self._recorded(self._put(now))

    def export(self, kind: str, name: str = "") -> Path:
        """Write the current answer into the folder. kind: one of `export.SUFFIXES`. name: of the file, without suffix.

        Without a name it is the answer's, with a number where that is taken by something else. Returns the path.
        Raises ProsodyError for a WAV or a TextGrid of an answer that has not been spoken, a name that is a path, and a
        file that exists or cannot be written.
        """
        export.check_kind(kind)
        now, suffix = self._spoken() if kind in export.SPOKEN else self._latest(), export.SUFFIXES[kind]
        if name:
            if not is_name(name):
                remedy = f"give a short one, not a path; it is written into {self.folder}"
                raise ProsodyError(name, None, "is no name", remedy)
            path = self.folder / (name if name.lower().endswith(suffix.lower()) else name + suffix)
            export.write(kind, path, now)
            return path
        if kind == "wav" and now.written.audio_file == f"{now.name}.wav" and (self.folder / f"{now.name}.wav").exists():
            return self.folder / f"{now.name}.wav"
        path, number = self.folder / (now.name + suffix), 2
        while path.exists():
            path, number = self.folder / f"{now.name}_{number}{suffix}", number + 1
        export.write(kind, path, now)
        return path

    def back(self, number: int) -> Sheet:
        """Lay an earlier answer on top. number: in the history, from 0. Raises ProsodyError if there is none."""
        if not 0 <= number < len(self.history):
            raise ProsodyError(None, "history", f"holds no answer {number}", f"there are {len(self.history)}")
        self._at = number
        return self.history[number]

    def _near(self, written: MarkedAnswer) -> MarkedAnswer:
        """The answer with its sound's place told from this folder, where it lies in the one above."""
        file = written.audio_file
        return replace(written, audio_file=f"../{file}") if file and (self.folder.parent / file).exists() else written

    def _latest(self) -> Sheet:
        if self.current is None:
            raise ProsodyError(None, None, "there is no answer yet", "compose one first")
        return self.current

    def _with_reading(self, sheet: Sheet) -> Sheet:
        """An answer with what the adapter says of it, which the record does not hold."""
        from prosody.lm.mark import read_again
        from prosody.workflow.answers import adapter_name

        if len(sheet.probabilities) == len(sheet.text.words):
            return sheet
        read = {"marked": read_again(sheet.written.marked, self._adapter), "adapter": adapter_name(self._adapter)}
        return replace(sheet, written=replace(sheet.written, **read))

    def _spoken(self) -> Sheet:
        if self._latest().spoken is None:
            raise ProsodyError(None, None, "the answer has not been spoken", "speak it first")
        return self._latest()

    def _lay(self, sheet: Sheet) -> Sheet:
        self.history = (*self.history, sheet)
        self._at = len(self.history) - 1
        return sheet

    def _put(self, sheet: Sheet) -> Sheet:
        """In place of the current one."""
        sheet = replace(sheet, entry=None)
        self.history = (*self.history[: self._at], sheet, *self.history[self._at + 1 :])
        return sheet

    def _changed(self, written: MarkedAnswer) -> Sheet:
        now = self._latest()
        if now.spoken is None:
            return self._recorded(self._put(replace(now, written=written, at=_now(), before=now)))
        return self._recorded(self._lay(Sheet(self._new_name(), written, at=_now(), before=now)))

    def _new_name(self) -> str:
        """The first name that neither an answer on the desk has, nor a file in the folder."""
        taken = {sheet.name for sheet in self.history}
        if self.folder.is_dir():
            taken |= {path.name.partition(".")[0] for path in self.folder.iterdir()}
            taken |= {one["name"] for one in self._others if isinstance(one, dict) and files.is_text(one.get("name"))}
        number = 1
        while f"answer_{number:02d}" in taken:
            number += 1
        return f"answer_{number:02d}"

    def _free(self, stem: str) -> Path:
        """A WAV of the folder that isn't there yet, nor its words' times: `stem`, or with a number behind."""
        from prosody.voice.speak import words_path

        path, number = self.folder / f"{stem}.wav", 2
        while path.exists() or words_path(path).exists():
            path, number = self.folder / f"{stem}_{number}.wav", number + 1
        return path

    def _recorded(self, sheet: Sheet) -> Sheet:
        entries = read_entries(self.folder)
        self._others += [entry for entry in entries if entry not in self._on_disk]  # of another desk, in the meantime
        entries = [*self._others, *(one.as_json() for one in self.history)]
        files.write_json(self.folder / RECORD, entries, overwrite=True)
        self._on_disk = read_entries(self.folder)
        return sheet


def _check_text(where: str, text: str) -> None:
    if not files.is_text(text):
        raise ProsodyError(None, where, "hold a character that is none", "write it anew")


def _is_of(sheet: Sheet, written: MarkedAnswer) -> bool:
    """Whether a sheet is of this very answer."""
    one, other = ((w.audio_file, w.answer, w.marked.text) for w in (sheet.written, written))
    return one == other


def _seed(sheet: Sheet) -> int:
    return int(sheet.asked.get("seed", 0))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
