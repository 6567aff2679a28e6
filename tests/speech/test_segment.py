from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from speech_sounds import silence, tone

from prosody import dataset, files, markers
from prosody.dataset import Word
from prosody.errors import ProsodyError
from prosody.speech.audio import Audio, read, write_wav
from prosody.speech.segment import (
    SegmentParameters,
    Span,
    assign_words,
    energy_db,
    make_segments,
    segment_file,
    segment_spans,
    write_segments,
)

RATE = 24_000


def said(start, end):
    return Word("", start, end)


def spans_of(*seconds, parameters=None):
    """Segments of a sound of tone, silence, tone, ... of so many seconds each."""
    parts = [(silence if i % 2 else tone)(s) for i, s in enumerate(seconds)]
    return [
        (round(span.start, 2), round(span.end, 2))
        for span in segment_spans(energy_db(np.concatenate(parts), RATE), parameters=parameters)
    ]


def test_cuts_at_long_pauses_only():
    found = spans_of(2, 0.9, 2, 0.7, 2)
    assert found == [pytest.approx((0, 2.1), abs=0.021), pytest.approx((2.8, 7.6), abs=0.021)]


def test_a_file_is_cut_without_being_held(tmp_path):
    sound = np.concatenate([tone(2.0), silence(0.9), tone(2.0), silence(0.5), tone(1.0)])
    write_wav(tmp_path / "a.wav", sound, RATE)
    assert segment_file(tmp_path / "a.wav") == segment_spans(energy_db(sound, RATE))
    one = SegmentParameters(split_pause_s=0.4, hop_s=0.02)
    assert segment_file(tmp_path / "a.wav", parameters=one) == segment_spans(
        energy_db(sound, RATE, hop_s=0.02), parameters=one
    )
    with pytest.raises(ProsodyError, match="not found"):
        segment_file(tmp_path / "none.wav")


def test_every_parameter_counts():
    assert len(spans_of(2, 0.9, 2, 0.7, 2, parameters=SegmentParameters(split_pause_s=0.6))) == 3
    assert len(spans_of(2, 0.9, 2, 0.7, 2, parameters=SegmentParameters(split_pause_s=1.0))) == 1
    assert len(spans_of(2, 0.5, 2, 0.3, 2, parameters=SegmentParameters(max_segment_s=5))) == 2
    assert len(spans_of(1.5, 0.9, 3, parameters=SegmentParameters(min_segment_s=2))) == 1
    wide = spans_of(2, 2, 2, parameters=SegmentParameters(margin_s=0.5))
    assert wide[0][1] == pytest.approx(2.5, abs=0.021)


def test_long_segments_are_cut_at_their_longest_pause():
    found = spans_of(6, 0.3, 6, 0.5, 6)
    assert len(found) == 2 and found[0][1] == pytest.approx(12.4, abs=0.021)
    assert spans_of(20) == [(0, 20)]


def test_a_cut_never_leaves_a_scrap():
    found = spans_of(0.4, 0.5, 8, 0.25, 8)
    assert len(found) == 2 and found[0][1] == pytest.approx(9.0, abs=0.021)


def test_short_segments_are_joined_to_the_nearer_neighbour():
    found = spans_of(3, 1.5, 0.4, 0.9, 3)
    assert len(found) == 2 and found[1][0] == pytest.approx(4.4, abs=0.021)
    assert len(spans_of(0.5)) == 1


def test_silence_at_the_ends_is_left_out():
    found = spans_of(0, 1.0, 2, 1.5)
    assert found == [pytest.approx((0.9, 3.1), abs=0.021)]


def test_bad_parameters():
    for bad in ({"threshold_db": 3}, {"hop_s": 0}, {"split_pause_s": float("nan")}, {"min_segment_s": 9}):
        with pytest.raises(ProsodyError):
            SegmentParameters(**bad)


def test_a_cut_inside_a_word_moves_out_of_it():
    cuts = assign_words([Span(0, 2), Span(2, 4)], [said(0.1, 1.0), said(1.2, 2.1), said(2.4, 3.9)])
    assert [(cut.first, cut.stop) for cut in cuts] == [(0, 2), (2, 3)]
    assert 2.1 <= cuts[0].end <= cuts[1].start <= 2.4


