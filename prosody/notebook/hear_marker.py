"""The panel in which a marker is put before a word and heard: see `prosody.notebook.contrast` for the work."""

from __future__ import annotations

import html

import ipywidgets as widgets
import plotly.graph_objects as go

from prosody.errors import ProsodyError
from prosody.markers import BY_TOKEN, TOKENS
from prosody.notebook import contrast, live, redrawn
from prosody.notebook.contrast import Contrast

SENTENCE = "I never said that you took the money."


def hear_marker(
    sentence: str = SENTENCE, *, word: int = 2, token: str = "<emph>", interactive: bool = True
) -> widgets.Widget | go.Figure:
    """Choose a word and a marker, hear the sentence with and without it, see both pitch curves; headless one figure.

    word: its number, from 0. token: the marker. Raises ProsodyError as `contrast.contrast` does.
    """
    shown = contrast.contrast(sentence, word, token)
    return HearMarker(sentence, shown) if interactive else contrast.contrast_figure(shown)


class HearMarker(widgets.VBox):
    """The panel: `sentence`, the slider `word`, the buttons `marker`, `sounds`, the `picture`, `told` in numbers."""

    def __init__(self, sentence: str, shown: Contrast) -> None:
        self.shown = shown
        self.sentence = widgets.Text(value=sentence, continuous_update=False, **redrawn.named("sentence", "640px"))
        self.word = widgets.SelectionSlider(
            options=_numbered(contrast.words_of(sentence)), value=shown.word, **redrawn.named("word", "520px")
        )
        self.marker = widgets.ToggleButtons(
            options=[(token, token) for token in TOKENS], value=shown.token, description="marker",
            tooltips=[BY_TOKEN[token].meaning for token in TOKENS], style={"button_width": "auto"},
        )  # fmt: skip
        self.marker.style.description_width = "initial"
        self.status, self.sounds, self.told = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.picture = redrawn.Picture(contrast.contrast_figure(shown))
        self.sentence.observe(lambda _: self._new_sentence(), "value")
        for control in (self.word, self.marker):
            control.observe(lambda _: self._follow(), "value")
        self._show()
        rows = [self.sentence, self.word, self.marker, self.status, self.sounds, self.picture, self.told]
        super().__init__([redrawn.panel(*rows, name="ps-hear")])

    def _new_sentence(self) -> None:
        try:
            words = contrast.words_of(self.sentence.value)
        except ProsodyError as error:
            self._say(str(error), wrong=True)
            return
        at = min(self.word.index, len(words) - 1)
        with self.word.hold_trait_notifications():
            self.word.options = _numbered(words)
            self.word.value = at
        self._follow()

    def _follow(self) -> None:
        """Speak and draw anew; a mistake is one line, and what is shown stays."""
        self._say("Speaking…")
        try:
            self.shown = contrast.contrast(self.sentence.value, self.word.value, self.marker.value)
        except ProsodyError as error:
            self._say(str(error), wrong=True)
            return
        self.picture.show(contrast.contrast_figure(self.shown))
        self._show()

    def _show(self) -> None:
        players = [
            f"<figure style='margin:0 18px 0 0'><figcaption>{html.escape(name)}</figcaption>"
            f"{live.sound(samples, rate, f'the sentence {name}')}</figure>"
            for name, (samples, rate) in contrast.sounds(self.shown).items()
        ]
        self.sounds.value = f"<div style='display:flex;flex-wrap:wrap'>{''.join(players)}</div>"
        self.told.value = contrast.told(self.shown)
        notes = " ".join(self.shown.marked.spoken.notes)
        self._say(f"{self.shown.token}: {BY_TOKEN[self.shown.token].meaning}. {notes}")

    def _say(self, line: str, *, wrong: bool = False) -> None:
        kind, sign = ("ps-wrong", "⚠ ") if wrong else ("ps-calm", "")
        self.status.value = f"<span class='{kind}' role='status'>{sign}{html.escape(line)}</span>"


def _numbered(words: tuple[str, ...]) -> list[tuple[str, int]]:
    return [(word, number) for number, word in enumerate(words)]
