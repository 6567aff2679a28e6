"""The review's widget without a page: what it answers, and what it keeps out of a saved notebook."""

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lm_data import rule_book, save_book

from prosody import dataset
from prosody.notebook import review_sheet
from prosody.notebook.review import ReviewPanel, review
from prosody.review.panel import Panel, Review
from prosody.review.session import open_session
from prosody.review.sounds import Clip, Sounds

EVIL = '<img/src=x/onerror="window.evil=1">'


@pytest.fixture
def of(tmp_path):
    book = rule_book(4, measured=True)
    heard = [
        replace(one, words=tuple(replace(w, evidence={"<pitch_high>": 0.9 * (w.text == "never")}) for w in one.words))
        for one in book.segments
    ]
    save_book(tmp_path / "data", replace(book, segments=tuple(heard)))
    data = dataset.load(tmp_path / "data")
    session = open_session(data, tmp_path / "ann.jsonl", by="ann")
    yield Review(data, session)
    session.close()


class Page:
    """What a page would hold of a panel."""

    def __init__(self, of):
        self.panel, self.sent, self.sounds, self.n = ReviewPanel(Panel(of, Sounds(of.data))), [], {}, 0
        self.panel.send = self._receive

    def _receive(self, message, buffers=()):
        self.sent.append(json.loads(json.dumps(message, allow_nan=False)))
        if message.get("sound"):
            self.sounds[message["sound"]["key"]] = bytes(buffers[0])

    def ask(self, what, *, of=None, agreement=False, **how):
        self.n += 1
        asked = {"page": "p", "n": self.n, "what": what, "how": how, "segment": of, "agreement": agreement}
        self.panel._told(None, asked | {"has": list(self.sounds)}, None)
        return next(message for message in reversed(self.sent) if message["kind"] == "view")


def test_a_page_is_told_the_segment_its_words_and_its_sound(of):
    page = Page(of)
    view = page.ask("look")
    words = view["words"]
    first = of.session.segments[view["segment"]["id"]]
    assert [word["text"] for word in words] == [word.text for word in first.words]
    assert words[0]["start"] == pytest.approx(first.words[0].start - first.start)
    assert words[5]["markers"] == ["<emph>"] and words[5]["heard"] == ["<pitch_high>"]
    value, behind = words[5]["evidence"]["<pitch_high>"]
    assert value == 0.9 and behind.startswith("f0 level +")
    assert any("“\u2068never\u2069”: pitch_high heard, not written" in place["told"] for place in view["places"])
    assert view["progress"] == "0 of 4" and view["counts"] == "4 unreviewed, 0 reviewed, 0 rejected"
    samples, rate = soundfile.read(io.BytesIO(page.sounds[view["sound_key"]]))
    assert rate == 16_000 and len(samples) == round((first.end - first.start) * 16_000)


def test_the_next_segments_sound_is_sent_ahead_and_none_twice(of):
    page = Page(of)
    page.ask("look")
    assert [message["kind"] for message in page.sent] == ["view", "ahead"]
    view = page.ask("accept")
    assert view["sound"] is None and view["sound_key"] in page.sounds  # it was there before
    n = len(page.sounds)
    page.ask("marker", word=0, number=1)
    assert len(page.sounds) == n


def test_what_is_asked_of_a_segment_that_is_no_longer_shown_is_not_done(of):
    page = Page(of)
    first = page.ask("look")["segment"]["id"]
    second = page.ask("accept", of=first)["segment"]["id"]
    view = page.ask("marker", of=first, word=0, number=1)
    assert view["wrong"] and "is no longer shown" in view["said"] and view["page"] == "p"
    assert of.session.segments[second] == of.session.first[second]
    assert page.ask("accept", of=first)["segment"]["id"] == second  # a double click accepts one
    assert not page.ask("undo", of=first)["wrong"]


def test_a_word_that_was_moved_or_corrected_is_told_to_be_measured_before(of):
    page = Page(of)
    assert not any(word["stale"] for word in page.ask("look")["words"])
    view = page.ask("retext", word=1, text="anew")
    assert [word["stale"] for word in view["words"][:3]] == [False, True, False]
    assert not page.ask("undo")["words"][1]["stale"]


