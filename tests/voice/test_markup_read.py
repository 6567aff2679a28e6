"""SSML back to marked text: round trips, foreign SSML, and what must not be read."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marked_texts import marked_texts

from prosody.errors import ProsodyError
from prosody.markers import MarkedText, parse, render
from prosody.voice.markup import compile_markup, get, read_ssml

AS_LEVEL = {"<pitch_rising>": "<pitch_high>", "<pitch_falling>": "<pitch_low>"}


def read(inner: str) -> tuple[str, tuple[str, ...]]:
    found = read_ssml(f"<speak>{inner}</speak>")
    return render(found.marked), found.notes


@pytest.mark.parametrize("target", ["ssml", "azure"])
@given(marked=marked_texts())
@settings(max_examples=80)
def test_what_was_compiled_comes_back_exactly(target, marked):
    found = read_ssml(compile_markup(marked, target).text)
    assert found.marked == marked
    assert found.notes == ()


@pytest.mark.parametrize("target", ["google", "polly-standard", "espeak", "polly-neural"])
@given(marked=marked_texts())
@settings(max_examples=30)
def test_from_other_dialects_comes_back_what_they_can_say(target, marked):
    known = get(target)
    neutral = str.maketrans(dict(known.neutral))
    words = tuple(
        replace(
            word,
            text=word.text.translate(neutral),
            markers=tuple(
                token if "contour" in known.capabilities[token].written else AS_LEVEL.get(token, token)
                for token in word.markers
                if known.capabilities[token].written
            ),
        )
        for word in marked.words
    )
    assert read_ssml(compile_markup(marked, target).text).marked == MarkedText(words, marked.final)


@pytest.mark.parametrize(
    ("inner", "marked"),
    [
        ("a <break/> b", "a <pause_short> b"),
        ('a <break strength="strong"/> b', "a <pause_long> b"),
        ('a <break strength="none"/> b', "a b"),
        ('a<break time="1s"/>b', "a <pause_long> b"),
        ('a <break time="+.25s" strength="x-strong"/> b', "a <pause_short> b"),
        ('a <break time="0.5s"/><break time="400ms"/> b', "a <pause_long> b"),
        ('<break time="1s"/> a <break time="800ms"/>', "<pause_long> a <pause_long>"),
        ('<break time="1s"/>', "<pause_long>"),
        ("<emphasis>so</emphasis>, we", "<emph> so, we"),
        ('<emphasis level="moderate">so it</emphasis> is', "<emph> so <emph> it is"),
        ('<prosody pitch="high">a</prosody> <prosody pitch="x-low">b</prosody>', "<pitch_high> a <pitch_low> b"),
        ('<prosody pitch="+10%">a</prosody> <prosody pitch="-30Hz">b</prosody>', "<pitch_high> a <pitch_low> b"),
        ('<prosody pitch="75">a</prosody> <prosody pitch="+0.1st">b</prosody>', "<pitch_high> a b"),
        (
            '<prosody pitch="low">a <prosody pitch="high">b</prosody> c</prosody>',
            "<pitch_low> a <pitch_high> b <pitch_low> c",
        ),
        ('<prosody contour="(0%,+20Hz) (10%,+30%) (100%,-20Hz)">a</prosody>', "<pitch_falling> a"),
        ('<prosody contour="(0%,100Hz)(100%,150Hz)">a</prosody>', "<pitch_rising> a"),
        ('<prosody rate="slow" volume="loud">a</prosody>', "<emph> a"),
        ('<prosody rate="-20%" volume="+6dB" pitch="high">a</prosody>', "<pitch_high> <emph> a"),
        ("<p><s>One.</s><s>Two.</s></p>three", "One. Two. three"),
        ("won<w>der</w>ful <![CDATA[&<>]]> &#65;&amp;", "wonderful &<> A&"),
    ],
)
def test_what_elements_mean(inner, marked):
    assert read(inner) == (marked, ())


@pytest.mark.parametrize(
    ("inner", "marked", "note"),
    [
        ('on <say-as interpret-as="date">1/2</say-as> it', "on 1/2 it", "line 1: <say-as>: its text is kept"),
        ('the <sub alias="World Wide Web">WWW</sub>', "the World Wide Web", "<sub>: what is said"),
        ('<audio src="file:///etc/passwd">a sound<desc>bell</desc></audio>b', "a sound b", "<audio>: only the text"),
        ('<phoneme ph="x">tomato</phoneme>', "tomato", "not the pronunciation"),
        ('<voice name="a">x</voice> <voice name="b">y</voice>', "x y", "<voice>: its text is kept"),
        ('<lang xml:lang="fr">oui</lang>', "oui", "not the change of language"),
        ('<amazon:effect name="whispered">psst</amazon:effect>', "psst", "<amazon:effect>: only its text is kept"),
        ('<x:break xmlns:x="urn:x" time="2s"/>a', "a", "<x:break>: only its text is kept"),
        (
            '<mstts:express-as xmlns:mstts="https://www.w3.org/2001/mstts" style="sad">a</mstts:express-as>',
            "a",
            "express-as",
        ),
        ("<metadata><b>no</b></metadata>a<mark name='x'/>", "a", "<metadata>: left out"),
        ('<emphasis level="reduced">a</emphasis>', "a", "level=“reduced”"),
        ('<emphasis>so <emphasis level="none">it</emphasis> is</emphasis>', "<emph> so it <emph> is", "level=“none”"),
        ('<prosody contour="(0%,-1st) (9%,+1st)" pitch="low">a</prosody>', "<pitch_rising> a", "pitch=“low”"),
        ('<prosody rate="slow">a b</prosody>', "a b", "<prosody rate=“slow”>: no marker says that"),
        ('<prosody pitch="200Hz">a</prosody>', "a", "pitch=“200Hz”"),
        ('<prosody contour="(0%,+1st)">a</prosody>', "a", "contour=“(0%,+1st)”"),
        (
            '<prosody contour="(0%,+0st) (100%,+4st)">is it so?</prosody>',
            "is it <pitch_rising> so?",
            "on the last of them",
        ),
        ('a <break time="50ms"/> b', "a b", "below 0.2 s"),
        ('a <break time="3"/> b', "a <pause_short> b", "how long it is cannot be read"),
        ("un<emphasis>real</emphasis>", "<emph> unreal", "<emph> on a part of “unreal”"),
        (
            "say &lt;emph> or &lt;script>alert(1)&lt;/script>",
            "say ‹emph› or ‹script›alert(1)‹/script›",
            "written as ‹ and ›",
        ),
        ("<unknown>a</unknown> <unknown>b</unknown>", "a b", "line 1: <unknown> (2 times): only its text is kept"),
    ],
)
def test_what_markers_cannot_say_is_told(inner, marked, note):
    found, notes = read(inner)
    assert found == marked
    assert any(note in told for told in notes), notes


def test_prefixes_and_default_namespaces_are_told_apart():
    ssml = "http://www.w3.org/2001/10/synthesis"
    prefixed = f'<s:speak xmlns:s="{ssml}">a <s:break/><break/> <s:emphasis>b</s:emphasis></s:speak>'
    assert render(read_ssml(prefixed).marked) == "a <pause_short> b".replace("> b", "> <emph> b").replace(
        "_short", "_long"
    )
    foreign = f'<speak xmlns="{ssml}">a <q xmlns="urn:q"><break time="2s"/></q>b</speak>'
    assert render(read_ssml(foreign).marked) == "a b"
    with pytest.raises(ProsodyError, match="not <speak> of SSML"):
        read_ssml('<speak xmlns="urn:other">a</speak>')


def test_bytes_tell_their_encoding_and_a_doctype_is_not_fetched():
    xml = '<?xml version="1.0" encoding="utf-16"?><speak>né <break/>là</speak>'
    assert render(read_ssml(xml.encode("utf-16")).marked) == "né <pause_short> là"
    dtd = (
        '<!DOCTYPE speak PUBLIC "-//W3C//DTD SYNTHESIS 1.0//EN" "http://nowhere.invalid/synthesis.dtd"><speak>a</speak>'
    )
    found = read_ssml(dtd)
    assert (render(found.marked), found.notes) == ("a", ("line 1: DOCTYPE: not fetched",))


@pytest.mark.parametrize(
    ("xml", "told"),
    [
        ("", "line 1, column 1: is not well-formed XML (no element found)"),
        ("just words", "line 1, column 1: is not well-formed XML (syntax error)"),
        ("<speak>a & b</speak>", "line 1, column 11: is not well-formed XML (not well-formed"),
        ("<speak>\n<b>x</speak>", "line 2, column 7: is not well-formed XML (mismatched tag)"),
        ("<speak>&nbsp;</speak>", "undefined entity"),
        ("<html>a</html>", "the root is <html>, not <speak> of SSML"),
        ('<!DOCTYPE speak SYSTEM "x.dtd"><speak>&nbsp;</speak>', "the entity “nbsp” is not resolved"),
        ('<!DOCTYPE s [<!ENTITY a "b">]><speak>&a;</speak>', "a DOCTYPE with declarations of its own"),
        ('<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><speak>&x;</speak>', "a DOCTYPE with declarations"),
        ('<!DOCTYPE s [<!ENTITY % p SYSTEM "http://nowhere.invalid/p">%p;]><speak/>', "a DOCTYPE with declarations"),
        (
            '<!DOCTYPE s [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]><speak>&c;</speak>',
            "a DOCTYPE with declarations",
        ),
        (b'<?xml version="1.0" encoding="klingon"?><speak>a</speak>', "encoding"),
        ("<speak>\udcff</speak>", "is not text in an encoding that can be read"),
        (b"<speak>caf\xe9</speak>", "is not well-formed XML (not well-formed (invalid token))"),
    ],
)
def test_what_is_no_ssml_is_refused_in_one_line(xml, told):
    with pytest.raises(ProsodyError) as caught:
        read_ssml(xml, path="it.ssml")
    assert str(caught.value).startswith("it.ssml: ")
    assert told in str(caught.value)


def test_neither_depth_nor_length_is_trouble():
    deep = read_ssml("<speak>" + "<emphasis>" * 5_000 + "a" + "</emphasis>" * 5_000 + "</speak>")
    assert render(deep.marked) == "<emph> a"
    assert len(read_ssml("<speak>" + "word <break/> " * 5_000 + "</speak>").marked.words) == 5_000


PIECES = st.sampled_from(
    (
        *(
            "<emphasis>",
            "</emphasis>",
            "<prosody pitch='high'>",
            "</prosody>",
            "<break/>",
            "<break time='9",
            "<p>",
            "</p>",
        ),
        *("<emph>", "&lt;", "&gt;", "emph", "a", " ", "]]>", "<!--", "-->", "<prosody contour='(0%,+1st) (x'>", "&#0;"),
        *("<prosody pitch='-100%'>", "<prosody rate='1e9' volume='+' range=''>", "<sub alias='&lt;emph>'>", "</sub>"),
    )
)


@given(st.lists(PIECES, max_size=12).map("".join))
@settings(max_examples=80)
def test_anything_is_read_or_refused_and_never_gives_a_marker_that_was_text(inner):
    try:
        found = read_ssml(f"<speak>{inner}</speak>")
    except ProsodyError:
        return
    assert parse(render(found.marked)) == found.marked