def test_spans_without_words_are_left_out():
    cuts = assign_words([Span(0, 1), Span(2, 3), Span(4, 5), Span(6, 7)], [said(2.1, 2.9), said(6.1, 6.9)])
    assert [(cut.first, cut.stop) for cut in cuts] == [(0, 1), (1, 2)]


def test_a_long_segment_without_pauses_is_cut_between_words():
    words = [said(i * 0.5, i * 0.5 + (0.4 if i == 22 else 0.5)) for i in range(40)]
    cuts = assign_words([Span(0, 20)], words)
    assert [(cut.first, cut.stop) for cut in cuts] == [(0, 23), (23, 40)]
    assert cuts[0].end == cuts[1].start == pytest.approx(11.45)


def test_nothing_to_assign():
    with pytest.raises(ProsodyError):
        assign_words([], [said(0, 1)])
    with pytest.raises(ProsodyError):
        assign_words([Span(0, 1)], [])


gaps = st.lists(st.floats(0, 2.5), min_size=1, max_size=40)
lengths = st.lists(st.floats(0, 1.5), min_size=40, max_size=40)


@settings(max_examples=150, deadline=None)
@given(gaps, lengths, st.lists(st.floats(0, 80), max_size=12), st.booleans())
def test_every_word_is_in_exactly_one_segment(gaps, lengths, edges, from_words):
    words, at = [], 0.0
    for gap, length in zip(gaps, lengths, strict=False):
        words.append(said(at + gap, at + gap + length))
        at = words[-1].end
    if from_words:
        frames = np.full(int(at * 100) + 20, -60.0)
        for word in words:
            frames[int(word.start * 100) : int(word.end * 100) + 1] = -5.0
        spans = segment_spans(frames)
    else:
        edges = sorted({0.0, at + 1, *(edge for edge in edges if edge < at)})
        spans = [Span(a, b) for a, b in pairwise(edges)]
    cuts = assign_words(spans, words)
    assert [i for cut in cuts for i in range(cut.first, cut.stop)] == list(range(len(words)))
    for before, after in pairwise(cuts):
        assert before.end <= after.start + 1e-9
    for cut in cuts:
        assert cut.start <= words[cut.first].start + 1e-9 and cut.end >= words[cut.stop - 1].end - 1e-9


def test_segments_are_a_dataset(tmp_path):
    marked = markers.parse("<emph> One two <pause_long> three. <pause_long>")
    samples = np.concatenate([tone(2.0), silence(1.0), tone(1.5), silence(1.0)])
    audio = Audio(samples, RATE, Path("a.wav"), "0" * 64, RATE, 1)
    words = [said(0.0, 1.0), said(1.0, 2.0), said(3.0, 4.5)]
    cuts = assign_words(segment_spans(energy_db(samples, RATE)), words)
    segments = make_segments(cuts, words, marked)
    assert [segment.text for segment in segments] == ["<emph> One two", "<pause_long> three. <pause_long>"]
    assert " ".join(segment.text for segment in segments) == markers.render(marked)
    paths = write_segments(tmp_path, audio, segments)
    assert [path.name for path in paths] == ["segment_001.wav", "segment_002.wav"]
    assert read(paths[1]).duration == pytest.approx(segments[1].duration, abs=1e-3)
    assert {word.confidence for segment in segments for word in segment.words} == {None}
    sure = [Word("", word.start, word.end, confidence=0.12344) for word in words]
    assert {w.confidence for s in make_segments(cuts, sure, marked) for w in s.words} == {0.1234}
    with pytest.raises(ProsodyError, match="already exists"):
        write_segments(tmp_path, audio, segments)
    info = {
        "source_file": "a.wav", "source_sha256": files.sha256(paths[0]), "sample_rate": RATE,
        "profile": {}, "parameters": {},
    }  # fmt: skip
    dataset.save(tmp_path, segments, info)
    assert dataset.load(tmp_path).segments == segments
