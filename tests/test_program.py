"""How a program ends; with closed and full streams it is looked at in test_cli and lm/test_launch."""

import errno

import pytest

from prosody.errors import ProsodyError
from prosody.program import Parser, exit_code


def failing(error):
    def program():
        raise error

    return program


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ProsodyError("a.json", None, "is empty", "write it"), 2, "prosody: a.json: is empty — write it\n"),
        (KeyboardInterrupt(), 130, "prosody: asked to stop\n"),
        (OSError(errno.ENAMETOOLONG, "too long", "n" * 300), 2, f"prosody: {'n' * 60}…: the name is too long — "),
    ],
)
def test_what_a_person_can_mend_is_one_line(error, code, told, capsys):
    assert exit_code(failing(error), interrupted="asked to stop") == code
    err = capsys.readouterr().err
    assert err.startswith(told)
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError(errno.ENOSPC, "full", "some/file")])
def test_a_bug_is_traced_back(error):
    with pytest.raises(type(error)):
        exit_code(failing(error))


def test_a_program_s_own_code_is_passed_on():
    assert exit_code(lambda: 3) == 3


def test_a_parser_complains_in_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        Parser(prog="p").parse_args(["--colour"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "p: unrecognized arguments: --colour — `p --help` shows how\n"
