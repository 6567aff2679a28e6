"""Adapters on disk: the folder that plain `PeftModel.from_pretrained` loads, and ours checked before it is used.

Stand-alone models, merged or trained in full, are read here too: whatever an adapter is good for, they are.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody import files, markers
from prosody.errors import ProsodyError
from prosody.lm.base import BUILT_IN, Base, kept_name, load_base
from prosody.lm.lora import add_marker_rows, marker_rows_of
from prosody.lm.slots import READINGS, Reference
from prosody.lm.tokenizer import MarkerTokenizer

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from prosody.lm.acoustic import AcousticHead, Scale

ADAPTER_FOLDER = "janus_prosody_lora"
FOLDERS = {"lora": ADAPTER_FOLDER, "full": "janus_prosody_full"}  # method → where a run keeps what it trained
CARD_FILE = "janus_prosody.json"
FORMAT_VERSION = 3  # of the card; 2 and 1 set a marker's logit against the next token's
DEFAULT_THRESHOLD, DEFAULT_WINDOW_WORDS = 0.4, 60  # where a card says nothing
_COUNTS = ("segments_train", "segments_val", "words_train", "words_val", "trainable_parameters")
_CARD_FIELDS: dict[str, Callable[[Any], bool]] = {
    "format_version": lambda value: value == FORMAT_VERSION,
    "base": lambda x: isinstance(x, str) and x != "",
    "width": lambda x: type(x) is int,
    "vocabulary": lambda x: type(x) is int,
    "reading": lambda x: x in READINGS,
    "reference": lambda x: _is_reference(x),
    "threshold": lambda x: type(x) in (int, float) and 0 <= x <= 1,
    "window_words": lambda x: type(x) is int and x >= 1,
    "rate_by_marker": lambda x: x is None or _are_rates(x),
    "metrics": lambda x: _are_figures(x),
    **dict.fromkeys(_COUNTS, lambda x: type(x) is int and 0 <= x < 1 << 63),
}
_WHERE_SILENT = {"threshold": DEFAULT_THRESHOLD, "window_words": DEFAULT_WINDOW_WORDS, "metrics": {}}
_WHERE_SILENT |= {"rate_by_marker": None}
_WHERE_SILENT |= dict.fromkeys(_COUNTS, 0)
_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
_MODEL_FILES = ("config.json", "model.safetensors")
_TOO_MUCH = 1e38
_HUB_ID = {BUILT_IN: "HuggingFaceTB/SmolLM2-135M-Instruct"}


@dataclass(frozen=True)
class Adapter:
    """A trained adapter on its base, or a stand-alone model.

    model: PEFT's, or the stand-alone one itself. card: what `CARD_FILE` says (base, counts, figures, run). head:
    predicts measurements, with the speaker's scale; None where nothing was measured.
    """

    folder: Path
    base: Base
    model: PeftModel | PreTrainedModel
    tokenizer: MarkerTokenizer
    card: Mapping[str, Any]
    head: tuple[AcousticHead, Scale] | None = None

    @property
    def reference(self) -> Reference:
        """What markers' logits are set against."""
        return Reference(self.card["reference"]["scale"], self.card["reference"]["offsets"])

    @property
    def is_alone(self) -> bool:
        """Whether it is a stand-alone model, in which base and learned are one."""
        return not hasattr(self.model, "disable_adapter")

    @contextmanager
    def untuned(self) -> Iterator[PeftModel | PreTrainedModel]:
        """The base without what was learned: the adapter is off meanwhile.

        Beside a stand-alone model the base is loaded anew; raises ProsodyError if it is not within reach.
        """
        if not self.is_alone:
            with self.model.disable_adapter():
                yield self.model
            return
        yield self._base_alone.to(self.model.device)

    @cached_property
    def _base_alone(self) -> PreTrainedModel:
        """The base of a stand-alone model, loaded once."""
        base = load_base(self.card["base"])
        add_marker_rows(base.model, self.tokenizer)
        return base.model


