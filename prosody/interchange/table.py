"""Words as a table, a row each: CSV that Excel, LibreOffice and pandas open, and back.

Columns: segment (its file), word (its number in the segment), text, start, end (s), markers, heard, confidence (how
sure it is that the word is said there, where that is known), then each measurement under its name and each evidence as
`evidence_emph`. A row without a text holds the pause after the last word. A text that a spreadsheet would take for a
number, a date, a truth value or a formula has an apostrophe before it, which is taken off again on reading. A file with
semicolons or tabs and decimal commas, as some spreadsheets save it, is read too; columns of other names that do not
hold numbers are left alone.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from prosody import files, markers
from prosody.dataset import Word
from prosody.errors import ProsodyError
from prosody.files import PathLike
from prosody.interchange import encoding as encodings
from prosody.interchange.annotation import Annotation, Part, checked, slot
from prosody.markers import BY_TOKEN, TOKENS

REQUIRED = ("text", "start", "end", "markers")
_OWN = ("segment", "word", *REQUIRED, "heard")
_CONFIDENCE = "confidence"
_EVIDENCE = {f"evidence_{marker.name}": marker.token for marker in markers.MARKERS}
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".replace(" ", "|")
# What a spreadsheet makes something else of, with the apostrophes that keep it from that.
_MISREAD = re.compile(rf"'*(?:[-+=@]|[$€£¥.,(]*\d|(?:true|false)$|(?:{_MONTHS})[a-z]*[-./]?\d)", re.IGNORECASE)


def write(path: PathLike, annotation: Annotation, *, encoding: str = "utf-8", overwrite: bool = False) -> None:
    """Write a table, all of it or nothing, with the byte order mark by which Excel knows the encoding.

    Raises ProsodyError if the file exists and `overwrite` is false, or cannot be written.
    """
    files.write_bytes(path, encodings.encoded(render(annotation), encoding, mark=True), overwrite=overwrite)


def read(path: PathLike) -> Annotation:
    """Read a table. Raises ProsodyError as `parse` does, and if the file is no text."""
    return parse(encodings.read(path), path=path)


def render(annotation: Annotation) -> str:
    """The table as text."""
    words = annotation.words
    measured = list(dict.fromkeys(name for word in words for name in word.measured))
    evidence = [name for name, token in _EVIDENCE.items() if any(token in word.evidence for word in words)]
    sure = [_CONFIDENCE] if any(word.confidence is not None for word in words) else []
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*_OWN, *sure, *measured, *evidence])
    inside = [(part.name, k + 1) for part in annotation.parts for k in range(part.stop - part.first)]
    inside = inside or [("", k + 1) for k in range(len(words))]
    heard = annotation.heard or ((),) * len(words)
    for word, (segment, number), said in zip(words, inside, heard, strict=True):
        own = [segment, number, _guarded(word.text), _shown(word.start), _shown(word.end)]
        numbers = [word.confidence for _ in sure] + [word.measured.get(name) for name in measured]
        numbers += [word.evidence.get(_EVIDENCE[name]) for name in evidence]
        shown = ["" if number is None else _shown(number) for number in numbers]
        writer.writerow([*own, " ".join(word.markers), " ".join(said), *shown])
    if annotation.final:
        at = words[-1].end if words else 0.0
        name, number = inside[-1] if inside else ("", 0)
        writer.writerow([name, number + 1, "", _shown(at), _shown(at), annotation.final, ""])
    return out.getvalue()


def parse(text: str, *, path: PathLike | None = None) -> Annotation:
    """Read the text of a table. path: named in errors.

    Rows that a spreadsheet has sorted otherwise are put back by segment and word.
    Raises ProsodyError, with row and column, if a column is missing, a row has more cells than the header, a cell holds
    no number, an unknown marker or two that exclude each other, or the words' times run backward or overlap.
    """
    rows = _in_file_order(_rows(text, path), path)
    final = None
    if rows and not rows[-1].cells["text"].strip():
        final = _final(rows.pop(), path)
    for row in rows:
        if not row.cells["text"].strip():
            raise ProsodyError(path, row.place("text"), "is empty", "delete the row, or write the word")
    others = _measurements(rows)
    words = tuple(_word(row, others, path) for row in rows)
    heard = tuple(_tokens(row, "heard", path) for row in rows) if any(row.cells.get("heard") for row in rows) else None
    end = max((word.end for word in words), default=0.0)
    places = tuple(f"row {row.number}" for row in rows)
    found = Annotation(words, final, end, heard=heard, parts=_parts(rows), places=places)
    return checked(found, path, "column 'text'")


@dataclass(frozen=True)
class _Row:
    """A row, counted as spreadsheets count: the header is 1. comma: numbers have decimal commas."""

    number: int
    cells: Mapping[str, str]
    comma: bool

    def place(self, column: str) -> str:
        return f"row {self.number}, column '{column}'"


def _rows(text: str, path: PathLike | None) -> list[_Row]:
    if not text.strip():
        raise ProsodyError(path, None, "is empty", "export it again")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ProsodyError(path, None, f"is not CSV ({error})", "save it as CSV, UTF-8") from None
    header = [name.strip().lower() for name in table[0]]
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        there = ", ".join(name[:20] for name in header[:12])
        what = f"lacks the column {missing[0]!r}; there are: {there}"
        raise ProsodyError(path, "row 1", what, f"it needs {', '.join(REQUIRED)}")
    double = next((name for name in _OWN if header.count(name) > 1), None)
    if double:
        raise ProsodyError(path, "row 1", f"has the column {double!r} twice", "keep one of them")
    rows = []
    for number, cells in enumerate(table[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
            what = f"has {len(cells)} cells, the header {len(header)}"
            raise ProsodyError(path, f"row {number}", what, "put a text with commas in quotes")
        padded = [*cells, *[""] * (len(header) - len(cells))]
        named = dict(zip(header, padded, strict=False))
        rows.append(_Row(number, named, delimiter != ","))
    return rows


def _in_file_order(rows: list[_Row], path: PathLike | None) -> list[_Row]:
    """The rows by segment and word, if both columns are there and the rows are not in that order already."""
    if not all("segment" in row.cells and row.cells.get("word", "").strip() for row in rows):
        return rows
    keys = [(row.cells["segment"], _number(row, "word", path)) for row in rows]
    seen: list[str] = []
    for segment, _ in keys:
        if not seen or seen[-1] != segment:
            seen.append(segment)
    in_order = all(a[1] < b[1] for a, b in pairwise(keys) if a[0] == b[0])
    if in_order and len(seen) == len(set(seen)):
        return rows
    first: dict[str, float] = {}
    for row, (segment, _) in zip(rows, keys, strict=True):
        first[segment] = min(first.get(segment, math.inf), _number(row, "start", path))
    order = sorted(range(len(rows)), key=lambda k: (first[keys[k][0]], keys[k]))
    return [rows[k] for k in order]


def _word(row: _Row, others: Sequence[str], path: PathLike | None) -> Word:
    text = row.cells["text"].strip()
    text = text[1:] if text.startswith("'") and _MISREAD.match(text) else text
    if len(text.split()) > 1:
        raise ProsodyError(path, row.place("text"), f"“{text[:40]}” is more than one word", "give each word its row")
    read = _parsed_word(text, row, path)
    if len(read.words) != 1 or read.words[0].markers or read.final:
        raise ProsodyError(path, row.place("text"), f"“{text[:40]}” is no word", "write markers in their own column")
    start, end = _number(row, "start", path), _number(row, "end", path)
    slotted = slot(_tokens(row, "markers", path), path, row.place("markers"), text)
    measured = {name: _measured(row, name, path) for name in others}
    evidence = {token: _measured(row, name, path) for name, token in _EVIDENCE.items() if name in row.cells}
    known = measured if any(value is not None for value in measured.values()) else {}
    found = {token: value for token, value in evidence.items() if value is not None}
    sure = _measured(row, _CONFIDENCE, path) if _CONFIDENCE in row.cells else None
    return Word(text, start, end, slotted, known, found, sure)


def _parsed_word(text: str, row: _Row, path: PathLike | None) -> markers.MarkedText:
    try:
        return markers.parse(text)
    except ProsodyError as error:
        raise ProsodyError(path, row.place("text"), error.what, error.remedy) from None


def _final(row: _Row, path: PathLike | None) -> str | None:
    """The pause of the row after the last word."""
    tokens = _tokens(row, "markers", path)
    if not tokens:
        return None
    if len(tokens) > 1 or BY_TOKEN[tokens[0]].kind != "pause":
        what = f"{' '.join(tokens)} after the last word"
        raise ProsodyError(path, row.place("markers"), what, "only a pause may stand there")
    return tokens[0]


def _tokens(row: _Row, column: str, path: PathLike | None) -> tuple[str, ...]:
    """The markers of a cell; they may stand there without brackets or space between."""
    cell = row.cells.get(column, "")
    chunks = [chunk.strip("<>") for chunk in re.split(r"[\s,;]+|(?<=>)(?=<)", cell) if chunk]
    for chunk in chunks:
        if f"<{chunk}>" in BY_TOKEN:
            continue
        try:
            markers.parse(f"<{chunk}> …")
        except ProsodyError as error:
            what = (error.what or "").partition(" in “")[0]
            raise ProsodyError(path, row.place(column), what, error.remedy) from None
        raise ProsodyError(path, row.place(column), f"unknown marker {chunk!r}", f"write one of {' '.join(TOKENS)}")
    return tuple(f"<{chunk}>" for chunk in chunks)


def _measurements(rows: Sequence[_Row]) -> list[str]:
    """The columns that are neither our own nor evidence and hold numbers only."""
    own = {"", *_OWN, _CONFIDENCE, *_EVIDENCE}
    names = [name for name in (rows[0].cells if rows else {}) if name not in own]
    cells = {name: [row.cells[name] for row in rows if row.cells[name].strip()] for name in names}
    comma = bool(rows) and rows[0].comma
    return [name for name in names if cells[name] and all(_value(cell, comma) is not None for cell in cells[name])]


def _measured(row: _Row, name: str, path: PathLike | None) -> float | None:
    return _number(row, name, path) if row.cells[name].strip() else None


def _number(row: _Row, column: str, path: PathLike | None) -> float:
    cell = row.cells[column].strip()
    value = _value(cell, row.comma)
    if value is None:
        raise ProsodyError(path, row.place(column), f"{cell[:40]!r} is no number", "write a number, as 12.34")
    if (column == _CONFIDENCE or column.startswith("evidence_")) and not 0 <= value <= 1:
        raise ProsodyError(path, row.place(column), f"{cell[:40]} is not within 0 and 1", "write a number from 0 to 1")
    return value


def _value(cell: str, comma: bool) -> float | None:
    try:
        value = float(cell.replace(",", ".") if comma else cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _parts(rows: Sequence[_Row]) -> tuple[Part, ...]:
    """Which words belong to which segment, as the rows say; their times are not known here."""
    parts: list[Part] = []
    for k, row in enumerate(rows):
        name = row.cells.get("segment", "").strip()
        if not name:
            return ()
        if parts and parts[-1].name == name:
            parts[-1] = Part(name, 0.0, 0.0, parts[-1].first, k + 1)
        else:
            parts.append(Part(name, 0.0, 0.0, k, k + 1))
    return tuple(parts)


def _guarded(text: str) -> str:
    """A text, with an apostrophe before it where a spreadsheet would make something else of it."""
    return f"'{text}" if _MISREAD.match(text) else text


def _shown(number: float) -> str:
    return repr(float(number)).removesuffix(".0")
