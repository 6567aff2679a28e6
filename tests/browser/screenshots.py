"""The pictures of the guides, taken from the real thing: the four notebooks run in JupyterLab from the top.

    .venv/bin/python tests/browser/screenshots.py docs

Takes about ten minutes on two cores. 03 learns for two epochs only; all else is as it comes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

from lab_page import chromium, jupyterlab, run_all

ANSWER = 'question = "What would you tell a beginner?"\npoints = ["start with a cheap clock", "make mistakes"]'
PICTURES = (  # notebook, stage, lines put below its parameters, name of the picture → what is taken
    ("01_segment", "segment", "", {"threshold": ".ps-threshold"}),
    ("02_prepare", "prepare", 'reviewer = "you"', {"segment": ".js-plotly-plot >> nth=2", "review": ".prosody-review"}),
    ("03_train_lora", "train", "epochs = 2", {"rank": ".ps-rank", "loss": ".js-plotly-plot >> nth=-1"}),
    ("04_generate", "generate", ANSWER, {"marker": ".ps-hear", "studio": ".prosody-studio"}),
)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as own, jupyterlab(Path(own)) as lab, chromium() as page:
        page.set_viewport_size({"width": 1400, "height": 1400})
        for notebook, stage, changes, pictures in PICTURES:
            run_all(page, lab, f"{notebook}.ipynb", stage, changes)
            for name, selector in pictures.items():
                take(page, selector, folder / f"{name}.png")
                print(folder / f"{name}.png", flush=True)


def take(page: Any, selector: str, path: Path) -> None:
    """One picture, once what is in it is drawn."""
    # cells far from the view are not drawn until they are reached
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:select-last-cell')")
    node = page.locator(selector)
    for _ in range(60):
        if node.count() and node.is_visible():
            break
        page.keyboard.press("PageUp")
        page.wait_for_timeout(300)
    node.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    node.screenshot(path=path)


if __name__ == "__main__":
    main()