def save_adapter(
    model: PeftModel,
    base: Base,
    folder: Path,
    *,
    card: Mapping[str, Any],
    head: tuple[AcousticHead, Scale] | None = None,
) -> None:
    """Write the adapter whole or not at all: safetensors, PEFT's config, a card for people and one for programs.

    card: JSON values, `reference` and `reading` among them; `base`, `width` and `vocabulary` are added. head: goes into
    a file of its own. An earlier folder of the same name is replaced.
    """
    config = model.peft_config["default"]
    config.base_model_name_or_path = _public_name(base.name)
    config.target_modules = sorted(config.target_modules)  # a set: else its order changes from process to process
    full = dict(card) | {
        "format_version": FORMAT_VERSION,
        "base": kept_name(base.name),
        "width": model.get_input_embeddings().weight.shape[1],
        "vocabulary": _vocabulary(model),
    }
    with trained_folder(folder, full, head=head, is_alone=False, overwrite=True) as work:
        model.save_pretrained(work, safe_serialization=True, save_embedding_layers=False)


def check_place(folder: Path) -> None:
    """Raise ProsodyError where a trained adapter or model could not go: something else than an earlier one is there."""
    files.check_new_folder(folder, overwrite=True)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CARD_FILE).is_file():
        raise ProsodyError(folder, None, "holds something else than what was trained", "move it away")


@contextmanager
def trained_folder(
    folder: Path,
    card: Mapping[str, Any],
    *,
    head: tuple[AcousticHead, Scale] | None,
    is_alone: bool,
    overwrite: bool,
) -> Iterator[Path]:
    """A temporary folder to put weights into; with cards and head it becomes `folder`, whole or not at all.

    Raises ProsodyError if it cannot be written, as on a full disk.
    """
    from safetensors import SafetensorError

    from prosody.lm.acoustic import save_head

    with files.new_folder(folder, overwrite=overwrite) as work, files.named(work, folder):
        try:
            with files.telling(folder):
                yield work
                if head:
                    save_head(work, *head)
        except SafetensorError as error:  # how it tells of a full disk
            raise ProsodyError(folder, None, f"cannot be written ({error})", "make room, then run it again") from error
        files.write_json(work / CARD_FILE, card)
        files.write_text(work / "README.md", model_card(card, is_alone=is_alone), overwrite=True)
        for file in work.iterdir():
            file.chmod(0o644)


def _vocabulary(model: PeftModel) -> int:
    return model.get_base_model().config.vocab_size - len(markers.TOKENS)


def _public_name(base: str) -> str:
    """A base's name for others: its hub id, or a folder's own name without the path."""
    return _HUB_ID.get(base, Path(base).name if os.path.isdir(os.path.expanduser(base)) else base)


def folder_in(artifacts: Path) -> Path:
    """Where a run's artifacts keep what it trained: the adapter, or the model that was trained in full."""
    full = artifacts / FOLDERS["full"]
    return full if full.is_dir() else artifacts / ADAPTER_FOLDER


def adapter_bytes(folder: Path) -> int:
    """Size of the weights, bytes: of an adapter, or of a stand-alone model."""
    return sum(file.stat().st_size for file in folder.glob("*model*.safetensors"))


def load_adapter(folder: Path | str, *, base: str | None = None) -> Adapter:
    """Load an adapter on its base (or on `base`, a name as for `load_base`), ready to mark.

    Raises ProsodyError when the folder holds no adapter, a damaged one, a pickle in place of safetensors, or one for
    another base.
    """
    folder = Path(folder)
    card = _read_card(folder)
    from prosody.lm.acoustic import load_head

    if stands_alone(folder):
        held = _weight_names(folder / "model.safetensors")
        loaded = load_base(str(folder))
        _check_model(loaded, folder, held, card)
        tokenizer = MarkerTokenizer(loaded.tokenizer, vocabulary=card["vocabulary"])
        return Adapter(folder, loaded, loaded.model, tokenizer, card, load_head(folder, width=card["width"]))
    held = _weight_names(folder / "adapter_model.safetensors")
    loaded = load_base(base or card["base"])
    if loaded.vocabulary != card["vocabulary"] or loaded.model.config.hidden_size != card["width"]:
        raise ProsodyError(
            folder,
            "adapter",
            f"was trained on {card['base']} ({card['vocabulary']} tokens × {card['width']}), "
            f"but {loaded.name} has {loaded.vocabulary} × {loaded.model.config.hidden_size}",
            f"use base_model={card['base']}",
        )
    tokenizer = MarkerTokenizer(loaded.tokenizer, vocabulary=loaded.vocabulary)
    add_marker_rows(loaded.model, tokenizer)
    model = _load_weights(loaded, folder, held).eval()
    return Adapter(folder, loaded, model, tokenizer, card, load_head(folder, width=card["width"]))


