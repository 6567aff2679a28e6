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
Taken = dict[str, tuple[str, str]]  # name of the picture → what its cell says, what of its output is taken
PICTURES: tuple[tuple[str, str, str, Taken], ...] = (  # notebook, stage, lines put below its parameters
    ("01_segment", "segment", "", {"threshold": ("threshold_panel(", ".ps-threshold")}),
    (
        "02_prepare",
        "prepare",
        'reviewer = "you"',
        {"segment": ("plots.segment_view(", ".js-plotly-plot"), "review": ("reviews.begin(", ".prosody-review")},
    ),
    (
        "03_train_lora",
        "train",
        "epochs = 2",
        {"rank": ("rank_panel(", ".ps-rank"), "loss": ("plots.loss_curve(", ".js-plotly-plot")},
    ),
    (
        "04_generate",
        "generate",
        ANSWER,
        {"marker": ("hear_marker(", ".ps-hear"), "studio": ("studio(desk", ".prosody-studio")},
    ),
)
SCROLL = """said => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    const at = notebook.widgets.findIndex(cell => cell.model.sharedModel.getSource().includes(said)
        && !cell.model.sharedModel.getSource().includes('import ') && cell.model.type === 'code');
    notebook.activeCellIndex = at;
    return notebook.scrollToItem(at).then(() => at, () => at);
}"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as own, jupyterlab(Path(own)) as lab, chromium() as page:
        page.set_viewport_size({"width": 1400, "height": 1900})
        for notebook, stage, changes, pictures in PICTURES:
            run_all(page, lab, f"{notebook}.ipynb", stage, changes)
            for name, (said, selector) in pictures.items():
                take(page, said, selector, folder / f"{name}.png")
                print(folder / f"{name}.png", flush=True)


def take(page: Any, said: str, selector: str, path: Path) -> None:
    """One picture, once what is in it is drawn: cells far from the view are not before they are reached."""
    at = page.evaluate(SCROLL, said)
    node = page.locator(f'[data-windowed-list-index="{at}"] {selector}').first
    node.wait_for(timeout=60_000)
    node.scroll_into_view_if_needed()
    page.wait_for_timeout(3000)
    node.screenshot(path=path)


if __name__ == "__main__":
    main()
