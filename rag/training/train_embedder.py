"""Tunes an embedder on questions and the passages that answer them, so that they are close to each
other.

A batch contains passages, a few questions for each, and hard negatives from the service's own
retrieval; every question must find its passage among all of these (Karpukhin et al. 2020, "Dense
passage retrieval"). Averaging with the initial weights keeps what the model knew (Wortsman et al.
2022, "Model soups").
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from rag.errors import InputError
from rag.fusion import convex_sum
from rag.models.device import native_bf16
from rag.models.registry import loading, start_path
from rag.store.local.tantivy_index import LexicalIndex
from rag.training.batches import token_counter
from rag.training.data import QuestionSet, TrainingQuestion, question_set, recipe_articles
from rag.training.recipe import EmbedderRecipe
from rag.training.trainer import OTHER_START, Steps, mean, not_its_start, ready

_DEPTH = 50
"""Candidates per retriever when searching for negatives."""
_KEPT = 6
"""Number of best negatives of a question to draw from."""
Material = tuple[list[str], dict[int, list[TrainingQuestion]]]
"""A set's passages as they are embedded, and questions by the passage that answers them."""
Unit = tuple[int, list[TrainingQuestion]]
"""A passage and questions that it answers."""


class Batch(NamedTuple):
    """q questions and p passages; `own`, (q,): the passage of each; `allowed`, (q, p): the passages
    it competes with.
    """

    questions: list[str]
    passages: list[str]
    own: list[int]
    allowed: list[list[bool]]


def tune(recipe: EmbedderRecipe, data: Path, out: Path) -> None:
    """Tune by a recipe on its sets in `data` and write a sentence-transformers folder to `out`,
    with the checkpoint beside it.

    Raises InputError for a missing set, an unusable `out`, or a checkpoint of another run;
    ModelError for a missing model.
    """
    out = ready(out)
    torch.manual_seed(recipe.seed)
    path, local = start_path(recipe.init, data)
    not_its_start(out, path)
    model = _loaded(recipe, path, local)
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    materials = _materials(recipe, data, model)
    parts = [recipe.model_dump_json(), repr(materials)]
    steps = Steps(model, recipe.weight_decay, out, parts, rates={})
    plan = _plan(recipe, materials, steps.taken)
    steps.take(plan, recipe.steps, lambda batch: _loss(model, batch, recipe.scale))
    model.half().load_state_dict(mean(before, model.state_dict(), recipe.average))
    model.save_pretrained(str(out), create_model_card=False)
    steps.finish()


def _loaded(recipe: EmbedderRecipe, path: str, local: bool) -> Any:
    # the fused attention's backward pass is slow on a CPU
    arguments = {"attn_implementation": "eager", "dtype": torch.float32, "use_safetensors": True}
    with loading(recipe.init, OTHER_START):
        model = SentenceTransformer(
            path, device="cpu", local_files_only=local, model_kwargs=arguments
        )
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for name, parameter in model.named_parameters():
        parameter.requires_grad = ".embeddings." not in name
    return model


def _materials(recipe: EmbedderRecipe, data: Path, model: Any) -> list[Material]:
    count = token_counter(model.tokenizer)
    materials = []
    for name, cap in tqdm(recipe.sets.items(), "negatives", unit="set", disable=None):
        articles, _ = recipe_articles(recipe, name, data)
        source = question_set(articles, count, recipe.max_passage_tokens)
        questions = [question for question in source.questions if question.answers]
        random.Random(f"{recipe.seed}{name}").shuffle(questions)
        materials.append(_material(source, questions[:cap], model))
    return materials


