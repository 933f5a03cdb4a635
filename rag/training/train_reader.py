"""Trains the reader by a recipe, deterministically; an interrupted run resumes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from rag.models.bert import load_weights, save_weights
from rag.models.device import native_bf16
from rag.models.qa_heads import SENTENCE, SPAN, VERDICT, VERDICT_DENSE, Encoded, encode
from rag.protocols import Reader
from rag.training import batches, loss
from rag.training.batches import Batch, BatchItem, VerdictItem, token_counter
from rag.training.data import Group, Set, question_set, recipe_articles, retrieved_groups
from rag.training.evaluate import Measured, measure
from rag.training.initial_model import VERDICTS, Run, initial, with_conditions
from rag.training.loss import TeacherOutput
from rag.training.recipe import OwnRecipe, OwnStage, SetsRecipe, SetsStage
from rag.training.trainer import WEIGHTS, Steps, mean
from rag.training.user_data import own_set
from rag.training.verdicts import Statement, statements


@dataclass(frozen=True, slots=True)
class TrainingStage:
    """Steps over its sets, with the recipe's learning rates."""

    recipe: SetsStage | OwnStage
    sets: list[Set]
    steps: int
    groups: Sequence[Group] = ()
    """questions with retrieved passages"""
    statements: Sequence[Statement] = ()
    share: float = 0.0
    """share of batches with statements"""


def train(recipe: SetsRecipe, data: Path, out: Path) -> None:
    """Fine-tune by a recipe on its sets in `data`; weights, tokenizer and digest go to `out`,
    checkpoints beside it.

    Raises InputError for a missing set, an unusable `out`, or a checkpoint of another run;
    ModelError for a missing or unsuitable model.
    """
    run = initial(recipe, data, out)
    _train(run, [_stage(recipe, stage, data) for stage in recipe.stage])


def _stage(recipe: SetsRecipe, stage: SetsStage, data: Path) -> TrainingStage:
    sets = [
        Set(name, mix, *recipe_articles(recipe, name, data)) for name, mix in stage.sets.items()
    ]
    rng = random.Random(f"{recipe.seed}{recipe.order}")
    groups = [
        group
        for name, most in stage.groups.items()
        for group in retrieved_groups(name, most, data, rng)
    ]
    verdicts = stage.verdicts
    if verdicts is None:
        return TrainingStage(stage, sets, stage.steps, groups)
    source = verdicts.figures_from
    articles = recipe_articles(recipe, source, data)[0] if source else []
    rows = statements(verdicts, data, articles, rng)
    return TrainingStage(stage, sets, stage.steps, groups, rows, verdicts.share)


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
    run = initial(recipe, questions.parent, out)
    count = token_counter(run.tokenizer)
    stage = recipe.stage[0]
    user_set = own_set(questions, corpus, count, recipe)
    held_out = question_set(user_set.held_out, count, recipe.max_passage_tokens)
    initial_scores = None if run.new_head else measure(reader(run.start), held_out)
    rng = random.Random(recipe.seed)
    drawn = batches.examples([user_set], count, recipe.max_passage_tokens, rng)
    steps = stage.passes * sum(1 for _ in batches.one_pass(drawn, recipe.batch_tokens, rng))
    _train(run, [TrainingStage(stage, [user_set], steps)])
    return initial_scores, measure(reader(str(run.out)), held_out)


def _train(run: Run, stages: Sequence[TrainingStage]) -> None:
    recipe, out = run.recipe, run.out
    rates = dict.fromkeys((SPAN, SENTENCE, VERDICT_DENSE, VERDICT), recipe.head_rate)

    parts = [recipe.model_dump_json(), *map(repr, stages)]
    steps = Steps(run.model, recipe.weight_decay, out, parts, rates)

    total = sum(stage.steps for stage in stages)
    steps.take(_plan(stages, run, steps.taken), total, lambda batch: _loss(run, batch))

    run.model.config.save_pretrained(out)
    weights = {name: value.detach() for name, value in run.model.state_dict().items()}
    save_weights(weights, out / WEIGHTS)
    run.tokenizer.save_pretrained(out)

    if recipe.average is not None:
        averaged, trained = load_weights(Path(run.averaged) / WEIGHTS), load_weights(out / WEIGHTS)
        if len(trained.get(f"{VERDICT}.bias", ())) == VERDICTS:
            averaged = with_conditions(averaged)
        save_weights(mean(averaged, trained, recipe.average), out / WEIGHTS)

    steps.finish()


