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
from rag.desk.grid import Cell, CellState, Grid, GridRow
from rag.desk.grid_file import GridColumn
from rag.errors import RagError
from rag.meaning.vectors import TextVectors
from rag.models.registry import EMBEDDER
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

OnCellsDone = Callable[[int, int], object]
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


def due_cells(grid: Grid) -> list[Due]:
    """The cells to ask: new, changed, and all of several documents."""
    to_ask = []
    for row, column, cell in grid.every_cell():
        is_unchanged = (
            cell is not None
            and bool(row.sha256)
            and cell.digest == grids.digest(column, row.sha256)
        )
        if not is_unchanged:
            to_ask.append(Due(row, column, cell))
    return to_ask


def run(engine: Engine, name: str, on_progress: OnCellsDone = lambda *_: None) -> int:
    """Ask what is due. Returns the number of cells asked. Raises NotFoundError, StoreError."""
    asked_count = 0
    for finished, total, count in in_batches(engine, name):
        asked_count += count
        on_progress(finished, total)
    return asked_count


def in_batches(engine: Engine, name: str, batch: int = BATCH) -> Iterator[tuple[int, int, int]]:
    """Run a grid, and yield (cells done, cells to ask, cells read) after each batch."""
    waiting = due_cells(grids.load(engine.store, name))
    finished = 0
    for part in _batches(waiting, batch):
        cells = ask(engine, part)
        engine.store.put_cells(name, [cell.to_row() for cell in cells])
        finished += len(part)
        yield finished, len(waiting), len(cells)

    grid = grids.load(engine.store, name)
    is_complete = not grid.counts["waiting"]
    if is_complete and not grid.finished:
        grids.mark(engine.store, name, finished=grids.now())


def _batches(waiting: Sequence[Due], most: int) -> Iterator[list[Due]]:
    """Whole rows, at most so many cells at once, or one longer row: what the other columns of a row
    ask tells what a value is not about.
    """
    batch: list[Due] = []
    for _, group in groupby(waiting, key=lambda target: target.row.key):
        row_cells = list(group)
        if batch and len(batch) + len(row_cells) > most:
            yield batch
            batch = []
        batch += row_cells
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
            is_standing = grids.spec_of(store, name).refresh == "on_sync"
            if not is_standing:
                continue
            waiting = due_cells(grids.load(store, name))
            if not any(has_changed or target.has_changed for target in waiting):
                continue
            run(engine(), name)
            changes = grids.load(store, name).changes()
            yield Refreshed(name, len(changes))
        except RagError as error:
            yield Refreshed(name, 0, error.message)


@dataclass(frozen=True, slots=True)
class _AskedCell:
    """A cell that is asked, with its query, what was found, and the digest of the evidence."""

    target: Due
    query: Query
    found: Found
    digest: str

    @property
    def has_changed(self) -> bool:
        """Whether the evidence is not that of the last answer."""
        before = self.target.before
        return before is None or before.digest != self.digest


def ask(engine: Engine, part: Sequence[Due], is_lenient: bool = False) -> list[Cell]:
    """Ask cells together. Those whose evidence is unchanged are left out.

    For a cell of one document the small reader reads a few passages, and the large one reads those
    of the cells that it does not decide. If it `is_lenient`, yes and yes on a condition are one
    verdict. A cell of several documents is asked like a single question.
    """
    questions = queries(part)
    changed = []
    for target, query, found in zip(part, questions, engine.find_many(questions), strict=True):
        digest = _digest(target, found.retrieved)
        evidence = with_nearest_passages(found) if target.row.sha256 else found
        asked = _AskedCell(target, query, evidence, digest)
        if asked.has_changed:
            changed.append(asked)

    of_one_document = [asked for asked in changed if asked.target.row.sha256]
    of_several = [asked for asked in changed if not asked.target.row.sha256]
    answers = engine.answer_many(
        [asked.query for asked in of_several], [asked.found for asked in of_several], {}
    )
    best_values = iter(_judged_values(engine, of_one_document, is_lenient))
    answers_of_several = iter(answers)
    cells = []
    for asked in changed:
        if asked.target.row.sha256:
            value = next(best_values)
            answered = _of_document(engine, asked.target, asked.found, value)
        else:
            answer = next(answers_of_several)
            answered = cell(engine, asked.target, answer, asked.found)
        cells.append(_version(replace(answered, digest=asked.digest), asked.target))
    return cells


