"""The page's endpoints: rights, sources, structure, PDF pages, and suggested questions, which are
asked while nobody else asks, and shown if answered.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Annotated
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from rag.answering.subjects import subjects
from rag.answering.suggestions import SUGGESTION_READS
from rag.errors import InputError, NotFoundError, StoreError
from rag.ingestion.pipeline import UPLOADED
from rag.originals import is_kept, open_original
from rag.packed_blocks import PackedBlocks, WithoutSentences
from rag.protocols import Store
from rag.server import pdf_pages
from rag.server.api_keys import Key
from rag.server.auth import Right, may_write, needs
from rag.server.caller import Caller
from rag.server.openapi import content
from rag.server.schemas import CountSchema, Options, SourceSchema
from rag.server.state import Service, Shared, caller_of
from rag.server.work import WorkRoute
from rag.server.written import ServedWriter
from rag.session import Understood
from rag.structure import iterate_within
from rag.types import Answer, BlockKind, Document

router = APIRouter(prefix="/v1", tags=["documents"], route_class=WorkRoute)
DocumentIdQuery = Annotated[
    str, Query(min_length=1, max_length=2000, description="The document's id.")
]
Offset = Annotated[int, Query(ge=0, description="In the document's text.")]
PageNumber = Annotated[int, Query(ge=1, le=100_000, description="From 1.")]
FEATURES = ["check", "feedback", "conversation", "form", "proof"]
_MOST_PARTS = 4000
"""Blocks and cells of a page of a document's structure."""
_PIECE = 1 << 16
_STREAMED = 2 << 20
"""Bytes that a file counts for while it is sent piece by piece: more than it takes, so that a key
has only so many files open, and less than its size.
"""
_TEXT_INSTEAD = "get its text: GET /v1/documents/ID/text"
_SESSION_SECONDS = 400 * 86_400
"""As long as browsers keep a cookie."""
_log = logging.getLogger(__name__)
_GUIDE = "guide"
"""Key id of suggested questions, so that they take turns with those of people."""
_PAUSE = 0.5
"""Seconds between two looks at the queue."""
_PATIENCE = 600.0
"""Seconds that a question waits for an idle queue."""
_lock = threading.Lock()
_listings: WeakKeyDictionary[Store, tuple[int, list[SourceSchema]]] = WeakKeyDictionary()
"""Each store's documents, and the generation of the index that has them."""
_subjects: WeakKeyDictionary[Store, tuple[int, tuple[str, ...]]] = WeakKeyDictionary()
"""What each store's documents are about, and the generation of the index that has them."""
_threads: WeakKeyDictionary[Service, threading.Thread] = WeakKeyDictionary()


class Me(BaseModel):
    """The caller and their rights."""

    key: str | None = Field(description="The name of the key; null if none is needed.")
    may_write: bool = Field(description="Whether documents may be added and deleted.")
    may_manage: bool = Field(description="Whether collections may be created.")
    features: list[str] = Field(description="Besides asking and searching.", examples=[["check"]])


class WriterSchema(BaseModel):
    is_set: bool = Field(description="Whether RAG_WRITER names a server.")
    model: str = Field(description="The model that is asked for.", examples=["llama3.2:3b"])
    problem: str = Field(description='Why it cannot write just now, or "".')


class SourcesSchema(BaseModel):
    total: int
    matching: int = Field(description="Number of documents found.")
    folders: list[CountSchema]
    types: list[CountSchema]
    documents: list[SourceSchema] = Field(description="Those found, by id, from `offset` on.")


class GuideSchema(BaseModel):
    """What the documents are about and what can be asked."""

    types: list[CountSchema] = Field(description="How many documents of each type, most first.")
    first_date: str = Field(description='The earliest day of a document, or "".')
    last_date: str = Field(description="The latest.")
    subjects: list[str] = Field(description="Main subjects, in the words of titles and headings.")
    questions: list[str] = Field(description="Questions that were asked, and answered surely.")
    complete: bool = Field(description="Whether no more questions will come.")


