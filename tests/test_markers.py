import itertools
import re

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from prosody import markers
from prosody.errors import ProsodyError
from prosody.markers import MarkedText, MarkedWord


def told(text, **options):
    with pytest.raises(ProsodyError) as caught:
        markers.parse(text, **options)
    assert str(caught.value).isprintable()
    return caught.value


def pairs(text, **options):
    return [(word.text, word.markers) for word in markers.parse(text, **options).words]


def test_the_seven_and_their_wire_ids():
    assert markers.TOKENS == (
        "<emph>",
        "<pause_short>",
        "<pause_long>",
        "<pitch_high>",
        "<pitch_low>",
        "<pitch_rising>",
        "<pitch_falling>",
    )
    assert [marker.wire_id for marker in markers.MARKERS] == list(range(5_000_000, 5_000_007))
    for marker in markers.MARKERS:
        assert markers.marker_of_wire_id(marker.wire_id) is marker
        assert markers.BY_TOKEN[marker.token] is marker
        assert marker.token == f"<{marker.name}>"
    for wrong in (4_999_999, 5_000_007, 0, -1):
        with pytest.raises(ValueError, match="5000000 to 5000006"):
            markers.marker_of_wire_id(wrong)


def test_markers_act_on_the_word_after_them():
    text = "We <pause_short> <pitch_rising> <emph> really meant it. <pause_long>"
    marked = markers.parse(text)
    assert [word.text for word in marked.words] == ["We", "really", "meant", "it."]
    assert marked.words[1].markers == ("<pause_short>", "<pitch_rising>", "<emph>")
    assert marked.final == "<pause_long>"
    assert marked.repairs == ()
    assert markers.render(marked) == text
    assert markers.plain(marked) == markers.strip(text) == "We really meant it."
    assert markers.counts(marked) == {
        "<emph>": 1,
        "<pause_short>": 1,
        "<pause_long>": 1,
        "<pitch_high>": 0,
        "<pitch_low>": 0,
        "<pitch_rising>": 1,
        "<pitch_falling>": 0,
    }
    assert markers.tokens(marked) == ("<pause_short>", "<pitch_rising>", "<emph>", "<pause_long>")


@pytest.mark.parametrize("order", list(itertools.permutations(("<pause_long>", "<pitch_low>", "<emph>"))))
def test_any_order_is_read_and_one_is_written(order):
    marked = markers.parse("a " + "".join(order) + "b")
    assert marked.words[1].markers == ("<pause_long>", "<pitch_low>", "<emph>")
    assert markers.render(marked) == "a <pause_long> <pitch_low> <emph> b"


def test_markers_part_words_as_white_space_does():
    assert pairs("<emph>word,<pause_short>next") == [("word,", ("<emph>",)), ("next", ("<pause_short>",))]


@pytest.mark.parametrize("text", ["", " ", "\r\n\t\u00a0\u2029"])
def test_no_words(text):
    assert markers.parse(text) == MarkedText()
    assert markers.render(markers.parse(text)) == ""


def test_a_pause_alone():
    assert markers.parse("<pause_long>") == MarkedText((), "<pause_long>")


@pytest.mark.parametrize("text", ["a < b", "I <3 you", "x<y", "a <- b", "5 > 4", "a -> b", "<", ">", "<>", "< >"])
def test_a_bare_bracket_is_text(text):
    assert markers.strip(text) == text


def test_places_are_counted_in_lines_and_columns():
    marked = markers.parse("\u00e9a b\r\n  c\rd\n\n<emph> e\u2028f")
    assert [(word.text, word.line, word.column) for word in marked.words] == [
        ("\u00e9a", 1, 1),
        ("b", 1, 4),
        ("c", 2, 3),
        ("d", 3, 1),
        ("e", 5, 8),
        ("f", 5, 10),
    ]


