"""Endpoints of the page besides questions: the user's rights, the sources, and PDF pages as
images.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from rag.errors import InputError, NotFoundError
from rag.ingestion.pipeline import UPLOADED
from rag.server import pdf_pages
from rag.server.api_keys import WRITE
from rag.server.document_schemas import WireCount, WireSource
from rag.server.openapi import described
from rag.server.rights import Right, needs
from rag.server.sources import Listings
from rag.server.state import Service, caller_of, service_of
from rag.structure import within
from rag.types import BlockKind, Document

router = APIRouter(prefix="/v1", tags=["documents"])
Shared = Annotated[Service, Depends(service_of)]
Identifier = Annotated[str, Query(min_length=1, max_length=2000, description="The document's id.")]
PageNumber = Annotated[int, Query(ge=1, le=100_000, description="From 1.")]
FEATURES = ["check", "feedback", "conversation", "form"]
_SESSION_SECONDS = 400 * 86_400
"""As long as browsers keep a cookie."""
_listings: WeakKeyDictionary[Service, Listings] = WeakKeyDictionary()


class Me(BaseModel):
    """The caller and their rights."""

    key: str | None = Field(description="The name of the key; null if none is needed.")
    may_write: bool = Field(description="Whether documents may be added and deleted.")
    features: list[str] = Field(
        description="Features of this service besides asking and searching.", examples=[["check"]]
    )


class WireSources(BaseModel):
    total: int
    matching: int = Field(description="Number of documents found.")
    folders: list[WireCount]
    types: list[WireCount]
    documents: list[WireSource] = Field(
        description="Documents found, in order of id, starting at `offset`."
    )


class WireBlock(BaseModel):
    """A part of a document's structure, such as a heading, an item or a row of a table."""

    kind: BlockKind
    start: int
    end: int
    parent: int = Field(description="Index of the block that it belongs to in `blocks`, or -1.")
    level: int = Field(description="Level of a heading, from 1; 0 for other blocks.")
    marker: str = Field(description="Marker of an item, which is a part of the text.")
    cells: list[tuple[int, int, int]] = Field(
        description="Cells of a row: column, start, end. The column is -1 if it is not known."
    )
    columns: list[str] = Field(description="Names of the columns of a table.")


class WireBlocks(BaseModel):
    blocks: list[WireBlock] = Field(description="A parent comes before its children.")


class WirePage(BaseModel):
    """A page of a PDF and the boxes of the quoted words, as fractions of its width and height from
    the top left corner.
    """

    page: int
    pages: int
    boxes: list[tuple[float, float, float, float]] = Field(
        description="Left, top, right, bottom; one box per line."
    )


class SignedIn(BaseModel):
    """What the page sends with each request besides the cookie; "" if no token is needed."""

    page: str


@router.post("/session", name="sign_in")
@needs(Right.ANY)
def sign_in(request: Request, response: Response, service: Shared) -> SignedIn:
    """Give a browser that has sent the token a cookie, so that its next visits need no token."""
    session = request.app.state.access.session
    if session is None:
        return SignedIn(page="")
    response.set_cookie(
        session.name,
        session.cookie,
        max_age=_SESSION_SECONDS,
        secure=bool(service.settings.certfile),
        httponly=True,
        samesite="strict",
    )
    return SignedIn(page=session.page)


@router.get("/me", name="get_me")
@needs(Right.ANY)
def me(request: Request, service: Shared) -> Me:
    """Whether a key is needed, and what it may do."""
    key_id = request.state.exchange.key
    key = next((candidate for candidate in service.keys.all() if candidate.id == key_id), None)
    return Me(
        key=key.name if key else None,
        may_write=key is None or key.scope == WRITE,
        features=FEATURES,
    )


