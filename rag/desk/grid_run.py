"""Asks the cells of a grid that have no answer yet, or whose documents changed, batch by batch; and
those of standing grids, whose file says `refresh = "on_sync"`, after a sync.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from rag.answering.compose import Ranked
from rag.answering.judge import Logistic
from rag.desk import cell_judge
from rag.desk import grid as grids
from rag.desk.cell_judge import (
    CellDocument,
    CellJudge,
    CellReading,
    CellValue,
    in_column,
    surroundings,
)
from rag.desk.grid import Cell, Grid, GridRow, State
from rag.desk.grid_file import GridColumn
from rag.errors import RagError
from rag.meaning.vectors import TextVectors
from rag.protocols import Store
from rag.query import Query
from rag.retrieval import RetrievalResult
from rag.types import Alternative, Answer, Citation, Document, Value

if TYPE_CHECKING:
    from rag.engine import Engine, Found

BATCH = 32
"""Cells that are read together; an interruption loses at most as many, or one longer row."""
MOST_QUOTES = 5
READS = 4
"""Passages that are read for a cell of one document."""
UNLIKELY = 0.3
"""Probability below which several documents count as having no answer; they are asked like a single
question."""
_FORMS = {"date": "span", "amount": "span", "number": "span", "yes_no": "yes_no", "list": "list"}

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
    finished = 0
    for part in _batches(waiting, batch):
        cells = ask(engine, part)
        engine.store.put_cells(name, [cell.to_row() for cell in cells])
        finished += len(part)
        yield finished, len(waiting), len(cells)
    grid = grids.load(engine.store, name)
    if not grid.finished and not grid.counts["waiting"]:
        grids.mark(engine.store, name, finished=grids.now())


def _batches(waiting: Sequence[Due], most: int) -> Iterator[list[Due]]:
    """Whole rows, at most so many cells at once, or one longer row: what the other columns of a row
    ask tells what a value is not about.
    """
    batch: list[Due] = []
    for _, cells in groupby(waiting, key=lambda one: one.row.key):
        row = list(cells)
        if batch and len(batch) + len(row) > most:
            yield batch
            batch = []
        batch += row
    if batch:
        yield batch


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


def ask(engine: Engine, part: Sequence[Due], is_lenient: bool = False) -> list[Cell]:
    """Ask cells together. Those whose evidence is unchanged are left out.

    For a cell of one document the small reader reads a few passages, and the large one reads those
    of the cells that it does not decide. If it `is_lenient`, yes and yes on a condition are one
    verdict. A cell of several documents is asked like a single question.
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

    single = [n for n in changed if part[n].row.sha256]
    several = [n for n in changed if not part[n].row.sha256]
    answers = engine.answer_many([questions[n] for n in several], [results[n] for n in several], {})
    cells = {
        n: cell(engine, part[n], answer, results[n])
        for n, answer in zip(several, answers, strict=True)
    }
    judged = _judged(engine, part, questions, results, single, is_lenient)
    cells |= {n: _of_document(engine, part[n], results[n], judged[n]) for n in single}
    return [_version(replace(cells[n], digest=digests[n]), part[n]) for n in changed]


def _judged(
    engine: Engine,
    part: Sequence[Due],
    questions: Sequence[Query],
    results: Sequence[Found],
    numbers: Sequence[int],
    is_lenient: bool,
) -> dict[int, CellValue | None]:
    """The likeliest value of each of these cells of one document."""
    judge = _judge(engine)
    vectors_of = TextVectors(engine.retriever.embedder.embed_passages)
    rows = _rows(part, numbers)
    sources = {
        part[row[0]].row.key: CellDocument(document, vectors_of)
        for row in rows
        if (document := results[row[0]].retrieved.documents.get(part[row[0]].row.key))
    }
    readings: dict[int, CellReading] = {}
    judged: dict[int, CellValue | None] = dict.fromkeys(numbers)
    left = [n for n in numbers if part[n].row.key in sources]
    for stage in [engine.quick, engine] if engine.quick else [engine]:
        asked = [(questions[n], results[n], sources[part[n].row.key]) for n in left]
        readings |= zip(left, read(stage, [part[n].column.type for n in left], asked), strict=True)
        for row in rows:
            own = [at for at, n in enumerate(row) if n in left]
            together = [readings[n] for n in row if n in readings]
            best = judge.best(together, own, vectors_of, is_lenient)
            judged |= {row[at]: value for at, value in zip(own, best, strict=True)}
        left = [n for n in left if (value := judged[n]) and not judge.is_decided(value)]
    return judged


