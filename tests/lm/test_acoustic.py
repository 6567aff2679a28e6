import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from prosody.errors import ProsodyError
from prosody.lm import acoustic
from prosody.lm.acoustic import MEASUREMENTS, AcousticHead


def test_a_table_has_a_column_a_measurement_and_gaps_where_nothing_was_measured():
    words = [
        {"f0_level_st": 1.5, "f0_slope_st": None, "energy_db": -2.0, "duration_z": 0.3, "pause_before_s": 0.9},
        {"f0_level_st": float("nan"), "pause_before_s": 0.0},
        {},
    ]
    found = acoustic.table(words)
    assert found.shape == (3, len(MEASUREMENTS))
    assert found[0, 0] == 1.5
    assert np.isnan(found[0, 1])
    assert found[0, 4] == pytest.approx(np.log(10.0))
    assert found[1, 4] == 0
    assert np.isfinite(found).sum(axis=1).tolist() == [4, 1, 0]
    assert acoustic.any_measured(found) and not acoustic.any_measured(found[2:])


def test_scaled_by_the_speaker_s_own_median_and_spread():
    draw = np.random.default_rng(0)
    values = np.stack([draw.normal(5, 2, 4000), draw.normal(-40, 0.5, 4000)], axis=1).astype(np.float32)
    values[::7, 0] = np.nan
    by = acoustic.scale(values, ("level", "energy"))
    assert by.medians == pytest.approx((5, -40), abs=0.1)
    assert by.spreads == pytest.approx((2, 0.5), rel=0.06)
    z = acoustic.scaled(values, by)
    assert np.isnan(z[::7, 0]).all()
    assert np.nanmedian(z, axis=0) == pytest.approx((0, 0), abs=1e-4)


def test_where_most_words_are_alike_the_spread_is_not_zero():
    pauses = np.zeros((100, 1), np.float32)
    pauses[::10] = 2.0
    by = acoustic.scale(pauses, ("pause",))
    assert by.medians == (0.0,)
    assert by.spreads[0] == pytest.approx(0.6)
    nothing = acoustic.scale(np.full((3, 1), np.nan, np.float32), ("pause",))
    assert (nothing.medians, nothing.spreads) == ((0.0,), (1.0,))


def test_what_was_not_measured_teaches_nothing():
    predicted = torch.zeros(3, 2, requires_grad=True)
    targets = torch.tensor([[0.5, float("nan")], [float("nan")] * 2, [3.0, -0.5]])
    loss = acoustic.loss_sum(predicted, targets)
    assert loss.item() == pytest.approx(0.5 * 0.25 + (3 - 0.5) + 0.5 * 0.25)  # beyond 1 Huber's grows linearly
    loss.backward()
    assert (predicted.grad != 0).tolist() == [[True, False], [False, False], [True, True]]


def test_a_head_comes_back_as_it_was(tmp_path):
    head = AcousticHead(16, 3, seed=4)
    by = acoustic.Scale(("a", "b", "c"), (0.1, -1 / 3, 2.0), (1.0, 0.5, 3.0))
    acoustic.save_head(tmp_path, head, by)
    assert acoustic.head_bytes(tmp_path) == (tmp_path / "acoustic_head.safetensors").stat().st_size
    loaded, scale = acoustic.load_head(tmp_path, width=16)
    assert scale == by
    states = torch.randn(5, 16)
    assert torch.equal(loaded(states), head(states))
    assert not torch.equal(AcousticHead(16, 3, seed=5)(states), head(states))
    assert acoustic.load_head(tmp_path / "none", width=16) is None


def drop_tensor(path):
    tensors = load_file(path)
    save_file({k: v for k, v in tensors.items() if "bias" not in k}, path, metadata={"scale": "{}"})


@pytest.mark.parametrize(
    ("damage", "width"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:100]), 16),
        (lambda path: path.write_bytes(b""), 16),
        (drop_tensor, 16),
        (lambda path: None, 32),
    ],
    ids=["cut", "empty", "without its scale", "another base"],
)
def test_a_head_that_does_not_fit_is_refused(tmp_path, damage, width):
    acoustic.save_head(tmp_path, AcousticHead(16, 3), acoustic.Scale(("a", "b", "c"), (0.0,) * 3, (1.0,) * 3))
    damage(tmp_path / "acoustic_head.safetensors")
    with pytest.raises(ProsodyError, match=r"acoustic_head.safetensors: is damaged, or of another base") as caught:
        acoustic.load_head(tmp_path, width=width)
    assert "\n" not in str(caught.value)
