"""Trains the reader by a recipe. Deterministic; an interrupted run resumes from its checkpoint with
the same result.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from rag.training.data import Set, question_set, recipe_articles, recipe_sets
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
from rag.training.trainer import WEIGHTS, Steps, checkpoint_of, mean, ready, write_digest
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
    sets = recipe_sets(recipe, stage, data)
    mix = stage.verdicts
    if mix is None:
        return TrainingStage(sets, stage.steps, stage.first, stage.last)
    articles = recipe_articles(recipe, mix.figures_from, data)[0] if mix.figures_from else []
    rows = statements(mix, data, articles, random.Random(f"{recipe.seed}{recipe.order}"))
    return TrainingStage(sets, stage.steps, stage.first, stage.last, rows, mix.share)


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
    """Digest of the recipe, the questions and the statements."""
    made_of = [
        run.recipe.model_dump_json(),
        [(s.steps, [(e.name, e.articles, e.held_out) for e in s.sets]) for s in stages],
        [list(map(repr, s.statements)) for s in stages],
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


def average(folder: str, out: Path, share: float) -> None:
    """Write to `out` the average of the weights in folder `other` and its own, which have weight
    `share`.
    """
    save_weights(
        mean(load_weights(Path(folder) / WEIGHTS), load_weights(out / WEIGHTS), share),
        out / WEIGHTS,
    )
    write_digest(out)


def _plan(stages: Sequence[TrainingStage], run: Run, begun: int) -> Iterator[tuple[float, Batch]]:
    """(learning rate, batch) of every step, starting at step `begun`."""
    recipe, first = run.recipe, 0
    count = token_counter(run.tokenizer)
    for number, stage in enumerate(stages):
        if begun < first + stage.steps:
            rng = random.Random(f"{recipe.seed}{recipe.order}/{number}")
            drawn = examples(stage.sets, count, recipe.max_passage_tokens, rng)
            batches: Iterator[Batch] = stream(drawn, run.tokenizer, recipe.batch_tokens, rng)
            verdicts: Iterator[Batch] = verdict_stream(
                stage.statements, run.tokenizer, recipe.batch_tokens, rng
            )
            for step in range(stage.steps):
                batch = next(verdicts if rng.random() < stage.share else batches)
                if first + step >= begun:
                    warm = min(1.0, (first + step + 1) / max(1, recipe.warmup))
                    yield (
                        warm * (stage.first + (stage.last - stage.first) * step / stage.steps),
                        batch,
                    )
        first += stage.steps


def _loss(run: Run, batch: Batch) -> Tensor:
    taught = teacher_outputs(run.teacher, [i.window for i in batch]) if run.teacher else []
    items = [item for item in batch if isinstance(item, BatchItem)]
    if not items:
        return _verdict_loss(run, [item for item in batch if isinstance(item, VerdictItem)], taught)
    encoded = encode(run.tokenizer, [item.window for item in items])
    states = _states(run.model, encoded.inputs)
    loss = _span_loss(run, encoded, items, states, taught)
    if run.recipe.sentences:
        sentence_term = sentence_loss(
            getattr(run.model, SENTENCE)(states)[..., 0],
            encoded,
            [item.text for item in items],
            [item.answers for item in items],
            (lambda row, place: sentence_target(taught[row], place)) if taught else None,
            run.recipe.distillation_weight,
        )
        loss = loss + run.recipe.sentences * sentence_term
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
    numbers = {
        group: position
        for position, group in enumerate(dict.fromkeys(items[row].group for row in rows))
    }
    groups = [numbers[items[row].group] for row in rows]
    group = torch.tensor(groups)
    first, last = targets(encoded, [item.text for item in items], [item.answers for item in items])
    scored = torch.from_numpy(encoded.scored[rows])
    starts, ends = run.model.qa_outputs(states[rows]).unbind(-1)
    wanted_first, wanted_last = torch.from_numpy(first[rows]), torch.from_numpy(last[rows])
    loss = group_loss(starts, scored, wanted_first, group) + group_loss(
        ends, scored, wanted_last, group
    )
    if taught:
        shares = span_targets([taught[row] for row in rows], encoded.rows(rows), groups)
        pairs = zip((starts, ends), shares, strict=True)
        distillation = [distillation_loss(s, scored, torch.from_numpy(w), group) for s, w in pairs]
        loss = (1 - run.recipe.distillation_weight) * loss + run.recipe.distillation_weight * sum(
            distillation
        )
    return loss


def _verdict_loss(
    run: Run, items: Sequence[VerdictItem], taught: Sequence[TeacherOutput]
) -> Tensor:
    states = _states(run.model, encode(run.tokenizer, [item.window for item in items]).inputs)
    dense, out = getattr(run.model, VERDICT_DENSE), getattr(run.model, VERDICT)
    shares = verdict_targets(taught) if taught else None
    return verdict_loss(
        out(torch.tanh(dense(states[:, 0]))),
        torch.tensor([item.label for item in items]),
        None if shares is None else torch.from_numpy(shares),
        run.recipe.distillation_weight,
    )


def _states(model: Any, inputs: dict[str, Any]) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
        output = model.base_model(
            **{name: torch.as_tensor(value) for name, value in inputs.items()}
        )
    states: Tensor = output.last_hidden_state.float()
    return states
