"""The table: nothing is lost in a spreadsheet, and what it breaks is told with row and column."""

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody import markers
from prosody.dataset import Word
from prosody.errors import ProsodyError
from prosody.interchange import table
from prosody.interchange.annotation import Annotation, Part

WORDS = (
    Word("We", 0.1, 0.3, (), {"f0_level_st": -1.25, "f0_slope_st": None}, {"<emph>": 0.25, "<pitch_low>": 0.0}),
    Word(
        *("“really”", 0.3, 1.2, ("<pause_long>", "<emph>"), {"f0_level_st": 2.0, "f0_slope_st": 0.5}, {"<emph>": 1.0}),
        confidence=0.875,
    ),
    Word("=1+2", 1.2, 1.2, ("<pitch_low>",)),
    Word("3,5", 2.0, 2.5),
)
PARTS = (Part("segments/a.wav", 0.0, 1.3, 0, 2), Part("segments/b.wav", 1.5, 2.6, 2, 4))
ANNOTATION = Annotation(WORDS, "<pause_short>", 2.5, heard=(("<emph>",), (), (), ()), parts=PARTS)
PLAIN = "text,start,end,markers\nwe,0,0.5,\nmeant,0.5,1,<emph>\nit,1,1.5,\n"


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_a_word():
    found = rows(table.render(ANNOTATION))
    assert list(found[0]) == [
        *("segment", "word", "text", "start", "end", "markers", "heard", "confidence"),
        *("f0_level_st", "f0_slope_st", "evidence_emph", "evidence_pitch_low"),
    ]
    assert [row["text"] for row in found] == ["We", "“really”", "'=1+2", "'3,5", ""]
    assert found[1]["markers"] == "<pause_long> <emph>"
    assert found[0]["heard"] == "<emph>"
    assert [row["confidence"] for row in found[:3]] == ["", "0.875", ""]
    assert [(row["segment"], row["word"]) for row in found[2:]] == [("segments/b.wav", str(n)) for n in (1, 2, 3)]
    assert found[4]["markers"] == "<pause_short>"


def test_all_of_it_comes_back():
    read = table.parse(table.render(ANNOTATION))
    assert read.words == (WORDS[0], replace(WORDS[1], evidence={"<emph>": 1.0}), *WORDS[2:])
    assert (read.final, read.heard) == (ANNOTATION.final, ANNOTATION.heard)
    assert [(part.name, part.first, part.stop) for part in read.parts] == [
        (part.name, part.first, part.stop) for part in PARTS
    ]


def test_excel_and_pandas_open_it(tmp_path):
    import pandas

    table.write(tmp_path / "a.csv", ANNOTATION)
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbfsegment,word,")
    frame = pandas.read_csv(tmp_path / "a.csv")
    assert list(frame["end"]) == [0.3, 1.2, 1.2, 2.5, 2.5]
    table.write(tmp_path / "b.csv", ANNOTATION, encoding="utf-16")
    assert table.read(tmp_path / "b.csv") == table.read(tmp_path / "a.csv")


texts = st.sampled_from(["'tis", "'90s", "''5", "true", "May-5", "-", "@x", "(5)", '"so"', "1/2", ",", ";"]) | (
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
    .map(lambda text: "".join(text.split()))
    .filter(lambda text: text and not set(text) & set("<>"))
)
slots = st.sampled_from([(), ("<emph>",), ("<pause_short>", "<pitch_rising>", "<emph>"), ("<pause_long>",)])


@given(
    st.lists(st.tuples(texts, slots, st.floats(0, 9)), min_size=1, max_size=9), st.sampled_from([None, "<pause_long>"])
)
def test_any_marked_text_comes_back_with_its_times(pieces, final):
    times = sorted(at for *_, at in pieces)
    ends = [*times[1:], 10.0]
    words = tuple(Word(t, a, b, s) for (t, s, _), a, b in zip(pieces, times, ends, strict=True))
    assert table.parse(table.render(Annotation(words, final, 10.0))).words == words
    assert table.parse(table.render(Annotation(words, final, 10.0))).final == final


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "@sum", "-", "007", "true", "May-5", ".5", "(5)", "$5"])
def test_no_text_becomes_a_number_or_a_formula(text):
    found = rows(table.render(Annotation((Word(text, 0, 1),), None, 1.0)))
    assert found[0]["text"] == f"'{text}"


