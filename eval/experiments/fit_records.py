"""Fits the model that finds the asked cell of a row that a question names, and reports it.

python -m eval.experiments.fit_records --cache DIR [--into FILE] [--out FILE] SET...

DIR is made by `python -m eval.experiments.kept`. Of collections, only the half for fitting is used.
An example is a question that names a row of a table in the documents that are found for it, with
the cells of these rows; the cells that answer are those of an evidence row that have the answer, or
that give its verdict. The report leaves out a fifth of the documents in turn. No reader takes part.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression

from eval.experiments.fit_judge import is_for_fitting
from eval.experiments.kept import HALVED, NAMES, open_set
from eval.scripts import CACHE, NEW_FILE, OUT, READER, finished, script
from rag.answering.table_matcher import Matcher
from rag.answering.table_records import (
    FEATURES,
    RecordCell,
    RecordMatcher,
    is_asked,
    verdict_of,
)
from rag.evaluation.gold import PLAIN_SUFFIX, Question
from rag.evaluation.squad import is_right
from rag.query import Query

FOLDS = 5
PENALTY = 1e-2
"""Of squared weights, whose features have unit variance."""
STRENGTH = 0.1
"""Inverse of the penalty of the weights that say whether a cell answers."""
STEPS = 300
LIKELY = 0.45
"""Probability from which on the report counts a cell as an answer."""
_NO_FIGURES: Any = None

_OF_A_DICTIONARY = 2
"""Cells of a row that defines a name."""
Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """A question, the features of the cells that may answer it, which of them do, and what cells
    say the same, by number.
    """

    question: Question
    rows: Matrix
    answering: tuple[int, ...]
    said: tuple[int, ...]


def examples(name: str, cache: Path, reader: str) -> Iterator[Example]:
    """The questions of a set, or of its half for fitting, that name a row."""
    engine, questions = open_set(name, cache, reader)
    nothing = np.zeros(0, np.float32)
    figures = Matcher.shipped(engine.retriever.embedder.embed_passages)
    matcher = RecordMatcher(nothing, nothing, figures)
    if name in HALVED:
        questions = [question for question in questions if is_for_fitting(name, question)]
    for question in questions:
        query = Query(question.text)
        (result,) = engine.retriever.find_many([query])
        (odds,) = engine.form_odds([query], [result])
        names = dict.fromkeys(hit.passage.document_id for hit in result.hits)
        documents = [result.documents[one] for one in names if one in result.documents]
        cells = matcher.cells(result.question, documents, engine.store)
        if cells:
            keys = [cell.says for cell in cells]
            rows = matcher.features(result.question, cells, odds)
            answering = [
                number
                for number, cell in enumerate(cells)
                if _answers(question, result.question, cell)
            ]
            if question.form == "yes_no":
                answering = _nearest(answering, rows)
            yield Example(
                question=question,
                rows=rows,
                answering=tuple(answering),
                said=tuple(keys.index(key) for key in keys),
            )
    engine.store.close()


def _nearest(answering: Sequence[int], rows: Matrix) -> list[int]:
    """Of cells that give the right verdict, those of the columns with most of the question."""
    columns = [FEATURES.index(name) for name in ("asked_share", "letters_asked", "raw_like")]
    said = {number: rows[number, columns].sum() for number in answering}
    return [number for number in answering if said[number] == max(said.values())]


def _answers(question: Question, asked: str, cell: RecordCell) -> bool:
    """Whether a cell is one of an evidence row, and says the answer or gives the verdict."""
    document = cell.named.table.document
    row = " ".join(document.text[cell.named.row.start : cell.named.row.end].split())
    if not any(
        " ".join(evidence.sentence.split()) == row
        and document.id.endswith(evidence.document.partition("/")[2])
        for evidence in question.evidence
    ):
        return False
    if question.form == "yes_no":
        return verdict_of(asked, cell, polar=1.0) == question.verdict
    if question.form == "span":
        return is_right(cell.text, question.wordings or question.answers)
    return question.form == "sentences" and len(cell.named.row.cells) == _OF_A_DICTIONARY


def fit(fitted: Sequence[Example]) -> tuple[Matrix, Matrix]:
    """The weights of the choice of a cell, and of whether it answers: by choices of weights that
    were fitted without its document.
    """
    chosen: list[Matrix] = []
    are_right: list[bool] = []
    for fold in range(FOLDS):
        columns = _fit_columns([example for example in fitted if _fold(example) != fold])
        for example in fitted:
            if _fold(example) == fold:
                number, share = _choice(example, columns)
                chosen.append(np.append(np.float32(share), example.rows[number]))
                are_right.append(number in example.answering)
    inputs = np.stack(chosen)
    scale = inputs.std(axis=0) + 1e-3
    model = LogisticRegression(C=STRENGTH, max_iter=2000).fit(inputs / scale, are_right)
    answers = np.append(model.coef_[0] / scale, model.intercept_).astype("float32")
    return _fit_columns(fitted), answers


def _fit_columns(fitted: Sequence[Example]) -> Matrix:
    """Weights by which the answering cells are the likeliest."""
    fitted = [example for example in fitted if example.answering]
    scale = np.concatenate([example.rows for example in fitted]).std(axis=0) + 1e-3
    weights = torch.zeros(len(FEATURES), requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe")
    inputs = [torch.tensor(example.rows / scale) for example in fitted]

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = PENALTY * len(fitted) * (weights**2).sum()
        for example, rows in zip(fitted, inputs, strict=True):
            scores = rows @ weights
            answering = scores[list(example.answering)]
            loss = loss - torch.logsumexp(answering, 0) + torch.logsumexp(scores, 0)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return np.asarray(weights.detach().numpy() / scale, dtype=np.float32)


def _choice(example: Example, columns: Matrix) -> tuple[int, float]:
    return RecordMatcher(columns, columns, _NO_FIGURES).choice(example.rows, example.said)


def outcome(example: Example, columns: Matrix, answers: Matrix) -> tuple[str, float]:
    """What the weights make of an example, and how likely its cell answers."""
    matcher = RecordMatcher(columns, answers, _NO_FIGURES)
    number, share = matcher.choice(example.rows, example.said)
    probability = matcher.probability(example.rows[number], share)
    if probability < LIKELY or not is_asked(example.rows[number]):
        return "missed" if example.answering else "none, rightly", probability
    if number in example.answering:
        return "right", probability
    return "wrong cell" if example.answering else "wrong, should be none", probability


def _fold(example: Example) -> int:
    return hashlib.sha256(example.question.group.encode()).digest()[1] % FOLDS


def report(collected: Sequence[Example]) -> dict[str, dict[str, int]]:
    """How many of the questions of documents left out have which outcome, by wording."""
    counts: dict[str, dict[str, int]] = {}
    for fold in range(FOLDS):
        held_out = [example for example in collected if _fold(example) == fold]
        if not held_out:
            continue
        weights = fit([example for example in collected if _fold(example) != fold])
        for example in held_out:
            wording = "plain" if example.question.id.endswith(PLAIN_SUFFIX) else "question"
            by_outcome = counts.setdefault(wording, {})
            name, _ = outcome(example, *weights)
            by_outcome[name] = by_outcome.get(name, 0) + 1
    return counts


@script(__doc__)
@CACHE
@READER
@click.option("--into", type=NEW_FILE, help="File for the weights.")
@OUT
@NAMES
def main(
    cache: Path, reader: str, into: Path | None, out: Path | None, names: tuple[str, ...]
) -> None:
    collected = [example for name in names for example in examples(name, cache, reader)]
    counts = report(collected)
    columns, answers = fit(collected)
    if into:
        save_file({"columns": columns, "answers": answers}, into)
    by_feature = dict(zip(FEATURES, np.round(columns.astype(float), 2), strict=True))
    finished({"examples": len(collected), "left out": counts, "weights": by_feature}, out)


if __name__ == "__main__":
    main()
