"""The review in a real JupyterLab in a real Chromium: by keyboard, by ear, cut short and taken up again."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import review_data
from lab_page import TOKEN, barriers, code_cells, failed, open_notebook, restart_kernel, run_code

from prosody import dataset
from prosody.workflow import reviews

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("quiet")]
WORDS = ["We", "walk", "along", "the", "old", "river", "today."]
NOTEBOOK = "03_train_lora.ipynb"
PANEL = ".prosody-review"
PAYLOADS = Path(__file__).with_name("payloads.txt").read_text(encoding="utf-8").splitlines()


def begin(page, lab, folder: Path) -> None:
    """Open the review in a new cell of a notebook."""
    open_notebook(page, lab[0], NOTEBOOK)
    run_cell(page, folder)


def run_cell(page, folder: Path) -> None:
    run_code(page, review_data.code(folder, by=folder.parent.name))  # a reviewer of its own for each test
    page.wait_for_selector(f"{PANEL} [role=option]", timeout=120_000)
    page.locator(".pr-lanes").focus()


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def shown(page) -> str:
    return page.locator(PANEL).get_attribute("data-segment")


def until(page, condition: str, **more) -> None:
    page.wait_for_function(f"() => {{ const panel = document.querySelector('{PANEL}'); return {condition}; }}", **more)


def segments_of(lab, folder: Path):
    """The segments as another process finds them in the journal."""
    data = dataset.load(folder, audio=False)
    return reviews.begin(data, sounds=[], by=folder.parent.name, to_read=True, runs=lab[1]).session


@pytest.fixture
def folder(tmp_path):
    review_data.write(tmp_path / "talk", [WORDS] * 12)
    return tmp_path / "talk"


def test_ten_segments_by_keyboard_undo_and_a_reload_in_the_middle(page, lab, folder):
    begin(page, lab, folder)
    n_cells = len(code_cells(page))
    for k in range(1, 6):
        assert shown(page) == str(k)
        press(page, "ArrowRight", "4", "ArrowRight", "6", "2", "Enter")
        until(page, f"panel.dataset.segment === '{k + 1}'")
    press(page, "x")
    until(page, "panel.dataset.segment === '7'")
    press(page, "u")
    until(page, "panel.dataset.segment === '6'")
    press(page, "d", "d")  # no order to the notebook here
    assert len(code_cells(page)) == n_cells
    found = segments_of(lab, folder)
    assert found.counts == {"unreviewed": 7, "reviewed": 5, "rejected": 0} and found.at == "6"
    assert found.segments["1"].text == "We <pitch_high> walk <pause_short> <pitch_rising> along the old river today."

    begin(page, lab, folder)  # the page is loaded anew, the kernel lives on
    assert shown(page) == "6"
    for k in range(6, 11):
        press(page, "1", "Enter")
        until(page, f"panel.dataset.segment === '{k + 1}'")
    for _ in range(10 + 5):
        press(page, "u")
    until(page, "panel.dataset.segment === '4'")
    assert segments_of(lab, folder).counts["reviewed"] == 3
    for _ in range(15):
        press(page, "Shift+U")
    page.locator(".pr-said", has_text="Done again").wait_for()
    until(page, "panel.dataset.segment === '11'")
    assert segments_of(lab, folder).counts["reviewed"] == 10
    outputs = [output for cell in code_cells(page) for output in cell["outputs"]]
    assert len(json.dumps(outputs)) < 20_000  # what a saved notebook would hold of it
    assert not failed(page)


def test_what_is_typed_ahead_counts_for_the_segment_that_it_was_meant_for(page, lab, folder):
    begin(page, lab, folder)
    press(page, "Enter", "End", "7", "Enter", "Home", "1", "Enter")
    until(page, "panel.dataset.segment === '4'")
    segments = segments_of(lab, folder).segments
    assert [segments[name].prosody_tokens for name in "1234"] == [(), ("<pitch_falling>",), ("<emph>",), ()]


def test_it_plays_loops_slows_down_and_lights_the_word_that_is_said(page, lab, folder):
    begin(page, lab, folder)
    page.wait_for_function("document.querySelector('.pr-audio').readyState >= 2")
    press(page, "Space")
    until(page, "Number(panel.dataset.now) >= 1")
    until(page, "Number(panel.dataset.now) >= 3")
    assert page.locator(".pr-now").count() == 1
    press(page, "Space")
    page.wait_for_function("document.querySelector('.pr-audio').paused")
    press(page, "s", "End", "p")
    until(page, f"Number(panel.dataset.now) === {len(WORDS) - 1}")
    audio = page.evaluate(
        "(({playbackRate, preservesPitch}) => [playbackRate, preservesPitch])(document.querySelector('.pr-audio'))"
    )
    assert audio == [0.7, True]
    press(page, "s", "Home", "ArrowRight", "l")
    times = []
    for _ in range(30):
        times.append(page.evaluate("document.querySelector('.pr-audio').currentTime"))
        page.wait_for_timeout(60)
    start = 0.1 + review_data.STEP_S
    assert all(start - 0.2 < time < start + review_data.WORD_S + 0.2 for time in times[5:])
    assert sum(later < earlier for earlier, later in pairwise(times[5:])) >= 2  # it came round
    press(page, "l")
    page.wait_for_function("document.querySelector('.pr-audio').paused")


def test_an_edge_is_dragged_a_word_corrected_a_segment_cut_and_joined(page, lab, folder):
    begin(page, lab, folder)
    press(page, "ArrowRight")
    box = page.locator(".pr-edge-end").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 8, y, steps=3)
    page.mouse.up()
    until(page, "!document.querySelector('[disabled][aria-keyshortcuts=U]')")
    moved = segments_of(lab, folder).segments["1"].words[1].end
    assert moved == pytest.approx(0.1 + review_data.STEP_S + review_data.WORD_S + 8 / px_a_s(page), abs=0.02)
    page.locator(".pr-lanes").focus()
    press(page, ",", ",")
    press(page, "e")
    page.locator(".pr-word-title input").wait_for()
    page.keyboard.type("strolled 2")
    press(page, "Enter")
    page.locator(".pr-wrong", has_text="is not one word").wait_for()
    press(page, "e")
    page.keyboard.type("stroll")
    press(page, "Enter")
    page.locator("[role=option]", has_text="stroll").wait_for()
    press(page, "ArrowRight", "ArrowRight", "c")
    until(page, "panel.dataset.segment === '1.1'")
    assert page.locator("[role=option]").count() == 3
    press(page, "m")
    until(page, "panel.dataset.segment === '1.1+1.2'")
    words = segments_of(lab, folder).segments["1.1+1.2"].words
    assert [word.text for word in words] == ["We", "stroll", *WORDS[2:]]
    assert words[1].start == pytest.approx(0.1 + review_data.STEP_S - 0.02)


def px_a_s(page) -> float:
    boxes = [page.locator("[role=option]").nth(k).bounding_box() for k in (0, 5)]
    return (boxes[1]["x"] - boxes[0]["x"]) / (5 * review_data.STEP_S)


def test_after_a_restart_of_the_kernel_the_panel_says_what_to_do(page, lab, folder):
    begin(page, lab, folder)
    press(page, "4", "Enter")
    until(page, "panel.dataset.segment === '2'")
    restart_kernel(page)
    page.locator(".pr-sleep", has_text="Run this cell").wait_for(timeout=60_000)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
    until(
        page,
        "document.querySelectorAll('[role=option]').length && panel && !panel.matches('.pr-asleep')",
        timeout=90_000,
    )
    assert shown(page) == "2"
    press_undo = page.locator(".pr-button", has_text="Undo")
    press_undo.click()
    until(page, "panel.dataset.segment === '1'")


def test_a_second_tab_may_look_and_is_told_why(page, lab, folder):
    begin(page, lab, folder)
    press(page, "Enter")
    until(page, "panel.dataset.segment === '2'")
    second = page.context.browser.new_page()
    try:
        open_notebook(second, lab[0], "01_segment.ipynb")
        run_cell(second, folder)
        second.locator(".pr-wrong", has_text="it is being reviewed elsewhere").wait_for()
        assert shown(second) == "2" and second.locator(".pr-main").is_disabled()
        press(second, "n")
        until(second, "panel.dataset.segment === '3'")
        press(second, "1")
        second.locator(".pr-wrong", has_text="open for reading only").wait_for()
    finally:
        second.close()
    assert segments_of(lab, folder).segments["3"].prosody_tokens == ()


def test_forty_payloads_are_shown_as_text(page, lab, tmp_path):
    assert len(PAYLOADS) == len(set(PAYLOADS)) == 40
    folder = tmp_path / "<img src=x onerror=window.evil=1>"
    as_words = [text for text in PAYLOADS if is_word(text)]
    review_data.write(folder, [as_words, ["one", "two"]])
    (folder / "segments/segment_002.wav").unlink()
    begin(page, lab, folder)
    assert page.locator("[role=option] bdi").all_inner_texts() == as_words
    page.locator(".pr-which summary").click()
    page.locator(".pr-lanes").focus()
    for payload in PAYLOADS:
        press(page, "e")
        page.locator(".pr-word-title input").fill(payload)
        press(page, "Enter")
        until(page, "!document.querySelector('.pr-word-title input')")
        page.locator(".pr-filters input[type=search]").fill(payload)
        press(page, "Enter")
        page.locator(".pr-filters input[type=search]").fill("")
        press(page, "Enter")
        page.locator(".pr-lanes").focus()
    press(page, "n")
    page.locator(".pr-trouble", has_text="<img src=x onerror=window.evil=1>").wait_for()
    page.wait_for_timeout(300)
    assert page.evaluate("window.evil") is None
    assert page.locator(f"{PANEL} :is(script, iframe, img, object, embed, link)").count() == 0


def is_word(text: str) -> bool:
    from prosody import markers
    from prosody.errors import ProsodyError

    try:
        return [word.text for word in markers.parse(text).words] == [text]
    except ProsodyError:
        return False


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_nothing_bars_people_from_the_panel(page, lab, folder, theme, screenshots):
    begin(page, lab, folder)
    page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    page.wait_for_timeout(1500)
    press(page, "1", "ArrowRight", "6", "?")
    page.locator(".pr-agreement summary").click()
    page.locator(".pr-agreement td").first.wait_for()
    page.locator(PANEL).screenshot(path=screenshots / f"review {theme}.png")
    assert not barriers(page, PANEL)


def test_long_segments_many_words_and_words_from_right_to_left(page, lab, tmp_path, screenshots):
    folder = tmp_path / "odd"
    many = [f"word{k}" for k in range(300)]
    minutes = [f"w{k}" for k in range(1500)]  # ten of them
    review_data.write(folder, [["שלום", "עולם", "we", "مرحبا", "end"], many, minutes])
    begin(page, lab, folder)
    assert page.locator("[role=option] bdi").first.evaluate("node => getComputedStyle(node).direction") == "rtl"
    page.locator(PANEL).screenshot(path=screenshots / "review right to left.png")
    for name, n in (("2", 300), ("3", 1500)):
        press(page, "n")
        until(page, f"panel.dataset.segment === '{name}'", timeout=60_000)
        assert page.locator("[role=option]").count() == n
        press(page, "End")
        last = page.locator("[role=option]").last
        page.wait_for_function("() => document.querySelector('.pr-at').getBoundingClientRect().left < innerWidth")
        box, view = last.bounding_box(), page.locator(".pr-view").bounding_box()
        assert view["x"] <= box["x"] and box["x"] + box["width"] <= view["x"] + view["width"] + 2
        press(page, *["ArrowLeft"] * 5, "p")
        until(page, f"Number(panel.dataset.now) >= {n - 6}", timeout=20_000)
        page.locator(PANEL).screenshot(path=screenshots / f"review {n} words.png")
    press(page, "1")
    until(page, "document.querySelector('.pr-at .pr-glyph')", timeout=20_000)


def test_sound_that_was_moved_is_found_again(page, lab, folder):
    (folder / "segments").rename(folder.parent / "moved")
    begin(page, lab, folder)
    trouble = page.locator(".pr-trouble")
    trouble.locator("span", has_text="segment_001.wav: is not there").wait_for()
    trouble.locator("input").fill(str(folder.parent / "moved"))
    press(page, "Enter")
    page.locator(".pr-said", has_text="12 found: all there.").wait_for()
    page.wait_for_function("document.querySelector('.pr-audio').duration > 2")
    assert trouble.is_hidden()


def test_it_is_the_same_in_notebook_7(page, lab, folder, screenshots):
    other = page.context.browser.new_page(viewport={"width": 1400, "height": 1000})  # its own console has errors
    asked = []
    other.on("request", lambda one: asked.append(one.url))
    try:
        other.goto(f"{lab[0]}/notebooks/notebooks/{NOTEBOOK}?token={TOKEN}")
        other.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=90_000)
        other.locator(".jp-MarkdownCell").first.click()
        press(other, "Escape", "b", "Enter")
        other.keyboard.insert_text(review_data.code(folder, by=folder.parent.name))
        press(other, "Control+Enter")
        other.wait_for_selector(f"{PANEL} [role=option]", timeout=120_000)
        other.locator(".pr-lanes").focus()
        press(other, "4", "Enter", "Space")
        until(other, "panel.dataset.segment === '2' && Number(panel.dataset.now) >= 1")
        press(other, "d", "d")
        other.locator(PANEL).screenshot(path=screenshots / "review in notebook 7.png")
    finally:
        other.close()
    assert segments_of(lab, folder).segments["1"].prosody_tokens == ("<pitch_high>",)
    assert {urlsplit(url).hostname for url in asked if url.startswith("http")} == {"127.0.0.1"}


def test_the_next_segment_is_there_at_once(page, lab, folder):
    begin(page, lab, folder)
    waited = []
    for k in range(10):
        press(page, "Enter")
        until(page, f"panel.dataset.segment === '{k + 2}'")
        waited.append(int(page.locator(PANEL).get_attribute("data-waited")))
        time.sleep(0.2)
    assert sorted(waited)[5] < 1000, waited  # the benchmark tells how long it takes


def test_a_double_click_accepts_one_segment_and_finish_writes_the_dataset(page, lab, folder):
    begin(page, lab, folder)
    page.locator(".pr-main").dblclick()
    until(page, "panel.dataset.segment === '2'")
    page.locator(".pr-row").nth(3).click()
    page.locator(".pr-at .pr-glyph").first.wait_for()
    assert segments_of(lab, folder).counts["reviewed"] == 1
    page.get_by_role("button", name="Finish").click()
    press(page, "ArrowRight", "1")  # what is asked meanwhile does not hide that it was written
    page.locator(".pr-counts", has_text="written: ").wait_for(timeout=60_000)
    written = dataset.load(reviews.reviewed(folder, runs=lab[1]))
    assert [one.review["status"] for one in written.segments[:3]] == ["reviewed", "unreviewed", "unreviewed"]
    assert written.segments[1].prosody_tokens == ("<pitch_high>",)


def test_what_is_typed_for_a_word_is_no_order(page, lab, folder):
    begin(page, lab, folder)
    press(page, "Enter", "e", "x", "Escape")
    press(page, "e")
    page.keyboard.type("half")
    page.locator(".pr-which summary").click()  # elsewhere: the word stays as it was
    until(page, "!document.querySelector('.pr-word-title input')")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    found = segments_of(lab, folder)
    assert found.counts == {"unreviewed": 11, "reviewed": 1, "rejected": 0}
    assert [word.text for word in found.segments["2"].words] == WORDS
