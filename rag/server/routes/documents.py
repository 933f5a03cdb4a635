"""`/v1/documents` and `/v1/jobs`."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.responses import PlainTextResponse as PlainText
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from rag import build
from rag.errors import InputError, NotFoundError
from rag.filters import check_keys, matches, parse
from rag.ingestion import deletion
from rag.ingestion.chunking import split_document
from rag.ingestion.pipeline import UPLOADED, check_free, embed, put
from rag.parsing.load import load_some
from rag.server import schemas, serialize
from rag.server.auth import Right, needs
from rag.server.caller import Caller
from rag.server.collection_paths import prefixed
from rag.server.ingest_worker import ModelThreadEmbedder, check_names, safe_folder, safe_name
from rag.server.openapi import NOT_MODIFIED, UPLOAD
from rag.server.problems import ServiceError, media_type
from rag.server.schemas import DocumentDetailSchema, Job, LineText, PutDocument
from rag.server.state import Service, Shared, caller_of, missing_document
from rag.server.upload_queue import NamedContent
from rag.server.user_data import forget_quotes
from rag.server.work import WorkRoute, waiting
from rag.types import Document

router = APIRouter(prefix="/v1", tags=["documents"], route_class=WorkRoute)
_WAIT = 20.0
_MOST_FILES = 100
_LONGEST_ID = 500
_TEXTS = (".md", ".markdown", ".html", ".htm", ".txt", ".rst")


async def uploads(request: Request) -> list[NamedContent]:
    """The files of a multipart form, or one document as JSON. Raises InputError, ServiceError."""
    kind = media_type(request)
    if kind == "application/json":
        return [_text(await request.body())]
    if kind != "multipart/form-data":
        message, hint = f"{kind or 'nothing'!r} is not supported", "multipart/form-data"
        raise ServiceError(415, "media-type", message, f"send {hint} or application/json")
    return asyncio.run(_files(request))  # it waits for the disk, in this thread


async def _files(request: Request) -> list[NamedContent]:
    try:
        async with request.form(max_files=_MOST_FILES, max_fields=10) as form:
            parts = [file for _, file in form.multi_items() if isinstance(file, UploadFile)]
            files = [(safe_name(file.filename or ""), await file.read()) for file in parts]
    except HTTPException as error:
        hint = "send the files as multipart/form-data"
        raise ServiceError(400, "malformed", str(error.detail), hint) from error
    if not files:
        raise InputError("the form contains no file", "send at least one: curl -F file=@notes.md")
    return files


def _text(body: bytes) -> NamedContent:
    """Raises RequestValidationError, and InputError for an invalid name."""
    try:
        text_document = schemas.TextDocument.model_validate_json(body)
        content = text_document.text.encode()
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    name = safe_name(text_document.name)
    return (name if PurePosixPath(name).suffix else f"{name}.txt"), content


@router.post(
    "/documents",
    status_code=201,
    response_model=Job,
    responses={202: {"model": Job, "description": "Accepted; `Location` is the job's URL."}},
    openapi_extra=UPLOAD,
)
@needs(Right.WRITE)
def add_documents(
    files: Annotated[list[NamedContent], Depends(uploads)],
    request: Request,
    service: Shared,
    folder: Annotated[str, Query(description="Where they are in their folder.")] = "",
) -> Response:
    """Upload files to the index, replacing earlier uploads of the same names.

    201: they are in the index. 202: they are stored and will be indexed; poll the job. 409: a name
    belongs to an ingested file, which an upload does not replace; nothing was accepted. 422: none
    of the files can be read.
    """
    prefix = safe_folder(folder)
    files[:] = [(f"{prefix}{name}", content) for name, content in files]
    check_names(service.engine.store, files)
    number = service.jobs.add(files, caller_of(request).key_id)
    files.clear()  # the files are on disk; free the memory for other uploads
    request.state.held.free()
    job = service.jobs.wait(number, _WAIT)
    assert job is not None
    if job.state == "done" and all(file.outcome == "rejected" for file in job.files):
        message = "; ".join(f"{file.name}: {file.detail}" for file in job.files[:5])
        raise InputError(message, f"see GET /v1/jobs/{job.id}")
    status = 201 if job.state == "done" else 202
    location = prefixed(request.state.collection, f"/v1/jobs/{job.id}")
    return JSONResponse(job.model_dump(), status, {"Location": location})


@router.get("/jobs")
@needs(Right.READ)
def list_jobs(
    service: Shared,
    state: Annotated[Literal["queued", "running", "done"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> schemas.JobsSchema:
    """The latest uploads, newest first."""
    return schemas.JobsSchema(jobs=service.jobs.list_newest(limit, state))


@router.delete("/jobs/{job}")
@needs(Right.WRITE)
def cancel_job(job: str, service: Shared) -> Job:
    """Cancel an upload's waiting files. Indexed files stay; work on the one in progress ends."""
    service.jobs.cancel(job)
    return get_job(job, service)


