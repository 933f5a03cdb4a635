"""Trains the reader by a recipe. Deterministic; an interrupted run resumes from its checkpoint with
the same result.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from tokenizers import Tokenizer, pre_tokenizers
from torch import Tensor
from transformers import (
    MODEL_FOR_QUESTION_ANSWERING_MAPPING,
    AutoConfig,
    AutoModelForQuestionAnswering,
    AutoTokenizer,
)

from rag.errors import InputError
from rag.models.device import Arithmetic, native_bf16
from rag.models.qa_heads import SENTENCE, SPAN, VERDICT, VERDICT_DENSE, Head, load_head
from rag.models.registry import start_path
from rag.models.storage import SCALE, load_weights, save_weights
from rag.models.windows import Encoded, encode
from rag.protocols import Reader
from rag.training.batches import (
    Batch,
    BatchItem,
    VerdictItem,
    examples,
    one_pass,
    stream,
    token_counter,
    verdict_stream,
)
from rag.training.data import question_set
from rag.training.datasets import Set, recipe_articles, recipe_sets
from rag.training.distillation import wanted
from rag.training.evaluate import Measured, measure
from rag.training.loss import group_loss, sentence_loss, targets, taught_loss, verdict_loss
from rag.training.recipe import OwnRecipe, Recipe, SetsRecipe, SetsStage
from rag.training.trainer import (
    WEIGHTS,
    Steps,
    checkpoint_of,
    mean,
    not_its_start,
    not_loaded,
    ready,
    write_digest,
)
from rag.training.user_data import own_set
from rag.training.verdicts import Statement, statements


@dataclass(slots=True)
class Run:
    """The parts of a run."""

    recipe: Recipe
    start: str
    """Folder or hub id of the initial model."""
    other: str
    """folder of the model to average with, if any"""
    model: Any
    tokenizer: Any
    new_head: bool
    """the initial model has no span head"""
    teacher: Head | None = None


@dataclass(frozen=True, slots=True)
class TrainingStage:
    """Steps over its sets, with a learning rate that changes linearly from `first` to `last`."""

    sets: list[Set]
    steps: int
    first: float
    last: float
    statements: Sequence[Statement] = ()
    share: float = 0.0
    """share of batches with statements"""


def train(recipe: SetsRecipe, data: Path, out: Path) -> None:
    """Fine-tune by a recipe on its sets in `data`; weights, tokenizer and digest go to `out`,
    checkpoints beside it.

    Raises InputError for a missing set, an unusable `out`, or a checkpoint of another run;
    ModelError for a missing or unsuitable model.
    """
    out = ready(out)
    run = _start(recipe, data, out)
    _train(run, [_stage(recipe, stage, data) for stage in recipe.stage], out)


def _stage(recipe: SetsRecipe, stage: SetsStage, data: Path) -> TrainingStage:
    sets = recipe_sets(recipe, stage, data)
    mix = stage.verdicts
    if mix is None:
        return TrainingStage(sets, stage.steps, stage.first, stage.last)
    articles = recipe_articles(recipe, mix.figures_from, data)[0] if mix.figures_from else []
    made = statements(mix, data, articles, random.Random(f"{recipe.seed}{recipe.order}"))
    return TrainingStage(sets, stage.steps, stage.first, stage.last, made, mix.share)


def fine_tune(
    recipe: OwnRecipe,
    questions: Path,
    corpus: Path | None,
    out: Path,
    reader: Callable[[str], Reader],
) -> tuple[Measured | None, Measured]:
    """Fine-tune the recipe's `init` on a user's own questions. Returns the scores on held-out
    questions before (None if it was not a reader) and after.

    `reader` loads a reader by its setting. Raises as `own_set` and `train` do.
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
    _train(run, [TrainingStage([own], steps, stage.first, stage.last)], out)
    return before, measure(reader(str(out)), held_out)


def _start(recipe: Recipe, data: Path, out: Path) -> Run:
    torch.manual_seed(recipe.seed)
    init, local = start_path(recipe.init, data)
    other = start_path(recipe.average_with, data)[0] if recipe.average_with else init
    not_its_start(out, init, other)
    tokenizer, model, new_head = _loaded(recipe, init, local)
    if recipe.average is not None:
        _check_average(other, model)
    _freeze(model.base_model, recipe)
    return Run(recipe, init, other, model, tokenizer, new_head, _teacher(recipe.teacher, data))


def _freeze(encoder: Any, recipe: Recipe) -> None:
    for parameter in encoder.embeddings.parameters() if recipe.freeze_embeddings else ():
        parameter.requires_grad = False
    if not recipe.freeze_layers:
        return
    layers = getattr(getattr(encoder, "encoder", None), "layer", [])
    if recipe.freeze_layers > len(layers):
        raise InputError(
            f"freeze_layers = {recipe.freeze_layers} is too many for {recipe.init}",
            f"it has {len(layers)} to freeze",
        )
    for name, parameter in encoder.encoder.named_parameters():
        # What is not in a layer, MPNet's relative positions, goes into the lowest: learning it
        # would take a backward pass through all of them.
        layer = int(name.split(".")[1]) if name.startswith("layer.") else 0
        parameter.requires_grad = layer >= recipe.freeze_layers


