"""`/v1/ask`, `/v1/ask/batch`, `/v1/search`, `/v1/verify`, `/v1/check` and `/v1/check/file`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic_core import to_json

from rag.answering.verification import citations, verify
from rag.claims import report as reports
from rag.claims.results import CheckReport
from rag.errors import InputError, RagError
from rag.parsing.load import load_some
from rag.server import problems, schemas, serialize
from rag.server.auth import Right, needs
from rag.server.caller import PendingQuestion
from rag.server.openapi import EVENTS, UPLOAD
from rag.server.routes.documents import uploads
from rag.server.state import ServiceLibrary, Shared, caller_of
from rag.server.upload_queue import NamedContent
from rag.server.work import WorkRoute, streamed, waiting
from rag.server.written import ready_writer
from rag.session import Answered, Understood
from rag.types import Answer, Json

_log = logging.getLogger(__name__)
router = APIRouter(prefix="/v1", tags=["questions"], route_class=WorkRoute)


@router.post("/ask", response_model=schemas.AnswerSchema, responses=EVENTS)
@needs(Right.READ)
def ask(body: schemas.Ask, request: Request, service: Shared) -> Any:
    """Answer a question from the documents, or return `answer: null` with a reason.

    With `stream`, sends server-sent events: `search_results` as soon as passages are found, a
    `citation` each, `final_answer`, with `write` also `written`, then `done`; or `error`.
    """
    request.state.exchange.notes["questions"] = 1
    library = ServiceLibrary(service, caller_of(request))
    writer = ready_writer(request, library) if body.write else None
    pending, understood = library.submit(body.question, body.conversation, body)
    asked = body.question if body.conversation else ""
    if body.stream:
        headers = {"X-Accel-Buffering": "no"}
        events = _events(pending, request.state.request_id, asked, understood, writer)
        events = streamed(caller_of(request), events)
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)
    answered = understood.answered(pending.wait(pending.answer))
    written = writer(answered.answer) if writer else None
    return _json_response(serialize.answer(answered, asked, written))


@router.post("/ask/batch", response_model=schemas.AnswersSchema)
@needs(Right.READ)
def ask_batch(body: schemas.AskBatch, request: Request, service: Shared) -> Response:
    """`ask` for several questions, which are read together. All are answered, or none."""
    request.state.exchange.notes["questions"] = len(body.questions)
    pending = service.submit(list(map(Understood, body.questions)), body, caller_of(request))
    answers = [Answered(one.wait(one.answer), one.asked.question) for one in pending]
    return _json_response({"answers": list(map(serialize.answer, answers))})


@router.post("/search", response_model=schemas.HitsSchema)
@needs(Right.READ)
def search(body: schemas.Search, request: Request, service: Shared) -> Response:
    """The passages that best match a question, best first, without an answer."""
    request.state.exchange.notes["questions"] = 1
    (pending,) = service.submit([Understood(body.question)], body, caller_of(request), search=True)
    retrieved = pending.wait(pending.found).retrieved
    typed = pending.asked.question
    return _json_response(
        {
            "question": typed,
            "understood": retrieved.question if retrieved.question != typed else None,
            "generation": retrieved.generation,
            "hits": [hit.to_dict() for hit in retrieved.hits],
        }
    )


@router.post("/verify")
@needs(Right.READ)
def verify_citation(body: schemas.Claim, service: Shared) -> schemas.CitationCheckSchema:
    """Check whether a citation still holds; post it as returned with an answer."""
    (citation,) = citations(body.model_dump())
    return schemas.CitationCheckSchema.model_validate(verify(service, citation).to_dict())


_ReportFormat = Annotated[
    Literal["json", "html"], Query(description="html is a marked copy of the text, with evidence.")
]


@router.post("/check", response_model=schemas.ReportSchema)
@needs(Right.READ)
def check(
    body: schemas.Check, request: Request, service: Shared, format: _ReportFormat = "json"
) -> Response:
    """Check which sentences of a text the documents support, contradict or do not contain, and
    quote the evidence.

    Quotations of four words or more are compared word for word, values, names and negations by
    meaning, all without a model; the rest is the reader's verdict. No text is generated.
    """
    started = time.monotonic()
    sources = {source.index: source.document_id for source in body.sources}
    library, seconds = ServiceLibrary(service, caller_of(request)), (body.deadline_ms or 0) / 1000
    report = library.check(body.text, body.filters, sources, seconds, body.quotations_only)
    return _checked(report, request, format, "text", started)


@router.post("/check/file", response_model=schemas.ReportSchema, openapi_extra=UPLOAD)
@needs(Right.READ)
def check_file(
    files: Annotated[list[NamedContent], Depends(uploads)],
    request: Request,
    service: Shared,
    filter: Annotated[list[schemas.LineText], Query(max_length=20)] = [],  # noqa: B006
    quotations_only: bool = False,
    format: _ReportFormat = "json",
) -> Response:
    """Check a file, such as DOCX, PDF, HTML or Markdown, as `POST /v1/check` checks a text.

    The file is not kept. Offsets refer to the text that was read in it. 422: it cannot be read.
    """
    started, caller = time.monotonic(), caller_of(request)
    if len(files) != 1:
        raise InputError(f"{len(files)} files were sent", "send one file in each request")
    name, content = files.pop()
    with waiting(), caller.charged():
        loaded = load_some(name, content, partial(service.readers.load_data, key_id=caller.key_id))
    text = "\n\n".join(document.text for document in loaded.documents)
    library = ServiceLibrary(service, caller)
    report = library.check(text, filter, only_quotations=quotations_only)
    return _checked(report, request, format, name, started)


def _checked(
    report: CheckReport, request: Request, format: str, name: str, started: float
) -> Response:
    """The report as JSON, or as a page that is saved, not opened here."""
    notes = {"sentences": len(report.judged), "quotations": len(report.quotations)}
    request.state.exchange.notes.update(notes)
    if format == "html":
        headers = {"Content-Disposition": 'attachment; filename="checked.html"'}
        return Response(reports.page(report, name), media_type="text/html", headers=headers)
    timings = {"check": round((time.monotonic() - started) * 1000, 1)}
    return _json_response({**report.to_dict(), "timings_ms": timings})


def _json_response(value: Json) -> Response:
    """The response as JSON, without FastAPI's second check in a thread that may be busy."""
    return Response(to_json(value), media_type="application/json")


def _events(
    pending: PendingQuestion,
    request_id: str,
    asked: str,
    understood: Understood,
    writer: Callable[[Answer], Json] | None,
) -> Iterator[str]:
    """The last event is `done`, or `error` with the problem details of a plain request."""
    try:
        found = pending.wait(pending.found)
        yield _event("search_results", {"hits": [hit.to_dict() for hit in found.hits]})
        answered = understood.answered(pending.wait(pending.answer))
        answer = serialize.answer(answered, asked)
        for citation in answer["citations"]:
            yield _event("citation", citation)
        yield _event("final_answer", answer)
        if writer:
            yield _event("written", writer(answered.answer))
        yield _event("done", {})
    except Exception as error:
        if not isinstance(error, RagError):
            _log.exception("request %s failed", request_id)
        problem = problems.problem_of(error)
        yield _event("error", problem.model_copy(update={"request_id": request_id}))


def _event(name: str, data: BaseModel | dict[str, Any]) -> str:
    """The data is one line, since JSON has no raw line breaks."""
    return f"event: {name}\ndata: {to_json(data).decode()}\n\n"
