"""The format: both text forms, three encodings, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody.errors import ProsodyError
from prosody.interchange import textgrid
from prosody.interchange.textgrid import Interval, IntervalTier, Point, PointTier, TextGrid

GRID = TextGrid(
    0.0,
    2.5,
    (
        IntervalTier("words", (Interval(0.25, 1.0, 'He said "so"'), Interval(1.0, 1.0000001, "ça\nva"))),
        PointTier('say "f0"', (Point(0.3, "120.5"), Point(1.25, ""))),
        IntervalTier("nothing", ()),
    ),
)
FILLED = (
    Interval(0.0, 0.25, ""),
    *GRID.tiers[0].intervals,
    Interval(1.0000001, 2.5, ""),
)
LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0 
xmax = 1.5 
tiers? <exists> 
size = 2 
item []: 
    item [1]:
        class = "IntervalTier" 
        name = "words" 
        xmin = 0 
        xmax = 1.5 
        intervals: size = 2 
        intervals [1]:
            xmin = 0 
            xmax = 1 
            text = "intervals [1]: ""xmin = 3"" ! item [2]" 
        intervals [2]:
            xmin = 1 
            xmax = 1.5 
            text = "" 
    item [2]:
        class = "TextTier" 
        name = "f0" 
        xmin = 0 
        xmax = 1.5 
        points: size = 1 
        points [1]:
            number = 5e-1 
            mark = "120" 
"""  # noqa: W291 as Praat writes it
SHORT = """File type = "ooTextFile short"
"TextGrid"
0 1.5 ! a comment, "with" 3 things
<exists>
2
"IntervalTier" "words" 0 1.5 2
0 1 "intervals [1]: ""xmin = 3"" ! item [2]"
1 1.5 ""
"TextTier" "f0" 0 1.5 1 +.5 "120"
"""
LABEL = 'intervals [1]: "xmin = 3" ! item [2]'


