"""`/v1/check`: check a text against the documents, sentence by sentence."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from rag import filters
from rag.claims.checker import Checker
from rag.claims.results import Checked, CheckReport, FoundEvidence
from rag.server import serialize
from rag.server.caller import Caller
from rag.server.openapi import described
from rag.server.rights import Right, needs
from rag.server.schemas import Line, Strict
from rag.server.state import Service, caller_of, service_of

router = APIRouter(prefix="/v1", tags=["questions"])
Shared = Annotated[Service, Depends(service_of)]


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


class WireEvidence(BaseModel):
    """`cited_text` is `text[start_char_index:end_char_index]` of the document's text."""

    document_id: str = Field(examples=["seeds/jcpoa.md"])
    title: str
    uri: str
    page: int | None = None
    cited_text: str
    start_char_index: int
    end_char_index: int
    document_sha256: str
    says: str = Field(description="supports, contradicts or near.", examples=["contradicts"])
    probability: float = Field(ge=0, le=1)
    differs: list[tuple[str, str]] = Field(
        description="Pairs of differing values: the text's and the document's.",
        examples=[[["2018", "14 July 2015"]]],
    )
    missing: list[str] = Field(description="Values and names of the text that the sentence lacks.")


class WireChecked(BaseModel):
    """A sentence of the text, `text[start:end]`; the verdict is supported, contradicted, partly,
    not_in_documents, not_a_claim or not_checkable.
    """

    start: int
    end: int
    text: str
    verdict: str = Field(examples=["contradicted"])
    confidence: float = Field(ge=0, le=1, description="Probability that the verdict is right.")
    reason: str = Field(examples=['says "2018", seeds/jcpoa.md says "14 July 2015"'])
    cited: list[int] = Field(description="The [n] numbers it cites.")
    wrong_citation: bool = Field(description="Supported, but not by the cited passage.")
    evidence: list[WireEvidence]


class WireReport(BaseModel):
    sentences: list[WireChecked]
    counts: dict[str, int] = Field(description="Sentences by verdict, and wrong citations.")
    generation: int = Field(description="The state of the index.")
    timings_ms: dict[str, float]


@router.post("/check", responses=described(409, 503))
@needs(Right.READ)
def check(body: Check, request: Request, service: Shared) -> WireReport:
    """Check which sentences of a text the documents support, contradict or do not contain, and
    quote the evidence.

    Values, names and negations are compared without a model; the rest is the reader's verdict. No
    text is generated.
    """
    started = time.monotonic()
    seconds = (body.deadline_ms or 0) / 1000
    sources = {one.index: one.document_id for one in body.sources}
    report = check_text(service, caller_of(request), body.text, body.filters, sources, seconds)
    request.state.exchange.notes["sentences"] = len(report.sentences)
    return _report(report, time.monotonic() - started)


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


def _report(report: CheckReport, seconds: float) -> WireReport:
    return WireReport(
        sentences=[_checked(one) for one in report.sentences],
        counts=report.counts,
        generation=report.generation,
        timings_ms={"check": round(seconds * 1000, 1)},
    )


def _checked(one: Checked) -> WireChecked:
    return WireChecked(
        start=one.start,
        end=one.end,
        text=one.text,
        verdict=one.verdict,
        confidence=one.confidence,
        reason=one.reason,
        cited=list(one.cited),
        wrong_citation=one.wrong_citation,
        evidence=[_evidence(found) for found in one.evidence],
    )


def _evidence(found: FoundEvidence) -> WireEvidence:
    citation = found.citation
    return WireEvidence(
        document_id=citation.document_id,
        title=citation.title,
        uri=serialize.uri(citation.source, citation.document_id),
        page=citation.page,
        cited_text=citation.quote,
        start_char_index=citation.start,
        end_char_index=citation.end,
        document_sha256=citation.sha256,
        says=found.says,
        probability=found.probability,
        differs=list(found.differs),
        missing=list(found.missing),
    )
