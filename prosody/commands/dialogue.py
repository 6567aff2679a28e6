"""Asking again and again: a loop in the terminal, or questions from a pipe."""

from __future__ import annotations

import contextlib
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prosody.commands import answer, marking, tell
from prosody.commands.text import decoded, read_stdin, wav_name
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from prosody.lm.base import Base
    from prosody.lm.checkpoint import Adapter
    from prosody.workflow.answers import MarkedAnswer

_ENDS = ("quit", "exit", ":quit", ":q")
_STEP = 0.25  # of expressiveness, for :more and :less
HELP = """\
Ask a question, then give points, one a line; an empty line ends them. What else there is:
  :speak [FILE.wav]    speak the last answer, and tell which of its markers can be heard
  :mark WORDS          place markers on words of your own; alone: show the last answer again
  :more  :less         more markers, or fewer, on the last answer
  :again               the last question with another seed
  :save FILE           the last answer as marked text, or with all about it (a name that ends in .json)
  :help  :quit         Ctrl-C leaves an answer that is under way, Ctrl-D ends the program"""


def dialogue(arguments: Namespace) -> int:
    """Answer one question after another; exit code 2 if one from a pipe could not be answered."""
    terminal = sys.stdin.isatty()
    _check(arguments)
    adapter, composer = answer.load_adapter(arguments), answer.load_composer(arguments)
    if terminal:
        tell("Ask a question, then give its points. :help tells what else there is.")
    elif arguments.question is None:
        tell("reading questions and points from stdin: a line each, an empty line ends the points")
    session = Session(adapter, arguments, composer)
    with _history() if terminal else contextlib.nullcontext():
        for line, points in _asked(arguments, terminal):
            try:
                session.take(line, points)
            except ProsodyError as error:
                tell(f"prosody: {error}")
                session.failed = True
            except KeyboardInterrupt:
                if not terminal:
                    raise
                tell("\ncancelled; the last answer is as it was")
    return 2 if session.failed and not terminal else 0


def _check(arguments: Namespace) -> None:
    """Raise ProsodyError for options that cannot be, or that a dialogue would pass over."""
    answer.check_options(arguments)
    if arguments.speak is not None:
        wav_name(arguments.speak)
    if arguments.text is not None:
        raise ProsodyError(None, "--text", "is given with --interactive", "in the dialogue write :mark WORDS")
    if arguments.points and not arguments.question:
        raise ProsodyError(None, "points", "stand without a question", "give the question, too")


@dataclass
class Session:
    """A dialogue under way. last: its latest answer; how many there were; the seed and expressiveness in use."""

    adapter: Adapter
    arguments: Namespace
    composer: Base | None = None
    last: MarkedAnswer | None = None
    count: int = 0
    failed: bool = False
    seed: int = field(init=False)

    def __post_init__(self) -> None:
        self.seed = self.arguments.seed

    def take(self, line: str, points: list[str]) -> None:
        """One question with its points, or one command. Raises ProsodyError for what cannot be done."""
        decoded(line, "stdin")
        if not line.startswith(":"):
            self._answer(line, points)
            return
        name, _, rest = line.partition(" ")
        known = {
            ":speak": self._speak,
            ":mark": self._mark,
            ":more": lambda _: self._express(_STEP),
            ":less": lambda _: self._express(-_STEP),
            ":again": self._again,
            ":save": self._save,
            ":help": lambda _: tell(HELP),
        }
        if name not in known:
            raise ProsodyError(None, name, "is no command", f"there are {', '.join(known)}, :quit")
        known[name](rest.strip())

    def _answer(self, question: str, points: list[str]) -> None:
        out = self._wav(self.count + 1) if self.arguments.speak is not None else None
        answer.check(question, points, out, self.arguments)
        found = answer.composed(question, points, self.adapter, self.arguments, composer=self.composer, seed=self.seed)
        self.last = found
        self.count += 1
        self.last = answer.show(found, self.arguments, out)

    def _wav(self, n: int) -> Path:
        """Where the `n`th answer is spoken to."""
        out = wav_name(self.arguments.speak or "answer.wav")
        return out.with_stem(f"{out.stem}_{n}") if n > 1 else out

    def _latest(self) -> MarkedAnswer:
        if self.last is None:
            raise ProsodyError(None, None, "there is no answer yet", "ask a question first")
        return self.last

    def _speak(self, name: str) -> None:
        from prosody.voice.speak import check_out

        last, out = self._latest(), wav_name(name) if name else self._wav(max(self.count, 1))
        check_out(out, overwrite=self.arguments.overwrite)
        self.last = answer.spoken(last, out, self.arguments)
        if self.arguments.json:
            answer.show(self.last, self.arguments)

    def _mark(self, words: str) -> None:
        from prosody import markers
        from prosody.workflow.answers import mark_own

        if words:
            own = markers.parse(words)
            answer.check("", [], None, self.arguments, own=own)
            self.last = mark_own(own, self.adapter, marking.options(self.arguments))
        answer.show(self._latest(), self.arguments)

    def _express(self, step: float) -> None:
        from prosody.workflow.answers import mark_again

        last = self._latest()
        self.arguments.expressiveness = min(2.0, max(0.0, self.arguments.expressiveness + step))
        self.last = mark_again(last, self.adapter, marking.options(self.arguments))
        tell(f"expressiveness {self.arguments.expressiveness:g}, {self.last.n_markers} markers")
        answer.show(self.last, self.arguments)

    def _again(self, _: str) -> None:
        last = self._latest()
        if not last.answer.question:
            raise ProsodyError(None, ":again", "the last answer was your own words", "ask a question first")
        self.seed += 1
        self._answer(last.answer.question, list(last.answer.points))

    def _save(self, name: str) -> None:
        from prosody import files

        last = self._latest()
        if not name:
            raise ProsodyError(None, ":save", "needs the name of a file", "write, for example, :save answer.txt")
        if name.lower().endswith(".json"):
            files.write_json(Path(name), last.as_json(), overwrite=self.arguments.overwrite)
        else:
            files.write_text(Path(name), f"{last.marked}\n", overwrite=self.arguments.overwrite)
        tell(f"saved: {name}")


def _asked(arguments: Namespace, terminal: bool) -> Iterator[tuple[str, list[str]]]:
    """Question and points, from the command line first, then from the person, until the input ends; commands alone."""
    if arguments.question:
        yield arguments.question, arguments.points
    while True:
        try:
            line = _line("Question: ", terminal)
            if line is None or line.lower() in _ENDS:
                return
            points: list[str] = []
            while line and not line.startswith(":"):
                point = _line(f"Point {len(points) + 1} (empty: no more): ", terminal)
                if not point:
                    break
                points.append(point)
        except KeyboardInterrupt:
            if not terminal:
                raise
            tell("\n:quit ends the program")
            continue
        if line:
            yield line, points


def _line(prompt: str, terminal: bool) -> str | None:
    """A line from the person or from a pipe, None if there is no more."""
    if not terminal:
        line = read_stdin(sys.stdin.readline)
        return line.strip() if line else None
    try:
        return input(prompt).strip()
    except EOFError:
        sys.stderr.write("\n")
        return None


@contextlib.contextmanager
def _history() -> Iterator[None]:
    """Lines of earlier dialogues at the arrow keys, where Python has readline (not on Windows, whose console has)."""
    try:
        import readline
    except ImportError:
        yield
        return
    from platformdirs import user_state_path

    path = user_state_path("janus-prosody", appauthor=False) / "history"
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # a history that cannot be kept is no reason to complain
            path.parent.mkdir(parents=True, exist_ok=True)
            readline.set_history_length(1000)
            readline.write_history_file(path)