def _check_model(base: Base, folder: Path, held: set[str], card: Mapping[str, Any]) -> None:
    """Raise ProsodyError unless a stand-alone model has all of its weights, no others, and the card's shape."""
    strangers = held ^ {name for name, _ in base.model.named_parameters()}
    if strangers:
        what = f"{len(strangers)} weights lack their counterpart, such as {min(strangers)}"
        raise ProsodyError(folder / "model.safetensors", None, what, "train or merge it anew")
    rows, width = base.model.get_input_embeddings().weight.shape
    least = card["vocabulary"] + len(markers.TOKENS)
    if rows < least or width != card["width"]:
        what = f"tells of {least} × {card['width']} embeddings, the model has {rows} × {width}"
        raise ProsodyError(folder / CARD_FILE, None, what, "train or merge it anew")


def _weight_names(path: Path) -> set[str]:
    """The names of a file's weights, each of them looked at: with a NaN in one, no marker would ever be placed."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as weights:
            names = set(weights.keys())
            for name in sorted(names):
                values = weights.get_tensor(name)
                if not (values.is_floating_point() and values.isfinite().all()):
                    raise ProsodyError(path, name, "holds values that are no finite numbers", "train it anew")
            return names
    except (SafetensorError, OSError) as error:
        raise ProsodyError(path, None, f"is damaged ({error})", "train it anew") from error


def _load_weights(base: Base, folder: Path, held: set[str]) -> PeftModel:
    """The base with the folder's weights on it: each of those `held` has its layer, and each layer its weights."""
    from peft import PeftModel, get_peft_model_state_dict

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # between PEFT and transformers; not for people
            warnings.simplefilter("ignore", UserWarning)  # such as of missing weights: told below, as an error
            model = PeftModel.from_pretrained(base.model, folder)
    except Exception as error:  # PEFT takes the config as it is: what a damaged one makes it raise can be anything
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ProsodyError(folder, "adapter", f"does not fit {base.name} ({first})", "train it anew") from error
    strangers = held ^ set(get_peft_model_state_dict(model, save_embedding_layers=False))
    if strangers:
        what = f"does not fit {base.name} ({len(strangers)} weights lack their counterpart, such as {min(strangers)})"
        raise ProsodyError(folder, "adapter", what, "give the base that it was trained on")
    learned, wanted = marker_rows_of(model), range(base.vocabulary, base.vocabulary + len(markers.TOKENS))
    if sorted(learned) != list(wanted):
        what = f"has rows {learned} for its markers where this base has {wanted[0]} to {wanted[-1]}"
        raise ProsodyError(folder / "adapter_config.json", "trainable_token_indices", what, "train it anew")
    return model


def stands_alone(folder: Path) -> bool:
    """Whether a whole model is there, and not an adapter."""
    return all(os.path.isfile(folder / name) for name in _MODEL_FILES)


def _read_card(folder: Path) -> dict[str, Any]:
    """The adapter's card, once the folder is seen to hold what it should."""
    if not os.path.isdir(folder):
        raise ProsodyError(folder, None, "no such adapter folder", "train one (`make train`) or give another --adapter")
    for name in (*(_MODEL_FILES if stands_alone(folder) else _ADAPTER_FILES), CARD_FILE):
        if (folder / name).is_file():
            continue
        if name.endswith(".safetensors"):
            refuse_pickles(folder, name)
        raise ProsodyError(folder, name, "is missing: this is no adapter of Janus Prosody", "give the adapter's folder")
    if stands_alone(folder) and not os.path.isfile(folder / "tokenizer.json"):
        raise ProsodyError(folder, "tokenizer.json", "is missing: the model has no tokenizer", "train or merge it anew")
    card = files.read_json(folder / CARD_FILE)
    if not isinstance(card, dict):
        raise ProsodyError(folder / CARD_FILE, None, "names no base, width and vocabulary", "train the adapter anew")
    full = _WHERE_SILENT | card
    for name, fits in _CARD_FIELDS.items():
        if not fits(full.get(name)):
            what = f"is {json.dumps(full.get(name))}" if name in full else "is missing"
            raise ProsodyError(folder / CARD_FILE, name, what, "train the adapter anew")
    return full