@router.get("/jobs/{job}")
@needs(Right.READ)
def get_job(job: str, service: Shared) -> Job:
    """Get the state of an upload."""
    state = service.jobs.get(job)
    if state is None:
        raise NotFoundError(f"no job {job[:100]}", "the last thousand uploads are kept")
    return state


@router.get("/documents")
@needs(Right.READ)
def list_documents(
    service: Shared,
    filter: Annotated[
        list[LineText],
        Query(max_length=20, description="Conditions that must all match, such as `type=pdf`."),
    ] = [],  # noqa: B006
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[str, Query(max_length=2000, description="`next` of the previous page.")] = "",
) -> schemas.DocumentsSchema:
    """List the documents in order of id, one page at a time."""
    store = service.store
    if conditions := parse(filter):
        check_keys(conditions, store.metadata_keys)
        matching = [row for row in store.documents() if matches(conditions, row)]
        total, rows = len(matching), [row for row in matching if row.id > after][: limit + 1]
    else:
        total, rows = store.stats().documents, store.documents(after, limit + 1)
    page = rows[:limit]
    following = page[-1].id if len(rows) > limit else None
    documents = list(map(serialize.document, page))
    return schemas.DocumentsSchema(documents=documents, total=total, next=following)


@router.get("/documents/{document:path}/text", response_class=PlainText, responses=NOT_MODIFIED)
@needs(Right.READ)
def get_text(document: str, request: Request, service: Shared) -> Any:
    """Get a document's text, to which offsets refer; metadata if the id itself ends in /text."""
    if service.document(f"{document}/text"):
        return get_document(f"{document}/text", request, service)
    stored = service.existing(document)
    return _unless_known(request, stored, PlainText(stored.text))


@router.get(
    "/documents/{document:path}", response_model=DocumentDetailSchema, responses=NOT_MODIFIED
)
@needs(Right.READ)
def get_document(document: str, request: Request, service: Shared) -> Any:
    """Get a document's metadata, without its text."""
    stored = service.existing(document)
    detail = serialize.document_detail(stored).model_dump()
    return _unless_known(request, stored, JSONResponse(detail))


def _unless_known(request: Request, document: Document, response: Response) -> Response:
    """304 if the client has the current version (RFC 9110, section 13)."""
    tag = _etag(document)
    known_tags = request.headers.get("if-none-match", "")
    if _names(known_tags, tag, weakly=True):
        response = Response(status_code=304)
    response.headers.update({"ETag": tag, "Cache-Control": "private, no-cache"})
    return response


def _etag(document: Document) -> str:
    """Strong entity tag, derived from bytes, title, source and metadata."""
    identity = [document.sha256, document.title, document.source, sorted(document.metadata.items())]
    return f'"{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:40]}"'


def _check_match(request: Request, document: Document | None) -> None:
    """Check `If-Match` and `If-None-Match` before a change of the document, so that no client
    overwrites another's change by mistake. Raises ServiceError with 412.
    """
    required, excluded = (request.headers.get(name) for name in ("if-match", "if-none-match"))
    tag = _etag(document) if document else None
    if required is not None and not (tag and _names(required, tag, weakly=False)):
        message = "the document does not match If-Match"
    elif excluded is not None and tag and _names(excluded, tag, weakly=True):
        message = "the document exists already"
    else:
        return
    raise ServiceError(412, "precondition", message, "get the current version and retry")


