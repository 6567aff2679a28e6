import numpy as np
import pytest
import torch

from prosody.lm.insight import changes, plane
from prosody.lm.lora import LoraParameters, attach


def test_nothing_has_changed_before_training(tiny):
    model, _, counts = attach(tiny, LoraParameters(r=4, targets=("attn.c_proj", "attn.c_attn")))
    found = changes(model)
    assert [(one.target, one.layer) for one in found] == [("c_attn", 0), ("c_attn", 1), ("c_proj", 0), ("c_proj", 1)]
    assert {(one.n_out, one.n_in, one.r) for one in found} == {(96, 32, 4), (32, 32, 4)}
    assert sum(one.numbers for one in found) == counts.lora
    assert all(one.share == 0 for one in found)


def test_the_change_is_the_norm_of_the_product(tiny):
    model, _, _ = attach(tiny, LoraParameters(r=2, alpha=6, targets=("attn.c_proj",)))
    layer = model.base_model.model.transformer.h[1].attn.c_proj
    with torch.no_grad():
        layer.lora_B["default"].weight.fill_(0.5)
        expected = torch.linalg.norm(3 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight)
    first, second = changes(model)
    assert first.share == 0
    assert second.share == pytest.approx(float(expected / torch.linalg.norm(layer.base_layer.weight)), rel=1e-5)


def test_training_changes_what_has_lora(trained):
    assert all(one.share > 1e-4 for one in changes(trained.result.model))
    assert set(trained.result.rows) == {"<emph>", *trained.result.rows}
    assert all(np.linalg.norm(np.subtract(after, before)) > 0 for before, after in trained.result.rows.values())


def test_a_plane_keeps_distances_of_vectors_that_lie_in_one():
    draw = np.random.default_rng(0)
    axes = np.linalg.qr(draw.normal(size=(12, 2)))[0].T
    flat = draw.normal(size=(6, 2))
    before, after = plane(flat[:3] @ axes + 5, flat[3:] @ axes + 5)
    found = np.concatenate([before, after])
    for k in range(6):
        assert np.linalg.norm(found - found[k], axis=1) == pytest.approx(np.linalg.norm(flat - flat[k], axis=1))
