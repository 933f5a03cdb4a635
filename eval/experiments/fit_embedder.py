"""Tunes the embedder on questions in both wordings, and reports it on collections left out.

    RAG_EMBEDDER=minilm python -m eval.experiments.fit_embedder --cache DIR --out FOLDER \\
        [--fit SET]... HELD-OUT...

DIR is made by `RAG_EMBEDDER=minilm python -m eval.experiments.kept`. Of the sets of `--fit` the
questions of the half for fitting are used, each with a passage of its evidence, one rival of the
same document, and one that search finds without being asked for it. A question must find its
passage among all of a batch, which is of one set (Karpukhin et al. 2020, "Dense passage
retrieval"). The word embeddings and the three lower layers stay as they are. Prints, for the model
before, the tuned one and the means of both, the share of the questions of the sets left out whose
evidence is among the first eight passages by meaning alone.
"""

import random
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from eval.experiments.fit_fusion import relevance
from eval.experiments.fit_judge import is_for_fitting
from eval.experiments.kept import NAMES, SETS, open_set
from eval.scripts import CACHE, PATH, finished, script
from rag.evaluation.gold import PLAIN_SUFFIX
from rag.files import sha256_file
from rag.fusion import Candidates
from rag.models.bert import save_weights
from rag.models.device import native_bf16
from rag.models.registry import DIGEST, WEIGHTS, embedder_path
from rag.training.train_embedder import trainable, vectors_of
from rag.training.trainer import Steps, mean

