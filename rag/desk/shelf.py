"""Answers questions over the whole shelf: asks each document that fits, as a grid does, and lists,
counts, adds or compares what they say.

`rag.answering.shelf` reads the questions, `rag.answering.shelf_values` the values.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rag.answering.candidate import quoted
from rag.answering.catalogue import first_words, mention
from rag.answering.forms import ShelfClassifier
from rag.answering.receipts import AskedQuestion
from rag.answering.shelf import NAMED, ShelfQuestion, understand
from rag.answering.shelf_columns import ShelfColumn
from rag.answering.shelf_kinds import Kinds
from rag.answering.shelf_meaning import TopicClassifier, understand_in_other_words
from rag.answering.shelf_values import for_each, in_one_period, order, total, why_not_added
from rag.desk import grid_run
from rag.desk.grid import Cell, GridRow
from rag.desk.grid_file import GridColumn
from rag.filters import Condition, Filter, matches, of_documents
from rag.meaning.sentences import Offsets
from rag.meaning.words import DENIALS, content_words, coverage, word_set
from rag.query import Query
from rag.retrieval import RetrievalResult
from rag.structure import sentences_in
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
_LONGEST_NAME = 60
_LONGEST_COLUMN = 100
"""Characters of the names of a grid and of its columns."""
_MEANT = 0.4
"""Probability of a passage from which on its document is what a name such as "the phone" means."""
_LEAST_SAID = 2
"""Documents that must say something, or else the question is asked as any other."""


class WholeShelf:
    """Recognises questions over the whole shelf, and answers them."""

    def __init__(self, classifier: ShelfClassifier, topics: TopicClassifier | None = None) -> None:
        """`topics` reads questions in everyday words."""
        self._classifier = classifier
        self._topics = topics

    def plan(self, engine: Engine, query: Query, result: RetrievalResult) -> ShelfQuestion | None:
        """The question as a grid over the documents that pass the query's filter; None if it is
        unlikely to be one, or names no documents.
        """
        filter = query.filter or ()
        names_a_document = any(part.key == "document" and part.op == "=" for part in filter)
        if names_a_document:
            return None

        kinds = Kinds(
            _documents(engine, filter), find=lambda words: _document_about(engine, filter, words)
        )
        is_likely = self._classifier.is_likely(result.question, result.vector)
        read = understand(result.question, kinds) if is_likely else None
        if self._topics is None:
            return read
        topic = self._topics.topic(result.question, result.vector)
        return understand_in_other_words(result.question, topic, read, kinds)

    def answer(
        self, engine: Engine, asked: AskedQuestion, question: ShelfQuestion
    ) -> Answer | None:
        """The answer of the documents one by one; None if fewer than two say anything, so that the
        question is better asked as any other.
        """
        filter = asked.query.filter or ()
        listed = {document.id: document for document in _documents(engine, filter)}
        documents = [listed[name] for name in question.documents if name in listed]
        grid = GridAnswer(
            question.kind,
            question.operation,
            columns=tuple(plain(column) for column in question.columns),
            rows=(),
            definition=_definition(question, filter),
        )
        if len(documents) > AT_ONCE:
            return _refusal(asked, _too_many(question, len(documents)), grid)

        grid = replace(grid, rows=tuple(_rows(engine, asked.query, question, documents)))
        counts = grid.counts
        said = counts["counted"] + counts["other"] + counts["unsure"]
        if said < _LEAST_SAID and not counts["waiting"]:
            return None
        return _compose_answer(asked, question, grid)


def _documents(engine: Engine, filter: Filter) -> Iterator[Document]:
    """The documents that pass the filter. They are listed when the first one is taken."""
    conditions = of_documents(filter)
    for document in engine.store.documents():
        if matches(conditions, document):
            yield document


def _document_about(engine: Engine, filter: Filter, words: str) -> str | None:
    """The document of the best passage for the words, or None if it is unlikely to answer them."""
    for hit in engine.search(words, k=1, filter=filter):
        if hit.score >= _MEANT:
            return hit.passage.document_id
    return None


def _too_many(question: ShelfQuestion, number: int) -> str:
    """Why so many documents are not asked."""
    if question.columns[-1].test.kind == "title":
        return f"{number:,} documents have this kind in their names, too many to list"
    return (
        f"{number:,} documents would have to be asked one by one, more than the {AT_ONCE} that a "
        "question asks at once; ask them as a grid"
    )


def _definition(question: ShelfQuestion, filter: Filter) -> Json:
    """The definition of a grid with the same questions, as `POST /v1/grids` takes it."""
    last_question = question.columns[-1].question
    name = re.sub(r"[^\w -]+", "", last_question).strip()
    columns = []
    for column in question.columns:
        columns.append(
            {
                "name": column.question.rstrip("?")[:_LONGEST_COLUMN],
                "question": column.question,
                "type": column.type,
            }
        )
    return {
        "name": name[:_LONGEST_NAME],
        "columns": columns,
        "filter": [f"{part.key}{part.op}{part.value}" for part in filter],
    }


# Asking


_WITHOUT_MODEL = ("names", "title")
"""Tests whose columns are found in the text of a document, without a model."""


def _rows(
    engine: Engine, query: Query, question: ShelfQuestion, documents: Sequence[Document]
) -> Iterable[GridAnswerRow]:
    """A row for each document; those that are not asked before the deadline wait."""
    deadline = query.deadline
    for start in range(0, len(documents), _BATCH):
        batch = documents[start : start + _BATCH]
        is_late = deadline is not None and time.monotonic() >= deadline
        if start and is_late:
            for document in batch:
                yield GridAnswerRow(document.id, document.title, "waiting")
            continue

        cells = _cells(engine, query.filter or (), question, batch)
        for document in batch:
            yield _row(engine, question, document, cells.get(document.id, {}))


def _cells(
    engine: Engine, filter: Filter, question: ShelfQuestion, documents: Sequence[Document]
) -> Mapping[str, Mapping[str, Cell]]:
    """The cells of the documents, by document and column; a column of names needs no model, nor
    does a document that has the words of a topic. What a document does not answer is asked again
    in the column's other words.
    """
    asked_columns = {}
    to_ask = []
    for number, column in enumerate(question.columns):
        if column.test.kind in _WITHOUT_MODEL:
            continue
        name = str(number)
        asked_columns[name] = column
        for document in documents:
            if not _names_topic(engine, document, column):
                to_ask.append(
                    _due_cell(document, filter, GridColumn(name, column.question, column.type))
                )

    cells: dict[str, dict[str, Cell]] = {}
    for cell in grid_run.ask(engine, to_ask, is_lenient=True) if to_ask else ():
        cells.setdefault(cell.row, {})[cell.column] = cell

    for name, column in asked_columns.items():
        for wording in column.rewordings:
            to_ask = []
            for document in documents:
                asked = cells.get(document.id, {}).get(name)
                if asked and not _is_settled(asked, column):
                    to_ask.append(
                        _due_cell(document, filter, GridColumn(name, wording, column.type))
                    )
            for cell in grid_run.ask(engine, to_ask, is_lenient=True) if to_ask else ():
                cells[cell.row][name] = _likelier_cell(cells[cell.row][name], cell, column)
    return cells


def _due_cell(document: Document, filter: Filter, column: GridColumn) -> grid_run.Due:
    """A cell of a document, to be asked."""
    conditions = (*filter, Condition("document", "=", document.id))
    row = GridRow(document.id, document.title, conditions, document.sha256)
    return grid_run.Due(row, column, before=None)


def _names_topic(engine: Engine, listed: Document, column: ShelfColumn) -> bool:
    """Whether a document has the words of a topic, where the column asks who is silent on it."""
    if not column.test.text or column.test.kind != "unsaid":
        return False
    document = engine.store.document(listed.id)
    return document is not None and _sentence_on(column.test.text, document) is not None


def _sentence_on(topic: str, document: Document) -> Offsets | None:
    """The first sentence with the words of a topic, or None. "Insured" counts for "insurance";
    `catalogue.mention` tells them apart.
    """
    stems = content_words(topic)
    for start, end in sentences_in(document.blocks, 0, len(document.text)):
        if coverage(stems, document.text[start:end]) == 1.0:
            return start, end
    return None


def _is_answered(cell: Cell, column: ShelfColumn) -> bool:
    """Whether a cell has a value of the kind that the column measures, or a verdict that its quote
    shows.
    """
    if cell.state != "answered" or _is_of_other_kind(cell, column):
        return False
    return column.type != "yes_no" or _is_shown(cell, column)


def _is_settled(cell: Cell, column: ShelfColumn) -> bool:
    """Whether no other wording can change a cell. A no is not settled: "this lease does not end
    unless a party objects" denies one wording of renewal and affirms another.
    """
    return _is_answered(cell, column) and not _says_no(cell)


def _says_no(cell: Cell) -> bool:
    return cell.typed is not None and cell.typed.yes is False


def _likelier_cell(cell: Cell, other: Cell, column: ShelfColumn) -> Cell:
    """The one of two cells of a document that answers the column, or is likelier to; a yes in any
    wording comes before a no.
    """

    def rank(cell: Cell) -> tuple[bool, bool, bool, float]:
        is_of_kind = not _is_of_other_kind(cell, column)
        return _is_answered(cell, column), is_of_kind, not _says_no(cell), cell.probability

    return max(cell, other, key=rank)


def _row(
    engine: Engine, question: ShelfQuestion, listed: Document, cells: Mapping[str, Cell]
) -> GridAnswerRow:
    """The row of a document: of what its cells mean, the least favourable counts."""
    document = engine.store.document(listed.id)
    if document is None:
        return GridAnswerRow(listed.id, listed.title, "unreadable")

    row_cells: list[GridAnswerCell] = []
    verdicts: list[str] = []
    for number, column in enumerate(question.columns):
        asked = cells.get(str(number))
        if column.test.kind == "title":
            cell = _title(document)
            verdict = "counted"
        elif column.test.kind == "names":
            cell = _naming_cell(engine, document, column.test.text)
            verdict = "counted" if cell.citation else "other"
        elif asked is None:
            cell = _on_topic(document, column.test.text)
            verdict = "other"
        else:
            verdict = _verdict(asked, column)
            cell = _row_cell(asked, column, document, verdict)
        row_cells.append(cell)
        verdicts.append(verdict)

    outcome = min(verdicts, key=_OUTCOMES.index)
    return GridAnswerRow(document.id, document.title, outcome, tuple(row_cells))


def _row_cell(asked: Cell, column: ShelfColumn, document: Document, verdict: str) -> GridAnswerCell:
    """What a row shows of a cell with this verdict."""
    if verdict == "counted" and column.test.kind == "unsaid":
        return _unsaid(document)
    if verdict == "silent":
        says_it = asked.probability if asked.state == "absent" else 0.0
        return GridAnswerCell("absent", "", says_it)
    return _shown_cell(asked, column, document)


_EACH = re.compile(r"^[^.;,]{0,20}\beach\b", re.IGNORECASE)
"""Words after an amount that is the price of one of several things, and no fee."""
_OUTCOMES = ("unreadable", "other", "silent", "unsure", "counted")
"""What cells may mean for their document, the least favourable first."""
_MAY_SAY = 0.3
"""Probability of a verdict from which on a document may say yes or no in other words."""


def _verdict(cell: Cell, column: ShelfColumn) -> str:
    """What a cell means for its document."""
    if cell.state in ("unreadable", "unsure"):
        return cell.state
    if cell.state != "answered" or _is_of_other_kind(cell, column):
        if column.test.kind == "unsaid":
            return "counted"
        if column.type == "yes_no" and cell.probability >= _MAY_SAY:
            return "unsure"
        return "silent"

    if column.measure == "money" and any(map(_is_for_each, cell.quotes)):
        return "unsure"
    if column.type == "yes_no" and not _is_shown(cell, column):
        return "counted" if _says_no(cell) and column.test.kind == "unsaid" else "unsure"
    passes = column.test.passes(cell.typed)
    if passes is None:
        return "unsure"
    return "counted" if passes else "other"


def _is_of_other_kind(cell: Cell, column: ShelfColumn) -> bool:
    """Whether the value is of another kind than the column measures."""
    if not column.measure or cell.typed is None:
        return False
    return cell.typed.kind != column.measure


_LEAST_SHARE = 0.4
"""Share of the words asked for that a sentence needs to show a verdict."""
_ASKED = re.compile(r"^\w+ the \w+ (?P<predicate>.+)\?$")


def _is_shown(cell: Cell, column: ShelfColumn) -> bool:
    """Whether the quoted sentence has enough words of what is asked of each document; one that says
    all of it and denies nothing shows no "no".
    """
    quote = _telling_quote(cell, column)
    sentence = quote.sentence if quote else ""
    share = _share(sentence, column)
    if column.denial and not _says_no(cell) and re.search(column.denial, sentence):
        return False
    if _says_no(cell) and share == 1.0:
        return "n't" in sentence or not DENIALS.isdisjoint(word_set(sentence))
    return share >= _LEAST_SHARE


def _share(sentence: str, column: ShelfColumn) -> float:
    """The share of the words of a question to each document that a sentence has: of the wording
    that it is closest to.
    """
    shares = []
    for question in (column.question, *column.rewordings):
        match = _ASKED.match(question)
        predicate = match["predicate"] if match else question
        shares.append(coverage(content_words(predicate), sentence, default=1.0))
    return max(shares)


def _telling_quote(cell: Cell, column: ShelfColumn) -> Citation | None:
    """The quote with most of the words that are asked for: a verdict may quote a neighbour, too."""

    def share(quote: Citation) -> float:
        return _share(quote.sentence, column)

    return max(cell.quotes, key=share, default=None)


def _is_for_each(quote: Citation) -> bool:
    """Whether an amount is the price of one of several things."""
    text_after = quote.sentence[quote.end - quote.sentence_start :]
    return bool(_EACH.match(text_after))


def _shown_cell(cell: Cell, column: ShelfColumn, document: Document) -> GridAnswerCell:
    """The cell with the quote that tells most, if the document still has it there."""
    quote = cell.quotes[0] if cell.quotes else None
    if column.type == "yes_no":
        quote = _telling_quote(cell, column)

    citation = None
    if quote and document.text[quote.start : quote.end] == quote.quote:
        citation = quoted(
            document,
            quote.start,
            quote.end,
            (quote.sentence_start, quote.sentence_end),
        )
    return GridAnswerCell(
        cell.state,
        cell.value,
        cell.probability,
        typed=cell.typed,
        citation=citation,
    )


def _unsaid(document: Document) -> GridAnswerCell:
    """The cell of a document that does not say it, with the document's first words."""
    place = first_words(document)
    citation = quoted(document, place.start, place.end)
    return GridAnswerCell("absent", "", probability=0.0, citation=citation)


