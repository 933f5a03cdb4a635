"""`/v1/documents` and `/v1/jobs`."""

from __future__ import annotations

import dataclasses
from pathlib import PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from rag.errors import InputError, NotFoundError
from rag.ingestion import deletion
from rag.server import serialize
from rag.server.ingest_worker import check_names, safe_name
from rag.server.openapi import UPLOAD, described
from rag.server.problems import ServiceError, media_type
from rag.server.schemas import Deleted, Job, TextDocument, WireDocumentDetail, WireDocuments
from rag.server.state import Service, service_of
from rag.server.uploads import Upload
from rag.types import Document

router = APIRouter(prefix="/v1", tags=["documents"])
Shared = Annotated[Service, Depends(service_of)]
_WAIT = 20.0
_MOST_FILES = 100


async def uploads(request: Request) -> list[Upload]:
    """The files of a multipart form, or one document as JSON. Raises InputError, ServiceError."""
    kind = media_type(request)
    if kind == "application/json":
        return [_text(await request.body())]
    if kind != "multipart/form-data":
        raise ServiceError(
            415, "media-type", f"{kind or 'nothing'!r} is not taken here", "send multipart/form-data or application/json"
        )
    try:
        async with request.form(max_files=_MOST_FILES, max_fields=10) as form:
            found = [file for _, file in form.multi_items() if isinstance(file, UploadFile)]
            taken = [(safe_name(file.filename or ""), await file.read()) for file in found]
    except HTTPException as error:
        raise ServiceError(400, "malformed", str(error.detail), "send the files as multipart/form-data") from error
    if not taken:
        raise InputError("there is no file in the form", "send at least one: curl -F file=@notes.md")
    return taken


def _text(body: bytes) -> Upload:
    try:
        given = TextDocument.model_validate_json(body)
        content = given.text.encode()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        status, kind = (400, "malformed") if first["type"] == "json_invalid" else (422, "invalid")
        raise ServiceError(status, kind, f"{place or 'body'}: {first['msg']}", "see /openapi.json") from error
    name = safe_name(given.name)
    return (name if PurePosixPath(name).suffix else f"{name}.txt"), content


@router.post(
    "/documents",
    status_code=201,
    response_model=Job,
    responses={**described(409, 415), 202: {"model": Job, "description": "Accepted; `Location` says what becomes of it."}},
    openapi_extra=UPLOAD,
)
def add_documents(taken: Annotated[list[Upload], Depends(uploads)], service: Shared) -> Response:
    """Put files into the index, in place of what was uploaded under the same names.

    201: they are in the index. 202: they are safe, and will be; ask the job. 409: a name is that of an ingested file, whose
    place an upload does not take; none was taken in. 422: not one of them can be read.
    """
    check_names(service.engine.store, taken)
    job = service.jobs.wait(service.jobs.add(taken), _WAIT)
    assert job is not None
    if job.state == "done" and all(file.outcome == "rejected" for file in job.files):
        raise InputError("; ".join(f"{file.name}: {file.detail}" for file in job.files[:5]), f"see GET /v1/jobs/{job.id}")
    status = 201 if job.state == "done" else 202
    return JSONResponse(job.model_dump(), status, {"Location": f"/v1/jobs/{job.id}"})


@router.get("/jobs/{job}", responses=described(404))
def get_job(job: str, service: Shared) -> Job:
    """What has become of an upload."""
    found = service.jobs.get(job)
    if found is None:
        raise NotFoundError("there is no such job", "jobs are kept for the last thousand uploads")
    return found


@router.get("/documents", responses=described(503))
def list_documents(
    service: Shared,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[str, Query(max_length=2000, description="The last id of the page before.")] = "",
) -> WireDocuments:
    """The documents by id, a page at a time."""
    store = service.engine.store
    found = store.documents(after, limit + 1)
    page = found[:limit]
    following = page[-1].id if len(found) > limit else None
    return WireDocuments(documents=[serialize.document(one) for one in page], total=store.stats().documents, next=following)


@router.get("/documents/{document:path}/text", response_class=PlainTextResponse, responses=described(404, 503))
def get_text(document: str, service: Shared) -> Any:
    """The document's text, which every offset counts in. Of a document whose own id ends so, what is known of it."""
    if named := service.document(f"{document}/text"):
        return JSONResponse(serialize.document_detail(named).model_dump())
    found = _find(service, document)
    return PlainTextResponse(found.text, headers={"ETag": f'"{found.sha256}"'})


@router.get("/documents/{document:path}", responses=described(404, 503))
def get_document(document: str, service: Shared) -> WireDocumentDetail:
    """What is known of a document, without its text."""
    return serialize.document_detail(_find(service, document))


@router.delete("/documents/{document:path}", responses=described(404, 503))
def delete_document(document: str, service: Shared) -> Deleted:
    """Take a document out of the index. No question that is asked from now on is answered from it."""
    _find(service, document)
    receipts = deletion.delete(service.engine.store, [document])
    if not receipts:
        raise _missing(document)
    (receipt,) = receipts
    shown = dataclasses.asdict(receipt)
    return Deleted(id=document, deleted=True, generation=receipt.generation, complete=receipt.complete, receipt=shown)


def _find(service: Service, document: str) -> Document:
    found = service.document(document)
    if found is None:
        raise _missing(document)
    return found


def _missing(document: str) -> NotFoundError:
    return NotFoundError(f"no document {document[:200]} in the index", "see what there is: GET /v1/documents")
