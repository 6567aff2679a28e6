"""The seven prosody markers and the grammar of marked text.

Marked text is plain text with markers between its words: `We <pause_short> <pitch_rising> <emph> really meant it.`
A word is a chunk between white space or markers, with its punctuation. The slot before a word holds at most one pause,
one pitch marker and one `<emph>`, written in that order; after the last word only a pause may stand. Everywhere, in
Python and in JSON, a marker is its token, `"<emph>"`.

Lines and columns count from 1 in characters; a line ends with LF, CR LF or CR.
"""

from __future__ import annotations

import difflib
import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prosody.errors import ProsodyError, one_line

WIRE_ID_BASE = 5_000_000
_INK_TURNS = (1.05 * 0.05) ** 0.5 - 0.05  # luminance on which black and white have the same contrast


@dataclass(frozen=True)
class Marker:
    """One of the seven: how it is written, what kind it is, and what stands for it elsewhere.

    token: as written in text. kind: "pause", "pitch" or "emph"; a slot holds one of each at most.
    wire_id: the same in every base model's token streams. meaning: one line for people.
    color: hex; the seven can be told apart with each colour-vision deficiency, and seen on white and on near-black. No
    colour is dark enough for text on the one and light enough on the other: text stands on it, in `ink`, or beside it.
    """

    token: str
    kind: str
    wire_id: int
    meaning: str
    color: str

    @property
    def name(self) -> str:
        """The token without its brackets."""
        return self.token[1:-1]

    @property
    def ink(self) -> str:
        """Black or white, whichever reads better on a ground of the marker's colour; hex."""
        return "#000000" if _luminance(self.color) > _INK_TURNS else "#ffffff"


MARKERS: tuple[Marker, ...] = tuple(
    Marker(token, kind, WIRE_ID_BASE + i, meaning, color)
    for i, (token, kind, meaning, color) in enumerate(
        (
            ("<emph>", "emph", "the next word stands out: more pitch movement, louder and longer", "#FC3C84"),
            ("<pause_short>", "pause", "a silence of 0.2 to 0.8 seconds here", "#CC8400"),
            ("<pause_long>", "pause", "a silence of 0.8 seconds or more here", "#C0240C"),
            ("<pitch_high>", "pitch", "the next word lies well above the speaker's usual pitch", "#009CA8"),
            ("<pitch_low>", "pitch", "the next word lies well below the speaker's usual pitch", "#0060D8"),
            ("<pitch_rising>", "pitch", "the pitch rises through the next word", "#A878FC"),
            ("<pitch_falling>", "pitch", "the pitch falls through the next word", "#9C3C84"),
        )
    )
)
TOKENS: tuple[str, ...] = tuple(marker.token for marker in MARKERS)
BY_TOKEN: dict[str, Marker] = {marker.token: marker for marker in MARKERS}
KINDS: tuple[str, ...] = ("pause", "pitch", "emph")  # the order of a slot

_BY_NAME = {marker.name: marker for marker in MARKERS}
_NAMES = "|".join(_BY_NAME)
_LOOKS_LIKE_A_MARKER = re.compile(rf"<(?:[^<>\s][^<>]*|\s+(?:{_NAMES})\s*)>", re.IGNORECASE)
_BROKEN_MARKER = re.compile(rf"<(?:{_NAMES})(?!\w)|(?<!\w)(?:{_NAMES})>", re.IGNORECASE)
_OLDER_SPELLINGS = {
    spelling: token
    for token, spellings in {
        "<emph>": "emphasis emphasise emphasize emphasised emphasized emphatic strong stress stressed",
        "<pause_short>": "pause short_pause pauseshort shortpause break comma_pause",
        "<pause_long>": "long_pause pauselong longpause",
        "<pitch_high>": "high high_pitch pitchhigh pitch_up raised pitch_raised",
        "<pitch_low>": "low low_pitch pitchlow pitch_down lowered pitch_lowered",
        "<pitch_rising>": "rising rise pitch_rise rising_pitch pitchrising",
        "<pitch_falling>": "falling fall pitch_fall falling_pitch pitchfalling",
    }.items()
    for spelling in spellings.split()
}


@dataclass(frozen=True)
class MarkedWord:
    """A word with the markers of the slot before it.

    markers: tokens in canonical order (pause, pitch, emph). line, column: where the word stood in the text it was
    parsed from, 0 when it was made by code; they do not count when words are compared.
    """

    text: str
    markers: tuple[str, ...] = ()
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)


@dataclass(frozen=True)
class MarkedText:
    """Words with their markers, and the pause after the last word if there is one.

    repairs: one line for each thing that `parse(..., repair=True)` put right; not compared.
    """

    words: tuple[MarkedWord, ...] = ()
    final: str | None = None
    repairs: tuple[str, ...] = field(default=(), compare=False)


