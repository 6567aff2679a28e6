"""Commands that exchange words and markers with other programs: Praat, ELAN, spreadsheets."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prosody.commands import bar, dataset_folder, tell
from prosody.errors import ProsodyError
from prosody.files import check_new

if TYPE_CHECKING:
    from prosody.dataset import Dataset
    from prosody.interchange.annotation import Annotation
    from prosody.interchange.revise import Revision
    from prosody.speech.audio import Audio
    from prosody.speech.sources import Source

_F0_STEP_S = 0.01
_READING = 0.2  # share of the time


def export(arguments: Namespace) -> None:
    """Write a dataset, or a recording with its text, as a TextGrid or a table."""
    from prosody.interchange import table, textgrid, tiers

    out = Path(arguments.out)
    kind = _kind(out)
    check_new(out, overwrite=arguments.overwrite)
    found = _heard(arguments) if arguments.text is not None else _of_dataset(arguments)
    if kind == ".csv":
        table.write(out, found, encoding=arguments.encoding, overwrite=arguments.overwrite)
    else:
        options = {"form": arguments.form, "encoding": arguments.encoding, "overwrite": arguments.overwrite}
        textgrid.write(out, tiers.to_textgrid(found), **options)
    tell(f"{out}: {len(found.words)} words" + (f", {len(found.parts)} segments" if found.parts else ""))


def import_(arguments: Namespace) -> None:
    """Take words and markers that were edited elsewhere into a copy of a dataset."""
    from prosody.speech import revision

    path = Path(arguments.file)
    out = Path(arguments.out) if arguments.out else path.with_name(f"{path.stem}_dataset")
    revision.check_folder(out)
    with bar("importing") as progress:
        found, made = _imported(arguments, path, out, progress)
    for name in found.left_out:
        tell(f"{name} has no words any more: left out")
    if found.moved_cuts:
        tell("the tier “segments” was changed: the cuts stay as they were (the segment stage makes others)")
    n_reviewed = sum(one.review["status"] != "unreviewed" for one in made.segments)
    hint = "" if n_reviewed == len(made.segments) else " (--all-reviewed: you looked at all of them)"
    tell(f"{out}: {found.changed} edited, {n_reviewed} of {len(made.segments)} segments reviewed{hint}")


def _imported(
    arguments: Namespace, path: Path, out: Path, progress: Callable[[float], None]
) -> tuple[Revision, Dataset]:
    """What an edited file makes of a dataset, and the new dataset, written."""
    from prosody import dataset, files
    from prosody.interchange.annotation import within
    from prosody.interchange.revise import revise
    from prosody.speech import revision
    from prosody.workflow import record

    data = dataset.load(dataset_folder(arguments.dataset), progress=lambda share: progress(_READING * share))
    edited = _read(path, data, arguments.tier)
    sounds = _sources(data, arguments.audio)
    is_whole = all(sound.is_whole for sound in sounds)
    if is_whole:
        within(edited, sounds[-1].end, path)
    at = record.now()
    options = {"cut_anew": is_whole, "all_reviewed": arguments.all_reviewed}
    found = revise(data, edited, by=arguments.by or path.name, at=at, path=path, **options)
    _refuse_across(found, edited, sounds, path)
    source = {"file": path.name, "sha256": files.sha256(path), "at": at}
    told = {"source": source, "sounds": sounds, "progress": lambda share: progress(_READING + (1 - _READING) * share)}
    return found, revision.save(out, data, found, **told)


def _kind(path: Path) -> str:
    """What a file is by its name: ".textgrid" or ".csv"."""
    kind = path.suffix.lower()
    if kind not in (".textgrid", ".csv"):
        what = "is no TextGrid and no table"
        raise ProsodyError(None, repr(str(path)), what, "give a name that ends in .TextGrid or .csv")
    return kind


def _read(path: Path, data: Dataset, tier: str | None) -> Annotation:
    """An edited file. Words that take no time are kept where the program that wrote it knows no points."""
    from prosody.interchange import annotation, table, textgrid, tiers

    if _kind(path) == ".csv":
        return table.read(path)
    lone = tiers.untimed_points(replace(annotation.of_dataset(data), final=None))
    return tiers.from_textgrid(textgrid.read(path), path=path, tier=tier, untimed=lone)


def _of_dataset(arguments: Namespace) -> Annotation:
    """A dataset as it is to be exported: with what is heard, and where the recording is known, with its f0."""
    from prosody import dataset
    from prosody.interchange.annotation import of_dataset
    from prosody.speech.detect import decide

    with bar("reading") as progress:
        data = dataset.load(dataset_folder(arguments.source), progress=progress)
    if not any(segment.words for segment in data.segments):
        raise ProsodyError(data.folder, None, "holds no words", "run the segment and prepare stages again")
    sounds = _sources(data, arguments.audio)
    is_whole = all(sound.is_whole for sound in sounds)
    found = of_dataset(data, end=sounds[-1].end if is_whole else None)
    if any(word.evidence for word in found.words):
        found = replace(found, heard=tuple(decide(word.evidence) for word in found.words))
    if not is_whole or _kind(Path(arguments.out)) == ".csv":
        return found
    with bar(f"following the pitch of {', '.join(sound.name for sound in sounds)[:40]}") as progress:
        return replace(found, f0=tuple(point for sound in sounds for point in _f0_of(sound, sounds[-1].end, progress)))


def _heard(arguments: Namespace) -> Annotation:
    """A recording, heard with its text."""
    from prosody.commands.text import marked_text
    from prosody.interchange.annotation import Annotation, decimated
    from prosody.speech.audio import read
    from prosody.speech.hear import hear

    marked = marked_text(arguments.text)
    audio = read(arguments.source)
    for note in audio.notes:
        tell(f"{arguments.source}: {note}")
    with bar(f"hearing {audio.path.name}") as progress:
        hearing = hear(audio, marked, progress=progress)
    words = tuple(replace(word, start=round(word.start, 6), end=round(word.end, 6)) for word in hearing.words)
    f0 = decimated(hearing.tracks.f0_times, hearing.tracks.f0_hz, step_s=_F0_STEP_S)
    return Annotation(words, marked.final, audio.duration, heard=hearing.heard, f0=f0)


def _f0_of(sound: Source, whole_s: float, progress: Callable[[float], None]) -> tuple[tuple[float, float], ...]:
    """The f0 of one recording, at the dataset's times. progress: is told the share of all recordings."""
    from prosody.interchange.annotation import decimated
    from prosody.speech.measure import track

    length = sound.end - sound.start
    tracks = track(sound.read(), progress=lambda share: progress((sound.start + share * length) / whole_s))
    return decimated(tracks.f0_times + sound.start, tracks.f0_hz, step_s=_F0_STEP_S)


