"""Random marked texts for the tests of markup: words of every script, and of what engines could take for markup."""

from hypothesis import strategies as st

from prosody.errors import ProsodyError
from prosody.markers import MarkedText, MarkedWord, canonical, parse, render

PAUSES = ("<pause_short>", "<pause_long>")
PITCHES = ("<pitch_high>", "<pitch_low>", "<pitch_rising>", "<pitch_falling>")
LIKE_MARKUP = (
    *("[laughs]", "[uv_break]", "[[hh@loU]]", "<", ">", "]]>", "&", "&amp;", "&lt;emph&gt;", "{{name}}", "<!--", "-->"),
    *(
        "<break/",
        "/>",
        "</speak",
        '"',
        "it's",
        "“so”",
        "<![CDATA[",
        "&#x41;",
        "Ärger",
        "ΣΊΣΥΦΟΣ",
        "straße",
        "你好",
        "مرحبا",
    ),
    *("😀", "I", "OK", "R&D", "\u202etxt", "e\u0301", "3.5"),
)


def _optional(choices):
    return st.sampled_from((None, *choices))


def _readable(marked: MarkedText) -> bool:
    try:
        return parse(render(marked)) == marked
    except ProsodyError:
        return False


def marked_texts(*, control: bool = False) -> st.SearchStrategy[MarkedText]:
    """Texts that the grammar takes. control: with control characters in words, too."""
    letters = st.characters(exclude_categories=("Zs", "Zl", "Zp", "Cc", "Cs", "Cn"))
    noise = st.text(
        st.one_of(letters, st.sampled_from("\x00\x07\x1b\x7f\x9b\ufffe")) if control else letters, max_size=6
    )
    text = st.one_of(
        st.sampled_from(LIKE_MARKUP), st.builds("".join, st.tuples(noise, st.sampled_from(LIKE_MARKUP))), noise
    )
    word = st.builds(
        lambda text, *slot: MarkedWord(text, canonical(filter(None, slot))),
        text.filter(lambda t: len(t.split()) == 1 and t == t.strip()),
        _optional(PAUSES),
        _optional(PITCHES),
        _optional(("<emph>",)),
    )
    return st.builds(
        lambda words, final: MarkedText(tuple(words), final), st.lists(word, max_size=8), _optional(PAUSES)
    ).filter(_readable)
