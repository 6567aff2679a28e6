import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from lm_data import CARD, write_babbler

from prosody import markers
from prosody.errors import ProsodyError
from prosody.interchange import textgrid
from prosody.lm.acoustic import AcousticHead, Scale
from prosody.voice.markup import read_ssml
from prosody.workflow import answers
from prosody.workflow.desk import Desk

POINTS = ["the old bridge"]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    """An untrained adapter on a tiny base that only says "I walk here."."""
    from prosody.lm.base import load_base
    from prosody.lm.checkpoint import load_adapter, save_adapter
    from prosody.lm.lora import LoraParameters, attach

    folder = tmp_path_factory.mktemp("babbler")
    base = load_base(str(write_babbler(folder / "base", (" I", " walk", " here", "."))))
    model, _, _ = attach(base, LoraParameters(r=2))
    rates = {"rate_by_marker": dict.fromkeys(markers.TOKENS, 20.0), "threshold": 0.0}
    save_adapter(model, base, folder / "adapter", card=CARD | rates)
    return load_adapter(folder / "adapter")


@pytest.fixture
def desk(adapter, tmp_path):
    return Desk(adapter, tmp_path / "studio")


@pytest.fixture
def laid(adapter, tmp_path):
    """A desk on which plain words lie that nobody has to compose."""
    return with_own_words(adapter, tmp_path / "studio")


def with_own_words(adapter, folder):
    own = answers.mark_own(markers.parse("I walk here, by the old bridge."), adapter, {"expressiveness": 0.0})
    return Desk(adapter, folder, answers=[own])


def test_what_was_forbidden_stays_so_when_marked_again(adapter, tmp_path):
    asked = {"expressiveness": 0.0, "forbid": ["emph", "pause_short"]}
    own = answers.mark_own(markers.parse("I walk here, by the old bridge."), adapter, asked)
    found = markers.counts(Desk(adapter, tmp_path, answers=[own]).mark_again(2.0).text)
    assert found["<emph>"] == found["<pause_short>"] == 0 < sum(found.values())


def composed(desk, **how):
    return desk.compose("Why do you walk?", POINTS, **{"max_words": 10, "expressiveness": 0.0} | how)


def record(desk):
    return json.loads((desk.folder / "answers.json").read_text(encoding="utf-8"))


def test_every_answer_is_kept_with_its_inputs(desk):
    told = []
    composed(desk, seed=3, on_sentence=lambda sentence, point: told.append(sentence))
    composed(desk, seed=4)
    first, second = record(desk)
    assert " ".join(told) == first["plain"]
    assert (first["question"], first["points"]) == ("Why do you walk?", [{"text": "the old bridge", "covered": True}])
    assert [one["asked"]["seed"] for one in (first, second)] == [3, 4]
    assert first["asked"]["expressiveness"] == 0.0
    assert first["name"] != second["name"]


def test_what_the_record_held_before_stays_in_front(adapter, desk):
    composed(desk)
    before = record(desk)
    again = Desk(adapter, desk.folder)
    composed(again)
    assert record(again)[:1] == before
    assert len({one["name"] for one in record(again)}) == 2


def test_a_marker_set_by_hand_survives_re_marking_and_so_does_an_emptied_slot(laid):
    desk, words = laid, markers.plain(laid.current.text)
    assert sum(markers.counts(desk.current.text).values()) == 0
    assert all(word.markers for word in desk.mark_again(2.0).text.words)
    desk.set_slot(3, ())
    desk.set_slot(4, ["<emph>", "<pause_long>"])
    for expressiveness in (0.0, 2.0):
        text = desk.mark_again(expressiveness).text
        assert text.words[3].markers == ()
        assert text.words[4].markers == ("<pause_long>", "<emph>")  # and no pitch marker: that was left out by hand
        assert bool(text.words[1].markers) == (expressiveness > 0)
        assert markers.plain(text) == words
        assert desk.current.by_hand == {3, 4}
    assert record(desk)[0]["by_hand"] == [3, 4]


