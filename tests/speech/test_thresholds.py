"""thresholds: what a file of them may hold."""

import pytest

from prosody.errors import ProsodyError
from prosody.speech.detect import DetectParameters
from prosody.speech.thresholds import load_parameters, save_parameters


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
