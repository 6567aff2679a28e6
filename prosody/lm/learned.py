"""What a training moves: the weights of the adapter and of the head, and the optimizer with its moments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from prosody.errors import ProsodyError
from prosody.lm.lora import trained_weights
from prosody.lm.parameters import TrainParameters

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer

    from prosody.lm.acoustic import AcousticHead

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Learned:
    """The weights that are trained, by name. of_model: of the adapter, or all of the base's; of_head: of the head."""

    def __init__(self, model: PeftModel, head: AcousticHead | None, parameters: TrainParameters) -> None:
        self.of_model: dict[str, Parameter] = trained_weights(model)
        self.of_head: dict[str, Parameter] = {f"head.{n}": w for n, w in (head.named_parameters() if head else ())}
        self.weights = self.of_model | self.of_head
        self._clip = parameters.clip
        self._optimizer = self._adamw(parameters)

    def set_rates(self, share: float) -> None:
        """Set the learning rates to a share of the highest."""
        for group in self._optimizer.param_groups:
            group["lr"] = group["highest"] * share

    def forget_gradients(self) -> None:
        """As before a step."""
        self._optimizer.zero_grad(set_to_none=True)

    def gradients(self) -> list[Tensor]:
        """Every weight's gradient; zeros where nothing was learned from."""
        import torch

        for weight in self.weights.values():
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        return [weight.grad for weight in self.weights.values()]

    def step(self) -> None:
        """Move the weights by their gradients, which are clipped first, the head's apart from the others."""
        import torch

        for group in (self.of_model, self.of_head):
            if group:
                torch.nn.utils.clip_grad_norm_(group.values(), self._clip)
        self._optimizer.step()

    def tensors(self) -> dict[str, Tensor]:
        """All that the next step depends on: weights and moments, by name."""
        held: dict[str, Tensor] = {}
        for name, weight in self.weights.items():
            held[f"weight.{name}"] = weight
            moments = self._optimizer.state.get(weight, {})
            held |= {f"{moment}.{name}": moments[moment] for moment in _MOMENTS if moment in moments}
        return held

    def restore(self, tensors: Mapping[str, Tensor], *, n_steps: int) -> None:
        """Put back what `tensors` gave after `n_steps` steps; of what else is in `tensors`, look at the shapes.

        Raises ProsodyError if it is of another model.
        """
        import torch

        wanted = {name: tuple(weight.shape) for name, weight in self.weights.items()}
        held = {name.removeprefix("weight."): tuple(t.shape) for name, t in tensors.items() if name[:7] == "weight."}
        shapes = {name: tuple(t.shape) for name, t in tensors.items()}
        others = [name for name in shapes if wanted.get(name.partition(".")[2]) != shapes[name]]
        if wanted != held or others:
            what = "is of another base, rank, or choice of layers"
            raise ProsodyError(None, "checkpoint", what, "give the parameters of that training, or resume=never")
        if not all(bool(one.isfinite().all()) for one in tensors.values()):
            raise ProsodyError(None, "checkpoint", "holds what is no finite number", "train anew: resume=never")
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(tensors[f"weight.{name}"])
                moments = {m: tensors[f"{m}.{name}"].to(weight.device) for m in _MOMENTS if f"{m}.{name}" in tensors}
                if moments:
                    step = torch.tensor(float(n_steps), device=weight.device)
                    self._optimizer.state[weight] = {"step": step, **moments}

    def copy(self) -> dict[str, Tensor]:
        """A copy of the weights alone."""
        return {name: weight.detach().clone() for name, weight in self.weights.items()}

    def put(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `copy` gave."""
        import torch

        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(tensors[name])

    def _adamw(self, p: TrainParameters) -> Optimizer:
        import torch

        rates = {"lora": p.learning_rate, "rows": p.learning_rate_rows, "head": p.learning_rate_head}
        of_kind = {
            "lora": [w for n, w in self.of_model.items() if "trainable_tokens" not in n],
            "rows": [w for n, w in self.of_model.items() if "trainable_tokens" in n],
            "head": list(self.of_head.values()),
        }
        groups = [{"params": of_kind[k], "lr": rates[k], "highest": rates[k]} for k in rates if of_kind[k]]
        return torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=p.weight_decay, fused=True)
