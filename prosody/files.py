"""Whole files in and out.

A file appears under its name only when it is complete: it is written beside it under a temporary name, synced to disk,
then renamed. Nothing is overwritten unless that is asked for. Trouble with a file is a `ProsodyError` that names it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError

PathLike = str | os.PathLike[str]
_WAITS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_HELD_OPEN = (5, 32)  # of Windows: access denied, sharing violation
_DEEPEST = 100  # lists and objects in each other


@contextmanager
def new_path(path: PathLike, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary path beside `path` to write to; renamed to `path` when the block succeeds, removed when it fails.

    The temporary name keeps the suffix, since writers choose a format by it. Missing parent folders are made.
    Raises ProsodyError if `path` exists and `overwrite` is false, is a folder or a device, or cannot be written.
    """
    path = Path(path)
    temporary = path.parent / f".tmp-{secrets.token_hex(6)}{path.suffix[:16]}"
    try:
        with telling(path):
            _refuse_existing(path, overwrite)
            path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with telling(path):
            _sync(temporary)
            _refuse_existing(path, overwrite)  # it may have appeared in the meantime
            _rename(temporary, path, overwrite)
            _sync_folder(path.parent)
    finally:
        with suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)


def _rename(temporary: Path, path: Path, overwrite: bool) -> None:
    """Give a file its name; of two processes that do so unasked to overwrite, one alone gets it."""
    if not overwrite:
        try:
            (os.rename if os.name == "nt" else os.link)(temporary, path)  # neither takes the place of what is there
            return
        except OSError:  # it has appeared; or a file system without hard links
            _refuse_existing(path, overwrite)
    for wait_s in (*_WAITS_S, None):
        try:
            return os.replace(temporary, path)
        except PermissionError as error:  # on Windows while somebody reads it, which is over in a moment
            if wait_s is None or getattr(error, "winerror", None) not in _HELD_OPEN:
                raise
            time.sleep(wait_s)


@contextmanager
def new_paths(paths: Sequence[PathLike], *, overwrite: bool = False) -> Iterator[list[Path]]:
    """`new_path` for files that belong together: all of them appear under their names, or what was there stays.

    Raises ProsodyError as `new_path` does, for the first file that stands in the way.
    """
    targets = [Path(path) for path in paths]
    temporaries = [path.parent / f".tmp-{secrets.token_hex(6)}{path.suffix[:16]}" for path in targets]
    kept = [path.parent / f".tmp-{secrets.token_hex(6)}" for path in targets]  # what was there, while it may be needed
    try:
        for path in targets:
            with telling(path):
                _refuse_existing(path, overwrite)
                path.parent.mkdir(parents=True, exist_ok=True)
        yield temporaries
        for path, temporary in zip(targets, temporaries, strict=True):
            with telling(path):
                _sync(temporary)
                _refuse_existing(path, overwrite)
        _exchange_files(list(zip(targets, temporaries, kept, strict=True)))
    finally:
        for temporary in temporaries:
            with suppress(OSError, ValueError):
                temporary.unlink(missing_ok=True)


def _exchange_files(steps: Sequence[tuple[Path, Path, Path]]) -> None:
    """Of each (path, new, kept): what is at `path` goes to `kept`, and `new` to `path`; if one fails, all go back."""
    with ExitStack() as undo:
        for path, new, kept in steps:
            with telling(path):
                if os.path.lexists(path):
                    os.replace(path, kept)
                    undo.callback(os.replace, kept, path)
                    os.replace(new, path)
                else:
                    os.replace(new, path)
                    undo.callback(path.unlink)
                _sync_folder(path.parent)
        undo.pop_all()
    for _, _, kept in steps:
        with suppress(OSError):
            kept.unlink(missing_ok=True)


