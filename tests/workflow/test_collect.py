"""What `runs gc` takes: by its rules, and never what something that stays needs, on whatever graph of runs."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import change, entry, make, name_of

from prosody.errors import ProsodyError
from prosody.workflow import alive, collect, lineage, record

DAY = 86_400.0


def key(folder):
    return f"{folder.parent.name}/{folder.name}"


def gone(runs, **how):
    return set(collect.plan(runs, **how).runs)


def test_what_was_cut_short_goes_and_what_is_ok_stays(runs):
    cut = {make(runs, "segment", k, state=state) for k, state in enumerate(collect.CUT)}
    make(runs, "segment", 5)
    assert gone(runs) == {key(one) for one in cut}


def test_an_ok_run_goes_when_a_later_whole_one_is_of_the_same(runs, tmp_path):
    source = tmp_path / "talk.wav"
    source.write_text("sound")
    old = make(runs, "segment", 1, reads=[source], params={"a": 1})
    make(runs, "segment", 2, reads=[source], params={"a": 2})  # other parameters
    other_code = make(runs, "segment", 3, reads=[source], params={"a": 1})
    change(other_code, "git", package_sha256="q" * 64)
    assert gone(runs) == set()
    new = make(runs, "segment", 4, reads=[source], params={"a": 1})
    assert collect.plan(runs).runs == {key(old): f"{new.name} is of the same inputs, parameters and code"}
    (new / "artifacts" / "out.txt").write_text("damaged since")
    assert gone(runs) == set()
    source.write_text("another sound")
    make(runs, "segment", 5, reads=[source], params={"a": 1})
    assert gone(runs) == set()


def test_a_repeat_does_not_stand_for_what_it_repeats(runs):
    old = make(runs, "segment", 1)
    first = make(runs, "segment", 2)
    again = make(runs, "segment", 3)
    record.write_status(again, rerun_of=first.name)
    assert gone(runs) == {key(old)}
    assert any("no repeat of this one" in line for line in collect.rules(None, None))


def test_the_same_made_of_the_same_goes_as_a_chain(runs):
    """Made twice, each from its own: the inputs' bytes are the same, the ids of their runs are not."""
    first = [make(runs, "segment", 1, writes="cut")]
    first.append(make(runs, "prepare", 2, of=first))
    second = [make(runs, "segment", 3, writes="cut")]
    make(runs, "prepare", 4, of=second)
    assert gone(runs) == {key(one) for one in first}
    make(runs, "train", 5, of=[first[1]])  # now the first chain is needed
    assert gone(runs) == set()
    assert set(collect.plan(runs).stay) == {key(one) for one in first}


def test_keep_counts_the_ok_runs_of_each_stage(runs):
    ok = [make(runs, stage, k, params={"k": k}) for k, stage in enumerate(["segment"] * 3 + ["prepare"] * 2)]
    assert gone(runs) == set()
    assert gone(runs, keep=1) == {key(ok[0]), key(ok[1]), key(ok[3])}
    assert gone(runs, keep=2) == {key(ok[0])}


def test_only_what_is_old_enough(runs):
    make(runs, "segment", 1, state="failed")
    since = time.time() - record.datetime(2026, 11, 1, tzinfo=record.UTC).timestamp()
    assert gone(runs, older_than_s=since - DAY) and not gone(runs, older_than_s=since + DAY)
    assert [collect.seconds(one) for one in ("7d", "12h", "30m", "2w")] == [7 * DAY, DAY / 2, 1800, 14 * DAY]
    for wrong in ("7", "d", "-1d", "7 days"):
        with pytest.raises(ProsodyError, match="is no time"):
            collect.seconds(wrong)


def test_a_checkpoint_that_the_next_training_goes_on_from_stays(runs):
    before = make(runs, "train", 1, state="killed")
    make(runs, "train", 2)
    after, without = make(runs, "train", 3, state="killed"), make(runs, "train", 4, state="failed")
    for folder in (before, after):
        (folder / "artifacts" / "checkpoints" / "step_000120").mkdir(parents=True)
    plan = collect.plan(runs)
    assert set(plan.runs) == {key(before), key(without)}
    assert plan.stay == {key(after): "the next training goes on from its checkpoint"}


def test_a_reviewed_dataset_stays(runs):
    ready = make(runs, "prepare", 1, state="failed")
    data = ready / "artifacts" / "prosody_dataset.json"
    data.write_text("[1]")
    of_data = entry(data, "artifacts/dataset/prosody_dataset.json")
    (ready / "outputs.json").write_text(json.dumps([of_data]))
    assert gone(runs) == {key(ready)}
    (runs / "review" / str(of_data["sha256"])[:16]).mkdir(parents=True)
    assert gone(runs) == set()