def parse(text: str, *, path: str | os.PathLike[str] | None = None, repair: bool = False) -> MarkedText:
    """Read marked text.

    path: named in errors. repair: put right what can be (the last of two markers that exclude each other wins, older
    and upper-case spellings are read as what they mean, markers that belong to no word are dropped) and list it in
    `repairs`. Returns the words in order; a text without words gives none.
    Raises ProsodyError with line and column for an unknown marker, two of a kind in one slot, a marker that lacks a
    bracket, and a pitch marker or `<emph>` after the last word; with `repair`, for what cannot be put right.
    """
    source = _Source(text, path, repair)
    words: list[MarkedWord] = []
    offsets: list[int] = []
    slot: list[tuple[int, str]] = []
    for offset, chunk, is_marker in _chunks(text):
        if is_marker:
            slot.append((offset, _known(source, offset, chunk)))
            continue
        _refuse_broken(source, offset, chunk)
        words.append(MarkedWord(chunk, _settle(source, slot), *source.place(offset)))
        offsets.append(offset)
        slot = []
    _refuse_hidden(source, words, offsets)
    return MarkedText(tuple(words), _settle_final(source, slot), tuple(source.repairs))


def render(marked: MarkedText) -> str:
    """Marked text in its canonical form: everything parted by single spaces, markers before their word."""
    chunks = [chunk for word in marked.words for chunk in (*word.markers, word.text)]
    return " ".join(chunks + ([marked.final] if marked.final else []))


def plain(marked: MarkedText) -> str:
    """The words alone, parted by single spaces."""
    return " ".join(word.text for word in marked.words)


def strip(text: str) -> str:
    """Marked text without its markers, parted by single spaces. Raises ProsodyError as `parse` does."""
    return plain(parse(text))


def tokens(marked: MarkedText) -> tuple[str, ...]:
    """All markers in the order of the text."""
    inner = tuple(token for word in marked.words for token in word.markers)
    return inner + ((marked.final,) if marked.final else ())


def counts(marked: MarkedText) -> dict[str, int]:
    """How often each of the seven markers stands in the text, in wire order, zeros included."""
    written = tokens(marked)
    return {token: written.count(token) for token in TOKENS}


def canonical(slot: Iterable[str]) -> tuple[str, ...]:
    """The markers of one slot, each once, in canonical order: pause, pitch, emph.

    Raises ValueError on an unknown token and on two that exclude each other.
    """
    by_kind: dict[str, str] = {}
    for token in slot:
        if token not in BY_TOKEN:
            raise ValueError(f"{token!r} is not one of {', '.join(TOKENS)}")
        earlier = by_kind.setdefault(BY_TOKEN[token].kind, token)
        if earlier != token:
            raise ValueError(f"{earlier} and {token} exclude each other in one slot")
    return _ordered(by_kind)


def toggled(slot: Iterable[str], token: str) -> tuple[str, ...]:
    """The markers of a slot with one put in, in place of one of its kind, or taken out if it stands there.

    Raises ValueError on an unknown token.
    """
    slot = tuple(slot)
    rest = [other for other in slot if BY_TOKEN[other].kind != BY_TOKEN[token].kind] if token in BY_TOKEN else slot
    return canonical(rest if token in slot else [*rest, token])


def marker_of_wire_id(wire_id: int) -> Marker:
    """The marker with this wire id. Raises ValueError if it is none of the seven."""
    if not 0 <= wire_id - WIRE_ID_BASE < len(MARKERS):
        raise ValueError(f"{wire_id} is not a wire id; they are {WIRE_ID_BASE} to {WIRE_ID_BASE + len(MARKERS) - 1}")
    return MARKERS[wire_id - WIRE_ID_BASE]


def nearest_to(name: str) -> str:
    """The token of the marker whose name is most like `name`, or that it is an older spelling of."""
    told = re.sub(r"[\s-]+", "_", name.strip().lower())
    if told in _OLDER_SPELLINGS:
        return _OLDER_SPELLINGS[told]
    return _BY_NAME[max(_BY_NAME, key=lambda known: difflib.SequenceMatcher(None, told, known).ratio())].token


def _luminance(color: str) -> float:
    """Relative luminance as WCAG 2.2 defines it, 0 to 1."""
    shares = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares)
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


