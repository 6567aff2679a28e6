"""The studio: a panel in JupyterLab to ask, to hear and to change spoken answers, by mouse or by keyboard alone.

All that it does is a desk's doing (`Desk`, which `prosody.workflow.desk` fills); here are the widgets. What widgets
can't do, keys within the text and the word that lights up as it is spoken, is `studio.js`, which comes with the panel.
"""

from __future__ import annotations

import html
import json
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import ipywidgets as widgets

from prosody.errors import ProsodyError
from prosody.markers import TOKENS, MarkedText
from prosody.notebook import live, sheet
from prosody.notebook.survival import survival_table

if TYPE_CHECKING:
    from IPython.display import HTML

    from prosody.voice.speak import Spoken

_EXPORTS = {"wav": "WAV", "text": "Marked text", "ssml": "SSML", "textgrid": "TextGrid"}
_OWN = "… or words of your own, with markers where you want them: nothing is composed then"
_VOICES = {"hibari": "built-in (hibari)", "espeak": "espeak-ng"}
_KEYS = (
    ("Enter", "in the question composes"),
    ("Tab", "goes on to the text"),
    ("← → ↑ ↓", "move among the slots"),
    ("1–7", "set a marker or take it out"),
    ("0", "removes"),
    ("Enter", "shows the seven"),
    ("Z", "undoes"),
    ("Space", "plays"),
    ("A", "with or without markers"),
)


class Sheet(Protocol):
    """An answer on a desk; what each of these is, `prosody.workflow.sheet.Sheet` tells."""

    name: str
    question: str
    points: tuple[tuple[str, bool], ...]
    text: MarkedText
    probabilities: Sequence[Mapping[str, float]]
    by_hand: Collection[int]
    asked: Mapping[str, Any]
    spoken: Spoken | None
    plain: Spoken | None
    heard: Mapping[str, Any] | None


class Desk(Protocol):
    """What the studio asks of a desk. Each action may raise ProsodyError, which is shown as one line."""

    folder: Path
    history: Sequence[Sheet]
    current: Sheet | None
    at: int
    engines: Sequence[str]

    def compose(self, question: str, points: Sequence[str], **how: Any) -> Any: ...
    def mark_own(self, text: str, *, question: str, points: Sequence[str], expressiveness: float) -> Any: ...
    def mark_again(self, expressiveness: float) -> Any: ...
    def toggle(self, slot: int, token: str) -> Any: ...
    def set_slot(self, slot: int, tokens: Iterable[str]) -> Any: ...
    def undo(self) -> Any: ...
    def speak(self, engine: str, *, contour: bool) -> Any: ...
    def listen(self) -> Any: ...
    def export(self, kind: str, name: str) -> Path: ...
    def back(self, number: int) -> Any: ...


def studio(desk: Desk, *, interactive: bool = True) -> Studio | HTML:
    """The panel of a desk; headless its answers as coloured text, which needs neither a browser nor a kernel."""
    if interactive:
        return Studio(desk)
    from IPython.display import HTML

    return HTML(sheet.sheets_html(desk.history))


