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

from rag.meaning.sentences import Offsets
from rag.models.bert import load_weights, save_weights
from rag.models.device import native_bf16
from rag.models.qa_heads import SENTENCE, SPAN, VERDICT, VERDICT_DENSE, Encoded, encode
from rag.models.registry import WEIGHTS
from rag.protocols import Reader
from rag.training import batches, loss
from rag.training.batches import BatchItem, ReaderBatch, VerdictItem, token_counter
from rag.training.data import (
    Article,
    Group,
    Set,
    question_set,
    recipe_articles,
    retrieved_groups,
)
from rag.training.evaluate import Measured, measure
from rag.training.initial_model import VERDICTS, TrainingRun, initial, with_conditions
from rag.training.loss import TeacherOutput
from rag.training.recipe import OwnRecipe, OwnStage, SetsRecipe, SetsStage, Verdicts
from rag.training.trainer import Steps, mean
from rag.training.user_data import own_set
from rag.training.verdicts import Label, Statement, statements


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


def train(recipe: SetsRecipe, data: Path, folder: Path) -> None:
    """Fine-tune by a recipe on its sets in `data`; weights, tokenizer and digest go to `folder`,
    checkpoints beside it.

    Raises InputError for a missing set, an unusable `folder`, or a checkpoint of another run;
    ModelError for a missing or unsuitable model.
    """
    run = initial(recipe, data, folder)
    stages = [_stage(recipe, stage, data) for stage in recipe.stage]
    _train(run, stages)


def _stage(recipe: SetsRecipe, stage: SetsStage, data: Path) -> TrainingStage:
    """The stage with the material that it names."""
    sets = []
    for name, mix in stage.sets.items():
        articles, held_out = recipe_articles(recipe, name, data)
        sets.append(Set(name, mix, articles, held_out))

    rng = random.Random(f"{recipe.seed}{recipe.order}")
    groups: list[Group] = []
    for name, most_questions in stage.groups.items():
        groups += retrieved_groups(name, most_questions, data, rng)

    if stage.verdicts is None:
        return TrainingStage(stage, sets, stage.steps, groups)
    return TrainingStage(
        recipe=stage,
        sets=sets,
        steps=stage.steps,
        groups=groups,
        statements=_statements(recipe, stage.verdicts, data, rng),
        share=stage.verdicts.share,
    )


def _statements(
    recipe: SetsRecipe, verdicts: Verdicts, data: Path, rng: random.Random
) -> list[Statement]:
    articles: list[Article] = []
    if verdicts.figures_from:
        articles, _ = recipe_articles(recipe, verdicts.figures_from, data)
    return statements(verdicts, data, articles, rng)


def fine_tune(
    recipe: OwnRecipe,
    questions: Path,
    corpus: Path | None,
    folder: Path,
    reader: Callable[[str], Reader],
) -> tuple[Measured | None, Measured]:
    """Fine-tune the recipe's `init` on a user's own questions. Returns the scores on held-out
    questions before (None if it was not a reader) and after.

    `reader` loads a reader by its setting. Raises as `own_set` and `train` do.
    """
    run = initial(recipe, questions.parent, folder)
    count = token_counter(run.tokenizer)
    stage = recipe.stage[0]
    user_set = own_set(questions, corpus, count, recipe)
    held_out = question_set(user_set.held_out, count, recipe.max_passage_tokens)

    initial_scores = None
    if not run.new_head:
        initial_scores = measure(reader(run.start), held_out)

    rng = random.Random(recipe.seed)
    drawn = batches.examples([user_set], count, recipe.max_passage_tokens, rng)
    steps_of_pass = sum(1 for _ in batches.epoch_batches(drawn, recipe.batch_tokens, rng))
    training_stage = TrainingStage(
        recipe=stage,
        sets=[user_set],
        steps=stage.passes * steps_of_pass,
    )
    _train(run, [training_stage])

    tuned = reader(str(run.folder))
    return initial_scores, measure(tuned, held_out)


def _train(run: TrainingRun, stages: Sequence[TrainingStage]) -> None:
    """Take the steps of all stages; write weights, tokenizer and digest."""
    recipe = run.recipe
    weights_path = run.folder / WEIGHTS

    steps = Steps(
        run.model,
        weight_decay=recipe.weight_decay,
        folder=run.folder,
        parts=[recipe.model_dump_json(), *map(repr, stages)],
        rates=dict.fromkeys((SPAN, SENTENCE, VERDICT_DENSE, VERDICT), recipe.head_rate),
    )
    steps.take(
        _plan(stages, run, steps.taken),
        total=sum(stage.steps for stage in stages),
        loss=lambda batch: _loss(run, batch),
    )

    run.model.config.save_pretrained(run.folder)
    weights = {name: value.detach() for name, value in run.model.state_dict().items()}
    save_weights(weights, weights_path)
    run.tokenizer.save_pretrained(run.folder)

    if recipe.average is not None:
        averaged = load_weights(Path(run.averaged) / WEIGHTS)
        trained = load_weights(weights_path)
        has_conditions = len(trained.get(f"{VERDICT}.bias", ())) == VERDICTS
        if has_conditions:
            averaged = with_conditions(averaged)
        save_weights(mean(averaged, trained, recipe.average), weights_path)

    steps.finish()


def _plan(
    stages: Sequence[TrainingStage], run: TrainingRun, begun: int
) -> Iterator[tuple[float, ReaderBatch]]:
    """(learning rate, batch) of every step, starting at step `begun`."""
    recipe = run.recipe
    first_step = 0  # of the stage

    for number, stage in enumerate(stages):
        is_done = begun >= first_step + stage.steps
        if not is_done:
            rng = random.Random(f"{recipe.seed}{recipe.order}/{number}")
            for step, batch in enumerate(_stage_batches(stage, run, rng)):
                if first_step + step >= begun:
                    rate = stage.recipe.rate(step, stage.steps)
                    yield recipe.warm(first_step + step) * rate, batch

        first_step += stage.steps