def _plan(stages: Sequence[TrainingStage], run: Run, begun: int) -> Iterator[tuple[float, Batch]]:
    """(learning rate, batch) of every step, starting at step `begun`."""
    recipe, stage_begin = run.recipe, 0
    count = token_counter(run.tokenizer)

    for number, stage in enumerate(stages):
        if begun < stage_begin + stage.steps:
            rng = random.Random(f"{recipe.seed}{recipe.order}/{number}")
            drawn = batches.examples(
                stage.sets, count, recipe.max_passage_tokens, rng, retrieved=stage.groups
            )

            streams: dict[bool, Iterator[Batch]] = {
                False: batches.stream(drawn, run.tokenizer, recipe.batch_tokens, rng),
                True: batches.verdict_stream(
                    stage.statements, run.tokenizer, recipe.batch_tokens, rng
                ),
            }

            for step in range(stage.steps):
                batch = next(streams[rng.random() < stage.share])
                if stage_begin + step >= begun:
                    rate = stage.recipe.rate(step, stage.steps)
                    yield recipe.warm(stage_begin + step) * rate, batch

        stage_begin += stage.steps


def _loss(run: Run, batch: Batch) -> Tensor:
    taught = loss.teacher_outputs(run.teacher, [i.window for i in batch]) if run.teacher else []

    encoded = encode(run.tokenizer, [item.window for item in batch])
    inputs = {name: torch.as_tensor(value) for name, value in encoded.inputs.items()}
    with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
        output = run.model.base_model(**inputs)

    states: Tensor = output.last_hidden_state.float()
    weight = run.recipe.distillation_weight

    items = [item for item in batch if isinstance(item, BatchItem)]
    if not items:
        labels = torch.tensor([item.label for item in batch if isinstance(item, VerdictItem)])
        dense, out = getattr(run.model, VERDICT_DENSE), getattr(run.model, VERDICT)

        logits = out(torch.tanh(dense(states[:, 0])))
        shares = loss.verdict_targets(taught) if taught else None
        aims = None if shares is None else torch.from_numpy(shares)
        return loss.verdict_loss(logits, labels, aims, weight)

    total = _span_loss(run, encoded, items, states, taught)
    return total + _sentence_loss(run, encoded, items, states, taught)


def _sentence_loss(
    run: Run,
    encoded: Encoded,
    items: Sequence[BatchItem],
    states: Tensor,
    taught: Sequence[TeacherOutput],
) -> Tensor:
    """Loss of the sentence head: each sentence by itself, and all of a question listwise."""
    total = states.new_zeros(())
    if not run.recipe.sentences:
        return total

    logits = getattr(run.model, SENTENCE)(states)[..., 0]
    texts = [item.text for item in items]
    answers = [item.answers for item in items]
    rows = [row for row, item in enumerate(items) if not item.whole]

    if rows:
        sentence_loss = loss.sentence_loss(
            logits[rows],
            encoded.rows(rows),
            [texts[row] for row in rows],
            [answers[row] for row in rows],
            (lambda row, place: loss.sentence_target(taught[rows[row]], place)) if taught else None,
            run.recipe.distillation_weight,
        )
        total = total + run.recipe.sentences * sentence_loss

    if run.recipe.listwise:
        groups = [item.group for item in items]
        listwise = loss.sentence_group_loss(logits, encoded, texts, answers, groups)
        total = total + run.recipe.listwise * listwise
    return total


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
    spans, span_rows = [items[row] for row in rows], encoded.rows(rows)
    numbers = list(dict.fromkeys(item.group for item in spans))
    groups = [numbers.index(item.group) for item in spans]
    group, scored = torch.tensor(groups), torch.from_numpy(span_rows.scored)
    sides = run.model.qa_outputs(states[rows]).unbind(-1)

    def both(of: Callable[..., Tensor], targets: Sequence[NDArray[Any]]) -> Tensor:
        pairs = zip(sides, targets, strict=True)
        return torch.stack([of(x, scored, torch.from_numpy(y), group) for x, y in pairs]).sum()

    answer_masks = loss.targets(
        span_rows, [item.text for item in spans], [item.answers for item in spans]
    )
    total = both(loss.group_loss, answer_masks)
    if taught:
        shares = loss.span_targets([taught[row] for row in rows], span_rows, groups)
        weight = run.recipe.distillation_weight
        total = (1 - weight) * total + weight * both(loss.distillation_loss, shares)
    return total
