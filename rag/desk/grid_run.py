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
from rag.desk.grid import Cell, Grid, GridRow, State
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
ANSWERED, ABSENT = 0.5, 0.45
"""Probability from which on such a cell is answered, and below which the document counts as having
no answer."""
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
    found = list(zip(part, engine.find_many(questions), strict=True))
    digests = [_digest(target, result.retrieved) for target, result in found]
    results = [nearest(result) if target.row.sha256 else result for target, result in found]
    last = [target.before and target.before.digest for target in part]
    fresh = [n for n, digest in enumerate(digests) if digest != last[n]]

    def cells(answering: Engine, numbers: Sequence[int], correction: Logistic) -> dict[int, Cell]:
        asked, read = [questions[n] for n in numbers], [results[n] for n in numbers]
        answers = zip(numbers, answering.answer_many(asked, read, {}), strict=True)
        return {n: cell(engine, part[n], answer, results[n], correction) for n, answer in answers}

    single = [n for n in fresh if part[n].row.sha256]
    quick = cells(engine.quick, single, SMALL) if engine.quick else {}
    low, high = UNDECIDED
    decided = {n: own for n, own in quick.items() if not low <= own.probability < high}
    decided |= cells(engine, [n for n in fresh if n not in decided], LARGE)
    return [_version(replace(decided[n], digest=digests[n]), part[n]) for n in fresh]


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
    own = (row.document_id,) if row.sha256 else ()
    blank = Cell(row.key, column.name, "absent", "", 0.0, "", grids.now(), documents=own)
    if own and not found.hits:
        document = engine.store.document(row.key)
        readable = bool(document and document.text.strip())
        return blank if readable else replace(blank, state="unreadable")
    best = _best(answer, column.type, found.retrieved.documents)
    if best is None:
        return blank
    value, candidate, typed = best
    probability, answered_from, unsure_from = candidate.confidence, engine.threshold, UNLIKELY
    if own:
        chosen = engine.settings.threshold
        probability = corrected(probability, column.type, correction)
        answered_from, unsure_from = ANSWERED if chosen < 0 else chosen, ABSENT
    if probability < min(answered_from, unsure_from):
        return replace(blank, probability=probability)
    state: State = "answered" if probability >= answered_from else "unsure"
    quotes = candidate.citations[:MOST_QUOTES]
    documents = tuple(dict.fromkeys([*own, *(quote.document_id for quote in quotes)]))
    answered = replace(blank, state=state, value=value, probability=probability)
    return replace(answered, typed=typed, quotes=quotes, documents=documents)


def _best(
    answer: Answer, kind: str, documents: Mapping[str, Document]
) -> tuple[str, Alternative, Value | None] | None:
    """(value, candidate, typed value) of the likeliest candidate with a value of this type."""
    own = [Alternative(answer.text, answer.confidence, answer.citations)] if answer.text else []
    for candidate in (*own, *answer.alternatives):
        if not candidate.citations:
            continue
        typed = typed_value(candidate.text, kind, _surroundings(candidate, documents))
        if typed is None and kind not in ("text", "list"):
            continue
        said = in_a_cell(typed.verdict) if typed and typed.verdict else ""
        return said or candidate.text, candidate, typed
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
    own = next((cell for cell in row.cells if cell.start <= place.start < cell.end), None)
    column = table.column_name(own) if own else ""
    headings = f"{path_of(place.headings)} {table.statement}"
    return Surroundings(before, after, label, column, headings)
