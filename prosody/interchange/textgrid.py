"""Praat's TextGrid files: the format alone, whatever the tiers mean.

Both text forms are read as Praat reads them (manual page "TextGrid file formats"): what counts are the free-standing
numbers, the texts in double quotes (a quote inside is doubled) and the flags in angle brackets, in their order;
everything else, as `xmin =` and `intervals [3]:`, is there for people, and so is what follows a "!". Reading is strict:
a file that was cut short or whose counts are wrong is an error with its line, never a shorter tier.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from prosody import files
from prosody.errors import ProsodyError
from prosody.files import PathLike
from prosody.interchange import encoding as encodings

FORMS = ("long", "short")
TOLERANCE_S = 0.001  # rounding of times may make neighbouring intervals overlap this much
_TOKEN = re.compile(r'"(?P<text>[^"]*(?:""[^"]*)*)"|(?P<open>")|<(?P<flag>[^\s<>"]*)>|!(?P<note>[^\r\n]*)|[^\s"<!]+')
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_HEADER_BYTES = re.compile(rb"ooTextFile|Praat chronological")
_NO_TEXTGRID = ("is not a TextGrid", "give a TextGrid that Praat, ELAN or an aligner wrote")
_SAVE_AGAIN = "save it again in the program that made it"


@dataclass(frozen=True)
class Interval:
    """A label from `start` to `end`, s."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Point:
    """A label at a time, s."""

    time: float
    text: str


@dataclass(frozen=True)
class IntervalTier:
    """Labels that take time; what lies between them is silent."""

    name: str
    intervals: tuple[Interval, ...]


