"""Tunes an embedder on questions and the passages that answer them, so that they are close to each
other.

A batch contains passages, a few questions for each, and hard negatives from the service's own
retrieval; every question must find its passage among all of these (Karpukhin et al. 2020, "Dense
passage retrieval"). Averaging with the initial weights keeps what the model knew (Wortsman et al.
2022, "Model soups").
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from rag.errors import InputError
from rag.fusion import convex_sum
from rag.models.bert import write_fp32
from rag.models.device import native_bf16
from rag.models.registry import WEIGHTS, loading, start_path
from rag.store.local.tantivy_index import LexicalIndex
from rag.training.batches import token_counter
from rag.training.data import QuestionSet, TrainingQuestion, question_set, recipe_articles
from rag.training.recipe import EmbedderRecipe
from rag.training.trainer import OTHER_START, Steps, mean, not_its_start, prepare_folder

_DEPTH = 50
"""Candidates per retriever when searching for negatives."""
_KEPT = 6
"""Number of best negatives of a question to draw from."""
Material = tuple[list[str], dict[int, list[TrainingQuestion]]]
"""A set's passages as they are embedded, and questions by the passage that answers them."""
AskedPassage = tuple[int, list[TrainingQuestion]]
"""A passage and questions that it answers."""


class EmbedderBatch(NamedTuple):
    """q questions and p passages; `own_passages`, (q,): the passage of each; `allowed`, (q, p): the
    passages it competes with.
    """

    questions: list[str]
    passages: list[str]
    own_passages: list[int]
    allowed: list[list[bool]]


def tune(recipe: EmbedderRecipe, data: Path, folder: Path) -> None:
    """Tune by a recipe on its sets in `data` and write the sentence-transformers `folder`,
    with the checkpoint beside it.

    Raises InputError for a missing set, an unusable `folder`, or a checkpoint of another run;
    ModelError for a missing model.
    """
    folder = prepare_folder(folder)
    torch.manual_seed(recipe.seed)
    path, is_local = start_path(recipe.init, data)
    not_its_start(folder, path)
    model = trainable(recipe.init, path, is_local)
    initial_weights = {name: weights.clone() for name, weights in model.state_dict().items()}
    materials = _materials(recipe, data, model)

    steps = Steps(
        model,
        weight_decay=recipe.weight_decay,
        folder=folder,
        parts=[recipe.model_dump_json(), repr(materials)],
        rates={},
    )
    steps.take(
        _plan(recipe, materials, steps.taken),
        total=recipe.steps,
        loss=lambda batch: _loss(model, batch, recipe.scale),
    )

    averaged = mean(initial_weights, model.state_dict(), recipe.average)
    model.half().load_state_dict(averaged)
    model.save_pretrained(str(folder), create_model_card=False)
    steps.finish()


def trainable(
    setting: str, path: str, is_local: bool, frozen: Sequence[str] = (".embeddings.",)
) -> Any:
    """The model of a setting without dropout. Parameters with a part of `frozen` in their name, by
    default the embeddings of words, are not trained. Raises ModelError if it cannot be loaded.
    """
    arguments = {
        "attn_implementation": "eager",  # the fused attention's backward pass is slow on a CPU
        "dtype": torch.float32,
        "use_safetensors": True,
    }
    with loading(setting, OTHER_START), tempfile.TemporaryDirectory() as folder:
        if is_local and Path(path, WEIGHTS).is_file():  # sentence-transformers cannot open 8 bits
            write_fp32(Path(path), Path(folder))
            path = folder
        model = SentenceTransformer(
            path, device="cpu", local_files_only=is_local, model_kwargs=arguments
        )

    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for name, parameter in model.named_parameters():
        parameter.requires_grad = not any(part in name for part in frozen)
    return model


def _materials(recipe: EmbedderRecipe, data: Path, model: Any) -> list[Material]:
    """The passages and questions of each of the recipe's sets."""
    count = token_counter(model.tokenizer)
    materials = []
    for name, most_questions in tqdm(recipe.sets.items(), "negatives", unit="set", disable=None):
        articles, _ = recipe_articles(recipe, name, data)
        source = question_set(articles, count, recipe.max_passage_tokens)
        questions = [question for question in source.questions if question.answers]
        rng = random.Random(f"{recipe.seed}{name}")
        rng.shuffle(questions)
        material = _material(source, questions[:most_questions], model)
        materials.append(material)
    return materials


def _material(source: QuestionSet, questions: Sequence[TrainingQuestion], model: Any) -> Material:
    """Negatives are among the passages that hybrid retrieval ranks first for a question."""
    texts = [passage.in_context for passage in source.passages]

    answered = []
    answering = []
    for question in questions:
        passage = _answering_passage(question, texts)
        if passage is not None:
            answered.append(question)
            answering.append(passage)

    index = LexicalIndex()
    index.update([], enumerate(texts))
    options = {"batch_size": 64, "normalize_embeddings": True, "show_progress_bar": False}
    with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
        vectors = model.encode_document(texts, **options)
        rows = model.encode_query([question.text for question in answered], **options)

    by_passage: dict[int, list[TrainingQuestion]] = {}
    for question, passage, row in zip(answered, answering, rows, strict=True):
        lexical = dict(index.search(question.text, _DEPTH))
        hardest = _ranked_passages(vectors @ row, lexical)[: 3 * _KEPT]
        negatives = []
        for number in hardest:
            if number not in question.passages and not _answers(question, texts[number]):
                negatives.append(number)
        anchor = replace(question, negatives=tuple(negatives[:_KEPT]))
        by_passage.setdefault(passage, []).append(anchor)
    return texts, by_passage


