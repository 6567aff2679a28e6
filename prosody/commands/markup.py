"""The command about markup: marked text as SSML and what other engines take, and SSML as marked text."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody import files
from prosody.commands import print_json, tell
from prosody.commands.text import is_file, marked_text
from prosody.errors import ProsodyError, one_line

if TYPE_CHECKING:
    from prosody.markers import MarkedText
    from prosody.voice.markup import Compiled, Target


def markup(arguments: Namespace) -> None:
    """Write marked text in a target's markup, read SSML, or show what the targets can do."""
    from prosody import markers
    from prosody.voice.markup import compile_markup, get, targets

    if arguments.capabilities:
        chosen = [get(arguments.to)] if arguments.to else list(targets().values())
        _show_capabilities(chosen, as_json=arguments.json)
        return
    if arguments.to is None and arguments.source is None:
        raise ProsodyError(None, "--to", "there is no target", f"name one: {', '.join(targets())}")
    if arguments.out is not None:
        files.check_new(arguments.out, overwrite=arguments.overwrite)
    marked, notes = _given(arguments)
    lines = notes
    if arguments.to is None:
        text, told = markers.render(marked), {"text": markers.render(marked), "notes": notes}
    else:
        compiled = compile_markup(marked, arguments.to, lang=arguments.lang, voice=arguments.voice)
        lines = [*notes, *_report(compiled, markers.tokens(marked), every=arguments.report)]
        report = [dataclasses.asdict(departure) for departure in compiled.report]
        text, told = compiled.text, {"target": compiled.target, "markup": compiled.text, "report": report}
        told |= {"notes": notes} if arguments.source else {}
    if arguments.out is not None:
        files.write_text(arguments.out, f"{text}\n", overwrite=arguments.overwrite)
    for line in lines:
        tell(one_line(line))
    if arguments.json:
        print_json(told)
    elif arguments.out is None:
        print(text)


def _given(arguments: Namespace) -> tuple[MarkedText, list[str]]:
    """The text of the command line, and what could not be read of it. Raises ProsodyError if there are no words."""
    text = arguments.text
    if text is None:
        raise ProsodyError(None, "text", "there is none", "give it, the name of a file, or - for stdin")
    notes: list[str] = []
    if arguments.source is None:
        marked = marked_text(text)
    else:
        from prosody.voice.markup import read_ssml

        xml, name = _xml(text)
        read = read_ssml(xml, path=name)
        marked, notes = read.marked, list(read.notes)
    if not marked.words:
        raise ProsodyError(None, "text", "there are no words in it", "give the words to write")
    return marked, notes


def _xml(text: str) -> tuple[str | bytes, str | Path]:
    """XML as it was given, and what to call it in errors. Files stay bytes: the XML tells their encoding."""
    if text == "-":
        buffer = getattr(sys.stdin, "buffer", None)
        return (buffer or sys.stdin).read(), "stdin"
    if is_file(text):
        return files.read_bytes(text), Path(text)
    if Path(text).suffix.lower() in (".xml", ".ssml") and "<" not in text:
        raise ProsodyError(text, None, "not found", "check the name")
    return text, "text"


def _report(compiled: Compiled, written: Iterable[str], *, every: bool) -> Iterator[str]:
    """What the target did not honour: a line for each marker, or for each place with the statements behind it."""
    from prosody.voice.markup import get

    target, total = get(compiled.target), len(list(written))
    departed = [departure for departure in compiled.report if departure.marker]
    honoured = f"{total - len(departed)} of {total} markers honoured" if total else "no markers in it"
    if not compiled.report:
        yield f"{target.title}: {honoured}"
        return
    yield f"{target.title}: {honoured}" + ("" if every else "; --report tells where and why")
    grouped: dict[tuple[str, str, str], int] = {}
    for departure in compiled.report:
        if every:
            yield f"{departure.place}: {departure.marker or 'characters'} {departure.support}: {departure.done}"
        else:
            key = (departure.marker or "characters", departure.support, departure.done)
            grouped[key] = grouped.get(key, 0) + 1
    for (marker, support, done), n in grouped.items():
        yield f"{marker} {support}, {n} ×: {done}"
    if every:
        stated = [target.capabilities[departure.marker] for departure in departed]
        for statement, source in dict.fromkeys((c.statement, c.source) for c in stated):
            yield f"stated: {statement} {source}".rstrip()
        if target.note:
            yield f"note: {target.note}"


def _show_capabilities(chosen: Iterable[Target], *, as_json: bool) -> None:
    from prosody.voice.markup import figures

    if as_json:
        print_json([_as_json(target) for target in chosen])
        return
    for target in chosen:
        print(f"{target.name}: {target.title}")
        if target.note:
            print(textwrap.fill(target.note, 110, initial_indent="  ", subsequent_indent="  "))
        stated: dict[tuple[str, str], list[str]] = {}
        for token, capability in target.capabilities.items():
            written = capability.written.format_map(figures()) or "nothing"
            limit = f": {capability.limit}" if capability.limit else ""
            print(f"  {token:16} {capability.support:13} {written}{limit}")
            stated.setdefault((capability.statement, capability.source), []).append(token)
        for (statement, source), tokens in stated.items():
            told = f"{' '.join(tokens)}: {statement} {source}".rstrip()
            print(textwrap.fill(told, 110, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))
        print()


def _as_json(target: Target) -> dict[str, Any]:
    from prosody.voice.markup import figures

    table = {
        token: dataclasses.asdict(capability) | {"written": capability.written.format_map(figures())}
        for token, capability in target.capabilities.items()
    }
    return {"target": target.name, "title": target.title, "note": target.note, "capabilities": table}
