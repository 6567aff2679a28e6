import sys
from argparse import Namespace

import pytest

from prosody.commands import house
from prosody.workflow import install


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]),
        (["-x", "tests/lm"], ["-x", "tests/lm"]),
        (["--slow", "-x"], ["-m", "slow or browser or faults", "-x"]),
        (["--slow"], ["-m", "slow or browser or faults", "-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]),
        (["--all", "-x"], ["-m", "", "-x"]),
    ],
)
def test_all_tests_run_in_several_processes_others_as_pytest_is_told(monkeypatch, given, expected):
    called = []
    monkeypatch.setattr(install, "become", lambda command, **_: called.append(command) or 0)
    assert house.test(Namespace(words=given)) == 0
    assert called == [[sys.executable, "-m", "pytest", *expected]]