def _judged_values(
    engine: Engine, cells: Sequence[_AskedCell], is_lenient: bool
) -> list[CellValue | None]:
    """The likeliest value of each of these cells of one document."""
    judge = _judge(engine)
    vectors_of = TextVectors(engine.retriever.embedder.embed_passages)
    rows = _rows(cells)
    sources: dict[str, CellDocument] = {}
    for key, numbers in rows.items():
        document = cells[numbers[0]].found.retrieved.documents.get(key)
        if document:
            sources[key] = CellDocument(document, vectors_of)

    readings: dict[int, CellReading] = {}
    best_values: list[CellValue | None] = [None] * len(cells)
    undecided = [n for n, asked in enumerate(cells) if asked.target.row.key in sources]
    stages = [engine.quick, engine] if engine.quick else [engine]
    for stage in stages:
        kinds = []
        to_read = []
        for n in undecided:
            asked = cells[n]
            kinds.append(asked.target.column.type)
            to_read.append((asked.query, asked.found, sources[asked.target.row.key]))
        readings |= zip(undecided, read(stage, kinds, to_read), strict=True)

        for numbers in rows.values():
            row_readings = [readings[n] for n in numbers if n in readings]
            positions = [position for position, n in enumerate(numbers) if n in undecided]
            values = judge.best(row_readings, positions, vectors_of, is_lenient)
            for position, value in zip(positions, values, strict=True):
                best_values[numbers[position]] = value
        undecided = [n for n in undecided if _is_undecided(judge, best_values[n])]
    return best_values


def _is_undecided(judge: CellJudge, value: CellValue | None) -> bool:
    """Whether the large reader, too, reads a cell with this value."""
    return value is not None and not judge.is_decided(value)


def _judge(engine: Engine) -> CellJudge:
    """The judge of cells, which was measured with the default embedder. With another one, the judge
    of answers decides, from a lower probability on, since only one document is asked.
    """
    if engine.retriever.embedder.name == EMBEDDER:
        return cell_judge.shipped()
    threshold = min(engine.threshold, UNLIKELY)
    return CellJudge(
        model=Logistic({"log_odds": 1.0}, bias=0.0),
        answered_from=threshold,
        unsure_from=threshold,
        undecided=(threshold, engine.threshold),
    )


def read(
    stage: Engine, kinds: Sequence[str], asked: Sequence[tuple[Query, Found, CellDocument]]
) -> list[CellReading]:
    """What a stage of the engine reads for cells with these types, together."""
    queries = [query for query, _, _ in asked]
    evidence = [found for _, found, _ in asked]
    ranked = stage.rank_many(queries, evidence)
    readings = []
    for kind, (_, found, source), (reading, candidates) in zip(kinds, asked, ranked, strict=True):
        question = found.retrieved.question
        vector = found.retrieved.vector
        proposed = source.candidates(question, vector, kind)
        probabilities = stage.judge.probabilities(proposed, reading)
        readings.append(
            CellReading(
                question=question,
                vector=vector,
                kind=kind,
                source=source,
                reading=reading,
                ranked=[*candidates, *map(Ranked, proposed, probabilities)],
                proposed=proposed,
            )
        )
    return readings


def _rows(cells: Sequence[_AskedCell]) -> dict[str, list[int]]:
    """The numbers of the cells, by document."""
    by_document: dict[str, list[int]] = {}
    for number, asked in enumerate(cells):
        by_document.setdefault(asked.target.row.key, []).append(number)
    return by_document


def queries(part: Sequence[Due]) -> list[Query]:
    """The questions of cells."""
    questions = []
    for target in part:
        form = _FORMS.get(target.column.type, "")
        query = Query(target.column.question, None, target.row.filter or None, form=form)
        questions.append(query)
    return questions


