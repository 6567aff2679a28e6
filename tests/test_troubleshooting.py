"""The troubleshooting guide holds every error line that the package can print, and none that it can't."""

import re
from pathlib import Path

import pytest
from error_lines import VARIES, Line, lines_of, normal, package_lines

from prosody import dataset, files, markers
from prosody.errors import ProsodyError
from prosody.lm.answer import ComposeParameters
from prosody.voice import engines
from prosody.workflow.parameters import from_words

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "notebooks" / "guides" / "03_Troubleshooting.md"
LEAST = 400  # lines there were when this was written; fewer found means that the search is broken
CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")


def entries(guide: str) -> dict[str, int]:
    """The lines that the guide's tables explain, with where in the guide they stand: tables headed "| line |"."""
    found: dict[str, int] = {}
    is_inside = False
    for number, row in enumerate(guide.splitlines(), 1):
        cells = row.split(" | ")
        is_inside = row.startswith("| line ") or (is_inside and row.startswith("|"))
        if is_inside:
            found |= {normal(text): number for _, text in CODE.findall(cells[0])}
    return found


def missing(lines: list[Line], guide: str) -> list[str]:
    """What to add to the guide, one row for each line that it does not hold."""
    there = entries(guide)
    rows = {}
    for line in lines:
        if line.text not in there:
            shown = f"`` {line.text} ``" if "`" in line.text else f"`{line.text}`"
            rows.setdefault(line.text, f"{line.file}:{line.number}: add the row\n| {shown} | why | what to do |")
    return list(rows.values())


@pytest.fixture(scope="module")
def lines():
    return package_lines(ROOT / "prosody")


@pytest.fixture(scope="module")
def guide():
    return GUIDE.read_text(encoding="utf-8")


def test_enough_lines_are_found(lines):
    assert len({line.text for line in lines}) >= LEAST


def test_every_error_line_is_in_the_guide(lines, guide):
    rows = missing(lines, guide)
    assert not rows, f"{GUIDE.name} lacks {len(rows)} error lines:\n" + "\n".join(rows)


def test_every_entry_of_the_guide_is_an_error_of_the_package(lines, guide):
    known = {line.text for line in lines}
    stale = {text: number for text, number in entries(guide).items() if text not in known}
    assert not stale, "\n".join(f"{GUIDE.name}:{number}: no error says “{text}”" for text, number in stale.items())


@pytest.mark.parametrize(
    ("make", "entry"),
    [
        (lambda: markers.parse("well <pause_medium> I never"), "unknown marker … in …"),
        (lambda: markers.parse("<pitch_high> <pitch_low> well"), "two … markers, … and …, in one place, …"),
        (lambda: files.read_text(ROOT / "no such file"), "not found"),
        (lambda: ComposeParameters(seed=-1), "seed: is …"),
        (lambda: from_words(["epochs"]), "… is no parameter"),
        (lambda: dataset.split_by_time([], val_share=2), "val_share: is …"),
        (lambda: engines.get("parrot"), "engine: there is no engine “…”"),
    ],
)
def test_what_a_person_sees_is_the_line_of_the_guide(guide, make, entry):
    with pytest.raises(ProsodyError) as caught:
        make()
    assert entry in entries(guide)
    pattern = ".+".join(map(re.escape, entry.split(VARIES)))
    assert re.search(f"(^|: ){pattern}( — |$)", str(caught.value))


def test_a_line_that_the_guide_lacks_is_told_with_its_row(guide):
    made_up = """
def open_door(path, key):
    what = f"is locked {key!r} twice over"
    raise ProsodyError(path, "the door", what, "find the other key")
"""
    told = missing(lines_of(made_up, "prosody/door.py"), guide)
    assert told == ["prosody/door.py:4: add the row\n| `the door: is locked … twice over` | why | what to do |"]


def test_an_entry_alone_in_a_table_of_lines_counts():
    page = "`not a row`\n\n| what you see | why |\n|---|---|\n| `other` | x |\n\n| line | why |\n|---|---|\n"
    page += "| `is … long`, `` by `it` `` | `not this` |\n\n| `nor this` |\n"
    assert set(entries(page)) == {"is … long", "by `it`"}


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("raise ProsodyError(p, None, 'is ' + ('odd' if x else 'even'), 'r')", ["is even", "is odd"]),
        ("def f(x):\n what, r = ('a', 'r') if x else ('c', 'r')\n raise ProsodyError(p, None, what, r)", ["a", "c"]),
        ("def f(x):\n what = 'one'\n g(what)\n what = 'two'\n raise ProsodyError(p, None, what, 'r')", ["two"]),
        ("def no(w, what):\n return ProsodyError(p, w, what, 'r')\nno('a', 'b')\nno('c', f'd{1}')", ["a: b", "c: d…"]),
        ("def why(x):\n return 'big', 'r'\ndef f(x):\n raise ProsodyError(p, None, *why(x))", ["big"]),
        ("T = {1: ('full',)}\ndef f(n):\n raise ProsodyError(p, None, T.get(n, ('odd',))[0])", ["full", "odd"]),
        ("try:\n g()\nexcept ProsodyError as error:\n raise ProsodyError(p, None, error.what, None)", []),
        ("parser.error(f'{x} goes first')", ["… goes first"]),
        ("raise RunFailed(f'cell {n} died', code=1)", ["cell … died"]),
        ("Finding('ok', 'level', 'fine')\nFinding('error', 'level', 'none')", ["level: none"]),
        ("raise ProsodyError(p, None, f'{a} {b}: gone — do that')", ["…: gone"]),
    ],
)
def test_the_words_of_a_line_are_followed_to_where_they_stand(source, texts):
    assert sorted(line.text for line in lines_of(source, "prosody/x.py")) == texts


def test_a_line_whose_words_cannot_be_read_is_no_line_that_is_passed_over():
    with pytest.raises(ValueError, match=r"prosody/x\.py:2: its words cannot be read"):
        lines_of("def f(x):\n raise ProsodyError(p, None, x.title(), 'r')", "prosody/x.py")
