"""What the tests of figures share."""

import json
import re

import pytest

from prosody.markers import MARKERS
from prosody.notebook import look


def luminance(color):
    shares = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a, b):
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def fonts(raw, key=""):
    """The colours of all text on the page itself; what stands in a hover label has a ground of its own."""
    if isinstance(raw, dict):
        for name, value in raw.items():
            if name == "color" and key.endswith("font"):
                yield from value if isinstance(value, list) else [value]
            elif name != "hoverlabel":
                yield from fonts(value, name)
    elif isinstance(raw, list):
        for value in raw:
            yield from fonts(value, key)


@pytest.fixture
def assert_dressed():
    """What every figure promises: it serialises, has no template, and lies on whatever page it is put on."""

    def check(figure):
        raw = json.loads(figure.to_json())
        assert not raw["layout"].get("template", {}).get("layout")
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
        assert figure.layout.font.color == look.TEXT
        assert "<script" not in figure.to_json()
        for color in fonts(raw):  # no colour has more than 4.35 on both
            assert min(contrast(color, page) for page in ("#ffffff", "#111111")) >= 4.2
        shown = json.dumps(raw, ensure_ascii=False)
        colored = re.findall(r'<span style=\\"color:(#\w{6})\\">■</span>', shown)
        assert len(colored) == shown.count("color:#")  # text itself has its page's colour
        assert set(colored) <= {marker.color for marker in MARKERS}

    return check
