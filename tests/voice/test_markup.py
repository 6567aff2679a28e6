"""Marked text as markup: what is written for each target, that it is valid, and that nothing is silently dropped."""

import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema
from hypothesis import example, given, settings
from marked_texts import marked_texts

from prosody.errors import ProsodyError
from prosody.markers import TOKENS, MarkedText, MarkedWord, parse, tokens
from prosody.voice.markup import APPROXIMATED, HONOURED, IMPOSSIBLE, compile_markup, figures, get, targets
from prosody.voice.parameters import SpeakParameters

XML = [name for name, target in targets().items() if target.is_xml]
SENTENCE = (
    "Well, <pause_long>that's <pitch_rising><emph>really <pitch_low>so. "
    "<pause_short><pitch_high>Yes <pitch_falling>it is.<pause_short>"
)
# Elements and attributes as the vendors document them, each with where it may stand.
DOCUMENTED = {
    "azure": {
        "speak": {"version", "lang"},
        "voice": {"name"},
        "break": {"time", "strength"},
        "emphasis": {"level"},
        "prosody": {"contour", "pitch", "range", "rate", "volume"},
    },
    "google": {
        "speak": set(),
        "break": {"time", "strength"},
        "emphasis": {"level"},
        "prosody": {"rate", "pitch", "volume"},
    },
    "polly-neural": {"speak": set(), "break": {"time", "strength"}, "prosody": {"rate", "volume"}},
    "polly-standard": {
        "speak": set(),
        "break": {"time", "strength"},
        "emphasis": {"level"},
        "prosody": {"rate", "volume", "pitch"},
    },
    "espeak": {
        "speak": {"lang"},
        "break": {"time", "strength"},
        "emphasis": {"level"},
        "prosody": {"rate", "volume", "pitch", "range"},
    },
}
IN_EMPHASIS, IN_PROSODY = {"break", "emphasis", "prosody", "voice"}, {"break", "prosody"}  # as Azure documents it


@pytest.fixture(scope="module")
def schema():
    return xmlschema.XMLSchema(Path(__file__).parent / "ssml11" / "synthesis.xsd", allow="local")


def local(name: str) -> str:
    return name.rpartition("}")[2]


@pytest.mark.parametrize(
    ("target", "written"),
    [
        (
            "google",
            '<speak>Well, <break time="1175ms"/> that&apos;s <emphasis level="strong"><prosody pitch="+3.5st">'
            'really</prosody></emphasis> <prosody pitch="-4st">so.</prosody> <break time="475ms"/> '
            '<prosody pitch="+4st">Yes</prosody> '
            '<prosody pitch="-3.5st">it</prosody> is. <break time="475ms"/></speak>',
        ),
        (
            "polly-neural",
            '<speak>Well, <break time="1175ms"/> that&apos;s <prosody rate="67%" volume="+4dB">really</prosody> so. '
            '<break time="475ms"/> Yes it is. <break time="475ms"/></speak>',
        ),
        (
            "espeak",
            '<speak>Well, <break time="1175ms"/> that&apos;s <prosody pitch="61" rate="67%" volume="loud" '
            'range="x-high">really</prosody> <prosody pitch="29">so.</prosody> <break time="475ms"/> '
            '<prosody pitch="63">Yes</prosody> <prosody pitch="32">it</prosody> is. <break time="475ms"/></speak>',
        ),
        ("elevenlabs", "Well, [long pause] that's REALLY so. [short pause] Yes it is. [short pause]"),
        ("chattts", "Well, [lbreak] that's really so. [uv_break] Yes it is. [uv_break]"),
        ("plain", "Well, that's really so. Yes it is."),
    ],
)
def test_what_each_target_gets(target, written):
    assert compile_markup(parse(SENTENCE), target).text == written


def test_w3c_ssml_has_contours_inside_emphasis():
    text = compile_markup(parse(SENTENCE), "ssml", lang="en-GB").text
    assert text.startswith(
        '<?xml version="1.0"?>\n<speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-GB">'
    )
    assert '<emphasis level="strong"><prosody contour="(0%,-3.5st) (100%,+3.5st)">really</prosody></emphasis>' in text
    assert '<prosody contour="(0%,+3.5st) (100%,-3.5st)">it</prosody>' in text


