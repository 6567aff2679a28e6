"""What commands about training share, and the command that tells what one will cost."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from prosody.commands import bar, dataset_folder, print_json, tell
from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from prosody.lm.lora import LoraParameters
    from prosody.lm.parameters import TrainParameters

_LOADED = 0.4  # of an estimate's time, when dataset and base are there


def estimate(arguments: Namespace) -> None:
    """Take a few steps and tell what the whole training would cost, here and on a card."""
    from prosody import dataset
    from prosody.lm.base import load_base
    from prosody.lm.estimate import card_of
    from prosody.lm.lora import LoraParameters
    from prosody.lm.parameters import TrainParameters
    from prosody.lm.train import foresee

    if arguments.card:
        card_of(arguments.card)
    lora, parameters = changed(LoraParameters(), TrainParameters(), arguments.pairs)
    told: list[str] = []  # told once the bar is gone
    try:
        with bar("estimating") as progress:
            data = dataset.load(dataset_folder(arguments.dataset))
            progress(_LOADED / 2)
            base = load_base(arguments.base_model)
            progress(_LOADED)
            found = foresee(
                data, base, lora, parameters, card=arguments.card, on_line=told.append,
                progress=lambda share: progress(_LOADED + (1 - _LOADED) * share),
            )  # fmt: skip
    finally:
        for line in told:
            tell(line)
    if arguments.json:
        print_json([asdict(one) | {"total_mb": one.total_mb} for one in found])
        return
    for one in found:
        print(one)


def changed(
    lora: LoraParameters, train: TrainParameters, pairs: Sequence[Sequence[str]] | None
) -> tuple[LoraParameters, TrainParameters]:
    """Parameters with those changed that a command line names. Raises ProsodyError for an unknown name, or no value."""
    for name, text in pairs or []:
        of = next((one for one in (lora, train) if name in {field.name for field in fields(one)}), None)
        if of is None:
            known = ", ".join(field.name for one in (lora, train) for field in fields(one))
            raise ProsodyError(None, name, "is no parameter of the training", f"use one of {known}")
        new = replace(of, **{name: _value(name, text, getattr(of, name))})
        lora, train = (new, train) if of is lora else (lora, new)
    return lora, train


def _value(name: str, text: str, default: Any) -> Any:
    """A parameter as its default's type."""
    try:
        return tuple(text.split(",")) if isinstance(default, tuple) else type(default)(text)
    except ValueError:
        what, remedy = f"{text!r} is no {type(default).__name__}", f"give one such as {default}"
        raise ProsodyError(None, name, what, remedy) from None
