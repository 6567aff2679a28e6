"""What the tests of figures share."""

import json

import pytest

from prosody.notebook import look


@pytest.fixture
def assert_dressed():
    """What every figure promises: it serialises, has no template, and lies on whatever page it is put on."""

    def check(figure):
        raw = json.loads(figure.to_json())
        assert not raw["layout"].get("template", {}).get("layout")
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
        assert figure.layout.font.color == look.TEXT
        assert "<script" not in figure.to_json()

    return check
