"""A process of its own that speaks SSML with espeak-ng, whose licence (GPL-3) is not this package's.

It is run as a program by `prosody.voice.engines.espeak` and imports nothing of this package. SSML comes in on stdin, in
UTF-8. Out on stdout come one line of JSON, `{"version", "sample_rate", "marks": [[name, sample], ...]}`, and samples of
16 bit, mono, in the machine's byte order. Exit code 3: there is no espeak-ng; 4: it failed; stderr says why.

The library is the one of the package espeakng-loader, else the system's, beside the program `espeak-ng`. Its functions
and the layout of its events are those of its public header, `speak_lib.h`.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

NO_ESPEAK, FAILED = 3, 4
_SYNCHRONOUS, _DONT_EXIT = 2, 0x8000
_UTF8, _SSML = 1, 0x10
_CHARACTERS = 1  # positions are counted in characters
_END_OF_EVENTS, _MARK = 0, 3


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


def _libraries() -> Iterator[tuple[str, bytes | None]]:
    """Where the library may lie, with the path of its data where it doesn't know that itself."""
    with contextlib.suppress(ImportError):
        import espeakng_loader

        yield espeakng_loader.get_library_path(), os.fsencode(espeakng_loader.get_data_path())
    program = shutil.which("espeak-ng")
    if program:
        here = Path(program).resolve().parent
        for folder, name in ((here, "libespeak-ng.dll"), (here.parent / "lib", "libespeak-ng.dylib")):
            if (folder / name).is_file():
                yield str(folder / name), None
    for name in ("espeak-ng", "libespeak-ng"):
        found = ctypes.util.find_library(name)
        if found:
            yield found, None


def _load() -> tuple[ctypes.CDLL, int] | None:
    """The library, ready to speak, and its sample rate (Hz); None if there is none that works."""
    for path, data in _libraries():
        try:
            library = ctypes.CDLL(path)
        except OSError as error:
            print(error, file=sys.stderr)
            continue
        library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data, _DONT_EXIT)
        if rate > 0:
            return library, rate
        print(f"{path}: no data", file=sys.stderr)
    return None


def _synthesised(library: ctypes.CDLL, voice: bytes, ssml: bytes) -> tuple[bytes, list[tuple[str, int]]]:
    """The samples and, of each mark, its name and the sample where it stands."""
    sound, marks = bytearray(), []

    def heard(samples: int | None, n: int, events: ctypes.Array) -> int:
        if samples and n > 0:
            sound.extend(ctypes.string_at(samples, 2 * n))
        k = 0
        while events[k].type != _END_OF_EVENTS:
            if events[k].type == _MARK:
                marks.append(((events[k].id.name or b"").decode("utf-8", "replace"), events[k].sample))
            k += 1
        return 0

    callback = _CALLBACK(heard)  # kept as long as the library may call it
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice):
        raise RuntimeError(f"there is no voice {voice.decode()}")
    library.espeak_Synth.argtypes = [
        *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint),
        *(ctypes.c_void_p, ctypes.c_void_p),
    ]
    code = library.espeak_Synth(ssml, len(ssml) + 1, 0, _CHARACTERS, 0, _UTF8 | _SSML, None, None)
    if code or library.espeak_Synchronize():
        raise RuntimeError(f"it gives up ({code})")
    return bytes(sound), marks


def main() -> int:
    """Speak what is on stdin with the voice named as the first argument; returns the exit code."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the library prints belongs to stderr
    loaded = _load()
    if loaded is None:
        return NO_ESPEAK
    library, rate = loaded
    library.espeak_Info.restype = ctypes.c_char_p
    version = (library.espeak_Info(None) or b"").decode("ascii", "replace")
    try:
        sound, marks = _synthesised(library, os.fsencode(sys.argv[1]), sys.stdin.buffer.read())
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return FAILED
    with out:
        out.write(json.dumps({"version": version, "sample_rate": rate, "marks": marks}).encode() + b"\n")
        out.write(sound)
    return 0


if __name__ == "__main__":
    sys.exit(main())
