"""The second voice: words that cannot become markup, silences of the right length, and a child that may fail."""

import ast
import importlib.util
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given
from hypothesis import strategies as st

import prosody
from prosody import markers
from prosody.errors import ProsodyError
from prosody.markers import MarkedText, MarkedWord
from prosody.speech.align import align
from prosody.speech.audio import read
from prosody.voice.engines import espeak, espeak_child
from prosody.voice.listen import listen
from prosody.voice.parameters import SpeakParameters
from prosody.voice.speak import speak

TEXT = (
    "When I was a boy, <pause_short> we lived in a house by the <pitch_falling> river. <pause_long> My <pitch_high> "
    "mother had a garden with roses, <pitch_rising> apples, and a swing. I have <emph> never wanted to live in "
    "<pitch_low> town, — <pause_short> and we went down to the water every morning. <pause_long>"
)
installed = importlib.util.find_spec("espeakng_loader") or shutil.which("espeak-ng")
needs_espeak = pytest.mark.skipif(not installed, reason="espeak-ng is an optional extra")
ANYTHING = st.text(st.characters(exclude_characters=" \t\n\r", exclude_categories=["Cs"]), min_size=1, max_size=12)
NASTY = (
    "a</prosody><break",
    "&lt;mark/>",
    "\x0150S",
    "<!--",
    "]]>",
    "&#60;speak>",
    '"><audio',
    "<script>alert(1)",
    "a\0b",
)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    out = tmp_path_factory.mktemp("spoken") / "it.wav"
    return out, speak(TEXT, engine="espeak", out=out)


@given(st.lists(st.tuples(st.sets(st.sampled_from(markers.TOKENS[2:]), max_size=1), ANYTHING | st.sampled_from(NASTY))))
def test_no_word_becomes_markup(slots):
    words = tuple(MarkedWord(text, tuple(tokens)) for tokens, text in slots)
    try:
        markup = espeak.ssml(MarkedText(words), {0: 0.5}, SpeakParameters())
    except ProsodyError as error:
        assert "cannot be read aloud" in str(error)
        return
    found = ET.fromstring(markup)  # well formed, and of nothing but what was meant
    assert {node.tag for node in found.iter()} <= {"speak", "prosody", "break", "mark"}
    marked = [int(node.attrib["name"]) for node in found.iter("mark")]
    assert marked == sorted(set(marked))
    assert len(list(found.iter("prosody"))) <= 1 + len(words)
    kept = "".join(c for c in "".join(found.itertext()) if c not in espeak._CLOSING and not c.isspace())
    asked = "".join(espeak._without_controls(word.text) for word in words)
    assert kept == "".join(c for c in asked if c not in espeak._CLOSING and not c.isspace())


