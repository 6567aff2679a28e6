"""JupyterLab in a browser, for the tests here: open a notebook, run it, look at its cells."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path

from prosody.workflow import record

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "only-for-this-test"
PATIENCE_S = 600
READY = """() => {
    const context = window.jupyterapp?.shell?.currentWidget?.sessionContext;
    return context?.isReady && context.session?.kernel?.status === 'idle';
}"""


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def wait_for(happened, seconds: float, log: Path | None = None) -> None:
    limit = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < limit, log.read_text()[-3000:] if log else "waited too long"
        time.sleep(0.5)


def open_notebook(page, address: str, notebook: str) -> None:
    """Open a notebook and wait until its kernel is ready."""
    page.goto(f"{address}/lab/tree/notebooks/{notebook}?token={TOKEN}&reset")
    page.wait_for_function(READY, timeout=90_000)


def run_all(page, lab: tuple[str, Path], notebook: str, stage: str) -> record.Run:
    """Open a notebook, wait until its kernel is ready, Run All, wait until its run has ended."""
    address, runs = lab
    open_notebook(page, address, notebook)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    wait_for(lambda: [r for r in record.runs(runs, stage) if r.state != "running"] or failed(page), PATIENCE_S)
    assert not failed(page)
    page.wait_for_function(READY, timeout=90_000)
    return record.runs(runs, stage)[-1]


def failed(page) -> str:
    """The traceback of a cell, if there is one."""
    errors = page.locator('[data-mime-type="application/vnd.jupyter.error"]')
    return errors.first.inner_text() if errors.count() else ""


def code_cells(page) -> list[dict]:
    text = page.evaluate("() => JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.toJSON().cells)")
    return [cell for cell in json.loads(text) if cell["cell_type"] == "code"]


def run_code(page, code: str) -> None:
    """Run code in a new cell of the open notebook."""
    run = """code => {
        const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
        app.commands.execute('notebook:insert-cell-below').then(() => {
            notebook.activeCell.model.sharedModel.setSource(code);
            app.commands.execute('notebook:run-cell');
        });
    }"""
    page.evaluate(run, code)
