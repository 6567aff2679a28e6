"""LoRA on the attention of the base, and the seven marker rows; or, for comparison, all of the base.

LoRA (Hu et al. 2021, arXiv:2106.09685) keeps a weight matrix W fixed and learns a low-rank change B·A beside it, so
that r·(inputs + outputs) numbers are trained instead of inputs·outputs. The marker rows are trained as they are,
through PEFT's `trainable_token_indices`; nothing else of the embedding moves, and the adapter stays small.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prosody import markers
from prosody.errors import ProsodyError
from prosody.lm.base import Base
from prosody.lm.device import constant
from prosody.lm.tokenizer import MarkerTokenizer

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from torch.nn import Module, Parameter
    from transformers import PreTrainedModel

# Words whose mean embedding a marker's row starts from. The default new rows are all the same vector: seven markers
# that start alike are slow to come apart.
LIKE_MEANING: dict[str, tuple[str, ...]] = {
    "<emph>": (" important", " really", " strong", " stress"),
    "<pause_short>": (" pause", " short", ","),
    "<pause_long>": (" pause", " long", " silence"),
    "<pitch_high>": (" high", " higher", " excited"),
    "<pitch_low>": (" low", " lower", " quiet"),
    "<pitch_rising>": (" rising", " up", "?"),
    "<pitch_falling>": (" falling", " down", "."),
}


METHODS = ("lora", "full")
LAYERS = ("all", "upper half")
ALL_LINEAR = "all-linear"


@dataclass(frozen=True)
class LoraParameters:
    """How the adapter is shaped.

    method: "lora", or "full": all weights of the base are trained instead, and the rest of these parameters matters
    nothing. targets: names of layers; () means the attention projections of the base's architecture, ("all-linear",)
    all of its matrices. layers: "all" of the base's, or the "upper half", which saves a quarter of the multiplications:
    nothing goes back through the lower one.
    """

    r: int = 16
    alpha: int = 32
    dropout: float = 0.05
    targets: tuple[str, ...] = ()
    layers: str = "all"
    method: str = "lora"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ProsodyError(None, "method", f"{self.method!r} is unknown", f"use {' or '.join(METHODS)}")
        if not (isinstance(self.r, int) and self.r >= 1):
            raise ProsodyError(None, "lora r", f"{self.r} is no rank", "give a whole number from 1, such as 16")
        if not 0 < self.alpha < 1e9:
            raise ProsodyError(None, "lora alpha", f"{self.alpha} is no scale", "give a number above 0, such as 2·r")
        if not 0 <= self.dropout < 1:
            raise ProsodyError(None, "lora dropout", f"{self.dropout} is no share", "give a number from 0 to below 1")
        if self.layers not in LAYERS:
            raise ProsodyError(None, "lora layers", f"{self.layers!r} is unknown", f"use {' or '.join(LAYERS)}")


@dataclass(frozen=True)
class Counts:
    """Parameters of the model: of the base, of LoRA (0: all of the base is trained), and of the seven marker rows."""

    base: int
    lora: int
    rows: int

    @property
    def trainable(self) -> int:
        """LoRA, or all of the base, and marker rows together."""
        return (self.lora or self.base) + self.rows

    def __str__(self) -> str:
        if not self.lora:
            return f"Base model {self.base:,} parameters, all trained, + seven marker rows {self.rows:,}"
        share = 100 * self.trainable / self.base
        return (
            f"Base model {self.base:,} parameters, frozen. Trained: LoRA {self.lora:,} of {self.base:,} "
            f"+ seven marker rows {self.rows:,} = {self.trainable:,} ({share:.2f} %)"
        )


def attention_targets(model: PreTrainedModel) -> tuple[str, ...]:
    """Names of the attention's projections: `attn.c_attn` and `attn.c_proj` in GPT-2, `q_proj` … `o_proj` in Llama's
    kin.

    Raises ProsodyError for an architecture that has neither.
    """
    names = [name for name, _ in model.named_modules()]
    for wanted in (
        ("q_proj", "k_proj", "v_proj", "o_proj"),
        ("attn.c_attn", "attn.c_proj"),
        ("query_key_value", "dense"),
    ):
        if all(any(name.endswith(one) for name in names) for one in wanted):
            return wanted
    kind = model.config.model_type
    raise ProsodyError(None, "lora targets", f"the attention of a {kind} model isn't known", "name them: targets=q,v")


def linear_targets(model: PreTrainedModel) -> tuple[str, ...]:
    """Last names of all matrices but the output layer's."""
    output = model.get_output_embeddings()
    kinds = {type(m).__name__ for m in model.modules()} & {"Linear", "Conv1D"}
    found = {n.rpartition(".")[2] for n, m in model.named_modules() if type(m).__name__ in kinds and m is not output}
    return tuple(sorted(found))


def add_marker_rows(model: PreTrainedModel, tokenizer: MarkerTokenizer) -> None:
    """Give the model seven more embedding rows, each started as the mean of words of like meaning.

    Where the output layer has weights of its own (untied), its new rows start the same way.
    """
    import torch

    model.resize_token_embeddings(tokenizer.vocabulary + len(markers.TOKENS), mean_resizing=False)
    tables = [model.get_input_embeddings().weight]
    output = model.get_output_embeddings()
    if output is not None and output.weight is not tables[0]:
        tables.append(output.weight)
    with torch.no_grad():
        for token, row in tokenizer.rows.items():
            pieces = [i for word in LIKE_MEANING[token] for i in tokenizer.encode_rows(word)]
            for table in tables:
                table[row] = table[pieces].mean(dim=0)


