"""What was edited elsewhere, back in a dataset."""

from dataclasses import replace

import pytest

from prosody import dataset
from prosody.errors import ProsodyError
from prosody.interchange import table, textgrid
from prosody.interchange.annotation import of_dataset
from prosody.interchange.revise import revise
from prosody.interchange.textgrid import Interval, IntervalTier, TextGrid
from prosody.interchange.tiers import from_textgrid, to_textgrid, untimed_points

AT = "2030-01-02T03:04:05+00:00"
UNKNOWN = {"f0_level_st": None, "pause_before_s": None}


def words(segments):
    return [word for segment in segments for word in segment.words]


def exported(data):
    """The dataset as a file that was opened elsewhere."""
    return table.parse(table.render(of_dataset(data)))


def edited(data, *changes):
    """The dataset with words replaced: (number, new fields or None for a word that was taken out)."""
    found = exported(data)
    kept = dict(enumerate(found.words))
    for number, fields in changes:
        if fields is None:
            del kept[number]
        else:
            kept[number] = replace(kept[number], **fields)
    places = tuple(found.places[number] for number in kept)
    return replace(found, words=tuple(kept.values()), places=places, parts=())


def revised(data, found, **options):
    return revise(data, found, by="anna", at=AT, path="talk.csv", **options)


def test_what_was_not_changed_stays_as_it_was(made):
    data = dataset.load(made)
    found = revised(data, exported(data))
    assert words(found.segments) == words(data.segments)
    assert [one.text for one in found.segments] == [one.text for one in data.segments]
    assert (found.recut, found.stale, found.changed, found.left_out, found.moved_cuts) == ((), (), 0, (), False)
    assert [one.review for one in found.segments] == [one.review for one in data.segments]
    reviewed = revised(data, exported(data), all_reviewed=True).segments
    assert [one.review for one in reviewed] == [{"status": "reviewed", "by": "anna", "at": AT}] * len(data.segments)


@pytest.mark.parametrize("untimed", [True, False])
def test_a_file_of_elan_loses_nothing(made, untimed):
    """ELAN rounds to milliseconds and, unless it is told otherwise, leaves points out."""
    data = dataset.load(made)
    grid = to_textgrid(of_dataset(data))
    kept = [one for one in grid.tiers if isinstance(one, IntervalTier)]
    if untimed:
        points = untimed_points(of_dataset(data))
        kept.append(IntervalTier("untimed", tuple(Interval(p.time, p.time + 0.04, p.text) for p in points)))
    rounded = [
        IntervalTier(one.name, tuple(Interval(round(i.start, 3), round(i.end, 3), i.text) for i in one.intervals))
        for one in kept
    ]
    grid = textgrid.parse(textgrid.render(TextGrid(0.0, grid.end, tuple(rounded))))
    found = revised(data, from_textgrid(grid, untimed=untimed_points(of_dataset(data))))
    assert words(found.segments) == words(data.segments)
    assert [one.text for one in found.segments] == [one.text for one in data.segments]


def test_words_that_overlap_by_rounding_keep_their_times(made):
    data = dataset.load(made)
    first = data.segments[0]
    longer = (first.words[0], replace(first.words[1], end=1.208), *first.words[2:])
    data = replace(data, segments=(replace(first, words=longer), data.segments[1]))
    found = revised(data, from_textgrid(to_textgrid(of_dataset(data))))
    assert words(found.segments) == words(data.segments)


def test_markers_and_spelling_change_and_measurements_stay(made):
    data = dataset.load(made)
    found = revised(data, edited(data, (1, {"text": "really,", "markers": ("<pitch_low>",)})))
    word = found.segments[0].words[1]
    assert (word.text, word.markers, word.measured) == ("really,", ("<pitch_low>",), data.segments[0].words[1].measured)
    assert [one.confidence for one in found.segments[0].words] == [0.9, None, 0.9, 0.9]  # another word: not known
    assert found.segments[0].text == "We <pitch_low> really, <pause_short> – meant"
    assert (found.stale, found.changed) == ((), 1)


def test_a_word_with_other_letters_is_to_be_measured_again(made):
    """Its sounds tell how long it should be, its class how readily it is emphasised."""
    data = dataset.load(made)
    assert revised(data, edited(data, (1, {"text": "truly"}), (4, {"text": "It!"}))).stale == (1,)


