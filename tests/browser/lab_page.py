"""JupyterLab in a browser, for the tests here: start both, open a notebook, run it, look at its cells.

A missing browser or a missing playwright is a failure, never a skip.
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
from contextlib import contextmanager
from pathlib import Path

from prosody.workflow import record

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "only-for-this-test"
PATIENCE_S = 600
READY = """() => {
    const context = window.jupyterapp?.shell?.currentWidget?.sessionContext;
    return context?.isReady && context.session?.kernel?.status === 'idle';
}"""
CHANGE = """changes => {
    const cells = [...window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells];
    const parameters = cells.find(cell => cell.getMetadata('tags')?.includes('parameters'));
    parameters.setSource(`${parameters.getSource()}\n${changes}`);
}"""


@contextmanager
def jupyterlab(own: Path) -> Iterator[tuple[str, Path]]:
    """`prosody lab` with settings and runs of its own in a folder; gives its address and the folder of runs."""
    settings = {
        "docmanager-extension/plugin": {"autosave": False},  # the clone's notebooks stay as they are
        "apputils-extension/notification": {"fetchNews": "false"},
    }
    for name, values in settings.items():
        path = own / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
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
            wait_for(lambda: answers(f"{address}/api?token={TOKEN}"), 60, own / "lab.log")
            yield address, own / "runs"
        finally:
            process.terminate()
            process.wait(60)
            assert not answers(f"{address}/api?token={TOKEN}")


@contextmanager
def chromium() -> Iterator:
    """A page of a headless Chromium."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    assert program, "this needs Chromium: install it (Debian: `apt install chromium`)"
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*options, "--disable-sync"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(60_000)  # other tests run beside it, and a kernel may have to wait for its turn
        yield page
        browser.close()


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


def run_all(page, lab: tuple[str, Path], notebook: str, stage: str, changes: str = "") -> record.Run:
    """Open a notebook, wait until its kernel is ready, Run All, wait until its run has ended.

    changes: lines put below its parameters, in the page alone.
    """
    address, runs = lab
    open_notebook(page, address, notebook)
    if changes:
        page.evaluate(CHANGE, changes)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    wait_for(lambda: [r for r in record.runs(runs, stage) if r.state != "running"] or failed(page), PATIENCE_S)
    assert not failed(page)
    page.wait_for_function(READY, timeout=90_000)
    return record.runs(runs, stage)[-1]


def failed(page) -> str:
    """The traceback of a cell, if there is one."""
    errors = page.locator('[data-mime-type="application/vnd.jupyter.error"]')
    return errors.first.inner_text() if errors.count() else ""


def restart_kernel(page) -> None:
    """Restart the kernel of the open notebook, and wait until it is ready again."""
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    page.wait_for_function(READY, timeout=60_000)


def barriers(page, panel: str) -> list[str]:
    """What axe-core finds in a part of the page that seriously bars people from it; nothing else is to be there."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context=panel).response
    assert found["passes"], f"nothing was looked at in {panel}"
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]}"
        for one in found["violations"]
        for node in one["nodes"]
        if one["impact"] in ("serious", "critical")
    ]


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
