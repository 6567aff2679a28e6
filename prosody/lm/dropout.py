"""Dropout of LoRA's inputs that is the same however a step is split.

A mask is drawn for each window of text, from the seed and the step alone, and holds for all of its tokens (Gal and
Ghahramani 2016, arXiv:1512.05287). So neither a resumption, nor a smaller micro-batch, nor more processes change what a
step does; and a mask of one row a window costs next to nothing. The base's own dropouts, such as GPT-2's, stay off.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class WindowDropout(nn.Module):
    """Drops a share `p` of the features of each window.

    scale [shape=(n_windows, n_features)]: what features are multiplied with; None, as while measuring, leaves all.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.scale: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """x [shape=(n_windows, length, n_features)] with its features dropped, the others scaled up."""
        return x if self.scale is None else x * self.scale[:, None, :].to(x.dtype)


class Dropouts:
    """All of a model's LoRA dropouts, put in place of PEFT's, and the masks of the step at hand."""

    def __init__(self, model: nn.Module, *, seed: int) -> None:
        self.seed = seed
        self._layers: list[tuple[WindowDropout, int]] = []
        self._masks: list[Tensor] = []
        for module in model.modules():
            kept = getattr(module, "lora_dropout", None)
            for name in list(kept or ()):
                if isinstance(kept[name], (nn.Dropout, WindowDropout)) and kept[name].p:
                    kept[name] = WindowDropout(kept[name].p)
                    self._layers.append((kept[name], module.in_features))

    def draw(self, step: int, n_windows: int) -> None:
        """Draw the masks of a step."""
        if not self._layers:
            return
        generator = torch.Generator().manual_seed(_mixed(self.seed, step))
        self._masks = [
            (torch.rand(n_windows, n_features, generator=generator) >= layer.p).float() / (1 - layer.p)
            for layer, n_features in self._layers
        ]

    def off(self) -> None:
        """Drop nothing."""
        for layer, _ in self._layers:
            layer.scale = None

    def use(self, windows: range, device: str) -> None:
        """Set the masks of those windows of the step."""
        for (layer, _), mask in zip(self._layers, self._masks, strict=False):
            layer.scale = mask[windows.start : windows.stop].to(device)


def _mixed(*numbers: int) -> int:
    """One seed out of several numbers."""
    digest = hashlib.sha256("/".join(map(str, numbers)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
