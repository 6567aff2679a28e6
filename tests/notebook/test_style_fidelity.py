import subprocess
import sys

import pytest

from prosody.lm import fidelity, style
from prosody.markers import TOKENS
from prosody.notebook import plots

MARKED = [
    f"Oh, <pause_short> we <emph> {verb} the <pitch_rising> sea? <pause_long> And <pitch_low> then <emph> it went."
    for verb in ("saw", "found", "crossed", "painted", "left")
]
TEXTS = [
    style.Text(text.words, text.slots, (None, *[0.5 if s and "pause" in s[0] else 0.0 for s in text.slots[1:]]))
    for text in map(style.of_marked, MARKED)
]
QUICK = {"n_draws": 100}


@pytest.fixture(scope="module")
def found():
    return fidelity.compare(TEXTS[:3], TEXTS, learned=TEXTS[2:], **QUICK)


def panel_titles(figure):
    return [note.text.strip("</b>").split(",")[0] for note in figure.layout.annotations if note.text.startswith("<b>")]


def test_all_panels_with_their_figures(found, assert_dressed):
    figure = plots.style_fidelity(found)
    assert_dressed(figure)
    assert len(panel_titles(figure)) == 4
    assert "bits a slot" in figure.layout.title.text
    assert list(figure.layout.yaxis.ticktext) == [
        "speaker's other text from<br>held-out",
        "answers from<br>other readers, thinned",
        "answers from<br>other readers",
        "shuffled answers from<br>the speaker",
    ]
    told = " ".join(str(trace.hovertemplate) for trace in figure.data)
    assert all(f"&lt;{token[1:-1]}&gt;" in told for token in TOKENS)
    names = [trace.name for trace in figure.data if trace.showlegend is None and trace.name]
    assert names == ["answers: 3 texts, 27 words", "speaker, held out: 5 texts, 45 words"]
    assert len(figure.to_json()) < 60_000


def test_values_and_intervals_are_those_that_were_measured(found):
    figure = plots.style_fidelity(found)
    rates = [trace for trace in figure.data if trace.hovertemplate and "in 100 words" in trace.hovertemplate]
    emph = found.answers.rates["<emph>"]
    assert len(rates) == 14
    assert rates[0].y[0] == round(emph.value, 2)
    assert rates[0].error_y.array[0] == pytest.approx(emph.high - emph.value, abs=1e-3)
    assert rates[0].error_y.arrayminus[0] == pytest.approx(emph.value - emph.low, abs=1e-3)


def test_what_is_not_known_is_left_out(assert_dressed):
    rates = fidelity.compare_rates(TEXTS, {"<emph>": 8.0}, **QUICK)
    unspoken = fidelity.compare([style.of_marked(MARKED[0])], [style.of_marked(MARKED[1])], readers={}, **QUICK)
    nothing = fidelity.compare([], TEXTS, **QUICK)
    shown = {"rates": 1, "unspoken": 3, "nothing": 1}
    for (name, n), one in zip(shown.items(), (rates, unspoken, nothing), strict=True):
        figure = plots.style_fidelity(one)
        assert_dressed(figure)
        assert len(panel_titles(figure)) == n, name
    assert "rates" in plots.style_fidelity(rates).layout.title.text


def test_a_control_that_fits_no_worse_is_named(found):
    twin = fidelity.compare(TEXTS[:3], TEXTS, others={"<i>twin</i> of {x}, a long name": TEXTS}, readers={}, **QUICK)
    assert (
        "does not surely fit worse: &lt;i&gt;twin&lt;/i&gt; of {x}"
        in (figure := plots.style_fidelity(twin)).layout.title.subtitle.text
    )
    assert "answers from<br>&lt;i&gt;twin&lt;/i&gt; of {x}, a …" in figure.layout.yaxis.ticktext
    assert plots.style_fidelity(found).layout.title.subtitle.text == "every control fits worse, beyond chance"


def test_figures_are_at_hand_without_the_language_model():
    code = "import sys, prosody.notebook.plots; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
