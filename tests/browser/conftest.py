"""A JupyterLab of its own and a page of a headless Chromium, one of each for a test file; and where pictures go."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

sys.path.append(str(Path(__file__).parent))  # where `lab_page` lies, for the tests too

from lab_page import chromium, jupyterlab


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """The address of a JupyterLab, and the folder of its runs."""
    with jupyterlab(tmp_path_factory.mktemp("lab")) as started:
        yield started


@pytest.fixture(scope="module")
def page(lab) -> Iterator:
    """A page to open it in."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory) -> Path:
    """Where pictures of the screen are kept: the folder that PROSODY_SCREENSHOTS names, or one of pytest's own."""
    folder = Path(os.environ.get("PROSODY_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def quiet(page):
    """No error in the console, and no request that leaves this machine."""
    told, asked = [], []
    on_console = lambda one: told.append(one.text) if one.type == "error" else None  # noqa: E731
    on_error, on_request = (lambda one: told.append(str(one))), (lambda one: asked.append(one.url))
    for name, listener in (("console", on_console), ("pageerror", on_error), ("request", on_request)):
        page.on(name, listener)
    yield
    for name, listener in (("console", on_console), ("pageerror", on_error), ("request", on_request)):
        page.remove_listener(name, listener)
    assert not told
    assert {urlsplit(url).hostname for url in asked if url.startswith("http")} <= {"127.0.0.1", "localhost"}