def _on_topic(document: Document, topic: str) -> GridAnswerCell:
    """The sentence with the words of a topic."""
    start, end = _sentence_on(topic, document) or (0, 0)
    citation = quoted(document, start, end)
    return GridAnswerCell("answered", citation.quote, probability=1.0, citation=citation)


def _title(document: Document) -> GridAnswerCell:
    """The first words of a document, which may be its title."""
    place = first_words(document)
    citation = quoted(document, place.start, place.end)
    return GridAnswerCell("answered", citation.quote, probability=1.0, citation=citation)


def _naming_cell(engine: Engine, document: Document, words: str) -> GridAnswerCell:
    """The sentence of a document with these words."""
    passages, _ = engine.store.embedded(document.id)
    place = mention(words, document, passages)
    if place is None:
        return GridAnswerCell("absent", "", probability=0.0)
    citation = quoted(document, place.start, place.end)
    return GridAnswerCell("answered", citation.quote, probability=1.0, citation=citation)


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


def _compose_answer(asked: AskedQuestion, question: ShelfQuestion, grid: GridAnswer) -> Answer:
    """The answer of a grid: what its rows come to, then their quotes."""
    outcome = _outcome(question, grid)
    if outcome.reason:
        return _refusal(asked, outcome.reason, grid)

    lead = outcome.lead
    unsure_count = grid.counts["unsure"]
    if unsure_count:
        lead = f"{lead} ({unsure_count} unsure)"
    pieces = _pieces(outcome.rows)
    text = "\n".join([lead, *map(_piece_line, pieces)])
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
        pieces=pieces,
        grid=grid,
    )