def _loaded(recipe: Recipe, path: str, local: bool) -> tuple[Any, Any, bool]:
    """(tokenizer, model, whether it got a new span head) for a folder or hub id."""
    try:
        config = AutoConfig.from_pretrained(path, local_files_only=local)
        for name, value in config.to_dict().items():  # architectures use several names for it
            if "dropout" in name and isinstance(value, float):
                setattr(config, name, recipe.dropout)
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=local)
        if recipe.part_punctuation:
            _part_punctuation(tokenizer.backend_tokenizer)
        # Plain matmuls: the fused CPU attention takes 24 % of a step in its backward pass (2.80 s a
        # step, 2.07 s without it).
        more = {"dtype": torch.float32, "attn_implementation": "eager", "output_loading_info": True}
        stored = _stored(Path(path)) if local else {}
        if stored:  # from_pretrained cannot open 8 bits
            kind = MODEL_FOR_QUESTION_ANSWERING_MAPPING[type(config)]
            model, report = kind.from_pretrained(None, config=config, state_dict=stored, **more)
        else:
            more |= {"local_files_only": local, "use_safetensors": True}
            model, report = AutoModelForQuestionAnswering.from_pretrained(
                path, config=config, **more
            )
    except (OSError, ValueError, KeyError) as error:
        raise not_loaded(recipe.init, error) from error
    _add_heads(model, stored, recipe)
    return tokenizer, model, any("qa_outputs" in name for name in report["missing_keys"])


def _stored(folder: Path) -> dict[str, Tensor]:
    """Weights in a folder, converted from 8 bits; {} for a model in another format."""
    return load_weights(folder / WEIGHTS) if (folder / WEIGHTS).is_file() else {}


def _add_heads(model: Any, stored: Mapping[str, Tensor], recipe: Recipe) -> None:
    """Add the heads that transformers does not know: those in `stored`, and those that the recipe
    trains.
    """
    size = model.config.hidden_size
    shapes = {SENTENCE: (size, 1), VERDICT_DENSE: (size, size), VERDICT: (size, 3)}
    stages = recipe.stage if isinstance(recipe, SetsRecipe) else []
    trained = {SENTENCE} if recipe.sentences else set[str]()
    if any(stage.verdicts for stage in stages):
        trained |= {VERDICT_DENSE, VERDICT}
    for name, (wide, narrow) in shapes.items():
        if f"{name}.weight" not in stored and name not in trained:
            continue
        head = torch.nn.Linear(wide, narrow)
        if f"{name}.weight" in stored:
            head.load_state_dict(
                {part: stored[f"{name}.{part}"].float() for part in ("weight", "bias")}
            )
        setattr(model, name, head)


def _part_punctuation(tokenizer: Tokenizer) -> None:
    """After what it parts already, unless it parts punctuation too."""
    if "Punctuation" not in json.dumps(json.loads(tokenizer.to_str())["pre_tokenizer"]):
        parts = [
            part
            for part in (tokenizer.pre_tokenizer, pre_tokenizers.Punctuation("isolated"))
            if part
        ]
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)


def _check_average(other: str, model: Any) -> None:
    path = Path(other, WEIGHTS)
    if not path.is_file():
        raise InputError(
            f"the recipe averages with {other}, which is no folder with {WEIGHTS}",
            "download it, or drop average",
        )
    with safe_open(path, "pt") as file:
        names = file.keys()
    fits = {name.removesuffix(SCALE) for name in names} <= {*model.state_dict()}
    if not fits:
        raise InputError(
            f"the recipe averages with {other}, which has other weights than a reader",
            "drop average",
        )


def _teacher(setting: str | None, data: Path) -> Head | None:
    return (
        load_head(setting, *start_path(setting, data), Arithmetic("cpu", native_bf16()))
        if setting
        else None
    )


def _train(run: Run, stages: Sequence[TrainingStage], out: Path) -> None:
    checkpoint = checkpoint_of(out)
    rates = dict.fromkeys((SPAN, SENTENCE, VERDICT_DENSE, VERDICT), run.recipe.head_rate)
    steps = Steps(run.model, run.recipe.weight_decay, checkpoint, _mark(run, stages), rates)
    steps.take(
        _plan(stages, run, steps.taken),
        sum(stage.steps for stage in stages),
        lambda batch: _loss(run, batch),
    )
    save(run.model, run.tokenizer, out)
    if run.recipe.average is not None:
        average(run.other, out, run.recipe.average)
    checkpoint.unlink(missing_ok=True)


