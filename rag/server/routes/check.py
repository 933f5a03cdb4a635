"""`/v1/check`: check a text against the documents, sentence by sentence, and its quotations."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request
from pydantic import Field

from rag import filters
from rag.claims.checker import Checker
from rag.claims.results import CheckReport
from rag.server import serialize
from rag.server.caller import Caller
from rag.server.rights import Right, needs
from rag.server.schemas import Line, Strict, WireReport
from rag.server.state import Service, Shared, caller_of

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
    seconds = (body.deadline_ms or 0) / 1000
    sources = {source.index: source.document_id for source in body.sources}
    report = check_text(service, caller_of(request), body.text, body.filters, sources, seconds)
    request.state.exchange.notes["sentences"] = len(report.sentences)
    request.state.exchange.notes["quotations"] = len(report.quotations)
    return serialize.report(report, time.monotonic() - started)


def check_text(
    service: Service,
    caller: Caller,
    text: str,
    conditions: Sequence[str],
    sources: Mapping[int, str],
    seconds: float = 0.0,
) -> CheckReport:
    """Check a text in the model thread, between questions of other clients, for at most `seconds`;
    0 uses the default. Raises as `Checker.check`, and ServiceError.
    """
    proceed = service.deadline(caller, seconds)
    run = service.runner(caller, proceed)
    checker = Checker(service.engine)
    return checker.check(text, filters.parse(conditions) or None, sources, run=run, proceed=proceed)