@pytest.mark.parametrize("form", textgrid.FORMS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_what_is_written_reads_the_same(tmp_path, form, encoding):
    path = tmp_path / "talk.TextGrid"
    textgrid.write(path, GRID, form=form, encoding=encoding)
    read = textgrid.read(path)
    assert read.tiers[0].intervals == FILLED
    assert read.tiers[1] == GRID.tiers[1]
    assert read.tiers[2].intervals == (Interval(0.0, 2.5, ""),)
    assert textgrid.parse(textgrid.render(read, form=form)) == read


@pytest.mark.parametrize("text", [LONG, SHORT, LONG.replace("\n", "\r\n"), LONG.replace("xmin = 0", "xmin=0")])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-mark", "utf-16-le", "utf-16-be"])
def test_every_form_and_encoding_is_read(tmp_path, text, codec):
    path = tmp_path / "talk.TextGrid"
    mark = "\ufeff" if codec.endswith("mark") else ""
    path.write_bytes((mark + text).encode(codec.removesuffix("-mark")))
    grid = textgrid.read(path)
    assert (grid.start, grid.end, [tier.name for tier in grid.tiers]) == (0.0, 1.5, ["words", "f0"])
    assert grid.tiers[0].intervals == (Interval(0.0, 1.0, LABEL), Interval(1.0, 1.5, ""))
    assert grid.tiers[1].points == (Point(0.5, "120"),)


labels = st.text(st.characters(codec="utf-8") | st.sampled_from('"!<>[]=\n\r 0'), max_size=8)
times = st.floats(0, 1e5, allow_subnormal=False)


@st.composite
def grids(draw):
    tiers = []
    end = draw(st.floats(1e5, 2e5))
    for _ in range(draw(st.integers(0, 3))):
        edges = sorted(draw(st.sets(times, max_size=9)))
        if draw(st.booleans()):
            tiers.append(PointTier(draw(labels), tuple(Point(at, draw(labels)) for at in edges)))
        else:
            pairs = zip(edges[::2], edges[1::2], strict=False)
            tiers.append(IntervalTier(draw(labels), tuple(Interval(a, b, draw(labels)) for a, b in pairs)))
    return TextGrid(0.0, end, tuple(tiers))


@given(grids(), st.sampled_from(textgrid.FORMS))
def test_any_grid_comes_back(grid, form):
    read = textgrid.parse(textgrid.render(grid, form=form))
    assert [tier.name for tier in read.tiers] == [tier.name for tier in grid.tiers]
    for before, after in zip(grid.tiers, read.tiers, strict=True):
        if isinstance(before, PointTier):
            assert after == before
            continue
        assert set(before.intervals) <= set(after.intervals)
        assert all(a.end == b.start for a, b in zip(after.intervals, after.intervals[1:], strict=False))
        assert all(one.text == "" for one in set(after.intervals) - set(before.intervals))


@given(st.integers(0, len(LONG) - 1), st.sampled_from([LONG, SHORT]))
def test_a_file_cut_short_is_never_read_as_a_whole_one(at, text):
    whole = textgrid.parse(text)
    try:
        assert textgrid.parse(text[:at]) == whole
    except ProsodyError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not a TextGrid"),
        ("Hello there", "is not a TextGrid"),
        ('File type = "ooTextFile"\nObject class = "PitchTier"\n\n0 1', "holds a PitchTier, not a TextGrid"),
        ('"Praat chronological TextGrid text file"\n0 1', "use Save as text file"),
        ('File type = "ooTextFile"\nObject class = "TextGrid"\n\n0', "line 4: ends before the end: it was cut short"),
        (LONG.replace("size = 2 \nitem", "size = 3 \nitem"), "ends before the class of tier 3: it was cut short"),
        (LONG.replace("size = 2 \nitem", "size = 1 \nitem"), "line 24: goes on after tier “words”"),
        (LONG.replace("intervals: size = 2", "intervals: size = 3"), "interval 3 of 3 of the tier “words”: “TextTier”"),
        (LONG.replace("intervals: size = 2", "intervals: size = 1"), "line 20: “1” stands where the class of tier 2"),
        (LONG.replace("intervals: size = 2", "intervals: size = 1.5"), "1.5 is no number of intervals"),
        (LONG.replace('mark = "120"', 'mark = "120'), "line 31, point 1 of 1 of the tier “f0”: a label is not closed"),
        (LONG.replace("xmin = 1 \n", "xmin = 0.5 \n"), "it starts at 0.5 s, before the one before it ends at 1 s"),
        (LONG.replace("xmax = 1 \n", "xmax = -1 \n"), "it ends at -1 s, before its start at 0 s"),
        (LONG.replace('"TextTier"', '"PitchTier"'), "tier 2 has the class “PitchTier”"),
        (LONG.replace("xmax = 1 \n", "xmax = 1e999 \n"), "too large for a time"),
        (SHORT.replace("+.5", '0.5 "" 0.25').replace("1.5 1 0", "1.5 2 0"), "at 0.25 s, before the point before it"),
    ],
)
def test_what_is_no_textgrid_is_told_with_its_place(text, told):
    with pytest.raises(ProsodyError) as caught:
        textgrid.parse(text, path="talk.TextGrid")
    assert str(caught.value).startswith("talk.TextGrid: ")
    assert told in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (b"ooBinaryFile\x08TextGrid\0\0\0\0", "is in Praat's binary form"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is not a TextGrid"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "is not a TextGrid"),
        (LONG.encode("utf-16")[:-1], "cut short"),
        (LONG.replace("xmin = 3", "caf\u00e9").encode("latin-1"), "line 18: is not UTF-8"),
    ],
)
def test_files_that_are_no_text(tmp_path, data, told):
    path = tmp_path / "talk.TextGrid"
    path.write_bytes(data)
    with pytest.raises(ProsodyError, match=r"talk\.TextGrid") as caught:
        textgrid.read(path)
    assert told in str(caught.value)


def test_nothing_is_overwritten(tmp_path):
    path = tmp_path / "talk.TextGrid"
    path.write_text("mine")
    with pytest.raises(ProsodyError, match="already exists"):
        textgrid.write(path, GRID)
    assert path.read_text() == "mine"
    textgrid.write(path, GRID, overwrite=True)
    assert len(textgrid.read(path).tiers) == 3


@pytest.mark.parametrize(("option", "value"), [("form", "medium"), ("encoding", "latin-1")])
def test_unknown_options(tmp_path, option, value):
    with pytest.raises(ProsodyError, match=value):
        textgrid.write(tmp_path / "x.TextGrid", GRID, **{option: value})


def test_times_that_cannot_be_are_a_mistake_of_the_caller():
    for intervals in ([(0, 1), (0.5, 2)], [(1, 1)], [(-1, 1)], [(0, math.inf)]):
        tier = IntervalTier("words", tuple(Interval(a, b, "x") for a, b in intervals))
        with pytest.raises(ValueError, match="out of place"):
            textgrid.render(TextGrid(0.0, 3.0, (tier,)))
