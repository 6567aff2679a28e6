"""Bad figures are refused by name."""

import pytest

from prosody.errors import ProsodyError
from prosody.voice.parameters import SpeakParameters


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", 0.0),
        ("rate", float("nan")),
        ("emph_energy", 2.0),
        ("rising_st", "6"),
        ("loudness_lufs", 0.0),
        ("true_peak_dbtp", 0.5),
        ("low_st", 4.0),
        ("pause_short_s", (0.6, 0.3)),
        ("pause_long_s", 1.0),
        ("gap_s", -0.1),
        ("movement", True),
    ],
)
def test_refused(name, value):
    with pytest.raises(ProsodyError, match=f"^{name}: "):
        SpeakParameters(**{name: value})


def test_lists_from_json_are_taken():
    assert SpeakParameters(pause_short_s=[0.3, 0.5]).pause_short_s == [0.3, 0.5]
