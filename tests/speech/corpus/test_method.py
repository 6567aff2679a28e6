"""The hash that tells code apart: what it depends on, what not, and that nothing a hearing needs is left out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import prosody
from prosody import markers
from prosody.errors import ProsodyError
from prosody.interchange import textgrid
from prosody.speech.corpus import method, result
from prosody.voice.speak import speak

PACKAGE = Path(prosody.__file__).parent
TOLD = "from prosody.speech.corpus import contents, result; print(result.METHOD, contents.MADE_BY)"


@pytest.fixture
def copied(tmp_path):
    """The package elsewhere, as if installed; a function that runs a line of code with it."""
    folder = shutil.copytree(PACKAGE, tmp_path / "lib" / "prosody", ignore=shutil.ignore_patterns("__pycache__"))

    def told(code=TOLD):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "lib"), "PYTHONDONTWRITEBYTECODE": "1"}
        words = [sys.executable, "-c", code]
        done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.split()

    return folder, told


def changed(path):
    path.write_bytes(path.read_bytes() + b"\n# otherwise\n")


def test_an_installed_package_of_the_same_text_is_the_same(copied):
    folder, told = copied
    for path in folder.rglob("*.py"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert told()[0] == result.METHOD


@pytest.mark.parametrize(
    ("name", "hearing", "summing_up"),
    [
        ("speech/measure.py", True, True),
        ("speech/robust.py", True, True),  # only through others
        ("speech/detect.py", True, True),
        ("interchange/tiers.py", True, True),  # imported in a function
        ("markers.py", True, True),
        ("speech/corpus/result.py", True, True),
        ("speech/corpus/contents.py", False, True),
        ("speech/calibrate.py", False, False),
        ("voice/speak.py", False, False),
        ("cli.py", False, False),
    ],
)
def test_what_counts(copied, name, hearing, summing_up):
    folder, told = copied
    before = told()
    changed(folder / name)
    assert [one != was for one, was in zip(told(), before, strict=True)] == [hearing, summing_up]


def test_all_that_a_hearing_loads_counts(tmp_path):
    text = "We had soup. <pause_long> Then we went back to work for the day."
    speak(markers.parse(text), out=tmp_path / "a.wav")
    tier = textgrid.IntervalTier("words", (textgrid.Interval(0, 3, markers.strip(text)),))
    textgrid.write(tmp_path / "a.TextGrid", textgrid.TextGrid(0, 3, (tier,)))
    code = (
        "import sys; from prosody.speech.corpus import result; from prosody.speech.detect import DetectParameters\n"
        "result.hear_recording(result.Task('a.wav', 'a.TextGrid', '.', DetectParameters()))\n"
        "print(*(name for name in sys.modules if name.partition('.')[0] == 'prosody'))"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "prosody.interchange.tiers" in loaded
    assert loaded <= set(method.sources(result.__name__))


def test_a_module_that_there_is_not():
    with pytest.raises(ProsodyError, match=r"prosody: holds no source of prosody\.nowhere, .* — install"):
        method.of("prosody.nowhere")