def _answers(question: TrainingQuestion, text: str) -> bool:
    """Whether a passage has one of the answers to the question, whatever it says with it."""
    return any(answer in text for answer in question.answers)


def _answering_passage(question: TrainingQuestion, texts: Sequence[str]) -> int | None:
    """The first of the question's own passages that has an answer, if any."""
    for passage in question.passages:
        if _answers(question, texts[passage]):
            return passage
    return None


def _ranked_passages(cosines: NDArray[np.float32], lexical: Mapping[int, float]) -> list[int]:
    """The passages that are among the first by meaning or by words, the best first."""
    by_meaning = np.argsort(-cosines, kind="stable")
    nearest_passages = by_meaning[:_DEPTH].tolist()
    candidates = sorted({*nearest_passages, *lexical})

    scores_by_words = [lexical.get(number, 0.0) for number in candidates]
    scores = convex_sum(
        cosines[candidates],
        np.array(scores_by_words, dtype=np.float32),
    )
    order = np.argsort(-scores, kind="stable")
    return [candidates[place] for place in order]


def _plan(
    recipe: EmbedderRecipe, materials: Sequence[Material], begun: int
) -> Iterator[tuple[float, EmbedderBatch]]:
    """(learning rate, batch) of every step, starting at step `begun`."""
    rng = random.Random(recipe.seed)
    unit_batches = _units(recipe, materials, rng)
    for step in range(recipe.steps):
        texts, units = next(unit_batches)
        # earlier batches are drawn, too, since each draw changes those that follow
        batch = _batch(texts, units, recipe.negatives, rng)
        if step >= begun:
            rate = recipe.rate(step, recipe.steps)
            yield recipe.warm(step) * rate, batch


def _units(
    recipe: EmbedderRecipe, materials: Sequence[Material], rng: random.Random
) -> Iterator[tuple[list[str], list[AskedPassage]]]:
    """Endless batches of passages with questions, each of one set. Raises InputError if too few."""
    size = recipe.passages
    most_questions = recipe.max_epochs * recipe.questions

    while True:
        batches = []
        for texts, by_passage in materials:
            units: list[AskedPassage] = []
            for passage, anchors in by_passage.items():
                drawn = rng.sample(anchors, min(len(anchors), most_questions))
                for begin in range(0, len(drawn), recipe.questions):
                    part = drawn[begin : begin + recipe.questions]
                    units.append((passage, part))
            rng.shuffle(units)
            for start in range(0, len(units) - size + 1, size):
                batches.append((texts, units[start : start + size]))

        if not batches:
            message = f"no set has the {size} passages with questions that a batch needs"
            raise InputError(message, "set passages lower in the recipe")
        rng.shuffle(batches)
        yield from batches


def _batch(
    texts: Sequence[str], units: Sequence[AskedPassage], negatives: int, rng: random.Random
) -> EmbedderBatch:
    """The questions of the units, with their passages and at most `negatives` more for each unit.
    A question does not compete with other passages that may answer it.
    """
    with_negatives = [answering for answering, _ in units]
    for _, anchors in units:
        close_passages: list[int] = []
        for anchor in anchors:
            close_passages.extend(anchor.negatives)
        with_negatives += rng.sample(close_passages, min(negatives, len(close_passages)))
    passages = list(dict.fromkeys(with_negatives))

    questions = []
    own_passages = []
    allowed = []
    for answering, anchors in units:
        for anchor in anchors:
            questions.append(anchor.text)
            own_passages.append(passages.index(answering))
            competing = []
            for passage in passages:
                may_answer = passage in anchor.passages or _answers(anchor, texts[passage])
                competing.append(passage == answering or not may_answer)
            allowed.append(competing)

    return EmbedderBatch(
        questions=questions,
        passages=[texts[passage] for passage in passages],
        own_passages=own_passages,
        allowed=allowed,
    )


def _loss(model: Any, batch: EmbedderBatch, scale: float) -> Tensor:
    """Mean of -log P(own passage), P the softmax of scaled cosines over competing passages."""
    questions = vectors_of(model, batch.questions, "query")
    passages = vectors_of(model, batch.passages, "document", "passage")
    scores = scale * questions @ passages.T

    is_left_out = ~torch.tensor(batch.allowed)
    competing = scores.masked_fill(is_left_out, -torch.inf)
    return cross_entropy(competing, torch.tensor(batch.own_passages))


def vectors_of(model: Any, texts: Sequence[str], *prompts: str) -> Tensor:
    """The texts' vectors of length 1, shape (n, d), with the first of the named prompts that the
    model has.
    """
    prompt = ""
    for name in prompts:
        if model.prompts.get(name):
            prompt = model.prompts[name]
            break

    with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
        inputs = model.preprocess([f"{prompt}{text}" for text in texts])
        embedded: Tensor = model(inputs)["sentence_embedding"]
    return torch.nn.functional.normalize(embedded.float(), dim=1)
