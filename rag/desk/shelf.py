"""Answers questions over the whole shelf: asks each document that fits, as a grid does, and lists,
counts, adds or compares what they say.

`rag.answering.shelf` reads the questions, `rag.answering.shelf_values` the values.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.answering.candidate import quoted
from rag.answering.catalogue import first_words, mention
from rag.answering.forms import ShelfClassifier
from rag.answering.receipts import Asked
from rag.answering.shelf import NAMED, Kinds, ShelfColumn, ShelfQuestion, understand
from rag.answering.shelf_values import order, total, why_not_added
from rag.desk import grid_run
from rag.desk.grid import Cell, GridRow
from rag.desk.grid_file import GridColumn
from rag.filters import Condition, Filter, matches, of_documents
from rag.meaning.words import DENIALS, content_words, coverage, word_set
from rag.query import Query
from rag.retrieval import RetrievalResult
from rag.types import (
    GRID,
    Answer,
    Citation,
    Document,
    GridAnswer,
    GridAnswerCell,
    GridAnswerRow,
    Json,
    Piece,
    Value,
    plain,
)

if TYPE_CHECKING:
    from rag.engine import Engine

AT_ONCE = 50
"""Documents that a question asks at once; more are a job for a grid."""
_BATCH = 16
"""Cells that are read together; between batches the deadline is looked at."""
_LEAST_SAID = 2
"""Documents that must say something, or else the question is asked as any other."""


class WholeShelf:
    """Recognises questions over the whole shelf, and answers them."""

    def __init__(self, classifier: ShelfClassifier) -> None:
        self._classifier = classifier

    def plan(self, engine: Engine, query: Query, result: RetrievalResult) -> ShelfQuestion | None:
        """The question as a grid over the documents that pass the query's filter; None if it is
        unlikely to be one, or names no documents.
        """
        filter = query.filter or ()
        if any(part.key == "document" and part.op == "=" for part in filter):
            return None
        if not self._classifier.is_likely(result.question, result.vector):
            return None
        return understand(result.question, Kinds(_documents(engine, filter)))

    def answer(self, engine: Engine, asked: Asked, question: ShelfQuestion) -> Answer | None:
        """The answer of the documents one by one; None if fewer than two say anything, so that the
        question is better asked as any other.
        """
        filter = asked.query.filter or ()
        listed = {one.id: one for one in _documents(engine, filter)}
        documents = [listed[name] for name in question.documents if name in listed]
        definition = _definition(question, filter)
        columns = tuple(plain(column) for column in question.columns)
        if len(documents) > AT_ONCE:
            grid = GridAnswer(question.kind, question.operation, columns, (), definition)
            reason = (
                f"{len(documents):,} documents would have to be asked one by one, more than the "
                f"{AT_ONCE} that a question asks at once; ask them as a grid"
            )
            return _refused(asked, reason, grid)
        rows = tuple(_rows(engine, asked.query, question, documents))
        said = [row for row in rows if row.outcome in ("counted", "other", "unsure")]
        if len(said) < _LEAST_SAID and not any(row.outcome == "waiting" for row in rows):
            return None
        grid = GridAnswer(question.kind, question.operation, columns, rows, definition)
        return _composed(asked, question, grid, engine)


def _documents(engine: Engine, filter: Filter) -> Iterator[Document]:
    """The documents that pass the filter. They are listed when the first one is taken."""
    conditions = of_documents(filter)
    yield from (one for one in engine.store.documents() if matches(conditions, one))


def _definition(question: ShelfQuestion, filter: Filter) -> Json:
    """The definition of a grid with the same questions, as `POST /v1/grids` takes it."""
    name = re.sub(r"[^\w -]+", "", question.columns[-1].question).strip()[:60]
    columns = [
        {
            "name": column.question.rstrip("?")[:100],
            "question": column.question,
            "type": column.type,
        }
        for column in question.columns
    ]
    conditions = [f"{part.key}{part.op}{part.value}" for part in filter]
    return {"name": name, "columns": columns, "filter": conditions}


# Asking


def _rows(
    engine: Engine, query: Query, question: ShelfQuestion, documents: Sequence[Document]
) -> Iterable[GridAnswerRow]:
    """A row for each document; those that are not asked before the deadline wait."""
    deadline = query.deadline
    for start in range(0, len(documents), _BATCH):
        part = documents[start : start + _BATCH]
        if start and deadline is not None and time.monotonic() >= deadline:
            yield from (GridAnswerRow(one.id, one.title, "waiting") for one in part)
            continue
        cells = _cells(engine, query.filter or (), question, part)
        for document in part:
            yield _row(engine, question, document, cells.get(document.id, {}))


def _cells(
    engine: Engine, filter: Filter, question: ShelfQuestion, documents: Sequence[Document]
) -> Mapping[str, Mapping[str, Cell]]:
    """The cells of the documents, by document and column; a column of names needs no model."""
    to_ask = [
        grid_run.Due(
            GridRow(one.id, one.title, (*filter, Condition("document", "=", one.id)), one.sha256),
            GridColumn(str(number), column.question, column.type),
            None,
        )
        for number, column in enumerate(question.columns)
        if column.test.kind != "names"
        for one in documents
    ]
    cells: dict[str, dict[str, Cell]] = {}
    for cell in grid_run.ask(engine, to_ask, is_lenient=True) if to_ask else []:
        cells.setdefault(cell.row, {})[cell.column] = cell
    return cells


def _row(
    engine: Engine, question: ShelfQuestion, listed: Document, cells: Mapping[str, Cell]
) -> GridAnswerRow:
    document = engine.store.document(listed.id)
    if document is None:
        return GridAnswerRow(listed.id, listed.title, "unreadable")
    row_cells: list[GridAnswerCell] = []
    verdicts: list[str] = []
    for number, column in enumerate(question.columns):
        if column.test.kind == "names":
            cell = _naming(engine, document, column.test.text)
            verdict = "counted" if cell.citation else "other"
        else:
            asked = cells[str(number)]
            verdict = _verdict(asked, column)
            cell = _shown(asked, column, document)
            if verdict == "counted" and column.test.kind == "unsaid":
                cell = _unsaid(document)
            elif verdict == "silent":
                says_it = asked.probability if asked.state == "absent" else 0.0
                cell = GridAnswerCell("absent", "", says_it)
        row_cells.append(cell)
        verdicts.append(verdict)
    order_of_outcomes = ("unreadable", "other", "silent", "unsure", "counted")
    outcome = min(verdicts, key=order_of_outcomes.index)
    return GridAnswerRow(document.id, document.title, outcome, tuple(row_cells))


_EACH = re.compile(r"^[^.;,]{0,20}\beach\b", re.IGNORECASE)
"""Words after an amount that is the price of one of several things, and no fee."""
_MAY_SAY = 0.3
"""Probability of a verdict from which on a document may say yes or no in other words."""


def _verdict(cell: Cell, column: ShelfColumn) -> str:
    """What a cell means for its document."""
    if cell.state in ("unreadable", "unsure"):
        return cell.state
    is_said = cell.state == "answered"
    if is_said and column.measure and cell.typed and cell.typed.kind != column.measure:
        is_said = False
    if not is_said:
        if column.type == "yes_no" and cell.probability >= _MAY_SAY:
            return "unsure"
        return "counted" if column.test.kind == "unsaid" else "silent"
    if column.measure == "money" and any(map(_is_for_each, cell.quotes)):
        return "unsure"
    if column.type == "yes_no" and not _is_shown(cell, column):
        return "unsure"
    passes = column.test.passes(cell.typed)
    return "unsure" if passes is None else "counted" if passes else "other"


_SHARED = 0.4
"""Share of the words asked for that a sentence needs to show a verdict."""
_ASKED = re.compile(r"^\w+ the \w+ (?P<predicate>.+)\?$")


def _is_shown(cell: Cell, column: ShelfColumn) -> bool:
    """Whether the quoted sentence has enough words of what is asked of each document; one that says
    all of it and denies nothing shows no "no".
    """
    stems = _asked_stems(column)
    quote = _telling(cell, column)
    sentence = quote.sentence if quote else ""
    share = coverage(stems, sentence, empty=1.0)
    is_no = cell.typed is not None and cell.typed.yes is False
    if is_no and share == 1.0:
        return not DENIALS.isdisjoint(word_set(sentence)) or "n't" in sentence
    return share >= _SHARED


def _asked_stems(column: ShelfColumn) -> frozenset[str]:
    """The stems of what is asked of each document, without those that name it."""
    match = _ASKED.match(column.question)
    return content_words(match["predicate"] if match else column.question)


def _telling(cell: Cell, column: ShelfColumn) -> Citation | None:
    """The quote with most of the words that are asked for: a verdict may quote a neighbour, too."""
    stems = _asked_stems(column)
    return max(cell.quotes, key=lambda quote: coverage(stems, quote.sentence), default=None)


def _is_for_each(quote: Citation) -> bool:
    return bool(_EACH.match(quote.sentence[quote.end - quote.sentence_start :]))


def _shown(cell: Cell, column: ShelfColumn, document: Document) -> GridAnswerCell:
    citation = None
    quote = _telling(cell, column) if column.type == "yes_no" else next(iter(cell.quotes), None)
    if quote and document.text[quote.start : quote.end] == quote.quote:
        sentence = (quote.sentence_start, quote.sentence_end)
        citation = quoted(document, quote.start, quote.end, sentence)
    return GridAnswerCell(cell.state, cell.value, cell.probability, cell.typed, citation)


def _unsaid(document: Document) -> GridAnswerCell:
    """The cell of a document that does not say it, with the document's first words."""
    place = first_words(document)
    citation = quoted(document, place.start, place.end)
    return GridAnswerCell("absent", "", 0.0, None, citation)