def _pieces(rows: Iterable[GridAnswerRow]) -> tuple[Piece, ...]:
    """The quotes of the last column, each under the title of its document; a document that does not
    say it is quoted with its own first words, which need no title.
    """
    pieces = []
    for row in rows:
        cell = row.cells[-1]
        if cell.citation is None:
            continue
        label = "" if cell.state == "absent" else row.title
        pieces.append(Piece(cell.citation, label=label))
    return tuple(pieces)


def _piece_line(piece: Piece) -> str:
    """A quote under the title of its document, if it has one."""
    return f"{piece.label}: {piece.text}" if piece.label else piece.text


def _refusal(asked: AskedQuestion, reason: str, grid: GridAnswer) -> Answer:
    """No answer, with the reason and the grid."""
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
    probabilities = []
    for row in grid.rows:
        for cell in row.cells:
            if cell.state == "answered":
                probabilities.append(cell.probability)
            elif cell.state == "absent":
                probabilities.append(1 - cell.probability)
    if not probabilities:
        return 0.0
    return sum(probabilities) / len(probabilities)


def _outcome(question: ShelfQuestion, grid: GridAnswer) -> _Outcome:
    """What the rows of a grid come to."""
    operation = question.operation
    counted = _rows_with("counted", grid)
    others = _rows_with("other", grid)
    total_count = len(grid.rows)
    waiting_count = grid.counts["waiting"]
    if waiting_count and operation != "list":
        reason = f"{waiting_count} of {total_count} documents were not asked before the deadline"
        return _Outcome(reason=reason)

    if operation == "all" and others:
        text = f"No. Otherwise in {len(others)} of {total_count} documents"
        return _Outcome(text, others, Value("boolean", text, yes=False))
    if not counted:
        ending = " for sure" if grid.counts["unsure"] else ""
        return _Outcome(reason=f"none of {total_count} documents says so{ending}")

    lead = f"{len(counted)} of {total_count} documents"
    match operation:
        case "list":
            return _Outcome(lead, counted)
        case "count":
            number = Value("number", lead, number=float(len(counted)), unit="document")
            return _Outcome(lead, counted, number)
        case "sum":
            return _summed(question, counted)
        case "all" | "any":
            is_sure = operation == "any" or len(counted) == total_count
            if not is_sure:
                return _Outcome(f"{lead}, and no other says otherwise", counted)
            text = f"Yes. {lead}"
            return _Outcome(text, counted, Value("boolean", text, yes=True))
    return _ordered(question, counted)


