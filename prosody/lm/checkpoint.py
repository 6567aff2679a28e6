"""Adapters on disk: the folder that plain `PeftModel.from_pretrained` loads, and ours checked before it is used."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody import files
from prosody.errors import ProsodyError
from prosody.lm.base import BUILT_IN, Base, load_base
from prosody.lm.lora import add_marker_rows
from prosody.lm.tokenizer import MarkerTokenizer

if TYPE_CHECKING:
    from peft import PeftModel

ADAPTER_FOLDER = "janus_prosody_lora"
CARD_FILE = "janus_prosody.json"
_HUB_ID = {BUILT_IN: "HuggingFaceTB/SmolLM2-135M-Instruct"}


@dataclass(frozen=True)
class Adapter:
    """A trained adapter on its base. `card`: what `CARD_FILE` says (base, counts, figures, run)."""

    folder: Path
    base: Base
    model: PeftModel
    tokenizer: MarkerTokenizer
    card: Mapping[str, Any]


def save_adapter(model: PeftModel, base: Base, folder: Path, *, card: Mapping[str, Any]) -> None:
    """Write the adapter whole or not at all: safetensors, PEFT's config, a card for people and one for programs.

    card: JSON values; `base`, `width` and `vocabulary` are added. An earlier folder of the same name is replaced.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        config = model.peft_config["default"]
        config.base_model_name_or_path = _HUB_ID.get(
            base.name, Path(base.name).name if os.path.isdir(base.name) else base.name
        )
        model.save_pretrained(work, safe_serialization=True, save_embedding_layers=False)
        width = model.get_input_embeddings().weight.shape[1]
        full = dict(card) | {"base": base.name, "width": width, "vocabulary": _vocabulary(model)}
        (work / CARD_FILE).write_text(json.dumps(full, indent=2), encoding="utf-8")
        (work / "README.md").write_text(model_card(full), encoding="utf-8")
        os.chmod(work, 0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
            folder.rename(old / folder.name)
            work.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _vocabulary(model: PeftModel) -> int:
    return model.get_base_model().config.vocab_size - 7


def adapter_bytes(folder: Path) -> int:
    """Size of the adapter's weights, bytes."""
    return (folder / "adapter_model.safetensors").stat().st_size


def load_adapter(folder: Path | str, *, base: str | None = None) -> Adapter:
    """Load an adapter on its base (or on `base`, a name as for `load_base`), ready to mark.

    Raises ProsodyError when the folder holds no adapter, a pickle in place of safetensors, or one for another base.
    """
    from peft import PeftModel

    folder = Path(folder)
    card = _read_card(folder)
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
    try:
        model = PeftModel.from_pretrained(loaded.model, folder)
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise ProsodyError(folder, "adapter", f"does not fit {loaded.name} ({first})", "train it anew") from error
    return Adapter(folder, loaded, model.eval(), tokenizer, card)


def _read_card(folder: Path) -> dict[str, Any]:
    """The adapter's card, once the folder is seen to hold what it should."""
    if not folder.is_dir():
        raise ProsodyError(folder, None, "no such adapter folder", "train one (`make train`) or give another --adapter")
    for name in ("adapter_config.json", "adapter_model.safetensors", CARD_FILE):
        if (folder / name).is_file():
            continue
        pickles = [p.name for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".pkl")]
        if name.endswith(".safetensors") and pickles:
            raise ProsodyError(
                folder,
                pickles[0],
                "is a pickle, which can run code when read; it was not opened",
                "save it as safetensors",
            )
        raise ProsodyError(folder, name, "is missing: this is no adapter of Janus Prosody", "give the adapter's folder")
    card = files.read_json(folder / CARD_FILE)
    if not isinstance(card, dict) or not {"base", "width", "vocabulary"} <= card.keys():
        raise ProsodyError(folder / CARD_FILE, None, "names no base, width and vocabulary", "train the adapter anew")
    return card


def model_card(card: Mapping[str, Any]) -> str:
    """The adapter's README in the hub's format."""
    figures = card.get("metrics", {})
    loss, untuned = (figures.get(name, math.nan) for name in ("loss_val", "loss_val_untuned"))
    rows = "\n".join(f"| `{token}` | {value:.2f} |" for token, value in figures.get("f1", {}).items())
    others = "\n".join(f"| {k.replace('_', ' ')} | {v:.2f} |" for k, v in figures.get("macro_f1_baselines", {}).items())
    hub = _HUB_ID.get(card["base"], card["base"])
    return f"""---
library_name: peft
tags: [prosody, lora, speech]
---

# A speaking style: where one speaker's prosody markers stand

A LoRA adapter with seven marker rows for `{hub}`. Given plain words it decides which of the seven markers
(`<emph>`, two pauses, four of pitch) stand before each.

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

To load it: resize the base's embeddings by seven rows (the adapter carries their values), then
`PeftModel.from_pretrained(base, folder)`. With Janus Prosody: `prosody mark "Some text." --adapter FOLDER`.
Settings: `{json.dumps(card.get("parameters", {}))}`
"""
