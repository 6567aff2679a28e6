"""What was made from what, as records have it: damaged, renamed, gone, edited by hand, and whether bytes agree."""

from __future__ import annotations

import json
import shutil
import time

import pytest
from made_runs import change, entry, make, name_of

from prosody.workflow import lineage, lineage_text


@pytest.fixture
def made(runs, tmp_path):
    """A recording, cut, prepared, trained twice, answered once."""
    (tmp_path / "talk.wav").write_bytes(b"sound")
    cut = make(runs, "segment", 1, reads=[tmp_path / "talk.wav"])
    ready = make(runs, "prepare", 2, of=[cut])
    first, second = make(runs, "train", 3, of=[ready]), make(runs, "train", 4, of=[ready], state="killed")
    return [cut, ready, first, second, make(runs, "generate", 5, of=[first])]


def key(folder):
    return f"{folder.parent.name}/{folder.name}"


def lines(folder):
    return lineage_text.tree(*lineage.of(folder)).splitlines()


def test_both_directions_down_to_the_source_file(made, tmp_path):
    told = lines(made[1])
    assert told[0].startswith(f"prepare {made[1].name}  ✓ ok")
    up, down = told.index("made from"), told.index("went into")
    assert up < down
    assert f"segment {made[0].name}" in told[up + 1] and "[1 file" not in told[up + 1]
    assert told[up + 1].endswith("as it was]")
    assert told[up + 2].startswith(f"   └─ {(tmp_path / 'talk.wav').as_posix()}  [")
    assert [made[3].name in line for line in told[down + 1 :]] == [False, False, True]
    assert f"│  └─ generate {made[4].name}" in told[down + 2]
    assert "✗ killed" in told[-1]


def test_changed_bytes_are_told_wherever_they_changed(made, tmp_path):
    check = lineage.checker()
    graph, _ = lineage.of(made[1])
    assert [check(link) for link in graph.links] == [[]] * 5
    (tmp_path / "talk.wav").write_bytes(b"other")  # the source
    (made[1] / "artifacts" / "out.txt").unlink()  # what a run wrote
    outputs = json.loads((made[0] / "outputs.json").read_text())
    outputs[0]["sha256"] = "0" * 64  # what it says that it wrote
    (made[0] / "outputs.json").write_text(json.dumps(outputs))
    check, (graph, _) = lineage.checker(), lineage.of(made[1])
    wrong = {(link.before, link.after): check(link) for link in graph.links}
    ((source, told),) = [(a, told) for (a, b), told in wrong.items() if b == key(made[0])]
    assert source.startswith("file:") and "is d9298a10d1b0 now" in told[0]
    assert "written as 000000000000" in wrong[key(made[0]), key(made[1])][0]
    assert wrong[key(made[1]), key(made[2])][0].endswith("is gone")
    assert any("1 of 1 file not as it was" in line for line in lines(made[1]))


def test_damaged_records_are_named_and_the_rest_is_told(made):
    (made[0] / "inputs.json").write_text("{")
    (made[2] / "status.json").write_text("[]")
    (made[1] / "outputs.json").write_text(json.dumps([{"path": 3}]))
    told = lines(made[1])
    assert any("damaged: inputs.json: is not JSON" in line for line in told)
    assert any("damaged: outputs.json: 1 entries are no files" in line for line in told)
    assert any(f"train {made[2].name}  ? unknown" in line for line in told)
    assert any(f"generate {made[4].name}" in line for line in told)


def test_a_run_that_is_gone_and_one_that_was_renamed(made):
    shutil.rmtree(made[0])
    made[2].rename(made[2].with_name("best"))
    told = lines(made[1])
    assert any(f"segment {made[0].name}  ∅ gone" in line for line in told)
    assert any(f"train {made[2].name}  (now train/best)" in line for line in told)
    renamed = made[2].with_name("best")
    later = make(made[0].parents[1], "generate", 9, of=[renamed])  # by its new name
    graph, at = lineage.of(renamed)
    assert {link.after for link in graph.after(at)} == {key(made[4]), key(later)}


def test_a_circle_is_told_and_ends(made):
    change(made[0], "upstream", generate=made[4].name)
    graph, _ = lineage.of(made[1])
    around = lineage.cycle(graph)
    assert sorted(around) == sorted(key(made[k]) for k in (0, 1, 2, 4))
    told = lines(made[1])
    assert "go in a circle" in told[-1] and "(see above)" in "".join(told)
    change(made[3], "status", rerun_of=made[3].name)
    assert any(made[3].name in line for line in lines(made[3]))


def test_a_run_made_again_a_review_and_the_same_bytes(runs, made, tmp_path):
    again = make(runs, "train", 6, of=[made[1]], rerun_of=made[2].name)
    data = made[1] / "artifacts" / "dataset" / "prosody_dataset.json"
    data.parent.mkdir()
    data.write_text("[]")
    of_data = entry(data, "artifacts/dataset/prosody_dataset.json")
    (made[1] / "outputs.json").write_text(json.dumps([of_data]))
    review = runs / "review" / str(of_data["sha256"])[:16]
    (review / "reviewed-1").mkdir(parents=True)
    change(again, "upstream", review=f"runs/review/{review.name}/reviewed-1")
    copy = tmp_path / "copied.txt"
    shutil.copy(made[2] / "artifacts" / "out.txt", copy)
    user = make(runs, "generate", 7, reads=[copy])
    graph = lineage.graph(runs)
    how = {(link.before, link.after): link.how for link in graph.links}
    assert how[key(made[2]), key(again)] == (lineage.AGAIN,)
    assert how[key(made[1]), f"review/{review.name}"] == (lineage.READS,)
    assert how[f"review/{review.name}", key(again)] == (lineage.UPSTREAM,)
    assert how[key(made[2]), key(user)] == (lineage.SAME_BYTES,)
    needed = lineage.reach(graph, [key(made[2])], up=False, only_needs=True)
    assert key(user) in needed and key(again) not in needed


def test_many_files_of_one_folder_are_one_source(runs, tmp_path):
    files = [tmp_path / "base" / f"{k}.bin" for k in range(5)]
    files[0].parent.mkdir()
    for k, path in enumerate(files):
        path.write_text(f"weights {k}")
    graph, at = lineage.of(make(runs, "train", 1, reads=files))
    (link,) = graph.before(at)
    assert len(link.files) == 5 and graph.nodes[link.before].name == f"{files[0].parent.as_posix()}/"


def test_a_long_chain_takes_no_stack(runs):
    last = make(runs, "train", 0)
    for k in range(1, 1300):
        folder = runs / "train" / name_of(k)
        folder.mkdir()
        (folder / "status.json").write_text(json.dumps({"status": "ok", "id": folder.name, "rerun_of": last.name}))
        last = folder
    began = time.monotonic()
    assert len(lines(last)) > 1300
    assert time.monotonic() - began < 120
