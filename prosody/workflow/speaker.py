"""The speaker behind an adapter: the dataset that it was trained on, and how near answers come to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody.dataset import DATASET_FILE, load
from prosody.errors import ProsodyError
from prosody.files import sha256
from prosody.workflow import record, reviews

if TYPE_CHECKING:
    from prosody.lm.fidelity import Fidelity
    from prosody.workflow.answers import MarkedAnswer


def dataset_of(card: Mapping[str, Any], *, runs: Path | None = None) -> Path | None:
    """The folder of the dataset that an adapter was trained on, or None where no recorded run holds it.

    card: of the adapter; it names the dataset by its hash, so that neither a dataset reviewed since nor another
    speaker's is taken for it. runs: the folder of runs (by default the one in use).
    """
    wanted, runs = card.get("data_sha256"), runs or record.runs_folder()
    prepared = (run for run in reversed(record.runs(runs, "prepare")) if run.state == "ok")
    for folder in (*(run.artifacts / "dataset" for run in prepared), *reviews.every_reviewed(runs)):
        with suppress(ProsodyError, OSError):
            if wanted and sha256(folder / DATASET_FILE) == wanted:
                return folder
    return None


def style_of(
    answers: Sequence[MarkedAnswer], card: Mapping[str, Any], dataset: Path | None = None, *, seed: int = 0
) -> Fidelity:
    """How near answers come to the speaker of an adapter.

    card: of the adapter. dataset: the speaker's, as from `dataset_of`; without one there are only the card's rates to
    compare with. Raises ProsodyError if the dataset cannot be read.
    """
    from prosody.lm import fidelity, style

    texts = [style.of_spoken(one.spoken.words) if one.spoken else style.of_marked(one.marked.text) for one in answers]
    if dataset is None:
        return fidelity.compare_rates(texts, card.get("rate_by_marker") or {}, seed=seed)
    data = load(dataset)
    held_out, learned = (style.of_dataset(data, split=split) for split in ("val", "train"))
    return fidelity.compare(texts, held_out, learned=learned, seed=seed)