def _names(value: str, tag: str, weakly: bool) -> bool:
    tags = [name.strip() for name in value.split(",")]
    return "*" in tags or tag in tags or (weakly and f"W/{tag}" in tags)


@router.put(
    "/documents/{document:path}",
    response_model=DocumentDetailSchema,
    responses={201: {"model": DocumentDetailSchema, "description": "It is new."}},
)
@needs(Right.WRITE)
def put_document(document: str, body: PutDocument, request: Request, service: Shared) -> Response:
    """Add a text under an id and with metadata of your choice, replacing what was added under this
    id before.

    It is indexed when this returns. The suffix of the id gives the format: `.md`, `.html` or
    `.txt`. 409: the id belongs to an ingested file. `If-Match: ETAG` replaces only an unchanged
    document, `If-None-Match: *` only adds a new one.
    """
    if "\0" in document:
        raise InputError("the id contains a NUL character", "remove it")
    old_document = service.document(document)
    _check_match(request, old_document)
    stored = _put(service, document, body, caller_of(request))
    detail = serialize.document_detail(stored).model_dump()
    return JSONResponse(detail, 200 if old_document else 201, {"ETag": _etag(stored)})


@router.delete("/documents/{document:path}")
@needs(Right.WRITE)
def delete_document(document: str, request: Request, service: Shared) -> schemas.Deleted:
    """Delete a document; no later answer uses it. `If-Match: ETAG` deletes it only if unchanged."""
    _check_match(request, service.existing(document))
    return delete_everywhere(service, document)


def _put(service: Service, document_id: str, body: PutDocument, caller: Caller) -> Document:
    """Returns the document as stored. Raises InputError for an invalid id or text, ConflictError
    for the id of an ingested file, BusyError, StoreError.
    """
    _check_id(document_id)
    source = f"{UPLOADED}{document_id}"
    store = service.engine.store
    # before the work, and again with the lock
    check_free(document_id, source, store.document(document_id))
    with waiting(), caller.charged():
        load = partial(service.readers.load_data, key_id=caller.key_id)
        loaded = load_some(document_id, body.text.encode(), load)
    parsed = loaded.documents[0]
    title, metadata = body.title or parsed.title, {**parsed.metadata, **body.metadata}
    document = replace(parsed, id=document_id, source=source, title=title, metadata=metadata)
    lent = ModelThreadEmbedder(service.embedder, service.runner(caller))
    passages = split_document(document, lent.count_tokens, service.settings.passage_tokens)
    embedded = embed(lent, [(document, passages)])
    for _, conflict in put(store, embedded).refused:
        raise conflict
    return document


def _check_id(document_id: str) -> None:
    """Raises InputError unless the id is a printable relative path with a text file's suffix."""
    is_path = document_id.isprintable() and not {"", ".", ".."} & set(document_id.split("/"))
    suffix = PurePosixPath(document_id).suffix.lower()
    if not is_path or len(document_id) > _LONGEST_ID or suffix not in _TEXTS:
        ends = f"characters that ends in {', '.join(_TEXTS)}"
        hint = f"use a relative path of at most {_LONGEST_ID} {ends}"
        raise InputError(f"{document_id[:100]!r} cannot be the id of a text", hint)


def delete_everywhere(service: Service, document_id: str) -> schemas.Deleted:
    """Delete a document from the index, the upload queue, and the ratings and answers of threads
    that named it or repeated its text. Raises NotFoundError, StoreError, BusyError.
    """
    store, document = service.store, service.existing(document_id)
    with store.erasing():
        receipts = deletion.delete(store, [document_id], build.stamps(service.settings))
        if not receipts:  # somebody else was faster
            raise missing_document(document_id)
        uploads = service.jobs.scrub(document_id)
        quotes = forget_quotes(service.settings.index, document)
    receipt = asdict(receipts[0]) | {"uploads": uploads} | quotes
    complete = receipts[0].complete and not any(uploads.values())
    generation = receipts[0].generation
    return schemas.Deleted(
        id=document_id, deleted=True, generation=generation, complete=complete, receipt=receipt
    )
