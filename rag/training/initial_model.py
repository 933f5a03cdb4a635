"""The initial model of a training run: its weights, heads and frozen layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import (
    MODEL_FOR_QUESTION_ANSWERING_MAPPING,
    AutoConfig,
    AutoModelForQuestionAnswering,
    AutoTokenizer,
)

from rag.errors import InputError
from rag.models.bert import SCALE, load_weights
from rag.models.device import Arithmetic, native_bf16
from rag.models.qa_heads import SENTENCE, VERDICT, VERDICT_DENSE, Head, load_head
from rag.models.registry import FIRST_READER, first_reader, loading, start_path
from rag.training.recipe import Recipe, SetsRecipe
from rag.training.trainer import OTHER_START, WEIGHTS, not_its_start, ready

VERDICTS = 4
"""Outputs of the verdict head: yes, no, neither, and yes or no only under a condition."""
_RARE = 2.0
"""How much less likely than "neither" the fourth verdict is at first, in log-odds."""


@dataclass(frozen=True, slots=True)
class Run:
    """The parts of a run: `start` is the folder or hub id of the initial model, `averaged` the
    folder of the model to average with, if any; with a `new_head`, the initial model has no span
    head.
    """

    recipe: Recipe
    out: Path
    start: str
    averaged: str
    model: Any
    tokenizer: Any
    new_head: bool
    teacher: Head | None = None


def initial(recipe: Recipe, data: Path, out: Path) -> Run:
    """Raises InputError for a recipe that does not fit the model, ModelError for a broken model."""
    out = ready(out)
    torch.manual_seed(recipe.seed)
    init, local = start_path(recipe.init, data)
    averaged = start_path(recipe.merge_with, data)[0] if recipe.merge_with else init
    not_its_start(out, init, averaged)
    tokenizer, model, new_head = _loaded(recipe, init, local)
    if recipe.average is not None:
        _check_average(averaged, model)
    _freeze(model.base_model, recipe)
    if first := first_reader(recipe.init):
        setattr(model.config, FIRST_READER, first)
    teacher = None
    if recipe.teacher:
        arithmetic = Arithmetic("cpu", native_bf16())
        teacher = load_head(recipe.teacher, *start_path(recipe.teacher, data), arithmetic)
    return Run(recipe, out, init, averaged, model, tokenizer, new_head, teacher)


def _freeze(encoder: Any, recipe: Recipe) -> None:
    for parameter in encoder.embeddings.parameters() if recipe.freeze_embeddings else ():
        parameter.requires_grad = False
    if not recipe.freeze_layers:
        return
    layers = getattr(getattr(encoder, "encoder", None), "layer", [])
    if recipe.freeze_layers > len(layers):
        message = f"freeze_layers = {recipe.freeze_layers} is too many for {recipe.init}"
        raise InputError(message, f"it has {len(layers)} to freeze")
    for name, parameter in encoder.encoder.named_parameters():
        # Parameters outside the layers (MPNet's relative positions) count as the lowest layer:
        # training them would take a backward pass through all layers.
        layer = int(name.split(".")[1]) if name.startswith("layer.") else 0
        parameter.requires_grad = layer >= recipe.freeze_layers


def _loaded(recipe: Recipe, path: str, local: bool) -> tuple[Any, Any, bool]:
    """(tokenizer, model, whether it got a new span head) for a folder or hub id."""
    stored: Mapping[str, Tensor] = {}
    with loading(recipe.init, OTHER_START):
        config = AutoConfig.from_pretrained(path, local_files_only=local)
        for name, value in config.to_dict().items():  # architectures use several names for it
            if "dropout" in name and isinstance(value, float):
                setattr(config, name, recipe.dropout)

        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=local)

        # Plain matmuls: the fused CPU attention takes 24 % of a step in its backward pass (2.80 s a
        # step, 2.07 s without it).
        options: dict[str, Any] = {"dtype": torch.float32, "attn_implementation": "eager"}
        options |= {"output_loading_info": True, "config": config}

        if local and Path(path, WEIGHTS).is_file():  # from_pretrained cannot open 8 bits
            stored = load_weights(Path(path, WEIGHTS))
            kind = MODEL_FOR_QUESTION_ANSWERING_MAPPING[type(config)]
            model, report = kind.from_pretrained(None, state_dict=stored, **options)
        else:
            options |= {"local_files_only": local, "use_safetensors": True}
            model, report = AutoModelForQuestionAnswering.from_pretrained(path, **options)

    _add_heads(model, stored, recipe)
    return tokenizer, model, any("qa_outputs" in name for name in report["missing_keys"])


def _add_heads(model: Any, stored: Mapping[str, Tensor], recipe: Recipe) -> None:
    """Add the heads that transformers does not know: those stored, and those to train."""
    stages = recipe.stage if isinstance(recipe, SetsRecipe) else []
    has_verdicts = any(stage.verdicts for stage in stages)
    if has_verdicts:
        stored = with_conditions(stored)
    size = model.config.hidden_size
    for name, width, is_trained in (
        (SENTENCE, 1, bool(recipe.sentences)),
        (VERDICT_DENSE, size, has_verdicts),
        (VERDICT, VERDICTS, has_verdicts),
    ):
        if is_stored := f"{name}.weight" in stored:
            width = len(stored[f"{name}.weight"])
        head = torch.nn.Linear(size, width)
        if is_stored:
            parts = ("weight", "bias")
            head.load_state_dict({part: stored[f"{name}.{part}"].float() for part in parts})
        if is_stored or is_trained:
            setattr(model, name, head)


def with_conditions(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights with four verdicts. Readers before had three (yes, no, neither); the fourth, yes
    or no only under a condition, begins as a rare kind of "neither".
    """
    widened = dict(weights)
    if f"{VERDICT}.weight" not in weights or len(weights[f"{VERDICT}.weight"]) == VERDICTS:
        return widened
    weight, bias = weights[f"{VERDICT}.weight"], weights[f"{VERDICT}.bias"]
    widened[f"{VERDICT}.weight"] = torch.cat([weight, weight[-1:]])
    widened[f"{VERDICT}.bias"] = torch.cat([bias, bias[-1:] - _RARE])
    return widened


def _check_average(folder: str, model: Any) -> None:
    path, message = Path(folder, WEIGHTS), f"the recipe averages with {folder}"
    if not path.is_file():
        message += f", which is not a folder with {WEIGHTS}"
        raise InputError(message, "download it, or drop average")
    with safe_open(path, "pt") as file:
        names = file.keys()
    if not {name.removesuffix(SCALE) for name in names} <= {*model.state_dict()}:
        raise InputError(f"{message}, whose weights are not a reader's", "drop average")
