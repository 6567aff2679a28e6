"""Progress bars, the updating line and the player."""

import re

import numpy as np
import pytest

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
