"""Fits the judge of a grid's cells, and measures how a grid fills them and leaves them blank.

    python -m eval.experiments.fit_cells --cache DIR --data DATA [--reader NAME] [--into FILE]

The 1,962 cells of eval/gold/cells.jsonl are asked as a grid asks them. DATA has `collections`, made
by `eval.gold.collections`, and `pdf`. DIR gets an index of their 209 documents and what the readers
say, by the digests of their weights: a run that was stopped goes on, and new weights are read anew.

With `--into`, the judge is fitted to the half for fitting, cross-validated over documents, and
written with the thresholds that this half wants; the large reader reads the quarter of the cells
that the small one leaves most undecided. The report is on both halves, by the judge that is
shipped: of the cells with an answer the share that is useful (answered with an accepted value), of
all cells the share that is wrong (answered otherwise), of the blanks the share said to be blank.

So a run after new weights is: `RUN --into rag/desk/cell_judge.json`, and `RUN` again.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from eval.experiments.kept import KeptReads
from eval.scripts import CACHE, GOLD, NEW_FILE, OUT, PATH, READER, finished, script
from rag import build
from rag.answering.judge import Logistic
from rag.answering.reading import logit
from rag.desk import grid_run
from rag.desk.cell_judge import CellDocument, CellReading, JudgedRow
from rag.desk.grid import Cell, GridRow
from rag.desk.grid_file import GridColumn
from rag.engine import Engine
from rag.evaluation.set_files import json_lines
from rag.filters import Condition
from rag.ingestion.ingest import Ingest
from rag.meaning.values import typed_value
from rag.meaning.vectors import TextVectors
from rag.models.cascade import Cascade
from rag.models.registry import CASCADE_READS, first_reader
from rag.parsing.files import FoundFile
from rag.protocols import Reader
from rag.settings import Settings
from rag.types import Value

Row = dict[str, Any]
RIDGE, FOLDS = 0.03, 6
UNDECIDED = 0.25
"""Share of the cells that the large reader reads, too."""
MOST_WRONG, MOST_FILLED = 0.05, 0.08
"""Largest shares, on the half for fitting, of cells that are wrong and of blanks that have even a
guess."""


# Asking


def open_engine(cache: Path, data: Path, rows: Sequence[Row], reader: str) -> Engine:
    """An engine over an index of the cells' documents, which is made if needed. It reads through
    the caches of `reader`.
    """
    settings = Settings.load(index=cache / "index", reader=reader)
    embedder = build.embedder(settings)
    if not (cache / "made").exists():
        cache.mkdir(parents=True, exist_ok=True)
        names = sorted({row["document"] for row in rows})
        files = [FoundFile(_path(name, data), name) for name in names]
        with closing(build.store(settings, embedder, create=True)) as store:
            Ingest(store, embedder, settings.passage_tokens).run(files)
        (cache / "made").touch()
    kept_reader = _kept(reader, cache)
    if small_reader := first_reader(reader):
        kept_reader = Cascade(_kept(small_reader, cache), kept_reader, CASCADE_READS)
    return build.assemble(settings, build.store(settings, embedder), embedder, kept_reader)


def _path(name: str, data: Path) -> Path:
    """The file of a document."""
    folders = (data / "collections", GOLD, data)
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if path is None:
        raise click.UsageError(f"{name} is not in {', '.join(map(str, folders))}")
    return path


def _kept(model: str, cache: Path) -> Reader:
    """A caching reader with its model's name, by which its judge is found."""
    reader = KeptReads(model, cache)
    reader.name = model
    return reader


def due_of_documents(engine: Engine, rows: Sequence[Row]) -> Iterator[list[grid_run.Due]]:
    """The cells of each document, to be asked together."""
    by_document: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_document[row["document"]].append(row)
    for name, rows_of_document in by_document.items():
        document = engine.store.document(name)
        if document is None:
            raise click.UsageError(f"{name} is not in the index; remove it, and start again")
        filter = (Condition("document", "=", name),)
        grid_row = GridRow(name, document.title, filter, document.sha256)
        columns = [
            GridColumn(row["column"], row["question"], row["type"]) for row in rows_of_document
        ]
        yield [grid_run.Due(grid_row, column, None) for column in columns]


def ask_rows(engine: Engine, rows: Sequence[Row]) -> list[tuple[Row, Cell]]:
    """The cells of the rows, as a grid asks them."""
    parts = list(due_of_documents(engine, rows))
    cells = {
        (cell.row, cell.column): cell
        for part in tqdm(parts, unit="document", disable=None)
        for cell in grid_run.ask(engine, part)
    }
    return [(row, cells[row["document"], row["column"]]) for row in rows]


# Fitting


@dataclass(frozen=True)
class Example:
    """What was read for a cell, with the features of each of its values, and which are accepted."""

    row: Row
    features: Sequence[Mapping[str, float]]
    accepted: Sequence[bool]

    @property
    def document(self) -> str:
        return str(self.row["document"])


