import pickle
from pathlib import Path

import pytest

from prosody.errors import ProsodyError


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        (("a.wav", "at 3.2 s", "is silent", "record again"), "a.wav: at 3.2 s: is silent — record again"),
        ((Path("a.wav"), None, "is silent", None), "a.wav: is silent"),
        ((None, "line 3", "is empty", "add text"), "line 3: is empty — add text"),
        ((None, None, "nothing was given", "give one"), "nothing was given — give one"),
        ((None, None, None, None), ""),
    ],
)
def test_reads_as_one_line_without_the_parts_that_are_missing(parts, line):
    assert str(ProsodyError(*parts)) == line


def test_stays_one_line_whatever_is_in_it():
    text = str(ProsodyError("a\nb", "\x1b[31m", "c\u2028d\x85", "\ud800 e\r\n"))
    assert text.isprintable()
    assert "a\\nb" in text
    assert "\\x1b[31m" in text
    text.encode("utf-8")


def test_keeps_its_parts_by_name():
    error = ProsodyError(what="w", remedy="r", path=Path("p"), where="h")
    assert (error.path, error.where, error.what, error.remedy) == ("p", "h", "w", "r")


def test_crosses_processes():
    error = pickle.loads(pickle.dumps(ProsodyError(Path("p"), "h", "w", "r")))
    assert str(error) == "p: h: w — r"
    assert error.remedy == "r"
