import json
from types import SimpleNamespace

import pytest

from prosody.dataset import DATASET_FILE, Word
from prosody.files import sha256
from prosody.workflow import record, speaker

WORDS = (Word("Oh,", 0, 0.3, ("<pitch_high>",)), Word("never", 0.3, 0.7, ("<emph>",)), Word("mind.", 0.7, 1.0))


def prepared(runs, content, state="ok"):
    folder = record.start("prepare", {}, runs=runs, how="headless")
    dataset = folder / "artifacts" / "dataset"
    dataset.mkdir()
    (dataset / DATASET_FILE).write_text(content, encoding="utf-8")
    record.end(folder, state, code=0)
    return dataset


def test_an_adapters_dataset_is_found_by_its_hash(runs):
    mine, failed = prepared(runs, "[1]"), prepared(runs, "[2]", state="failed")
    card, other = ({"data_sha256": sha256(folder / DATASET_FILE)} for folder in (mine, failed))
    assert speaker.dataset_of(card) == mine
    assert [speaker.dataset_of(one) for one in ({}, {"data_sha256": ""}, other)] == [None] * 3
    (mine / DATASET_FILE).write_text("[1, 2]", encoding="utf-8")  # reviewed since
    assert speaker.dataset_of(card) is None


def test_without_a_dataset_rates_are_compared():
    answer = SimpleNamespace(spoken=SimpleNamespace(words=WORDS))
    found = speaker.style_of([answer], {"rate_by_marker": {"<emph>": 50.0}})
    assert found.answers.rates["<emph>"].value == pytest.approx(100 / 3)
    assert found.differences["rates"]["<emph>"].value == pytest.approx(100 / 3 - 50)
    assert json.loads(json.dumps(record.plain(found.metrics())))["style_distance"] is None
    assert "rates" in found.verdict