def with_nearest_passages(found: Found) -> Found:
    """What was found, with the passages that are read for a cell of one document."""
    retrieved = replace(found.retrieved, hits=found.hits[:READS])
    return replace(found, retrieved=retrieved)


def _digest(target: Due, result: RetrievalResult) -> str:
    """The digest of the document as it was read, or of all passages that were found."""
    if target.row.sha256:
        document = result.documents.get(target.row.key)
        sha256 = document.sha256 if document else target.row.sha256
        return grids.digest(target.column, sha256)

    places = []
    for hit in result.hits:
        passage = hit.passage
        places.append(f"{passage.document_id} {passage.start} {passage.text}")
    return grids.digest(target.column, *places)


def _version(answered: Cell, target: Due) -> Cell:
    """The new version of a cell; one that says the same replaces the last and keeps its rating."""
    before = target.before
    if before is None or not answered.same_value(before):
        return answered
    return replace(answered, at=before.at, rating=before.rating, number=before.number)


def _of_document(engine: Engine, target: Due, found: Found, best: CellValue | None) -> Cell:
    """The cell of one document, without its digest."""
    blank = _empty_cell(target)
    if not found.hits:
        document = engine.store.document(target.row.key)
        is_readable = document is not None and document.text.strip() != ""
        return blank if is_readable else replace(blank, state="unreadable")
    if best is None:
        return blank

    judge = _judge(engine)
    threshold = engine.settings.threshold
    answered_from = judge.answered_from if threshold < 0 else threshold
    unsure_from = min(answered_from, judge.unsure_from)
    if best.probability < unsure_from:
        return replace(blank, probability=best.probability)
    return _filled_cell(
        blank,
        state="answered" if best.probability >= answered_from else "unsure",
        value=best.text,
        probability=best.probability,
        typed=best.typed,
        citations=best.citations,
    )


def cell(engine: Engine, target: Due, answer: Answer, found: Found) -> Cell:
    """The cell of an answer from several documents, without its digest."""
    blank = _empty_cell(target)
    best = _likeliest_value(answer, target.column.type, found.retrieved.documents)
    if best is None:
        return blank

    value, candidate, typed = best
    probability = candidate.confidence
    if probability < min(engine.threshold, UNLIKELY):
        return replace(blank, probability=probability)
    return _filled_cell(
        blank,
        state="answered" if probability >= engine.threshold else "unsure",
        value=value,
        probability=probability,
        typed=typed,
        citations=candidate.citations,
    )


def _empty_cell(target: Due) -> Cell:
    """The cell as if its document said nothing."""
    row = target.row
    return Cell(
        row.key,
        target.column.name,
        state="absent",
        value="",
        probability=0.0,
        digest="",
        at=grids.now(),
        documents=(row.document_id,) if row.sha256 else (),
    )


def _filled_cell(
    blank: Cell,
    state: CellState,
    value: str,
    probability: float,
    typed: Value | None,
    citations: Sequence[Citation],
) -> Cell:
    """A cell with a value and its first quotes, and the documents that they are from."""
    quotes = tuple(citations[:MOST_QUOTES])
    quoted_documents = [quote.document_id for quote in quotes]
    return replace(
        blank,
        state=state,
        value=value,
        probability=probability,
        typed=typed,
        quotes=quotes,
        documents=tuple(dict.fromkeys([*blank.documents, *quoted_documents])),
    )


def _likeliest_value(
    answer: Answer, kind: str, documents: Mapping[str, Document]
) -> tuple[str, Alternative, Value | None] | None:
    """(value, candidate, typed value) of the likeliest candidate with a value of this type."""
    candidates = list(answer.alternatives)
    if answer.text:
        own = Alternative(
            answer.text,
            answer.confidence,
            answer.citations,
            verdict=answer.verdict,
        )
        candidates.insert(0, own)

    for candidate in candidates:
        if not candidate.citations:
            continue
        around = surroundings(candidate.text, candidate.citations[0], documents)
        meaning = in_column(candidate.text, candidate.verdict, kind, around)
        if meaning:
            value, typed = meaning
            return value, candidate, typed
    return None
