"""Whose markers a dataset gets, slot by slot and segment by segment."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody import dataset, markers
from prosody.dataset import Segment, Word, text_of
from prosody.errors import ProsodyError
from prosody.speech import choose

KINDS = [[None, *(m.token for m in markers.MARKERS if m.kind == kind)] for kind in markers.KINDS]
SLOTS = st.tuples(*(st.sampled_from(kind) for kind in KINDS)).map(lambda slot: tuple(t for t in slot if t))


def segments(*slots, final=None):
    """Two segments of the words' slots, the second from the third word on, `final` after the last word."""
    words = [Word(f"w{i}", float(i), i + 0.5, slot) for i, slot in enumerate(slots)]
    parts = words[:2], words[2:]
    return tuple(
        Segment(
            f"segments/segment_00{n}.wav",
            text_of(part, final if n == 2 else None),
            part[-1].end - part[0].start,
            part[0].start,
            part[-1].end,
            words=tuple(part),
        )
        for n, part in enumerate(parts, 1)
    )


def texts(given):
    return [segment.text for segment in given]


@given(SLOTS, SLOTS)
def test_both_keeps_all_that_is_written_and_adds_what_is_heard_where_its_kind_is_free(written, heard):
    both = choose.slot(written, heard, "both")
    assert both == markers.canonical(both)
    assert set(written) <= set(both) <= {*written, *heard}
    kinds = [markers.BY_TOKEN[token].kind for token in both]
    assert set(kinds) == {markers.BY_TOKEN[token].kind for token in (*written, *heard)} and len(kinds) == len(
        set(kinds)
    )
    assert choose.slot(written, heard, "transcript") == markers.canonical(written)
    assert choose.slot(written, heard, "audio") == markers.canonical(heard)


WRITTEN = ((), ("<pitch_high>",), ("<pause_short>",), ("<emph>",))
HEARD = (("<emph>",), ("<pitch_low>", "<emph>"), ("<pause_long>",), ())


def test_each_choice_gives_its_markers_and_a_pause_at_a_cut_stays_with_the_later_segment():
    cut = segments(*WRITTEN, final="<pause_long>")
    assert choose.with_markers(cut, HEARD, "transcript") == cut
    assert texts(choose.with_markers(cut, HEARD, "audio")) == ["<emph> w0 <pitch_low> <emph> w1", "<pause_long> w2 w3"]
    both = choose.with_markers(cut, HEARD, "both")
    assert texts(both) == ["<emph> w0 <pitch_high> <emph> w1", "<pause_short> w2 <emph> w3 <pause_long>"]
    for segment in both:
        assert markers.tokens(markers.parse(segment.text)) == segment.prosody_tokens
        assert [word.markers for word in segment.words] == [w.markers for w in markers.parse(segment.text).words]


def test_a_change_takes_back_the_review_and_nothing_else_does():
    accepted = {"status": "accepted", "by": "Ann", "at": "2026-01-01T10:00:00Z"}
    cut = tuple(replace(segment, review=accepted) for segment in segments(*WRITTEN))
    first, second = choose.with_markers(cut, [*HEARD[:2], (), ()], "both")
    assert first.review == dataset.unreviewed() and second.review == accepted


def test_a_transcript_without_markers_is_marked_from_the_audio_and_told():
    plain = segments((), (), (), ())
    assert choose.settle("audio", plain) == ("audio", None)
    for choice in ("transcript", "both"):
        source, told = choose.settle(choice, plain)
        assert source == "audio" and "no markers" in told and "\n" not in told
    assert choose.settle("both", segments(*WRITTEN)) == ("both", None)
    assert choose.settle("transcript", segments((), (), (), (), final="<pause_long>")) == ("transcript", None)


def test_another_choice_is_one_line_that_names_the_three():
    for refuse in (choose.check, lambda c: choose.settle(c, ()), lambda c: choose.with_markers((), (), c)):
        with pytest.raises(ProsodyError, match=r"'Audio'.*transcript, audio, or both") as caught:
            refuse("Audio")
        assert "\n" not in str(caught.value)


def test_a_slot_too_few_is_a_bug():
    with pytest.raises(ValueError, match="3 slots heard, 4 words"):
        choose.with_markers(segments(*WRITTEN), HEARD[:3], "audio")


@pytest.mark.parametrize("source", choose.CHOICES)
def test_what_is_chosen_loads_as_a_dataset(tmp_path, source):
    (tmp_path / "segments").mkdir()
    for n in (1, 2):
        (tmp_path / f"segments/segment_00{n}.wav").write_bytes(b"RIFF")
    chosen = choose.with_markers(segments(*WRITTEN, final="<pause_short>"), HEARD, source)
    info = {"source_file": "a.wav", "source_sha256": "0" * 64, "sample_rate": 24000, "profile": None, "parameters": {}}
    dataset.save(tmp_path, chosen, info | {"markers_from": source})
    loaded = dataset.load(tmp_path)
    assert loaded.segments == chosen and loaded.info["markers_from"] == source
    slots = [word.markers for segment in chosen for word in segment.words]
    counted = choose.counts([*slots, ("<pause_short>",)] if source != "audio" else slots)
    assert loaded.info["counts"] == counted
    raw = json.loads((tmp_path / "dataset_info.json").read_text(encoding="utf-8"))
    (tmp_path / "dataset_info.json").write_text(json.dumps(raw | {"markers_from": "nowhere"}), encoding="utf-8")
    with pytest.raises(ProsodyError, match="markers_from"):
        dataset.load(tmp_path)
