"""Which dataset a command means by what it is given."""

from lm_data import rule_book, save_book

from prosody import dataset
from prosody.commands import dataset_folder
from prosody.speech import sources
from prosody.workflow import record, reviews


def test_latest_is_what_a_training_would_learn_from(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PROSODY_RUNS_DIR", str(tmp_path))
    run = record.start("prepare", {}, runs=tmp_path, how="headless")
    folder = run / "artifacts" / "dataset"
    save_book(folder, rule_book(3, measured=True))
    record.end(run, "ok", code=0)
    assert dataset_folder("latest") == folder
    data = dataset.load(folder)
    under_review = reviews.begin(data, sounds=sources.of_segments(data), by="ann")
    under_review.session.do("reject", "2")
    made = under_review.write(under_review.session, lambda share: None)
    under_review.session.close()
    assert dataset_folder("latest") == made and "as it was reviewed" in capsys.readouterr().err
    assert dataset_folder(run.name) == folder