STEPS = 480
RATE, DECAY, WARMUP = 3e-5, 0.01, 30
BATCH = 16
"""Number of questions of a step, all of one set."""
SCALE = 20.0
"""Of cosines in the softmax; all-MiniLM-L6-v2's own."""
QUESTION_TOKENS, PASSAGE_TOKENS = 64, 160
SETTING = "minilm"
FROZEN = (".embeddings.", ".layer.0.", ".layer.1.", ".layer.2.")
"""Parts of the names of parameters that are not trained."""
PLACES = 8
SHARES = (0.0, 0.5, 0.75, 1.0)
"""Shares of the tuned weights in the models that are compared."""
KEPT = 0.75
"""Share of the tuned weights in the model that is written."""
FILES = (
    "1_Pooling/config.json",
    "config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
"""Of the folder of a model, what is not its weights."""
PREFIX = "model."
"""End of what sentence-transformers puts before the names of weights."""
UNUSED = ("pooler.", "embeddings.position_ids")
"""Beginnings of the names of weights that the mean over tokens does not need."""
_FOUND, _RIVALS, _DRAWN = 60, 6, 8
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A question and numbers of passages of its set: those with its evidence, the best others of
    the same documents, and those that search by meaning takes for it.
    """

    text: str
    evidence: tuple[int, ...]
    rivals: tuple[int, ...]
    found: tuple[int, ...]
    in_other_words: bool
    is_for_fitting: bool


@dataclass(frozen=True, slots=True)
class Material:
    """A set's passages as they are embedded, and its questions."""

    set: str
    passages: list[str]
    anchors: list[Anchor]


def material(name: str, cache: Path) -> Material:
    """The passages of a set's index and its answerable questions whose evidence is in one."""
    engine, questions = open_set(name, cache, "fast")
    passages = []
    rows = []
    for document in engine.store.documents():
        of_document, vectors = engine.store.embedded(document.id)
        passages += of_document
        rows.append(np.asarray(vectors, dtype=np.float32).reshape(len(of_document), -1))
    matrix = np.vstack(rows)
    by_document = defaultdict(list)
    for number, passage in enumerate(passages):
        by_document[passage.document_id].append(number)

    answerable = [question for question in questions if question.answers and question.evidence]
    vectors = engine.retriever.embedder.embed_queries([question.text for question in answerable])
    anchors = []
    for question, vector in zip(answerable, vectors, strict=True):
        documents = {evidence.document for evidence in question.evidence}
        numbers = sorted(number for name in documents for number in by_document[name])
        if not numbers:
            continue
        counts = relevance(question, _as_candidates([passages[number] for number in numbers]))
        evidence = [n for n, count in zip(numbers, counts, strict=True) if count >= 1]
        texts = {passages[number].text for number in evidence}
        cosines = matrix @ vector
        neighbours = np.argsort(-cosines, kind="stable")[:_FOUND].tolist()
        if evidence:
            anchors.append(
                Anchor(
                    text=question.text,
                    evidence=tuple(evidence),
                    rivals=tuple(
                        sorted(
                            (n for n in numbers if passages[n].text not in texts),
                            key=lambda number: -float(cosines[number]),
                        )[:_RIVALS]
                    ),
                    found=tuple([n for n in neighbours if passages[n].text not in texts][:_DRAWN]),
                    in_other_words=question.id.endswith(PLAIN_SUFFIX),
                    is_for_fitting=is_for_fitting(name, question),
                )
            )
    engine.store.close()
    return Material(name, [passage.in_context for passage in passages], anchors)


def _as_candidates(passages: Sequence[Any]) -> Candidates:
    """Passages as `relevance` takes them; it reads no score."""
    zeros = np.zeros(len(passages), dtype=np.float32)
    ranks = np.zeros(len(passages), dtype=np.int64)
    return Candidates(range(len(passages)), passages, zeros, zeros, ranks, ranks)


def tuned(materials: Sequence[Material], folder: Path) -> Any:
    """The model after `STEPS` steps; a run that was interrupted goes on from its checkpoint."""
    torch.manual_seed(0)
    model = loaded()
    steps = Steps(model, DECAY, folder, parts=[repr(materials), str(STEPS)], rates={})
    steps.take(_plan(materials, steps.taken), total=STEPS, loss=lambda batch: _loss(model, batch))
    return model


def loaded() -> Any:
    """all-MiniLM-L6-v2 as it is; its lower layers are not trained."""
    path, is_local = embedder_path(SETTING)
    return trainable(SETTING, path, is_local, FROZEN)


@dataclass(frozen=True, slots=True)
class Batch:
    """q questions and p passages; `target`, (q,): the passage of each; `left_out`, (q, p): other
    passages with its evidence.
    """

    questions: list[str]
    passages: list[str]
    target: Tensor
    left_out: Tensor


def _plan(materials: Sequence[Material], begun: int) -> Iterator[tuple[float, Batch]]:
    """(learning rate, batch) of every step, starting at step `begun`."""
    rng = random.Random(0)
    for step, batch in zip(range(STEPS), _batches(materials, rng), strict=False):
        if step >= begun:
            yield RATE * min(1.0, (step + 1) / WARMUP) * (1 - step / STEPS), batch


def _batches(materials: Sequence[Material], rng: random.Random) -> Iterator[Batch]:
    """Endless batches, each of questions of one set, in another order in each pass."""
    while True:
        drawn = []
        for source in materials:
            anchors = [anchor for anchor in source.anchors if anchor.is_for_fitting]
            rng.shuffle(anchors)
            for start in range(0, len(anchors) - BATCH + 1, BATCH):
                drawn.append((source, anchors[start : start + BATCH]))
        rng.shuffle(drawn)
        for source, anchors in drawn:
            yield _batch(source, anchors, rng)


def _batch(source: Material, anchors: Sequence[Anchor], rng: random.Random) -> Batch:
    targets = [rng.choice(anchor.evidence) for anchor in anchors]
    numbers = list(targets)
    for anchor in anchors:
        numbers += rng.sample(anchor.rivals, min(1, len(anchor.rivals)))
        numbers += rng.sample(anchor.found, min(1, len(anchor.found)))
    numbers = list(dict.fromkeys(numbers))

    left_out = torch.zeros((len(anchors), len(numbers)), dtype=torch.bool)
    for row, anchor in enumerate(anchors):
        for column, number in enumerate(numbers):
            left_out[row, column] = number in anchor.evidence and number != targets[row]
    return Batch(
        questions=[anchor.text for anchor in anchors],
        passages=[source.passages[number] for number in numbers],
        target=torch.tensor([numbers.index(number) for number in targets]),
        left_out=left_out,
    )


def _loss(model: Any, batch: Batch) -> Tensor:
    """Mean of -log P(own passage), P the softmax of scaled cosines over the batch."""
    model.max_seq_length = QUESTION_TOKENS
    questions = vectors_of(model, batch.questions)
    model.max_seq_length = PASSAGE_TOKENS
    passages = vectors_of(model, batch.passages)
    scores = SCALE * questions @ passages.T
    return cross_entropy(scores.masked_fill(batch.left_out, -torch.inf), batch.target)


def measured(model: Any, source: Material) -> dict[str, float]:
    """Per cent of the questions whose evidence is among the first passages by meaning alone."""
    model.max_seq_length = 256
    options = {"batch_size": 32, "normalize_embeddings": True, "show_progress_bar": False}
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
        passages = np.asarray(model.encode(source.passages, **options), dtype=np.float32)
        texts = [anchor.text for anchor in source.anchors]
        questions = np.asarray(model.encode(texts, **options), dtype=np.float32)

    found: dict[str, list[bool]] = {"as written": [], "in other words": []}
    for anchor, vector in zip(source.anchors, questions, strict=True):
        neighbours = np.argsort(-(passages @ vector), kind="stable")[:PLACES].tolist()
        wording = "in other words" if anchor.in_other_words else "as written"
        found[wording].append(not set(anchor.evidence).isdisjoint(neighbours))
    return {wording: round(100 * float(np.mean(flags)), 1) for wording, flags in found.items()}


def write(weights: Mapping[str, Tensor], folder: Path) -> None:
    """Write the model to a folder: its weights in 8 bits, their digest, and the other files of
    all-MiniLM-L6-v2.
    """
    path, _ = embedder_path(SETTING)
    for name in FILES:
        copied = folder / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(path, name), copied)

    named = {}
    for name, value in weights.items():
        _, _, plain_name = name.partition(PREFIX)
        if not plain_name.startswith(UNUSED):
            named[plain_name] = value
    save_weights(named, folder / WEIGHTS)
    (folder / DIGEST).write_text(sha256_file(folder / WEIGHTS) + "\n", encoding="utf-8")


@script(__doc__)
@CACHE
@click.option("--out", type=PATH, required=True, help="Folder of the tuned model.")
@click.option("--fit", multiple=True, type=click.Choice(list(SETS)), help="Set to fit on.")
@NAMES
def main(cache: Path, out: Path, fit: tuple[str, ...], names: tuple[str, ...]) -> None:
    if shared := set(fit) & set(names):
        raise click.UsageError(f"fitted on and left out: {', '.join(sorted(shared))}")
    out.mkdir(parents=True, exist_ok=True)
    held_out = [material(name, cache) for name in names]
    start_weights = {name: value.clone() for name, value in loaded().state_dict().items()}
    tuned_weights = tuned([material(name, cache) for name in fit], out).state_dict()

    model = loaded().eval()
    report = {}
    for share in SHARES:
        model.load_state_dict(mean(start_weights, tuned_weights, share))
        report[f"{share:.0%} of the tuned weights"] = {
            source.set: measured(model, source) for source in held_out
        }
    write(mean(start_weights, tuned_weights, KEPT), out)
    finished(report)


if __name__ == "__main__":
    main()
