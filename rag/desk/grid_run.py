"""Asks the cells of a grid that have no answer yet, or whose documents changed, batch by batch; and
those of standing grids, whose file says `refresh = "on_sync"`, after a sync.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rag.answering.judge import Logistic
from rag.answering.reading import logit
from rag.desk import grid as grids
from rag.desk.grid import Cell, Grid, GridRow
from rag.desk.grid_file import GridColumn
from rag.errors import RagError
from rag.facts import FactTable
from rag.meaning.values import Surroundings, typed_value
from rag.protocols import Store
from rag.query import Query
from rag.retrieval import RetrievalResult
from rag.structure import row_at
from rag.types import Alternative, Answer, Document, Value, in_a_cell, path_of

if TYPE_CHECKING:
    from rag.engine import Engine, Found

BATCH = 32
"""Number of cells that are read together; an interruption loses at most as many."""
MOST_QUOTES = 5
READS = 4
"""Passages that are read for a cell of one document."""
ANSWERED = 0.5
"""Probability from which on such a cell is answered."""
ABSENT = 0.45
"""Probability below which the document of such a cell counts as having no answer."""
UNDECIDED = (0.45, 0.6)
"""Range of the small reader's probability in which the large one reads, too."""
UNLIKELY = 0.3
"""Probability below which several documents count as having no answer; they are asked like a single
question."""
TYPED = ("date", "amount", "number")
_FORMS = {"date": "span", "amount": "span", "number": "span", "yes_no": "yes_no", "list": "list"}

SMALL = Logistic({"log_odds": 0.86, "typed": 2.4}, bias=1.04)
"""Corrects the judge's probability for a cell that the small reader alone answered. The judge knows
neither that one document is asked, nor that a value of a type is wanted (Platt 1999)."""
LARGE = Logistic({"log_odds": 0.89, "typed": 2.35}, bias=0.88)
"""The same for answers by both readers. Fitted, as are the thresholds, to half of the documents of
eval/gold/grid.jsonl (`python -m eval.experiments.grid --fit`)."""
OnProgress = Callable[[int, int], object]
"""Called with the number of cells that are done, and that of all cells to ask."""


@dataclass(frozen=True, slots=True)
class Due:
    """A cell to ask, and its last answer."""

    row: GridRow
    column: GridColumn
    before: Cell | None

    @property
    def has_changed(self) -> bool:
        """Whether it has no answer yet, or its document or question changed. Whether the evidence
        of several documents changed shows only when it is retrieved.
        """
        return self.before is None or bool(self.row.sha256)


def due(grid: Grid) -> list[Due]:
    """The cells to ask: new, changed, and all of several documents."""
    return [
        Due(row, column, cell)
        for row, column, cell in grid.every_cell()
        if cell is None or not row.sha256 or cell.digest != grids.digest(column, row.sha256)
    ]


def run(engine: Engine, name: str, on_progress: OnProgress = lambda *_: None) -> int:
    """Ask what is due. Returns the number of cells asked. Raises NotFoundError, StoreError."""
    read = 0
    for finished, total, count in in_batches(engine, name):
        read += count
        on_progress(finished, total)
    return read


