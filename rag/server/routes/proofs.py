"""`/v1/proofs`: a certificate for a refusal, a bundle for an answer, and the check of either.

Grids have theirs in `rag.server.routes.grids`: `GET /v1/grids/NAME/file?format=zip` and `…/verify`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from rag import query as queries
from rag.answering import receipts
from rag.desk import bundle, certificate, proof
from rag.errors import InputError
from rag.filters import Filter, parse
from rag.server import schemas
from rag.server.auth import Right, needs
from rag.server.openapi import ONE_FILE, content
from rag.server.problems import ServiceError
from rag.server.routes.documents import uploads
from rag.server.routes.grids import MOST_BUNDLED, writing_a_file
from rag.server.state import ServiceLibrary, Shared, caller_of
from rag.server.upload_queue import NamedContent
from rag.server.work import WorkRoute
from rag.types import Answer

router = APIRouter(prefix="/v1/proofs", tags=["proofs"], route_class=WorkRoute)
_MOST_QUOTES = 1000
"""Quotes of an answer that comes with a request; answers of rag have far fewer."""
_MOST_READ = 100
_MEDIA = {"html": "text/html; charset=utf-8", "json": "application/json"}


@router.post("/certificate", response_class=Response, responses=content("text/html"))
@needs(Right.READ)
def make_certificate(
    body: schemas.AskOne,
    request: Request,
    service: Shared,
    format: Annotated[Literal["html", "json"], Query()] = "html",
) -> Response:
    """Ask a question, and if nothing is found, return a record of what was searched: a page for
    people that contains its data, or only the data. 409: the question is answered.
    """
    request.state.exchange.notes["questions"] = 1
    library = ServiceLibrary(service, caller_of(request))
    query = queries.Query(
        question=body.question,
        k=body.top_k or service.settings.top_k,
        filter=parse(body.filters) or None,
        form=body.form or "",
        as_typed=body.as_typed,
    )
    _, record = certificate.ask(
        service.engine, query, lambda query: library.answer(query, body.deadline_ms)
    )
    if record is None:
        message = "the question is answered, so there is no certificate of absence"
        raise ServiceError(409, "answered", message, "ask it again: its answer can be bundled")
    written = certificate.content(record, format == "html")
    return _file(written, f"absence.{format}", _MEDIA[format])


@router.post("/bundle", response_class=Response, responses=content("application/zip"))
@needs(Right.READ)
def make_bundle(body: dict[str, Any], request: Request, service: Shared) -> Response:
    """Pack an answer, as `POST /v1/ask` returned it, into a ZIP file that anyone can check without
    rag: a page to read, the quoted documents, and a program, verify.py.

    422: the answer was edited, has no quotes, or its documents have changed since.
    """
    contents = bundle.of_answer(body)
    quotes = sum(len(answer.cited) for answer in contents.answers)
    if quotes > _MOST_QUOTES:
        message = f"the answer has {quotes:,} quotes, more than {_MOST_QUOTES:,}"
        raise InputError(message, "send an answer as /v1/ask returned it")
    with writing_a_file(request):
        made = proof.packed(service.engine.store, contents, MOST_BUNDLED)
        return _file(made.content, "proof.zip", "application/zip")


@router.post("/verify", openapi_extra=ONE_FILE)
@needs(Right.READ)
def verify_proof(
    files: Annotated[list[NamedContent], Depends(uploads)],
    request: Request,
    service: Shared,
    replay: Annotated[bool, Query(description="Also ask the question again, and compare.")] = False,
) -> schemas.ProofCheckSchema:
    """Check a file: the JSON of an answer, a certificate (HTML or JSON), or a bundle. Says whether
    it is as rag wrote it, and how the index differs from it. The file is not kept.
    """
    if len(files) != 1:
        raise InputError(f"{len(files)} files were sent", "send one file in each request")
    _, sent = files.pop()
    library = ServiceLibrary(service, caller_of(request))
    engine, proceed = service.engine, service.deadline(library.caller)
    check = proof.check_file(sent, engine.store, engine.settings, engine.judge, proceed)
    answered = {"replay": _replay(sent, library)} if replay and not check.faults else {}
    return schemas.ProofCheckSchema.model_validate({**check.to_dict(), **answered})


def _replay(sent: bytes, library: ServiceLibrary) -> dict[str, Any]:
    """Ask the question of an answer or of a certificate again. Raises InputError without one."""
    if sent.startswith(b"PK"):
        message = "a bundle has no receipt, so its questions cannot be asked again"
        raise InputError(message, "leave out replay")
    receipt = receipts.load(certificate.load(sent.decode()))
    if receipt.read > _MOST_READ:
        message = f"the receipt asks for {receipt.read:,} passages, more than {_MOST_READ}"
        raise InputError(message, "ask the question again: POST /v1/ask")

    def ask(
        question: str, read: int, filter: Filter | None, form: str, preferred: tuple[str, ...]
    ) -> Answer:
        return library.answer(queries.Query(question, read, filter, form=form, preferred=preferred))

    replay = receipts.replay(ask, receipt)
    return {"same": replay.same, "changed": replay.changed, "answer": replay.answer.to_dict()}


def _file(written: bytes, name: str, media_type: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(written, media_type=media_type, headers=headers)
