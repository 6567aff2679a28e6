"""What kind of file a recording is, told by its first bytes, and whether a WAV file holds what its header promises.

libsndfile reads a truncated WAV file without a word, so the sizes of its chunks are compared with the file here
(RIFF: Microsoft and IBM, 1991; RF64: EBU Tech 3306).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from prosody.errors import ProsodyError

_TO_WAV = "convert it to WAV first, for example with: ffmpeg -i {name} {stem}.wav"
_UNKNOWN_SIZE = (0, 0xFFFFFFFF)  # what a program writes that streams and cannot return to the header
_LONGEST_CHUNK_LIST = 1000


@dataclass(frozen=True)
class WavSizes:
    """Bytes of sound in a WAV file: promised by its header (None: not told) and there; bytes a second (0: not told)."""

    promised: int | None
    there: int
    bytes_a_second: int


def refuse_unread(path: Path) -> None:
    """Raise ProsodyError if it is no file, empty, of a kind that is not read, text, or a WAV file cut short."""
    if path.exists() and not path.is_dir() and not path.is_file():  # opening it might wait for ever
        raise ProsodyError(path, None, "is a device or a pipe, not a file", "save the recording as a file first")
    with open(path, "rb") as file:
        head = file.read(4096)
        if not head:
            raise ProsodyError(path, None, "is empty (0 bytes)", "export the recording again")
        kind = _unread_kind(head)
        if kind:
            stem = path.stem if path.suffix.lower() != ".wav" else f"{path.stem}_converted"
            remedy = _TO_WAV.format(name=path.name, stem=stem)
            raise ProsodyError(path, None, f"is {kind}; WAV, FLAC, OGG and MP3 are read", remedy)
        if _is_text(head):
            start = head[:24].decode("utf-8", "replace").strip()
            what = f"is text, not audio (it begins with “{start}”)"
            raise ProsodyError(path, None, what, "give the recording first, then the transcript")
        if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
            _refuse_cut_short(path, wav_sizes(file))


def wav_sizes(file: BinaryIO) -> WavSizes:
    """Sizes of the sound in a WAV file, read from its chunks."""
    file.seek(0, 2)
    length = file.tell()
    file.seek(12)
    long_size, rate = None, 0
    for _ in range(_LONGEST_CHUNK_LIST):
        header = file.read(8)
        if len(header) < 8:
            break
        name, size = header[:4], struct.unpack("<I", header[4:])[0]
        body = file.tell()
        if name == b"ds64":
            long_size = struct.unpack("<Q", file.read(16)[8:].ljust(8, b"\0"))[0]
        elif name == b"fmt ":
            rate = struct.unpack("<I", file.read(12)[8:].ljust(4, b"\0"))[0]
        elif name == b"data":
            if size == 0xFFFFFFFF and long_size:
                size = long_size
            there = length - body
            return WavSizes(None if size in _UNKNOWN_SIZE and there else size, there, rate)
        file.seek(body + size + size % 2)
    return WavSizes(None, 0, rate)


def _refuse_cut_short(path: Path, sizes: WavSizes) -> None:
    remedy = "copy or export the recording again"
    if sizes.there == 0 or sizes.promised == 0:
        raise ProsodyError(path, None, "holds no samples", remedy)
    if sizes.promised is not None and sizes.there < sizes.promised:
        a_second, unit = (sizes.bytes_a_second, "s") if sizes.bytes_a_second else (1, "bytes")
        promised, there = sizes.promised / a_second, sizes.there / a_second
        what = f"promises {promised:,.1f} {unit} of audio and holds {there:,.1f} {unit}: it was cut short"
        raise ProsodyError(path, None, what, remedy)


def _unread_kind(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return "M4A or MP4"
    for magic, kind in (
        (b"\x1a\x45\xdf\xa3", "WebM or Matroska"),
        (b"\x30\x26\xb2\x75", "WMA"),
        (b"#!AMR", "AMR"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"%PDF", "a PDF document"),
    ):
        if head.startswith(magic):
            return kind
    return "AAC" if head[0] == 0xFF and len(head) > 1 and head[1] & 0xF6 == 0xF0 else None


def _is_text(head: bytes) -> bool:
    """Whether the bytes can be nothing but text: no control characters, valid UTF-8 up to a cut at the end."""
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in head) or 127 in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3
    return True
