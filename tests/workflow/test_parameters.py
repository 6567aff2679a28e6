import pytest

from prosody.errors import ProsodyError
from prosody.workflow import parameters


def test_reads_annotated_and_bare_parameters_with_comments(notebook):
    source = 'a: int = 3  # how many\nb = "x"  # text: with # in it\nc: list[str] = [\n    "p",\n]  # last\n'
    path = notebook(parameters=source)
    found = parameters.of_notebook(path)
    assert [(p.name, p.annotation) for p in found] == [("a", "int"), ("b", ""), ("c", "list[str]")]
    assert [p.default for p in found] == [3, "x", ["p"]]
    assert [p.comment for p in found] == ["how many", "text: with # in it", "last"]


def test_a_notebook_without_parameters_cell_has_none(notebook):
    assert parameters.of_notebook(notebook("x = 1", parameters=None)) == []


def test_a_default_that_is_computed_is_refused(notebook):
    with pytest.raises(ProsodyError, match="epochs is not set to a plain value"):
        parameters.of_notebook(notebook(parameters="epochs: int = 2 + n"))


@pytest.mark.parametrize("source", ["x = (", "x = = 3", "x: int = 'a", "  x = 1\n y = 2"])
def test_parameters_that_are_not_python_are_refused(notebook, source):
    with pytest.raises(ProsodyError, match="parameters cell: is not Python"):
        parameters.of_notebook(notebook(parameters=source))


@pytest.mark.parametrize("content", ["{", "[]", '{"cells": 3}', '{"cells": [1]}', '{"cells": [{"source": "x = 1"}]}'])
def test_what_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "x.ipynb"
    path.write_text(content)
    with pytest.raises(ProsodyError):
        parameters.of_notebook(path)


@pytest.mark.parametrize(
    ("annotation", "default", "given", "expected"),
    [
        ("int", "3", "5", 5),
        ("int", "3", 5, 5),
        ("float", "0.1", "3e-4", 3e-4),
        ("float", "0.1", 2, 2.0),
        ("bool", "True", "no", False),
        ("bool", "True", "1", True),
        ("str", '"x"', "5", "5"),
        ("str", '"x"', "", ""),
        ("str | None", "None", "none", None),
        ("str | None", "None", "talk.wav", "talk.wav"),
        ("int | None", "None", "7", 7),
        ("list[str]", "[]", "a, b", ["a", "b"]),
        ("list[str]", "[]", '["a b", "c"]', ["a b", "c"]),
        ("tuple[str, ...]", "()", ("a",), ["a"]),
        ("list[int]", "[]", "1, 2", [1, 2]),
        ("dict[str, int]", "{}", '{"a": 1}', {"a": 1}),
        ('Literal["a", "b"]', '"a"', "b", "b"),
        ("", "3", "5", 5),
        ("", '"x"', "5", "5"),
    ],
)
def test_values_become_the_type_of_the_parameter(notebook, annotation, default, given, expected):
    path = notebook(parameters=f"value{': ' + annotation if annotation else ''} = {default}")
    value = parameters.checked(path, parameters.of_notebook(path), {"value": given})["value"]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "default", "given", "told"),
    [
        ("int", "3", "three", "'three' is not a whole number — e.g. value=3"),
        ("int", "3", "3.5", "'3.5' is not a whole number"),
        ("int", "3", True, "True is not a whole number"),
        ("float", "0.1", "nan", "'nan' is not a number"),
        ("float", "0.1", "inf", "'inf' is not a number"),
        ("float", "0.1", "-1e999", "'-1e999' is not a number"),
        ("bool", "True", "maybe", "'maybe' is not true or false"),
        ("bool", "True", 1, "1 is not true or false"),
        ("str", '"x"', 5, "5 is not text"),
        ("int | None", "None", "x", "'x' is not a whole number or none"),
        ("list[int]", "[]", '["a"', "is not a list"),
        ("list[str]", "[]", '["a", 3]', "is not a list"),
        ("list[int]", "[]", "1, x", "is not a list"),
        ("dict", "{}", "[1]", "is not a JSON object"),
        ('Literal["a", "b"]', '"a"', "c", "'c' is not 'a' or 'b'"),
    ],
)
def test_values_of_another_type_are_refused(notebook, annotation, default, given, told):
    path = notebook(parameters=f"value: {annotation} = {default}")
    with pytest.raises(ProsodyError) as caught:
        parameters.checked(path, parameters.of_notebook(path), {"value": given})
    assert told in str(caught.value)
    assert "parameter 'value'" in str(caught.value)


def test_an_unknown_name_is_refused_with_the_nearest_known(notebook):
    path = notebook()
    with pytest.raises(ProsodyError, match="did you mean 'epochs'"):
        parameters.checked(path, parameters.of_notebook(path), {"epoch": "3"})
    with pytest.raises(ProsodyError, match="it has: epochs, rate"):
        parameters.checked(path, parameters.of_notebook(path), {"zzz": "3"})


def test_words_and_pairs_of_a_command_line():
    assert parameters.from_words(["a=1", "b=x=y"], [["c", "2"]]) == {"a": "1", "b": "x=y", "c": "2"}


@pytest.mark.parametrize(("words", "pairs"), [(["epochs"], []), (["=3"], []), (["a=1"], [["a", "2"]])])
def test_words_that_are_no_parameters_are_refused(words, pairs):
    with pytest.raises(ProsodyError):
        parameters.from_words(words, pairs)
