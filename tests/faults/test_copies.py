"""Runs that were copied: the original stays, and a copy in another stage's folder stands for none of that stage."""

import shutil

import made_runs
import pytest

from prosody.workflow import collect, record

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("name", ["copy of it", made_runs.name_of(9)])
def test_of_a_run_and_its_copy_the_copy_goes(tmp_path, name):
    original = made_runs.make(tmp_path, "segment", 1)
    shutil.copytree(original, original.parent / name)
    assert record.find(tmp_path, "segment").folder == original
    for keep in (None, 1):
        assert list(collect.plan(tmp_path, keep=keep).runs) == [f"segment/{name}"]


def test_a_copy_in_another_stages_folder_is_not_its_latest_and_drives_none_away(tmp_path):
    prepare = made_runs.make(tmp_path, "prepare", 2, of=[made_runs.make(tmp_path, "segment", 1)])
    later = made_runs.make(tmp_path, "segment", 3)
    shutil.copytree(later, prepare.parent / later.name)
    assert record.find(tmp_path, "prepare").folder == prepare
    assert f"prepare/{prepare.name}" not in collect.plan(tmp_path, keep=1).runs


@pytest.mark.parametrize("started", ["2034-01-01T00:00:00+00:00", "1970-01-01T00:00:00+00:00", "x", 5, None])
def test_whatever_the_clock_said_an_ok_run_stays(tmp_path, started):
    folder = made_runs.make(tmp_path, "segment", 1)
    made_runs.change(folder, "status", started=started, ended=started)
    assert record.find(tmp_path, "segment").folder == folder
    assert not collect.plan(tmp_path, keep=1, older_than_s=60).runs
