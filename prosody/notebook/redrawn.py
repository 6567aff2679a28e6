"""A figure that follows a slider: drawn anew without a flicker, and without the five megabytes of a FigureWidget.

JupyterLab's renderer of plotly never draws over a figure. So there are two outputs, one upon the other, and each new
figure goes into the one behind, which then comes to the front: until it is drawn it is clear, and the other is seen
through it.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

if TYPE_CHECKING:
    import plotly.graph_objects as go

_MIME = "application/vnd.plotly.v1+json"
_SAME_PLACE = "1 / 1 / 2 / 2"
_STYLE = """<style>
.ps-redrawn .jp-OutputArea-output { overflow: hidden; padding: 0; }
.ps-panel { border: 1px solid var(--jp-border-color2, #ccc); border-radius: 6px; padding: 8px 12px; max-width: 1100px; }
.ps-redrawn .js-plotly-plot { background: var(--jp-layout-color0, #fff); }
.ps-panel :focus-visible, .ps-panel .noUi-handle:focus {
  outline: 2px solid var(--jp-brand-color1, #1976d2) !important; outline-offset: 2px;
}
.ps-panel .widget-html-content { line-height: 1.5; white-space: normal; color: var(--jp-content-font-color1, #222); }
.ps-panel .ps-told { font-size: 15px; }
.ps-panel table { border-collapse: collapse; font-size: 13px; }
.ps-panel td, .ps-panel th { padding: 2px 12px; text-align: right; }
.ps-panel td:first-child, .ps-panel th:first-child { text-align: left; }
.ps-panel .ps-wrong { color: var(--jp-error-color1, #c62828); font-weight: 600; }
.ps-panel .widget-readout { min-width: 64px; }
.ps-panel.jupyter-widgets-disconnected::before {
  content: "The kernel behind this panel has stopped: run this cell."; font-size: 15px; font-weight: 600; padding: 8px;
  border: 2px solid #d55e00; border-radius: 6px; color: var(--jp-ui-font-color1, #222);
}
.ps-panel.jupyter-widgets-disconnected > * { opacity: 0.4; }
</style>"""


# noUiSlider's handles have a role but no name: it is told to those who don't see the label beside them
_NAME_HANDLES = """<script>(() => {
    let tries = 40;
    const again = setInterval(() => {
        document.querySelectorAll('.ps-panel .widget-slider').forEach(slider => {
            const name = slider.querySelector('.widget-label')?.textContent;
            slider.querySelectorAll('.noUi-handle').forEach(handle => handle.setAttribute('aria-label', name));
        });
        if (--tries === 0) clearInterval(again);
    }, 250);
})()</script>"""


class Picture(widgets.GridBox):
    """A place for a figure of one height. `figure`: the one that is shown."""

    def __init__(self, figure: go.Figure) -> None:
        self._pair = [widgets.Output(layout=widgets.Layout(grid_area=_SAME_PLACE, min_width="0")) for _ in range(2)]
        height = f"{int(figure.layout.height) + 4}px"
        layout = widgets.Layout(grid_template_columns="100%", width="100%", height=height, overflow="hidden")
        super().__init__(self._pair, layout=layout)
        self.add_class("ps-redrawn")
        self.show(figure)

    def show(self, figure: go.Figure) -> None:
        """Draw this figure in place of the last one."""
        self.figure = figure
        front, behind = self._pair
        shown = {_MIME: json.loads(figure.to_json())}
        behind.outputs = ({"output_type": "display_data", "data": shown, "metadata": {}},)
        behind.layout.order, front.layout.order = "1", "0"  # what comes later lies above
        self._pair = [behind, front]


def panel(*rows: widgets.Widget, name: str) -> widgets.VBox:
    """Rows in the house's frame. name: of its class in the page, such as `ps-rank`."""
    hidden = widgets.Layout(height="0", margin="0", overflow="hidden")
    script = {"output_type": "display_data", "data": {"text/html": _NAME_HANDLES}, "metadata": {}}
    page = [widgets.HTML(_STYLE, layout=hidden), widgets.Output(outputs=(script,), layout=hidden)]
    framed = widgets.VBox([*page, *rows])
    framed.add_class("ps-panel")
    framed.add_class(name)
    return framed


def row(*children: widgets.Widget) -> widgets.HBox:
    """Widgets beside one another, on several lines where there is no room."""
    return widgets.HBox(list(children), layout=widgets.Layout(flex_flow="row wrap", align_items="center"))


def named(name: str, width: str) -> dict[str, Any]:
    """A control's name, as wide as it is, and the control's width."""
    layout = widgets.Layout(width=width, margin="2px 18px 2px 2px")
    return {"description": name, "style": {"description_width": "initial"}, "layout": layout}


def table_html(head: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """A small table: the rows' names to the left. All of it is text."""
    cells = [f"<th scope='col'>{html.escape(one)}</th>" for one in head]
    body = [
        f"<tr><th scope='row'>{html.escape(name)}</th>{''.join(f'<td>{html.escape(one)}</td>' for one in values)}</tr>"
        for name, values in rows.items()
    ]
    return f"<table><thead><tr>{''.join(cells)}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def signed(value: float | None, unit: str, places: int = 1) -> str:
    """A number with its sign and unit, or a dash where there is none."""
    return "–" if value is None else f"{value:+.{places}f} {unit}".replace("-", "−")
