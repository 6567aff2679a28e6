"""The notebooks in a real JupyterLab in a real Chromium: opened, run from the top with their defaults, looked at.

A missing browser or a missing playwright is a failure here, never a skip.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from prosody.workflow import record

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
TOKEN = "only-for-this-test"
PATIENCE_S = 600
READY = """() => {
    const context = window.jupyterapp?.shell?.currentWidget?.sessionContext;
    return context?.isReady && context.session?.kernel?.status === 'idle';
}"""
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


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """`prosody lab` with settings and runs of its own; gives its address and the folder of runs."""
    own = tmp_path_factory.mktemp("lab")
    settings = own / "settings" / "@jupyterlab" / "docmanager-extension"
    settings.mkdir(parents=True)
    # the clone's notebooks stay as they are
    (settings / "plugin.jupyterlab-settings").write_text('{"autosave": false}')
    names = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environment = os.environ | {f"JUPYTER_{name}": str(own / name) for name in names}
    environment |= {"JUPYTERLAB_SETTINGS_DIR": str(own / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(own / "spaces")}
    environment |= {"PROSODY_RUNS_DIR": str(own / "runs"), "PROSODY_SETUP": "off"}
    environment.pop("PROSODY_RUN_DIR", None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"]
    options += ["--no-browser", "--allow-root", "--expose-app-in-browser"]
    with open(own / "lab.log", "w") as log:
        command = [sys.executable, "-m", "prosody", "lab", *options]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(lambda: _answers(f"{address}/api?token={TOKEN}"), 60, own / "lab.log")
            yield address, own / "runs"
        finally:
            process.terminate()
            process.wait(60)
            assert not _answers(f"{address}/api?token={TOKEN}")


@pytest.fixture(scope="module")
def page(lab):
    """A page of a headless Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    assert chromium, "these tests need Chromium: install it (Debian: `apt install chromium`)"
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*options, "--disable-sync"])
        yield browser.new_page(viewport={"width": 1400, "height": 1000})
        browser.close()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def _wait_for(happened, seconds: float, log: Path | None = None) -> None:
    limit = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < limit, log.read_text()[-3000:] if log else "waited too long"
        time.sleep(0.5)


def _open(page, address: str, notebook: str) -> None:
    """Open a notebook and wait until its kernel is ready."""
    page.goto(f"{address}/lab/tree/notebooks/{notebook}?token={TOKEN}&reset")
    page.wait_for_function(READY, timeout=90_000)


def _run_all(page, lab: tuple[str, Path], notebook: str, stage: str) -> record.Run:
    """Open a notebook, wait until its kernel is ready, Run All, wait until its run has ended."""
    address, runs = lab
    _open(page, address, notebook)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    _wait_for(lambda: [r for r in record.runs(runs, stage) if r.state != "running"] or _failed(page), PATIENCE_S)
    assert not _failed(page)
    page.wait_for_function(READY, timeout=90_000)
    return record.runs(runs, stage)[-1]


def _failed(page) -> str:
    """The traceback of a cell, if there is one."""
    errors = page.locator('[data-mime-type="application/vnd.jupyter.error"]')
    return errors.first.inner_text() if errors.count() else ""


def _cells(page) -> list[dict]:
    text = page.evaluate("() => JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.toJSON().cells)")
    return [cell for cell in json.loads(text) if cell["cell_type"] == "code"]


@pytest.mark.parametrize(
    ("notebook", "stage", "metric"),
    [("01_segment.ipynb", "segment", "segments"), ("02_prepare.ipynb", "prepare", "train")],
)
def test_run_all_in_lab_from_the_top(page, lab, notebook, stage, metric):
    before = (ROOT / "notebooks" / notebook).read_bytes()
    run = _run_all(page, lab, notebook, stage)
    assert (run.state, run.status["how"]) == ("ok", "lab")
    assert run.metrics[metric] > 0
    cells = _cells(page)
    assert all(cell["execution_count"] for cell in cells)
    mimes = {mime for cell in cells for output in cell["outputs"] for mime in output.get("data", {})}
    assert "application/vnd.plotly.v1+json" in mimes
    plot = page.locator(".js-plotly-plot").first
    plot.scroll_into_view_if_needed()
    plot.locator(".main-svg").first.wait_for(timeout=30_000)
    assert (ROOT / "notebooks" / notebook).read_bytes() == before


def _run_code(page, code: str) -> None:
    """Run code in a new cell of the open notebook."""
    run = """code => {
        const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
        app.commands.execute('notebook:insert-cell-below').then(() => {
            notebook.activeCell.model.sharedModel.setSource(code);
            app.commands.execute('notebook:run-cell');
        });
    }"""
    page.evaluate(run, code)


def test_the_live_loss_curve_grows_in_lab(page, lab):
    _open(page, lab[0], "03_train_lora.ipynb")
    _run_code(page, LIVE)
    n_drawn = "document.querySelector('.js-plotly-plot')?._fullData?.[0]?.x?.length"
    page.wait_for_function(f"{n_drawn} >= 3", timeout=60_000)
    page.wait_for_function(f"{n_drawn} == 8", timeout=60_000)
    assert not _failed(page)
    assert page.locator(".js-plotly-plot").count() == 1


def test_the_studio_by_keyboard_alone(page, lab, tmp_path):
    _open(page, lab[0], "03_train_lora.ipynb")
    _run_code(page, STUDIO.replace("STUDIO_FOLDER", tmp_path.as_posix()))
    page.wait_for_function("document.querySelector('.ps-answer')?.tabIndex === 0", timeout=120_000)
    n_cells, kept = len(_cells(page)), tmp_path / "studio" / "answers.json"

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
    assert len(_cells(page)) == n_cells  # d, d is no order to the notebook here

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
    assert page.locator(".ps-history button").count() == 2
    page.locator(".ps-history button").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.ps-own textarea').value === ''")
    assert page.locator(".ps-word").all_inner_texts() == before
    assert page.evaluate("window.evil") is None
    assert not _failed(page)