def test_own_words_lie_on_the_desk_as_they_were_written(laid):
    sheet = laid.mark_own("We <emph> walk on.", question=" Why? ", expressiveness=2.0)
    assert markers.plain(sheet.text) == "We walk on." and "<emph>" in sheet.text.words[1].markers
    assert sheet.by_hand == {1} and len(laid.history) == 2
    entry = record(laid)[-1]
    assert (entry["question"], entry["asked"]["given"]) == ("Why?", "We <emph> walk on.")
    for text, told in (("  ", "your words: there are none"), ("We <emhp> walk", "emhp")):
        with pytest.raises(ProsodyError, match=told):
            laid.mark_own(text)
    assert laid.current is sheet


def test_toggling_replaces_one_of_its_kind_and_takes_itself_out(laid):
    desk = laid
    desk.toggle(1, "<pitch_high>")
    desk.toggle(1, "<emph>")
    assert desk.toggle(1, "<pitch_low>").text.words[1].markers == ("<pitch_low>", "<emph>")
    assert desk.toggle(1, "<pitch_low>").text.words[1].markers == ("<emph>",)
    last = len(desk.current.text.words)
    assert desk.toggle(last, "<pause_short>").text.final == "<pause_short>"
    with pytest.raises(ProsodyError, match="only a pause may stand"):
        desk.toggle(last, "<emph>")
    with pytest.raises(ProsodyError, match="slot 1: '<evil>' is no marker"):
        desk.toggle(1, "<evil>")
    with pytest.raises(ProsodyError, match=f"slot {last + 1}: is not in the text"):
        desk.toggle(last + 1, "<emph>")


def test_undo_goes_back_change_by_change(laid):
    desk, texts = laid, [laid.current.text]
    texts += [desk.toggle(slot, "<emph>").text for slot in (0, 1, 2)]
    for text in reversed(texts[:-1]):
        assert desk.undo().text == text
    assert record(desk)[0]["marked"] == markers.render(texts[0])
    with pytest.raises(ProsodyError, match="nothing to undo"):
        desk.undo()


@pytest.fixture(scope="module")
def spoken(adapter, tmp_path_factory):
    """A desk with one answer that was changed, then spoken and heard; tests put more on it, never less."""
    desk = with_own_words(adapter, tmp_path_factory.mktemp("spoken"))
    desk.toggle(2, "<pause_long>")
    desk.speak()
    return desk, desk.listen()


def test_speaking_writes_both_renders_and_hears_the_markers(spoken):
    desk, sheet = spoken
    assert sheet.heard["survival"]["<pause_long>"]["written"] == 1
    assert sheet.spoken.duration > sheet.plain.duration + 0.5
    entry = record(desk)[0]
    for name in (entry["audio_file"], entry["plain_audio_file"]):
        assert (desk.folder / name).stat().st_size > 1000
    assert entry["survival"] == sheet.heard["survival"]
    assert [word["text"] for word in entry["words"]] == [word.text for word in sheet.text.words]


def test_a_contour_that_was_learned_shapes_both_renders(adapter, spoken, tmp_path):
    desk, sheet = spoken
    desk.back(0)
    n_answers = len(desk.history)
    with pytest.raises(ProsodyError, match=r"^contour: was not learned by adapter"):
        desk.speak(contour=True)
    assert len(desk.history) == n_answers
    assert desk.history[0].spoken is sheet.spoken
    head = AcousticHead(32, 2), Scale(("f0_level_st", "energy_db"), (0.0, 0.0), (40.0, 40.0))
    other = with_own_words(replace(adapter, head=head), tmp_path)
    plain = other.current
    assert [set(one) for one in plain.written.marked.measured] == [set(head[1].names)] * 7
    straight = other.speak()
    shaped = other.speak(contour=True)
    assert shaped.name != straight.name and shaped.asked["contour"] is True and straight.asked["contour"] is False
    assert shaped.written.asked["engine"] == "hibari"
    levels = [[target.f0_level_hz for target in one.spoken.targets] for one in (straight, shaped)]
    assert levels[0] != levels[1]
    for desk in (other, Desk(other._adapter, tmp_path)):  # here, and where it comes from the record
        bare = desk.listen().plain
        assert desk.current.name == shaped.name
        if desk is other:
            for suffix in ("wav", "words.json"):
                (tmp_path / f"{shaped.name}_plain.{suffix}").unlink()
        assert [target.f0_level_hz for target in bare.targets] == levels[1]  # no marker is written: both sound alike