class BlockSchema(BaseModel):
    """A part of a document's structure, such as a heading, an item or a row of a table."""

    kind: BlockKind
    start: int
    end: int
    parent: int = Field(
        description="Index of the block that it belongs to in the blocks of all pages, or -1."
    )
    level: int = Field(description="Level of a heading, from 1; 0 for other blocks.")
    marker: str = Field(description="Marker of an item, which is a part of the text.")
    cells: list[tuple[int, int, int]] = Field(description="Column (-1 if unknown), start, end.")
    columns: list[str] = Field(description="Names of the columns of a table.")


class BlocksSchema(BaseModel):
    blocks: list[BlockSchema]
    next: int | None = Field(default=None, description="Send it as `after` for the next page.")


class LineSchema(BaseModel):
    text: str
    box: pdf_pages.PageBox


class PageSchema(BaseModel):
    """A page of a PDF. Boxes are left, top, right, bottom, as fractions of its width and height
    from the top left corner, one per line.
    """

    page: int
    pages: int
    boxes: list[pdf_pages.PageBox] = Field(description="Where the quoted words are.")
    sentence: list[pdf_pages.PageBox] = Field(description="Where their sentence is.")
    lines: list[LineSchema] = Field(description="The page's text; none of a scanned page.")


def sources_of(store: Store) -> list[SourceSchema]:
    """All documents by id, listed anew when the index has changed."""
    generation = store.stats().generation
    with _lock:
        listed_generation, sources = _listings.get(store, (-1, []))
        if listed_generation != generation:
            sources = [_source(document) for document in store.documents()]
            _listings[store] = (generation, sources)
        return sources


def _source(document: Document) -> SourceSchema:
    date = document.metadata.get("date", "")
    return SourceSchema(
        id=document.id,
        title=document.title,
        type=document.metadata.get("type", ""),
        date=date[:10],
        pages=len(document.pages),
    )


def _counts(names: Iterable[str]) -> list[CountSchema]:
    return [CountSchema(name=name, count=count) for name, count in sorted(Counter(names).items())]


@router.post("/session")
@needs(Right.ANY)
def sign_in(request: Request, response: Response, service: Shared) -> dict[str, str]:
    """Give a browser that has sent the token a cookie, so that its next visits need no token.
    Returns what the page sends with each request and cookie; "" if no token is needed.
    """
    session = request.app.state.access.session
    if session is None:
        return {"page": ""}
    response.set_cookie(
        session.name,
        session.cookie,
        max_age=_SESSION_SECONDS,
        secure=bool(service.settings.certfile),
        httponly=True,
        samesite="strict",
    )
    return {"page": session.page}


@router.get("/me")
@needs(Right.ANY)
def get_me(request: Request) -> Me:
    """Whether a key is needed, and what it may do."""
    key: Key | None = request.state.key
    writes = may_write(key)
    manages = writes and (key is None or key.everywhere)
    writer = ["writer"] if request.app.state.service.settings.writer else []
    return Me(
        key=key.name if key else None,
        may_write=writes,
        may_manage=manages,
        features=FEATURES + writer,
    )


@router.get("/writer")
@needs(Right.READ)
def get_writer(request: Request) -> WriterSchema:
    """The language model that writes answers, and whether it is there: at most some seconds old."""
    writer: ServedWriter = request.app.state.writer
    return WriterSchema(model=writer.name, is_set=writer.is_set, problem=writer.problem())


