"""Progress bars, the updating line and the player."""

import base64
import re
from types import SimpleNamespace

import numpy as np
import pytest

from prosody.lm.loop import Step
from prosody.lm.train import Epoch
from prosody.notebook import live


@pytest.fixture
def headless(monkeypatch, tmp_path):
    monkeypatch.setenv("PROSODY_RUN_DIR", str(tmp_path))


def test_a_bar_moved_by_counts_ends_full(headless, capsys):
    with live.bar("Voicing", "sentences") as progress:
        for done in range(1, 6):
            progress(done, 5)
    assert "5/5" in capsys.readouterr().out


def test_a_bar_moved_by_shares_ends_at_a_hundred_percent(headless, capsys):
    with live.bar("Aligning") as progress:
        progress(0.25)
        progress(1.0)
    assert "100/100" in capsys.readouterr().out


def test_a_bar_with_nothing_to_do_leaves_no_line(headless, capsys):
    with live.bar("Voicing", "sentences"):
        pass
    assert capsys.readouterr().out.split("\r")[-1].strip() == ""


def test_headless_every_line_is_printed(capsys):
    show = live.one_line(interactive=False)
    show("Step 1")
    show("Step 2")
    assert capsys.readouterr().out == "Step 1\nStep 2\n"


def test_the_player_holds_the_sound_and_escapes_its_title():
    tone = 0.1 * np.sin(2 * np.pi * 220 * np.arange(24_000) / 24_000)
    html = live.player(tone.astype(np.float32), 24_000, "<script>alert(1)</script>").data
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert re.search(r'src="data:audio/mpeg;base64,[A-Za-z0-9+/=]{1000,}"', html)


@pytest.fixture
def displayed(monkeypatch):
    """What IPython was told to display, and every update of it, in order."""
    shown = []

    class Handle:
        def update(self, data, raw=False):
            shown.append(data)

    def display(data, raw=False, display_id=None):
        shown.append(data)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    return shown


PLOTLY = "application/vnd.plotly.v1+json"


def pictures(displayed):
    return [one for one in displayed if isinstance(one, dict) and PLOTLY in one]


def step(number, loss, n_steps=4):
    return Step(number, n_steps, 1, number == n_steps, loss, None, 1e-3, 60, 50.0, 0.5, 1.0, 2.0)


def test_the_loss_curve_grows_in_one_picture(displayed, monkeypatch):
    monkeypatch.setattr(live, "_DRAWN_EVERY_S", 0.0)
    curve = live.LossCurve(interactive=True)
    for number, loss in enumerate((2.0, 1.0, 0.5, 0.4), 1):
        curve.step(step(number, loss))
    curve.epoch(Epoch(1, 4, 0.6, 0.8))
    assert len(pictures(displayed)) == 5
    assert all("text/html" in one for one in displayed[1::2])  # or JupyterLab would not draw the next
    (bundle,) = displayed[-1].items()
    assert bundle[0] == PLOTLY
    train, val = bundle[1]["data"]
    steps, of_val = (np.frombuffer(base64.b64decode(one["x"]["bdata"]), one["x"]["dtype"]) for one in (train, val))
    assert list(steps) == [1, 2, 3, 4]
    assert list(of_val) == [4]


def test_the_picture_is_drawn_now_and_then_and_after_the_last_step(displayed):
    curve = live.LossCurve(interactive=True)
    for number in range(1, 5):
        curve.step(step(number, 1.0))
    assert len(pictures(displayed)) == 2


def test_headless_no_picture_moves(displayed):
    curve = live.LossCurve(interactive=False)
    curve.step(step(4, 1.0))
    curve.epoch(Epoch(1, 4, 0.6, 0.8))
    assert displayed == []


@pytest.mark.parametrize("interactive", [True, False])
def test_what_a_training_tells_goes_where_it_belongs(interactive, displayed, capsys):
    logged, events = [], []
    board = SimpleNamespace(step=lambda one: events.append(one), epoch=lambda one: events.append(one))
    watched = live.Watched(logged.append, board, interactive=interactive)
    one, epoch = step(1, 0.7), Epoch(1, 1, 0.5, 0.2)
    watched.on_line("Step 1")
    watched.on_step(one)
    watched.on_epoch(epoch)
    assert events == [one, epoch]
    assert logged == (["Step 1"] if interactive else [])  # headless the runner logs what is printed
    assert capsys.readouterr().out == ("" if interactive else "Step 1\n")
    watched.on_line("Estimate | this machine: 4 min 16 s")
    assert capsys.readouterr().out == "Estimate | this machine: 4 min 16 s\n"  # and stays
    assert bool(displayed) == interactive
