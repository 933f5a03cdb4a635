"""Train the reader by a recipe. Seeded; a run that was killed goes on from its checkpoint with the same result."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tokenizers import Tokenizer, pre_tokenizers
from torch import Tensor
from transformers import AutoConfig, AutoModelForQuestionAnswering, AutoTokenizer

from rag.errors import InputError
from rag.models.precision import native_bf16
from rag.models.qa_heads import Head, load_head
from rag.models.registry import start_path
from rag.models.windows import encode
from rag.protocols import Reader
from rag.training.batches import Item, examples, one_pass, stream, token_counter
from rag.training.data import question_set
from rag.training.datasets import Set, recipe_sets
from rag.training.distillation import wanted
from rag.training.evaluate import Measured, measure
from rag.training.loss import group_loss, targets, taught_loss
from rag.training.recipe import OwnRecipe, Recipe, SetsRecipe
from rag.training.trainer import (
    WEIGHTS,
    Steps,
    checkpoint_of,
    mean,
    not_its_start,
    not_loaded,
    ready,
    write_digest,
    write_weights,
)
from rag.training.user_data import own_set


@dataclass(slots=True)
class Run:
    """What a run is made with."""

    recipe: Recipe
    start: str
    """Folder or hub id of what it begins with."""
    other: str
    """Folder of what its weights are averaged with, if they are."""
    model: Any
    tokenizer: Any
    new_head: bool
    """What it begins with has no span head."""
    teacher: Head | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """So many steps over its sets, the learning rate going from `first` to `last`."""

    sets: list[Set]
    steps: int
    first: float
    last: float


def train(recipe: SetsRecipe, data: Path, out: Path) -> None:
    """Fine-tune by a recipe on its sets in `data`; weights, tokenizer and digest go to `out`, checkpoints beside it.

    Raises InputError for a set that is not there, an `out` that cannot be, or a checkpoint of another run; ModelError for a
    model that is not there or does not fit.
    """
    out = ready(out)
    run = _start(recipe, data, out)
    _train(run, [Stage(recipe_sets(recipe, s, data), s.steps, s.first, s.last) for s in recipe.stage], out)


def fine_tune(
    recipe: OwnRecipe, questions: Path, corpus: Path | None, out: Path, reader: Callable[[str], Reader]
) -> tuple[Measured | None, Measured]:
    """Go on from `init` of the recipe with a user's own questions; how it read the held-out part before (None if it could not,
    being no reader) and after.

    `reader` loads one by its setting. Raises as `own_set` and `train` do.
    """
    out = ready(out)
    run = _start(recipe, questions.parent, out)
    count = token_counter(run.tokenizer)
    stage = recipe.stage[0]
    own = own_set(questions, corpus, count, recipe)
    held_out = question_set(own.held_out, count, recipe.max_passage_tokens)
    before = None if run.new_head else measure(reader(run.start), held_out)
    rng = random.Random(recipe.seed)
    made = examples([own], count, recipe.max_passage_tokens, rng)
    steps = stage.passes * sum(1 for _ in one_pass(made, recipe.batch_tokens, rng))
    _train(run, [Stage([own], steps, stage.first, stage.last)], out)
    return before, measure(reader(str(out)), held_out)


def _start(recipe: Recipe, data: Path, out: Path) -> Run:
    torch.manual_seed(recipe.seed)
    init, local = start_path(recipe.init, data)
    other = start_path(recipe.average_with, data)[0] if recipe.average_with else init
    not_its_start(out, init, other)
    tokenizer, model, new_head = _loaded(recipe, init, local)
    if recipe.average is not None:
        _check_average(other, model)
    for parameter in model.base_model.embeddings.parameters() if recipe.freeze_embeddings else ():
        parameter.requires_grad = False
    return Run(recipe, init, other, model, tokenizer, new_head, _teacher(recipe.teacher, data))


def _loaded(recipe: Recipe, path: str, local: bool) -> tuple[Any, Any, bool]:
    """(tokenizer, model, whether it had no span head and got a new one) at a folder or hub id."""
    try:
        config = AutoConfig.from_pretrained(path, local_files_only=local)
        for name, value in config.to_dict().items():  # architectures call it by several names
            if "dropout" in name and isinstance(value, float):
                setattr(config, name, recipe.dropout)
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=local)
        if recipe.part_punctuation:
            _part_punctuation(tokenizer.backend_tokenizer)
        # Plain matmuls: the fused CPU attention takes 24 % of a step in its backward pass (2.80 s a step, 2.07 s without it).
        more = {"dtype": torch.float32, "attn_implementation": "eager", "output_loading_info": True}
        model, report = AutoModelForQuestionAnswering.from_pretrained(path, config=config, local_files_only=local, **more)
    except (OSError, ValueError, KeyError) as error:
        raise not_loaded(recipe.init, error) from error
    return tokenizer, model, any("qa_outputs" in name for name in report["missing_keys"])


def _part_punctuation(tokenizer: Tokenizer) -> None:
    """After what it parts already, unless it parts punctuation too."""
    if "Punctuation" not in json.dumps(json.loads(tokenizer.to_str())["pre_tokenizer"]):
        parts = [part for part in (tokenizer.pre_tokenizer, pre_tokenizers.Punctuation("isolated")) if part]
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)


def _check_average(other: str, model: Any) -> None:
    path = Path(other, WEIGHTS)
    if not path.is_file():
        raise InputError(f"the recipe averages with {other}, which is no folder with {WEIGHTS}", "download it, or drop average")
    with safe_open(path, "pt") as file:
        fits = {*file.keys()} == {*model.state_dict()}
    if not fits:
        raise InputError(f"the recipe averages with {other}, which has other weights than a reader", "drop average")


def _teacher(setting: str | None, data: Path) -> Head | None:
    return load_head(setting, *start_path(setting, data), native_bf16()) if setting else None


def _train(run: Run, stages: Sequence[Stage], out: Path) -> None:
    checkpoint = checkpoint_of(out)
    steps = Steps(run.model, run.recipe.weight_decay, checkpoint, _mark(run, stages))
    steps.take(_plan(stages, run, steps.taken), sum(stage.steps for stage in stages), lambda batch: _loss(run, batch))
    save(run.model, run.tokenizer, out)
    if run.recipe.average is not None:
        average(run.other, out, run.recipe.average)
    checkpoint.unlink(missing_ok=True)


def _mark(run: Run, stages: Sequence[Stage]) -> str:
    """A digest of what decides how a run goes on: recipe and questions."""
    made_of = [run.recipe.model_dump_json(), [(s.steps, [(e.name, e.articles, e.held_out) for e in s.sets]) for s in stages]]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


def save(model: Any, tokenizer: Any, out: Path) -> None:
    """fp16 weights, tokenizer, and the digest that is checked at load."""
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    write_digest(out)


def average(other: str, out: Path, share: float) -> None:
    """Put in `out` the mean of the weights in folder `other` and its own, of which it keeps that `share`."""
    write_weights(mean(load_file(Path(other) / WEIGHTS), load_file(out / WEIGHTS), share), out)


def _plan(stages: Sequence[Stage], run: Run, begun: int) -> Iterator[tuple[float, list[Item]]]:
    """(learning rate, batch) of every step from the one numbered `begun` on."""
    recipe, first = run.recipe, 0
    count = token_counter(run.tokenizer)
    for number, stage in enumerate(stages):
        if begun < first + stage.steps:
            rng = random.Random(f"{recipe.seed}{recipe.order}/{number}")
            made = examples(stage.sets, count, recipe.max_passage_tokens, rng)
            batches = stream(made, run.tokenizer, recipe.batch_tokens, rng)
            for at in range(stage.steps):
                batch = next(batches)
                if first + at >= begun:
                    warm = min(1.0, (first + at + 1) / max(1, recipe.warmup))
                    yield warm * (stage.first + (stage.last - stage.first) * at / stage.steps), batch
        first += stage.steps


def _loss(run: Run, batch: list[Item]) -> Tensor:
    encoded = encode(run.tokenizer, [item[1] for item in batch])
    groups = [item[0] for item in batch]
    group = torch.tensor(groups)
    first, last = targets(encoded, [item[2] for item in batch], [item[3] for item in batch])
    scored = torch.from_numpy(encoded.scored)
    starts, ends = _logits(run.model, encoded.inputs)
    loss = group_loss(starts, scored, torch.from_numpy(first), group) + group_loss(ends, scored, torch.from_numpy(last), group)
    if run.teacher is not None:
        shares = wanted(run.teacher, encoded, [item[1] for item in batch], groups)
        heard = [taught_loss(s, scored, torch.from_numpy(w), group) for s, w in zip((starts, ends), shares, strict=True)]
        loss = (1 - run.recipe.taught) * loss + run.recipe.taught * sum(heard)
    return loss


def _logits(model: Any, inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
    with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
        output = model(**{name: torch.as_tensor(value) for name, value in inputs.items()})
    return output.start_logits.float(), output.end_logits.float()
