"""What a run is opened for: the answers to hear, a few segments, or how well the training went."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError, one_line
from prosody.files import read_json
from prosody.report.cells import Figures
from prosody.report.tables import beside, escaped, shown, table, words
from prosody.workflow.contents import Contents, inside

_MOST_ANSWERS = 12  # with their sound, which is some 100 KB each
_SEGMENTS = 4
_LONGEST_S = 120.0  # of one sound


def highlights(run: Contents, figures: Figures) -> str:
    """The stage's own summary as HTML, "" where there is nothing yet. Missing sounds are added to the run's trouble."""
    if run.stage == "generate":
        return _answers(run)
    if run.stage in ("segment", "prepare"):
        return _segments(run)
    return _training(run, figures) if run.stage == "train" else ""


def _answers(run: Contents) -> str:
    entries = _list(run, run.artifacts / "answers.json")
    parts = [_answer(run, number, entry) for number, entry in enumerate(entries[:_MOST_ANSWERS], 1)]
    if len(entries) > _MOST_ANSWERS:
        parts.append(f'<p class="note">{len(entries) - _MOST_ANSWERS} more answers lie beside this run.</p>')
    return "\n".join(parts)


def _answer(run: Contents, number: int, entry: Mapping[str, Any]) -> str:
    question = str(entry.get("question") or f"Answer {number}")
    points = entry.get("points")
    points = [point for point in points if isinstance(point, Mapping)] if isinstance(points, list) else []
    listed = "".join(
        f"<li>{escaped(point.get('text', ''))} {'(taken up)' if point.get('covered') else '(left out)'}</li>"
        for point in points
    )
    return (
        f'<article class="heard"><h3>{escaped(question)}</h3>'
        f"{_sound(run, run.artifacts, entry.get('audio_file'), question)}{_marked(entry.get('marked'))}"
        f"{f'<p>Talking points:</p><ul>{listed}</ul>' if listed else ''}</article>"
    )


def _segments(run: Contents) -> str:
    folder = run.artifacts / "dataset" if run.stage == "prepare" else run.artifacts
    entries = _list(run, folder / "prosody_dataset.json")
    n = len(entries)
    chosen = sorted({round(k * (n - 1) / (_SEGMENTS - 1)) for k in range(_SEGMENTS)}) if n else []
    return "\n".join(_segment(run, folder, entries[k], f"Segment {k + 1} of {n}") for k in chosen)


def _segment(run: Contents, folder: Path, entry: Mapping[str, Any], name: str) -> str:
    place = [entry.get("start"), entry.get("end")]
    told = f", {place[0]:.1f}–{place[1]:.1f} s" if all(isinstance(one, (int, float)) for one in place) else ""
    return (
        f'<article class="heard"><h3>{escaped(name + told)}</h3>'
        f"{_sound(run, folder, entry.get('audio_file'), name)}{_marked(entry.get('text'))}</article>"
    )


def _training(run: Contents, figures: Figures) -> str:
    from prosody.lm.board import losses
    from prosody.notebook.plots import loss_curve

    metrics, parts = run.metrics, []
    names = ("loss_val", "loss_val_untuned", "macro_f1", "steps", "seconds", "tokens_per_s", "trainable_parameters")
    rows = [(words(name), metrics[name]) for name in names if name in metrics]
    parts.append(table("How well it learned", (), rows))
    scores = metrics.get("macro_f1_baselines")
    if isinstance(scores, Mapping) and scores:
        ranked = [("this adapter", metrics.get("macro_f1")), *((words(name), value) for name, value in scores.items())]
        parts.append(
            table("Macro F1 on the held-out part, beside trivial baselines", ("marked by", "macro F1"), ranked)
        )
    by_marker = metrics.get("f1")
    if isinstance(by_marker, Mapping) and by_marker:
        parts.append(table("F1 by marker, held out", ("marker", "F1"), by_marker.items()))
    parts = [beside(parts)]
    train, held_out = losses(run.folder / "tb")
    if run.state == "ok" and not train:
        run.trouble.append("tb: tells of no loss")
    if train or held_out:
        untuned = metrics.get("loss_val_untuned")
        drawn = loss_curve(train, held_out, untuned if isinstance(untuned, (int, float)) else None)
        parts.append(figures.place(json.loads(drawn.to_json()), "Loss"))
    return "\n".join(filter(None, parts))


def _marked(text: Any) -> str:
    """Marked text with its markers in colour; what does not parse as it is."""
    from prosody.notebook.show import marked_html

    if not isinstance(text, str):
        return ""
    try:
        return f'<div class="marked">{marked_html(text)}</div>'
    except ProsodyError:
        return f'<p class="marked">{escaped(text)}</p>'


def _sound(run: Contents, folder: Path, name: Any, label: str) -> str:
    """A player of a sound that lies in `folder`; a note, and a line of trouble, where it cannot be played."""
    if not name:
        return '<p class="note">Not spoken.</p>'
    path = inside(folder, name)
    try:
        if path is None:
            raise ProsodyError(None, None, "leads out of the run")
        return _player(path, label)
    except ProsodyError as error:
        line = one_line(f"{name}: {error.what}")
        if not any(told.endswith(line) for told in run.trouble):
            run.trouble.append(line)
        return f'<p class="note">The sound {escaped(name)} is missing: {escaped(error.what)}.</p>'


def _player(path: Path, label: str) -> str:
    import soundfile

    from prosody.notebook.live import sound

    if not os.path.isfile(path):  # False, too, for a name that is too long
        raise ProsodyError(path, None, "not found")
    try:
        with soundfile.SoundFile(path) as file:
            samples = file.read(int(_LONGEST_S * file.samplerate), dtype="float32", always_2d=True)
            rate, whole = file.samplerate, file.frames / file.samplerate
        played = sound(samples.mean(axis=1), rate, label)
    except (soundfile.SoundFileError, RuntimeError, OSError, ValueError) as error:
        raise ProsodyError(path, None, f"cannot be read ({error})") from error
    if not played:
        raise ProsodyError(path, None, "holds no sound")
    seconds = f"{shown(round(whole, 1))} s" + (f", the first {_LONGEST_S:.0f} here" if whole > _LONGEST_S else "")
    return f'<p class="player">{played} <span class="note">{seconds}</span></p>'


def _list(run: Contents, path: Path) -> list[Mapping[str, Any]]:
    """The objects in a JSON list of the run; none, and a line of trouble if the run is done, where it is not there."""
    try:
        data = read_json(path)
    except ProsodyError as error:
        if run.state == "ok" or path.exists():
            run.trouble.append(one_line(f"{path.relative_to(run.folder).as_posix()}: {error.what}"))
        return []
    entries: Iterable[Any] = data if isinstance(data, list) else []
    return [entry for entry in entries if isinstance(entry, Mapping)]
