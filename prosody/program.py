"""How a program of ours begins and ends: streams that it cannot stumble over, and one line for whatever ends it."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from prosody.errors import ProsodyError, one_line

COMPLAINT = "prosody: "  # begins the line that tells what was wrong

_CTRL_C = 130  # the exit code that shells give it
_FULL = {getattr(errno, name, None) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO")} - {None}


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {one_line(message)} — `{self.prog} --help` shows how\n")
        raise SystemExit(2)


def exit_code(program: Callable[[], int], *, interrupted: str = "interrupted") -> int:
    """Run a program; returns its exit code: 2 for a user's mistake, told in one line, and 130 for Ctrl-C.

    interrupted: told after Ctrl-C; and after any other KeyboardInterrupt, with its `code` and `reason`.
    """
    _readable_streams()
    try:
        return program()
    except ProsodyError as error:
        return _ended(str(error), 2)
    except KeyboardInterrupt as error:
        code, reason = getattr(error, "code", _CTRL_C), getattr(error, "reason", "")
        return _ended(interrupted if code == _CTRL_C else f"{interrupted}: {reason}", code)
    except BrokenPipeError:  # whoever read our output has enough: `prosody runs | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG and isinstance(error.filename, str):
            told = ProsodyError(f"{error.filename:.60}…", None, "the name is too long", "give a shorter one")
            return _ended(str(told), 2)
        if error.filename is not None or error.errno not in _FULL:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries once more at its end
        what = f"the output cannot be written ({error.strerror})"
        return _ended(str(ProsodyError(None, None, what, "make room, or send it elsewhere")), 2)


def _ended(told: str, code: int) -> int:
    """Tell why a program ends; returns its exit code."""
    try:
        sys.stderr.write(f"{COMPLAINT}{told}\n")
        sys.stderr.flush()
    except OSError:  # the disk is full behind stderr, too: nobody can be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    return code


def _readable_streams() -> None:
    """What a stream cannot show must not end the program (Windows code pages), nor one that is closed (`2>&-`)."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # in this order they get 0, 1, 2 again
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 (it stays open)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