def test_a_word_with_other_times_is_to_be_measured_again_and_the_gap_after_it(made):
    data = dataset.load(made)
    found = revised(data, edited(data, (4, {"end": 3.4})))
    assert found.stale == (4, 5)
    moved, after = found.segments[1].words
    assert (moved.end, moved.measured, moved.evidence) == (3.4, UNKNOWN, {"<emph>": 0.0})
    assert (moved.confidence, after.confidence) == (None, 0.9)
    assert (after.measured, after.evidence) == ({"f0_level_st": 3.5, "pause_before_s": None}, {"<emph>": 0.75})
    assert found.recut == ()


def test_words_may_go_and_segments_with_them(made):
    data = dataset.load(made)
    found = revised(data, edited(data, (2, None), (4, None), (5, None)))
    assert [one.text for one in found.segments] == ["We <pitch_high> <emph> really meant <pause_short>"]
    assert found.left_out == ("segments/b.wav",)
    assert found.stale == (2,)


def test_a_word_beyond_its_segment_needs_the_recording(made):
    data = dataset.load(made)
    late = edited(data, (3, {"end": 2.0}))
    with pytest.raises(ProsodyError) as caught:
        revised(data, late)
    told = "talk.csv: row 5: “meant” (1.200 to 2.000 s) reaches out of segments/a.wav (0.400 to 1.700 s) — name"
    assert str(caught.value).startswith(told)
    found = revised(data, late, cut_anew=True)
    assert (found.segments[0].start, found.segments[0].end, found.segments[0].duration) == (0.4, 2.0, 1.6)
    assert found.recut == ("segments/a.wav",)


def test_a_word_that_reaches_into_the_segment_before_shortens_it(made):
    data = dataset.load(made)
    found = revised(data, edited(data, (3, {"end": 1.25}), (4, {"start": 1.4})), cut_anew=True)
    assert [(one.start, one.end) for one in found.segments] == [(0.4, 1.4), (1.4, 4.1)]
    assert found.recut == ("segments/a.wav", "segments/b.wav")


def test_a_word_that_takes_no_time_goes_with_the_one_that_leaves_it_no_room(made):
    data = dataset.load(made)
    grid = to_textgrid(of_dataset(data))
    words_and_markers = IntervalTier("words", (Interval(0.0, 5.0, "really"),)), IntervalTier("markers", ())
    grid = replace(grid, tiers=(*words_and_markers, *grid.tiers[2:]))
    found = from_textgrid(grid, path="talk.TextGrid")
    (only,) = revise(data, found, by=None, at=AT, cut_anew=True).segments
    assert ([word.text for word in only.words], only.start, only.end) == (["–", "really"], 0.0, 5.0)
    dataset.save(made, [only], data.info, overwrite=True)


def test_a_pause_at_the_end_of_a_segment_goes_to_the_next_word(made):
    data = dataset.load(made)
    first, second = data.segments
    bare = tuple(replace(word, markers=()) for word in second.words)
    ends = replace(first, text=f"{first.text} <pause_long>")
    found = of_dataset(replace(data, segments=(ends, replace(second, words=bare, text="it, “007”."))))
    assert found.words[4].markers == ("<pause_long>",)
    with pytest.raises(ProsodyError, match="segments 1 and 2: <pause_short> and <pause_long> exclude each other"):
        of_dataset(replace(data, segments=(replace(first, text=f"{first.text} <pause_short>"), second)))


def test_other_cuts_are_seen_but_not_followed(made):
    data = dataset.load(made)
    grid = to_textgrid(of_dataset(data))
    moved = IntervalTier("segments", (Interval(0.4, 4.1, "segments/a.wav"),))
    tiers = tuple(moved if one.name == "segments" else one for one in grid.tiers)
    assert revised(data, from_textgrid(replace(grid, tiers=tiers))).moved_cuts


def test_files_that_belong_to_something_else(made):
    data = dataset.load(made)
    other = [(number, {"text": "other"}) for number in range(6)]
    with pytest.raises(ProsodyError, match="only 0 of its 6 words are in the dataset"):
        revised(data, edited(data, *other))
    plain = replace(edited(data), has_markers=False)
    with pytest.raises(ProsodyError, match="has no tier “markers”: the dataset's 6 markers would be lost"):
        revised(data, plain)
    text = table.render(of_dataset(data)).replace("segments/b.wav", "segments/c.wav")
    with pytest.raises(ProsodyError, match=r"row 6, column 'segment': 'segments/c\.wav' is no segment"):
        revised(data, table.parse(text))
