"""Going on with a training that was cut short: what makes it the same training, and what a checkpoint tells of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody.errors import ProsodyError
from prosody.lm import state
from prosody.lm.base import Base
from prosody.lm.estimate import Estimate
from prosody.lm.loop import Loop, Step
from prosody.lm.lora import LoraParameters
from prosody.lm.parameters import TrainParameters
from prosody.lm.slots import Reference

if TYPE_CHECKING:
    from prosody.lm.corpus import Corpus
    from prosody.lm.plan import Planned
    from prosody.lm.several import Team
    from prosody.lm.train import Trained

# what may differ between two parts of one training: where and how fast it runs
_FREE = ("device", "micro_batch", "checkpoint_s", "precision")
_PLAN = "plan of steps"
_NEVER = "start it anew with resume=never, or give what it had"


def identity(
    base: Mapping[str, str],
    lora: LoraParameters,
    parameters: TrainParameters,
    precision: str,
    learned: Corpus,
    held_out: Corpus,
    planned: Sequence[Planned],
) -> dict[str, Any]:
    """What two parts of one training have in common, as JSON.

    base: its `fingerprint`. precision: the one that is used. planned: what each step learns from, which changes with
    the code that plans it.
    """
    told = asdict(lora) | asdict(parameters)
    told = {name: value for name, value in told.items() if name not in _FREE} | {"precision": precision}
    texts = {"text to learn from": _hash_of_text(learned), "held-out text": _hash_of_text(held_out)}
    steps = hashlib.sha256(repr([(one.step, one.windows) for one in planned]).encode()).hexdigest()
    return json.loads(json.dumps({"base_model": dict(base), **texts, _PLAN: steps, **told}))


def find(
    own: Path,
    others: Sequence[Path] | None,
    wanted: Mapping[str, Any],
    *,
    strictly: bool = False,
    on_line: Callable[[str], None],
) -> state.Held | None:
    """The checkpoint to go on from, or None to start anew.

    own: this training's folder of checkpoints; others: of trainings cut short, the first that fits is taken; None:
    start anew, whatever there is. Checkpoints of something else stay until the new training has saved its first.
    Raises ProsodyError if `own` holds an unfinished training on something else, or checkpoints that are all damaged;
    strictly: if the others are needed and one of them does not fit.
    """
    if others is None:
        return None
    fitting, last, changed = _fitting(own, wanted, on_line)
    if fitting:
        return fitting
    if last is None and state.is_used(own):
        raise ProsodyError(own, None, "holds checkpoints of which none can be read", "start it anew with resume=never")
    if last and not last.facts.get("finished"):
        what = f"holds a training, cut short, of which something changed since: {'; '.join(changed)}"
        raise ProsodyError(own, None, what, _NEVER)
    for folder in others:
        fitting, _, changed = _fitting(folder, wanted, on_line)
        if fitting:
            return fitting
        if strictly:
            raise ProsodyError(folder, None, f"something changed since: {'; '.join(changed)}", _NEVER)
        on_line(f"Not going on from {folder.parent}: {'; '.join(changed)}")
    return None


def _fitting(
    folder: Path, wanted: Mapping[str, Any], on_line: Callable[[str], None]
) -> tuple[state.Held | None, state.Held | None, list[str]]:
    """The last checkpoint of the training that is wanted; the last of any, and in what that differs."""
    last, changed = None, ["it left no whole checkpoint"]
    for found in state.found_in(folder, on_line=on_line):
        identity = found.facts.get("identity")
        differs = _changes(identity, wanted) if isinstance(identity, dict) else ["it does not say of what it is"]
        if not differs:
            return found, last, changed
        if last is None:
            last, changed = found, differs
    return None, last, changed


@contextmanager
def keeping(folder: Path, team: Team) -> Iterator[None]:
    """Hold the folder of checkpoints (the first process does). Raises ProsodyError if another training holds it."""
    with state.locked(folder) if team.is_first else nullcontext():
        team.wait()  # the others touch nothing before the first has the folder
        yield


def facts(wanted: Mapping[str, Any], loop: Loop, trained: Trained, *, finished: bool) -> dict[str, Any]:
    """What a checkpoint tells beside weights and moments, as JSON."""
    return {
        "identity": dict(wanted),
        "finished": finished,
        "reference": loop.reference.as_json(),
        "foreseen": asdict(loop.foreseen) if loop.foreseen else None,
        "seconds": loop.seconds,
        "steps": [astuple(step) for step in trained.steps],
        "epochs": [astuple(epoch) for epoch in trained.epochs],
        "placed_untuned": [list(slot) for slot in trained.placed_untuned],
    }


def put_facts(told: Mapping[str, Any], loop: Loop, trained: Trained) -> None:
    """Put back what `facts` told. Raises ProsodyError if it lacks something."""
    from prosody.lm.train import Epoch

    try:
        loop.reference = Reference(told["reference"]["scale"], told["reference"]["offsets"])
        loop.foreseen = Estimate(**told["foreseen"]) if told["foreseen"] else None
        trained.steps = [Step(*one) for one in told["steps"]]
        trained.epochs = [Epoch(*one) for one in told["epochs"]]
        trained.placed_untuned = [tuple(slot) for slot in told["placed_untuned"]]
        loop.seconds = float(told["seconds"])
        if not (trained.steps and trained.epochs):
            raise ValueError("no step or epoch")
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        what = f"lacks what a training goes on from ({error})"
        raise ProsodyError(None, "checkpoint", what, "train anew: resume=never") from error


def _changes(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What differs between two trainings, for a person to read."""
    told = []
    for name in sorted(held.keys() | wanted.keys()):
        before, now = held.get(name), wanted.get(name)
        if before == now or name == _PLAN:  # the plan follows from all else, and from the code
            continue
        if name in ("text to learn from", "held-out text") and isinstance(before, dict) and "words" in before and now:
            told.append(f"the {name} ({before['words']:,} words, now {now['words']:,}, or other markers in it)")
        elif name == "base_model" and isinstance(before, dict) and "name" in before and now:
            told.append(f"{name} (was {before['name']}, now {now['name']})")
        else:
            told.append(f"{name} (was {json.dumps(before)}, now {json.dumps(now)})")
    return told if told or held.get(_PLAN) == wanted.get(_PLAN) else ["the code that says what each step learns from"]


def _hash_of_text(corpus: Corpus) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps([corpus.words, corpus.slots, corpus.documents, corpus.pieces]).encode())
    digest.update(corpus.measured.tobytes())
    return {"words": len(corpus.words), "sha256": digest.hexdigest()}


def fingerprint(base: Base) -> dict[str, str]:
    """A base that no adapter is on yet: its name, and a hash of shapes and beginnings of all its weights."""
    digest = hashlib.sha256()
    for name, weight in base.model.named_parameters():
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().flatten()[:64].float().cpu().numpy().tobytes())
    return {"name": Path(base.name).name, "sha256": digest.hexdigest()}