def attach(base: Base, parameters: LoraParameters, *, seed: int = 0) -> tuple[PeftModel, MarkerTokenizer, Counts]:
    """Wrap the base in a fresh adapter: LoRA on `targets`, the seven rows trainable. The base's model is used, not
    copied.

    Returns the PEFT model (untrained: its LoRA changes nothing yet), the tokenizer with markers, and the counts; where
    the method is "full", the base's own model, with all of its weights trainable.
    Raises ProsodyError if a target names no layer of the base, or one that takes no LoRA, and if the base's model was
    used already.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    if base.model.config.vocab_size != base.vocabulary:
        raise ProsodyError(base.name, "base model", "holds marker rows already", "load it anew before each training")
    counted = base.parameters
    tokenizer = MarkerTokenizer(base.tokenizer, vocabulary=base.vocabulary)
    add_marker_rows(base.model, tokenizer)
    if parameters.method == "full":
        width = base.model.get_input_embeddings().weight.shape[1]
        return base.model, tokenizer, Counts(base=counted, lora=0, rows=len(markers.TOKENS) * width)
    targets = targets_of(base.model, parameters)
    check_targets(base.model, targets, rank=parameters.r)
    config = LoraConfig(
        r=parameters.r,
        lora_alpha=parameters.alpha,
        lora_dropout=parameters.dropout,
        target_modules=list(targets),
        layers_to_transform=layers_of(base.model, parameters),
        fan_in_fan_out=base.model.config.model_type == "gpt2",
        trainable_token_indices=list(tokenizer.rows.values()),
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # between PEFT and transformers; not for people
        torch.manual_seed(seed)
        try:
            model = get_peft_model(base.model, config)
        except (ValueError, TypeError) as error:
            what = f"{', '.join(targets)}: LoRA does not go there ({str(error).splitlines()[0][:80]})"
            instead = f"use {', '.join(attention_targets(base.model))}"
            raise ProsodyError(None, "lora targets", what, instead) from error
    lora = sum(p.numel() for name, p in model.named_parameters() if "lora_" in name)
    rows = sum(p.numel() for name, p in model.named_parameters() if p.requires_grad and "lora_" not in name)
    return model, tokenizer, Counts(base=counted, lora=lora, rows=rows)


def first_upper_layer(n_layers: int) -> int:
    """Where the upper half of the layers begins, counted from 0."""
    return n_layers // 2


def targets_of(model: PreTrainedModel, parameters: LoraParameters) -> tuple[str, ...]:
    """The names of the layers that get LoRA. Raises ProsodyError as `attention_targets` does."""
    if parameters.targets == (ALL_LINEAR,):
        return linear_targets(model)
    return parameters.targets or attention_targets(model)


def layers_of(model: PreTrainedModel, parameters: LoraParameters) -> list[int] | None:
    """The numbers of the layers that get LoRA; None: of all."""
    if parameters.layers == "all":
        return None
    n_layers = model.config.num_hidden_layers
    return list(range(first_upper_layer(n_layers), n_layers))


def check_targets(model: PreTrainedModel, targets: Sequence[str], *, rank: int) -> None:
    """Raise ProsodyError for a target that names no layer, and for a rank that no target's matrix has."""
    modules, highest = dict(model.named_modules()), 0
    for target in targets:
        named = [one for name, one in modules.items() if name == target or name.endswith(f".{target}")]
        if not named:
            raise ProsodyError(
                None,
                "lora targets",
                f"no layer of this base is named {target!r}",
                f"use one such as {', '.join(attention_targets(model))}",
            )
        shapes = [one.weight.shape for one in named if getattr(one, "weight", None) is not None]
        highest = max([highest, *(min(shape) for shape in shapes)])
    if highest and rank > highest:
        what = f"{rank} is more than the {highest} that the matrices of this base have"
        raise ProsodyError(None, "lora r", what, "give less, such as 16")


def row_vectors(model: PeftModel, tokenizer: MarkerTokenizer, tokens: Sequence[str] = markers.TOKENS) -> Tensor:
    """The marker vectors as the model uses them now [shape=(n_tokens, width)]; gradients flow to the trained rows."""
    import torch

    embedding = model.get_input_embeddings()
    rows = [tokenizer.rows[token] for token in tokens]
    learned = getattr(embedding, "token_adapter", None)
    if learned is None or learned.disable_adapters:
        return embedding(torch.tensor(rows, device=embedding.weight.device))
    known = list(learned.token_indices["default"])  # asked through `embedding`, PEFT copies the whole table each time
    delta = learned.trainable_tokens_delta["default"]
    return delta[constant(tuple(known.index(row) for row in rows), delta.device)]


def marker_rows_of(model: PeftModel) -> list[int]:
    """The embedding rows that an adapter has learned."""
    learned = getattr(model.get_input_embeddings(), "token_adapter", None)
    return [] if learned is None else list(learned.token_indices["default"])


def frozen_embedding(model: PeftModel) -> Module:
    """The base's table of token vectors, as it is without what was learned of marker rows.

    Text without markers is read through it: PEFT's own would copy the whole table for each text, and send gradients
    through every layer down to rows that are not read.
    """
    embedding = model.get_input_embeddings()
    learned = getattr(embedding, "token_adapter", None)
    return embedding if learned is None else learned.base_layer


def plain_model(model: PeftModel | PreTrainedModel) -> PreTrainedModel:
    """The base's own model, out of PEFT's wrapping if it is in one."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def hold_in_bfloat16(model: PeftModel) -> None:
    """Hold what is not trained in bfloat16, in place: half the memory, and nothing to convert for each product."""
    import torch

    for weight in model.parameters():
        if not weight.requires_grad:
            weight.data = weight.data.to(torch.bfloat16)


def trained_weights(model: PeftModel) -> dict[str, Parameter]:
    """What is trained, by name, in the model's order."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
