"""The script of the built-in teaching corpus: questions, talking points and marked answers of one speaker.

A script is UTF-8 text. Blocks are parted by blank lines; a block has three lines, in this order:

    Q: the interviewer's question
    P: talking point; talking point; talking point
    A: <pause_long> the marked answer

A line that begins with `#` is a comment and counts as absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from prosody import markers
from prosody.errors import ProsodyError

SCRIPT = Path(__file__).with_name("script.txt")  # the packaged script
FIELDS = ("Q", "P", "A")

_LINE = re.compile(r"(?P<field>[QPA]):(?P<text>.*)")
_REMEDY = "write a block as the lines Q: question, P: point; point, A: marked answer"

NumberedLine = tuple[int, str]


@dataclass(frozen=True)
class Answer:
    """One answer of the speaker: what was asked, what the answer was to say, and the marked answer itself."""

    question: str
    points: tuple[str, ...]
    text: str


def read_script(path: Path | None = None) -> tuple[Answer, ...]:
    """The answers of a script, in its order.

    path: the script; None is the packaged one. The marked answers come back in the canonical form of `markers.render`.
    Raises ProsodyError with the line for a block that lacks a line, has one too many or out of order or empty, and for
    an answer that is not marked text; without a line for a file that cannot be read or holds no answer.
    """
    path = SCRIPT if path is None else Path(path)
    answers = tuple(_answer(path, block) for block in _blocks(_text(path)))
    if not answers:
        raise ProsodyError(path, None, "the script holds no answer", _REMEDY)
    return answers


def transcript(answers: Iterable[Answer]) -> str:
    """What is said from the first answer to the last, as marked text: a paragraph an answer, a blank line between.

    The pause before the very first word is left out, since nothing precedes it. No answers give the empty string.
    """
    texts = [answer.text for answer in answers]
    if not texts:
        return ""
    return "\n\n".join([_without_leading_pause(texts[0]), *texts[1:]]) + "\n"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProsodyError(path, f"byte {error.start}", "not UTF-8", "save the script as UTF-8") from error
    except OSError as error:
        raise ProsodyError(path, None, error.strerror or "cannot be read", "name a script that can be read") from error


def _blocks(text: str) -> Iterator[list[NumberedLine]]:
    """The lines of each block with their numbers, from 1; comments are left out, and blocks of nothing else."""
    block: list[NumberedLine] = []
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.strip() and not line.startswith("#"):
            block.append((number, line))
        elif not line.strip() and block:
            yield block
            block = []


def _answer(path: Path, block: list[NumberedLine]) -> Answer:
    """The answer that a block describes."""
    fields = [_field(path, line) for line in block]
    for (number, _), (name, _), expected in zip(block, fields, FIELDS, strict=False):
        if name != expected:
            raise ProsodyError(path, f"line {number}", f"{name}: where {expected}: was expected", _REMEDY)
    if len(block) > len(FIELDS):
        number = block[len(FIELDS)][0]
        raise ProsodyError(path, f"line {number}", "a block goes on after its answer", "part blocks by a blank line")
    if len(block) < len(FIELDS):
        missing = FIELDS[len(block)]
        raise ProsodyError(path, f"line {block[-1][0]}", f"the block ends here without its {missing}: line", _REMEDY)
    (_, question), (_, points), (_, text) = fields
    return Answer(question.strip(), _points(path, block[1][0], points), _marked(path, block[2][0], text))


def _field(path: Path, line: NumberedLine) -> tuple[str, str]:
    """The field's name and text; the text keeps its place in the line, filled with spaces before it."""
    number, written = line
    match = _LINE.fullmatch(written.rstrip())
    if match is None:
        raise ProsodyError(path, f"line {number}", "a line that begins with none of Q:, P:, A: and #", _REMEDY)
    if not match["text"].strip():
        raise ProsodyError(path, f"line {number}", f"nothing after {match['field']}:", _REMEDY)
    return match["field"], " " * match.start("text") + match["text"]


def _points(path: Path, number: int, text: str) -> tuple[str, ...]:
    points = tuple(point.strip() for point in text.split(";"))
    if not all(points):
        raise ProsodyError(path, f"line {number}", "an empty talking point", "part talking points by one “;”")
    return points


def _marked(path: Path, number: int, text: str) -> str:
    """A marked answer in canonical form, parsed where it stands so that errors name its line and column."""
    marked = markers.parse("\n" * (number - 1) + text, path=path)
    if not marked.words:
        raise ProsodyError(path, f"line {number}", "an answer without words", _REMEDY)
    return markers.render(marked)


def _without_leading_pause(text: str) -> str:
    marked = markers.parse(text)
    first, *others = marked.words
    kept = tuple(token for token in first.markers if markers.BY_TOKEN[token].kind != "pause")
    return markers.render(replace(marked, words=(replace(first, markers=kept), *others)))


def held_out_questions(n: int = 3) -> list[tuple[str, tuple[str, ...]]]:
    """Questions and points of the script's last answers, which a split by time keeps from training."""
    return [(one.question, one.points) for one in read_script()[-n:]]