@router.get("/sources")
@needs(Right.READ)
def list_sources(
    service: Shared,
    name: Annotated[str, Query(max_length=200, description="Words of the title or id.")] = "",
    folder: Annotated[
        str | None, Query(max_length=2000, description='Only what is directly inside; "" is all.')
    ] = None,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> SourcesSchema:
    """Count folders and types, and list the documents of a folder, or with words in title or id."""
    sources = sources_of(service.engine.store)
    words = name.casefold().split()
    prefix = f"{folder}/" if folder else ""

    folder_names = []  # of each document that is in a folder of this one
    matching = []
    for source in sources:
        if not source.id.startswith(prefix):
            continue
        name_inside, slash, _ = source.id.removeprefix(prefix).partition("/")
        if slash:
            folder_names.append(name_inside)

        if folder is None:
            is_matching = _has_words(source, words)
        else:
            is_matching = not slash
        if is_matching:
            matching.append(source)

    return SourcesSchema(
        total=len(sources),
        matching=len(matching),
        folders=_counts(folder_names),
        types=_counts(source.type for source in sources if source.type),
        documents=matching[offset : offset + limit],
    )


def _has_words(source: SourceSchema, words: Sequence[str]) -> bool:
    """Whether a document has all these words in its title or id."""
    text = f"{source.title}\n{source.id}".casefold()
    return all(word in text for word in words)


@router.get("/guide")
@needs(Right.READ)
def get_guide(service: Shared) -> GuideSchema:
    """Types, dates and subjects of the documents, and questions with an answer, which are looked
    for while nobody else asks.
    """
    store = service.engine.store
    sources = sources_of(store)
    days = sorted(source.date for source in sources if source.date)
    types = _counts(source.type for source in sources if source.type)
    types.sort(key=lambda counted: -counted.count)
    questions, is_complete = _suggested(service)
    _, known_subjects = _subjects.get(store, (0, ()))
    return GuideSchema(
        types=types,
        first_date=days[0] if days else "",
        last_date=days[-1] if days else "",
        subjects=list(known_subjects),
        questions=list(questions),
        complete=is_complete or not sources,
    )


def _suggested(service: Service) -> tuple[tuple[str, ...], bool]:
    """The questions so far, and whether no more will come. Looks for more, once for each state of
    the index.
    """
    engine = service.engine
    questions = engine.suggestions.known(engine.store.stats().generation)
    with _lock:
        thread = _threads.get(service)
        is_looking = thread is not None and thread.is_alive()
        if questions is None and not is_looking:
            thread = threading.Thread(
                target=_look_for_questions, args=(service,), name="guide", daemon=True
            )
            thread.start()
            _threads[service] = thread
        may_find_more = thread is not None and thread.is_alive()
        return questions or (), not may_find_more


def _look_for_questions(service: Service) -> None:
    """Find the subjects of the documents, and questions that they answer."""

    def ask(question: str) -> Answer:
        """Ask when nobody else does. Raises RagError."""
        until = time.monotonic() + _PATIENCE
        while service.models.depth and time.monotonic() < until:
            time.sleep(_PAUSE)
        (pending,) = service.submit(
            [Understood(question)], Options(top_k=SUGGESTION_READS), Caller(_GUIDE)
        )
        return pending.wait(pending.answer)

    try:
        store = service.engine.store
        generation = store.stats().generation
        known_generation, _ = _subjects.get(store, (-1, ()))
        if known_generation != generation:
            _subjects[store] = (generation, subjects(store, store.documents()))
        service.engine.suggestions.questions(store, ask)
    except Exception:  # it is closing, or too busy for too long: the next visit tries again
        _log.info("no questions are suggested", exc_info=True)


@router.get("/blocks")
@needs(Right.READ)
def list_blocks(
    service: Shared,
    document: DocumentIdQuery,
    start: Offset = 0,
    end: Offset = 100_000,
    after: Annotated[int, Query(ge=0, description="`next` of the previous page.")] = 0,
) -> BlocksSchema:
    """Structure of `text[start:end]`: headings, paragraphs, lists, tables and code, some thousand
    blocks at a time. A parent comes before its children.
    """
    stored = service.existing(document)
    page: list[BlockSchema] = []
    parts = 0
    blocks = WithoutSentences(PackedBlocks.of(stored.blocks))
    for block in iterate_within(blocks, start, end, after):
        if parts >= _MOST_PARTS:
            return BlocksSchema(blocks=page, next=after + len(page))
        columns = [column.name for column in block.columns]
        page.append(BlockSchema(**block._asdict() | {"columns": columns}))
        parts += 1 + len(block.cells) + len(columns)
    return BlocksSchema(blocks=page)


@router.get("/pages")
@needs(Right.READ)
def get_page(
    request: Request,
    service: Shared,
    document: DocumentIdQuery,
    page: PageNumber,
    start: Offset = 0,
    end: Offset = 0,
    sentence_start: Offset = 0,
    sentence_end: Offset = 0,
) -> PageSchema:
    """The text of a page of a PDF, and boxes of `text[start:end]` and of its sentence; if they
    continue on the next page, of the part on this one.
    """
    with pdf_pages.place(caller_of(request)):
        stored, pdf = _pdf(service, document, page)
        text, page_start = stored.text, stored.pages[page - 1]
        page_end = [*stored.pages, len(text)][page]
        quotes = []
        for span in ((start, end), (sentence_start, sentence_end)):
            place = slice(max(span[0], page_start), min(span[1], page_end))
            text_before, text_after = text[page_start : place.start], text[place.stop : page_end]
            quotes.append((text[place], text_before, text_after))
        (boxes, sentence), rows = pdf_pages.layout(pdf, page, quotes)
    lines = [LineSchema(text=row, box=box) for row, box in rows]
    sizes = {"page": page, "pages": len(stored.pages)}
    return PageSchema(**sizes, boxes=boxes, sentence=sentence, lines=lines)


@router.get("/pages/picture", response_class=Response, responses=content("image/png"))
@needs(Right.READ)
def get_page_picture(
    request: Request,
    service: Shared,
    document: DocumentIdQuery,
    page: PageNumber,
    width: Annotated[int, Query(ge=100, le=2400)] = 1000,
) -> Response:
    """A page of a PDF as a PNG."""
    with pdf_pages.place(caller_of(request)):
        stored, pdf = _pdf(service, document, page)
        drawn = pdf_pages.picture(pdf, page, width)
    tag = f'"{stored.sha256}-{page}-{width}"'
    headers = {"Cache-Control": "private, max-age=3600", "ETag": tag}
    return Response(drawn, media_type="image/png", headers=headers)


@router.get("/original", response_class=Response, responses=content("application/octet-stream"))
@needs(Right.READ)
def get_original(request: Request, service: Shared, document: DocumentIdQuery) -> Response:
    """The file of a document, to be saved: an ingested one while it is what was read, or an
    uploaded PDF.
    """
    stored = service.existing(document)
    if not stored.source.startswith(UPLOADED):
        request.state.held.reserve(_STREAMED)
    content = _content(service, stored)
    if content is None:
        raise NotFoundError(f"the file of {document[:200]} is not kept", _TEXT_INSTEAD)
    name = urllib.parse.quote(document.rpartition("/")[2])
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    media = "application/octet-stream"
    if isinstance(content, bytes):
        return Response(content, media_type=media, headers=headers)
    headers["Content-Length"] = str(os.fstat(content.fileno()).st_size)
    pieces = _pieces(content, stored.sha256)
    return StreamingResponse(pieces, media_type=media, headers=headers)


def _pieces(file: IO[bytes], sha256: str) -> Iterator[bytes]:
    """The bytes of a file. If it was changed after it had been compared with the digest, the last
    piece is not sent, which breaks the connection off.
    """
    digest, pending_piece = hashlib.sha256(), b""
    with file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            if pending_piece:
                yield pending_piece
            pending_piece = piece
    if digest.hexdigest() != sha256:
        raise StoreError("a file has changed while it was sent", "send the request again")
    yield pending_piece


def _pdf(service: Service, document_id: str, page: int) -> tuple[Document, bytes]:
    """The document and its file. Raises NotFoundError if there is no such PDF any more."""
    stored = service.existing(document_id)
    pdf = _content(service, stored) if stored.metadata.get("type") == "pdf" else None
    if pdf is None:
        raise NotFoundError(f"{document_id[:200]} has no pages to show", _TEXT_INSTEAD)
    if not isinstance(pdf, bytes):
        with pdf:
            pdf = pdf.read()
    if page > len(stored.pages):
        message = f"page {page} is past the end: {document_id[:200]} has {len(stored.pages)}"
        raise InputError(message, "choose one of these")
    return stored, pdf


def _content(service: Service, document: Document) -> bytes | IO[bytes] | None:
    """The bytes of an uploaded file if they are kept, or an ingested file, open, if it exists.
    Raises NotFoundError if it is not what was read.
    """
    if document.source.startswith(UPLOADED):
        content = service.store.original(document.id)
        if content is None or hashlib.sha256(content).hexdigest() == document.sha256:
            return content
    elif document.file != document.source or not is_kept(document):  # a member of an archive
        return None
    elif file := open_original(document):
        return file
    message = f"{document.id[:200]} has changed on disk since it was ingested"
    raise NotFoundError(message, "ingest it again: rag sync")