def examples(
    engine: Engine, rows: Sequence[Row], vectors_of: TextVectors, chosen: Set[int] | None = None
) -> dict[int, Example]:
    """The examples by the number of their row, as the small reader reads them, or with `chosen`
    those that both read.
    """
    numbers = {(row["document"], row["column"]): number for number, row in enumerate(rows)}
    collected: dict[int, Example] = {}
    for part in tqdm(list(due_of_documents(engine, rows)), unit="document", disable=None):
        numbers_of_part = [numbers[cell.row.key, cell.column.name] for cell in part]
        if chosen is not None and chosen.isdisjoint(numbers_of_part):
            continue
        readings = _readings(
            engine, part, vectors_of, [n in (chosen or ()) for n in numbers_of_part]
        )
        row = JudgedRow(readings, vectors_of)
        for place, number in enumerate(numbers_of_part):
            if chosen is not None and number not in chosen:
                continue
            values = row.values[place]
            collected[number] = Example(
                row=rows[number],
                features=[row.features(place, value) for value in values],
                accepted=[is_accepted(rows[number], v.text, v.typed) for v in values],
            )
    return collected


def _readings(
    engine: Engine,
    part: Sequence[grid_run.Due],
    vectors_of: TextVectors,
    is_read_by_both: Sequence[bool],
) -> list[CellReading]:
    """What is read for the cells of one document."""
    queries = grid_run.queries(part)
    results = [grid_run.with_nearest_passages(result) for result in engine.find_many(queries)]
    document = engine.store.document(part[0].row.key)
    assert document is not None
    source = CellDocument(document, vectors_of)
    readings = []
    for cell, query, result, by_both in zip(part, queries, results, is_read_by_both, strict=True):
        stage = engine if by_both or engine.quick is None else engine.quick
        readings += grid_run.read(stage, [cell.column.type], [(query, result, source)])
    return readings


def fitted(examples_to_fit: Sequence[Example]) -> Logistic:
    """A logistic model of whether a value is accepted; those of one cell weigh less each."""
    features: list[Mapping[str, float]] = []
    accepted: list[bool] = []
    weights: list[float] = []
    for example in examples_to_fit:
        count = len(example.features)
        features += example.features
        accepted += example.accepted
        weights += [max(count, 1) ** -0.5] * count

    names = list(dict.fromkeys(name for row in features for name in row))
    rows = np.array([[row.get(name, 0.0) for name in names] for row in features])
    mean = rows.mean(axis=0)
    deviation = rows.std(axis=0) + 1e-3
    model = LogisticRegression(C=RIDGE, max_iter=3000)
    model.fit((rows - mean) / deviation, np.array(accepted), sample_weight=weights)
    slopes = model.coef_[0] / deviation
    bias = float(model.intercept_[0] - slopes @ mean)
    by_name = {name: round(float(slope), 4) for name, slope in zip(names, slopes, strict=True)}
    return Logistic(by_name, bias)


Judged = dict[int, tuple[float, bool]]
"""By the number of a cell, the probability of its likeliest value, and whether it is accepted."""


def judged(model: Logistic, examples_by_number: Mapping[int, Example]) -> Judged:
    """The likeliest value of each cell."""
    best_values: Judged = {}
    for number, example in examples_by_number.items():
        probabilities = map(model, example.features)
        values = zip(probabilities, example.accepted, strict=True)
        best_values[number] = max(values, default=(0.0, False))
    return best_values


def left_out(
    read_quickly: Mapping[int, Example], read_by_both: Mapping[int, Example]
) -> tuple[Judged, Judged]:
    """The cells of both, by models that were fitted to other documents."""
    documents = sorted({example.document for example in read_quickly.values()})
    judged_quickly: Judged = {}
    judged_by_both: Judged = {}
    for fold in range(FOLDS):
        fold_documents = set(documents[fold::FOLDS])
        everything = (*read_quickly.values(), *read_by_both.values())
        model = fitted([e for e in everything if e.document not in fold_documents])
        judged_quickly |= judged(model, _of_documents(read_quickly, fold_documents))
        judged_by_both |= judged(model, _of_documents(read_by_both, fold_documents))
    return judged_quickly, judged_by_both


def _of_documents(read: Mapping[int, Example], documents: Set[str]) -> dict[int, Example]:
    return {number: example for number, example in read.items() if example.document in documents}


def fit(engine: Engine, rows: Sequence[Row]) -> dict[str, Any]:
    """The content of the judge's file."""
    vectors_of = TextVectors(engine.retriever.embedder.embed_passages)
    small_examples = examples(engine, rows, vectors_of)
    judged_quickly, _ = left_out(small_examples, {})
    answered_from, _ = thresholds(rows, judged_quickly)
    undecided = nearest_cells(judged_quickly, answered_from)
    examples_of_both = examples(engine, rows, vectors_of, undecided.keys()) if engine.quick else {}
    judged_quickly, judged_by_both = left_out(small_examples, examples_of_both)
    answered_from, unsure_from = thresholds(rows, judged_quickly | judged_by_both)

    undecided = nearest_cells(judged_quickly, answered_from)
    probabilities = [probability for probability, _ in undecided.values()]
    return {
        "answered_from": answered_from,
        "unsure_from": unsure_from,
        "undecided": [round(min(probabilities), 3), round(max(probabilities), 3)],
        **asdict(fitted([*small_examples.values(), *examples_of_both.values()])),
    }


