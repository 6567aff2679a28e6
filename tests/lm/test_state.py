import hashlib
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from prosody.errors import ProsodyError
from prosody.lm import state
from prosody.lm.state import State


def checkpoint(step, *, value=None):
    return State(step, {"a": torch.full((3, 2), float(value or step))}, {"loss": [0.5, 1 / 3], "n": step})


def latest(folder, *, on_line=print):
    return next(state.found_in(folder, on_line=on_line), None)


def told():
    lines = []
    return lines, lines.append


def test_what_is_saved_comes_back(tmp_path):
    path = state.save(tmp_path, checkpoint(12))
    assert path == tmp_path / "step_000012"
    found = latest(tmp_path, on_line=print)
    assert found.step == 12
    assert torch.equal(found.tensors()["a"], torch.full((3, 2), 12.0))
    assert found.facts == {"loss": [0.5, 1 / 3], "n": 12}


def test_the_last_two_are_kept(tmp_path):
    for before, step in itertools.pairwise((None, 5, 30, 100, 2_000_000)):
        state.save(tmp_path, checkpoint(step), before=before)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step_000100", "step_2000000"]
    assert latest(tmp_path, on_line=print).step == 2_000_000


def test_another_training_s_go_when_the_first_of_the_next_is_there(tmp_path, monkeypatch):
    state.save(tmp_path, checkpoint(20))
    state.save(tmp_path, checkpoint(40), before=20)
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(state.files, "sha256", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
        state.save(tmp_path, checkpoint(3))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step_000020", "step_000040"]
    state.save(tmp_path, checkpoint(3))
    assert [p.name for p in tmp_path.iterdir()] == ["step_000003"]


def test_what_is_not_a_checkpoint_stays(tmp_path):
    (tmp_path / "step_000050").mkdir()
    (tmp_path / "step_000050" / "notes.txt").write_text("mine")
    assert not state.is_used(tmp_path)
    state.save(tmp_path, checkpoint(3))
    assert (tmp_path / "step_000050" / "notes.txt").read_text() == "mine"


def test_a_checkpoint_whose_successor_was_killed_between_two_renames_is_put_back(tmp_path):
    state.save(tmp_path, checkpoint(3))
    (tmp_path / "step_000003").rename(tmp_path / ".old-step_000003")
    with state.locked(tmp_path):
        assert latest(tmp_path).step == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "step_000003"]


def test_no_checkpoint_is_none(tmp_path):
    assert latest(tmp_path, on_line=print) is None
    assert latest(tmp_path / "not there", on_line=print) is None


def test_saving_a_step_again_replaces_it(tmp_path):
    state.save(tmp_path, checkpoint(5))
    state.save(tmp_path, checkpoint(5, value=9))
    assert float(latest(tmp_path, on_line=print).tensors()["a"][0, 0]) == 9


def test_safetensors_and_json_only(tmp_path):
    path = state.save(tmp_path, checkpoint(1))
    assert sorted(p.suffix for p in path.iterdir()) == [".json", ".safetensors"]
    json.loads((path / "state.json").read_text())


def flip(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))


def forge(path, **changes):
    """Other facts, with the hash that they should have."""
    held = json.loads((path / "state.json").read_text()) | changes
    held = {name: value for name, value in held.items() if value is not None}
    (path / "state.json").write_text(json.dumps(held | {"facts_sha256": state._digest(held)}))


