"""An adapter and its base as one model that needs neither PEFT nor this package."""

from __future__ import annotations

import warnings
from pathlib import Path

from prosody import files, markers
from prosody.lm.checkpoint import CARD_FILE, Adapter


def merge(adapter: Adapter, folder: Path, *, overwrite: bool = False) -> int:
    """Write a stand-alone model, weights as safetensors, with its tokenizer, which knows the markers.

    In the model's vocabulary a marker has the id under which its tokenizer gives it. The adapter's own model is used
    up. Returns the bytes written. Raises ProsodyError if the folder exists and `overwrite` is false, or cannot be
    written.
    """
    import torch

    tokenizer = adapter.tokenizer.base
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # between PEFT and transformers; not for people
        model = adapter.model.merge_and_unload()
    ids = [tokenizer.convert_tokens_to_ids(token) for token in markers.TOKENS]
    tables = {id(t.weight): t.weight for t in (model.get_input_embeddings(), model.get_output_embeddings())}
    with torch.no_grad():
        for table in tables.values():
            vectors = table[list(adapter.tokenizer.rows.values())].clone()
            table[ids] = vectors  # the same rows, unless the base has more of them than its tokenizer has tokens
    with files.new_folder(folder, overwrite=overwrite) as work, files.named(work, folder):
        model.save_pretrained(work, safe_serialization=True)
        tokenizer.save_pretrained(work)
        files.write_json(work / CARD_FILE, dict(adapter.card) | {"merged": True})
        for file in work.iterdir():
            file.chmod(0o644)
        return sum(file.stat().st_size for file in work.iterdir())
