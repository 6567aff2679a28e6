"""The sliders of the notebooks, moved by the keyboard alone in a real JupyterLab: the picture follows."""

from __future__ import annotations

import json

import pytest
from lab_page import ROOT, barriers, failed, open_notebook, run_code

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("quiet")]

THRESHOLD = """
from prosody.notebook.threshold import threshold_panel
from prosody.speech.segment import SegmentParameters, energy_db
from prosody.voice.speak import speak
spoken = speak(" <pause_long> ".join(["We walk along the river."] * 4) + " <pause_short> And then we go home.")
energy = energy_db(spoken.samples, spoken.sample_rate)
panel = threshold_panel(energy, SegmentParameters())
panel
"""
RANK = f"""
import sys, tempfile
sys.path.append({str(ROOT / "tests" / "lm")!r})
from pathlib import Path
from lm_data import write_gpt2
from prosody.lm.base import load_base
from prosody.lm.lora import LoraParameters
from prosody.notebook.rank import rank_panel
folder = Path(tempfile.mkdtemp()) / "base"
write_gpt2(folder)
panel = rank_panel(load_base(str(folder)), LoraParameters(r=2))
panel
"""
HEAR = """
from prosody.notebook.hear_marker import hear_marker
panel = hear_marker("We walk along the river.", word=1)
panel
"""
UNDERSTOOD = """() => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    const at = notebook.widgets.findIndex(cell => cell.model.sharedModel.source.includes('<details>'));
    notebook.activeCellIndex = at;
    return notebook.scrollToItem(at, 'center').then(() => true);
}"""
# of the figure that lies in front
SHOWN = """name => {
    const outputs = [...document.querySelectorAll(`.${name} .ps-redrawn > *`)];
    const front = outputs.find(one => getComputedStyle(one).order === '1');
    const plot = front?.querySelector('.js-plotly-plot');
    return plot?._fullLayout ? JSON.stringify({ title: plot._fullLayout.title.text,
        shapes: plot._fullLayout.shapes.map(one => [one.name, one.x0, one.x1, one.y0]),
        data: plot._fullData.map(one => [one.name, [...(one.x ?? [])].length, Math.max(...(one.x ?? [0]))]) }) : null;
}"""


def shown(page, name: str, before: dict | None = None) -> dict:
    """The figure that a panel shows, once it is another than `before`."""
    old = json.dumps(before) if before else ""
    wait = f"([name, old]) => {{ const now = ({SHOWN})(name); return now && (!old || now !== old); }}"
    compact = json.dumps(before, separators=(",", ":"), ensure_ascii=False) if before else old
    page.wait_for_function(wait, arg=[name, compact], timeout=60_000)
    return json.loads(page.evaluate(SHOWN, name))


def focus_slider(page, name: str, label: str) -> None:
    """Give a slider the focus, as Tab would."""
    row = page.locator(f".{name} .widget-slider", has=page.get_by_text(label, exact=True))
    handle = row.locator(".noUi-handle").first
    handle.focus()
    assert page.evaluate("document.activeElement.getAttribute('role')") == "slider"


@pytest.fixture
def notebook(page, lab):
    """A notebook with a kernel that is ready."""
    open_notebook(page, lab[0], "01_segment.ipynb")
    yield page
    assert not failed(page)


def test_the_threshold_and_the_cuts_follow_the_slider(notebook):
    run_code(notebook, THRESHOLD)
    first = shown(notebook, "ps-threshold")
    assert first["title"].startswith("4 segments")
    line = next(shape for shape in first["shapes"] if shape[0] == "threshold")
    focus_slider(notebook, "ps-threshold", "threshold (dB)")
    notebook.keyboard.press("ArrowRight")
    second = shown(notebook, "ps-threshold", first)
    assert next(shape for shape in second["shapes"] if shape[0] == "threshold")[3] == line[3] + 1
    focus_slider(notebook, "ps-threshold", "a pause that parts (s)")
    for _ in range(12):
        notebook.keyboard.press("ArrowLeft")
    notebook.wait_for_function("document.querySelector('.ps-threshold .ps-told').textContent.startsWith('5 segments')")
    third = shown(notebook, "ps-threshold", second)
    assert len(third["shapes"]) > len(second["shapes"])
    assert not barriers(notebook, ".ps-threshold")


@pytest.mark.parametrize("name", ["01_segment", "02_prepare", "03_train_lora", "04_generate"])
def test_answers_are_folded_and_unfold_by_keyboard(page, lab, name):
    """JupyterLab cleans what markdown cells say as if nobody trusted them: a folded answer must come through that."""
    open_notebook(page, lab[0], f"{name}.ipynb")
    page.evaluate(UNDERSTOOD)
    folded = page.locator(".jp-MarkdownOutput details")
    folded.locator("summary").wait_for(timeout=30_000)
    assert folded.evaluate("one => one.open") is False
    folded.locator("summary").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.jp-MarkdownOutput details').open")
    assert folded.locator("li").first.is_visible()


def test_b_and_a_grow_with_the_rank(notebook):
    run_code(notebook, RANK)
    first = shown(notebook, "ps-rank")
    assert first["title"].startswith("Rank 2:")
    focus_slider(notebook, "ps-rank", "rank r")
    notebook.keyboard.press("ArrowRight")
    second = shown(notebook, "ps-rank", first)
    assert second["title"].startswith("Rank 4:")
    assert not barriers(notebook, ".ps-rank")
    width = (
        {name: right for name, _, right in first["data"]}["B"],
        {name: right for name, _, right in second["data"]}["B"],
    )
    assert width[1] > width[0]
    notebook.wait_for_function("document.querySelector('.ps-rank .noUi-handle').ariaLabel === 'rank r'")


def test_a_marker_is_chosen_by_keyboard_drawn_and_heard(notebook):
    run_code(notebook, HEAR)
    first = shown(notebook, "ps-hear")
    assert "<emph>" in first["title"].replace("&lt;", "<").replace("&gt;", ">")
    sounds = notebook.locator(".ps-hear audio")
    assert sounds.count() == 2
    notebook.wait_for_function(
        "[...document.querySelectorAll('.ps-hear audio')].every(one => one.duration > 0.5)", timeout=20_000
    )
    focus_slider(notebook, "ps-hear", "word")
    notebook.keyboard.press("ArrowRight")
    second = shown(notebook, "ps-hear", first)
    assert "along" in second["title"]
    notebook.get_by_role("button", name="<pause_long>").focus()
    notebook.keyboard.press("Space")
    third = shown(notebook, "ps-hear", second)
    assert "pause_long" in third["title"]
    gap = notebook.locator(".ps-hear tr", has_text="pause before it").locator("td").last.inner_text()
    assert int(gap.removeprefix("+").removesuffix(" ms")) >= 800
    assert sounds.count() == 2
    assert not barriers(notebook, ".ps-hear")