def test_what_was_spoken_never_changes(spoken):
    desk, sheet = spoken
    desk.back(0)
    assert desk.speak() is desk.current  # nothing new to say
    changed = desk.toggle(0, "<emph>")
    assert changed.spoken is None and changed.name != sheet.name
    assert desk.history[0].spoken is sheet.spoken
    desk.toggle(1, "<emph>")
    desk.undo()
    assert desk.undo().spoken is sheet.spoken  # the spoken answer itself, not a copy of it
    assert len(desk.history) == 1


def test_what_is_kept_lies_on_the_next_desk(adapter, spoken, tmp_path):
    desk, sheet = spoken
    folder = shutil.copytree(desk.folder, tmp_path / "studio")
    held = record(desk)
    again = Desk(adapter, folder)
    assert [one.as_json() for one in again.history] == held
    back = again.back(0)
    assert (back.text, back.by_hand, back.points) == (sheet.text, sheet.by_hand, sheet.points)
    for now, then in ((back.spoken, sheet.spoken), (back.plain, sheet.plain)):
        assert np.abs(now.samples - then.samples).max() < 1e-4
        assert [w.text for w in now.words] == [w.text for w in then.words]
        assert [w.start for w in now.words] == pytest.approx([w.start for w in then.words], abs=1e-4)
    assert again.speak() is back
    assert again.listen().heard["survival"] == sheet.heard["survival"]
    marked, expected = again.mark_again(2.0), desk.back(0) and desk.mark_again(2.0)
    assert (marked.text, marked.by_hand) == (expected.text, expected.by_hand)
    assert marked.probabilities == expected.probabilities
    desk.undo()
    assert record(again)[: len(held)] == held


@pytest.mark.parametrize("damage", ["gone", "no times", "no words", "damaged"])
def test_an_answer_whose_sound_is_lost_is_still_there(adapter, spoken, tmp_path, damage):
    folder = shutil.copytree(spoken[0].folder, tmp_path / "studio")
    sound = folder / "answer_01.wav"
    if damage == "damaged":
        sound.write_bytes(b"RIFF")
    elif damage == "no words":
        sound.with_suffix(".words.json").write_text("{}")
    else:
        (sound if damage == "gone" else sound.with_suffix(".words.json")).unlink()
    back = Desk(adapter, folder).back(0)
    assert back.spoken is back.plain is None and back.text == spoken[1].text
    assert back.as_json() == record(spoken[0])[0]
    desk = Desk(adapter, folder)
    desk.back(0)
    desk.speak()
    again = desk.listen()
    assert again.text == back.text and again.heard["survival"] == spoken[1].heard["survival"]
    assert len({one["name"] for one in record(desk)}) == len(desk.history)


def test_of_a_slot_only_the_user_s_own_markers_are_known_as_such(laid, adapter):
    sheet = laid.mark_own("We <emph> walk on.", expressiveness=2.0)
    assert len(sheet.text.words[1].markers) == 3  # two more beside the user's
    laid.set_slot(2, ())
    again = Desk(adapter, laid.folder)
    for expressiveness in (0.0, 2.0):
        one, other = laid.mark_again(expressiveness), again.mark_again(expressiveness)
        assert one.text == other.text and one.probabilities == other.probabilities
        assert one.written.marked.reasons == other.written.marked.reasons