def _refuse_across(found: Revision, edited: Annotation, sounds: Sequence[Source], path: Path) -> None:
    """Raise ProsodyError if a word would lie beyond the recording that its segment is cut from."""
    from prosody.dataset_check import EDGE_TOLERANCE_S
    from prosody.speech.sources import owner

    words = iter(zip(edited.words, edited.places, strict=True))
    for segment in found.segments:
        sound = sounds[owner(sounds, (segment.start + segment.end) / 2)]
        for _ in segment.words:
            word, place = next(words)
            if word.start < sound.start - EDGE_TOLERANCE_S or word.end > sound.end + EDGE_TOLERANCE_S:
                span = f"({word.start:.3f} to {word.end:.3f} s)"
                what = f"“{word.text}” {span} reaches out of the recording {sound.name}"
                raise ProsodyError(path, place, f"{what} ({sound.start:.3f} to {sound.end:.3f} s)", "mend its times")


def _sources(data: Dataset, given: str | None) -> list[Source]:
    """The recordings of a dataset: those named, those that it was made from where they are found, or its segments.

    Raises ProsodyError if what is named are others.
    """
    from prosody.speech import sources

    told = data.info.get("sources")
    if not told:
        audio = _recording(data, given)
        return sources.of_segments(data) if audio is None else sources.of_recording(audio)
    if given is None:
        return sources.of_corpus(data) or sources.of_segments(data)
    if Path(given).is_dir():
        return sources.of_folder(data, given)
    what = f"is no folder; the dataset was made of {len(told)} recordings by `corpus`"
    raise ProsodyError(given, None, what, "name the folder that was given to it")


def _recording(data: Dataset, given: str | None) -> Audio | None:
    """The recording of a dataset: the one named, or the one that its run or the run before kept.

    Raises ProsodyError if the one named is another.
    """
    from prosody.speech.audio import read
    from prosody.speech.store import RECORDING_FILE

    rate = data.info["sample_rate"]
    if given is not None:
        audio = read(given, sample_rate=rate)
        last = max((segment.end for segment in data.segments), default=0.0)
        if audio.sha256 != data.info["source_sha256"] and Path(given).name != RECORDING_FILE:
            what = f"is not the recording of the dataset, which is {data.info['source_file']}"
            raise ProsodyError(given, None, what, "name that one")
        if audio.duration < last - 0.1:
            what = f"lasts {audio.duration:.1f} s, the dataset {last:.1f} s"
            raise ProsodyError(given, None, what, f"name {data.info['source_file']}")
        return audio
    here = data.folder / RECORDING_FILE
    kept = here if here.is_file() else _upstream_recording(data.folder)
    return None if kept is None else read(kept, sample_rate=rate)


def _upstream_recording(folder: Path) -> Path | None:
    """The recording that the segment run kept, on which the run with this dataset was built."""
    from prosody import files
    from prosody.speech.store import RECORDING_FILE

    run = folder.resolve().parent.parent  # of a folder at the top of a disk: that top
    try:
        upstream = files.read_json(run / "upstream.json")
    except ProsodyError:
        return None
    name = upstream.get("segment") if isinstance(upstream, dict) else None
    path = run.parent.parent / "segment" / str(name) / "artifacts" / RECORDING_FILE
    return path if path.is_file() else None
