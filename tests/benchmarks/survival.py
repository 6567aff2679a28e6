"""Which markers survive into sound: marked answers spoken by each engine and listened to, against a plain render.

    .venv/bin/python tests/benchmarks/survival.py --adapter DIR [--answers FILE.json] [-n 100] [--engines hibari espeak]
        [--kinds marked contour random] [--helsinki FILE] [--out FOLDER] [--json OUT.json]

The answers are 40 to 80 words of the built-in script and, with the Helsinki Prosody Corpus beside the repository, of
read books: "marked" by the adapter, and "random", with markers at random places, as many of each as the speaker writes
(the adapter's card tells how many); "contour" are the marked ones, spoken with the contour that the adapter expects of
the speaker between markers (espeak can't). --answers FILE.json speaks that list of marked texts instead. Told for each
engine and kind: how many of each marker survive, with a Wilson interval of 95 %, the median effect, and how many of the
slots without a marker are heard as marked. What was heard of each answer is kept in --out, where a run that was cut off
goes on; a change of the voice needs a new folder.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from survival_answers import at_random, plain_answers

from prosody import files, markers, workflow
from prosody.errors import ProsodyError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "helsinki_dev" / "dev.txt"
PROCESSES = 2
Shape = Sequence[Mapping[str, float]] | None
Text = tuple[str, Shape]  # marked text, and how its words are expected to sound
Job = tuple[str, str, int, Text]  # engine, kind, number
_KEPT = ("survival", "unwritten", "occurrences", "heard_unwritten", "slots")


def answers(kinds: Sequence[str], n: int, adapter: Path, helsinki: Path) -> dict[str, list[Text]]:
    """Kind → `n` marked answers."""
    from prosody.lm.checkpoint import load_adapter
    from prosody.lm.mark import mark

    loaded, plain, rng = load_adapter(adapter), plain_answers(n, helsinki), np.random.default_rng(0)
    marked = [mark(one, loaded) for one in plain] if {"marked", "contour"} & set(kinds) else []
    found: dict[str, list[Text]] = {
        "marked": [(str(one), None) for one in marked],
        "contour": [(str(one), one.measured) for one in marked],
        "random": [(at_random(one, loaded.card["rate_by_marker"], rng), None) for one in plain],
    }
    return {kind: found[kind] for kind in kinds}


def spoken_and_heard(job: Job, out: Path) -> None:
    """Speak one answer, listen to it, and keep what was heard; an answer that is there already is left as it is."""
    from prosody.speech.audio import read
    from prosody.voice.listen import listen_to_spoken
    from prosody.voice.speak import speak, words_path

    engine, _, number, (text, shape) = job
    kept = kept_in(out, job)
    asked = {"marked": text, "shape": [dict(one) for one in shape] if shape else None}
    if kept.is_file() and all(files.read_json(kept).get(key) == value for key, value in asked.items()):
        return
    sound = kept.with_suffix(".wav")
    spoken = speak(text, engine=engine, seed=number, shape=shape, out=sound, overwrite=True)
    heard = listen_to_spoken(read(sound), text, engine=engine, seed=number, shape=shape)
    told = {**asked, "voice": spoken.voice, "duration": spoken.duration} | {key: heard[key] for key in _KEPT}
    files.write_json(kept, told, overwrite=True)
    sound.unlink()
    words_path(sound).unlink()


def kept_in(out: Path, job: Job) -> Path:
    """The file in which what is heard of an answer is kept."""
    engine, kind, number, _ = job
    return out / f"{engine}-{kind}-{number:04}.json"


def run(jobs: Sequence[Job], out: Path) -> None:
    """All answers, on two processes, with the time that is left."""
    started, done = time.monotonic(), 0
    with ProcessPoolExecutor(min(PROCESSES, len(jobs))) as pool:
        for one in as_completed([pool.submit(spoken_and_heard, job, out) for job in jobs]):
            one.result()
            done += 1
            left_s = (time.monotonic() - started) / done * (len(jobs) - done)
            print(f"\r{done} of {len(jobs)} answers, {left_s / 60:.1f} min left ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def figures(heard: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Over several answers: marker → counts, survival with its interval, median effect; and the slots."""
    heard = list(heard)
    table: dict[str, Any] = {"answers": len(heard), "seconds": round(sum(one["duration"] for one in heard), 1)}
    for token in markers.TOKENS:
        own = [o for one in heard for o in one["occurrences"] if o["marker"] == token]
        alive = sum(o["survives"] for o in own)
        effects = [o["effect"] for o in own if o["effect"] is not None]
        table[token] = {
            "written": len(own),
            "heard": alive,
            "survival": round(alive / len(own), 4) if own else None,
            "interval": wilson(alive, len(own)),
            "effect": round(float(np.median(effects)), 2) if effects else None,
            "unit": own[0]["unit"] if own else None,
            "unwritten": sum(one["unwritten"][token] for one in heard),
        }
    unmarked, wrong = (sum(one["slots"][key] for one in heard) for key in ("unmarked", "heard_as_marked"))
    table["slots"] = {"unmarked": unmarked, "heard_as_marked": wrong, "interval": wilson(wrong, unmarked)}
    table["slots"]["share"] = round(wrong / unmarked, 4) if unmarked else None
    return table