def nearest_cells(judged_cells: Judged, threshold: float) -> Judged:
    """The part of the cells whose probability is nearest to a threshold."""
    count = round(UNDECIDED * len(judged_cells))
    order = sorted(judged_cells, key=lambda n: abs(logit(judged_cells[n][0]) - logit(threshold)))
    return {number: judged_cells[number] for number in order[:count]}


def thresholds(rows: Sequence[Row], judged_cells: Judged) -> tuple[float, float]:
    """The lowest probabilities from which on so few cells are wrong, and so few blanks filled."""
    blanks = sum(not row["answers"] for row in rows)

    def wrong_share(threshold: float) -> float:
        return sum(p >= threshold and not is_right for p, is_right in judged_cells.values()) / len(
            rows
        )

    def filled(threshold: float) -> float:
        filled_blanks = [
            p >= threshold for n, (p, _) in judged_cells.items() if not rows[n]["answers"]
        ]
        return sum(filled_blanks) / max(1, blanks)

    steps = [round(float(step), 2) for step in np.arange(0.1, 0.96, 0.01)]
    unsure_from = next((step for step in steps if filled(step) <= MOST_FILLED), steps[-1])
    answered_from = next((step for step in steps if wrong_share(step) <= MOST_WRONG), steps[-1])
    return max(answered_from, unsure_from), unsure_from


# Scores


def is_accepted(row: Row, value_text: str, typed: Value | None) -> bool:
    """Whether a value says an accepted one: its words contain the wording, or it means the same."""
    if row["type"] == "yes_no":
        return bool(typed and typed.verdict in row["answers"])
    words = " ".join(value_text.split()).casefold()
    return any(
        _contains(words, " ".join(answer.split()).casefold())
        or _is_same(row["type"], answer, typed)
        for answer in row["answers"]
    )


def _contains(words: str, answer: str) -> bool:
    """Whether the whole words of an answer are in a text; "4" is not in "14" or "4.5"."""
    return bool(re.search(rf"(?<![\w.,]){re.escape(answer)}(?!\w|[.,]\d)", words)) or (
        not answer[:1].isalnum() and answer in words
    )


def _is_same(kind: str, answer: str, typed: Value | None) -> bool:
    accepted = typed_value(answer, kind)
    if typed is None or accepted is None:
        return False
    if kind == "date":
        return bool(accepted.iso) and accepted.iso == typed.iso
    units = {accepted.unit, typed.unit} - {None}
    return (accepted.number, accepted.upper) == (typed.number, typed.upper) and len(units) <= 1


def scores(pairs: Sequence[tuple[Row, Cell]]) -> dict[str, Any]:
    """Counts and shares over cells."""
    answerable = [(row, cell) for row, cell in pairs if row["answers"]]
    blank = [cell for row, cell in pairs if not row["answers"]]
    answered = [(row, cell) for row, cell in pairs if cell.state == "answered"]
    useful = [is_accepted(row, cell.value, cell.typed) for row, cell in answered]
    guesses = [
        is_accepted(row, cell.value, cell.typed)
        for row, cell in answerable
        if cell.state == "unsure"
    ]
    absent = [bool(row["answers"]) for row, cell in pairs if cell.state == "absent"]
    return {
        "cells": len(pairs),
        "with an answer": len(answerable),
        "useful": _share(sum(useful), len(answerable)),
        "right, as a guess": _share(sum(guesses), len(answerable)),
        "wrong, of all": _share(len(answered) - sum(useful), len(pairs)),
        "blanks said so": _share(sum(cell.state == "absent" for cell in blank), len(blank)),
        "blanks filled": _share(sum(cell.state == "answered" for cell in blank), len(blank)),
        "said blank and blank": _share(len(absent) - sum(absent), len(absent)),
    }


def _share(count: int, total: int) -> float:
    return round(100 * count / max(1, total), 1)


def report(pairs: Sequence[tuple[Row, Cell]]) -> dict[str, Any]:
    """The scores of each half, and for reporting by type."""
    halves = {half: [p for p in pairs if p[0]["half"] == half] for half in ("fit", "report")}
    kinds = dict.fromkeys(row["type"] for row, _ in pairs)
    return {half: scores(pairs_of_half) for half, pairs_of_half in halves.items()} | {
        f"report, {kind}": scores([p for p in halves["report"] if p[0]["type"] == kind])
        for kind in kinds
    }


@script(__doc__)
@CACHE
@click.option("--data", type=PATH, required=True, help="Folder of the documents.")
@READER
@click.option("--into", type=NEW_FILE, help="Fit, and write the judge to this file.")
@OUT
def main(cache: Path, data: Path, reader: str, into: Path | None, out: Path | None) -> None:
    rows = list(json_lines(GOLD / "cells.jsonl"))
    engine = open_engine(cache, data, rows, reader)
    if into:
        stored = fit(engine, [row for row in rows if row["half"] == "fit"])
        into.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
        return
    finished(report(ask_rows(engine, rows)), out)


if __name__ == "__main__":
    main()
