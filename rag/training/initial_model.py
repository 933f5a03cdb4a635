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
from rag.models.registry import FIRST_READER, WEIGHTS, first_reader, loading, start_path
from rag.training.recipe import Recipe, SetsRecipe
from rag.training.trainer import OTHER_START, not_its_start, prepare_folder

VERDICTS = 4
"""Outputs of the verdict head: yes, no, neither, and yes or no only under a condition."""
_RARITY = 2.0
"""How much less likely than "neither" the fourth verdict is at first, in log-odds."""


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """The parts of a run: `start` is the folder or hub id of the initial model, `averaged` the
    folder of the model to average with, if any. With a `new_head`, the initial model has no span
    head.
    """

    recipe: Recipe
    folder: Path
    start: str
    averaged: str
    model: Any
    tokenizer: Any
    new_head: bool
    teacher: Head | None = None


def initial(recipe: Recipe, data: Path, folder: Path) -> TrainingRun:
    """Raises InputError for a recipe that does not fit the model, ModelError for a broken model."""
    folder = prepare_folder(folder)
    torch.manual_seed(recipe.seed)
    init, is_local = start_path(recipe.init, data)
    averaged = init
    if recipe.merge_with:
        averaged, _ = start_path(recipe.merge_with, data)
    not_its_start(folder, init, averaged)

    tokenizer, model, new_head = _load_model(recipe, init, is_local)
    if recipe.average is not None:
        _check_average(averaged, model)
    _freeze(model.base_model, recipe)
    reader_name = first_reader(recipe.init)
    if reader_name:
        setattr(model.config, FIRST_READER, reader_name)

    return TrainingRun(
        recipe=recipe,
        folder=folder,
        start=init,
        averaged=averaged,
        model=model,
        tokenizer=tokenizer,
        new_head=new_head,
        teacher=_teacher(recipe, data),
    )


def _teacher(recipe: Recipe, data: Path) -> Head | None:
    if not recipe.teacher:
        return None
    path, is_local = start_path(recipe.teacher, data)
    arithmetic = Arithmetic("cpu", native_bf16())
    return load_head(recipe.teacher, path, is_local, arithmetic)


def _freeze(encoder: Any, recipe: Recipe) -> None:
    """Freeze the embeddings and the lowest layers as the recipe says."""
    if recipe.freeze_embeddings:
        for parameter in encoder.embeddings.parameters():
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
        layer = 0
        if name.startswith("layer."):
            layer = int(name.split(".")[1])
        parameter.requires_grad = layer >= recipe.freeze_layers


def _load_model(recipe: Recipe, path: str, is_local: bool) -> tuple[Any, Any, bool]:
    """(tokenizer, model, whether it got a new span head) for a folder or hub id."""
    stored: Mapping[str, Tensor] = {}
    weights_path = Path(path, WEIGHTS)

    with loading(recipe.init, OTHER_START):
        config = AutoConfig.from_pretrained(path, local_files_only=is_local)
        for name, value in config.to_dict().items():  # architectures use several names for it
            if "dropout" in name and isinstance(value, float):
                setattr(config, name, recipe.dropout)

        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=is_local)

        # Plain matmuls: the fused CPU attention takes 24 % of a step in its backward pass (2.80 s a
        # step, 2.07 s without it).
        options: dict[str, Any] = {
            "dtype": torch.float32,
            "attn_implementation": "eager",
            "output_loading_info": True,
            "config": config,
        }
        if is_local and weights_path.is_file():  # from_pretrained cannot open 8 bits
            stored = load_weights(weights_path)
            kind = MODEL_FOR_QUESTION_ANSWERING_MAPPING[type(config)]
            model, report = kind.from_pretrained(None, state_dict=stored, **options)
        else:
            options |= {"local_files_only": is_local, "use_safetensors": True}
            model, report = AutoModelForQuestionAnswering.from_pretrained(path, **options)

    _add_heads(model, stored, recipe)
    new_head = any("qa_outputs" in name for name in report["missing_keys"])
    return tokenizer, model, new_head


def _add_heads(model: Any, stored: Mapping[str, Tensor], recipe: Recipe) -> None:
    """Add the heads that transformers does not know: those stored, and those to train."""
    has_verdicts = False
    if isinstance(recipe, SetsRecipe):
        has_verdicts = any(stage.verdicts for stage in recipe.stage)
    if has_verdicts:
        stored = with_conditions(stored)

    size = model.config.hidden_size
    heads = (
        (SENTENCE, 1, bool(recipe.sentences)),
        (VERDICT_DENSE, size, has_verdicts),
        (VERDICT, VERDICTS, has_verdicts),
    )
    for name, width, is_trained in heads:
        weight = stored.get(f"{name}.weight")
        if weight is not None:
            head = torch.nn.Linear(size, len(weight))
            bias = stored[f"{name}.bias"]
            head.load_state_dict({"weight": weight.float(), "bias": bias.float()})
            setattr(model, name, head)
        else:
            # made even if it is not used: its random weights are drawn before those that follow
            head = torch.nn.Linear(size, width)
            if is_trained:
                setattr(model, name, head)


def with_conditions(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights with four verdicts. Readers before had three (yes, no, neither); the fourth, yes
    or no only under a condition, begins as a rare kind of "neither".
    """
    widened = dict(weights)
    weight = weights.get(f"{VERDICT}.weight")
    if weight is None or len(weight) == VERDICTS:
        return widened

    bias = weights[f"{VERDICT}.bias"]
    widened[f"{VERDICT}.weight"] = torch.cat([weight, weight[-1:]])
    widened[f"{VERDICT}.bias"] = torch.cat([bias, bias[-1:] - _RARITY])
    return widened


def _check_average(folder: str, model: Any) -> None:
    """Raises InputError if the folder has no weights of this architecture."""
    path = Path(folder, WEIGHTS)
    message = f"the recipe averages with {folder}"
    if not path.is_file():
        message += f", which is not a folder with {WEIGHTS}"
        raise InputError(message, "download it, or drop average")

    with safe_open(path, "pt") as file:
        names = {name.removesuffix(SCALE) for name in file.keys()}  # noqa: SIM118  it is no dict
    if not names <= set(model.state_dict()):
        raise InputError(f"{message}, whose weights are not a reader's", "drop average")