def _judge(engine: Engine) -> CellJudge:
    """The judge of cells. It was fitted to one embedder; with another, the judge of answers
    decides, from a lower probability on, since only one document is asked.
    """
    if engine.retriever.embedder.name == "minilm":
        return cell_judge.shipped()
    least = min(engine.threshold, UNLIKELY)
    same = Logistic({"log_odds": 1.0}, bias=0.0)
    return CellJudge(same, least, least, undecided=(least, engine.threshold))


def read(
    stage: Engine, kinds: Sequence[str], asked: Sequence[tuple[Query, Found, CellDocument]]
) -> list[CellReading]:
    """What a stage of the engine reads for cells with these types, together."""
    queries = [query for query, _, _ in asked]
    ranked = stage.rank_many(queries, [found for _, found, _ in asked])
    readings = []
    for kind, (_, found, source), (reading, candidates) in zip(kinds, asked, ranked, strict=True):
        question, vector = found.retrieved.question, found.retrieved.vector
        own = source.candidates(question, vector, kind)
        likely = stage.judge.probabilities(own, reading)
        readings.append(
            CellReading(
                question=question,
                vector=vector,
                kind=kind,
                source=source,
                reading=reading,
                ranked=[*candidates, *map(Ranked, own, likely)],
                proposed=own,
            )
        )
    return readings


def _rows(part: Sequence[Due], numbers: Sequence[int]) -> list[list[int]]:
    """The numbers by document."""
    by_document: dict[str, list[int]] = {}
    for n in numbers:
        by_document.setdefault(part[n].row.key, []).append(n)
    return list(by_document.values())


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


def _of_document(engine: Engine, target: Due, found: Found, best: CellValue | None) -> Cell:
    """The cell of one document, without its digest."""
    row = target.row
    blank = _blank(target)
    if not found.hits:
        document = engine.store.document(row.key)
        is_readable = bool(document and document.text.strip())
        return blank if is_readable else replace(blank, state="unreadable")
    if best is None:
        return blank
    judge = _judge(engine)
    chosen = engine.settings.threshold
    answered_from = judge.answered_from if chosen < 0 else chosen
    unsure_from = min(answered_from, judge.unsure_from)
    if best.probability < unsure_from:
        return replace(blank, probability=best.probability)
    state: State = "answered" if best.probability >= answered_from else "unsure"
    return _filled(blank, state, best.text, best.probability, best.typed, best.citations)


def cell(engine: Engine, target: Due, answer: Answer, found: Found) -> Cell:
    """The cell of an answer from several documents, without its digest."""
    blank = _blank(target)
    best = _likeliest(answer, target.column.type, found.retrieved.documents)
    if best is None:
        return blank
    value, candidate, typed = best
    probability = candidate.confidence
    if probability < min(engine.threshold, UNLIKELY):
        return replace(blank, probability=probability)
    state: State = "answered" if probability >= engine.threshold else "unsure"
    return _filled(blank, state, value, probability, typed, candidate.citations)


def _blank(target: Due) -> Cell:
    row = target.row
    own = (row.document_id,) if row.sha256 else ()
    return Cell(row.key, target.column.name, "absent", "", 0.0, "", grids.now(), documents=own)


def _filled(
    blank: Cell,
    state: State,
    value: str,
    probability: float,
    typed: Value | None,
    citations: Sequence[Citation],
) -> Cell:
    quotes = tuple(citations[:MOST_QUOTES])
    documents = tuple(dict.fromkeys([*blank.documents, *(q.document_id for q in quotes)]))
    answered = replace(blank, state=state, value=value, probability=probability)
    return replace(answered, typed=typed, quotes=quotes, documents=documents)


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
        around = surroundings(candidate.text, candidate.citations[0], documents)
        if meant := in_column(candidate.text, kind, around):
            value, typed = meant
            return value, candidate, typed
    return None