@router.get("/sources", name="list_sources", responses=described(503))
@needs(Right.READ)
def sources(
    service: Shared,
    name: Annotated[str, Query(max_length=200, description="Words of the title or id.")] = "",
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> WireSources:
    """Folders and types with counts, and the documents whose title or id contains the words."""
    listing = _listings.setdefault(service, Listings()).of(service.engine.store)
    matching = listing.matching(name)
    return WireSources(
        total=len(listing.sources),
        matching=len(matching),
        folders=listing.folders,
        types=listing.types,
        documents=matching[offset : offset + limit],
    )


@router.get("/blocks", name="list_blocks", responses=described(404, 503))
@needs(Right.READ)
def blocks(
    service: Shared,
    document: Identifier,
    start: Annotated[int, Query(ge=0, description="Start in the document's text.")] = 0,
    end: Annotated[int, Query(ge=0, description="End in the document's text.")] = 100_000,
) -> WireBlocks:
    """Structure of `text[start:end]`: headings, paragraphs, lists, tables and code."""
    stored = service.existing(document)
    return WireBlocks(
        blocks=[
            WireBlock(
                kind=block.kind,
                start=block.start,
                end=block.end,
                parent=block.parent,
                level=block.level,
                marker=block.marker,
                cells=list(block.cells),
                columns=[column.name for column in block.columns],
            )
            for block in within(stored.blocks, start, end)
        ]
    )


@router.get("/pages", name="get_page", responses=described(404, 503))
@needs(Right.READ)
def page(
    request: Request,
    service: Shared,
    document: Identifier,
    page: PageNumber,
    start: Annotated[
        int, Query(ge=0, description="Start of the quote in the document's text.")
    ] = 0,
    end: Annotated[int, Query(ge=0, description="End of the quote.")] = 0,
) -> WirePage:
    """Boxes of `text[start:end]` on a page of a PDF; if the quote continues on the next page, of
    the part on this one.
    """
    stored, pdf = _pdf(service, document, page)
    first = stored.pages[page - 1]
    last = stored.pages[page] if page < len(stored.pages) else len(stored.text)
    start, end = max(start, first), min(end, last)
    words, before, after = (
        stored.text[a:b] for a, b in ((start, end), (first, start), (end, last))
    )
    with caller_of(request).charged():
        boxes = pdf_pages.boxes(pdf, page, words, before, after) if words.strip() else []
    return WirePage(page=page, pages=len(stored.pages), boxes=boxes)


@router.get(
    "/pages/picture",
    name="get_page_picture",
    response_class=Response,
    responses={**described(404, 503), 200: {"content": {"image/png": {}}}},
)
@needs(Right.READ)
def picture(
    request: Request,
    service: Shared,
    document: Identifier,
    page: PageNumber,
    width: Annotated[int, Query(ge=100, le=2400)] = 1000,
) -> Response:
    """A page of a PDF as a PNG."""
    stored, pdf = _pdf(service, document, page)
    with caller_of(request).charged():
        drawn = pdf_pages.picture(pdf, page, width)
    headers = {
        "Cache-Control": "private, max-age=3600",
        "ETag": f'"{stored.sha256}-{page}-{width}"',
    }
    return Response(drawn, media_type="image/png", headers=headers)


def _pdf(service: Service, document_id: str, page: int) -> tuple[Document, bytes]:
    """The document and its file. Raises NotFoundError if there is no such PDF any more."""
    stored = service.existing(document_id)
    pdf = _content(service, stored) if stored.metadata.get("type") == "pdf" else None
    if pdf is None:
        raise NotFoundError(
            f"{document_id[:200]} has no pages to show",
            "get its text: GET /v1/documents/ID/text",
        )
    if page > len(stored.pages):
        raise InputError(
            f"page {page} is past the end: {document_id[:200]} has {len(stored.pages)}",
            "choose one of these",
        )
    if hashlib.sha256(pdf).hexdigest() != stored.sha256:
        raise NotFoundError(
            f"{document_id[:200]} has changed on disk since it was ingested",
            "ingest it again: rag sync",
        )
    return stored, pdf


def _content(service: Service, document: Document) -> bytes | None:
    """The bytes of an uploaded file if they are kept, or of an ingested file if it exists."""
    if document.source.startswith(UPLOADED):
        return service.engine.store.original(document.id)
    file = Path(document.source)
    return file.read_bytes() if file.is_file() else None