def test_azure_names_a_voice_that_takes_emphasis_and_another_if_asked():
    assert '<voice name="en-US-GuyNeural">a</voice>' in compile_markup(parse("a"), "azure").text
    assert '<voice name="a&quot;&gt;b">' in compile_markup(parse("a"), "azure", voice='a">b').text


@given(marked_texts(control=True))
@settings(max_examples=30)
@example(MarkedText((), "<pause_long>"))
@example(MarkedText())
def test_ssml_is_valid_by_the_w3cs_schema(schema, marked):
    assert list(schema.iter_errors(compile_markup(marked, "ssml").text)) == []


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('time="475ms"', 'time="475"'),
        ('level="strong"', 'level="stronger"'),
        ("(0%,-3.5st)", "(0%;-3.5st)"),
        ('<break time="1175ms"/>', "<pause/>"),
        (' xml:lang="en-US"', ""),
        (' version="1.1"', ""),
    ],
)
def test_the_schema_tells_valid_from_invalid(schema, good, bad):
    text = compile_markup(parse(SENTENCE), "ssml").text
    assert good in text
    assert list(schema.iter_errors(text)) == []
    assert list(schema.iter_errors(text.replace(good, bad, 1))) != []


@pytest.mark.parametrize("name", XML)
@given(marked=marked_texts(control=True))
@settings(max_examples=20)
def test_xml_holds_the_words_and_only_the_documented_elements(name, marked):
    root = ElementTree.fromstring(compile_markup(marked, name).text)
    neutral = str.maketrans(dict(get(name).neutral))
    words = [re.sub("[\x00-\x1f\x7f-\x9f\ufffe]", "", w.text).translate(neutral) or "\ufffd" for w in marked.words]
    assert "".join(root.itertext()).split() == [part for word in words for part in word.split()]
    for element in root.iter():
        if name in DOCUMENTED:
            assert {local(key) for key in element.attrib} <= DOCUMENTED[name][local(element.tag)]
        children = {local(child.tag) for child in element}
        if local(element.tag) in ("emphasis", "prosody"):
            assert children <= (IN_EMPHASIS if local(element.tag) == "emphasis" else IN_PROSODY)
    written = [
        [made.partition(" ")[0] for token in slot if (made := get(name).capabilities[token].written)]
        for slot in (*(word.markers for word in marked.words), (marked.final,) if marked.final else ())
    ]
    frame = 2 if name == "azure" else 1
    assert sum(1 for _ in root.iter()) == frame + sum(len(set(elements)) for elements in written)


@pytest.mark.parametrize("name", ["elevenlabs", "chattts"])
@given(marked=marked_texts(control=True))
@settings(max_examples=30)
def test_no_word_becomes_a_tag(name, marked):
    text = compile_markup(marked, name).text
    table = get(name).capabilities
    written = Counter(table[token].written for token in tokens(marked) if token.startswith("<pause"))
    assert Counter(re.findall(r"\[[^\[\]]*\]", text)) == written
    rest = re.sub("|".join(re.escape(tag) for tag in written) or "$^", "", text)
    assert not set(rest) & set("[]{}<>") and not re.search("[\x00-\x1f\x7f-\x9f]", rest)


@pytest.mark.parametrize("name", targets())
@given(marked=marked_texts(control=True))
@settings(max_examples=20)
def test_whatever_is_not_honoured_is_reported_where_it_stands(name, marked):
    table = get(name).capabilities
    slots = [*(word.markers for word in marked.words), (marked.final,) if marked.final else ()]
    expected = [(n, t) for n, slot in enumerate(slots, 1) for t in slot if table[t].support != HONOURED]
    report = compile_markup(marked, name).report
    assert [(d.word, d.marker) for d in report if d.marker] == expected
    for departure in report:
        before = departure.word > len(marked.words)
        assert departure.text == ("" if before else marked.words[departure.word - 1].text)
        assert departure.done
        if departure.marker and departure.support == IMPOSSIBLE:
            assert departure.done.startswith("left out")