def test_what_is_at_work_stays(runs):
    folder = record.start("segment", {}, runs=runs, how="headless")
    damaged = make(runs, "segment", 1, state="failed")
    with FileLock(damaged / alive.LOCK):
        assert gone(runs) == set()
    assert gone(runs) == {key(damaged)}
    record.end(folder, "failed", code=1)
    assert gone(runs) == {key(damaged), key(folder)}


def test_a_record_that_cannot_be_read_stays_and_keeps_what_it_was_made_from(runs):
    cut = make(runs, "segment", 1, state="failed")
    ready = make(runs, "prepare", 2, of=[cut])
    (ready / "status.json").write_text("{")
    assert gone(runs) == set()


def test_leftovers_of_deaths_go_when_they_are_old(runs):
    make(runs, "segment", 1)
    bare = runs / "segment" / name_of(2)
    bare.mkdir()
    (bare / ".alive").touch()
    (runs / "train" / ".tmp-0123456789ab").mkdir(parents=True)
    (runs / "segment" / name_of(1) / ".tmp-0123456789ab.json").touch()
    mine = [runs / "notes", runs / "segment" / "my copy", runs / "segment" / ".tmp-mine"]
    for path in mine:
        path.mkdir()
    assert not collect.plan(runs).rest  # somebody may write them now
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect.time, "time", lambda now=time.time: now() + 2 * DAY)
        found = collect.plan(runs)
        assert set(found.rest) == {
            bare,
            runs / "train" / ".tmp-0123456789ab",
            runs / "segment" / name_of(1) / ".tmp-0123456789ab.json",
        }
        with FileLock(bare / alive.LOCK):
            assert bare not in collect.plan(runs).rest
        assert "3 leftovers" in collect.carry_out(found, runs, keep=None, older_than_s=None)
    assert not bare.exists() and all(path.is_dir() for path in mine)


def test_a_plan_that_no_longer_holds_is_not_carried_out(runs):
    cut = make(runs, "segment", 1, state="failed")
    found = collect.plan(runs)
    make(runs, "prepare", 2, of=[cut])  # made while somebody was asked
    assert collect.carry_out(found, runs, keep=None, older_than_s=None).startswith("removed 0 runs")
    assert cut.is_dir()


STAGES = ("segment", "prepare", "train", "generate")
one_run = st.tuples(
    st.sampled_from(STAGES),
    st.sampled_from(["ok", "ok", "failed", "killed", "interrupted", "odd"]),
    st.lists(st.integers(0, 11), max_size=3),  # which others it was made from, also later ones: edited by hand
    st.sampled_from(["a", "b"]),
    st.none() | st.integers(0, 11),  # rerun of
    st.sampled_from(["", "", "", "inputs", "status", "upstream"]),  # what is damaged
)


@settings(max_examples=60)
@given(drawn=st.lists(one_run, min_size=1, max_size=12), keep=st.none() | st.integers(1, 2))
def test_what_stays_lacks_nothing_that_it_was_made_from(drawn, keep):
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(os.path.realpath(folder)) / "runs"
        made = [
            make(runs, stage, k, state=state, writes=writes) for k, (stage, state, _, writes, *_) in enumerate(drawn)
        ]
        needs = {one: set() for one in made}
        for folder_, (_, _, others, _, again, damaged) in zip(made, drawn, strict=True):
            before = [made[k] for k in others if k < len(made)]
            change(folder_, "upstream", **{one.parent.name: one.name for one in before})
            entries = [entry(one / "artifacts/out.txt", (one / "artifacts/out.txt").as_posix()) for one in before]
            (folder_ / "inputs.json").write_text(json.dumps(entries))
            if again is not None and again < len(made):
                change(folder_, "status", rerun_of=made[again].name)
            if damaged:
                (folder_ / f"{damaged}.json").write_text("{")
            # the other file of the two still names the runs of the last of each stage, or all of them
            known = before if damaged != "inputs" else [made[k] for k in _last_of_each_stage(others, made)]
            needs[folder_] |= {one for one in known if one != folder_}
        found = collect.plan(runs, keep=keep)
        collect.carry_out(found, runs, keep=keep, older_than_s=None)
        left = {one for one in made if one.is_dir()}
        assert {key(one) for one in made} - {key(one) for one in left} == set(found.runs)
        for one in left:
            assert needs[one] <= left, f"{key(one)} lost what it was made from"
        latest = {stage: [one for one in made if one.parent.name == stage] for stage in STAGES}
        for own in latest.values():
            ok = [one for one in own if drawn[made.index(one)][1] == "ok" and drawn[made.index(one)][5] != "status"]
            assert not ok or ok[-1] in left  # the latest that is ok is what the next stage takes
        assert lineage.graph(runs).nodes.keys() >= {key(one) for one in left}
        assert collect.plan(runs, keep=keep).runs == {}  # once is enough


def _last_of_each_stage(others, made):
    return {made[k].parent.name: k for k in others if k < len(made)}.values()