@pytest.mark.parametrize(
    ("text", "where", "what", "remedy"),
    [
        ("the <EMPH> end", "line 1, column 5", "<EMPH>", "markers are lower-case: <emph>"),
        ("a\r\nb <Pause_Long> c", "line 2, column 3", "<Pause_Long>", "markers are lower-case: <pause_long>"),
        ("a <pause> b", "line 1, column 3", "<pause>", "write <pause_short>"),
        ("a <PAUSE> b", "line 1, column 3", "<PAUSE>", "write <pause_short>"),
        ("a <emphasis> b", "line 1, column 3", "<emphasis>", "write <emph>"),
        ("a <rising> b", "line 1, column 3", "<rising>", "write <pitch_rising>"),
        ("a <high> b", "line 1, column 3", "<high>", "write <pitch_high>"),
        ("a <pitch_up> b", "line 1, column 3", "<pitch_up>", "write <pitch_high>"),
        ("a <pitch-low> b", "line 1, column 3", "<pitch-low>", "write <pitch_low>"),
        ("a < emph > b", "line 1, column 3", "< emph >", "write <emph>"),
        ("a <pause_medium> b", "line 1, column 3", "<pause_medium>", "the nearest marker is <pause_long>"),
        ("a <pitch_hihg> b", "line 1, column 3", "<pitch_hihg>", "the nearest marker is <pitch_high>"),
        ("a </emph> b", "line 1, column 3", "</emph>", "markers are not closed; the nearest marker, <emph>"),
        ("a <b\nc> d", "line 1, column 3", "<b c>", "put a space after a “<”"),
        ("a <emph b", "line 1, column 3", "lacks a bracket", "write <emph>"),
        ("a pause_long>b", "line 1, column 3", "lacks a bracket", "write <pause_long>"),
        ("<em <emph> ph> x", "line 1, column 1", "closed beyond a marker", "space after"),
        ("a <emph>", "line 1, column 3", "<emph> after the last word", "before the word it acts on"),
        ("a <pitch_low> <pause_long>", "line 1, column 3", "<pitch_low> after the last word", "before the word"),
        ("<emph>", "line 1, column 1", "<emph> after the last word", "before the word"),
        ("a <emph> <emph> b", "line 1, column 10", "<emph> twice", "keep one"),
        (
            "a <pause_long> <pause_short>",
            "line 1, column 16",
            "two pause markers, <pause_long> and <pause_short>",
            "keep",
        ),
    ],
)
def test_mistakes_name_the_place_and_the_remedy(text, where, what, remedy):
    error = told(text, path="talk.txt")
    assert error.path == "talk.txt"
    assert error.where == where
    assert what in error.what
    assert remedy in error.remedy


def test_a_conflict_shows_the_words_around_it():
    error = told("one two three\r\nfour the <pitch_high>\r\n<emph> <pitch_low> red house stood")
    assert error.where == "line 3, column 8"
    assert "two pitch markers, <pitch_high> and <pitch_low>" in error.what
    assert "<pitch_low> red house stood" in error.what


def test_a_long_chunk_is_shortened():
    assert len(str(told("x" * 5000 + " <" + "y" * 5000 + "> " + "z" * 5000))) < 250


def test_repairs_are_reported_one_line_each():
    text = "a <pitch_high> <PITCH_LOW> <emph> <emph> b\n<pause> c <emph> <pause_long> <pitch_low>"
    marked = markers.parse(text, repair=True)
    assert markers.render(marked) == "a <pitch_low> <emph> b <pause_short> c <pause_long>"
    assert marked.repairs == (
        "line 1, column 16: <PITCH_LOW> read as <pitch_low>",
        "line 1, column 16: two pitch markers, <pitch_high> and <pitch_low>, in one place: kept the last, <pitch_low>",
        "line 1, column 35: <emph> twice in one place: kept the last, <emph>",
        "line 2, column 1: <pause> read as <pause_short>",
        "line 2, column 11: <emph> after the last word: dropped",
        "line 2, column 31: <pitch_low> after the last word: dropped",
    )


@pytest.mark.parametrize("text", ["a <pause_medium> b", "a </emph> b", "a <b c> d", "a <emph b", "<script>x"])
def test_repairing_does_not_guess(text):
    assert told(text, repair=True).where is not None


def test_canonical_slots():
    assert markers.canonical(["<emph>", "<pause_long>", "<emph>"]) == ("<pause_long>", "<emph>")
    assert markers.canonical([]) == ()
    with pytest.raises(ValueError, match="exclude"):
        markers.canonical(["<pitch_low>", "<pitch_high>"])
    with pytest.raises(ValueError, match="not one of"):
        markers.canonical(["<loud>"])


# --- properties -------------------------------------------------------------------------------------------------------

ODD = "\u00a0\u202f\u200b\u200d\ufeff\u200f\u202e\u2066\x00\x07\x1b\x1c\x85\u2028אبé한🗣<>/_ \t\r\n\ud800"
plain_texts = st.text(st.characters(codec=None) | st.sampled_from(ODD), max_size=60)
slots = st.tuples(
    st.sampled_from(["", "<pause_short>", "<pause_long>"]),
    st.sampled_from(["", "<pitch_high>", "<pitch_low>", "<pitch_rising>", "<pitch_falling>"]),
    st.sampled_from(["", "<emph>"]),
).map(lambda slot: tuple(token for token in slot if token))
words = (
    st.text(st.characters(codec=None) | st.sampled_from(ODD), min_size=1, max_size=8)
    .map(lambda text: "".join(text.split()))
    .filter(lambda text: text and not set(text) & set("<>"))
)
marked_texts = st.builds(
    MarkedText,
    st.lists(st.builds(MarkedWord, words, slots), max_size=12).map(tuple),
    st.sampled_from([None, "<pause_short>", "<pause_long>"]),
)
marked_chunks = st.lists(
    plain_texts | st.sampled_from(markers.TOKENS) | st.sampled_from(["<EMPH>", "<pause>", "</emph>", "< emph", "<em"]),
    max_size=12,
).map("".join)


@given(marked_texts)
def test_what_is_rendered_parses_to_the_same(marked):
    text = markers.render(marked)
    assert markers.parse(text) == marked
    assert markers.render(markers.parse(text)) == text
    assert markers.strip(text) == " ".join(word.text for word in marked.words)


