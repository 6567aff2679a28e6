"""The studio against a desk of paper: what its widgets ask of it, and what they show."""

import json
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipywidgets as widgets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody import markers
from prosody.dataset import Word
from prosody.errors import ProsodyError
from prosody.markers import TOKENS, MarkedText, MarkedWord
from prosody.notebook import sheet, studio

EVIL = '<script>alert("x")</script> & <b>bold</b>'


@dataclass(frozen=True)
class Paper:
    name: str = "answer_01"
    question: str = "Why?"
    points: tuple = (("the old bridge", True),)
    text: MarkedText = field(default_factory=lambda: markers.parse("I <emph> walk <pause_short> here."))
    probabilities: tuple = ({token: 0.1 * k for k, token in enumerate(TOKENS)},) * 3
    by_hand: frozenset = frozenset({1})
    asked: Any = field(default_factory=lambda: {"seed": 5, "max_words": 40, "expressiveness": 0.5})
    spoken: Any = None
    plain: Any = None
    heard: Any = None


class PaperDesk:
    """A desk that writes down what is asked of it; `fails`: what it then raises."""

    folder, engines = Path("runs"), ("hibari", "espeak")

    def __init__(self, *sheets):
        self.history, self.at, self.asked, self.fails = tuple(sheets), len(sheets) - 1, [], None
        self.seen_while_composing = []

    @property
    def current(self):
        return self.history[self.at] if self.history else None

    def _note(self, *what):
        self.asked.append(what)
        if self.fails:
            raise self.fails

    def compose(self, question, points, *, on_sentence, **how):
        self._note("compose", question, points, how)
        for said in ("I walk.", EVIL):
            on_sentence(said, None)
            self.seen_while_composing.append(self.panel.answer.value)
        self.history, self.at = (*self.history, Paper(question=question)), len(self.history)

    def mark_own(self, text, **how):
        self._note("mark_own", text, how)
        self.history, self.at = (*self.history, Paper(asked={"given": text})), len(self.history)

    def mark_again(self, expressiveness):
        self._note("mark_again", expressiveness)

    def toggle(self, slot, token):
        self._note("toggle", slot, token)

    def set_slot(self, slot, tokens):
        self._note("set_slot", slot, tokens)

    def undo(self):
        self._note("undo")

    def speak(self, engine, *, contour):
        self._note("speak", engine, contour)
        words = tuple(Word(w.text, k, k + 0.5) for k, w in enumerate(self.current.text.words))
        silence = np.zeros(24_000, np.float32)
        sound = SimpleNamespace(samples=silence, sample_rate=24_000, words=words, notes=("a note",))
        self.history = (*self.history[:-1], replace(self.current, spoken=sound))

    def listen(self):
        self._note("listen")
        self.history = (*self.history[:-1], replace(self.current, plain=self.current.spoken))

    def export(self, kind, name):
        self._note("export", kind, name)
        return self.folder / f"<{kind}>"

    def back(self, number):
        self._note("back", number)
        self.at = number


@pytest.fixture
def desk():
    return PaperDesk(Paper())


@pytest.fixture
def panel(desk):
    desk.panel = studio.studio(desk)
    return desk.panel


def press_enter(field):
    field._handle_custom_msg({"event": "submit"}, [])


def from_page(panel, *messages):
    panel.wire.value = json.dumps(messages)


def texts_of(source):
    """The text of HTML, and the names of its elements."""
    found, names = [], []
    parser = HTMLParser()
    parser.handle_data = found.append
    parser.handle_starttag = lambda name, _: names.append(name)
    parser.feed(source)
    return "".join(found), names


def test_enter_in_the_question_composes_with_all_that_is_set(desk, panel):
    panel.question.value, panel.length.value, panel.seed.value, panel.expressiveness.value = "Who?", 90, 7, 1.5
    panel.points.children[0].children[0].value = "my dog"
    press_enter(panel.points.children[0].children[0])
    panel.points.children[1].children[0].value = "  "  # an empty field is no point
    press_enter(panel.question)
    assert desk.asked == [("compose", "Who?", ["my dog"], {"max_words": 90, "seed": 7, "expressiveness": 1.5})]


def test_sentences_are_shown_as_they_come_and_escaped(desk, panel):
    panel.buttons["compose"].click()
    first, second = desk.seen_while_composing
    assert "I walk." in first and "alert" not in first
    assert EVIL in texts_of(second)[0] and not {"script", "b"} & set(texts_of(second)[1])


def test_own_words_are_marked_and_come_back_with_their_answer(desk, panel):
    panel.own.value, panel.question.value, panel.expressiveness.value = "I <emph> walk.", "Who?", 1.5
    panel.buttons["own"].click()
    how = {"question": "Who?", "points": ["the old bridge"], "expressiveness": 1.5}
    assert desk.asked == [("mark_own", "I <emph> walk.", how)]
    panel.past.children[0].click()
    assert panel.own.value == ""
    panel.past.children[1].click()
    assert panel.own.value == "I <emph> walk."
    panel.own.value = "Not marked yet."
    panel.past.children[0].click()
    assert panel.own.value == "Not marked yet."