@pytest.mark.parametrize("text", ["'tis", "...", "maybe", "March", "“5”", "truest", "e5"])
def test_other_texts_stay_as_they_are(text):
    assert rows(table.render(Annotation((Word(text, 0, 1),), None, 1.0)))[0]["text"] == text


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";").replace("0.5", "0,5").replace("1.5", "1,5"),
        PLAIN.replace(",", "\t").replace("\n", "\r\n"),
        PLAIN.replace("<emph>", "emph"),
        PLAIN + "\n,,,\n",
        PLAIN.replace("markers\n", "markers,comment,x\n").replace("<emph>", "<emph>,so loud!,"),
        PLAIN.replace("text,start,end,markers", "Text, START,end,markers"),
    ],
)
def test_what_spreadsheets_make_of_it_is_read(text):
    read = table.parse(text)
    assert markers.render(read.marked) == "we <emph> meant it"
    assert [(w.start, w.end) for w in read.words] == [(0, 0.5), (0.5, 1), (1, 1.5)]
    assert all(not w.measured for w in read.words)


def test_rows_without_segments_stay_in_their_order():
    """The numbers of words begin anew in each segment: without these they sort nothing."""
    rows = ["word,text,start,end,markers", "1,It,0,0.4,", "2,rains.,0.4,1,", "1,We,1.5,2,", "2,stay.,2,2.5,"]
    assert [word.text for word in table.parse("\n".join(rows)).words] == ["It", "rains.", "We", "stay."]


def test_rows_sorted_by_something_else_are_put_back():
    lines = table.render(ANNOTATION).splitlines()
    shuffled = "\n".join([lines[0], *sorted(lines[1:], key=lambda line: line[::-1])])
    assert table.parse(shuffled).words == table.parse(table.render(ANNOTATION)).words


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "row 1: lacks the column 'text'; there are: a, b — it needs text, start, end, markers"),
        (PLAIN.replace("markers", "marker"), "row 1: lacks the column 'markers'"),
        (PLAIN.replace("end,markers", "end,markers,end"), "row 1: has the column 'end' twice"),
        ("text,start,end,markers\n", "holds no words"),
        (PLAIN.replace("0.5,1", "half,1"), "row 3, column 'start': 'half' is no number"),
        (PLAIN.replace("0.5,1", ",1"), "row 3, column 'start': '' is no number"),
        (PLAIN.replace("1,1.5", "1,nan"), "row 4, column 'end': 'nan' is no number"),
        (PLAIN.replace("1,1.5", "1,0.5"), "row 4: “it” ends at 0.5 s, before its start at 1 s"),
        (PLAIN.replace("1,1.5", "0.2,1.5"), "row 4: “it” starts at 0.2 s, before “meant” ends at 1 s"),
        (PLAIN.replace("we,0", "we,-1"), "row 2: “we” starts at -1 s"),
        (PLAIN.replace("<emph>", "<emph>,"), ""),
        (PLAIN.replace("<emph>", "<emph>,5"), "row 3: has 5 cells, the header 4"),
        (PLAIN.replace("<emph>", "<emhp>"), "row 3, column 'markers': unknown marker <emhp> — the nearest marker is"),
        (PLAIN.replace("<emph>", "<EMPH>"), "row 3, column 'markers': unknown marker <EMPH> — markers are lower-case"),
        (PLAIN.replace("<emph>", "loud words"), "row 3, column 'markers': unknown marker <loud>"),
        (PLAIN.replace("<emph>", "<pitch_low> <pitch_high>"), "row 3, column 'markers': <pitch_low> and <pitch_high>"),
        (PLAIN.replace("meant", ""), "row 3, column 'text': is empty"),
        (PLAIN.replace("meant", "has meant"), "row 3, column 'text': “has meant” is more than one word"),
        (PLAIN.replace("meant", "<emph>"), "row 3, column 'text'"),
        (PLAIN.replace("it,1,1.5,", ",1,1.5,<emph>"), "row 4, column 'markers': <emph> after the last word"),
        (PLAIN.replace("we", '"we'), "is not CSV"),
    ],
)
def test_what_cannot_be_is_told_with_row_and_column(text, told):
    if not told:
        assert table.parse(text)
        return
    with pytest.raises(ProsodyError) as caught:
        table.parse(text, path="talk.csv")
    assert str(caught.value).startswith("talk.csv: ")
    assert told in str(caught.value), str(caught.value)
    assert caught.value.remedy


def test_confidence_beyond_its_range():
    text = PLAIN.replace("markers\n", "markers,confidence\n").replace("<emph>", "<emph>,90")
    with pytest.raises(ProsodyError, match="row 3, column 'confidence': 90 is not within 0 and 1"):
        table.parse(text)


def test_evidence_beyond_its_range():
    text = PLAIN.replace("markers\n", "markers,evidence_emph\n").replace("<emph>", "<emph>,1.5")
    with pytest.raises(ProsodyError, match="row 3, column 'evidence_emph'"):
        table.parse(text)


def test_a_table_saved_in_an_old_encoding(tmp_path):
    (tmp_path / "talk.csv").write_bytes(PLAIN.replace("we", "caf\u00e9").encode("cp1252"))
    with pytest.raises(ProsodyError, match="line 2: is not UTF-8"):
        table.read(tmp_path / "talk.csv")
