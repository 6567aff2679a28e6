"""Every figure in a real Chromium, drawn from real sound: on light and dark pages, wide and narrow, and in JupyterLab.

What is checked can be seen in the screenshots, which lie in the folder that PROSODY_SCREENSHOTS names (the test's own
otherwise). A missing browser or a missing playwright is a failure here, never a skip.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from made_runs import change, make, name_of

from prosody.lm import fidelity, style
from prosody.lm.insight import Change
from prosody.markers import TOKENS, counts
from prosody.notebook import live, overlay, plots, sweep
from prosody.sample.build import write_sample
from prosody.speech import align, compare, detect, measure, segment, store
from prosody.speech.audio import read, read_transcript
from prosody.speech.profile import profile
from prosody.voice.listen import listen_to_spoken
from prosody.workflow import lineage_text

pytestmark = pytest.mark.browser
PAGES = {"light": "#ffffff", "dark": "#111111"}  # JupyterLab's two
WIDTHS = (1000, 640)
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

DRAW = """async ([figure, width, ground]) => {
    document.body.style = `margin: 0; background: ${ground}`;
    document.body.innerHTML = `<div id="figure" style="width: ${width}px"></div>`;
    await Plotly.newPlot('figure', figure.data, figure.layout, { displayModeBar: false });
    await new Promise(done => setTimeout(done, 50));
}"""
# Visible texts as [text, left, top, right, bottom], in pixels of the figure; its size; axes with numbers but no title;
# traces that tell nothing when pointed at.
LOOK = """() => {
    const gd = document.getElementById('figure'), whole = gd.querySelector('.main-svg').getBoundingClientRect();
    const texts = [...gd.querySelectorAll('.main-svg text')].filter(one => {
        const style = getComputedStyle(one);
        return one.textContent.trim() && style.visibility !== 'hidden' && Number(style.opacity);
    }).map(one => [one.textContent, one.getBoundingClientRect()]).filter(([, box]) => box.width > 1 && box.height > 1);
    const bare = Object.keys(gd._fullLayout).filter(name => /^[xy]axis\\d*$/.test(name)).filter(name => {
        const axis = gd._fullLayout[name], ref = axis._id;
        if (!axis.visible || !axis.showticklabels || axis.title.text) return false;
        const named = (gd._fullLayout.annotations || []).some(one =>
            [one.xref, one.yref].includes(`${ref} domain`) && one.text && one.xanchor === 'right');
        const ticks = [...gd.querySelectorAll(`.${ref}tick text`)].map(one => one.textContent.trim());
        return !named && ticks.some(text => /^[+−-]?[\\d.,]+$/.test(text));
    });
    const drawn = one => one.visible && [...(one.x || [0])].some(value => value !== null);  // not only in the legend
    const mute = gd._fullData.filter(one => drawn(one) && one.hoverinfo !== 'skip' && !one.hovertemplate
        && !(one.text || one.hovertext) && !one.hoverinfo.startsWith('name')).map(one => one.name);
    return { width: whole.width, height: whole.height, bare, mute, texts: texts.map(([text, box]) =>
        [text, box.left - whole.left, box.top - whole.top, box.right - whole.left, box.bottom - whole.top]) };
}"""


@pytest.fixture(scope="module")
def heard(tmp_path_factory) -> SimpleNamespace:
    """Three answers of the built-in corpus, voiced, aligned, measured, compared, and one of them listened to."""
    files = write_sample(tmp_path_factory.mktemp("corpus"), answers=3)
    audio, marked = read(files.audio), read_transcript(files.transcript)
    energy = segment.energy_db(audio.samples, audio.sample_rate)
    spans = segment.segment_spans(energy)
    words = align.align(audio, [word.text for word in marked.words])
    segments = segment.make_segments(segment.assign_words(spans, words), words, marked)
    said = [word for one in segments for word in one.words]
    tracks = measure.track(audio)
    measured = measure.measure(audio, said, tracks=tracks)
    evidence = [detect.evidence(one) for one in measured]
    chosen = [word.markers for word in said]
    return SimpleNamespace(
        audio=audio, energy=energy, words=said, tracks=tracks, marked=marked, written=chosen,
        threshold=segment.SegmentParameters().threshold_for(energy),
        segments=store.with_measurements(segments, measured, evidence, val_share=0.2),
        speaker=profile(tracks, measured, chosen, duration_s=audio.duration),
        detected=[detect.decide(one) for one in evidence],
        listened=[listen_to_spoken(audio, marked, words=words)],
    )  # fmt: skip


def longest(heard):
    return max(heard.segments, key=lambda one: one.duration)


def overview(heard):
    grid = segment.coarser(heard.energy)
    return plots.recording_overview(
        heard.audio.samples, heard.audio.sample_rate, grid, 0.1, heard.threshold, heard.segments, heard.words
    )


def support(heard):
    found = compare.compare(heard.written, heard.detected)
    return plots.support_chart({token: (row["supported"], row["written"]) for token, row in found.items()})


def told(slots):
    return {token: sum(token in slot for slot in slots) for token in TOKENS}


def loss(_heard):
    steps = [(k, 3.4 * math.exp(-k / 60) + 1.1 + 0.2 * math.sin(k)) for k in range(1, 201)]
    return plots.loss_curve(steps, [(50, 2.6), (100, 1.9), (150, 1.5), (200, 1.6)], 3.25, kept=(3, 150))


def changes():
    shapes = {"q_proj": (576, 576), "v_proj": (192, 576), "o_proj": (576, 576), "down_proj": (576, 1536)}
    return [
        Change(layer, name, n_out, n_in, 16, 0.004 * (1 + k) * (1 + layer / 10))
        for layer in range(15, 30)
        for k, (name, (n_out, n_in)) in enumerate(shapes.items())
    ]


def moved():
    rng = np.random.default_rng(0)
    before = rng.normal(size=(7, 64))
    return {t: (b, b + 0.4 * rng.normal(size=64)) for t, b in zip(TOKENS, before, strict=True)}


def fidelities(heard):
    texts = [style.of_marked(one.text) for one in heard.segments]
    return fidelity.compare(texts[::2], texts[1::2], learned=texts, n_draws=100)


def made_by_a_sweep(folder):
    """A recording, cut, prepared, trained by six points of a sweep; one failed, and the recording changed since."""
    (folder / "talk.wav").write_bytes(b"sound")
    cut = make(folder / "runs", "segment", 1, reads=[folder / "talk.wav"])
    ready = make(folder / "runs", "prepare", 2, of=[cut])
    states = ["ok"] * 5 + ["failed"]
    trained = [make(folder / "runs", "train", 3 + k, of=[ready], state=state) for k, state in enumerate(states)]
    summary = make(folder / "runs", "sweep", 10)
    change(summary, "upstream", train=[one.name for one in trained])
    make(folder / "runs", "generate", 11, of=[trained[0]])
    make(folder / "runs", "train", 12, of=[ready], rerun_of=trained[1].name)
    (folder / "talk.wav").write_bytes(b"another sound")
    return plots.lineage(lineage_text.of_run(ready))


def lineage(_heard):
    with tempfile.TemporaryDirectory() as folder:
        return made_by_a_sweep(Path(folder).resolve())


def points_of_a_sweep():
    """Two parameters and three seeds; one point has no figure."""
    grid = list(product((1e-4, 5e-4, 2e-3), (4, 8, 16), range(3)))
    given = [{"learning_rate": rate, "r": r, "seed": seed} for rate, r, seed in grid]
    scores = [0.6 + 0.05 * math.log10(rate * 1e4) + r / 100 + 0.03 * math.sin(7 * s + r) for rate, r, s in grid]
    made = [
        SimpleNamespace(number=k, values=one, value=score, run=name_of(k), state="ok", seconds=60.0, error=None)
        for k, (one, score) in enumerate(zip(given, scores, strict=True), 1)
    ]
    made[4].value, made[4].state = None, "failed"
    return made


def points_by_word():
    names = ("smollm2-135m", "gpt2", "a/folder/of/one's/own/model", "distilgpt2")
    values = [{"base_model": name, "seed": seed} for name in names for seed in range(2)]
    return [
        SimpleNamespace(number=k, values=one, value=0.5 + k / 20, run=name_of(k), state="ok", seconds=60.0, error=None)
        for k, one in enumerate(values, 1)
    ]


def overlaid(_heard):
    steps = {name: [(k, (3.4 + n) * math.exp(-k / 60) + 1.1) for k in range(1, 201)] for n, name in enumerate("AB")}
    held_out = {name: [(k, steps[name][k - 1][1] + 0.2) for k in (50, 100, 150, 200)] for name in steps}
    return overlay.overlaid(held_out, title="Loss", unit="nats per token", faint=steps)


FIGURES = {
    "recording": overview,
    "segment": lambda h: plots.segment_view(h.audio, h.tracks, longest(h), speaker=h.speaker),
    "spectrogram": lambda h: plots.spectrogram(h.audio, h.tracks, longest(h)),
    "counts": lambda h: plots.marker_counts(
        counts(h.marked), told(h.detected), name="in the dataset", reference_name="heard", unit="times"
    ),
    "support": support,
    "density": lambda h: plots.marker_density(
        h.words, h.written, h.detected, h.audio.duration, held_out_from_s=0.9 * h.audio.duration
    ),
    "lengths": lambda h: plots.segment_lengths([one.duration for one in h.segments]),
    "profile": lambda h: plots.profile_card(h.speaker),
    "loss": loss,
    "lora": lambda h: plots.lora_picture(changes()),
    "layers": lambda h: plots.change_by_layer(changes()),
    "rows": lambda h: plots.rows_moved(moved()),
    "survival": lambda h: plots.survival_figure(h.listened),
    "style": lambda h: plots.style_fidelity(fidelities(h)),
    "lineage": lineage,
    "overlaid": overlaid,
    "sweep": lambda _: sweep.over(points_of_a_sweep(), "learning_rate", metric="macro_f1"),
    "sweep-seeds": lambda _: sweep.over(points_of_a_sweep(), "seed", metric="macro_f1"),
    "sweep-words": lambda _: sweep.over(points_by_word(), "base_model", metric="macro_f1"),
}


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    assert found, "these tests need Chromium: install it (Debian: `apt install chromium`)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*OPTIONS, "--disable-sync"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def sheet(chromium):
    """A blank page that can draw figures, and what went wrong on it."""
    from plotly.offline import get_plotlyjs

    page, wrong = chromium.new_page(viewport={"width": 1100, "height": 1000}), []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("data:") else wrong.append(request.url))
    page.set_content("<!doctype html><title>figures</title><body></body>")
    page.add_script_tag(content=get_plotlyjs())
    return page, wrong


@pytest.fixture(scope="module")
def drawn(heard):
    """A function that gives a figure by its name as JSON, made once."""
    made: dict[str, dict] = {}
    return lambda name: made.get(name) or made.setdefault(name, json.loads(FIGURES[name](heard).to_json()))


def screenshots(tmp_path):
    folder = Path(os.environ.get("PROSODY_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def overlapping(texts):
    """Pairs of texts that cover each other by more than the room that letters leave in their line."""
    for k, (one, *a) in enumerate(texts):
        for two, *b in texts[k + 1 :]:
            wide, high = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
            if wide > 1 and high > 3:
                yield one, two


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("ground", PAGES)
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_can_be_read(sheet, drawn, name, ground, width, tmp_path):
    page, wrong = sheet
    page.evaluate(DRAW, [drawn(name), width, PAGES[ground]])
    page.locator("#figure").screenshot(path=screenshots(tmp_path) / f"{name}-{ground}-{width}.png")
    seen = page.evaluate(LOOK)
    assert not wrong
    assert seen["width"] == width and seen["texts"]
    assert not seen["bare"], "axes that show numbers and do not say of what"
    assert not seen["mute"], "what is drawn and tells nothing when pointed at"
    right, bottom = seen["width"] + 1, seen["height"] + 1
    cut = [told for told, *box in seen["texts"] if min(box) < -1 or box[2] > right or box[3] > bottom]
    assert not cut, "texts that the figure's edge cuts off"
    assert not list(overlapping(seen["texts"]))[:9]


# --- a notebook that somebody else ran --------------------------------------------------------------------------------

TOKEN = "only-for-this-test"


@pytest.fixture
def lab(tmp_path):
    """A JupyterLab with settings of its own, on a folder of its own; gives its address and that folder."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    own = {f"JUPYTER_{name}": str(tmp_path / name.lower()) for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(tmp_path / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    quiet = tmp_path / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')  # it would look for them on the internet
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--ServerApp.root_dir={folder}", f"--port={port}", f"--IdentityProvider.token={TOKEN}", "--no-browser"]
    options += ["--ServerApp.port_retries=0", "--allow-root", "--expose-app-in-browser"]
    with open(tmp_path / "lab.log", "w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        process = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=subprocess.STDOUT)
        try:
            limit = time.monotonic() + 60
            while not answers(f"http://127.0.0.1:{port}/api?token={TOKEN}"):
                assert time.monotonic() < limit and process.poll() is None, (tmp_path / "lab.log").read_text()[-3000:]
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}", folder
        finally:
            process.terminate()
            process.wait(60)


