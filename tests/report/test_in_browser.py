"""A run's page in a real Chromium, from a file: it draws, it sounds, it runs and fetches nothing foreign."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from prosody.report import comparison, page
from prosody.workflow import compare, contents

pytestmark = pytest.mark.browser
EVIL = '</script><script>window.evil=1</script><img src=x onerror="window.evil=1">'
STAGES = ("segment", "prepare", "train", "generate")


@pytest.fixture(scope="module")
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    assert chromium, "these tests need Chromium: install it (Debian: `apt install chromium`)"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(params=["light", "dark"])
def show_page(request, browser) -> Iterator:
    """Open a page; gives it, the addresses it asked for, and what its console said."""
    opened = []

    def open_(path):
        tab = browser.new_page(color_scheme=request.param)
        opened.append(tab)
        asked, said = [], []
        tab.on("request", lambda one: asked.append(one.url))
        tab.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
        tab.on("pageerror", lambda one: said.append(str(one)))
        tab.goto(path.as_uri())
        tab.evaluate("window.reportDrawn")
        return tab, asked, said

    yield open_
    for tab in opened:
        tab.close()


@pytest.fixture
def show(show_page):
    """Make a run's page and open it."""

    def open_(folder):
        run = contents.read(folder)
        return show_page(page.write(run, page.make(run)))

    return open_


def until(tab, expression: str) -> None:
    """Wait for an expression to be true; the page's own policy forbids playwright's way of waiting."""
    for _ in range(100):
        if tab.evaluate(expression):
            return
        tab.wait_for_timeout(100)
    raise AssertionError(expression)


@pytest.mark.parametrize("stage", STAGES)
def test_figures_draw_sounds_have_a_length_and_nothing_bars_anybody(show, recorded, write_events, stage):
    from axe_playwright_python.sync_playwright import Axe

    folder = recorded(stage)
    if stage == "train":
        write_events(folder)
    tab, asked, said = show(folder)
    plots = tab.locator(".plot")
    assert plots.count() == (2 if stage == "train" else 1)
    for k in range(plots.count()):
        assert plots.nth(k).locator(".main-svg").count() == 3 and plots.nth(k).locator(".trace").count() >= 1
    until(tab, "[...document.querySelectorAll('audio')].every(one => one.duration > 0.4)")
    assert tab.locator("audio").count() == {"segment": 4, "prepare": 4, "train": 1, "generate": 2}[stage]
    assert [address for address in asked if not address.startswith("data:")] == [(folder / "report.html").as_uri()]
    assert said == []  # the picture that the figure names is not even asked for
    found = Axe().run(tab).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("stage", STAGES)
def test_hostile_text_is_shown_as_text_wherever_it_stands(show, recorded, stage):
    tab, asked, _ = show(recorded(stage, said=EVIL, state="failed"))
    for line in tab.locator("summary").all():
        line.click()
    for link in tab.locator("main a").all():
        assert link.get_attribute("href").startswith(("#", "https://example.org/"))
    assert tab.evaluate("window.evil") is None
    assert tab.locator("main img").count() == 1  # of the cell's own HTML, without its address and its script
    assert tab.locator("main img").get_attribute("src") is None
    assert tab.locator("script").count() == 3
    places = ("header .error", ".prose >> nth=0", "pre.code >> nth=0", "pre.printed >> nth=0", ".error >> nth=1")
    for place in (*places, "#metrics", "#record", "#log"):
        assert "window.evil=1" in tab.locator(place).inner_text(), place
    if stage == "generate":
        assert EVIL in tab.locator(".heard h3").first.inner_text()
        assert EVIL in tab.locator("p.marked").inner_text()
    assert [address for address in asked if not address.startswith(("data:", "file:"))] == []


def test_colours_follow_the_scheme_and_the_paper(show, recorded):
    tab, _, _ = show(recorded("generate"))
    ink = "document.querySelector('.plot').layout.font.color"
    tab.emulate_media(color_scheme="dark")
    until(tab, f"{ink} === '#b3bac2'")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    until(tab, f"{ink} === '#444'")
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    tab.emulate_media(media="screen", color_scheme="light")
    until(tab, f"{ink} === '#55595e'")


def test_a_comparison_draws_its_curves_and_bars_nobody(show_page, recorded, write_events, tmp_path):
    from axe_playwright_python.sync_playwright import Axe

    a, b = recorded("train"), recorded("train", said=EVIL, state="failed")
    write_events(a)
    write_events(b)
    comparison.write(compare.compare(contents.read(a), contents.read(b)), tmp_path / "diff.html")
    tab, asked, said = show_page(tmp_path / "diff.html")
    assert tab.locator(".plot .main-svg").count() == 3 and tab.locator(".plot .trace").count() >= 2
    assert tab.evaluate("window.evil") is None and said == []
    assert [address for address in asked if not address.startswith("data:")] == [(tmp_path / "diff.html").as_uri()]
    found = Axe().run(tab).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_lineage_is_legible_and_fits_a_narrow_page(show, runs):
    from axe_playwright_python.sync_playwright import Axe
    from made_runs import make

    ready = make(runs, "prepare", 1)
    made = [make(runs, "train", k, of=[ready], params={"seed": k}, state=("ok", "failed")[k % 2]) for k in range(2, 8)]
    make(runs, "generate", 9, of=[made[0]])
    tab, _, said = show(ready)
    tab.set_viewport_size({"width": 420, "height": 900})
    assert tab.locator("#lineage li").count() == 7 and tab.locator("#lineage .state-failed").count() == 3
    found = Axe().run(tab).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth") and said == []
