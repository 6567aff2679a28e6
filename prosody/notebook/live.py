"""What moves while a notebook works: progress bars, one updating line, a growing loss curve, and sound to play."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from IPython.display import HTML

    from prosody.lm.board import Board
    from prosody.lm.train import Epoch, Step

_DRAWN_EVERY_S = 2.0  # a live picture
_HEIGHT_PX = 420  # of it, while it is drawn anew


@contextmanager
def bar(title: str, unit: str = "") -> Iterator[Callable[..., None]]:
    """A progress bar with the time left: `with bar("Aligning") as progress: …`.

    It is moved by `progress(done, in all)`, counted in `unit`, or by `progress(share)`, shown in percent.
    """
    if os.environ.get("PROSODY_RUN_DIR"):  # headless: a line of text, since a widget would not be saved as it ended
        from tqdm import tqdm
    else:
        from tqdm.auto import tqdm
    with tqdm(desc=title, unit=f" {unit}" if unit else " %", file=sys.stdout, mininterval=1.0) as shown:

        def progress(done: float, total: int | None = None) -> None:
            done, total = (round(100 * done), 100) if total is None else (done, total)
            if shown.total != total:
                shown.total = total
                shown.refresh()
            shown.update(done - shown.n)

        yield progress
        shown.leave = shown.total is not None  # nothing was to be done: no bar stays


def sentence(text: str, _point: int | None = None) -> None:
    """Show a sentence of an answer as soon as it stands, above a bar that is moving."""
    from tqdm import tqdm

    tqdm.write(f"  {text}", file=sys.stdout)
    sys.stdout.flush()


def one_line(*, interactive: bool) -> Callable[[str], None]:
    """Where lines about progress go: in JupyterLab one display that is updated, headless every line printed."""
    if not interactive:
        return lambda line: print(line, flush=True)
    from IPython.display import Pretty, display

    class Line(Pretty):
        def __repr__(self) -> str:
            return str(self.data)

    handle = display(Line(""), display_id=True)
    return lambda line: handle.update(Line(line))


class LossCurve:
    """The loss curve as it grows, in JupyterLab: `step` and `epoch` take what training tells. Headless, nothing."""

    def __init__(self, *, interactive: bool) -> None:
        self._interactive, self._handle, self._drawn = interactive, None, 0.0
        self._train: list[tuple[int, float]] = []
        self._val: list[tuple[int, float]] = []

    def step(self, step: Step) -> None:
        """One more step; drawn anew every other second, and after the last."""
        self._train.append((step.step, step.loss))
        self._draw(now=step.step == step.n_steps)

    def epoch(self, epoch: Epoch) -> None:
        """The held-out loss after one more epoch."""
        self._val.append((epoch.step, epoch.loss_val))
        self._draw(now=True)

    def _draw(self, *, now: bool) -> None:
        if not self._interactive or not (now or time.monotonic() - self._drawn > _DRAWN_EVERY_S):
            return
        from IPython.display import display

        from prosody.notebook import charts

        self._drawn = time.monotonic()
        shown = {"application/vnd.plotly.v1+json": json.loads(charts.loss_curve(self._train, self._val).to_json())}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:  # JupyterLab's renderer of plotly never draws over a figure: something else must come in between
            self._handle.update({"text/html": f'<div style="height:{_HEIGHT_PX}px"></div>'}, raw=True)
            self._handle.update(shown, raw=True)


class Watched:
    """Where a training's lines, steps and epochs go: to `train`'s three listeners of these names.

    A line is shown and, in JupyterLab, given to `log` (headless the runner logs all that is shown); steps and epochs go
    to TensorBoard's `events` and, in JupyterLab, into a growing loss curve.
    """

    def __init__(self, log: Callable[[str], None], events: Board, *, interactive: bool) -> None:
        self._log, self._events, self._interactive = log, events, interactive
        self._show, self._curve = one_line(interactive=interactive), LossCurve(interactive=interactive)

    def on_line(self, text: str) -> None:
        """One line to read; in JupyterLab those of single steps take each other's place."""
        if not self._interactive or text.startswith("Step "):
            self._show(text)
        else:
            print(text, flush=True)
        if self._interactive:
            self._log(text)

    def on_step(self, step: Step) -> None:
        """One step done."""
        self._events.step(step)
        self._curve.step(step)

    def on_epoch(self, epoch: Epoch) -> None:
        """One epoch measured."""
        self._events.epoch(epoch)
        self._curve.epoch(epoch)


def player(samples: np.ndarray, sample_rate: int, title: str = "") -> HTML:
    """Sound to play in the page, under its title.

    samples [shape=(n,)]: mono, -1..1.
    """
    import html

    from IPython.display import HTML

    label = html.escape(title)
    played = sound(samples, sample_rate, title)
    return HTML(f'<figure style="margin:0"><figcaption>{label}</figcaption>{played}</figure>')


def sound(samples: np.ndarray, sample_rate: int, label: str) -> str:
    """HTML of a sound to play: MP3 inside it, so that it plays offline and in a saved notebook; "" of no samples.

    samples [shape=(n,)]: mono, -1..1. label: told to those who don't see the player.
    """
    import html

    if not len(samples):
        return ""
    source = f"data:audio/mpeg;base64,{base64.b64encode(mp3(samples, sample_rate)).decode('ascii')}"
    return f'<audio controls aria-label="{html.escape(label)}" style="height:32px;width:230px" src="{source}"></audio>'


def mp3(samples: np.ndarray, sample_rate: int) -> bytes:
    """Sound as a small MP3 file. samples [shape=(n,)]: mono, -1..1, at least one."""
    import soundfile

    packed = io.BytesIO()
    soundfile.write(packed, samples, sample_rate, format="MP3", subtype="MPEG_LAYER_III")
    return packed.getvalue()
