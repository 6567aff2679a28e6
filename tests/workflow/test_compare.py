"""Two runs compared: what is the same, what differs, what chance can do, and what is missing of a record."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import nbformat
import pytest

from prosody.files import write_json
from prosody.workflow import compare, contents, record
from prosody.workflow.compare import chance
from prosody.workflow.compare import code as code_changes
from prosody.workflow.compare import notebooks as notebook_changes
from prosody.workflow.compare import text as compare_text

METRICS = {"macro_f1": 0.8, "loss_val": 0.5, "f1": {"<emph>": 0.75}, "interval": [0.25, 1], "precision": "float32"}


def a_run(runs: Path, stage: str = "train", params: dict | None = None, metrics: dict | None = None, **files) -> Path:
    folder = record.start(stage, params or {"epochs": 3}, runs=runs, how="headless")
    write_json(folder / "metrics.json", METRICS if metrics is None else metrics, overwrite=True)
    write_json(folder / "git.json", {"commit": "a" * 40, "dirty": False}, overwrite=True)
    (folder / "dirty.patch").unlink(missing_ok=True)
    notebook(folder, "x = 1")
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    record.end(folder, "ok", code=0)
    return folder


def notebook(folder: Path, *sources: str) -> None:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "notebook.ipynb")


def compared(a: Path, b: Path, **more) -> compare.Comparison:
    return compare.compare(contents.read(a), contents.read(b), **more)


def entry(path: str, digest: str) -> dict:
    return {"path": path, "sha256": digest * 64, "bytes": 10}


def test_a_run_and_itself_differ_in_nothing(runs):
    folder = a_run(runs)
    found = compared(folder, folder)
    told = compare_text.as_text(found).splitlines()
    assert len(told) == 4 and told[0].startswith(f"A  train/{folder.name}  ok")
    assert told[3].startswith("the same  1 parameter, code, ") and "6 figures, 1 notebook cell" in told[3]
    assert found.code.same and not found.figures and found.trouble == ()


def test_a_run_named_by_the_start_of_its_id_is_the_same_run(runs):
    ids = {"prepare": "20260101T000000Z-abcdef"}
    a, b, c = (
        a_run(runs, params={"prepare_run": given}, upstream__json=of)
        for given, of in ((ids["prepare"], ids), ("20260101T0000", ids), ("20260101T0000", {"prepare": "2026-other"}))
    )
    assert not compared(a, b).parameters.differ
    assert compared(a, c).parameters.differ


def test_parameters_packages_machine_and_cost(runs):
    a, b = (
        a_run(runs, params={"epochs": 3, "r": 1, "old": "x"}),
        a_run(runs, params={"epochs": 5, "r": 1.0, "new": True}),
    )
    (a / "packages.txt").write_text("Torch==2.1\nnumpy==2\ngone-away==1\n")
    (b / "packages.txt").write_text("torch==2.2\nnumpy==2\nadded==3\n")
    write_json(b / "machine.json", {**json.loads((a / "machine.json").read_text()), "cores": 512}, overwrite=True)
    record.write_status(a, seconds=100.0, peak_rss_mb=200)
    record.write_status(b, seconds=150.0, peak_rss_mb=200)
    found = compared(a, b)
    assert found.parameters == compare.Facts(1, {"epochs": (3, 5)}, {"old": "x"}, {"new": True})
    assert found.packages == compare.Facts(1, {"torch": ("2.1", "2.2")}, {"gone-away": "1"}, {"added": "3"})
    assert set(found.machine.changed) == {"cores"}
    assert found.cost == compare.Facts(1, {"seconds": (100.0, 150.0)}, {}, {})
    told = compare_text.as_text(found)
    assert "  duration  0:01:40  0:02:30  +50    +50.0%" in told.splitlines()
    assert "machine" not in told.splitlines()[3]  # of what is the same


def test_1_and_yes_are_not_the_same():
    assert compare.facts({"x": 1, "y": 0}, {"x": True, "y": 0.0}) == compare.Facts(1, {"x": (1, True)}, {}, {})


def test_files_are_known_by_their_hash_whichever_run_they_come_from():
    of_a = "runs/prepare/20260101T000000Z-aaaaaa/artifacts/dataset"
    of_b = "../other/runs/prepare/20260202T000000Z-bbbbbb/artifacts/dataset"
    a = [entry(f"{of_a}/one.json", "1"), entry(f"{of_a}/two.json", "2"), entry("talk.wav", "3"), entry("gone.txt", "4")]
    b = [
        entry(f"{of_b}/one.json", "1"),
        entry(f"{of_b}/two.json", "5"),
        entry("moved/talk.wav", "3"),
        entry("n.txt", "6"),
    ]
    found = compare.files(a, b)
    assert found.same == 2  # one.json, and the talk that was moved
    assert found.changed == {"prepare/…/artifacts/dataset/two.json": (("2" * 64, 10), ("5" * 64, 10))}
    assert (set(found.only_a), set(found.only_b)) == ({"gone.txt"}, {"n.txt"})
    assert compare_text.tally(found) == "1 changed, 1 only in A, 1 only in B"


def test_figures_with_their_difference_and_share(runs):
    other = {
        **METRICS,
        "macro_f1": 0.6,
        "f1": {"<emph>": 0.75, "<pause_long>": 0.5},
        "precision": "bfloat16",
        "x": None,
    }
    found = compared(a_run(runs), a_run(runs, metrics=other))
    (one,) = found.figures
    assert (one.name, one.a, one.b) == ("macro_f1", 0.8, 0.6)
    assert one.difference == pytest.approx(-0.2) and one.relative == pytest.approx(-0.25)
    assert one.chance == chance.UNKNOWN
    assert found.others.changed == {"precision": ("float32", "bfloat16")}
    assert found.others.only_b == {"f1.<pause_long>": 0.5, "x": None} and found.same_figures == 4
    told = compare_text.as_text(found)
    assert ["macro_f1", "0.8", "0.6", "−0.2", "−25.0%"] in [line.split() for line in told.splitlines()]
    assert "one seed each: whether a difference is more than chance is not known; `seeds=3` would tell" in told


def test_from_nothing_there_is_no_share(runs):
    found = compared(a_run(runs, metrics={"n": 0}), a_run(runs, metrics={"n": 4}))
    assert found.figures[0].relative is None
    assert "  n  0  4  +4" in compare_text.as_text(found)


def seeded(f1: list[float], emph: list[float]) -> dict:
    """Metrics as a training with several seeds writes them."""
    spread = pytest.importorskip("prosody.lm.seeds").spread
    each = [{"macro_f1": one, "loss_val": 0.5, "f1": {"<emph>": other}} for one, other in zip(f1, emph, strict=True)]
    return {**each[0], "steps": 9, "seeds": spread(each)}


def test_differences_beside_the_seeds_spread(runs):
    a = a_run(runs, metrics=seeded([0.90, 0.91, 0.92], [0.5, 0.7, 0.9]))
    b = a_run(runs, metrics={**seeded([0.70, 0.71, 0.72], [0.4, 0.6, 0.9]), "steps": 10})
    found = {one.name: one for one in compared(a, b).figures}
    assert set(found) == {"macro_f1", "f1.<emph>", "steps"}  # the seeds' own values are no figures
    f1, emph, steps = (found[name] for name in ("macro_f1", "f1.<emph>", "steps"))
    assert f1.difference == pytest.approx(-0.2) and f1.compared == pytest.approx((0.91, 0.71)) and f1.seeds == (3, 3)
    assert f1.chance.within is False
    assert f1.chance.margin == pytest.approx(2.7764 * 0.01 * (2 / 3) ** 0.5, rel=1e-3)  # Student's t of 4
    assert emph.chance.within is True and steps.chance.within is None
    told = compare_text.as_text(compared(a, b))
    assert "more than the seeds' spread (±0.02267, 3+3 seeds)" in told and "within the seeds' spread" in told
    assert "where no word stands" in told


def test_one_seed_beside_several_is_asked_whether_it_could_be_one_of_them(runs):
    several, one = seeded([0.90, 0.91, 0.92], [0.5] * 3), {"macro_f1": 0.93}
    (near,) = compared(a_run(runs, metrics=several), a_run(runs, metrics=one)).figures
    assert near.chance.within is True and near.seeds == (3, 1)
    assert near.chance.margin == pytest.approx(4.3027 * 0.01 * (4 / 3) ** 0.5, rel=1e-3)  # Student's t of 2
    (far,) = compared(a_run(runs, metrics={"macro_f1": 0.99}), a_run(runs, metrics=several)).figures
    assert far.chance.within is False


def test_seeds_that_all_agree_leave_nothing_to_chance():
    same = chance.Spread(0.5, 0.0, 3)
    assert chance.judged(0.5, 0.75, same, chance.Spread(0.75, 0.0, 3)) == (0.25, chance.Chance(0.0, False))
    assert chance.judged(0.5, 0.5, same, same) == (0.0, chance.Chance(0.0, True))


@pytest.mark.parametrize(
    "seeds", [3, [], {"macro_f1": 1}, {"macro_f1": {"values": [1]}}, {"f1": {"x": {"values": ["a", 2]}}}]
)
def test_damaged_seeds_are_no_seeds(seeds):
    assert chance.spreads({"seeds": seeds}) == {}


PATCH = """\
diff --git a/prosody/x.py b/prosody/x.py
index 1..2 100644
--- a/prosody/x.py
+++ b/prosody/x.py
@@ -1 +1 @@
-diff --git a/no b/no
+{}
"""
OTHER = 'diff --git "a/caf\\303\\251 b" "b/caf\\303\\251 b"\nnew file mode 100644\n'


def test_the_files_in_which_uncommitted_changes_differ(runs):
    dirty = {"commit": "a" * 40, "dirty": True}
    a = a_run(runs, git__json=dirty, dirty__patch=PATCH.format("one") + OTHER)
    b = a_run(runs, git__json=dirty, dirty__patch=PATCH.format("two"))
    assert compared(a, b).code.patched == {"café b": "A", "prosody/x.py": "both"}
    assert compared(a, b).code.same is False and compared(a, a).code.same is True
    assert compared(a, b).code.between == {}
    clean = compared(b, a_run(runs))
    assert clean.code.patched == {"prosody/x.py": "A"}
    rows = [line.split() for line in compare_text.as_text(clean).splitlines()]
    assert ["prosody/x.py", "uncommitted", "changes"] in rows


def test_a_patch_that_is_missing_or_damaged_is_named(runs):
    dirty = {"commit": "a" * 40, "dirty": True}
    found = compared(a_run(runs, git__json=dirty), a_run(runs, git__json=dirty, dirty__patch="rubbish"))
    assert found.trouble == (
        "A dirty.patch: is missing, and git.json says that there were changes",
        "B dirty.patch: holds no changes that can be read",
    )


def git(folder: Path, *words: str) -> str:
    names = {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | names
    return subprocess.run(
        ["git", *words], cwd=folder, env=own, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_files_between_two_commits_of_the_clone(runs, tmp_path):
    clone = tmp_path / "clone"
    (clone / "prosody").mkdir(parents=True)
    git(clone, "init", "-q")
    commits = []
    for readme, code, data in (("a\n", "x\n", b"\0a"), ("a\nb\n", "y\n", b"\0b")):
        (clone / "README.md").write_text(readme)
        (clone / "prosody" / "x.py").write_text(code)
        (clone / "data").write_bytes(data)
        git(clone, "add", "-A")
        git(clone, "commit", "-qm", "x")
        commits.append(git(clone, "rev-parse", "HEAD"))
    a, b = (a_run(runs, git__json={"commit": commit}) for commit in commits)
    found = compared(a, b, clone=clone).code
    assert list(found.between.items()) == [("prosody/x.py", (1, 1)), ("README.md", (1, 0)), ("data", (None, None))]
    unknown = compared(a, a_run(runs), clone=clone).code
    assert unknown.between is None and unknown.why.startswith("commit aaaaaaaaaaaa is not in this clone")
    assert compared(a, b).code.why == "there is no clone here that holds the commits"


@pytest.mark.parametrize("commit", ["--output=x", None, 3, "HEAD"])
def test_what_is_no_commit_is_never_given_to_git(runs, tmp_path, commit):
    found = compared(a_run(runs, git__json={"commit": commit}), a_run(runs), clone=tmp_path).code
    assert (found.between, found.why) == (None, "a commit is not recorded")


def test_the_packages_hash_tells_of_code_that_git_does_not(runs):
    a, b = (a_run(runs, git__json={"commit": "a" * 40, "package_sha256": digest * 64}) for digest in "12")
    assert compared(a, b).code.same is False
    nothing = a_run(runs, git__json={})
    assert compared(nothing, nothing).code.same is None


def test_notebooks_are_compared_without_what_a_run_puts_into_them(runs):
    a, b = a_run(runs), a_run(runs)
    new = nbformat.v4
    injected = new.new_code_cell("epochs = 9", metadata={"tags": ["injected-parameters"]})
    output = new.new_output("stream", text="hello")
    same = new.new_code_cell("x = 1", outputs=[output], execution_count=7, metadata={"papermill": {"duration": 3}})
    nbformat.write(new.new_notebook(cells=[injected, same]), b / "notebook.ipynb")
    assert compared(a, b).notebook == () and compared(a, b).same_cells == 1


def test_cells_that_were_changed_added_and_removed():
    def made(*sources: str) -> dict:
        return {"cells": [{"cell_type": "code", "source": source} for source in sources]}

    long = "import numpy\nimport torch\nepochs = {}\nprint(epochs)"
    before = made("first = 1", long.format(3), "same()", "last()")
    after = made(long.format(8), "same()", "brand(new, cell)", "last()")
    removed, changed, added = notebook_changes.compare(before, after)
    assert (removed.change, removed.number, removed.lines) == ("removed", 1, ("-first = 1",))
    assert (changed.change, changed.number) == ("changed", 1)
    assert changed.lines[1:] == (" import torch", "-epochs = 3", "+epochs = 8", " print(epochs)")
    assert (added.change, added.number, added.lines) == ("added", 3, ("+brand(new, cell)",))
    assert compare.counted([removed, changed, added]) == "1 changed, 1 added, 1 removed"


@pytest.mark.parametrize(
    "damaged", [None, {}, {"cells": 3}, {"cells": [1, {"cell_type": [], "source": {}, "metadata": 3}]}]
)
def test_damaged_notebooks_are_compared_as_far_as_they_go(damaged):
    whole = {"cells": [{"cell_type": "markdown", "source": ["# A", "\n"]}]}
    assert len(notebook_changes.compare(damaged, whole)) >= 1


@pytest.mark.parametrize(
    "name", ["params.json", "metrics.json", "git.json", "packages.txt", "notebook.ipynb", "status.json"]
)
def test_a_file_that_is_missing_or_damaged_is_named_and_the_rest_compared(runs, name):
    a, b = a_run(runs), a_run(runs, params={"epochs": 9}, metrics={**METRICS, "macro_f1": 0.1})
    (b / name).unlink()
    found = compared(a, b)
    assert [line.split(":")[0] for line in found.trouble] == [f"B {name}"]
    assert f"  B {name}: " in compare_text.as_text(found)
    assert name in ("params.json",) or found.parameters.changed == {"epochs": (3, 9)}
    (b / name).write_text("{", encoding="utf-8")
    compare_text.as_text(compared(a, b))
    json.dumps(compare_text.as_json(compared(a, b)), allow_nan=False)


def test_only_a_log_is_left_of_one(runs):
    folder = runs / "train" / "20260101T000000Z-abcdef"
    folder.mkdir(parents=True)
    (folder / "log.txt").touch()
    found = compared(a_run(runs), folder)
    assert found.b.state == "unknown" and len(found.trouble) >= 7


def test_hostile_names_stay_text_on_the_terminal(runs):
    evil = "\x1b[2J\nrm -rf"
    found = compared(a_run(runs), a_run(runs, params={evil: evil}, metrics={evil: 3, "macro_f1": 0.9}))
    told = compare_text.as_text(found)
    assert "\x1b" not in told and "\\x1b[2J\\nrm -rf" in told
    assert "\x1b[36mA\x1b[0m  train/" in compare_text.as_text(found, colors=True)


def test_code_is_named_by_file_for_every_form_of_patch(runs):
    folder = a_run(runs, git__json={"commit": "a" * 40, "dirty": True}, dirty__patch=OTHER + PATCH.format("x"))
    assert set(code_changes.patch_files(contents.read(folder))) == {"café b", "prosody/x.py"}