def test_a_report_tells_line_and_column():
    report = compile_markup(parse("One\n two <pitch_rising>three. <pause_long>"), "elevenlabs").report
    assert [(d.marker, d.support, d.line, d.column) for d in report] == [
        ("<pitch_rising>", IMPOSSIBLE, 2, 20),
        ("<pause_long>", APPROXIMATED, 0, 0),
    ]
    assert report[0].place == "word 3, “three.” (line 2, column 20)"
    assert report[1].place == "after the last word"


@pytest.mark.parametrize(
    ("word", "written", "told"),
    [
        ("really", "REALLY", "written in capitals"),
        ("straße", "straße", "left out: its letters have no plain capitals"),
        ("NASA", "NASA", "left out: it is in capitals already"),
        ("42", "42", "left out: it has no capitals"),
        ("你好", "你好", "left out: it has no capitals"),
        ("[so]", "(SO)", "written in capitals"),
    ],
)
def test_elevenlabs_stress_is_capitals_where_a_word_has_them(word, written, told):
    compiled = compile_markup(MarkedText((MarkedWord(word, ("<emph>",)),)), "elevenlabs")
    assert compiled.text == written
    assert compiled.report[-1].done.startswith(told)


@pytest.mark.parametrize("name", targets())
def test_control_characters_are_left_out_and_told(name):
    words = (MarkedWord("a\x1b[31mb"), MarkedWord("\x00"), MarkedWord("c\udcffd"))
    compiled = compile_markup(MarkedText(words), name)
    assert not re.search("[\x00-\x08\x1b\ud800-\udfff]", compiled.text)
    told = [d.done for d in compiled.report]
    assert "U+001B left out" in told[0] and "U+0000 left out" in told[1] and "U+DCFF left out" in told[2]
    assert "\ufffd" in compiled.text  # a word that had nothing else keeps its place


def test_the_strength_of_markers_is_a_parameter():
    weak = SpeakParameters(
        high_st=1.5, rising_st=2.0, pause_short_s=(0.0, 0.1), pause_long_s=(0.1, 0.2), emph_duration=1.25
    )
    text = compile_markup(
        parse("<pause_short>a <pause_long><pitch_high>b <pitch_rising>c"), "ssml", parameters=weak
    ).text
    assert '<break time="200ms"/> a' in text  # what a short pause is at least
    assert '<break time="800ms"/>' in text
    assert 'pitch="+1.5st"' in text and "(0%,-1st) (100%,+1st)" in text
    assert figures(weak)["emph_rate"] == "80%"


@pytest.mark.parametrize("name", targets())
def test_every_entry_of_the_table_says_what_it_rests_on(name):
    target = get(name)
    assert tuple(target.capabilities) == TOKENS
    for token, capability in target.capabilities.items():
        assert capability.support in (HONOURED, APPROXIMATED, IMPOSSIBLE)
        assert len(capability.statement) > 20
        assert capability.source.startswith("https://") or name == "plain"
        assert bool(capability.written) == (capability.support != IMPOSSIBLE), token
        assert bool(capability.limit) == (capability.support == APPROXIMATED), token
        assert capability.written.format_map(figures()) or capability.support == IMPOSSIBLE


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"target": "alexa"}, "there is no target “alexa” — use one of: ssml, azure"),
        ({"target": "ssml", "lang": 'en"><x'}, "is not a language tag"),
        ({"target": "ssml", "voice": "x"}, "names no voice"),
        ({"target": "azure", "voice": " "}, "is not the name of a voice"),
        ({"target": "azure", "voice": "a\x00"}, "is not the name of a voice"),
    ],
)
def test_a_mistake_is_told(options, told):
    with pytest.raises(ProsodyError, match=re.escape(told)):
        compile_markup(parse("a"), options.pop("target"), **options)
