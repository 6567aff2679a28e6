"""The notebooks in a real JupyterLab in a real Chromium: opened, run from the top with their defaults, looked at.

A missing browser or a missing playwright is a failure here, never a skip.
"""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from lab_page import ROOT, barriers, code_cells, failed, open_notebook, restart_kernel, run_all, run_code

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("quiet")]
LIVE = """
import time
from prosody.lm.loop import Step
from prosody.notebook import live
live._DRAWN_EVERY_S = 0.3
curve = live.LossCurve(interactive=True)
for k in range(1, 9):
    curve.step(Step(k, 8, 1, k == 8, 1 / k, None, 1e-3, 60, 50.0, 0.5, 1.0, 2.0))
    time.sleep(0.5)
"""

SAYS_WHAT_TO_DO = """panel => {
    return getComputedStyle(document.querySelector(panel), '::before').content.toLowerCase().includes('run this cell');
}"""
WATCH = """() => {
    window.coming = [];
    new MutationObserver(() => {
        const text = document.querySelector('.ps-coming')?.textContent.split('…')[0].trim();
        if (text && text !== window.coming.at(-1)) window.coming.push(text);
    }).observe(document.querySelector('.ps-answer'), { childList: true, subtree: true });
}"""
STUDIO = f"""
import sys
sys.path.append({str(ROOT / "tests" / "lm")!r})
from pathlib import Path
from lm_data import CARD, write_babbler
from prosody import markers
from prosody.lm.base import load_base
from prosody.lm.checkpoint import load_adapter, save_adapter
from prosody.lm.lora import LoraParameters, attach
from prosody.notebook.studio import studio
from prosody.workflow.desk import Desk
folder = Path("STUDIO_FOLDER")
base = load_base(str(write_babbler(folder / "base", (" I", " walk", " here", "."))))
save_adapter(attach(base, LoraParameters(r=2))[0], base, folder / "adapter", card=CARD)
studio(Desk(load_adapter(folder / "adapter"), folder / "studio"))
"""


@pytest.mark.parametrize(
    ("notebook", "stage", "metric", "changes"),
    [
        ("01_segment.ipynb", "segment", "segments", ""),
        ("02_prepare.ipynb", "prepare", "train", ""),
        ("03_train_lora.ipynb", "train", "steps", "epochs = 1"),
        ("04_generate.ipynb", "generate", "answers", 'question, points = "Why?", ["the old bridge"]\nmax_words = 30'),
    ],
)
def test_run_all_in_lab_from_the_top(page, lab, screenshots, notebook, stage, metric, changes):
    before = (ROOT / "notebooks" / notebook).read_bytes()
    run = run_all(page, lab, notebook, stage, changes)
    assert (run.state, run.status["how"]) == ("ok", "lab")
    assert run.metrics[metric] > 0
    cells = code_cells(page)
    assert all(cell["execution_count"] for cell in cells)
    mimes = {mime for cell in cells for output in cell["outputs"] for mime in output.get("data", {})}
    assert "application/vnd.plotly.v1+json" in mimes
    plot = page.locator(".js-plotly-plot").first
    plot.scroll_into_view_if_needed()
    plot.locator(".main-svg").first.wait_for(timeout=30_000)
    page.screenshot(path=screenshots / f"{stage}.png")
    assert (ROOT / "notebooks" / notebook).read_bytes() == before


def test_the_live_loss_curve_grows_in_lab(page, lab):
    open_notebook(page, lab[0], "03_train_lora.ipynb")
    run_code(page, LIVE)
    n_drawn = "document.querySelector('.js-plotly-plot')?._fullData?.[0]?.x?.length"
    page.wait_for_function(f"{n_drawn} >= 3", timeout=60_000)
    page.wait_for_function(f"{n_drawn} == 8", timeout=60_000)
    assert not failed(page)
    assert page.locator(".js-plotly-plot").count() == 1