def test_points_are_added_and_taken_away(panel):
    panel.add_point("second")
    panel.points.children[0].children[1].click()
    assert [row.children[0].value for row in panel.points.children] == ["second"]


def test_what_is_done_in_the_page_is_done_once_and_in_order(desk, panel):
    from_page(panel, [10, "mark", 2, 1], [11, "mark", 0, 7])
    from_page(panel, [10, "mark", 2, 1], [11, "mark", 0, 7], [12, "clear", 2], [13, "undo"])
    assert desk.asked == [("toggle", 2, "<emph>"), ("toggle", 0, "<pitch_falling>"), ("set_slot", 2, ()), ("undo",)]


def test_speaking_shows_both_sounds_and_the_times_of_the_words(desk, panel):
    assert panel.player.children == ()
    panel.voice.value, panel.contour.value = "espeak", True
    from_page(panel, [1, "speak"])
    assert desk.asked == [("speak", "espeak", True), ("listen",)]
    assert texts_of(panel.status.value)[0].endswith("; a note")
    assert [len(one.value) > 500 for one in panel.player.children[:2]] == [True, True]
    assert 'data-word="1" data-t="1.000 1.500" data-p="1.000 1.500"' in panel.answer.value


@pytest.mark.parametrize("kind", ["wav", "text", "ssml", "textgrid"])
def test_the_path_of_an_export_is_shown(desk, panel, kind):
    panel.name.value = " mine "
    panel.buttons[kind].click()
    assert desk.asked == [("export", kind, "mine")]
    assert texts_of(panel.written.value)[0] == f"Written: {desk.folder / f'<{kind}>'}"


def test_going_back_brings_the_inputs_back(desk, panel):
    panel.question.value = "Who?"
    panel.buttons["compose"].click()
    assert len(panel.past.children) == 2
    panel.seed.value = 99
    panel.past.children[0].click()
    assert desk.asked[-1] == ("back", 0)
    assert (panel.question.value, panel.seed.value, panel.length.value) == ("Why?", 5, 40)
    assert panel.past.children[0].description.startswith("▸")


@pytest.mark.parametrize("name", ["compose", "own", "mark", "speak", "undo", "wav"])
def test_a_mistake_is_one_line_and_the_answer_stays(desk, panel, name):
    shown = panel.answer.value
    desk.fails = ProsodyError(None, "place", EVIL, "remedy")
    panel.buttons[name].click()
    told, elements = texts_of(panel.status.value)
    assert told == f"⚠ place: {EVIL} — remedy" and elements == ["span"]
    assert panel.answer.value == shown
    assert "ps-busy" not in panel._dom_classes


def test_an_interrupted_action_leaves_the_answer(desk, panel):
    desk.fails = KeyboardInterrupt()
    panel.buttons["mark"].click()
    assert "Stopped" in panel.status.value


def test_a_bug_is_told_and_not_hidden(desk, panel):
    desk.fails = RuntimeError("oh")
    with pytest.raises(RuntimeError):
        panel._undo()
    assert "bug" in panel.status.value and "RuntimeError: oh" in panel.status.value


words = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=6) | st.just("<b>x</b>")


@given(st.lists(words, min_size=1, max_size=6))
def test_any_word_is_shown_as_it_is(given_words):
    text = MarkedText(tuple(MarkedWord(word, ("<emph>",)) for word in given_words), "<pause_long>")
    told, elements = texts_of(sheet.sheet_html(text))
    assert set(elements) <= {"div", "span"}
    assert told == " ".join([*(f"<emph>{word}" for word in given_words), "<pause_long>"])


def test_a_slot_tells_its_markers_where_it_is_and_what_is_likeliest(panel):
    told = re.findall('data-told="([^"]*)"', panel.answer.value)
    assert told[1].startswith("before “walk”: &lt;emph&gt; (set by hand); likeliest here: pitch_falling 0.60")
    assert told[3] == "after the last word: no marker"
    assert 'data-slot="2" data-picked="2"' in panel.answer.value


def test_the_script_comes_with_the_panel_and_knows_it_by_its_name(panel):
    outputs = [one for one in panel.children if isinstance(one, widgets.Output)]
    page = outputs[0].outputs[0]["data"]["text/html"]
    own = next(name for name in panel._dom_classes if re.fullmatch(r"ps-[0-9a-f]{8}", name))
    assert f'const ROOT = ".{own}"' in page and "STUDIO" not in page
    assert page.count("</script>") == 1


def test_headless_the_answers_are_coloured_text(desk):
    desk.history = (Paper(question=EVIL),)
    told, elements = texts_of(studio.studio(desk, interactive=False).data)
    assert EVIL in told and "<emph>" in told and "the old bridge (taken up)" in told
    assert "script" not in elements
    assert "no answer yet" in studio.studio(PaperDesk(), interactive=False).data
