"""What two runs made, side by side."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.numpy import save_file

from prosody.workflow import record, verify


def a_run(runs: Path, fill: Callable[[Path, str], None], metrics: dict | None = None) -> record.Run:
    folder = record.start("train", {}, runs=runs, how="headless")
    fill(folder / "artifacts", folder.name)
    record.write_json(folder / "outputs.json", record.described(folder / "artifacts", folder), overwrite=True)
    record.write_json(folder / "metrics.json", metrics or {}, overwrite=True)
    record.end(folder, "ok", code=0)
    return record.read(folder)


def of_one(runs: Path, first: Callable, second: Callable) -> verify.Compared:
    """The verdict on the one output of two runs."""
    found = verify.outputs(a_run(runs, first), a_run(runs, second))
    assert found[-1] == verify.Compared("metrics.json", verify.IDENTICAL)
    (one,) = found[:-1]
    return one


def as_text(name: str, *texts: str) -> list[Callable]:
    return [lambda folder, run, text=text: (folder / name).write_text(text.replace("RUN", run)) for text in texts]


def as_json(*values) -> list[Callable]:
    return as_text("a.json", *map(json.dumps, values))


def as_sound(*samples: np.ndarray, rate: int = 24_000) -> list[Callable]:
    return [lambda folder, _, x=x: soundfile.write(folder / "a.wav", x, rate) for x in samples]


def as_weights(*tensors: dict) -> list[Callable]:
    return [lambda folder, _, t=t: save_file(t, folder / "a.safetensors") for t in tensors]


X = np.linspace(-0.5, 0.5, 1000).astype(np.float32)


@pytest.mark.parametrize(
    ("pair", "verdict", "how"),
    [
        (as_json({"a": [1, 2]}, {"a": [1, 2]}), "identical", ""),
        (
            as_json({"a": 1.0, "run": "RUN", "seconds": 3}, {"a": 1.0000001, "run": "RUN", "seconds": 4}),
            "equal",
            "within",
        ),
        (as_json({"a": {"b": [1.0, 2.0]}}, {"a": {"b": [1.0, 2.1]}}), "different", "a.b[1]: 2.0 then, 2.1 now"),
        (as_json({"a": 1}, {"b": 1}), "different", "a: 1 then, null now"),
        (as_json({"a": "x"}, {"a": "y"}), "different", "a: 'x' then, 'y' now"),
        (as_json([1], [1, 2]), "different", "[1] then"),
        (as_json({"duration_s": 0.3}, {"duration_s": 0.4}), "different", "duration_s: 0.3 then, 0.4 now"),
        (as_json({"seconds_audio": 9}, {"seconds_audio": 8}), "different", "seconds_audio: 9 then, 8 now"),
        (as_json({"a": True}, {"a": 1}), "different", "a: true then, 1 now"),
        (as_text("a.md", "run RUN\nf1 0.9", "run RUN\nf1 0.9"), "equal", "the same text, but for run ids"),
        (as_text("a.md", "one\ntwo", "one\nthree"), "different", "line 2: 'two' then, 'three' now"),
        (as_text("a.md", "one", "one\ntwo"), "different", "1 lines then, 2 now"),
        (as_text("a.json", "{", "["), "different", "cannot be compared"),
        (as_text("a.bin", "x", "xy"), "different", "other bytes (1 then, 2 now)"),
        (as_sound(X, X), "identical", ""),
        (as_sound(X, X + 2e-5), "equal", "samples within"),
        (as_sound(X, X + 2e-3), "different", "samples differ by up to 0.002"),
        (as_sound(X, X[:500]), "different", "other lengths or rates (0.042 s then, 0.021 s now)"),
        (as_weights({"w": X}, {"w": X + 1e-6}), "equal", "weights within 1e-05"),
        (as_weights({"w": X, "v": X}, {"w": X, "v": X + 1}), "different", "weights differ by up to 1, most in v"),
        (as_weights({"w": X}, {"v": X}), "different", "other tensors"),
        (as_weights({"w": X > 0}, {"w": X < 0}), "different", "weights differ by up to 1, most in w"),
        (as_weights({"w": np.uint8([1])}, {"w": np.uint8([2])}), "different", "weights differ by up to 1, most in w"),
        (as_weights({"w": np.float16(X)}, {"w": X}), "different", "other tensors, or of other shapes or types"),
        (as_weights({"v": X + 1e-6, "w": X}, {"v": X, "w": X * np.nan}), "different", "not a number, most in w"),
        (as_text("a.safetensors", "x", "y"), "different", "cannot be compared"),
        (as_text("a.wav", "x", "y"), "different", "cannot be compared"),
    ],
)
def test_one_output(runs, pair, verdict, how):
    found = of_one(runs, *pair)
    assert found.verdict == verdict
    assert found.how.startswith(how) or how in found.how


def test_outputs_that_only_one_run_has(runs):
    first = a_run(runs, lambda folder, _: (folder / "a.txt").write_text("a"))
    second = a_run(runs, lambda folder, _: (folder / "b.txt").write_text("b"))
    found = {one.path: one.how for one in verify.outputs(first, second)}
    assert found["artifacts/a.txt"] == "was not made again"
    assert found["artifacts/b.txt"] == "was not made then"
    assert verify.verdict(verify.outputs(first, second)) == verify.DIFFERENT


def test_checkpoints_are_written_by_the_clock_and_not_compared(runs):
    def fill(folder: Path, run: str) -> None:
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / run).touch()

    found = verify.outputs(a_run(runs, fill), a_run(runs, fill))
    assert [one.path for one in found] == ["metrics.json"]


def test_metrics_are_compared_but_for_times(runs):
    def nothing(*_) -> None: ...

    first, second = ({"loss_val": 0.5, "seconds": s, "tokens_per_s": 10 * s} for s in (1.0, 2.0))
    assert verify.verdict(verify.outputs(a_run(runs, nothing, first), a_run(runs, nothing, second))) == verify.EQUAL
    worse = second | {"loss_val": 0.51}
    (one,) = verify.outputs(a_run(runs, nothing, first), a_run(runs, nothing, worse))
    assert (one.verdict, one.how) == (verify.DIFFERENT, "loss_val: 0.5 then, 0.51 now")


def test_an_output_that_was_changed_since_is_told_by_its_hash(runs):
    first = a_run(runs, lambda folder, _: (folder / "a.wav").write_bytes(b"1"))
    second = a_run(runs, lambda folder, _: (folder / "a.wav").write_bytes(b"2"))
    (first.artifacts / "a.wav").unlink()
    assert verify.outputs(first, second)[0].how == "that of then is gone, and its bytes were others"


def test_an_output_of_then_that_was_edited_since_proves_nothing(runs):
    first = a_run(runs, lambda folder, _: (folder / "a.json").write_text('{"x": 1}'))
    second = a_run(runs, lambda folder, _: (folder / "a.json").write_text('{"x": 2}'))
    (first.artifacts / "a.json").write_text('{"x":  2}')
    found = verify.outputs(first, second)[0]
    assert (found.verdict, found.how) == (verify.DIFFERENT, "that of then was changed since, and its bytes were others")