class _Source:
    """The text being parsed: finds places in it, raises errors about it, collects repairs."""

    def __init__(self, text: str, path: str | os.PathLike[str] | None, repair: bool) -> None:
        self.text, self.path, self.repair = text, path, repair
        self.repairs: list[str] = []
        self._line_starts = [0, *(m.end() for m in re.finditer(r"\r\n|\n|\r", text))]

    def place(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def where(self, offset: int) -> str:
        return "line {}, column {}".format(*self.place(offset))

    def around(self, offset: int) -> str:
        """The words around a place, as one short quoted line."""
        before = self.text[max(0, offset - 200) : offset].split()[-3:]
        after = self.text[offset : offset + 200].split()[:4]
        return "“" + " ".join(_short(chunk) for chunk in before + after) + "”"

    def refuse(self, offset: int, what: str, remedy: str) -> ProsodyError:
        return ProsodyError(self.path, self.where(offset), what, remedy)

    def repaired(self, offset: int, what: str) -> None:
        self.repairs.append(one_line(f"{self.where(offset)}: {what}"))


def _chunks(text: str) -> Iterator[tuple[int, str, bool]]:
    """(offset, chunk, is it written as a marker) in order."""
    start = 0
    for match in [*_LOOKS_LIKE_A_MARKER.finditer(text), None]:
        end = match.start() if match else len(text)
        for word in re.finditer(r"\S+", text[start:end]):
            yield start + word.start(), word.group(), False
        if match:
            yield match.start(), match.group(), True
            start = match.end()


def _known(source: _Source, offset: int, chunk: str) -> str:
    """The token that `chunk` is or, when repairing, stands for."""
    if chunk in BY_TOKEN:
        return chunk
    name = re.sub(r"[\s-]+", "_", chunk[1:-1].strip().lower())
    shown = _short(" ".join(chunk.split()), 40)
    if name in _BY_NAME or name in _OLDER_SPELLINGS:
        token = _BY_NAME[name].token if name in _BY_NAME else _OLDER_SPELLINGS[name]
        if source.repair:
            source.repaired(offset, f"{shown} read as {token}")
            return token
        upper = name in _BY_NAME and chunk[1:-1].lower() == name
        hint = f"markers are lower-case: {token}" if upper else f"write {token}"
        raise source.refuse(offset, f"unknown marker {shown} in {source.around(offset)}", hint)
    nearest = BY_TOKEN[nearest_to(name.lstrip("/"))].name
    hint = f"the nearest marker is <{nearest}>"
    if name.startswith("/"):
        hint = f"markers are not closed; the nearest marker, <{nearest}>, acts on {_acts_on(nearest)}"
    elif not re.fullmatch(r"<[\w-]+>", chunk):
        hint += "; put a space after a “<” that belongs to the text"
    raise source.refuse(offset, f"unknown marker {shown} in {source.around(offset)}", hint)


def _acts_on(name: str) -> str:
    return "the gap where it stands" if _BY_NAME[name].kind == "pause" else "the one word after it"


def _settle(source: _Source, slot: list[tuple[int, str]]) -> tuple[str, ...]:
    """The markers of a slot in canonical order; of two that exclude each other the last when repairing."""
    by_kind: dict[str, str] = {}
    for offset, token in slot:
        kind = BY_TOKEN[token].kind
        earlier = by_kind.get(kind)
        if earlier is not None:
            pair = f"{token} twice" if earlier == token else f"two {kind} markers, {earlier} and {token},"
            if not source.repair:
                raise source.refuse(offset, f"{pair} in one place, {source.around(offset)}", "keep one of them")
            source.repaired(offset, f"{pair} in one place: kept the last, {token}")
        by_kind[kind] = token
    return _ordered(by_kind)


def _ordered(by_kind: dict[str, str]) -> tuple[str, ...]:
    return tuple(by_kind[kind] for kind in KINDS if kind in by_kind)


def _settle_final(source: _Source, slot: list[tuple[int, str]]) -> str | None:
    """The pause after the last word, if there is one; only a pause may stand there."""
    pauses = []
    for offset, token in slot:
        if BY_TOKEN[token].kind == "pause":
            pauses.append((offset, token))
            continue
        if not source.repair:
            what = f"{token} after the last word in {source.around(offset)}"
            raise source.refuse(offset, what, "put it before the word it acts on")
        source.repaired(offset, f"{token} after the last word: dropped")
    settled = _settle(source, pauses)
    return settled[0] if settled else None


def _refuse_broken(source: _Source, offset: int, chunk: str) -> None:
    """Refuse a marker with one bracket missing, which would otherwise pass as a word."""
    if match := _BROKEN_MARKER.search(chunk):
        token = f"<{match.group().strip('<>').lower()}>"
        place = offset + match.start()
        raise source.refuse(place, f"a marker lacks a bracket in {source.around(place)}", f"write {token}")


def _refuse_hidden(source: _Source, words: list[MarkedWord], offsets: list[int]) -> None:
    """Refuse words that would read as a marker once the markers between them are taken out."""
    text = " ".join(word.text for word in words)
    if match := _LOOKS_LIKE_A_MARKER.search(text):
        offset = offsets[text.count(" ", 0, match.start())]
        what = f"a “<” that is closed beyond a marker in {source.around(offset)}"
        raise source.refuse(offset, what, "close it before the marker, or put a space after a “<” of the text")


def _short(chunk: str, length: int = 24) -> str:
    return chunk if len(chunk) <= length else chunk[: length - 1] + "…"
