"""`/v1/feedback`: ratings of answers, which become gold questions for `rag eval`."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from rag.server.api_keys import WRITE, Key
from rag.server.auth import Right, needs
from rag.server.feedback import feedback_file, gold_text
from rag.server.schemas import Strict
from rag.server.state import Shared, caller_of

router = APIRouter(prefix="/v1", tags=["operations"])
_CHARACTERS_A_SECOND = 4000
"""Characters that cost a second of computing, so that no key can fill the shared file."""
Text = Annotated[str, Field(max_length=10_000)]


class FeedbackEvidence(Strict):
    document: str = Field(min_length=1, max_length=2000, examples=["uploads/lease.md"])
    sentence: Text = Field(description="`cited_text` of the citation.")


class Feedback(Strict):
    """A user's rating of an answer."""

    question: str = Field(min_length=1, max_length=10_000, examples=["When does the lease end?"])
    verdict: Literal["right", "wrong", "not_in_the_documents"]
    answer: Text | None = Field(default=None, description="As shown.", examples=["31 May 2027"])
    correction: Text | None = Field(default=None, description="The right answer to a wrong one.")
    evidence: list[FeedbackEvidence] = Field(
        default=[], max_length=20, description="The citations of a correct answer."
    )
    comment: Text = ""


class Noted(BaseModel):
    noted: bool = True


@router.post("/feedback", status_code=201)
@needs(Right.READ)
def add_feedback(body: Feedback, request: Request, service: Shared) -> Noted:
    """Store a rating with its question on the service's disk. The latest rating of a question
    counts; a read-only key does not replace those of others.
    """
    line = {key: value for key, value in body.model_dump().items() if value not in (None, "", [])}
    caller_of(request).charge(len(str(line)) / _CHARACTERS_A_SECOND)
    key: Key | None = request.state.key
    may_write = key is None or key.scope == WRITE
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    feedback_file(service.settings.index).add(
        {"time": when, "key": request.state.exchange.key, "may_write": may_write, **line}
    )
    return Noted()


@router.get(
    "/feedback",
    response_class=PlainTextResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
@needs(Right.WRITE)
def get_feedback(service: Shared) -> PlainTextResponse:
    """Gold questions made from the ratings, one JSON object per line, for `rag eval run FILE`."""
    text = gold_text(feedback_file(service.settings.index).lines())
    return PlainTextResponse(text, media_type="application/x-ndjson")
