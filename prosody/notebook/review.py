"""The review panel in JupyterLab: one segment at a time by eye and ear, with the keyboard alone if one likes.

What is reviewed, and all that can be asked, is `prosody.review.panel`; the page is `review.js`. What it plays and draws
the waveform with is wavesurfer.js, which lies in `vendor`. Sounds go to the page as messages, never into the widget's
state, so that a saved notebook stays small.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget

from prosody.dataset import Segment
from prosody.errors import ProsodyError
from prosody.notebook import review_sheet
from prosody.review.panel import Panel
from prosody.review.sounds import Sounds

if TYPE_CHECKING:
    from IPython.display import HTML

    from prosody.review.panel import Review
    from prosody.speech.measure import Tracks

_HERE = Path(__file__).parent
_ASLEEP = "The review panel needs a running kernel: run this cell. Everything that was reviewed is kept."


def review(of: Review, *, tracks: Tracks | None = None, interactive: bool = True) -> ReviewPanel | HTML:
    """The panel of a review; headless a table of what is most doubtful, which needs neither a browser nor a kernel.

    tracks: f0 of the whole recording, if it is known; otherwise each segment's is followed as it is shown.
    """
    from IPython.display import HTML, display

    if not interactive:
        return review_sheet.queue_table(of.session)
    display(HTML(f'<p class="prosody-asleep">{_ASLEEP}</p>'))
    panel = Panel(of, Sounds(of.data, tracks))
    return ReviewPanel(panel, speaker=of.data.info.get("profile"))


class ReviewPanel(anywidget.AnyWidget):
    """The panel: what the page asks goes to `panel`, what there is to show goes back."""

    _esm = ""
    _css = ""

    def __init__(self, panel: Panel, *, speaker: Mapping[str, Any] | None = None) -> None:
        super().__init__(_esm=_page(), _css=(_HERE / "review.css").read_text(encoding="utf-8"))
        self.panel = panel
        self._speaker = speaker
        panel.on_progress = lambda share: self.send({"kind": "progress", "share": share})
        self.on_msg(self._told)

    def _told(self, _: Any, message: Any, __: Any) -> None:
        """What a page asks: which page, the request's number, what and how, of which segment, with the table of
        agreement or not, and which sounds the page holds.

        It is data from outside: what of it is of another kind counts as not said.
        """
        message = message if isinstance(message, dict) else {}
        what, how, of, has = (message.get(name) for name in ("what", "how", "segment", "has"))
        has = {key for key in has if isinstance(key, str)} if isinstance(has, list) else set()
        how = {name: value for name, value in how.items() if name != "of"} if isinstance(how, dict) else {}
        try:
            self.panel.ask(what if isinstance(what, str) else "", of=of if isinstance(of, str) else None, **how)
        except Exception as error:  # the page must not wait for ever
            self.panel.said, self.panel.wrong = f"This is a bug in the program: {type(error).__name__}: {error}", True
            self._answer(message, has)
            raise
        self._answer(message, has)

    def _answer(self, message: Mapping[str, Any], has: set[str]) -> None:
        """What there is to show now, and then the sound of the segment that comes next."""
        view = review_sheet.sheet(self.panel, agreement=message.get("agreement") is True)
        view |= {"kind": "view", "n": message.get("n"), "page": message.get("page")}
        segment = self.panel.segment
        key, sound, trouble = self._sound(segment, has)
        has |= {key}
        buffers = [sound.pop("wav")] if sound else []
        self.send(view | {"sound_key": "" if trouble else key, "sound": sound, "trouble": trouble}, buffers)
        following = self.panel.following
        if following is not None and not trouble:
            _, ahead, _ = self._sound(self.panel.session.segments[following], has)
            if ahead:
                self.send({"kind": "ahead", "sound": ahead}, [ahead.pop("wav")])

    def _sound(self, segment: Segment, has: set[str]) -> tuple[str, dict[str, Any] | None, str]:
        """A segment's sound: its key, what is sent of it if the page does not hold it yet, why it can't be played."""
        key = f"{segment.start:.6f}-{segment.end:.6f}"
        try:
            if key in has:
                return key, None, ""
            clip = self.panel.sounds.clip(segment.start, segment.end)
        except ProsodyError as error:
            return key, None, str(error)
        f0 = review_sheet.f0_of(clip, self._speaker)
        return key, {"key": key, "f0": f0, "wav": review_sheet.wav(clip.samples, clip.sample_rate)}, ""


def _page() -> str:
    """The page's module: wavesurfer.js, then the time axis and the panel."""
    surfer, axis, panel = (
        (_HERE / name).read_text(encoding="utf-8") for name in ("vendor/wavesurfer.js", "review_axis.js", "review.js")
    )
    body, exported, _ = surfer.rpartition("export{")
    name = surfer[len(body) + len(exported) :].partition(" as default")[0]
    return f"const WaveSurfer = (() => {{ {body}; return {name}; }})();\n{axis}\n{panel}"