def _stage_batches(
    stage: TrainingStage, run: TrainingRun, rng: random.Random
) -> Iterator[ReaderBatch]:
    """A batch for each step, of questions, or with the stage's `share` of statements."""
    recipe = run.recipe
    drawn = batches.examples(
        stage.sets,
        token_counter(run.tokenizer),
        recipe.max_passage_tokens,
        rng,
        retrieved=stage.groups,
    )
    of_questions = batches.stream(
        drawn,
        run.tokenizer,
        recipe.batch_tokens,
        rng,
    )
    of_statements = batches.verdict_stream(
        stage.statements,
        run.tokenizer,
        recipe.batch_tokens,
        rng,
    )

    for _ in range(stage.steps):
        if rng.random() < stage.share:
            yield next(of_statements)
        else:
            yield next(of_questions)


def _loss(run: TrainingRun, batch: ReaderBatch) -> Tensor:
    """The loss of a batch of questions, or of one of statements."""
    windows = [item.window for item in batch]
    taught: list[TeacherOutput] = []
    if run.teacher:
        taught = loss.teacher_outputs(run.teacher, windows)

    encoded = encode(run.tokenizer, windows)
    inputs = {name: torch.as_tensor(value) for name, value in encoded.inputs.items()}
    with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
        output = run.model.base_model(**inputs)
    states: Tensor = output.last_hidden_state.float()

    items = [item for item in batch if isinstance(item, BatchItem)]
    if not items:
        labels = [item.label for item in batch if isinstance(item, VerdictItem)]
        return _verdict_loss(run, labels, states, taught)

    span_loss = _span_loss(run, encoded, items, states, taught)
    sentence_loss = _sentence_loss(run, encoded, items, states, taught)
    return span_loss + sentence_loss


def _verdict_loss(
    run: TrainingRun,
    labels: Sequence[Label],
    states: Tensor,
    taught: Sequence[TeacherOutput],
) -> Tensor:
    """Loss of the verdict head, which reads each window's first state."""
    dense = getattr(run.model, VERDICT_DENSE)
    head = getattr(run.model, VERDICT)
    logits = head(torch.tanh(dense(states[:, 0])))

    shares = loss.verdict_targets(taught) if taught else None
    return loss.verdict_loss(
        logits,
        labels=torch.tensor(labels),
        taught=None if shares is None else torch.from_numpy(shares),
        share=run.recipe.distillation_weight,
    )


def _sentence_loss(
    run: TrainingRun,
    encoded: Encoded,
    items: Sequence[BatchItem],
    states: Tensor,
    taught: Sequence[TeacherOutput],
) -> Tensor:
    """Loss of the sentence head: each sentence by itself, and all of a question listwise."""
    recipe = run.recipe
    total = states.new_zeros(())
    if not recipe.sentences:
        return total

    logits = getattr(run.model, SENTENCE)(states)[..., 0]
    texts = [item.text for item in items]
    answers = [item.answers for item in items]
    rows = [row for row, item in enumerate(items) if not item.whole]

    if rows:

        def taught_sentence(row: int, place: Offsets) -> float | None:
            return loss.sentence_target(taught[rows[row]], place)

        sentence_loss = loss.sentence_loss(
            logits[rows],
            encoded.rows(rows),
            texts=[texts[row] for row in rows],
            answers=[answers[row] for row in rows],
            taught=taught_sentence if taught else None,
            share=recipe.distillation_weight,
        )
        total = total + recipe.sentences * sentence_loss

    if recipe.listwise:
        listwise = loss.sentence_group_loss(
            logits,
            encoded,
            texts=texts,
            answers=answers,
            groups=[item.group for item in items],
        )
        total = total + recipe.listwise * listwise
    return total


def _span_loss(
    run: TrainingRun,
    encoded: Encoded,
    items: Sequence[BatchItem],
    states: Tensor,
    taught: Sequence[TeacherOutput],
) -> Tensor:
    """Loss of the groups whose answers are spans."""
    rows = [row for row, item in enumerate(items) if item.spans]
    if not rows:
        return states.new_zeros(())

    span_items = [items[row] for row in rows]
    span_rows = encoded.rows(rows)
    numbers = list(dict.fromkeys(item.group for item in span_items))
    groups = [numbers.index(item.group) for item in span_items]

    group = torch.tensor(groups)
    scored = torch.from_numpy(span_rows.scored)
    sides = run.model.qa_outputs(states[rows]).unbind(-1)

    def sum_over_ends(loss_of: Callable[..., Tensor], targets: Sequence[NDArray[Any]]) -> Tensor:
        """The sum for the first tokens and the last ones."""
        losses = []
        for scores, target in zip(sides, targets, strict=True):
            losses.append(loss_of(scores, scored, torch.from_numpy(target), group))
        return torch.stack(losses).sum()

    answer_masks = loss.targets(
        span_rows,
        texts=[item.text for item in span_items],
        answers=[item.answers for item in span_items],
    )
    total = sum_over_ends(loss.group_loss, answer_masks)
    if taught:
        span_outputs = [taught[row] for row in rows]
        shares = loss.span_targets(span_outputs, span_rows, groups)
        weight = run.recipe.distillation_weight
        total = (1 - weight) * total + weight * sum_over_ends(loss.distillation_loss, shares)
    return total