@given(marked_texts, st.data())
def test_white_space_never_matters(marked, data):
    spaces = st.text(st.sampled_from(" \t\r\n\u00a0\u2003\x1c\x85\u2029"), min_size=1, max_size=3)
    loose = "".join(chunk + data.draw(spaces) for chunk in markers.render(marked).split(" "))
    assert markers.parse(loose) == marked


@given(plain_texts)
def test_plain_text_comes_through_or_is_refused(text):
    assume(not any(token in text for token in markers.TOKENS))
    try:
        marked = markers.parse(text)
    except ProsodyError:
        assert "<" in text or ">" in text
        return
    assert markers.render(marked) == " ".join(text.split())
    assert markers.tokens(marked) == ()


@given(marked_chunks, st.booleans())
@example("<em<emph>ph>", True)
@example("< <pause_short> emph >", True)
@example("<em<emph>", True)
def test_whatever_parses_is_stable(text, repair):
    try:
        marked = markers.parse(text, repair=repair)
    except ProsodyError as error:
        line, column = map(int, re.fullmatch(r"line (\d+), column (\d+)", error.where).groups())
        assert 1 <= column <= len(re.split("\r\n|\r|\n", text)[line - 1])
        assert str(error).isprintable()
        return
    assert markers.parse(markers.render(marked)) == marked
    assert markers.strip(markers.render(marked)) == markers.strip(markers.plain(marked)) == markers.plain(marked)
    assert bool(marked.repairs) <= repair
    lines = re.split("\r\n|\r|\n", text)
    for word in marked.words:
        assert lines[word.line - 1][word.column - 1 :].startswith(word.text)


# --- colours ----------------------------------------------------------------------------------------------------------

# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB: normal, protan, deutan, tritan
VISION = [
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
]


def linear(color):
    c = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a, b):
    light, dark = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def oklab(rgb):
    """Ottosson (2020), times 100."""
    lms = np.array([[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]]) @ rgb
    to_lab = np.array([[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]])
    return 100 * to_lab @ np.cbrt(lms)


def lab(rgb):
    """CIE 1976 L*a*b* of linear sRGB, white point D65."""
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.119192, 0.9503041]]
    xyz = np.array(to_xyz) @ rgb / [0.95047, 1, 1.08883]
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def ciede2000(one, two):
    """Colour difference of two L*a*b* colours, as Sharma, Wu & Dalal (2005) write it."""
    (l1, a1, b1), (l2, a2, b2) = one, two
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    a1, a2 = (a * (1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + 25**7))) for a in (a1, a2))
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    hue, light, c = (h1 + turn / 2) % 360 if c1 * c2 else h1 + h2, (l1 + l2) / 2, (c1 + c2) / 2
    waves = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63))
    t = 1 + sum(k * np.cos(np.radians(n * hue + at)) for k, n, at in waves)
    s_l = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    d_c, d_h = (c2 - c1) / (1 + 0.045 * c), 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * c * t)
    rotation = -2 * np.sqrt(c**7 / (c**7 + 25**7)) * np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    return np.sqrt(((l2 - l1) / s_l) ** 2 + d_c**2 + d_h**2 + rotation * d_c * d_h)


@pytest.mark.parametrize(
    ("one", "two", "difference"),
    [  # Sharma, Wu & Dalal (2005), table 1
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1, 2), (50, 0, 0), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
        ((50, 2.5, 0), (61, -5, 29), 22.8977),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
        ((90.8027, -2.0831, 1.441), (91.1528, -1.6435, 0.0447), 1.4441),
    ],
)
def test_the_measure_of_difference_is_the_published_one(one, two, difference):
    assert ciede2000(one, two) == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize(("vision", "least"), list(zip(VISION, (21, 12.5, 12.5, 12.5), strict=True)))
def test_colors_can_be_told_apart_with_each_vision(vision, least):
    seen = [np.clip(vision @ linear(marker.color), 0, 1) for marker in markers.MARKERS]
    assert min(ciede2000(lab(a), lab(b)) for a, b in itertools.combinations(seen, 2)) >= least
    assert min(np.linalg.norm(oklab(a) - oklab(b)) for a, b in itertools.combinations(seen, 2)) >= 10


@pytest.mark.parametrize("marker", markers.MARKERS, ids=markers.TOKENS)
def test_colors_are_seen_on_light_and_dark_pages_and_their_ink_reads_on_them(marker):
    assert contrast(marker.color, "#ffffff") >= 3  # WCAG 2.2, 1.4.11
    assert contrast(marker.color, "#111111") >= 3  # JupyterLab's dark theme
    assert contrast(marker.color, marker.ink) >= 4.5  # 1.4.3: text on it


def test_a_marker_toggled_takes_the_place_of_one_of_its_kind_or_goes():
    assert markers.toggled(("<pause_short>", "<emph>"), "<pause_long>") == ("<pause_long>", "<emph>")
    assert markers.toggled(("<pause_long>", "<emph>"), "<emph>") == ("<pause_long>",)
    with pytest.raises(ValueError, match="is not one of"):
        markers.toggled((), "<evil>")