def wilson(k: int, n: int, z: float = 1.96) -> tuple[float, float] | None:
    """The 95 % interval of a share k of n (Wilson 1927); None of nothing."""
    if not n:
        return None
    p, wide = k / n, z * math.sqrt(k / n * (1 - k / n) / n + z * z / (4 * n * n))
    low, high = ((p + z * z / (2 * n) + sign * wide) / (1 + z * z / n) for sign in (-1, 1))
    return round(max(0.0, low), 4), round(min(1.0, high), 4)


def lines(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    """The figures of an engine and kind as text."""
    yield f"\n{name}: {table['answers']} answers, {table['seconds'] / 60:.1f} min of speech"
    yield f"{'marker':16}{'written':>8}{'heard':>7}{'survival, 95 % interval':>27}{'effect':>12}{'unwritten':>11}"
    for token in markers.TOKENS:
        row = table[token]
        shown = "–" if row["interval"] is None else f"{row['survival']:6.1%} ({_span(row['interval'])})"
        effect = "–" if row["effect"] is None else f"{row['effect']:+.{0 if row['unit'] == 'ms' else 1}f} {row['unit']}"
        yield f"{token:16}{row['written']:8}{row['heard']:7}{shown:>27}{effect:>12}{row['unwritten']:11}"
    slots = table["slots"]
    if slots["unmarked"]:
        share = f"{slots['share']:.2%} ({_span(slots['interval'])})"
        yield f"of {slots['unmarked']} slots without a marker, {slots['heard_as_marked']} heard as marked: {share}"


def _span(interval: Sequence[float]) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"


def available(names: Sequence[str]) -> list[str]:
    """Those of the engines that speak here; why another does not is told."""
    from prosody.voice.speak import speak

    found = []
    for name in names:
        try:
            speak("One word.", engine=name)
            found.append(name)
        except ProsodyError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    return found


def arguments() -> argparse.Namespace:
    from prosody.voice import engines

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adapter", type=Path, help="the adapter that marks the answers")
    parser.add_argument("--answers", type=Path, metavar="FILE.json", help="a list of marked texts to speak instead")
    parser.add_argument("-n", type=int, default=100, help="answers of each kind (100)")
    parser.add_argument("--engines", nargs="+", default=list(engines.NAMES))
    parser.add_argument("--kinds", nargs="+", choices=("marked", "contour", "random"), default=["marked", "random"])
    parser.add_argument("--helsinki", type=Path, default=SHARED, help="a file of the Helsinki Prosody Corpus")
    parser.add_argument(
        "--out", type=Path, default=workflow.root() / "runs" / "survival", help="where answers are kept"
    )
    parser.add_argument("--json", type=Path, default=Path("survival.json"))
    given = parser.parse_args()
    if not given.answers and not given.adapter:
        parser.error("give --adapter DIR or --answers FILE.json")
    return given


def main() -> None:
    """Speak and hear everything, print the tables, write the JSON."""
    given = arguments()
    if given.answers:
        texts = {"given": [(str(text), None) for text in files.read_json(given.answers)][: given.n]}
    else:
        texts = answers(given.kinds, given.n, given.adapter, given.helsinki)
    given.out.mkdir(parents=True, exist_ok=True)
    spoken = [(e, k) for e in available(given.engines) for k in texts if (e, k) != ("espeak", "contour")]
    jobs = [(engine, kind, i, text) for engine, kind in spoken for i, text in enumerate(texts[kind])]
    if not jobs:
        raise SystemExit("there is no engine, or no answer, to listen to")
    run(jobs, given.out)
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for job in jobs:
        groups.setdefault(f"{job[0]}, {job[1]}", []).append(files.read_json(kept_in(given.out, job)))
    found = {name: figures(heard) for name, heard in groups.items()}
    for name, table in found.items():
        print("\n".join(lines(name, table)))
    given.json.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