@contextmanager
def new_folder(path: PathLike, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder beside `path` to fill; synced and renamed to `path` when the block succeeds, else removed.

    An earlier folder of that name is replaced, if `overwrite` allows it, in two renames: should the second fail, it is
    put back, after a kill in between the next time (`put_back`). A link is followed. Raises ProsodyError if `path`
    exists and `overwrite` is false, is no folder, or cannot be written.
    """
    path = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    temporary = path.parent / f".tmp-{secrets.token_hex(6)}"
    try:
        put_back(path)
        with telling(path):
            _refuse_existing_folder(path, overwrite)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
        yield temporary
        with telling(path):
            for written in temporary.rglob("*"):
                if written.is_file():
                    _sync(written)
            _sync_folder(temporary)
            _refuse_existing_folder(path, overwrite)  # it may have appeared in the meantime
            _exchange(temporary, path)
            _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_folder(path: PathLike) -> None:
    """Remove a folder so that no half of it is ever seen under its name. One that is gone already is no trouble."""
    path = Path(path)
    temporary = path.parent / f".tmp-{secrets.token_hex(6)}"
    with telling(path), suppress(FileNotFoundError):
        os.replace(path, temporary)
    shutil.rmtree(temporary, ignore_errors=True)


def put_back(path: PathLike) -> None:
    """Put a folder back that was to be replaced when the process was killed; else remove what was replaced."""
    path = Path(path)
    old = _old(path)
    if os.path.lexists(path):
        shutil.rmtree(old, ignore_errors=True)
    elif old.is_dir():
        with telling(path):
            old.rename(path)


def _old(path: Path) -> Path:
    """Where a folder lies while another takes its name."""
    return path.parent / f".old-{path.name}"


def _exchange(new: Path, path: Path) -> None:
    """Rename `new` to `path`, in place of the folder that may be there."""
    if not os.path.lexists(path):
        new.rename(path)
        return
    old = _old(path)
    shutil.rmtree(old, ignore_errors=True)
    try:
        path.rename(old)
        try:
            new.rename(path)
        except OSError:
            old.rename(path)
            raise
    except OSError as error:
        what, remedy = f"cannot be replaced ({error.strerror})", "close the program that holds it"
        raise ProsodyError(path, None, what, remedy) from error
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def named(temporary: PathLike, path: PathLike) -> Iterator[None]:
    """Tell of trouble with anything in the folder `temporary` as of the same in `path`, which it is to become."""
    try:
        yield
    except ProsodyError as error:
        if error.path is None or not Path(error.path).is_relative_to(temporary):
            raise
        told = Path(path) / Path(error.path).relative_to(temporary)
        raise ProsodyError(told, error.where, error.what, error.remedy) from error


def check_new(path: PathLike, *, overwrite: bool = False) -> None:
    """Raise the ProsodyError that `new_path` would raise, as far as can be told without writing anything."""
    path = Path(path)
    with telling(path):
        _refuse_existing(path, overwrite)
        _check_parent(path)


def check_new_folder(path: PathLike, *, overwrite: bool = False) -> None:
    """Raise the ProsodyError that `new_folder` would raise, as far as can be told without writing anything."""
    path = Path(path)
    put_back(path)
    with telling(path):
        _refuse_existing_folder(path, overwrite)
        _check_parent(path)


def _check_parent(path: Path) -> None:
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def write_bytes(path: PathLike, data: bytes, *, overwrite: bool = False) -> None:
    """Write `data` to `path`, all of it or nothing. Raises ProsodyError as `new_path` does."""
    with new_path(path, overwrite=overwrite) as temporary, telling(path):
        temporary.write_bytes(data)


def write_text(path: PathLike, text: str, *, overwrite: bool = False) -> None:
    """Write `text` as UTF-8, its line ends as they are on every system. Raises ProsodyError as `new_path` does."""
    write_bytes(path, text.encode("utf-8"), overwrite=overwrite)


def write_json(path: PathLike, data: Any, *, overwrite: bool = False, indent: int | None = 2) -> None:
    """Write `data` as JSON (UTF-8, strict: a NaN is a ValueError). Raises ProsodyError as `new_path` does."""
    write_bytes(path, json_bytes(data, indent=indent), overwrite=overwrite)


def json_bytes(data: Any, *, indent: int | None = 2) -> bytes:
    """`data` as the JSON that `write_json` writes."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=indent)
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:  # lone surrogates, as in the names of files that are not UTF-8: JSON can escape them
        encoded = json.dumps(data, allow_nan=False, indent=indent).encode("ascii")
    return encoded + b"\n"


def read_bytes(path: PathLike) -> bytes:
    """The bytes of a file. Raises ProsodyError if it is missing, a folder, or cannot be read."""
    with telling(path):
        return Path(path).read_bytes()


def read_text(path: PathLike) -> str:
    """The text of a UTF-8 file, without a byte order mark, line ends as they are.

    Raises ProsodyError if the file cannot be read or is not UTF-8 (with the line where it stops being so).
    """
    data = read_bytes(path)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ProsodyError(path, None, "is UTF-16, not UTF-8", "save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        offset = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        line = data.count(b"\n", 0, offset) + 1
        what = f"is not UTF-8 (byte 0x{data[offset]:02x})"
        raise ProsodyError(path, f"line {line}", what, "save it as UTF-8") from None


def read_json(path: PathLike, *, constants: bool = False) -> Any:
    """The data of a JSON file.

    constants: read NaN and Infinity, which JSON does not know, as numbers, for a caller who looks for them itself.
    Raises ProsodyError if the file cannot be read, is not JSON (with line and column), or holds such a number.
    """
    text = read_text(path)
    try:
        how = {} if constants else {"parse_constant": _refuse_constant, "parse_float": _finite, "parse_int": _whole}
        data = json.loads(text, **how)
        if is_deep(data):
            raise RecursionError
        return data
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ProsodyError(path, where, f"is not JSON ({error.msg})", "mend the file or write it again") from None
    except RecursionError:
        raise ProsodyError(path, None, "is nested too deeply", "write the file again") from None
    except ValueError as error:
        raise ProsodyError(path, None, f"is not JSON ({error})", "write null or a finite number there") from None


def is_deep(data: Any) -> bool:
    """Whether lists and objects lie in each other deeper than any file of ours: who walks through it might not end."""
    level = [data]
    for _ in range(_DEEPEST):
        inner = [one.values() if type(one) is dict else one for one in level if type(one) in (dict, list)]
        level = [value for values in inner for value in values if type(value) in (dict, list)]
        if not level:
            return False
    return True


def is_text(value: Any) -> bool:
    """Whether it is a string that a file and its name can hold: without a null, or half a pair of surrogates."""
    return isinstance(value, str) and not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value)


def sha256(path: PathLike) -> str:
    """The SHA-256 of a file's bytes as 64 hex digits. Raises ProsodyError if it cannot be read."""
    with telling(path), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise ProsodyError(path, None, "is a folder", "give the name of a file")
    if path.exists() and not path.is_file():  # renaming over /dev/null would take it away from everybody
        raise ProsodyError(path, None, "is a device or a pipe, not a file", "give the name of a file")
    if not overwrite and os.path.lexists(path):
        raise ProsodyError(path, None, "already exists", "give another name, or allow it to be overwritten")


def _refuse_existing_folder(path: Path, overwrite: bool) -> None:
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        raise ProsodyError(path, None, "is no folder", "move it away, or give another name")
    if not overwrite:
        raise ProsodyError(path, None, "already exists", "give another name, or allow it to be overwritten")


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"{number} is too large a number")
    return value