def test_the_studio_by_keyboard_alone(page, lab, tmp_path):
    open_notebook(page, lab[0], "03_train_lora.ipynb")
    run_code(page, STUDIO.replace("STUDIO_FOLDER", tmp_path.as_posix()))
    page.wait_for_function("document.querySelector('.ps-answer')?.tabIndex === 0", timeout=120_000)
    n_cells, kept = len(code_cells(page)), tmp_path / "studio" / "answers.json"

    page.locator(".ps-question input").focus()
    page.keyboard.type("Why <script>window.evil = 1</script>?")
    page.keyboard.press("Enter")
    page.locator(".ps-error", has_text="unknown marker <script>").wait_for()
    page.keyboard.press("Control+A")
    page.keyboard.type("Why do you walk?")
    page.keyboard.press("Tab")
    page.keyboard.type("the old bridge")
    page.keyboard.press("Shift+Tab")
    page.evaluate(WATCH)
    page.keyboard.press("Enter")
    page.locator(".ps-slot").first.wait_for(timeout=60_000)
    coming = page.evaluate("window.coming")
    assert len(coming) >= 3  # sentence by sentence, not all at the end
    assert all(longer.startswith(shorter) for shorter, longer in pairwise(coming))

    for _ in range(40):  # Tab leads to the text
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.ps-answer')"):
            break
    before = page.locator(".ps-word").all_inner_texts()
    for key in ("Home", "ArrowRight", "ArrowRight", "3", "1", "ArrowRight", "7", "4", "d", "d", "ArrowRight", "5", "0"):
        page.keyboard.press(key)
    slot = page.locator(".ps-slot")
    slot.nth(3).get_by_text("<pitch_high>").wait_for()
    page.wait_for_function("document.querySelectorAll('.ps-slot')[4].matches('.ps-hand.ps-empty')")
    assert slot.nth(2).inner_text().split() == ["<pause_long>", "<emph>"]
    assert slot.nth(3).inner_text() == "<pitch_high>"  # it took the place of <pitch_falling>
    assert page.locator(".ps-word").all_inner_texts() == before
    assert page.locator(".ps-now").count() == 0  # nothing is being spoken
    assert len(code_cells(page)) == n_cells  # d, d is no order to the notebook here

    page.keyboard.press("Space")  # nothing is spoken yet, so that comes first
    page.locator(".ps-status", has_text="Spoken and heard").wait_for(timeout=90_000)
    page.keyboard.press("Space")
    page.wait_for_function("Number(document.querySelector('.ps-now')?.dataset.word) >= 1", timeout=20_000)
    page.wait_for_function("Number(document.querySelector('.ps-now')?.dataset.word) >= 3", timeout=20_000)
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('.ps-audio-marked').paused")
    spoken = page.evaluate("document.querySelector('.ps-now')?.dataset.word ?? null")
    page.keyboard.press("a")
    page.wait_for_function("document.querySelector('.ps-plain .ps-audio-plain')?.currentTime > 0")
    times = page.evaluate("[...document.querySelectorAll('.ps-player audio')].map(one => one.currentTime)")
    assert times[1] < times[0]  # the same word comes earlier where there is no pause before it
    page.wait_for_function("spoken => spoken === (document.querySelector('.ps-now')?.dataset.word ?? null)", arg=spoken)

    page.get_by_role("button", name="TextGrid").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Written:").wait_for()
    (entry,) = json.loads(kept.read_text(encoding="utf-8"))
    assert entry["by_hand"] == [2, 3, 4]
    assert (kept.parent / f"{entry['name']}.TextGrid").is_file() and (kept.parent / entry["audio_file"]).is_file()

    page.locator(".ps-own textarea").focus()
    page.keyboard.type("We <emph> walk on, 7 of us.")  # digits are no order here
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Mark my words").focus()
    page.keyboard.press("Enter")
    page.locator(".ps-status", has_text="Your words are marked").wait_for()
    assert page.locator(".ps-word").all_inner_texts() == ["We", "walk", "on,", "7", "of", "us."]
    assert page.locator(".ps-slot").nth(1).inner_text() == "<emph>"
    page.locator(".ps-history button").nth(1).wait_for()  # it comes after the status
    assert page.locator(".ps-history button").count() == 2
    page.locator(".ps-history button").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.ps-own textarea').value === ''")
    assert page.locator(".ps-word").all_inner_texts() == before
    assert page.evaluate("window.evil") is None
    assert not failed(page)
    assert not barriers(page, ".prosody-studio")

    restart_kernel(page)
    page.wait_for_function(SAYS_WHAT_TO_DO, arg=".prosody-studio")