def _naming(engine: Engine, document: Document, words: str) -> GridAnswerCell:
    """The sentence of a document with these words."""
    passages, _ = engine.store.embedded(document.id)
    place = mention(words, document, passages)
    if place is None:
        return GridAnswerCell("absent", "", 0.0)
    citation = quoted(document, place.start, place.end)
    return GridAnswerCell("answered", citation.quote, 1.0, None, citation)


# Composing


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the rows come to: the words before the quotes, the rows to quote, and the value; or the
    reason why they come to nothing.
    """

    lead: str = ""
    rows: tuple[GridAnswerRow, ...] = ()
    value: Value | None = None
    reason: str = ""


def _composed(asked: Asked, question: ShelfQuestion, grid: GridAnswer, engine: Engine) -> Answer:
    outcome = _outcome(question, grid)
    if outcome.reason:
        return _refused(asked, outcome.reason, grid)
    pieces = [
        Piece(cell.citation, label="" if cell.state == "absent" else row.title)
        for row in outcome.rows
        if (cell := row.cells[-1]).citation
    ]
    lines = [f"{piece.label}: {piece.text}" if piece.label else piece.text for piece in pieces]
    count = grid.counts["unsure"]
    lead = f"{outcome.lead} ({count} unsure)" if count else outcome.lead
    text = "\n".join([lead, *lines])
    citations = tuple(piece.citation for piece in pieces)
    return Answer(
        question=asked.question,
        understood=asked.understood,
        text=text,
        confidence=_confidence(grid),
        citations=citations,
        alternatives=(),
        hits=(),
        abstention_reason=None,
        timings=asked.timings,
        value=outcome.value,
        receipt=asked.receipt(text, citations, (row.document_id for row in grid.rows)),
        documents=len(outcome.rows),
        form=GRID,
        pieces=tuple(pieces),
        grid=grid,
    )


def _refused(asked: Asked, reason: str, grid: GridAnswer) -> Answer:
    return Answer(
        question=asked.question,
        understood=asked.understood,
        text=None,
        confidence=0.0,
        citations=(),
        alternatives=(),
        hits=(),
        abstention_reason=reason,
        timings=asked.timings,
        receipt=asked.receipt(None, (), (row.document_id for row in grid.rows)),
        form=GRID,
        grid=grid,
    )


def _confidence(grid: GridAnswer) -> float:
    """The mean probability that what is said of a document is right."""
    probabilities = [
        1 - cell.probability if cell.state == "absent" else cell.probability
        for row in grid.rows
        for cell in row.cells
        if cell.state in ("answered", "absent")
    ]
    return sum(probabilities) / len(probabilities) if probabilities else 0.0


def _outcome(question: ShelfQuestion, grid: GridAnswer) -> _Outcome:
    counted = tuple(row for row in grid.rows if row.outcome == "counted")
    others = tuple(row for row in grid.rows if row.outcome == "other")
    waiting = grid.counts["waiting"]
    if waiting and question.operation != "list":
        reason = f"{waiting} of {len(grid.rows)} documents were not asked before the deadline"
        return _Outcome(reason=reason)
    if question.operation == "all" and others:
        text = f"No. Otherwise in {len(others)} of {len(grid.rows)} documents"
        return _Outcome(text, others, Value("boolean", text, yes=False))
    if not counted:
        surely = " for sure" if grid.counts["unsure"] else ""
        return _Outcome(reason=f"none of {len(grid.rows)} documents says so{surely}")
    if question.operation in ("list", "count"):
        lead = f"{len(counted)} of {len(grid.rows)} documents"
        number = Value("number", lead, number=float(len(counted)), unit="document")
        return _Outcome(lead, counted, number if question.operation == "count" else None)
    if question.operation in ("all", "any"):
        is_sure = question.operation == "any" or len(counted) == len(grid.rows)
        lead = f"{len(counted)} of {len(grid.rows)} documents"
        text = f"Yes. {lead}" if is_sure else f"{lead}, and no other says otherwise"
        return _Outcome(text, counted, Value("boolean", text, yes=True) if is_sure else None)
    return (
        _summed(question, counted) if question.operation == "sum" else _ordered(question, counted)
    )


def _values(rows: Sequence[GridAnswerRow]) -> list[Value]:
    return [value for row in rows if (value := row.cells[-1].typed)]


def _summed(question: ShelfQuestion, rows: tuple[GridAnswerRow, ...]) -> _Outcome:
    values = _values(rows)
    if why := why_not_added(values):
        return _Outcome(reason=f"no sum: {why}")
    value = total(values)
    return _Outcome(f"{value.text}, the sum of {len(rows)} documents", rows, value)


def _ordered(question: ShelfQuestion, rows: tuple[GridAnswerRow, ...]) -> _Outcome:
    """The greatest, the least, or the difference of two."""
    placed = [(place, row) for row in rows if (v := row.cells[-1].typed) and (place := order(v))]

    measures = sorted({place[0] for place, _ in placed})
    if len(measures) > 1:
        named = ", ".join(measure or "a number" for measure in measures)
        return _Outcome(reason=f"no comparison: the values are in different units: {named}")

    if len(placed) < 2:
        return _Outcome(reason="no comparison: fewer than two documents state a value")

    ranked = sorted(placed, key=lambda one: one[0], reverse=question.operation != "least")
    ordered = tuple(row for _, row in ranked)

    if question.operation == "difference":
        values = _values(ordered[:2])
        value = total(values, sign=-1)
        return _Outcome(f"{value.text}, the difference of two documents", ordered[:2], value)

    winners = tuple(row for place, row in ranked if place == ranked[0][0])
    lead = " and ".join(row.title for row in winners)
    quoted_rows = ordered if question.kind == NAMED else winners
    return _Outcome(lead, quoted_rows, winners[0].cells[-1].typed)