def _whole(number: str) -> int:
    if len(number) > 300:  # no float holds it
        raise ValueError(f"{number[:20]}… is too large a number")
    return int(number)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}")


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # other systems cannot open a folder
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


_REMEDIES = {
    errno.ENOENT: ("not found", "check the name"),
    errno.EISDIR: ("is a folder", "give the name of a file"),
    errno.EEXIST: ("a part of the path is not a folder", "check the name"),
    errno.ENOTDIR: ("a part of the path is not a folder", "check the name"),
    errno.EACCES: ("may not be read or written", "check its permissions, or close the program that holds it"),
    errno.EPERM: ("may not be read or written", "check its permissions"),
    errno.ENOSPC: ("the disk is full", "make room, then run it again"),
    errno.EROFS: ("is on a disk that is read-only", "choose another folder"),
    errno.ELOOP: ("is a link that leads to itself", "remove that link"),
    errno.ENAMETOOLONG: ("the name is too long", "give a shorter one"),
    getattr(errno, "EDQUOT", -1): ("your share of the disk is full", "make room, then run it again"),
    errno.EFBIG: ("is larger than a file may be here", "choose another disk, or raise `ulimit -f`"),
    errno.EIO: ("the disk has failed (input/output error)", "choose another disk"),
}


@contextmanager
def telling(path: PathLike) -> Iterator[None]:
    """Tell what the operating system says of `path` as a ProsodyError."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a name with a null character in it
        number = getattr(error, "errno", None)
        is_moved = getattr(error, "filename2", None) is not None
        if number == errno.EACCES and os.name == "nt" and not is_moved and os.path.isdir(path):  # how Windows says it
            number = errno.EISDIR
        said = str(getattr(error, "strerror", None) or error)  # not with the path that str(error) repeats
        what, remedy = _REMEDIES.get(number, (said, "check the name and the disk"))
        raise ProsodyError(path, None, what, remedy) from error