def test_a_bug_is_told_and_the_panel_goes_on(of, monkeypatch):
    page = Page(of)
    monkeypatch.setattr(page.panel.panel.session, "undo", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        page.ask("undo")
    assert page.sent[-2]["said"] == "This is a bug in the program: ZeroDivisionError: division by zero"
    assert not page.ask("next")["wrong"]


def test_agreement_is_reckoned_only_when_it_is_looked_at(of):
    page = Page(of)
    assert page.ask("look")["agreement"] is None
    found = page.ask("look", agreement=True)["agreement"]
    assert found["pairs"] == ["transcript and detector"] and len(found["rows"]) == 7
    assert page.panel.panel.session.entries == []


def test_a_missing_sound_is_told_and_the_rest_goes_on(of):
    page = Page(of)
    (of.data.folder / of.session.segments["1"].audio_file).unlink()
    view = page.ask("go", segment="1")
    assert "is not there" in view["trouble"] and view["sound_key"] == ""
    assert page.ask("marker", word=0, number=1)["words"][0]["markers"][-1] == "<emph>"
    assert "is no folder" in page.ask("relocate", folder="/no/such/place")["said"]


def test_markup_in_words_is_passed_on_as_text_and_never_as_markup(of):
    page = Page(of)
    page.ask("go", segment="1")
    assert page.ask("retext", word=1, text=EVIL)["wrong"]  # an unknown marker
    view = page.ask("retext", word=1, text="javascript:alert(1)")
    assert view["words"][1]["text"] == "javascript:alert(1)" and not view["wrong"]


def test_no_sound_and_no_segment_are_in_the_state_that_a_notebook_saves(of):
    page = Page(of)
    for _ in range(3):
        page.ask("accept")
    state = page.panel.get_state()
    assert len(json.dumps(state, default=str)) < 150_000
    assert "never" not in json.dumps({key: state[key] for key in state if key not in ("_esm", "_css")}, default=str)


def test_the_page_needs_nothing_from_the_network(of):
    page = Page(of)
    source = page.panel.get_state()["_esm"]
    assert (
        "import(" not in source.replace("import.meta", "") and "\nimport " not in source and "export default" in source
    )
    ours = source[source.index("})();") :]
    assert not any(way in ours for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"))


def test_the_code_of_others_is_what_it_is_said_to_be():
    from prosody import files, notebook

    vendor = Path(notebook.__file__).parent / "vendor"
    assert files.sha256(vendor / "wavesurfer.js") in (vendor / "README.md").read_text(encoding="utf-8")
    assert "BSD 3-Clause" in (vendor / "wavesurfer.LICENSE.txt").read_text(encoding="utf-8")


def test_headless_the_doubtful_segments_are_a_table(of):
    table = review(of, interactive=False).data
    assert table.count("<tr") == 5 and "emph written, not heard" in table and "<script" not in table
    of.session.do("retext", "1", word=1, text="a&b<c")
    assert "a&amp;b&lt;c" in review(of, interactive=False).data


def test_f0_that_is_nowhere_and_f0_without_a_profile():
    times = np.arange(10) / 62.5
    assert review_sheet.f0_of(Clip(np.zeros(100), 16_000, times, np.full(10, math.nan)), None) is None
    f0_hz = np.where(np.arange(10) % 3 == 0, np.nan, 120.0)
    for median in (None, -5.0, "high", True, 10**400):  # the schema leaves it open
        told = review_sheet.f0_of(Clip(np.zeros(100), 16_000, times, f0_hz), {"f0_median_hz": median})
        assert told["median"] == 120.0
    assert told["hz"][0] is None and told["hz"][1] == 120.0
    low, high = told["range"]
    assert (low, high) == (pytest.approx(120 / 2**0.5, rel=0.02), pytest.approx(120 * 2**0.5, rel=0.02))


def test_the_wav_has_a_plain_header_and_its_samples():
    samples = np.array([0.0, 1.0, -1.0, 0.5, 2.0])
    data = review_sheet.wav(samples, 24_000)
    found, rate = soundfile.read(io.BytesIO(data))
    assert len(data) == 44 + 10 and rate == 24_000
    np.testing.assert_allclose(found, [0, 1, -1, 0.5, 1], atol=1e-4)


ODD = [None, True, -1, 0, 8, 99, 1.5, "1", math.nan, math.inf, 10**400, [], {}, ""]
ODD += ["\0", "~nobody9/x", "\ud800", "x" * 5000]
ASKED = ["marker", "clear", "retext", "move", "split", "filter", "least", "go", "relocate", "finish"]
ASKED += ["dance", "", 3, []]


@pytest.mark.parametrize("what", [*ASKED, "", 3, []], ids=repr)
def test_no_message_of_a_page_breaks_the_panel_or_hurts_a_word(of, what):
    """Whatever it holds, it is answered by a view; a number that is none chooses no marker."""
    page, odd_ones = Page(of), (*ODD, "x" * 5000)
    names = ("word", "number", "time", "edge", "text", "least", "segment", "folder", "status", "marker", "self", "what")
    hows = [None, [], "x", 3, {}, *({"word": 1, **dict.fromkeys(names[1:], odd)} for odd in odd_ones)]
    for how in [*hows, *(dict.fromkeys(names, odd) for odd in odd_ones)]:
        page.sent.clear()
        page.panel._told(None, {"n": 1, "what": what, "how": how, "has": None}, None)
        view = page.sent[0]
        assert view["kind"] == "view" and 0 <= view["word"] < len(view["words"]), how
        assert "\n" not in view["said"] and len(view["said"]) < 5400
    done = [entry for entry in of.session.entries if entry["do"] != "go"]
    texts = [entry["text"] for entry in done if entry["do"] == "retext"]
    assert {entry["do"] for entry in done} <= {"clear", "split", "retext"}  # of word 1: what was right
    assert set(texts) <= {"1", "~nobody9/x", "x" * 5000}


@pytest.mark.parametrize("message", [None, [], "look", 3, {}, {"what": "look", "has": [[], {}, None]}, {"has": 3}])
def test_a_message_of_another_kind_is_answered(of, message):
    page = Page(of)
    page.panel._told(None, message, None)
    assert page.sent[0]["kind"] == "view"
    assert page.ask("accept")["said"].startswith("Accepted")