def _mark(run: Run, stages: Sequence[TrainingStage]) -> str:
    """Digest of everything that determines a run: recipe and questions."""
    made_of = [
        run.recipe.model_dump_json(),
        [(s.steps, [(e.name, e.articles, e.held_out) for e in s.sets]) for s in stages],
    ]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


def save(model: Any, tokenizer: Any, out: Path) -> None:
    """Write weights in 8 bits, tokenizer, and the digest that is checked at load."""
    model.config.save_pretrained(out)
    save_weights(
        {name: value.detach() for name, value in model.state_dict().items()}, out / WEIGHTS
    )
    tokenizer.save_pretrained(out)
    write_digest(out)


def average(other: str, out: Path, share: float) -> None:
    """Write to `out` the average of the weights in folder `other` and its own, which have weight
    `share`.
    """
    save_weights(
        mean(load_weights(Path(other) / WEIGHTS), load_weights(out / WEIGHTS), share), out / WEIGHTS
    )
    write_digest(out)


def _plan(stages: Sequence[TrainingStage], run: Run, begun: int) -> Iterator[tuple[float, Batch]]:
    """(learning rate, batch) of every step from the one numbered `begun` on."""
    recipe, first = run.recipe, 0
    count = token_counter(run.tokenizer)
    for number, stage in enumerate(stages):
        if begun < first + stage.steps:
            rng = random.Random(f"{recipe.seed}{recipe.order}/{number}")
            made = examples(stage.sets, count, recipe.max_passage_tokens, rng)
            batches: Iterator[Batch] = stream(made, run.tokenizer, recipe.batch_tokens, rng)
            verdicts: Iterator[Batch] = verdict_stream(
                stage.statements, run.tokenizer, recipe.batch_tokens, rng
            )
            for at in range(stage.steps):
                batch = next(verdicts if rng.random() < stage.share else batches)
                if first + at >= begun:
                    warm = min(1.0, (first + at + 1) / max(1, recipe.warmup))
                    yield (
                        warm * (stage.first + (stage.last - stage.first) * at / stage.steps),
                        batch,
                    )
        first += stage.steps


def _loss(run: Run, batch: Batch) -> Tensor:
    items = [item for item in batch if isinstance(item, BatchItem)]
    if not items:
        return _verdict_loss(run, [item for item in batch if isinstance(item, VerdictItem)])
    encoded = encode(run.tokenizer, [item.window for item in items])
    states = _states(run.model, encoded.inputs)
    loss = _span_loss(run, encoded, items, states)
    if run.recipe.sentences:
        logits = getattr(run.model, SENTENCE)(states)[..., 0]
        said = sentence_loss(
            logits, encoded, [item.text for item in items], [item.answers for item in items]
        )
        loss = loss + run.recipe.sentences * said
    return loss


def _span_loss(run: Run, encoded: Encoded, items: Sequence[BatchItem], states: Tensor) -> Tensor:
    """Of the groups whose answers are spans."""
    rows = [row for row, item in enumerate(items) if item.spans]
    if not rows:
        return states.new_zeros(())
    numbers = {
        group: at for at, group in enumerate(dict.fromkeys(items[row].group for row in rows))
    }
    groups = [numbers[items[row].group] for row in rows]
    group = torch.tensor(groups)
    windows = [items[row].window for row in rows]
    first, last = targets(encoded, [item.text for item in items], [item.answers for item in items])
    scored = torch.from_numpy(encoded.scored[rows])
    starts, ends = run.model.qa_outputs(states[rows]).unbind(-1)
    wanted_first, wanted_last = torch.from_numpy(first[rows]), torch.from_numpy(last[rows])
    loss = group_loss(starts, scored, wanted_first, group) + group_loss(
        ends, scored, wanted_last, group
    )
    if run.teacher is not None:
        shares = wanted(run.teacher, encoded.rows(rows), windows, groups)
        pairs = zip((starts, ends), shares, strict=True)
        heard = [taught_loss(s, scored, torch.from_numpy(w), group) for s, w in pairs]
        loss = (1 - run.recipe.taught) * loss + run.recipe.taught * sum(heard)
    return loss


def _verdict_loss(run: Run, items: Sequence[VerdictItem]) -> Tensor:
    states = _states(run.model, encode(run.tokenizer, [item.window for item in items]).inputs)
    dense, out = getattr(run.model, VERDICT_DENSE), getattr(run.model, VERDICT)
    return verdict_loss(
        out(torch.tanh(dense(states[:, 0]))), torch.tensor([item.label for item in items])
    )


def _states(model: Any, inputs: dict[str, Any]) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
        output = model.base_model(
            **{name: torch.as_tensor(value) for name, value in inputs.items()}
        )
    states: Tensor = output.last_hidden_state.float()
    return states