def in_batches(engine: Engine, name: str, batch: int = BATCH) -> Iterator[tuple[int, int, int]]:
    """Run a grid, and yield (cells done, cells to ask, cells read) after each batch."""
    waiting = due(grids.load(engine.store, name))
    for start in range(0, len(waiting), batch):
        part = waiting[start : start + batch]
        cells = ask(engine, part)
        engine.store.put_cells(name, [cell.to_row() for cell in cells])
        yield start + len(part), len(waiting), len(cells)
    grid = grids.load(engine.store, name)
    if not grid.finished and not grid.counts["waiting"]:
        grids.mark(engine.store, name, finished=grids.now())


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A grid that was asked again: changed answers that nobody has seen, and an error, or ""."""

    name: str
    changed: int
    error: str = ""


def refresh(
    store: Store, engine: Callable[[], Engine], has_changed: bool = True
) -> Iterator[Refreshed]:
    """Ask the standing grids that have something to ask; only then `engine` is called. Rows of
    several documents are asked only if the index `has_changed`.
    """
    for name in store.grids():
        try:
            if grids.spec_of(store, name).refresh != "on_sync":
                continue
            waiting = due(grids.load(store, name))
            if any(has_changed or cell.has_changed for cell in waiting):
                run(engine(), name)
                yield Refreshed(name, len(grids.load(store, name).changes()))
        except RagError as error:
            yield Refreshed(name, 0, error.message)


def ask(engine: Engine, part: Sequence[Due]) -> list[Cell]:
    """Ask cells together. Those whose evidence is unchanged are left out.

    For a cell of one document the small reader reads a few passages, and the large one reads those
    of the cells that it does not decide. A cell of several documents is asked like a single
    question.
    """
    questions = queries(part)
    found = engine.find_many(questions)
    digests = [
        _digest(target, result.retrieved) for target, result in zip(part, found, strict=True)
    ]
    results = [
        nearest(result) if target.row.sha256 else result
        for target, result in zip(part, found, strict=True)
    ]
    changed = [
        number
        for number, target in enumerate(part)
        if target.before is None or target.before.digest != digests[number]
    ]

    def cells(reading: Engine, numbers: Sequence[int], correction: Logistic) -> dict[int, Cell]:
        """The cells with these numbers, by number, as an engine with this reader answers them."""
        answers = reading.answer_many(
            [questions[number] for number in numbers], [results[number] for number in numbers], {}
        )
        return {
            number: cell(engine, part[number], answer, results[number], correction)
            for number, answer in zip(numbers, answers, strict=True)
        }

    of_one_document = [number for number in changed if part[number].row.sha256]
    by_small_reader = cells(engine.quick, of_one_document, SMALL) if engine.quick else {}

    low, high = UNDECIDED
    decided = {
        number: answered
        for number, answered in by_small_reader.items()
        if not low <= answered.probability < high
    }
    undecided = [number for number in changed if number not in decided]
    decided |= cells(engine, undecided, LARGE)
    return [
        _version(replace(decided[number], digest=digests[number]), part[number])
        for number in changed
    ]


def queries(part: Sequence[Due]) -> list[Query]:
    """The questions of cells."""
    return [
        Query(column.question, None, row.filter or None, form=_FORMS.get(column.type, ""))
        for row, column in ((target.row, target.column) for target in part)
    ]


def nearest(found: Found) -> Found:
    """What was found, with the passages that are read for a cell of one document."""
    retrieved = replace(found.retrieved, hits=found.hits[:READS])
    return replace(found, retrieved=retrieved)


def _digest(target: Due, result: RetrievalResult) -> str:
    """The digest of the document as it was read, or of all passages that were found."""
    if target.row.sha256:
        document = result.documents.get(target.row.key)
        return grids.digest(target.column, document.sha256 if document else target.row.sha256)
    places = [f"{p.document_id} {p.start} {p.text}" for hit in result.hits for p in [hit.passage]]
    return grids.digest(target.column, *places)


def _version(answered: Cell, target: Due) -> Cell:
    """The new version of a cell; one that says the same replaces the last and keeps its rating."""
    before = target.before
    if before is None or not answered.same_value(before):
        return answered
    return replace(answered, at=before.at, rating=before.rating, number=before.number)


def corrected(probability: float, kind: str, correction: Logistic) -> float:
    """The probability, in (0, 1), of a value in a column of this type."""
    return correction(
        {"log_odds": logit(probability, 1e-4), "typed": 1.0 if kind in TYPED else 0.0}
    )


def cell(
    engine: Engine,
    target: Due,
    answer: Answer,
    found: Found,
    correction: Logistic = LARGE,
) -> Cell:
    """The cell of an answer, without its digest."""
    row, column = target.row, target.column
    row_document = (row.document_id,) if row.sha256 else ()
    absent = Cell(
        row=row.key,
        column=column.name,
        state="absent",
        value="",
        probability=0.0,
        digest="",
        at=grids.now(),
        documents=row_document,
    )
    if row_document and not found.hits:
        document = engine.store.document(row.key)
        is_readable = bool(document and document.text.strip())
        return absent if is_readable else replace(absent, state="unreadable")

    chosen = _likeliest(answer, column.type, found.retrieved.documents)
    if chosen is None:
        return absent

    value, candidate, typed = chosen
    probability = candidate.confidence
    answered_from = engine.threshold
    unsure_from = UNLIKELY
    if row_document:
        probability = corrected(probability, column.type, correction)
        threshold = engine.settings.threshold
        answered_from = ANSWERED if threshold < 0 else threshold
        unsure_from = ABSENT
    if probability < min(answered_from, unsure_from):
        return replace(absent, probability=probability)

    quotes = candidate.citations[:MOST_QUOTES]
    documents = [*row_document, *(quote.document_id for quote in quotes)]
    return replace(
        absent,
        state="answered" if probability >= answered_from else "unsure",
        value=value,
        probability=probability,
        typed=typed,
        quotes=quotes,
        documents=tuple(dict.fromkeys(documents)),
    )


def _likeliest(
    answer: Answer, kind: str, documents: Mapping[str, Document]
) -> tuple[str, Alternative, Value | None] | None:
    """(value, candidate, typed value) of the likeliest candidate with a value of this type."""
    candidates = list(answer.alternatives)
    if answer.text:
        candidates.insert(0, Alternative(answer.text, answer.confidence, answer.citations))

    for candidate in candidates:
        if not candidate.citations:
            continue
        typed = typed_value(candidate.text, kind, _surroundings(candidate, documents))
        if typed is None and kind not in ("text", "list"):
            continue
        value = in_a_cell(typed.verdict) if typed and typed.verdict else candidate.text
        return value, candidate, typed
    return None


def _surroundings(candidate: Alternative, documents: Mapping[str, Document]) -> Surroundings:
    """What is around the candidate's words in its document."""
    place = candidate.citations[0]
    document = documents.get(place.document_id)
    if document is None or candidate.text != place.quote:
        return Surroundings()

    before = place.sentence[: place.start - place.sentence_start]
    after = place.sentence[place.end - place.sentence_start :]
    table = FactTable.at(document, place.start)
    row = row_at(document.blocks, place.start)
    if table is None or row is None or len(row.cells) < 2:
        return Surroundings(before, after)

    label = document.text[row.cells[0].start : row.cells[0].end]
    cell = next((cell for cell in row.cells if cell.start <= place.start < cell.end), None)
    column = table.column_name(cell) if cell else ""
    headings = f"{path_of(place.headings)} {table.statement}"
    return Surroundings(before, after, label, column, headings)