def answers(address):
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def executed(heard, drawn):
    """A notebook with every figure and with all that has sound in it, as if it had been run; nobody has trusted it."""
    found = compare.doubtful(heard.written, heard.detected, [w.evidence for s in heard.segments for w in s.words])
    pages = [
        live.player(heard.audio.samples[: 2 * heard.audio.sample_rate], heard.audio.sample_rate, "two seconds"),
        plots.doubtful_table(found[:3], heard.segments, heard.audio),
        plots.survival_table(heard.listened),
    ]
    bundles = [{"application/vnd.plotly.v1+json": drawn(name)} for name in FIGURES]
    bundles += [{"text/html": page.data} for page in pages]
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    for k, bundle in enumerate(bundles, 1):
        output = nbformat.v4.new_output("display_data", data=bundle)
        notebook.cells.append(nbformat.v4.new_code_cell("pass", execution_count=k, outputs=[output]))
    return notebook, [page.data for page in pages]


def test_an_untrusted_notebook_shows_every_picture_and_player_offline(chromium, lab, heard, drawn, tmp_path):
    address, folder = lab
    notebook, pages = executed(heard, drawn)
    nbformat.write(notebook, folder / "executed.ipynb")
    page, asked = chromium.new_page(viewport={"width": 1200, "height": 1400}), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/lab/tree/executed.ipynb?token={TOKEN}&reset")
    shown = "window.jupyterapp?.shell?.currentWidget?.content"
    page.wait_for_function(f"{shown}?.model?.cells?.length === {len(notebook.cells)}", timeout=90_000)
    assert page.evaluate(f"[...{shown}.model.cells].some(cell => cell.trusted)") is False
    for k in range(len(notebook.cells)):
        page.evaluate(f"k => {{ {shown}.scrollToItem(k, 'start'); }}", k)
        cell = page.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{k}"]')
        if k < len(FIGURES):
            cell.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=30_000)
            cell.screenshot(path=screenshots(tmp_path) / f"{list(FIGURES)[k]}-lab.png")
            continue
        html = pages[k - len(FIGURES)]
        cell.locator("audio, table").first.wait_for(timeout=30_000)
        ready = "all => all.filter(one => one.src.startsWith('data:audio/mpeg') && one.duration > 0.5).length"
        for _ in range(20):
            if cell.locator("audio").evaluate_all(ready) == html.count("<audio"):
                break
            page.wait_for_timeout(250)
        assert cell.locator("audio").evaluate_all(ready) == html.count("<audio")
        assert cell.locator("tr").count() == html.count("<tr")
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    page.close()
