"""The encodings in which Praat, ELAN and spreadsheets write text: UTF-8 and UTF-16, told apart by their first bytes."""

from __future__ import annotations

from prosody import files
from prosody.errors import ProsodyError
from prosody.files import PathLike

ENCODINGS = ("utf-8", "utf-16")
_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def read(path: PathLike) -> str:
    """The text of a file in UTF-8 or UTF-16 of either byte order, without its byte order mark, line ends as they are.

    UTF-16 without the mark is taken for what it is if the first character is an ASCII one.
    Raises ProsodyError if the file cannot be read or is neither.
    """
    data = files.read_bytes(path)
    if not data:
        raise ProsodyError(path, None, "is empty", "write or export it again")
    encoding = _MARKS.get(data[:2])
    if encoding is None and len(data) > 1 and 0 in data[:2] and any(data[:2]):
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
    if encoding is None:
        return files.read_text(path)
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise ProsodyError(path, None, "is not text, or was cut short", "save it again as UTF-8 or UTF-16") from None


def encoded(text: str, encoding: str, *, mark: bool = False) -> bytes:
    """`text` as bytes. encoding: "utf-8" (with a byte order mark if `mark`), or "utf-16" (little-endian, marked).

    Raises ProsodyError on another encoding, and on a text that holds what no encoding can write.
    """
    if encoding not in ENCODINGS:
        raise ProsodyError(None, "encoding", f"is {encoding!r}", f"give {' or '.join(ENCODINGS)}")
    codec = "utf-16-le" if encoding == "utf-16" else encoding
    try:
        return (("\ufeff" if mark or encoding == "utf-16" else "") + text).encode(codec)
    except UnicodeEncodeError as error:
        shown = text[max(0, error.start - 20) : error.end + 20]
        raise ProsodyError(None, repr(shown), "holds half a character", "write the text again as UTF-8") from None
