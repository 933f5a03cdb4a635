"""Bodies of requests and responses about documents and uploads."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from rag.server.schemas import Line, Strict


class WireSection(BaseModel):
    start: int = Field(description="Start of the heading's line.")
    headings: list[str]


class WireDocument(BaseModel):
    id: str = Field(examples=["uploads/lease.md"])
    title: str = Field(examples=["The lease"])
    uri: str = Field(examples=["upload:uploads/lease.md"])
    sha256: str
    metadata: dict[str, str]


class WireDocumentDetail(WireDocument):
    characters: int = Field(description="Length of its text in Unicode code points.")
    sections: list[WireSection]


class WireDocuments(BaseModel):
    documents: list[WireDocument]
    total: int
    next: str | None = Field(
        description="Value of `after` for the next page; null on the last one."
    )


class Deleted(BaseModel):
    id: str
    deleted: bool
    generation: int = Field(description="First generation of the index without the document.")
    complete: bool = Field(
        description="Whether no part of the index holds it and no search finds it."
    )
    receipt: dict[str, Any] = Field(
        description="Its entries in each part of the index, before and after."
    )


class TextDocument(Strict):
    """A document as text."""

    name: str = Field(
        min_length=1,
        max_length=200,
        description="File name; its suffix gives the format.",
        examples=["lease.md"],
    )
    text: str = Field(
        min_length=1,
        description="Its text.",
        examples=["# The lease\n\nThe lease ends in May 2027."],
    )


class PutDocument(Strict):
    """A document as text, under the id in the path."""

    text: str = Field(
        min_length=1,
        description="Its text.",
        examples=["# Ticket 42\n\nThe lease ends in May 2027."],
    )
    title: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="By default taken from the text.",
    )
    metadata: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], Line] = Field(
        default={},
        max_length=50,
        description="For filters, in addition to the text's own metadata.",
    )


class WireFile(BaseModel):
    """The outcome for one uploaded file."""

    name: str
    outcome: str = Field(
        description="added, updated, unchanged or rejected; answered for a grid.",
        examples=["added"],
    )
    document_ids: list[str] = Field(default=[])
    detail: str = Field(
        default="",
        description="Why it was rejected, or which members were skipped or removed.",
    )


class Job(BaseModel):
    """An upload in progress. Once accepted, it survives a crash of the service, which resumes
    it.
    """

    id: str
    state: str = Field(description="queued, running or done.", examples=["done"])
    created: str
    files: list[WireFile] = Field(description="Files processed so far.")
    total: int = Field(description="Number of files.")


class WireJobs(BaseModel):
    jobs: list[Job] = Field(description="Newest first.")


class WireCount(BaseModel):
    name: str
    count: int


class WireSource(BaseModel):
    id: str
    title: str
    type: str
    date: str
    pages: int = Field(description="Number of pages; 0 for a format without pages.")
