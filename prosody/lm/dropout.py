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
        self._layers: list[tuple[WindowDropout, slice]] = []  # and which features of a mask are its
        self._keep = torch.empty(0)  # of each feature, how likely it is kept
        self._masks: Tensor | None = None
        for module in model.modules():
            kept = getattr(module, "lora_dropout", None)
            for name in list(kept or ()):
                if isinstance(kept[name], (nn.Dropout, WindowDropout)) and kept[name].p:
                    layer = kept[name] = WindowDropout(kept[name].p)
                    own = torch.full((module.in_features,), 1 - layer.p)
                    self._layers.append((layer, slice(len(self._keep), len(self._keep) + len(own))))
                    self._keep = torch.cat([self._keep, own])

    def draw(self, step: int, n_windows: int) -> None:
        """Draw the masks of a step."""
        if self._layers:
            generator = torch.Generator().manual_seed(_mixed(self.seed, step))
            drawn = torch.rand(n_windows, len(self._keep), generator=generator)
            self._masks = (drawn < self._keep).float() / self._keep

    def off(self) -> None:
        """Drop nothing."""
        self._masks = None
        self.use(None)

    def of(self, windows: range, device: str) -> Tensor | None:
        """The masks of those windows of the step [shape=(n_windows, n_features of all layers)]; None if all are off."""
        return None if self._masks is None else self._masks[windows.start : windows.stop].to(device)

    def use(self, masks: Tensor | None) -> None:
        """Set masks that `of` gave."""
        for layer, own in self._layers:
            layer.scale = None if masks is None else masks[:, own]


def _mixed(*numbers: int) -> int:
    """One seed out of several numbers."""
    digest = hashlib.sha256("/".join(map(str, numbers)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
