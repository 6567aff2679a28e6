"""Stand-alone models, which need neither PEFT nor this package: an adapter and its base merged, or a base trained in
full."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody import markers
from prosody.errors import ProsodyError
from prosody.lm.base import quietly
from prosody.lm.checkpoint import CARD_FILE, FORMAT_VERSION, Adapter, stands_alone, trained_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from prosody.lm.acoustic import AcousticHead, Scale
    from prosody.lm.tokenizer import MarkerTokenizer


def merge(adapter: Adapter, folder: Path, *, overwrite: bool = False) -> int:
    """Write an adapter and its base as one model; see `save_alone`. The adapter's own model is used up.

    Returns the bytes written. Raises ProsodyError if it is a stand-alone model already, if `folder` is anything but one
    (or, without `overwrite`, is there), or as `save_alone` does.
    """
    if adapter.is_alone:
        raise ProsodyError(adapter.folder, None, "is a stand-alone model already", "copy the folder")
    if overwrite and folder.exists() and not (stands_alone(folder) and (folder / CARD_FILE).is_file()):
        what = "is no stand-alone model of Janus Prosody, and stays as it is"
        raise ProsodyError(folder, None, what, "give another name")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # between PEFT and transformers; not for people
        model = adapter.model.merge_and_unload()
    return save_alone(model, adapter.tokenizer, folder, card=dict(adapter.card), head=adapter.head, overwrite=overwrite)


def save_alone(
    model: PreTrainedModel,
    tokenizer: MarkerTokenizer,
    folder: Path,
    *,
    card: Mapping[str, Any],
    head: tuple[AcousticHead, Scale] | None = None,
    overwrite: bool = False,
) -> int:
    """Write a model whole or not at all: weights as safetensors, its tokenizer, which knows the markers, and its card.

    In the model's vocabulary a marker has the id under which its tokenizer gives it. Returns the bytes written. Raises
    ProsodyError if the folder exists and `overwrite` is false, or cannot be written.
    """
    import torch

    own = tokenizer.base
    ids = [own.convert_tokens_to_ids(token) for token in markers.TOKENS]
    tables = {id(t.weight): t.weight for t in (model.get_input_embeddings(), model.get_output_embeddings())}
    with torch.no_grad():
        for table in tables.values():
            vectors = table[list(tokenizer.rows.values())].clone()
            table[ids] = vectors  # the same rows, unless the base has more of them than its tokenizer has tokens
    about = {"format_version": FORMAT_VERSION, "vocabulary": tokenizer.vocabulary, "width": vectors.shape[1]}
    with trained_folder(folder, about | dict(card), head=head, is_alone=True, overwrite=overwrite) as work:
        with quietly():
            model.save_pretrained(work, safe_serialization=True)
        own.save_pretrained(work)
    return sum(file.stat().st_size for file in folder.iterdir())
