"""Trains the reader by a recipe. Deterministic; an interrupted run resumes from its checkpoint with
the same result.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rag.models.bert import load_weights, save_weights
from rag.models.device import native_bf16
from rag.models.qa_heads import SENTENCE, SPAN, VERDICT, VERDICT_DENSE, Encoded, encode
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
from rag.training.data import Set, question_set, recipe_articles
from rag.training.evaluate import Measured, measure
from rag.training.initial_model import Run, initial
from rag.training.loss import (
    TeacherOutput,
    distillation_loss,
    group_loss,
    sentence_loss,
    sentence_target,
    span_targets,
    targets,
    teacher_outputs,
    verdict_loss,
    verdict_targets,
)
from rag.training.recipe import OwnRecipe, SetsRecipe, SetsStage
from rag.training.trainer import WEIGHTS, Steps, checkpoint_of, mark, mean, ready, write_digest
from rag.training.user_data import own_set
from rag.training.verdicts import Statement, statements


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
    run = initial(recipe, data, out)
    _train(run, [_stage(recipe, stage, data) for stage in recipe.stage], out)


def _stage(recipe: SetsRecipe, stage: SetsStage, data: Path) -> TrainingStage:
    sets = [
        Set(name, mix, *recipe_articles(recipe, name, data)) for name, mix in stage.sets.items()
    ]
    verdicts = stage.verdicts
    if verdicts is None:
        return TrainingStage(sets, stage.steps, stage.first, stage.last)
    articles = (
        recipe_articles(recipe, verdicts.figures_from, data)[0] if verdicts.figures_from else []
    )
    rows = statements(verdicts, data, articles, random.Random(f"{recipe.seed}{recipe.order}"))
    return TrainingStage(sets, stage.steps, stage.first, stage.last, rows, verdicts.share)


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
    run = initial(recipe, questions.parent, out)
    count = token_counter(run.tokenizer)
    stage = recipe.stage[0]
    own = own_set(questions, corpus, count, recipe)
    held_out = question_set(own.held_out, count, recipe.max_passage_tokens)
    before = None if run.new_head else measure(reader(run.start), held_out)
    rng = random.Random(recipe.seed)
    drawn = examples([own], count, recipe.max_passage_tokens, rng)
    steps = stage.passes * sum(1 for _ in one_pass(drawn, recipe.batch_tokens, rng))
    _train(run, [TrainingStage([own], steps, stage.first, stage.last)], out)
    return before, measure(reader(str(out)), held_out)


def _train(run: Run, stages: Sequence[TrainingStage], out: Path) -> None:
    recipe, checkpoint = run.recipe, checkpoint_of(out)
    rates = dict.fromkeys((SPAN, SENTENCE, VERDICT_DENSE, VERDICT), recipe.head_rate)
    sources = [[(e.name, e.articles, e.held_out) for e in stage.sets] for stage in stages]
    statements = [[*map(repr, stage.statements)] for stage in stages]
    run_mark = mark(recipe.model_dump_json(), [s.steps for s in stages], sources, statements)
    steps = Steps(run.model, recipe.weight_decay, checkpoint, run_mark, rates)
    total = sum(stage.steps for stage in stages)
    steps.take(_plan(stages, run, steps.taken), total, lambda batch: _loss(run, batch))
    run.model.config.save_pretrained(out)
    weights = {name: value.detach() for name, value in run.model.state_dict().items()}
    save_weights(weights, out / WEIGHTS)
    run.tokenizer.save_pretrained(out)
    if recipe.average is not None:
        before = load_weights(Path(run.averaged) / WEIGHTS)
        save_weights(mean(before, load_weights(out / WEIGHTS), recipe.average), out / WEIGHTS)
    write_digest(out)
    checkpoint.unlink(missing_ok=True)


def _plan(stages: Sequence[TrainingStage], run: Run, begun: int) -> Iterator[tuple[float, Batch]]:
    """(learning rate, batch) of every step, starting at step `begun`."""
    recipe, first = run.recipe, 0
    count = token_counter(run.tokenizer)
    for number, stage in enumerate(stages):
        if begun < first + stage.steps:
            rng = random.Random(f"{recipe.seed}{recipe.order}/{number}")
            drawn = examples(stage.sets, count, recipe.max_passage_tokens, rng)
            streams: dict[bool, Iterator[Batch]] = {
                False: stream(drawn, run.tokenizer, recipe.batch_tokens, rng),
                True: verdict_stream(stage.statements, run.tokenizer, recipe.batch_tokens, rng),
            }
            for step in range(stage.steps):
                batch = next(streams[rng.random() < stage.share])
                if first + step >= begun:
                    warm = min(1.0, (first + step + 1) / max(1, recipe.warmup))
                    rate = stage.first + (stage.last - stage.first) * step / stage.steps
                    yield warm * rate, batch
        first += stage.steps


def _loss(run: Run, batch: Batch) -> Tensor:
    taught = teacher_outputs(run.teacher, [i.window for i in batch]) if run.teacher else []
    encoded = encode(run.tokenizer, [item.window for item in batch])
    inputs = {name: torch.as_tensor(value) for name, value in encoded.inputs.items()}
    with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
        output = run.model.base_model(**inputs)
    states: Tensor = output.last_hidden_state.float()
    items = [item for item in batch if isinstance(item, BatchItem)]
    if not items:
        labels = [item.label for item in batch if isinstance(item, VerdictItem)]
        return _verdict_loss(run, states, labels, taught)
    loss = _span_loss(run, encoded, items, states, taught)
    if run.recipe.sentences:
        loss = loss + run.recipe.sentences * sentence_loss(
            getattr(run.model, SENTENCE)(states)[..., 0],
            encoded,
            [item.text for item in items],
            [item.answers for item in items],
            (lambda row, place: sentence_target(taught[row], place)) if taught else None,
            run.recipe.distillation_weight,
        )
    return loss


def _span_loss(
    run: Run,
    encoded: Encoded,
    items: Sequence[BatchItem],
    states: Tensor,
    taught: Sequence[TeacherOutput],
) -> Tensor:
    """Loss of the groups whose answers are spans."""
    rows = [row for row, item in enumerate(items) if item.spans]
    if not rows:
        return states.new_zeros(())
    numbers = list(dict.fromkeys(items[row].group for row in rows))
    groups = [numbers.index(items[row].group) for row in rows]
    group, scored = torch.tensor(groups), torch.from_numpy(encoded.scored[rows])
    right = targets(encoded, [item.text for item in items], [item.answers for item in items])
    sides = run.model.qa_outputs(states[rows]).unbind(-1)
    losses = [
        group_loss(scores, scored, torch.from_numpy(mask[rows]), group)
        for scores, mask in zip(sides, right, strict=True)
    ]
    loss = torch.stack(losses).sum()
    if taught:
        shares = span_targets([taught[row] for row in rows], encoded.rows(rows), groups)
        losses = [
            distillation_loss(scores, scored, torch.from_numpy(share), group)
            for scores, share in zip(sides, shares, strict=True)
        ]
        weight = run.recipe.distillation_weight
        loss = (1 - weight) * loss + weight * torch.stack(losses).sum()
    return loss


def _verdict_loss(
    run: Run, states: Tensor, labels: Sequence[int], taught: Sequence[TeacherOutput]
) -> Tensor:
    dense, out = getattr(run.model, VERDICT_DENSE), getattr(run.model, VERDICT)
    shares = verdict_targets(taught) if taught else None
    return verdict_loss(
        out(torch.tanh(dense(states[:, 0]))),
        torch.tensor(labels),
        None if shares is None else torch.from_numpy(shares),
        run.recipe.distillation_weight,
    )
