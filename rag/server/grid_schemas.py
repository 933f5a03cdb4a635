"""Bodies of requests and responses about grids."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from rag.server.schemas import Line, Strict


class GridColumnBody(Strict):
    name: str = Field(examples=["End"])
    question: str = Field(examples=["When does the lease end?"])
    type: Literal["text", "date", "amount", "number", "yes_no", "list"] = "text"


class GridBody(Strict):
    """A grid: a row for each document or group of documents, a column for each question."""

    name: str = Field(examples=["leases"])
    columns: list[GridColumnBody]
    filter: list[Line] = Field(default=[], max_length=20, examples=[["type=md"]])
    rows: str = Field(default="documents", description="documents, folders, none, or metadata:KEY.")
    all_documents: bool = Field(default=False, description="One more row for the whole index.")
    refresh: Literal["", "on_sync"] = ""


class CellRating(Strict):
    """A person's rating of a cell."""

    row: str = Field(max_length=2000, examples=["uploads/lease.md"])
    column: str = Field(max_length=100, examples=["End"])
    verdict: Literal["confirmed", "corrected", "rejected", "withdrawn"]
    value: str = Field(default="", max_length=10_000, description="The right one, if corrected.")


class WireGridJob(BaseModel):
    name: str
    job: str = Field(description="See `GET /v1/jobs/{job}`.")


class WireGridSummary(BaseModel):
    name: str
    rows: int
    columns: int
    changed: int = Field(description="Answers that changed since somebody looked.")
    counts: dict[str, int] = Field(
        description="Cells in each state: answered, unsure, absent, unreadable, waiting."
    )


class WireGrids(BaseModel):
    grids: list[WireGridSummary]


class WireGridRow(BaseModel):
    row: str = Field(description="A document's id, a folder, a value, or * for all documents.")
    title: str
    cells: list[dict[str, Any]] = Field(
        description=(
            "In the order of the columns: `state`, `value`, `typed`, `probability`, `quotes` with "
            "`document_id`, `sha256`, offsets and `headings`, `rating`, and `shown`, the value "
            "that counts."
        )
    )


class WireGrid(WireGridSummary):
    definition: dict[str, Any]
    finished: str = Field(description='When all cells were first answered, or "".')
    due: int = Field(
        description="Cells to ask: without an answer, or whose document or question changed."
    )
    job: str = Field(description='The job that asks it now, or "".')
    cells: list[WireGridRow] = Field(description="The rows from `offset` on.")


class WireGridChanges(BaseModel):
    changes: list[dict[str, Any]] = Field(
        description="`row`, `column`, `before`, `after`, `document_id`, `reason` and `at`."
    )