class Studio(widgets.VBox):
    """The panel: `question`, `points`, the controls, `buttons` by name, `answer`, `audio`, `survival`, `past`."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._seen, self._packed = desk, 0, {}
        self._form()
        self._sheet()
        self._end()
        own = f"ps-{secrets.token_hex(4)}"
        super().__init__([*self._top, *self._middle, *self._bottom, self.wire, _script(own)])
        for name in (own, "prosody-studio"):
            self.add_class(name)
        if desk.current is not None:
            self._fill_form()
        self._show()

    # the widgets

    def _form(self) -> None:
        """What is asked, how, and the buttons."""
        wide = widgets.Layout(width="100%")
        self.question = _classed(widgets.Text(placeholder="Ask a question", layout=wide), "ps-question")
        self.question.on_msg(lambda _, content, __: self._compose() if content.get("event") == "submit" else None)
        self.points = _classed(widgets.VBox(), "ps-points")
        more = widgets.Button(description="Add a point", icon="plus")
        more.on_click(lambda _: self.add_point(focus=True))
        voices = [(_VOICES.get(name, name), name) for name in self._desk.engines]
        self.voice = widgets.Dropdown(options=voices, **_named("voice", "230px"))
        told = "between markers, follow the pitch and loudness that the adapter expects of the speaker"
        self.contour = widgets.Checkbox(value=False, indent=False, tooltip=told, **_named("expected contour", "170px"))
        self.length = widgets.IntSlider(value=70, min=10, max=300, step=10, **_named("words", "230px"))
        self.seed = widgets.BoundedIntText(value=0, max=2**53, **_named("seed", "130px"))
        how_much = {"value": 1.0, "min": 0, "max": 2, "step": 0.25}
        self.expressiveness = widgets.FloatSlider(**how_much, **_named("expressiveness", "290px"))
        self.own = _classed(widgets.Textarea(placeholder=_OWN, rows=2, layout=wide), "ps-own")
        self.buttons: dict[str, widgets.Button] = {
            "compose": self._button("Compose", "pencil", self._compose, "primary"),
            "own": self._button("Mark my words", "quote-left", self._mark_own),
            "mark": self._button("Mark again", "tags", self._mark_again),
            "speak": self._button("Speak", "volume-up", self._speak),
            "ab": _classed(self._button("A-B plain", "exchange", self._exchange), "ps-ab"),
            "undo": self._button("Undo", "undo", self._undo),
        }
        self.status = _classed(widgets.HTML(), "ps-status")
        controls = _row(self.voice, self.contour, self.length, self.seed, self.expressiveness)
        self._top = [self.question, self.points, more, self.own, controls, _row(*self.buttons.values()), self.status]
        self.add_point()

    def _sheet(self) -> None:
        """The answer, its sound, and which markers are heard in it."""
        self.answer = _classed(widgets.HTML(tabbable=True), "ps-answer")
        palette = _classed(widgets.HTML(sheet.palette_html()), "ps-palette")
        self.taken_up = widgets.HTML()
        where = widgets.HTML('<span class="ps-where-told"></span>')
        silent = {"value": b"", "format": "mp3", "autoplay": False, "loop": False}
        self.audio = {name: _classed(widgets.Audio(**silent), f"ps-audio-{name}") for name in ("marked", "plain")}
        self._which = widgets.HTML('<span class="ps-which"></span>')
        self.player = _classed(widgets.HBox(), "ps-player")
        keys = " · ".join(f"<kbd>{name}</kbd> {html.escape(what)}" for name, what in _KEYS)
        self.survival = widgets.HTML()
        self._middle = [
            _classed(widgets.VBox([self.answer, palette]), "ps-sheet"),
            _classed(where, "ps-where"),
            self.taken_up,
            self.player,
            _classed(widgets.HTML(keys), "ps-help"),
            self.survival,
        ]

    def _end(self) -> None:
        """Exports, the answers so far, and the field through which the page tells what was done in it."""
        self.name = widgets.Text(placeholder="name of the file (the answer's)", layout=widgets.Layout(width="260px"))
        for kind, told in _EXPORTS.items():
            self.buttons[kind] = self._button(told, "download", lambda kind=kind: self._export(kind))
        self.written = widgets.HTML()
        self.past = _classed(widgets.VBox(), "ps-history")
        self.wire = _classed(widgets.Text(tabbable=False), "ps-wire")
        self.wire.observe(lambda change: self._told(change["new"]), "value")
        exports = _row(*(self.buttons[kind] for kind in _EXPORTS), self.name)
        self._bottom = [_heading("Export"), exports, self.written, _heading("Answers so far"), self.past]

    def _button(self, name: str, icon: str, act: Callable[[], None], style: str = "") -> widgets.Button:
        button = widgets.Button(description=name, icon=icon, button_style=style, layout=widgets.Layout(width="auto"))
        button.on_click(lambda _: act())
        return button

    def add_point(self, text: str = "", *, focus: bool = False) -> widgets.Text:
        """One more field for a point, with a button that takes it away; Enter in it adds the next."""
        field = widgets.Text(value=text, placeholder="a talking point", layout=widgets.Layout(width="100%"))
        away = widgets.Button(icon="times", tooltip="remove this point", layout=widgets.Layout(width="36px"))
        row = widgets.HBox([field, away])

        def remove(_: Any) -> None:
            self.points.children = [other for other in self.points.children if other is not row]

        away.on_click(remove)
        field.on_msg(lambda _, content, __: self.add_point(focus=True) if content.get("event") == "submit" else None)
        self.points.children = [*self.points.children, row]
        if focus:
            field.focus()
        return field

    # what people do

    def _told(self, raw: str) -> None:
        """What was done in the page, the latest of it: [[number, what, …], …]. Each is done once."""
        for number, what, *rest in json.loads(raw or "[]"):
            if number <= self._seen:
                continue
            self._seen = number
            if what == "mark":
                self._change(lambda slot=rest[0], k=rest[1]: self._desk.toggle(slot, TOKENS[k - 1]))
            elif what == "clear":
                self._change(lambda slot=rest[0]: self._desk.set_slot(slot, ()))
            elif what == "undo":
                self._undo()
            elif what == "speak":
                self._speak()

    def _compose(self) -> None:
        said: list[str] = []

        def on_sentence(sentence: str, _point: int | None) -> None:
            said.append(sentence)
            self.answer.value = sheet.coming_html(said)

        how = {"max_words": self.length.value, "seed": self.seed.value, "expressiveness": self.expressiveness.value}
        with self._at_work("Composing… JupyterLab's ■ stops it.", "Composed and marked."):
            self._desk.compose(self.question.value, self._points(), **how, on_sentence=on_sentence)

    def _points(self) -> list[str]:
        """The points that are asked for; an empty field is none."""
        given = [row.children[0].value for row in self.points.children]
        return [point for point in given if point.strip()]

    def _mark_own(self) -> None:
        how = {"question": self.question.value, "points": self._points(), "expressiveness": self.expressiveness.value}
        with self._at_work("Marking…", "Your words are marked; the markers among them are as you set them."):
            self._desk.mark_own(self.own.value, **how)

    def _mark_again(self) -> None:
        with self._at_work("Marking…", "Marked again; what you set by hand is as it was."):
            self._desk.mark_again(self.expressiveness.value)

    def _change(self, act: Callable[[], Any]) -> None:
        n = len(self._desk.history)
        with self._at_work("", ""):
            act()
            if len(self._desk.history) > n:
                self._say("What was spoken stays among the answers so far; this is a new one.")

    def _undo(self) -> None:
        with self._at_work("", "Undone."):
            self._desk.undo()

    def _speak(self) -> None:
        with self._at_work("Speaking…", ""):
            self._desk.speak(self.voice.value, contour=self.contour.value)
            self._show()
            self._say("Spoken: Space plays it. Listening back…")
            self._desk.listen()
            now = self._desk.current
            told = [f"Spoken and heard: {now.name}.wav in {self._desk.folder}", *now.spoken.notes]
            self._say("; ".join(told))

    def _exchange(self) -> None:
        """Which render is played is the page's matter; here it is only told what is missing."""
        if self._desk.current is None or self._desk.current.spoken is None:
            self._say("There is nothing to compare yet: speak the answer first.")

    def _export(self, kind: str) -> None:
        with self._at_work("", ""):
            path = self._desk.export(kind, self.name.value.strip())
            self.written.value = f"Written: <code>{html.escape(str(path))}</code>"

    def _back(self, number: int) -> None:
        with self._at_work("", ""):
            self._desk.back(number)
            self._fill_form()

    # what is shown

    @contextmanager
    def _at_work(self, before: str, after: str) -> Iterator[None]:
        """A mistake is one line, and the answer is what the desk says it is. Buttons pale, but keep their focus."""
        if before:
            self.add_class("ps-busy")
        self._say(before)
        try:
            yield
            if after:
                self._say(after)
        except ProsodyError as error:
            self._say(str(error), wrong=True)
        except KeyboardInterrupt:
            self._say("Stopped.", wrong=True)
        except Exception as error:
            self._say(f"This is a bug in the program: {type(error).__name__}: {error}", wrong=True)
            raise
        finally:
            self.remove_class("ps-busy")
            self._show()

    def _say(self, line: str, *, wrong: bool = False) -> None:
        kind, sign = ("ps-error", "⚠ ") if wrong else ("ps-calm", "")
        self.status.value = f'<span class="{kind}">{sign}{html.escape(line)}</span>' if line else ""

    def _show(self) -> None:
        """All that depends on the desk."""
        now = self._desk.current
        if now is None:
            self.answer.value = '<div class="ps-text ps-coming">The answer will stand here.</div>'
        else:
            spoken, plain = (sound.words if sound is not None else () for sound in (now.spoken, now.plain))
            more = {"by_hand": now.by_hand, "probabilities": now.probabilities}
            self.answer.value = sheet.sheet_html(now.text, **more, times=spoken, plain_times=plain)
        self.taken_up.value = sheet.points_html(now.points) if now else ""
        self._show_sounds({"marked": now and now.spoken, "plain": now and now.plain})
        self.survival.value = survival_table(now.heard).data if now and now.heard else ""
        self._show_history()

    def _show_sounds(self, sounds: Mapping[str, Spoken | None]) -> None:
        """Players of those there are; an empty one would be an error in the page."""
        there = []
        for name, sound in sounds.items():
            if sound is not None:
                key = f"{self._desk.current.name} {name}"
                if key not in self._packed:
                    self._packed[key] = live.mp3(sound.samples, sound.sample_rate)
                self.audio[name].value = self._packed[key]
                there.append(self.audio[name])
        if there:
            there.append(self._which)
        if list(self.player.children) != there:
            self.player.children = there

    def _show_history(self) -> None:
        """A button for each answer; those there are stay, so that the focus does."""
        history, buttons = self._desk.history, list(self.past.children[: len(self._desk.history)])
        for number in range(len(buttons), len(history)):
            button = widgets.Button(layout=widgets.Layout(width="100%"))
            button.on_click(lambda _, number=number: self._back(number))
            buttons.append(button)
        for number, (button, one) in enumerate(zip(buttons, history, strict=True)):
            button.description = f"{'▸' if number == self._desk.at else ' '} {sheet.title(one, number + 1)}"
            (button.add_class if number == self._desk.at else button.remove_class)("ps-current")
        if len(buttons) != len(self.past.children):
            self.past.children = buttons

    def _fill_form(self) -> None:
        """The inputs of the answer that lies on top, to go on from."""
        now = self._desk.current
        self.question.value = now.question
        self.points.children = []
        for point, _ in now.points or (("", False),):
            self.add_point(point)
        fields = {"seed": self.seed, "max_words": self.length, "expressiveness": self.expressiveness}
        for key, field in fields.items():
            if now.asked.get(key) is not None:
                field.value = now.asked[key]
        if now.asked.get("engine") in self._desk.engines:
            self.voice.value = now.asked["engine"]
            self.contour.value = bool(now.asked.get("contour"))
        marked_already = {one.asked.get("given") for one in self._desk.history}
        if now.asked.get("given") or self.own.value in marked_already:  # else it is still to be marked
            self.own.value = now.asked.get("given") or ""


def _script(own: str) -> widgets.Output:
    """The panel's style and script, for the class name `own`, as an output that the page runs."""
    here = Path(__file__)
    style, script = (here.with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".css", ".js"))
    page = f"<style>{style}</style><script>{script}</script>".replace("STUDIO", own)
    shown = {"output_type": "display_data", "data": {"text/html": page}, "metadata": {}}
    return _classed(widgets.Output(outputs=(shown,)), "ps-script")


def _classed(widget: widgets.DOMWidget, name: str) -> Any:
    widget.add_class(name)
    return widget


def _named(name: str, width: str) -> dict[str, Any]:
    """A control's name, as wide as it is."""
    layout = widgets.Layout(width=width, margin="2px")
    return {"description": name, "style": {"description_width": "initial"}, "layout": layout}


def _row(*children: widgets.Widget) -> widgets.HBox:
    return _classed(widgets.HBox(list(children)), "ps-row")


def _heading(text: str) -> widgets.HTML:
    return _classed(widgets.HTML(html.escape(text)), "ps-heading")