def _material(source: QuestionSet, questions: Sequence[TrainingQuestion], model: Any) -> Material:
    """Negatives are among the passages that hybrid retrieval ranks first for a question."""
    texts = [passage.in_context for passage in source.passages]

    def answers(question: TrainingQuestion, passage: int) -> bool:
        return any(answer in texts[passage] for answer in question.answers)

    answering = [next((i for i in q.passages if answers(q, i)), None) for q in questions]
    pairs = [
        (q, passage) for q, passage in zip(questions, answering, strict=True) if passage is not None
    ]
    by_passage: dict[int, list[TrainingQuestion]] = {}
    index = LexicalIndex()
    index.update([], enumerate(texts))
    options = {"batch_size": 64, "normalize_embeddings": True, "show_progress_bar": False}
    with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
        vectors = model.encode_document(texts, **options)
        rows = model.encode_query([question.text for question, _ in pairs], **options)
    for (question, passage), row in zip(pairs, rows, strict=True):
        cosines, lexical = vectors @ row, dict(index.search(question.text, _DEPTH))
        candidates = sorted({*np.argsort(-cosines, kind="stable")[:_DEPTH].tolist(), *lexical})
        by_words = np.array([lexical.get(i, 0.0) for i in candidates], dtype=np.float32)
        scores = convex_sum(cosines[candidates], by_words)
        ranks = np.argsort(-scores, kind="stable")[: 3 * _KEPT]
        hardest = [candidates[place] for place in ranks]
        hard = [i for i in hardest if i not in question.passages and not answers(question, i)]
        anchor = replace(question, negatives=tuple(hard[:_KEPT]))
        by_passage.setdefault(passage, []).append(anchor)
    return texts, by_passage


def _plan(
    recipe: EmbedderRecipe, materials: Sequence[Material], begun: int
) -> Iterator[tuple[float, Batch]]:
    """(learning rate, batch) of every step, starting at step `begun`."""
    rng = random.Random(recipe.seed)
    units = _units(recipe, materials, rng)
    for step in range(recipe.steps):
        batch = _batch(*next(units), recipe.negatives, rng)
        if step >= begun:
            yield recipe.warm(step) * recipe.rate(step, recipe.steps), batch


def _units(
    recipe: EmbedderRecipe, materials: Sequence[Material], rng: random.Random
) -> Iterator[tuple[list[str], list[Unit]]]:
    """Endless batches of passages with questions, each of one set. Raises InputError if too few."""
    size, per_passage = recipe.passages, recipe.questions
    while True:
        batches = []
        for texts, by_passage in materials:
            units: list[Unit] = []
            for passage, anchors in by_passage.items():
                drawn = rng.sample(anchors, min(len(anchors), recipe.max_epochs * per_passage))
                parts = range(0, len(drawn), per_passage)
                units += [(passage, drawn[part : part + per_passage]) for part in parts]
            rng.shuffle(units)
            starts = range(0, len(units) - size + 1, size)
            batches += [(texts, units[start : start + size]) for start in starts]
        if not batches:
            message = f"no set has the {size} passages with questions that a batch needs"
            raise InputError(message, "set passages lower in the recipe")
        rng.shuffle(batches)
        yield from batches


def _batch(
    texts: Sequence[str], units: Sequence[Unit], negatives: int, rng: random.Random
) -> Batch:
    passages = [answering for answering, _ in units]
    for _, anchors in units:
        close = [i for anchor in anchors for i in anchor.negatives]
        passages += rng.sample(close, min(negatives, len(close)))
    passages = list(dict.fromkeys(passages))
    pairs = [(anchor, answering) for answering, anchors in units for anchor in anchors]

    def may_answer(anchor: TrainingQuestion, passage: int) -> bool:
        return passage in anchor.passages or any(a in texts[passage] for a in anchor.answers)

    return Batch(
        [anchor.text for anchor, _ in pairs],
        [texts[i] for i in passages],
        [passages.index(answering) for _, answering in pairs],
        [
            [i == answering or not may_answer(anchor, i) for i in passages]
            for anchor, answering in pairs
        ],
    )


def _loss(model: Any, batch: Batch, scale: float) -> Tensor:
    """Mean of -log P(own passage), P the softmax of scaled cosines over competing passages."""

    def vectors(texts: Sequence[str], *prompts: str) -> Tensor:
        prompt = next((model.prompts[name] for name in prompts if model.prompts.get(name)), "")
        with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
            inputs = model.preprocess([f"{prompt}{text}" for text in texts])
            embedded: Tensor = model(inputs)["sentence_embedding"]
        return torch.nn.functional.normalize(embedded.float(), dim=1)

    questions = vectors(batch.questions, "query")
    scores = scale * questions @ vectors(batch.passages, "document", "passage").T
    allowed = scores.masked_fill(~torch.tensor(batch.allowed), -torch.inf)
    return cross_entropy(allowed, torch.tensor(batch.own))
