"""Marked text as a target's markup, and what in it had to differ from what the markers say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prosody.errors import ProsodyError
from prosody.markers import MarkedText, MarkedWord
from prosody.voice.markup.targets import APPROXIMATED, CAPITALS, HONOURED, IMPOSSIBLE, Target, get
from prosody.voice.parameters import SpeakParameters

REPLACED = "replaced"  # the support of characters, which are no marker
_EMPH_DB = 4.0  # how much louder; SpeakParameters say it in the built-in voice's own measure of energy
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")  # as XML Schema has it
_ATTRIBUTE = re.compile(r"([\w:-]+)='([^']*)'")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"})
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # XML has no way to write most


@dataclass(frozen=True)
class Departure:
    """One place where the markup is not what the marked text says.

    marker: its token, "" where characters of a word were replaced. support: approximated, impossible or replaced.
    word: number of the word it stands before, from 1; one more than there are words after the last. text: that word,
    "" after the last. line, column: where the word stood in the text, 0 if it was made by code or is none.
    done: what was done instead.
    """

    marker: str
    support: str
    word: int
    text: str
    line: int
    column: int
    done: str

    @property
    def place(self) -> str:
        """Where it is, for people."""
        if not self.text:
            return "after the last word"
        shown = self.text if len(self.text) <= 24 else f"{self.text[:23]}…"
        where = f" (line {self.line}, column {self.column})" if self.line else ""
        return f"word {self.word}, “{shown}”{where}"


@dataclass(frozen=True)
class Compiled:
    """A text in a target's markup. report: every departure from the markers and words, in the order of the text."""

    target: str
    text: str
    report: tuple[Departure, ...]


def compile_markup(
    marked: MarkedText,
    target: str,
    *,
    lang: str = "en-US",
    voice: str | None = None,
    parameters: SpeakParameters | None = None,
) -> Compiled:
    """Marked text in the markup of a target.

    target: a name of `targets()`. lang: language tag of the text, for the markup that carries one. voice: the voice's
    name, for the markup that names one. parameters: how strong a marker is; pauses are the middle of their span, kept
    within what the marker means (0.2 to 0.8 s, and 0.8 s or more). Markers of one word nest in one order: `break`
    before `emphasis` around `prosody`. Nothing in a word becomes markup: it is escaped or, where a target knows no
    escapes, replaced and reported.
    Raises ProsodyError for an unknown target, a language tag that is none, and a voice where the markup names none.
    """
    chosen = get(target)
    values = figures(parameters)
    opening = _opening(chosen, lang, voice)
    pieces: list[str] = []
    report: list[Departure] = []
    for number, word in enumerate(marked.words, 1):
        written, departures = _word(word, number, chosen, values)
        pieces += written
        report += departures
    if marked.final:
        end = MarkedWord("", (marked.final,))
        written, departures = _word(end, len(marked.words) + 1, chosen, values)
        pieces += [piece for piece in written if piece]
        report += departures
    return Compiled(target, opening + " ".join(pieces) + chosen.closing, tuple(report))


def _opening(target: Target, lang: str, voice: str | None) -> str:
    if not _LANGUAGE.fullmatch(lang):
        raise ProsodyError(None, "lang", f"“{lang}” is not a language tag", "give one like en-US")
    if voice is not None and not target.voice:
        what, remedy = f"the markup for {target.title} names no voice", "choose it where you have it spoken"
        raise ProsodyError(None, "voice", what, remedy)
    name = (target.voice if voice is None else voice).strip()
    if target.voice and (not name or _CONTROL.search(name)):
        raise ProsodyError(None, "voice", f"{voice!r} is not the name of a voice", f"give one like {target.voice}")
    return target.opening.replace("'", '"').format(lang=lang, voice=name.translate(_ENTITIES))


