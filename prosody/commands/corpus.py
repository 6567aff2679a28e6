"""Commands about many recordings, and about the thresholds that fit an annotator."""

from __future__ import annotations

import os
import shutil
import sys
import time
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from prosody.commands import bar, cluster, dataset_folder, print_json, tell
from prosody.errors import ProsodyError, one_line

if TYPE_CHECKING:
    from prosody.dataset import Dataset, Word
    from prosody.speech.corpus.process import Corpus, Step

_LINE_EVERY_S = 10.0  # where there is no terminal to redraw a line on
_WIDTH = 24


def corpus(arguments: Namespace) -> int:
    """Hear all recordings of a folder."""
    from prosody.speech.corpus.process import process
    from prosody.speech.thresholds import load_parameters

    parameters = load_parameters(arguments.parameters) if arguments.parameters else None
    folder, out = arguments.folder, arguments.out
    if cluster.on_cluster(arguments):
        folder, out = os.path.abspath(folder), os.path.abspath(out)
    with _Bar() as shown, cluster.workers(arguments) as pool:
        options = {"executor": pool, "parameters": parameters, "datasets": arguments.datasets}
        made = process(folder, out, progress=shown.step, **options)
    for error in made.failures:
        tell(f"prosody: {error}")
    if arguments.json:
        print_json({**made.index, "heard_now": made.n_new, "stale": list(made.stale)})
    else:
        _print(made)
    if made.stale:
        tell(f"{len(made.stale)} results belong to nothing any more, such as {made.stale[0]}; they may be removed")
    if made.failures:
        tell(f"prosody: {len(made.failures)} of {_counted(made)} failed: the next run tries only these")
    return 2 if made.failures else 0


def calibrate(arguments: Namespace) -> int:
    """Fit the thresholds of detection to a dataset's annotator."""
    from prosody import files
    from prosody.speech.calibrate import calibrate
    from prosody.speech.thresholds import of_dataset, save_parameters

    if arguments.out:
        files.check_new(arguments.out, overwrite=arguments.overwrite)
    data, words = _marked_words(arguments.dataset)
    start = of_dataset(data)
    try:
        with bar("fitting") as progress:
            found = calibrate(words, parameters=start, progress=progress)
    except ProsodyError as error:
        raise ProsodyError(error.path or data.folder, error.where, error.what, error.remedy) from None
    if arguments.out:
        save_parameters(arguments.out, found.parameters, overwrite=arguments.overwrite)
    if arguments.json:
        print_json(found.as_json())
        return 0
    print(f"{'marker':17}{'written':>8}{'F1 before':>11}{'after':>8}   (held-out stretches of time)")
    for score in found.scores:
        print(f"{score.marker:17}{score.n:8}{score.f1_before:11.2f}{score.f1_after:8.2f}")
    print(f"\n{'threshold':17}{'before':>8}{'after':>11}")
    for one in found.fitted:
        print(f"{one.name:17}{one.before:8g}{one.after:11g}   {one.why}".rstrip())
    if arguments.out:
        tell(f"thresholds: {arguments.out}")
    return 0


def _marked_words(given: str) -> tuple[Dataset, list[Word]]:
    """A dataset, or a run's, and its words; of reviewed segments only, if there are such."""
    from prosody import dataset

    with bar("reading") as progress:
        data = dataset.load(dataset_folder(given), progress=progress)
    segments = data.segments
    reviewed = [one for one in segments if one.review["status"] != "unreviewed"]
    if reviewed:
        tell(f"{len(reviewed)} of {len(segments)} segments are reviewed: only these are used")
    elif (source := data.info.get("markers_from")) in ("audio", "both"):
        what = f"{'its markers' if source == 'audio' else 'some of its markers'} were heard, not written by a person"
        raise ProsodyError(data.folder, None, what, "review some of its segments, or mark the transcript")
    return data, [word for segment in reviewed or segments for word in segment.words]


def _counted(made: Corpus) -> int:
    return len(made.index["recordings"]) + len(made.failures)


def _print(made: Corpus) -> None:
    """A line a speaker. Markers are told a hundred words, and where they come from."""
    pitch = f"{'f0, Hz':>8}{'± st':>7}"
    print(f"{'speaker':20}{'recordings':>11}{'minutes':>9}{'words':>8}{pitch}{'words/min':>11}{'markers':>9}  from")
    for name, speaker in made.index["speakers"].items():
        profile = speaker["profile"]
        f0, spread = (_number(profile[key]) for key in ("f0_median_hz", "f0_spread_st"))
        counts = f"{speaker['recordings']:11}{speaker['duration'] / 60:9.1f}{speaker['words']:8}"
        marked = f"{sum(profile['markers_per_100_words'].values()):9.1f}  {speaker['markers_from']}"
        print(f"{name[:19]:20}{counts}{f0:>8}{spread:>7}{profile['words_per_minute']:11.0f}{marked}")
    n_known = len(made.index["recordings"]) - made.n_new
    tell(f"{made.n_new} heard, {n_known} known already: {made.out / 'corpus.json'}, {made.out / 'words.csv'}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


class _Bar:
    """How far the work is, on stderr: a line that is redrawn on a terminal, or one every ten seconds."""

    def __init__(self) -> None:
        self.redraws = sys.stderr.isatty()
        self.told = time.monotonic()
        self.shown = False

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.redraws and self.shown:
            sys.stderr.write("\r\x1b[K")

    def step(self, step: Step) -> None:
        """Show it."""
        if not self.redraws and step.done < step.total and time.monotonic() - self.told < _LINE_EVERY_S:
            return
        from prosody.workflow.progress import elapsed

        self.told, self.shown = time.monotonic(), True
        full = round(_WIDTH * step.share)
        left = "" if step.left_s is None else f"  {elapsed(step.left_s)} left"
        failed = f", {step.failed} failed" if step.failed else ""
        bar = f"[{'#' * full}{'.' * (_WIDTH - full)}]"
        text = f"{bar} {step.done} of {step.total} recordings{failed}{left}  {one_line(step.name)}"
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r\x1b[K{text[:width]}" if self.redraws else text + "\n")
        sys.stderr.flush()
