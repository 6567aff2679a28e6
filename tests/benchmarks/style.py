"""Style fidelity: marked answers against the speaker's held-out text, with intervals, and controls that must fit worse.

    .venv/bin/python tests/benchmarks/style.py --dataset DIR --adapter DIR [--answers FILE | held-out] [--speak]
        [--other DIR ...] [--readers FILE] [--json OUT.json]
    .venv/bin/python tests/benchmarks/style.py --readers FILE --write-readers

--dataset: a folder that 02_prepare made of the adapter's speaker. --answers: plain texts parted by blank lines; without
it the first 30 answers of the built-in script, of which the adapter has learned all but those held out; "held-out": the
speaker's own held-out words, marked anew. Without --adapter the answers are taken as they are marked. --speak: speak
them, to hold their pauses against the speaker's. --other: datasets of other speakers. --readers: a file of the Helsinki
Prosody Corpus in place of the counts that ship with the package; with --write-readers those are made of it.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prosody import dataset, files, markers
from prosody.lm import bench, controls, fidelity, style
from prosody.lm.bootstrap import Estimate
from prosody.sample.script import read_script

SOURCE = (
    "Counts from dev.txt of the Helsinki Prosody Corpus (Talman et al. 2019, CC BY 4.0): for each reader, at each "
    "place of prosody.lm.style.PLACES, words with neither, <emph>, a pause, both; see prosody.lm.controls.reader_counts"
)


def marked(given: str | None, adapter_folder: Path | None, held_out: Sequence[style.Text]) -> list[style.Text]:
    """The answers, marked by the adapter if there is one."""
    from prosody.lm.checkpoint import load_adapter
    from prosody.lm.mark import mark

    adapter = load_adapter(adapter_folder) if adapter_folder else None
    if given == "held-out":
        words = [word for text in held_out for word in text.words]
        done = iter(mark(" ".join(words), adapter).text.words)
        return [replace(text, slots=tuple(next(done).markers for _ in text.words)) for text in held_out]
    if given:
        plain = [part for part in re.split(r"\n\s*\n", files.read_text(Path(given)).strip()) if part.strip()]
    else:
        plain = [markers.strip(one.text) for one in read_script()[:30]]
    return [style.of_marked(mark(text, adapter).text if adapter else text) for text in plain]


def spoken(texts: Sequence[style.Text]) -> list[style.Text]:
    """The texts with the silences of their spoken words."""
    from prosody.lm.evaluate import render
    from prosody.voice.speak import speak

    return [style.of_spoken(speak(render(one.words, one.slots), seed=k).words) for k, one in enumerate(texts)]


def write_readers(path: Path) -> None:
    counts = controls.reader_counts(bench.read(path))
    raw = {"source": SOURCE, "readers": {name: one.astype(int).tolist() for name, one in counts.items()}}
    target = Path(controls.__file__).with_name(controls.READERS_FILE)
    target.write_text(json.dumps(raw).replace(', "', ',\n"') + "\n", encoding="utf-8")
    print(f"{len(counts)} readers, {sum(one.sum() for one in counts.values()):,.0f} words: {target.name}")


def told(one: Estimate, form: str = "6.2f") -> str:
    if one.value is None:
        return f"{'–':>6}"
    return f"{one.value:{form}}" + ("" if one.low is None else f" [{one.low:.2f}, {one.high:.2f}]")


def show(found: fidelity.Fidelity) -> None:
    sides = [side for side in (found.answers, found.speaker, found.learned) if side]
    print(f"{'':32}" + "".join(f"{side.name:24}" for side in sides) + "answers − speaker")
    for what in ("n_texts", "n_words", "n_markers"):
        print(f"{what.removeprefix('n_'):32}" + "".join(f"{getattr(side, what):6}{'':18}" for side in sides))
    for token in markers.TOKENS:
        line = "".join(f"{told(side.rates[token]):24}" for side in sides)
        print(f"{token + ' in 100 words':32}{line}{told(found.differences['rates'][token])}")
    for token in markers.TOKENS:
        for place in style.FEATURES:
            line = "".join(f"{told(side.places[token][place]):24}" for side in sides)
            print(f"{token + ', ' + place:32}{line}{told(found.differences['places'][token][place])}")
    for kind in style.COMBINATIONS:
        line = "".join(f"{told(side.combinations[kind]):24}" for side in sides)
        print(f"{kind:32}{line}{told(found.differences['combinations'][kind])}")
    print(f"{'median pause (s)':32}" + "".join(f"{told(side.pause_median_s):24}" for side in sides))
    print(
        f"\npauses lie {told(found.pause_distance_s, '.3f')} s apart; words' places "
        f"{told(found.distance_of_words, '.3f')}"
    )
    for control in found.controls:
        n_nearer = sum(value < (control.own.value or 0) for value in control.each.values())
        nearer = f"; {n_nearer} of {len(control.each)} nearer than the speaker" if control.each else ""
        print(f"{control.name}: margin {told(control.margin, '.3f')}{nearer}")
    print(found.verdict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dataset", type=Path)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--answers")
    parser.add_argument("--speak", action="store_true")
    parser.add_argument("--other", type=Path, nargs="+", default=[])
    parser.add_argument("--readers", type=Path)
    parser.add_argument("--write-readers", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.write_readers:
        return write_readers(given.readers)
    data = dataset.load(given.dataset)
    held_out = style.of_dataset(data, split="val")
    answers = marked(given.answers, given.adapter, held_out)
    others = {}
    for folder in given.other:
        third = dataset.load(folder)
        name = f"another speaker: {third.info['source_file']}"
        others[name] = [text for split in ("train", "val") for text in style.of_dataset(third, split=split)]
    found = fidelity.compare(
        spoken(answers) if given.speak else answers,
        held_out,
        learned=style.of_dataset(data, split="train"),
        others=others,
        readers=controls.reader_counts(bench.read(given.readers)) if given.readers else None,
        seed=given.seed,
    )
    show(found)
    if given.json:
        given.json.write_text(json.dumps(found.as_json(), ensure_ascii=False, indent=2), encoding="utf-8")
    return None


if __name__ == "__main__":
    main()
