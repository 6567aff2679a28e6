import re
from pathlib import Path

import pytest

from prosody.errors import ProsodyError
from prosody.workflow.sweep import file as sweep_file

ROOT = Path(__file__).resolve().parents[2]
HEAD = "notebook: 01_segment.ipynb\n"


@pytest.fixture
def write(notebook, tmp_path):
    """Write a sweep's file beside a notebook with the parameters epochs, rate, audio, names, interactive."""
    notebook("pass")

    def written(text: str, *, head: str = HEAD) -> Path:
        path = tmp_path / "sweep.yaml"
        path.write_text(head + text, encoding="utf-8")
        return path

    return written


def test_a_grid_is_every_combination_in_order(write):
    sweep = sweep_file.read(write("parameters: {audio: a.wav}\ngrid:\n  epochs: [1, 2]\n  rate: [0.5, 1e-4]\n"))
    assert sweep.common == {"audio": "a.wav"}
    assert sweep.points == (
        {"epochs": 1, "rate": 0.5},
        {"epochs": 1, "rate": 0.0001},  # which YAML takes for text
        {"epochs": 2, "rate": 0.5},
        {"epochs": 2, "rate": 0.0001},
    )
    assert (sweep.varied, sweep.metric, sweep.goal, sweep.stage) == (("epochs", "rate"), "", "max", "segment")


def test_each_entry_of_a_list_meets_each_point_of_the_grid(write):
    sweep = sweep_file.read(
        write("list:\n- {audio: x}\n- {names: [p, q]}\ngrid: {epochs: [1, 2]}\nmetric: m\ngoal: min")
    )
    assert sweep.points == (
        {"audio": "x", "epochs": 1},
        {"audio": "x", "epochs": 2},
        {"names": ["p", "q"], "epochs": 1},
        {"names": ["p", "q"], "epochs": 2},
    )
    assert (sweep.metric, sweep.goal) == ("m", "min")


def test_words_that_yaml_takes_for_something_else_are_read_as_they_are_written(write):
    sweep = sweep_file.read(write("list:\n- {audio: no}\n- {audio: 1:30}\n- {audio: 2026-11-28}\n- {audio: null}\n"))
    assert [point["audio"] for point in sweep.points] == ["no", "1:30", "2026-11-28", None]


def test_the_example_in_the_clone_is_right():
    sweep = sweep_file.read(ROOT / "notebooks" / "sweep.yaml")
    assert (sweep.stage, sweep.metric, len(sweep.points)) == ("train", "macro_f1", 6)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("grid: {epochs: [1, 2\n", "line 3, column 1: is not YAML (expected ',' or ']'"),
        ("grid: {epochs: [\x00]}\n", "is not YAML (special characters are not allowed)"),
        ("grid: {epochs: [!!python/object:os.system 1]}\n", "is not YAML (could not determine a constructor"),
        ("grd: {epochs: [1]}\n", "line 2: 'grd' is no key of a sweep — did you mean 'grid'?"),
        ("grid: {epoch: [1]}\n", "line 2: parameter 'epoch': the notebook has no such parameter"),
        ("grid:\n  rate: [1]\n  epochs: [1, x]\n", "line 4: parameter 'epochs': 'x' is not a whole number"),
        ("grid: {epochs: [2.5]}\n", "line 2: parameter 'epochs': 2.5 is not a whole number"),
        ("grid: {rate: [.inf]}\n", "line 2: parameter 'rate': inf is not a number"),
        ("grid: {names: [[2026-11-28]]}\n", "line 2: parameter 'names'"),
        ("grid: {epochs: 3}\n", "line 2: the grid's 'epochs' is no list of values"),
        ("grid: {epochs: []}\n", "line 2: the grid's 'epochs' is no list of values"),
        ("grid: {}\n", "names no points"),
        ("list: []\n", "names no points"),
        ("", "names no points"),
        ("grid: [1]\n", "line 2: grid is no mapping"),
        ("list: {epochs: 1}\n", "line 2: list is no list of points"),
        ("list: [1]\n", "line 2: an entry of the list is no mapping"),
        ("? [a]\n: 1\n", "the file has a name that is no text"),
        ("grid: {epochs: [1]}\ngrid: {epochs: [2]}\n", "line 3: 'grid' stands twice in one place"),
        ("list:\n- epochs: 1\n  epochs: 2\n", "line 4: 'epochs' stands twice in one place"),
        ("parameters: {epochs: 1}\ngrid: {epochs: [2]}\n", "line 3: 'epochs' stands in parameters and in grid"),
        ("list: [{epochs: 1}]\ngrid: {epochs: [2]}\n", "'epochs' stands in grid and in list"),
        ("grid: {epochs: [1, 2, 1]}\n", "points 1 and 3 are alike (epochs=1)"),
        ("list: [{rate: 0.5}, {rate: 0.5, epochs: 3}]\n", "points 1 and 2 are alike (rate=0.5 epochs=3)"),
        ("grid: {epochs: [1]}\ngoal: best\n", "line 3: the goal is 'best'"),
        ("grid: {epochs: [1]}\nmetric: [a]\n", "line 3: metric is no text"),
        ("stage: train\ngrid: {epochs: [1]}\n", "names neither or both of stage and notebook"),
        (f"grid: {{epochs: [{', '.join(map(str, range(1001)))}]}}\n", "makes 1,001 points, more than 1,000"),
        ("parameters: &a {names: [*a]}\nlist: [{}]\n", "is not YAML (found unconstructable recursive node)"),
        ("[" * 3000, "line 2, column"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(write, text, told):
    with pytest.raises(ProsodyError, match=re.escape(told)) as caught:
        sweep_file.read(write(text))
    assert "sweep.yaml: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("", "holds nothing"),
        ("just text", "line 1: the file is no mapping"),
        ("grid: {epochs: [1]}", "names neither or both of stage and notebook"),
        ("stage: tran\ngrid: {epochs: [1]}", "line 1: 'tran' is no stage — did you mean 'train'?"),
        ("notebook: gone.ipynb\ngrid: {epochs: [1]}", "gone.ipynb: not found"),
        ("[" * 5000, "is nested too deeply"),
    ],
)
def test_a_file_that_names_no_notebook_is_refused(write, head, told):
    with pytest.raises(ProsodyError, match=re.escape(told)):
        sweep_file.read(write("", head=head))


def test_more_points_are_a_matter_of_asking(write):
    path = write(f"grid: {{epochs: [{', '.join(map(str, range(1001)))}]}}\n")
    assert len(sweep_file.read(path, most=None).points) == 1001