NOTHING = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "state.safetensors").unlink(),
        lambda path: (path / "state.json").unlink(),
        lambda path: flip(path / "state.safetensors"),
        lambda path: (path / "state.safetensors").write_bytes((path / "state.safetensors").read_bytes()[:40]),
        lambda path: (path / "state.json").write_text((path / "state.json").read_text().replace("0.5", "0.6")),
        lambda path: (path / "state.json").write_bytes((path / "state.json").read_bytes()[:-30]),
        lambda path: (path / "state.json").write_text("[]"),
        lambda path: (path / "state.json").write_text('{"step": 2, "facts": 1e999}'),
        lambda path: (path / "state.json").write_text('{"step": 2, "facts": 1e999, "facts_sha256": ""}'),
        lambda path: forge(path, facts=[]),
        lambda path: forge(path, format_version=None),
        lambda path: forge(path, tensors_sha256=None),
        lambda path: (path / "state.safetensors").write_bytes(b"") and forge(path, tensors_sha256=NOTHING),
    ],
    ids=[
        "no weights",
        "no facts",
        "a bit",
        "cut weights",
        "other facts",
        "cut facts",
        "a list",
        "infinity",
        "infinity under no hash",
        "facts that are a list",
        "no version",
        "no hash",
        "nothing under its hash",
    ],
)
def test_a_damaged_checkpoint_is_passed_over_with_one_line(tmp_path, damage):
    state.save(tmp_path, checkpoint(1))
    damage(state.save(tmp_path, checkpoint(2), before=1))
    lines, on_line = told()
    assert latest(tmp_path, on_line=on_line).step == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"warning  {tmp_path / 'step_000002'}")
    assert lines[0].endswith("; the checkpoint before it is used")
    assert "\n" not in lines[0]


def test_a_deleted_checkpoint_leaves_the_one_before(tmp_path):
    state.save(tmp_path, checkpoint(1))
    shutil.rmtree(state.save(tmp_path, checkpoint(2), before=1))
    assert latest(tmp_path, on_line=print).step == 1


def test_a_pickle_is_refused_unread(tmp_path):
    path = state.save(tmp_path, checkpoint(2))
    (path / "state.safetensors").rename(path / "state.pt")
    what = r"state.pt: is a pickle, which can run code when read; it was not opened — remove step_000002; "
    with pytest.raises(ProsodyError, match=what):
        latest(tmp_path, on_line=print)


@pytest.mark.parametrize("failing", ["write_json", "sha256"])
def test_a_save_that_fails_leaves_the_earlier_ones(tmp_path, monkeypatch, failing):
    state.save(tmp_path, checkpoint(1))
    state.save(tmp_path, checkpoint(2), before=1)

    def full(*_, **__):
        raise ProsodyError(tmp_path, None, "the disk is full", "make room, then run it again")

    monkeypatch.setattr(state.files, failing, full)
    with pytest.raises(ProsodyError, match="the disk is full"):
        state.save(tmp_path, checkpoint(3))
    monkeypatch.undo()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step_000001", "step_000002"]
    assert latest(tmp_path, on_line=print).step == 2


def test_a_folder_that_another_training_holds_is_refused(tmp_path):
    holder = """
import sys
from pathlib import Path
from pathlib import Path
from prosody.lm import state
with state.locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        refused = pytest.raises(ProsodyError, match="another training is at work there — wait for it, or end it")
        with refused, state.locked(tmp_path):
            pass
        other.kill()
        other.wait()
    with state.locked(tmp_path):  # the lock went with its holder
        pass


def test_what_a_killed_save_left_is_removed(tmp_path):
    (tmp_path / ".tmp-0123456789ab").mkdir(parents=True)
    (tmp_path / ".tmp-0123456789ab" / "state.safetensors").write_bytes(b"half")
    state.save(tmp_path, checkpoint(1))
    with state.locked(tmp_path):
        assert not [p for p in tmp_path.iterdir() if p.name.startswith(".tmp")]
    assert latest(tmp_path, on_line=print).step == 1


def test_a_lock_that_cannot_be_opened_is_told_in_one_line(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(ProsodyError, match=r"\.lock: "), state.locked(tmp_path):
        pass


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells which files are mapped")
def test_what_is_read_keeps_no_file_open(tmp_path):
    state.save(tmp_path, checkpoint(1))
    held = latest(tmp_path, on_line=print)
    assert held.tensors()
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()