def refuse_pickles(folder: Path, name: str, *, remedy: str = "save it as safetensors") -> None:
    """Raise ProsodyError if `folder` holds a pickle, and not the safetensors file `name` that belongs there."""
    if (folder / name).is_file():
        return
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".pkl"))
    if pickles:
        what = "is a pickle, which can run code when read; it was not opened"
        raise ProsodyError(folder, pickles[0], what, remedy)


def _is_reference(value: Any) -> bool:
    """Whether a card's `reference` is one: a scale and an offset for each marker, all finite."""
    if not isinstance(value, dict) or not isinstance(value.get("offsets"), dict):
        return False
    return all(map(_is_number, (value.get("scale"), *(value["offsets"].get(token) for token in markers.TOKENS))))


def _are_rates(value: Any) -> bool:
    """Whether a card's `rate_by_marker` is one: of each marker, how many a hundred words."""
    return isinstance(value, dict) and all(_is_number(value.get(t)) and 0 <= value[t] <= 100 for t in markers.TOKENS)


def _are_figures(value: Any) -> bool:
    """Whether a card's `metrics` are such as the model card shows."""
    if not isinstance(value, dict):
        return False
    tables = [value.get(name, {}) for name in ("f1", "macro_f1_baselines")]
    single = [value[name] for name in ("loss_val", "loss_val_untuned", "macro_f1") if name in value]
    return all(isinstance(one, dict) and all(map(_is_number, one.values())) for one in tables) and all(
        map(_is_number, single)
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < _TOO_MUCH  # JSON knows numbers of any length


def model_card(card: Mapping[str, Any], *, is_alone: bool = False) -> str:
    """The README of an adapter, or of a stand-alone model, in the hub's format."""
    base = _public_name(card["base"])
    if is_alone:
        what = f"`{base}` with seven rows for markers, trained in full or merged with its adapter."
        how = "To load it: `AutoModelForCausalLM.from_pretrained(folder)`; its tokenizer knows the markers."
    else:
        what = f"A LoRA adapter with seven marker rows for `{base}`."
        how = (
            "To load it: resize the base's embeddings by seven rows (the adapter carries their values), then\n"
            "`PeftModel.from_pretrained(base, folder)`."
        )
    figures = card.get("metrics", {})
    loss, untuned = (figures.get(name, math.nan) for name in ("loss_val", "loss_val_untuned"))
    rows = "\n".join(f"| `{token}` | {value:.2f} |" for token, value in figures.get("f1", {}).items())
    others = "\n".join(f"| {k.replace('_', ' ')} | {v:.2f} |" for k, v in figures.get("macro_f1_baselines", {}).items())
    return f"""---
library_name: {"transformers" if is_alone else "peft"}
tags: [prosody, lora, speech]
---

# A speaking style: where one speaker's prosody markers stand

{what} Given plain words it decides which of the
seven markers (`<emph>`, two pauses, four of pitch) stand before each.

- run: `{card.get("run", "")}`; data (sha256 of the dataset): `{card.get("data_sha256", "")}`
- examples: {card.get("segments_train", 0)} segments ({card.get("words_train", 0)} words) to train on,
  {card.get("segments_val", 0)} ({card.get("words_val", 0)} words, the recording's last part) held out
- trained parameters: {card.get("trainable_parameters", 0):,}

Held-out loss {loss:.3f} nats a slot (untuned base {untuned:.3f}).

| marker | F1, held out |
|---|---|
{rows}
| **macro** | **{figures.get("macro_f1", math.nan):.2f}** |

| baseline | macro F1 |
|---|---|
{others}

{how} With Janus Prosody: `prosody mark "Some text." --adapter FOLDER`.
Settings: `{json.dumps(card.get("parameters", {}))}`
"""