@dataclass(frozen=True)
class PointTier:
    """Labels that take no time."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class TextGrid:
    """Tiers of labels over one stretch of time, `start` to `end`, s."""

    start: float
    end: float
    tiers: tuple[IntervalTier | PointTier, ...]


def read(path: PathLike) -> TextGrid:
    """Read a TextGrid of either text form, in UTF-8 or UTF-16. Raises ProsodyError as `parse` does."""
    data = files.read_bytes(path)
    if data.startswith(b"ooBinaryFile"):
        raise ProsodyError(path, None, "is in Praat's binary form", "in Praat, use Save as text file")
    if data.strip(b"\0\r\n\t \xff\xfe\xef\xbb\xbf") and not _HEADER_BYTES.search(data[:400].replace(b"\0", b"")):
        raise ProsodyError(path, None, *_NO_TEXTGRID)
    return parse(encodings.read(path), path=path)


def write(
    path: PathLike, grid: TextGrid, *, form: str = "long", encoding: str = "utf-8", overwrite: bool = False
) -> None:
    """Write a TextGrid, all of it or nothing. form: "long" or "short". encoding: "utf-8" or "utf-16".

    Raises ProsodyError if the file exists and `overwrite` is false, or cannot be written.
    """
    files.write_bytes(path, encodings.encoded(render(grid, form=form), encoding), overwrite=overwrite)


def parse(text: str, *, path: PathLike | None = None) -> TextGrid:
    """Read the text of a TextGrid. path: named in errors.

    Intervals with an empty label are kept. Raises ProsodyError, with the line, if it is no TextGrid, ends too early or
    goes on too long, and if a tier's times run backward or overlap.
    """
    reader = _Reader(text, path)
    reader.header()
    start, end = reader.number("the start"), reader.number("the end")
    if not start <= end:
        reader.refuse(f"the end {end:g} lies before the start {start:g}", _SAVE_AGAIN)
    if reader.flag() != "exists":
        return TextGrid(start, end, ())
    tiers = tuple(_tier(reader, number) for number in range(1, reader.count("tiers") + 1))
    reader.finish(f"tier “{tiers[-1].name}”" if tiers else "the header")
    return TextGrid(start, end, tiers)


def render(grid: TextGrid, *, form: str = "long") -> str:
    """The text of a TextGrid. Gaps between intervals become intervals with an empty label, as the format wants it.

    Times are written with as many digits as it takes to read the same number again.
    Raises ProsodyError if `form` is neither "long" nor "short"; ValueError if times run backward or overlap.
    """
    if form not in FORMS:
        raise ProsodyError(None, "form", f"is {form!r}", f"give {' or '.join(FORMS)}")
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    span = [("xmin", _number(grid.start)), ("xmax", _number(grid.end))]
    long = form == "long"
    lines += [f"{key} = {value}" if long else value for key, value in span]
    lines += [f"{'tiers? ' if long else ''}<exists>", f"{'size = ' if long else ''}{len(grid.tiers)}"]
    lines += ["item []:"] if long else []
    for number, tier in enumerate(grid.tiers, 1):
        kind = "IntervalTier" if isinstance(tier, IntervalTier) else "TextTier"
        head = [("class", _quoted(kind)), ("name", _quoted(tier.name)), *span]
        entries = list(_entries(grid, tier))
        if not long:
            lines += [*(value for _, value in head), str(len(entries))]
            lines += [value for entry in entries for _, value in entry]
            continue
        name = "intervals" if kind == "IntervalTier" else "points"
        lines += [f"    item [{number}]:", *(f"        {key} = {value}" for key, value in head)]
        lines.append(f"        {name}: size = {len(entries)}")
        for k, entry in enumerate(entries, 1):
            lines.append(f"        {name} [{k}]:")
            lines += [f"            {key} = {value}" for key, value in entry]
    return "\n".join(lines) + "\n"


class _Reader:
    """The numbers, texts and flags of a file, one after another; tells where it stands when it must refuse."""

    def __init__(self, text: str, path: PathLike | None) -> None:
        self.text, self.path = text, path
        self.place: tuple[str, str, int, int] | None = None  # (entry, tier, number, of)
        self._at = 0
        self._tokens = self._found()

    def _found(self) -> Iterator[tuple[str, str]]:
        for match in _TOKEN.finditer(self.text):
            kind = match.lastgroup
            if kind == "note":
                continue
            self._at = match.start()
            if kind == "open":
                self.refuse("a label is not closed: it was cut short, or a quote is not doubled", _SAVE_AGAIN)
            if kind is not None:
                yield kind, match.group(kind)
            elif _NUMBER.fullmatch(number := match.group().rpartition("=")[2]):
                yield "number", number
        self._at = len(self.text)

    def header(self) -> None:
        """The file type and the object class."""
        first = self.text[:200].lstrip()
        if first.startswith('"Praat chronological'):
            self._not_this("is a chronological TextGrid", "in Praat, read it and use Save as text file")
        if not re.match(r'(?:File type *= *)?"ooTextFile', first):
            self._not_this(*_NO_TEXTGRID)
        next(self._tokens)
        kind, name = next(self._tokens, ("", ""))
        if kind != "text" or name not in ("TextGrid", "Praat TextGrid"):
            held = f"a {name[:40]}" if name else "nothing"
            self._not_this(f"holds {held}, not a TextGrid", "in Praat, select the TextGrid to save")

    def number(self, what: str) -> float:
        value = float(self._next("number", what))
        if not math.isfinite(value):
            self.refuse(f"{what} is too large for a time", _SAVE_AGAIN)
        return value

    def label(self, what: str) -> str:
        return self._next("text", what).replace('""', '"')

    def flag(self) -> str:
        return self._next("flag", "<exists>")

    def count(self, what: str) -> int:
        value = self.number(f"the number of {what}")
        if value < 0 or value != int(value):
            self.refuse(f"{value:g} is no number of {what}", _SAVE_AGAIN)
        return int(value)

    def finish(self, last: str) -> None:
        """Raise ProsodyError if anything is left."""
        self.place = None
        if next(self._tokens, None) is not None:
            self.refuse(f"goes on after {last}, which holds more than its size says", _SAVE_AGAIN)

    def refuse(self, what: str, remedy: str) -> NoReturn:
        """Raise the ProsodyError for the line that was read last."""
        line = self.text.count("\n", 0, self._at) + 1
        where = f"line {line}"
        if self.place:
            entry, tier, number, of = self.place
            where += f", {entry} {number} of {of} of the tier “{tier}”"
        raise ProsodyError(self.path, where, what, remedy)

    def _next(self, kind: str, what: str) -> str:
        found = next(self._tokens, None)
        if found is None:
            self.refuse(f"ends before {what}: it was cut short", _SAVE_AGAIN)
        if found[0] != kind:
            shown = " ".join(found[1].split())[:40]
            self.refuse(f"“{shown}” stands where {what} should", "make the sizes agree with what follows")
        return found[1]

    def _not_this(self, what: str, remedy: str) -> NoReturn:
        raise ProsodyError(self.path, None, what, remedy)


def _tier(reader: _Reader, number: int) -> IntervalTier | PointTier:
    reader.place = None
    kind = reader.label(f"the class of tier {number}")
    if kind not in ("IntervalTier", "TextTier"):
        reader.refuse(f"tier {number} has the class “{kind[:40]}”", "make it an IntervalTier or a TextTier")
    name = reader.label(f"the name of tier {number}")
    reader.number(f"the start of the tier “{name}”")
    reader.number(f"the end of the tier “{name}”")
    if kind == "TextTier":
        return PointTier(name, _points(reader, name, reader.count("points")))
    return IntervalTier(name, _intervals(reader, name, reader.count("intervals")))


def _intervals(reader: _Reader, name: str, size: int) -> tuple[Interval, ...]:
    found: list[Interval] = []
    earlier = -math.inf
    for number in range(1, size + 1):
        reader.place = ("interval", name, number, size)
        start, end = reader.number("its start"), reader.number("its end")
        if end < start:
            reader.refuse(f"it ends at {end:g} s, before its start at {start:g} s", "mend its times")
        if start < earlier - TOLERANCE_S:
            reader.refuse(f"it starts at {start:g} s, before the one before it ends at {earlier:g} s", "mend its times")
        found.append(Interval(start, end, reader.label("its label")))
        earlier = end
    return tuple(found)


def _points(reader: _Reader, name: str, size: int) -> tuple[Point, ...]:
    found: list[Point] = []
    for number in range(1, size + 1):
        reader.place = ("point", name, number, size)
        time = reader.number("its time")
        if found and time < found[-1].time:
            reader.refuse(f"it lies at {time:g} s, before the point before it", "mend its time")
        found.append(Point(time, reader.label("its label")))
    return tuple(found)


def _entries(grid: TextGrid, tier: IntervalTier | PointTier) -> Iterator[tuple[tuple[str, str], ...]]:
    """What is written of each interval or point: keys and values."""
    at = grid.start
    if isinstance(tier, PointTier):
        for point in tier.points:
            if not at <= point.time <= grid.end:
                raise ValueError(f"{point} of the tier {tier.name!r} lies out of place")
            yield ("number", _number(point.time)), ("mark", _quoted(point.text))
            at = point.time
        return
    for interval in (*tier.intervals, None):
        start = grid.end if interval is None else interval.start
        if start > at or (interval is None and not tier.intervals):
            yield ("xmin", _number(at)), ("xmax", _number(start)), ("text", '""')
        if interval is None:
            return
        if not at <= start < interval.end <= grid.end:
            raise ValueError(f"{interval} of the tier {tier.name!r} lies out of place")
        yield ("xmin", _number(start)), ("xmax", _number(interval.end)), ("text", _quoted(interval.text))
        at = interval.end


def _number(value: float) -> str:
    """A number that every program reads: all its digits, no exponent."""
    text = repr(float(value))
    return (format(Decimal(text), "f") if "e" in text else text).removesuffix(".0")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
