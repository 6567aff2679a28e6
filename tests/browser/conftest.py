"""A JupyterLab of its own and a page of a headless Chromium, one of each for a test file.

A missing browser or a missing playwright is a failure here, never a skip.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # where `lab_page` lies, for the tests too

from lab_page import ROOT, TOKEN, answers, wait_for


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """`prosody lab` with settings and runs of its own; gives its address and the folder of runs."""
    own = tmp_path_factory.mktemp("lab")
    settings = own / "settings" / "@jupyterlab" / "docmanager-extension"
    settings.mkdir(parents=True)
    # the clone's notebooks stay as they are
    (settings / "plugin.jupyterlab-settings").write_text('{"autosave": false}')
    notices = settings.parent / "apputils-extension"
    notices.mkdir()
    (notices / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')  # else it asks, over the page
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
