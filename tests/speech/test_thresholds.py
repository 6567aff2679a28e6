"""thresholds: what a file of them may hold."""

from pathlib import Path

import pytest

from prosody.dataset import Dataset
from prosody.errors import ProsodyError
from prosody.speech.detect import DetectParameters
from prosody.speech.thresholds import load_parameters, of_dataset, save_parameters


def test_parameters_in_a_file(tmp_path):
    path = tmp_path / "mine.json"
    save_parameters(path, DetectParameters(slope_st=4.5))
    assert load_parameters(path) == DetectParameters(slope_st=4.5)
    with pytest.raises(ProsodyError, match="already exists"):
        save_parameters(path, DetectParameters())
    path.write_text('{"level_st": 3}')
    assert load_parameters(path) == DetectParameters(level_st=3.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"slop_st": 3}', "did you mean 'slope_st'"),
        ('{"slope_st": "3"}', "give a number"),
        ('{"slope_st": true}', "give a number"),
        ('{"slope_st": null}', "give a number"),
        ('{"pause_short_s": 2.0}', "not below pause_long_s"),
        ('{"slope_st": NaN}', "not JSON"),
        ('{"slope_st": 1e999}', "finite"),
        ('{"slope_st": 1' + "0" * 400 + "}", "too large"),
        ("[1, 2]", "no JSON object"),
        ("slope_st = 3", "not JSON"),
    ],
)
def test_a_file_that_holds_no_parameters(tmp_path, text, told):
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(ProsodyError, match=told) as caught:
        load_parameters(path)
    assert "mine.json" in str(caught.value) and "\n" not in str(caught.value)


def made_with(parameters):
    return Dataset(Path("data"), (), {"parameters": parameters})


def test_those_of_a_dataset():
    for earlier in ({}, {"prepare": {"val_share": 0.1}}, {"prepare": 3}):
        assert of_dataset(made_with(earlier)) == DetectParameters()
    assert of_dataset(made_with({"prepare": {"detect": {"level_st": 3}}})) == DetectParameters(level_st=3.0)


@pytest.mark.parametrize(
    ("detect", "told"),
    [
        (None, "parameters.prepare.detect: is no JSON object"),
        ({"loud_db": 3}, "field 'parameters.prepare.detect.loud_db': is no threshold"),
        ({"slope_st": "3"}, "field 'parameters.prepare.detect.slope_st': is '3'"),
        ({"slope_st": 10**400}, "parameters.prepare.detect: holds a number that is too large"),
    ],
)
def test_a_dataset_that_was_made_with_others(detect, told):
    with pytest.raises(ProsodyError) as caught:
        of_dataset(made_with({"prepare": {"detect": detect}}))
    assert str(caught.value).startswith(f"{Path('data') / 'dataset_info.json'}: {told}")
