"""SSML back to marked text, as far as markers can say it; what they cannot say is told in notes.

Nothing is fetched: no DTD, no entity, no audio. An element that says nothing a marker could say gives its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from xml.parsers import expat

from prosody.errors import ProsodyError
from prosody.markers import BY_TOKEN, MarkedText, MarkedWord, canonical, parse, render
from prosody.voice.markup import meaning

_SYNTHESIS = "http://www.w3.org/2001/10/synthesis"
_PLAIN = {"speak", "w", "token", "emphasis", "prosody", "p", "s", "break"}  # nothing to tell of these
_NAMESPACES = 100  # declared around one element; each element within keeps them all
_UNSPOKEN = {"desc", "metadata", "meta", "lexicon", "mark", "bookmark"}
_EDGES = {"p", "s", "audio", "sub", "say-as"}  # no word runs on over their edges
_TOLD = {
    "say-as": "its text is kept, not how to read it",
    "phoneme": "its text is kept, not the pronunciation",
    "sub": "what is said stands for what is written",
    "audio": "only the text that stands in for the sound is kept",
    "lang": "its text is kept, not the change of language",
    "voice": "its text is kept, not the voice",
    **dict.fromkeys(_UNSPOKEN, "left out: it is not spoken"),
}

Marks = Mapping[str, tuple[str, int]]  # kind → marker, and the number of the element that set it
Part = tuple[str, Marks]


@dataclass(frozen=True)
class Read:
    """What was read. notes: one line for each thing in the SSML that markers do not say, with where it first stands."""

    marked: MarkedText
    notes: tuple[str, ...]


def read_ssml(xml: str | bytes, *, path: str | PathLike[str] | None = None) -> Read:
    """Marked text that says what SSML says, as far as markers can.

    xml: a whole document; bytes where it names its encoding. path: named in errors. Taken is the W3C's SSML and what
    Azure, Google, Polly and espeak-ng make of it: a break of 0.2 s or more is a pause; emphasis and pitch hold for each
    word inside; a contour over several words is a rise or fall of the last. What was compiled for "ssml" comes back as
    it was. Returns the text, and notes on what was not read.
    Raises ProsodyError with line and column for what is not XML, not SSML, or declares entities of its own.
    """
    reader = _Reader(path)
    try:
        reader.parser.Parse(xml, True)
    except expat.ExpatError as error:
        place = f"line {error.lineno}, column {error.offset + 1}"
        what = f"is not well-formed XML ({expat.ErrorString(error.code)})"
        raise ProsodyError(path, place, what, "give SSML: <speak>…</speak>, with & and < of the text escaped") from None
    except (UnicodeEncodeError, LookupError, ValueError):  # lone surrogates; an encoding that Python does not know
        raise ProsodyError(path, None, "is not text in an encoding that can be read", "save it as UTF-8") from None
    marked = _harmless(_assembled(reader), reader)
    return Read(marked, tuple(reader.told()))


class _Reader:
    """What the XML parser calls: gathers text with what holds for it, gaps and edges between words, and notes."""

    def __init__(self, path: str | PathLike[str] | None) -> None:
        self.path = path
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._open
        self.parser.EndElementHandler = self._close
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self.parser.SkippedEntityHandler = self._entity
        self.stack: list[_Scope] = [_Scope("", {}, {}, False)]
        self.pieces: list[Part | float | None] = []  # text, a gap in s, or an edge
        self.notes: dict[tuple[str, str], list[int]] = {}
        self.n_opened = self.n_voices = 0

    def note(self, what: str, told: str, *, line: int | None = None) -> None:
        """Keep a note. line: where; 0 if that is not known."""
        self.notes.setdefault((what, told), []).append(self.parser.CurrentLineNumber if line is None else line)

    def told(self) -> Iterator[str]:
        """The notes, each once."""
        for (what, told), lines in self.notes.items():
            place = f"line {lines[0]}: " if lines[0] else ""
            often = f" ({len(lines)} times)" if len(lines) > 1 else ""
            yield f"{place}{what}{often}: {told}"

    def _refuse(self, what: str, remedy: str) -> ProsodyError:
        place = f"line {self.parser.CurrentLineNumber}, column {self.parser.CurrentColumnNumber + 1}"
        return ProsodyError(self.path, place, what, remedy)

    def _doctype(self, name: str, system: str | None, public: str | None, inner: bool) -> None:
        if inner:
            raise self._refuse("a DOCTYPE with declarations of its own", "remove it: entities are not resolved")
        self.note("DOCTYPE", "not fetched")

    def _entity(self, name: str, *rest: object) -> None:
        raise self._refuse(f"the entity “{name:.40}” is not resolved", "write the character itself")

    def _open(self, tag: str, attributes: dict[str, str]) -> None:
        above = self.stack[-1]
        new = {key[6:]: uri for key, uri in attributes.items() if key == "xmlns" or key.startswith("xmlns:")}
        names = {**above.names, **new} if new else above.names
        if len(names) > _NAMESPACES:
            raise self._refuse(f"more than {_NAMESPACES} namespaces are declared", "give SSML for speech")
        prefix, _, local = tag.rpartition(":")
        name = local if names.get(prefix, ":" if prefix else "") in (_SYNTHESIS, "") else ""
        if not above.tag and name != "speak":
            raise self._refuse(f"the root is <{tag:.40}>, not <speak> of SSML", "give SSML")
        self.n_opened += 1
        marks = dict(above.marks)
        silent = above.silent or name in _UNSPOKEN
        if not above.silent:
            self.n_voices += name == "voice"
            if name not in _PLAIN and not (name == "voice" and self.n_voices == 1):  # the one voice of it all
                self.note(f"<{tag:.40}>", _TOLD.get(name, "only its text is kept"))
            self._read(name, attributes, marks)
        self.stack.append(_Scope(tag, names, marks, silent or name == "sub", name in _EDGES))

    def _read(self, name: str, attributes: Mapping[str, str], marks: dict[str, tuple[str, int]]) -> None:
        """What an element says in markers: into `marks`, or between the words."""
        if name in _EDGES:
            self.pieces.append(None)
        if name == "sub":
            self.pieces.append((attributes.get("alias", ""), marks))
        elif name == "break":
            gap = meaning.pause_s(attributes)
            if gap is None:
                self.note("<break>", "how long it is cannot be read: taken as of medium strength")
            self.pieces.append(0.5 if gap is None else gap)
        elif name == "emphasis":
            level = attributes.get("level", "moderate")
            marks.pop("emph", None)
            if level in ("reduced", "none"):
                self.note(f"<emphasis level=“{level}”>", "no marker says that")
            else:
                marks["emph"] = ("<emph>", self.n_opened)
        elif name == "prosody":
            tokens, unread = meaning.prosody(attributes)
            marks.update({BY_TOKEN[token].kind: (token, self.n_opened) for token in tokens})
            for key in unread:
                self.note(f"<prosody {key:.40}=“{attributes[key]:.40}”>", "no marker says that")

    def _close(self, tag: str) -> None:
        if self.stack.pop().edge:
            self.pieces.append(None)

    def _text(self, text: str) -> None:
        if not self.stack[-1].silent:
            self.pieces.append((text, self.stack[-1].marks))


@dataclass(frozen=True)
class _Scope:
    """An open element: its tag, the namespaces by prefix, and what holds for the text in it."""

    tag: str
    names: Mapping[str, str]
    marks: Marks
    silent: bool
    edge: bool = False


def _assembled(reader: _Reader) -> MarkedText:
    """The words with their markers, from the pieces that were gathered."""
    words: list[str] = []
    pauses: list[str | None] = []
    marks: list[dict[str, tuple[str, int]]] = []
    gap = 0.0
    for entry in _words(reader.pieces):
        if isinstance(entry, float):
            gap += entry
            continue
        words.append("".join(text for text, _ in entry))
        pauses.append(_pause(gap, reader))
        marks.append(_marks(entry, reader))
        gap = 0.0
    final = _pause(gap, reader)
    _keep_last(marks, reader)
    slots = (
        canonical(filter(None, [pause, *(token for token, _ in found.values())]))
        for pause, found in zip(pauses, marks, strict=True)
    )
    return MarkedText(tuple(MarkedWord(word, slot) for word, slot in zip(words, slots, strict=True)), final)


def _words(pieces: list[Part | float | None]) -> Iterator[list[Part] | float]:
    """Words, each in parts that differ in what holds for them, and the gaps between."""
    word: list[Part] = []
    for piece in [*pieces, None]:
        chunks: list[Part | None] = [None]
        if isinstance(piece, tuple):
            chunks = [(chunk, piece[1]) for chunk in re.findall(r"\s+|\S+", piece[0])]
        for chunk in chunks:
            if chunk and not chunk[0].isspace():
                word.append(chunk)
            elif word:
                yield word
                word = []
        if isinstance(piece, float):
            yield piece


def _pause(gap: float, reader: _Reader) -> str | None:
    token = meaning.pause(gap)
    if gap and token is None:
        reader.note("a break below 0.2 s", "no marker says that", line=0)
    return token


def _marks(parts: list[Part], reader: _Reader) -> dict[str, tuple[str, int]]:
    """What holds for a word, which may be of parts: the last that is said of any part with a letter or digit in it."""
    sounding = [marks for text, marks in parts if any(c.isalnum() for c in text)] or [marks for _, marks in parts]
    found = {}
    for kind in ("pitch", "emph"):
        said = [marks[kind] for marks in sounding if kind in marks]
        if said:
            found[kind] = said[-1]
        if len(set(said)) > 1 or 0 < len(said) < len(sounding):
            word = "".join(text for text, _ in parts)
            reader.note(f"{said[-1][0]} on a part of “{word:.24}”", "read as on the whole word", line=0)
    return found


def _keep_last(marks: list[dict[str, tuple[str, int]]], reader: _Reader) -> None:
    """Of a contour over several words leave only the last one's rise or fall."""
    last: set[tuple[str, int]] = set()
    for found in reversed(marks):
        mark = found.get("pitch")
        if mark is None or mark[0] not in ("<pitch_rising>", "<pitch_falling>"):
            continue
        if mark in last:
            del found["pitch"]
            reader.note("a contour over several words", f"read as {mark[0]} on the last of them", line=0)
        last.add(mark)


def _harmless(marked: MarkedText, reader: _Reader) -> MarkedText:
    """The same text, but with no words that would be taken for markers once it is written."""
    try:
        if parse(render(marked)) == marked:
            return marked
    except ProsodyError:
        pass
    reader.note("the text", "its < and > would read as markers and are written as ‹ and ›", line=0)
    brackets = str.maketrans("<>", "‹›")
    return replace(marked, words=tuple(replace(word, text=word.text.translate(brackets)) for word in marked.words))
