"""A grid as stored: the same questions to every document, to groups of them and to the whole index,
with their cells, what changed, and ratings.

`rag.desk.grid_run` asks the questions, and again after a sync.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, cast

from rag.desk.grid_file import BY_METADATA, GridColumn, GridSpec, definition
from rag.errors import InputError, NotFoundError
from rag.filters import Condition, Filter, check_keys, filter_text, matches, of_documents, parse
from rag.meaning.values import addition, typed_value
from rag.protocols import CellRow, Store
from rag.types import Citation, Document, Json, Value, plain

CellState = Literal["answered", "unsure", "absent", "unreadable"]
VERDICTS = ("confirmed", "corrected", "rejected")
STATE_NAMES = {
    "answered": "answered",
    "unsure": "unsure",
    "absent": "not in the document",
    "unreadable": "unreadable",
    "waiting": "not asked yet",
    **{verdict: verdict for verdict in VERDICTS},
}
"""The states of cells for people; a person's rating takes the place of the state."""
WITHDRAWN = "withdrawn"
"""Given in place of a verdict, this removes a cell's rating."""
ALL = "*"
"""Key of the row that asks the whole index."""
_LONGEST_CORRECTION = 10_000
_PLACE = ("row", "number", "documents")
"""Fields of a cell that its record and its JSON leave out."""
_DAMAGED = (InputError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""Errors of a stored definition or cell that cannot be read."""


@dataclass(frozen=True, slots=True)
class Rating:
    """A person's rating of a cell: one of `VERDICTS`; `value` is the right one if corrected."""

    verdict: str
    at: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """An answer to one column's question from one row's documents.

    `value` has the document's words, or "yes", "no" or "on a condition"; of an unsure cell it is
    the best guess. `typed` is what they mean, in a column with a type. `probability`, in [0, 1], is
    that of the best candidate, even if it is absent. `documents` are the ids that it depends on;
    `digest` changes with the question and with what was read; `at` is when the value was first
    seen.
    """

    row: str
    column: str
    state: CellState
    value: str
    probability: float
    digest: str
    at: str
    typed: Value | None = None
    quotes: tuple[Citation, ...] = ()
    documents: tuple[str, ...] = ()
    rating: Rating | None = None
    number: int = 0

    @property
    def shown(self) -> str:
        """The value that counts, after a person has rated it."""
        if self.rating and self.rating.verdict != "confirmed":
            return self.rating.value
        return self.value

    @property
    def standing(self) -> str:
        """The person's verdict, or without one the state."""
        return self.rating.verdict if self.rating else self.state

    def value_in(self, kind: str) -> Value | None:
        """The typed value that counts in a column of this type, after a person has rated it."""
        if self.rating and self.rating.verdict != "confirmed":
            return typed_value(self.rating.value, kind)
        return self.typed

    def same_value(self, another: Cell) -> bool:
        """Whether both say the same."""
        if self.state != another.state:
            return False
        if self.typed and another.typed:
            return replace(self.typed, text="") == replace(another.typed, text="")
        return self.value == another.value

    def to_dict(self) -> Json:
        """The cell as JSON; of its quotes what a grid keeps."""
        return {
            "row": self.row,
            "column": self.column,
            "state": self.state,
            "value": self.value,
            "probability": self.probability,
            "digest": self.digest,
            "at": self.at,
            "typed": plain(self.typed),
            "quotes": [_quote_dict(quote) for quote in self.quotes],
            "documents": list(self.documents),
            "rating": plain(self.rating),
            "number": self.number,
        }

    def to_row(self) -> CellRow:
        """The cell as it is stored: its record names a quote's document by the index in
        `documents`.
        """
        left_out = (*_PLACE, "column")
        record = {key: value for key, value in self.to_dict().items() if key not in left_out}
        for quote in record["quotes"]:
            quote["document_id"] = self.documents.index(quote["document_id"])

        return CellRow(
            row=self.row,
            column=self.column,
            documents=self.documents,
            record=json.dumps(record),
            number=self.number,
        )

    @classmethod
    def of(cls, row: CellRow) -> Cell | str | None:
        """The cell, the time at which its document was deleted, or None for a damaged record."""
        try:
            record = json.loads(row.record)
            if isinstance(record, str):
                return record

            quotes = [_quote(quote, row.documents) for quote in record["quotes"]]
            record["quotes"] = tuple(quotes)
            record["typed"] = Value(**record["typed"]) if record["typed"] else None
            record["rating"] = Rating(**record["rating"]) if record["rating"] else None
            return cls(
                row=row.row,
                column=row.column,
                documents=row.documents,
                number=row.number,
                **record,
            )
        except _DAMAGED:
            return None


def _quote_dict(quote: Citation) -> Json:
    """What a grid keeps of a quote: not its document's file, day and copies."""
    return {
        "document_id": quote.document_id,
        "sha256": quote.sha256,
        "title": quote.title,
        "start": quote.start,
        "end": quote.end,
        "text": quote.quote,
        "sentence_start": quote.sentence_start,
        "sentence_end": quote.sentence_end,
        "sentence": quote.sentence,
        "page": quote.page,
        "headings": list(quote.headings),
    }


def _quote(record: Json, documents: Sequence[str]) -> Citation:
    """The quote of a stored record. Its document's file, day and copies are not stored."""
    return Citation(
        document_id=documents[record["document_id"]],
        title=record["title"],
        headings=tuple(record["headings"]),
        source="",
        sha256=record["sha256"],
        start=record["start"],
        end=record["end"],
        quote=record["text"],
        sentence_start=record["sentence_start"],
        sentence_end=record["sentence_end"],
        sentence=record["sentence"],
        page=record["page"],
    )


@dataclass(frozen=True, slots=True)
class GridRow:
    """A row: the documents that match `filter`. `key` is a document's id, a folder, a value of the
    metadata, or `ALL`; `sha256` is the document's, or "" for several documents.
    """

    key: str
    title: str
    filter: Filter
    sha256: str = ""

    @property
    def document_id(self) -> str:
        return self.key if self.sha256 else ""

    @property
    def name(self) -> str:
        """For people: the document's id, or the title of several documents."""
        return self.key if self.sha256 else self.title


@dataclass(frozen=True, slots=True)
class Change:
    """A changed answer or a new row; `document_id` caused it, if only one can have."""

    row: str
    column: str
    at: str
    before: Cell | None
    after: Cell | None
    document_id: str
    reason: str


@dataclass(frozen=True)
class Grid:
    """A grid with the cells that were answered so far, by row and column.

    `finished` is the time at which all cells were first answered, "" before; `looked` is the time
    up to which somebody has seen the changes.
    """

    spec: GridSpec
    rows: Sequence[GridRow]
    cells: Mapping[tuple[str, str], Cell]
    finished: str = ""
    looked: str = ""
    versions: Sequence[tuple[CellRow, Cell | str]] = field(default=(), repr=False)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many cells are in each state, or were rated; "waiting" ones were not asked yet."""
        standings = Counter(_standing_of(cell) for *_, cell in self.every_cell())
        return {name: standings[name] for name in STATE_NAMES}

    def every_cell(self) -> Iterator[tuple[GridRow, GridColumn, Cell | None]]:
        """All cells, row by row; None for one that waits."""
        for row in self.rows:
            for column, cell in zip(self.spec.columns, self.cells_of(row), strict=True):
                yield row, column, cell

    def cells_of(self, row: GridRow) -> list[Cell | None]:
        """The row's cells in the order of columns; None for one that waits."""
        return [self.cells.get((row.key, column.name)) for column in self.spec.columns]

    def narrowed(self, state: str = "", value: str = "") -> Grid:
        """The grid with the rows that have a cell in this state, or with this rating, whose value
        contains these words; "" means any. Raises InputError for an unknown state.
        """
        if state and state not in STATE_NAMES:
            raise InputError(f"{state[:100]!r} is no state", f"choose: {', '.join(STATE_NAMES)}")
        if not state and not value:
            return self

        words = value.casefold()
        kept_keys = set()
        for row, _, cell in self.every_cell():
            cell_words = cell.shown.casefold() if cell else ""
            is_in_state = state in ("", _standing_of(cell))
            if is_in_state and words in cell_words:
                kept_keys.add(row.key)
        return replace(self, rows=[row for row in self.rows if row.key in kept_keys])

    def cell(self, row: str, column: str) -> Cell:
        """The answered cell. Raises NotFoundError, InputError."""
        cell = self.cells.get((row, self.spec.column(column).name))
        if cell is None:
            hint = f"show its rows with: rag grid show {shlex.quote(self.spec.name)}"
            raise NotFoundError(f"grid {self.spec.name} has no answer for {row[:200]!r}", hint)
        return cell

    def to_dict(self, offset: int = 0, limit: int | None = None) -> dict[str, Any]:
        """Plain JSON values: definition, counts, and `limit` rows from `offset` on."""
        rows = []
        for row in self.rows[offset:][:limit]:
            cells = []
            for column, cell in zip(self.spec.columns, self.cells_of(row), strict=True):
                cells.append(cell_dict(cell, column))
            rows.append({"row": row.key, "title": row.title, "cells": cells})
        return {
            "name": self.spec.name,
            "definition": plain(self.spec),
            "finished": self.finished,
            "counts": self.counts,
            "rows": rows,
        }

    def changes(self, since: str = "") -> list[Change]:
        """The changes after `since` (UTC), by default `looked`; first answers do not count."""
        start = since or self.looked or self.finished
        latest: dict[tuple[str, str], Cell | str] = {}
        changes: list[Change] = []
        for row, version in self.versions:
            key = (row.row, row.column)
            time = version if isinstance(version, str) else version.at
            is_first = key not in latest
            is_late = bool(self.finished) and time > self.finished
            if time > start and (is_late or not is_first):
                changes.append(_change(row, latest.get(key), version, time))
            latest[key] = version

        row_keys = {row.key for row in self.rows}
        return list(_one_per_removed_row(changes, row_keys))


def _standing_of(cell: Cell | None) -> str:
    """The state of a cell, or a person's rating of it; "waiting" if it was not asked yet."""
    return cell.standing if cell else "waiting"


def _change(row: CellRow, before: Cell | str | None, after: Cell | str, time: str) -> Change:
    """The change between two versions of a cell; one that was deleted is the time of that."""
    if isinstance(after, str):
        return Change(
            row=row.row,
            column=row.column,
            at=time,
            before=None,
            after=None,
            document_id=row.documents[0],
            reason="document deleted",
        )

    cell_before = before if isinstance(before, Cell) else None
    if cell_before:
        document_id = _cause(cell_before, after)
        reason = "document changed"
    else:
        causes = [quote.document_id for quote in after.quotes] or list(after.documents)
        document_id = causes[0] if causes else ""
        reason = "document deleted" if before else "new row"
    return Change(
        row=row.row,
        column=row.column,
        at=time,
        before=cell_before,
        after=after,
        document_id=document_id,
        reason=reason,
    )


def _cause(before: Cell, after: Cell) -> str:
    """The id of the document that probably caused the change: the first that is quoted in another
    version, or else the first that is quoted at all. Without quotes, the first document of the
    cell now, or else of the cell before; "" without any.
    """
    digests = {quote.document_id: quote.sha256 for quote in before.quotes}
    quoted = []
    in_another_version = []
    for quote in after.quotes:
        quoted.append(quote.document_id)
        if digests.get(quote.document_id) != quote.sha256:
            in_another_version.append(quote.document_id)
    causes = in_another_version or quoted or after.documents or before.documents
    return causes[0] if causes else ""


def _one_per_removed_row(changes: Sequence[Change], row_keys: set[str]) -> Iterator[Change]:
    """Without withdrawn versions of cells answered again; one change for each deleted row."""
    latest = {(change.row, change.column): change for change in changes}
    removed: set[str] = set()
    for change in changes:
        if change.after is not None:
            yield change
            continue

        is_answered_again = latest[change.row, change.column] is not change
        is_row = change.row not in row_keys
        is_known = is_row and change.row in removed
        if is_answered_again or is_known:
            continue
        removed.add(change.row)
        yield replace(change, column="") if is_row else change


def cell_dict(cell: Cell | None, column: GridColumn) -> dict[str, Any]:
    """A cell as plain JSON values. `shown` is the value that counts, and `addition` what its typed
    value says beyond these words.
    """
    if cell is None:
        return {"column": column.name, "state": "waiting"}
    fields = {name: value for name, value in cell.to_dict().items() if name not in _PLACE}
    fields["shown"] = cell.shown
    fields["addition"] = addition(cell.value_in(column.type), cell.shown)
    return fields


def now() -> str:
    """The time in UTC, to the millisecond."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    return time.replace("+00:00", "Z")


def rows_of(spec: GridSpec, documents: Sequence[Document]) -> list[GridRow]:
    """The rows of a grid. Raises InputError if no document matches its filter, or has a key that
    the filter or the rows name.
    """
    conditions = parse(spec.filter)
    if documents:
        _check_keys(spec, conditions, documents)

    of_document = of_documents(conditions)
    matching = [document for document in documents if matches(of_document, document)]
    if not matching and spec.rows != "none":
        described = filter_text(conditions) or "the grid: the index is empty"
        raise InputError(f"no document matches {described}", "see them with: rag list")

    rows = list(_groups(spec.rows, conditions, matching))
    if spec.all_documents:
        rows.append(GridRow(ALL, "all documents", ()))
    return rows


def _check_keys(spec: GridSpec, conditions: Filter, documents: Sequence[Document]) -> None:
    """Raises InputError for a key of the filter, or of the rows, that no document has."""
    named = list(conditions)
    if spec.rows.startswith(BY_METADATA):
        named.append(Condition(spec.rows.removeprefix(BY_METADATA), "=", ""))
    keys = frozenset(key for document in documents for key in document.metadata)
    check_keys(tuple(named), lambda: keys)


def _groups(rows: str, filter: Filter, documents: Sequence[Document]) -> Iterator[GridRow]:
    """The rows for the documents: one by one, by folder, or by a key of their metadata."""
    if rows == "documents":
        for document in documents:
            conditions = (*filter, Condition("document", "=", document.id))
            yield GridRow(document.id, document.title, conditions, document.sha256)
    elif rows == "folders":
        folders = {document.id.rpartition("/")[0] for document in documents}
        for folder in sorted(folders - {""}):
            yield GridRow(folder, folder, (*filter, Condition("source", "=", folder)))
    elif rows.startswith(BY_METADATA):
        key = rows.removeprefix(BY_METADATA)
        values: set[str] = set()
        for document in documents:
            values.update(document.metadata.get(key, "").split(", "))
        for value in sorted(values - {""}):
            yield GridRow(value, value, (*filter, Condition(key, "=", value)))


def digest(column: GridColumn, *evidence: str) -> str:
    """A digest that changes with the question, its type and the text that was read."""
    content = json.dumps([column.question, column.type, *evidence])
    return hashlib.sha256(content.encode()).hexdigest()


def load(store: Store, name: str) -> Grid:
    """The grid with its cells. A filter that matches nothing any more leaves it without rows.
    Raises NotFoundError, and InputError if its stored definition cannot be read.
    """
    versions = []
    for row in store.cells(name):
        cell = Cell.of(row)
        if cell is not None:
            versions.append((row, cell))
    return _grid(store, name, store.documents(), versions)


def summaries(store: Store) -> list[Grid]:
    """All grids, for a list: cells have a state and a time, and nothing else. Raises InputError."""
    documents = store.documents()
    grids = []
    for name in store.grids():
        versions = [_brief(*state) for state in store.cell_states(name)]
        grids.append(_grid(store, name, documents, versions))
    return grids


def _brief(row: str, column: str, state: str, at: str) -> tuple[CellRow, Cell | str]:
    """A cell with its state and its time alone; without a state it was deleted at that time."""
    stored = CellRow(row, column, ("",), "")
    if not state:
        return stored, at
    rating = Rating(state, at) if state in VERDICTS else None
    known_state = cast(CellState, "answered" if rating else state)
    cell = Cell(
        row,
        column,
        state=known_state,
        value="",
        probability=0.0,
        digest="",
        at=at,
        rating=rating,
    )
    return stored, cell


def _grid(
    store: Store,
    name: str,
    documents: Sequence[Document],
    versions: Sequence[tuple[CellRow, Cell | str]],
) -> Grid:
    """The grid with the latest of its versions as cells."""
    record, spec = _record(store, name)
    try:
        rows = rows_of(spec, documents)
    except InputError:
        rows = []

    latest = {(row.row, row.column): version for row, version in versions}
    return Grid(
        spec,
        rows,
        cells={key: cell for key, cell in latest.items() if isinstance(cell, Cell)},
        finished=record["finished"],
        looked=record["looked"],
        versions=versions,
    )


def spec_of(store: Store, name: str) -> GridSpec:
    """The grid's definition. Raises NotFoundError, InputError."""
    _, spec = _record(store, name)
    return spec


def save(store: Store, spec: GridSpec) -> None:
    """Keep a definition; the answers of a grid of the same name stay."""
    record: dict[str, Any] = {"finished": "", "looked": ""}
    if spec.name in store.grids():
        with suppress(InputError):  # what cannot be read is replaced
            record, _ = _record(store, spec.name)
    _put(store, spec.name, {**record, "definition": plain(spec)})


def mark(store: Store, name: str, **times: str) -> None:
    """Set `finished` or `looked`."""
    record, _ = _record(store, name)
    _put(store, name, record | times)


def delete(store: Store, name: str) -> None:
    """Delete a grid with its cells. Raises NotFoundError."""
    if not store.delete_grid(name):
        raise _unknown_grid(store, name)


def rate(store: Store, name: str, row: str, column: str, verdict: str, value: str = "") -> Cell:
    """Keep a rating of a cell, or remove it with `WITHDRAWN`. Raises NotFoundError, InputError."""
    if verdict not in (*VERDICTS, WITHDRAWN):
        hint = f"choose: {', '.join((*VERDICTS, WITHDRAWN))}"
        raise InputError(f"{verdict[:100]!r} is not a rating", hint)

    right_value = value.strip()
    needs_value = verdict == "corrected"
    has_value = right_value != ""
    if needs_value != has_value or len(value) > _LONGEST_CORRECTION:
        hint = f"give one of at most {_LONGEST_CORRECTION:,} characters"
        raise InputError("a correction needs the right value", hint)

    cell = load(store, name).cell(row, column)
    rating = None if verdict == WITHDRAWN else Rating(verdict, now(), right_value)
    rated = replace(cell, rating=rating)
    is_stored = store.put_cells(name, [rated.to_row()])
    if not is_stored:
        raise NotFoundError(f"the document of {row[:200]!r} was deleted", "ask again")
    return rated


def _record(store: Store, name: str) -> tuple[dict[str, Any], GridSpec]:
    """The stored record of a grid, and its definition. Raises NotFoundError, InputError."""
    stored = store.grids().get(name)
    if stored is None:
        raise _unknown_grid(store, name)
    try:
        record = {"finished": "", "looked": "", **json.loads(stored)}
        return record, definition(record["definition"], f"grid {name}")
    except _DAMAGED as error:
        hint = f"run its file again, or delete it: rag grid delete {shlex.quote(name)}"
        raise InputError(f"the stored definition of grid {name} is damaged", hint) from error


def _unknown_grid(store: Store, name: str) -> NotFoundError:
    """The error for a grid that does not exist, with the names of those that do."""
    hint = "make one with: rag grid run FILE.toml"
    names = ", ".join(store.grids())
    if names:
        hint = f"there are: {names}"
    return NotFoundError(f"no grid {name[:100]!r}", hint)


def _put(store: Store, name: str, record: Mapping[str, Any]) -> None:
    store.put_grid(name, json.dumps(record))
