"""`/v1/check`: check a text against the documents, sentence by sentence, and its quotations."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from pydantic import Field

from rag.server import serialize
from rag.server.answer_service import ServiceLibrary
from rag.server.rights import Right, needs
from rag.server.schemas import Line, Strict, WireReport
from rag.server.state import Shared, caller_of

router = APIRouter(prefix="/v1", tags=["questions"])


class CheckSource(Strict):
    """The document that [index] cites in the text."""

    index: int = Field(ge=0, le=999, examples=[1])
    document_id: str = Field(min_length=1, max_length=2000, examples=["seeds/jcpoa.md"])


class Check(Strict):
    text: str = Field(
        min_length=1,
        max_length=200_000,
        description="Plain text, Markdown, or a chat answer with [n] marks.",
        examples=["The JCPOA was signed in 2018. [1]\n\n[1] seeds/jcpoa.md"],
    )
    sources: list[CheckSource] = Field(
        default=[],
        max_length=200,
        description="Sources that the [n] marks cite, unless the text lists them.",
    )
    filters: list[Line] = Field(
        default=[], max_length=20, description="Conditions on the documents, as for `/v1/ask`."
    )
    deadline_ms: int | None = Field(
        default=None,
        ge=1,
        le=600_000,
        description="Deadline in milliseconds, after which the status is 503.",
    )


@router.post("/check")
@needs(Right.READ)
def check(body: Check, request: Request, service: Shared) -> WireReport:
    """Check which sentences of a text the documents support, contradict or do not contain, and
    quote the evidence.

    Quotations of four words or more are compared word for word, values, names and negations by
    meaning, all without a model; the rest is the reader's verdict. No text is generated.
    """
    started = time.monotonic()
    sources = {source.index: source.document_id for source in body.sources}
    library = ServiceLibrary(service, caller_of(request))
    report = library.check(body.text, body.filters, sources, (body.deadline_ms or 0) / 1000)
    notes = {"sentences": len(report.sentences), "quotations": len(report.quotations)}
    request.state.exchange.notes.update(notes)
    return serialize.report(report, time.monotonic() - started)
