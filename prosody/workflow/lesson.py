"""The lesson: the four stages on a part of the built-in corpus, small enough for a classroom, told as they go.

Its runs lie in a folder of their own, `runs/lesson`, which `find` never looks into: no other command takes a lesson's
adapter for the latest. `python -m prosody lab --lesson` opens JupyterLab on them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prosody import files
from prosody.errors import ProsodyError
from prosody.workflow import demo, record
from prosody.workflow.notebooks import NOTEBOOKS
from prosody.workflow.progress import elapsed

FOLDER = "lesson"  # in the folder of runs
ANSWERS = 24  # of the corpus's fifty: enough that each marker is learned
FEWEST_ANSWERS = 6
# What differs from the notebooks' defaults: half the text, fewer passes through it, one answer. That the split is a
# larger share leaves about as much text to measure on.
SETTINGS: Mapping[str, Any] = {
    "val_share": 0.15,
    "epochs": 6,
    "question": "What would you tell a beginner?",
    "points": ["start with a cheap clock", "make mistakes"],
    "max_words": 40,
}


def runs_folder() -> Path:
    """Where the lesson's runs are recorded."""
    return record.runs_folder() / FOLDER


def run_lesson(given: Mapping[str, Any], *, corpus: Callable[[int], Mapping[str, Any]]) -> list[record.Run]:
    """Run the four stages with the lesson's settings, tell after each what was learned, and at the end what to open.

    given: parameters of the stages that take the place of the lesson's, and `answers`: how many of the corpus's.
    corpus: makes so many answers ready, and gives `audio` and `transcript` of them. Returns the four runs.
    Raises ProsodyError, before anything runs, for a parameter that no stage has, or a number of answers that the corpus
    has not; RunFailed if a stage fails.
    """
    started, folder = time.monotonic(), runs_folder()
    values = {**SETTINGS, **given}
    n_answers = _enough(values.pop("answers", ANSWERS))
    demo.check(values)
    if not {"audio", "transcript"} & set(values):
        values |= corpus(n_answers)
    done = demo.run_stages(values, runs_dir=folder, after=_tell)
    copies = [_copied(run, folder) for run in done]
    print(end(done, copies, time.monotonic() - started))
    return done


def _enough(raw: Any) -> int:
    """The number of answers, which must be one that a model can learn something from."""
    if not str(raw).isdecimal() or len(str(raw)) > 9 or int(raw) < FEWEST_ANSWERS:
        what = f"{str(raw)[:20]!r} is no number of answers to learn from"
        raise ProsodyError(None, "parameter 'answers'", what, f"give {FEWEST_ANSWERS} or more, as {ANSWERS}")
    return int(raw)


def _tell(run: record.Run) -> None:
    """What a stage has shown, in two or three lines."""
    lines = LEARNED[run.stage](run.metrics)
    heading = f"{run.stage}, {elapsed(run.status['seconds'])}"
    print("\n".join(["", heading, *(f"  {line}" for line in lines), ""]), flush=True)


def _segment(m: Mapping[str, Any]) -> list[str]:
    return [
        f"Speech is loud, pauses are not: {m['seconds_audio'] / 60:.1f} min fell into {m['segments']} segments.",
        f"Forced alignment gave each of the {m['words_out']} words its time; for {m['unsupported_words']} of them the",
        "sound gives little support. No word is lost by cutting, and none is there twice.",
    ]


def _prepare(m: Mapping[str, Any]) -> list[str]:
    found = [row["f1"] for row in m["agreement"].values() if row.get("f1") is not None]
    agreed = f"F1 {min(found):.2f} to {max(found):.2f} by marker" if found else "there is nothing to compare"
    return [
        f"Each word's pitch, energy and length was measured; there are {sum(m['markers'].values())} markers.",
        f"Those that are written agree with those that are heard: {agreed}.",
        f"{m['train']} segments are to learn from; the last {m['val']} are held out, and are never learned from.",
    ]


def _train(m: Mapping[str, Any]) -> list[str]:
    rules = {name: value for name, value in m["macro_f1_baselines"].items() if value is not None}
    best = max(rules, key=rules.get, default=None)
    beside = f" (the best simple rule, {best.replace('_', ' ')}: {rules[best]:.2f})" if best else ""
    return [
        f"{m['trainable_parameters']:,} numbers trained, {m['adapter_bytes'] / 1e6:.1f} MB; the base is unchanged.",
        f"On held-out text the loss fell from {m['loss_val_untuned']:.2f} to {m['loss_val']:.2f} nats a slot,",
        f"and the markers are placed with a macro F1 of {m['macro_f1']:.2f}{beside}.",
    ]


def _generate(m: Mapping[str, Any]) -> list[str]:
    shares = [share for share in m["survival"].values() if share is not None]
    heard = "no word is marked"
    if shares:
        least = (
            f"at least {100 * min(shares):.0f} % of each kind of marker are" if min(shares) < 1 else "every marker is"
        )
        heard = f"{least} heard again"
    return [
        f"The base composed, the adapter placed the markers: {m['words_changed']} words were changed by that.",
        f"{m['points_covered']} of {m['points']} talking points are taken up. In the spoken answer {heard}.",
    ]


LEARNED: Mapping[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "segment": _segment,
    "prepare": _prepare,
    "train": _train,
    "generate": _generate,
}


def _copied(run: record.Run, folder: Path) -> Path:
    """The executed notebook under a name that can be found: `runs/lesson/01_segment.ipynb`."""
    path = folder / NOTEBOOKS[run.stage]
    files.write_bytes(path, (run.folder / "notebook.ipynb").read_bytes(), overwrite=True)
    return path


def end(done: list[record.Run], copies: list[Path], seconds: float) -> str:
    """The last words: how long it took, the answer, what to open in JupyterLab and what each shows."""
    spoken = sorted(done[-1].artifacts.rglob("answer_*.wav"))
    lines = [f"The lesson took {elapsed(seconds)}.", "", *demo.first_answer(done[-1])]
    lines += [f"listen:  {record.shown(path)}" for path in spoken]
    lines += [f"look:    {record.shown(path)}" for path in copies]
    return "\n".join(
        [
            *lines,
            "",
            "These four hold all the pictures of this lesson; JupyterLab opens them as they are.",
            "next:    `python -m prosody lab --lesson` opens the notebooks to be run, with their sliders: 02, 03, 04",
            "         go on from this lesson's results, so that 04_generate answers with its adapter at once.",
        ]
    )
