"""The whole workflow made again: the same bytes from the segments to the adapter to the spoken answer."""

import json

import pytest

from prosody import cli
from prosody.workflow import lesson, record

FEW = {"answers": "6", "epochs": "1", "max_words": "20"}


@pytest.mark.slow
def test_the_built_in_workflow_comes_out_the_same_to_the_byte(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(record.RUNS_DIR, str(tmp_path))
    monkeypatch.delenv("PROSODY_RUN_DIR", raising=False)
    assert cli.main(["lesson", *(f"{name}={value}" for name, value in FEW.items())]) == 0
    capsys.readouterr()
    monkeypatch.setenv(record.RUNS_DIR, str(tmp_path / lesson.FOLDER))
    code = cli.main(["rerun", "generate", "--chain", "--verify", "--json"])
    told = json.loads(capsys.readouterr().out)
    different = [one for run in told for one in run["outputs"] if one["verdict"] == "different"]
    assert (code, different) == (0, [])
    identical = {one["path"] for run in told for one in run["outputs"] if one["verdict"] == "identical"}
    for name in (
        "artifacts/segments/segment_001.wav",
        "artifacts/dataset/prosody_dataset.json",
        "artifacts/janus_prosody_lora/adapter_model.safetensors",
        "artifacts/janus_prosody_lora/acoustic_head.safetensors",
        "artifacts/answer_01.wav",
    ):
        assert name in identical, name