def test_an_answer_that_is_given_again_is_not_laid_a_second_time(adapter, spoken, tmp_path):
    (tmp_path / "given.wav").write_bytes((spoken[0].folder / "answer_01.wav").read_bytes())
    given = replace(spoken[1].written, audio_file="given.wav")
    for _ in range(2):
        desk = Desk(adapter, tmp_path / "studio", answers=[given])
        assert [one.as_json()["audio_file"] for one in desk.history] == ["../given.wav"]
        assert desk.current.heard == given.heard and desk.current.probabilities
        assert desk.export("wav").exists()
        desk.listen()


def test_what_is_undone_of_a_kept_answer_has_its_own_name(adapter, laid):
    laid.toggle(1, "<emph>")
    again = Desk(adapter, laid.folder)
    again.toggle(2, "<emph>")
    again.speak()
    again.undo()
    assert [one["name"] for one in record(again)] == ["answer_01", "answer_02"]


def test_what_is_no_answer_stays_in_the_record(adapter, desk):
    desk.folder.mkdir()
    others = [7, {"name": "answer_01"}, {"name": []}, {**dict.fromkeys(("name", "at", "marked")), "points": 3}]
    (desk.folder / "answers.json").write_text(json.dumps(others))
    again = Desk(adapter, desk.folder)
    assert again.history == () and again.current is None
    again.mark_own("I walk.")
    assert record(again)[:4] == others and record(again)[4]["name"] == "answer_02"
    (desk.folder / "answers.json").write_text("{}")
    with pytest.raises(ProsodyError, match=r"answers\.json: is not a list of answers"):
        Desk(adapter, desk.folder)


@pytest.mark.parametrize(
    "damage",
    [
        {"name": "../victim"}, {"name": "/tmp/x"}, {"name": ""}, {"name": 7}, {"name": "a" * 300}, {"name": "a\0"},
        {"audio_file": "/etc/passwd"}, {"audio_file": "../../x.wav"}, {"plain_audio_file": "a/b"}, {"audio_file": 3},
        {"own_markers": [None]}, {"own_markers": "x"}, {"own_markers": []}, {"marked": "I \ud800 walk"}, {"at": None},
        {"asked": {"voice_seed": -1}}, {"asked": {"expressiveness": "x"}}, {"asked": {"given": []}}, {"asked": 7},
        {"asked": {"forbid": 7}}, {"asked": {"seed": "x"}}, {"asked": {"max_words": 1 << 70}}, {"question": 7},
    ],
    ids=str,
)  # fmt: skip
def test_an_entry_that_no_desk_wrote_is_left_alone(adapter, spoken, tmp_path, damage):
    folder = shutil.copytree(spoken[0].folder, tmp_path / "studio")
    entries = record(spoken[0])
    entries[0] |= damage
    (folder / "answers.json").write_text(json.dumps(entries))
    desk = Desk(adapter, folder)
    assert [one.name for one in desk.history] == [one["name"] for one in entries[1:]]
    desk.mark_own("I walk.")
    assert record(desk)[0] == entries[0]


@pytest.mark.parametrize(
    "damage",
    [{"start": "0"}, {"start": -1}, {"end": 1e9}, {"end": 0}, {"text": "other"}, {"text": 7}, {"markers": ["<evil>"]}],
    ids=str,
)
def test_times_that_are_not_those_of_the_words_are_not_believed(adapter, spoken, tmp_path, damage):
    folder = shutil.copytree(spoken[0].folder, tmp_path / "studio")
    path = folder / "answer_01.words.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    told["words"][2] |= damage
    path.write_text(json.dumps(told))
    assert Desk(adapter, folder).back(0).spoken is None


def test_two_desks_of_one_folder_lose_nothing(adapter, tmp_path):
    one, other = Desk(adapter, tmp_path), Desk(adapter, tmp_path)
    one.mark_own("First words.", expressiveness=0.0)
    other.mark_own("Second words.", expressiveness=0.0)
    one.toggle(1, "<emph>")
    assert sorted(entry["marked"] for entry in record(one)) == ["First <emph> words.", "Second words."]
    assert len(Desk(adapter, tmp_path).history) >= 1