def _rows_with(outcome: str, grid: GridAnswer) -> tuple[GridAnswerRow, ...]:
    """The rows with this outcome."""
    return tuple(row for row in grid.rows if row.outcome == outcome)


def _values(question: ShelfQuestion, rows: Sequence[GridAnswerRow]) -> list[Value | None]:
    """The typed values of the last column, in the asked period; amounts that are ordered are in one
    period.
    """
    values = [row.cells[-1].typed for row in rows]
    test = question.columns[-1].test
    if test.kind == "rate":
        return [value and for_each(value, test.text) for value in values]
    if question.operation in ("most", "least"):
        return in_one_period(values)
    return values


def _summed(question: ShelfQuestion, rows: tuple[GridAnswerRow, ...]) -> _Outcome:
    """The sum of the values, if they can be added."""
    values = list(filter(None, _values(question, rows)))
    obstacle = why_not_added(values)
    if obstacle:
        return _Outcome(reason=f"no sum: {obstacle}")
    value = total(values)
    return _Outcome(f"{value.text}, the sum of {len(rows)} documents", rows, value)


def _ordered(question: ShelfQuestion, rows: tuple[GridAnswerRow, ...]) -> _Outcome:
    """The greatest, the least, or the difference of two."""
    placed = []
    for row, value in zip(rows, _values(question, rows), strict=True):
        place = order(value) if value else None
        if value and place:
            placed.append((place, row, value))

    measures = sorted({measure for (measure, _), _, _ in placed})
    if len(measures) > 1:
        names = ", ".join(measure or "a number" for measure in measures)
        return _Outcome(reason=f"no comparison: the values are in different units: {names}")
    if len(placed) < 2:
        return _Outcome(reason="no comparison: fewer than two documents state a value")

    is_greatest_first = question.operation != "least"
    placed.sort(key=lambda placed_row: placed_row[0], reverse=is_greatest_first)
    ordered = tuple(row for _, row, _ in placed)
    if question.operation == "difference":
        compared = ordered[:2]
        difference = total([value for _, _, value in placed[:2]], sign=-1)
        return _Outcome(f"{difference.text}, the difference of two documents", compared, difference)

    winning_place, _, _ = placed[0]
    winners = tuple(row for place, row, _ in placed if place == winning_place)
    lead = " and ".join(row.title for row in winners)
    quoted_rows = ordered if question.kind == NAMED else winners
    return _Outcome(lead, quoted_rows, winners[0].cells[-1].typed)
