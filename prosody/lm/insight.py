"""What LoRA has changed, for people to look at: shapes, the change of each layer, the marker rows before and after."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from peft import PeftModel


@dataclass(frozen=True)
class Change:
    """A matrix with LoRA beside it. share: norm of what was learned, scale·B·A, over the norm of W (Frobenius)."""

    layer: int
    target: str
    n_out: int
    n_in: int
    r: int
    share: float

    @property
    def numbers(self) -> int:
        """Trained in B and A."""
        return self.r * (self.n_out + self.n_in)


def changes(model: PeftModel) -> list[Change]:
    """Every matrix that LoRA stands beside, layer by layer, and how much it was changed."""
    import torch

    found = []
    for name, module in model.named_modules():
        if "default" not in getattr(module, "lora_A", {}):
            continue
        a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
        with torch.no_grad():
            learned = module.scaling["default"] * torch.linalg.matrix_norm(b.cpu().double() @ a.cpu().double())
            share = float(learned / torch.linalg.matrix_norm(module.base_layer.weight.cpu().double()))
        layer = int(next(iter(re.findall(r"\.(\d+)\.", name)), "0"))
        found.append(Change(layer, name.rpartition(".")[2], b.shape[0], a.shape[1], a.shape[0], share))
    return sorted(found, key=lambda one: (one.target, one.layer))


def plane(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors before and after, on the plane that shows most of both (principal components, Pearson 1901).

    before, after [shape=(n, width)]. Returns both [shape=(n, 2)], on one plane.
    """
    both = np.concatenate([before, after]).astype(float)
    both -= both.mean(axis=0)
    _, _, axes = np.linalg.svd(both, full_matrices=False)
    axes = axes[:2] * np.where(axes[:2].sum(axis=1, keepdims=True) < 0, -1, 1)  # the signs are free: fix them
    flat = both @ axes.T
    return flat[: len(before)], flat[len(before) :]