def test_what_was_exported_is_not_written_over(adapter, tmp_path):
    desk = with_own_words(adapter, tmp_path)
    desk.speak()
    mine = desk.export("wav", "answer_02_plain")
    held = mine.read_bytes()
    desk.mark_own("Quite other words are spoken.")
    desk.speak()
    heard = desk.listen()
    assert mine.read_bytes() == held
    assert heard.plain_file == record(desk)[1]["plain_audio_file"] == "answer_02_plain_2.wav"


@pytest.mark.parametrize("act", ["mark_own", "compose"])
def test_half_a_character_is_refused(laid, act):
    given = {"mark_own": ("a \ud800 b",), "compose": ("Why \ud800?", POINTS)}[act]
    with pytest.raises(ProsodyError, match="hold a character that is none"):
        getattr(laid, act)(*given)


def test_undo_of_a_change_that_was_spoken_since_makes_a_new_answer(spoken):
    desk, sheet = spoken
    desk.back(0)
    undone = desk.undo()
    assert markers.counts(undone.text)["<pause_long>"] == 0
    assert undone.spoken is None
    assert desk.history[0].spoken is sheet.spoken


def test_exports_say_the_same_as_the_answer(spoken, tmp_path):
    desk, sheet = spoken
    desk.back(0)
    text, ssml, grid, wav = (desk.export(kind) for kind in ("text", "ssml", "textgrid", "wav"))
    assert markers.parse(text.read_text(encoding="utf-8")) == sheet.text
    assert read_ssml(ssml.read_text(encoding="utf-8")).marked == sheet.text
    words = next(tier for tier in textgrid.read(grid).tiers if tier.name == "words").intervals
    assert [w.text for w in words if w.text] == [w.text for w in sheet.text.words]
    assert wav.name == record(desk)[0]["audio_file"]
    assert desk.export("text") != text  # nothing is overwritten
    assert desk.export("wav", "mine").name == "mine.wav"
    with pytest.raises(ProsodyError, match=r"mine\.wav"):
        desk.export("wav", "mine")


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b"])
def test_a_name_that_leads_elsewhere_is_refused(spoken, name):
    with pytest.raises(ProsodyError, match="is no name"):
        spoken[0].export("text", name)


def test_mistakes_leave_the_answer_as_it_was(desk, laid):
    for act in (desk.speak, desk.listen, desk.undo, lambda: desk.mark_again(1.0), lambda: desk.export("text")):
        with pytest.raises(ProsodyError, match=r"there is (no answer yet|nothing)"):
            act()
    desk, sheet = laid, laid.current
    mistakes = {
        "question": lambda: desk.compose("", POINTS),
        "<script>": lambda: desk.compose("Why <script>?", POINTS),
        "expressiveness": lambda: desk.mark_again(3.0),
        "spoken": lambda: desk.export("wav"),
        "engine": lambda: desk.speak("nobody"),
        "kind": lambda: desk.export("mp9"),
        "no answer 7": lambda: desk.back(7),
    }
    for told, act in mistakes.items():
        with pytest.raises(ProsodyError, match=told):
            act()
        assert desk.current is sheet


def test_answers_may_lie_on_the_desk_from_the_start(adapter, tmp_path):
    own = answers.mark_own(markers.parse("I <emph> walk here."), adapter, {"expressiveness": 0.0})
    (tmp_path / "there.wav").write_bytes(b"")
    own = answers.replace(own, audio_file="there.wav")
    desk = Desk(adapter, tmp_path / "studio", answers=[own])
    assert desk.current.by_hand == {1}
    assert not desk.folder.exists()
    desk.mark_again(0.0)
    assert record(desk)[0]["marked"] == "I <emph> walk here."
    assert Desk(adapter, tmp_path / "studio", answers=[own]).current.as_json()["audio_file"] == "../there.wav"


@pytest.mark.parametrize(("is_here", "names"), [(True, ("hibari", "espeak")), (False, ("hibari",))])
def test_only_engines_that_can_speak_here_are_offered(desk, monkeypatch, is_here, names):
    from prosody.voice.engines import espeak

    monkeypatch.setattr(espeak, "is_installed", lambda: is_here)
    assert desk.engines == names