@needs_espeak
def test_what_looks_like_markup_is_spoken_as_words():
    words = tuple(MarkedWord(text) for text in ("one", *NASTY, "two"))
    found = espeak.render(MarkedText(words), parameters=SpeakParameters(), seed=0)
    assert [word.text for word in found.words] == [word.text for word in words]
    edges = [edge for word in found.words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert found.words[-1].end > found.words[-1].start


@needs_espeak
def test_pauses_and_gaps_have_the_length_asked_for(spoken):
    _, found = spoken
    for before, (word, target) in pairwise(zip(found.words, found.targets, strict=True)):
        asked_s = target.pause_before_s  # its words die away slowly: the last of them is counted as silence
        assert asked_s - 0.16 < word.start - before[0].end < max(0.15, asked_s + 0.06)
    assert found.duration - found.words[-1].end == pytest.approx(found.final_pause_s, abs=0.16)
    assert pyloudnorm.Meter(24_000).integrated_loudness(found.samples.astype(float)) == pytest.approx(-23, abs=0.5)
    assert (found.sample_rate, found.voice) == (24_000, "espeak-ng, en-us+f2")


@needs_espeak
def test_words_lie_where_they_are_heard_and_most_markers_are(spoken):
    path, found = spoken
    audio = read(path)
    aligned = align(audio, [word.text for word in found.words])
    assert np.median([abs(one.start - word.start) for one, word in zip(aligned, found.words, strict=True)]) < 0.03
    heard = listen(audio, TEXT, words=found.words)
    for one, target in zip(heard["words"][1:], found.targets[1:], strict=True):
        if target.pause_before_s:
            assert one["measured"]["pause_before_s"] == pytest.approx(target.pause_before_s, abs=0.03)
    survival = heard["survival"]
    for token in ("<pause_short>", "<pause_long>", "<pitch_high>", "<pitch_low>", "<pitch_falling>", "<emph>"):
        assert survival[token]["heard"] == survival[token]["written"] > 0, token


@needs_espeak
def test_what_it_cannot_do_is_told(spoken):
    told = spoken[1].notes
    assert [note.split()[0] for note in told] == ["<emph>", "<pitch_rising>", "<pitch_falling>"]
    assert all("can't be spoken by espeak: approximated by" in note for note in told)
    assert speak("It <pitch_high> was.", engine="espeak").notes == ()


@needs_espeak
def test_words_that_espeak_speaks_as_one_share_their_time(spoken):
    pairs = {(one.text, other.text): (one, other) for one, other in pairwise(spoken[1].words)}
    for pair in (("was", "a"), ("I", "have"), ("live", "in")):
        one, other = pairs[pair]
        assert one.start < one.end == other.start < other.end
    assert [word.text for word in spoken[1].words if word.end - word.start < 0.02] == ["—"]


@needs_espeak
def test_a_word_without_sound_has_no_length(spoken):
    dash = next(word for word in spoken[1].words if word.text == "—")
    assert dash.start == dash.end


@needs_espeak
def test_a_long_text_is_spoken_whole():
    found = speak("word " * 300, engine="espeak")
    assert len(found.words) == 300
    assert min(word.end - word.start for word in found.words) > 0.05


@pytest.mark.parametrize("text", ["one\ntwo 你好", "… —"])
def test_what_cannot_be_spoken_is_refused(text):
    with pytest.raises(ProsodyError, match=r"line 2, column 5: word “你好”: cannot be read|no word of it has a sound"):
        speak(text, engine="espeak")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise SystemExit(3)", "is not installed — install it with: pip install espeakng-loader"),
        ("import sys; print('no good', file=sys.stderr); sys.exit(4)", "failed .no good. — try again"),
        ("import os; os.abort()", "failed"),
        ("pass", "failed"),
        ("import time; time.sleep(60)", "said nothing for 1 s"),
    ],
)
def test_a_child_that_fails_is_one_line(code, told, tmp_path, monkeypatch):
    child = tmp_path / "child.py"
    child.write_text(code)
    monkeypatch.setattr(espeak_child, "__file__", str(child))
    monkeypatch.setattr(espeak, "_TIMEOUT_S", 1.0)
    with pytest.raises(ProsodyError, match=told) as caught:
        speak("Hello.", engine="espeak", out=tmp_path / "x.wav")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["child.py"]


def test_without_a_library_the_child_says_so():
    code = "import sys; sys.modules['espeakng_loader'] = None; sys.argv = [sys.argv[1]]; import runpy\n"
    code += "import shutil, ctypes.util; shutil.which = ctypes.util.find_library = lambda name: None\n"
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    words = [sys.executable, "-c", code, espeak_child.__file__]
    assert subprocess.run(words, input=b"", capture_output=True).returncode == espeak_child.NO_ESPEAK


def test_only_the_child_touches_espeak():
    """Its licence is the GPL: nothing of this package may load it into its own process."""
    for path in Path(prosody.__file__).parent.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        assert "espeakng_loader" not in names or path.name == "espeak_child.py"
    assert "espeakng_loader" not in sys.modules