def _word(
    word: MarkedWord, number: int, target: Target, values: Mapping[str, str]
) -> tuple[list[str], list[Departure]]:
    """What is written for one word and its markers, and where that departs from them."""
    before: list[str] = []
    around: dict[str, dict[str, str]] = {}
    text, report = _text(word, number, target)
    for token in word.markers:
        capability = target.capabilities[token]
        support, limit, written = capability.support, capability.limit, capability.written.format_map(values)
        if written == CAPITALS:
            text, obstacle = _capitals(text)
            support, limit = (IMPOSSIBLE, obstacle) if obstacle else (support, limit)
        elif written.endswith("/>") or not written.startswith("<"):
            before += [written.replace("'", '"')] if written else []
        else:
            name = written[1:-1].partition(" ")[0]
            around.setdefault(name, {}).update(_ATTRIBUTE.findall(written))
        if support != HONOURED:
            done = _done(support, written.replace("'", '"'), limit)
            report.append(Departure(token, support, number, word.text, word.line, word.column, done))
    if target.is_xml:
        text = text.translate(_ENTITIES)
    for name in sorted(around, reverse=True):  # prosody inside, emphasis outside
        attributes = "".join(f' {key}="{value}"' for key, value in around[name].items())
        text = f"<{name}{attributes}>{text}</{name}>"
    return [*before, text], report


def _done(support: str, written: str, limit: str) -> str:
    if support == APPROXIMATED:
        told = "written in capitals" if written == CAPITALS else f"written as {written}"
    else:
        told = "left out"
    return f"{told}: {limit}" if limit else told


def _text(word: MarkedWord, number: int, target: Target) -> tuple[str, list[Departure]]:
    """The word without what no markup can carry and without what this one would take for its own."""
    text = _CONTROL.sub("", word.text) or ("\ufffd" if word.text else "")
    told = [f"U+{ord(c):04X} left out" for c in dict.fromkeys(_CONTROL.findall(word.text))]
    told += [f"{c} written as {new}" for c, new in target.neutral.items() if c in text]
    text = text.translate(str.maketrans(dict(target.neutral)))
    place = (number, word.text, word.line, word.column)
    return text, [Departure("", REPLACED, *place, "; ".join(told))] if told else []


def _capitals(text: str) -> tuple[str, str]:
    """The word in capitals, or, as it is, with what is in the way."""
    upper = text.upper()
    if upper.lower() != text.lower() or len(upper) != len(text):
        return text, "its letters have no plain capitals"
    if upper == text:
        return text, "it is in capitals already" if text.lower() != text else "it has no capitals"
    return upper, ""


def figures(parameters: SpeakParameters | None = None) -> dict[str, str]:
    """What the names in braces of a capability's `written` stand for.

    parameters: how strong the markers are. Returns name → text with its unit.
    """
    p = parameters or SpeakParameters()
    rise, fall = p.rising_st / 2, p.falling_st / 2
    short = min(max(sum(p.pause_short_s) / 2, 0.2), 0.799)
    values = {
        "pause_short": f"{1000 * short:.0f}ms",
        "pause_long": f"{1000 * max(sum(p.pause_long_s) / 2, 0.8):.0f}ms",
        "rise": f"(0%,{_signed(-rise)}st) (100%,{_signed(rise)}st)",
        "fall": f"(0%,{_signed(fall)}st) (100%,{_signed(-fall)}st)",
        "emph_rate": f"{100 / p.emph_duration:.0f}%",
        "emph_volume": f"{_signed(_EMPH_DB)}dB",
    }
    levels = {"high": p.high_st, "low": p.low_st, "risen": rise, "fallen": -fall}  # a rise's level: half of it
    return values | dict(_level_figures(levels))


def _level_figures(levels: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """A level in semitones, in per cent, and on espeak-ng's scale, where 0, 50, 100 are half, once, twice the pitch."""
    for name, st in levels.items():
        ratio = 2 ** (st / 12)
        yield f"{name}_st", f"{_signed(st)}st"
        yield f"{name}_percent", f"{100 * (ratio - 1):+.0f}%"
        yield f"{name}_scale", f"{max(0, min(99, 50 * ratio if ratio > 1 else 100 * (ratio - 0.5))):.0f}"


def _signed(number: float) -> str:
    return f"{round(number, 2):+g}"
